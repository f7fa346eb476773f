"""House rules that no linter knows."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MODULES = sorted((ROOT / "durable").rglob("*.py"))
#: A habit of 300 lines, and this is where it ends.
MOST_LINES = 600


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_is_short_and_hides_no_import(module: Path) -> None:
    text = module.read_text(encoding="utf-8")
    assert text.count("\n") <= MOST_LINES
    assert "TYPE_CHECKING" not in text  # it hides cycles, and codecs read annotations at run time
    assert "import pickle" not in text


def test_nothing_that_is_deployed_depends_on_the_local_host() -> None:
    for module in MODULES:
        if not {"host", "cli"} & set(module.relative_to(ROOT).parts):
            text = module.read_text(encoding="utf-8")
            assert "durable.host." not in text, module
            assert "from durable.host " not in text, module


def test_what_is_deployed_is_what_the_app_imports() -> None:
    ignored = (ROOT / ".funcignore").read_text(encoding="utf-8").splitlines()
    assert "tests" in ignored
    assert {"durable/host", "durable/cli", "durable/__main__.py"} <= set(ignored)
    assert not {"durable", "function_app.py", "host.json", "requirements.txt"} & set(ignored)
