"""docs/howto/entities.md: its entities and its tests, run as they stand."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from durable.authoring.entity_context import DurableEntityContext

PAGE = Path(__file__).resolve().parent.parent / "docs/howto/entities.md"
TEXT = PAGE.read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def test_the_pages_tests_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    page = ModuleType("entities_page")
    page.__file__ = "entities_page.py"
    monkeypatch.setitem(sys.modules, page.__name__, page)
    for block in BLOCKS[:2] + BLOCKS[-1:]:
        exec(compile(block, str(PAGE), "exec"), vars(page))
    found = [each for name, each in vars(page).items() if name[:5] == "test_"]
    assert len(found) == 3
    for test in found:
        test()


def test_the_table_of_the_context_is_the_contexts() -> None:
    table = TEXT[TEXT.index("| `context.` |") : TEXT.index("An entity calls nobody")]
    named = set(re.findall(r"`(\w+)[`(]", table))
    public = {name for name in vars(DurableEntityContext) if not name.startswith("_")}
    assert named == public - {"from_json", "get_input", "get_state", "set_state"}
