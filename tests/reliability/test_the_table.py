"""The table of the original's weaknesses in docs/reliability.md names the tests there are."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PAGE = ROOT / "docs" / "reliability.md"

WEAKNESSES = [f"W{number}" for number in range(1, 27)]
_NAMED = re.compile(r"test_w(\d\d)_\w+")
_ROW = re.compile(r"^\|\s*(W\d+)\s*\|(.*)\|\s*$", re.MULTILINE)
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def functions(path: Path) -> list[str]:
    """The functions that a module of tests defines."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [
        each.name for each in tree.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def written() -> dict[str, set[tuple[str, str]]]:
    """The tests of this folder, path and name, by weakness."""
    found: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for path in sorted(HERE.glob("test_weaknesses_*.py")):
        for name in functions(path):
            if named := _NAMED.fullmatch(name):
                where = path.relative_to(ROOT).as_posix()
                found[f"W{int(named[1])}"].add((where, name))
    return found


def rows() -> dict[str, str]:
    """The rows of the table in the page."""
    return dict(_ROW.findall(PAGE.read_text(encoding="utf-8")))


@pytest.mark.parametrize("weakness", WEAKNESSES)
def test_each_weakness_has_a_test_of_its_own(weakness: str) -> None:
    assert written()[weakness]


def test_no_test_is_of_a_weakness_that_is_not_in_the_list() -> None:
    assert sorted(written(), key=lambda each: int(each[1:])) == WEAKNESSES


def test_the_page_has_a_row_for_each_weakness_in_order() -> None:
    assert list(rows()) == WEAKNESSES


@pytest.mark.parametrize("weakness", WEAKNESSES)
def test_a_row_names_exactly_the_tests_there_are(weakness: str) -> None:
    named = set(_TEST.findall(rows()[weakness]))
    here = {each for each in named if each[0].startswith("tests/reliability/test_weaknesses_")}
    assert here == written()[weakness]
    for path, name in named - here:
        assert name in functions(ROOT / path), f"{path}::{name}"
