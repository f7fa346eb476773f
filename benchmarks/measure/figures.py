"""The figures as kept in docs/performance/figures.json: one entry a measurement."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[2] / "docs"
FOLDER = DOCS / "performance"
FILE = FOLDER / "figures.json"
_AZURITE = Path(__file__).parents[2] / "node_modules" / "azurite" / "package.json"
Figures = dict[str, dict[str, Any]]


def kept(path: Path = FILE) -> Figures:
    """What was measured before; nothing when nothing was."""
    if not path.exists():
        return {}
    found: Figures = json.loads(path.read_text(encoding="utf-8"))
    return found


def keep(figures: Mapping[str, Any], path: Path = FILE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(_rounded(figures), indent=1, ensure_ascii=False)
    path.write_text(f"{text}\n", encoding="utf-8")


def circumstances() -> dict[str, Any]:
    """When, on what, and how busy it was just before (the load of the last minute)."""
    return {
        "day": datetime.now(UTC).date().isoformat(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "azurite": json.loads(_AZURITE.read_text(encoding="utf-8"))["version"],
        "system": f"{platform.system()} {platform.machine()}",
        "load": os.getloadavg()[0],
    }


def _rounded(value: Any) -> Any:
    """Four digits say all there is to say."""
    match value:
        case float():
            return float(f"{value:.4g}")
        case dict():
            return {name: _rounded(each) for name, each in value.items()}
        case list() | tuple():
            return [_rounded(each) for each in value]
        case _:
            return value
