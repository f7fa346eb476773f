"""docs/howto/unit-tests.md: its app and its tests, run as they stand."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

PAGE = Path(__file__).resolve().parent.parent / "docs/howto/unit-tests.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def loaded(name: str, source: str) -> ModuleType:
    module = ModuleType(name)
    module.__file__ = f"{name}.py"
    exec(compile(source, f"{PAGE}:{name}", "exec"), vars(module))
    return module


def test_the_pages_tests_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    app, tests = BLOCKS
    monkeypatch.setitem(sys.modules, "function_app", loaded("function_app", app))
    found = [each for name, each in vars(loaded("tests", tests)).items() if name[:5] == "test_"]
    assert len(found) == 5
    for test in found:
        test()


def test_the_spellings_of_1_7_reach_the_functions() -> None:
    app = loaded("function_app", BLOCKS[0])
    shown = re.findall(r"`((?:greet|start|say_hello)\.build\(\)[^`]*)`", PAGE.read_text("utf-8"))
    assert len(shown) == 3
    for spelling in shown:
        function = eval(spelling, vars(app))
        assert function is eval(spelling.partition(".")[0], vars(app)).user_function
