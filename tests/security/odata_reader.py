"""Reads `$filter` as the table service does: a tokenizer and a parser of their own.

Written from OData's grammar, not from our writer, so that what a text says can be compared with
what was meant. A tree is ``(column, operator, value)``, or ``("and", left, right)``, or with "or".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from durable.storage.values import All, Condition, Int64, Some, Where

Tree = tuple[Any, ...]

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<open>\() | (?P<close>\))
    | (?P<typed>(?:datetime|guid|X|binary)'[^']*')
    | '(?P<text>(?:[^']|'')*)'
    | (?P<number>-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?L?)(?![\w'])
    | (?P<word>[A-Za-z_]\w*)
    )""",
    re.VERBOSE | re.DOTALL,
)
_OPERATORS = {"eq", "ne", "gt", "ge", "lt", "le"}


class NotOData(Exception):
    """The service would refuse the text."""


def parsed(text: str) -> Tree:
    """The tree of a filter; NotOData when anything is left over."""
    tokens = _tokens(text)
    tree, rest = _either(tokens)
    if rest:
        raise NotOData(f"{rest[0]} follows the end of {text!r}")
    return tree


def meant(condition: Condition) -> Tree:
    """The tree that a condition stands for."""
    match condition:
        case Where(column, comparison, value):
            return column, comparison.value, _plain(value)
        case All(()):
            return "PartitionKey", "ge", ""
        case Some(()):
            return "PartitionKey", "lt", ""
        case All(conditions):
            return _folded("and", [meant(each) for each in conditions])
        case Some(conditions):
            return _folded("or", [meant(each) for each in conditions])


def holds(tree: Tree, row: Mapping[str, Any]) -> bool:
    """Whether a row fits: texts compare by UTF-16 units, a missing column never does."""
    if tree[0] in {"and", "or"}:
        left, right = holds(tree[1], row), holds(tree[2], row)
        return (left and right) if tree[0] == "and" else (left or right)
    column, operator, value = tree
    if column not in row:
        return False
    mine, theirs = _ordered(row[column]), _ordered(value)
    answers: dict[str, bool] = {
        "eq": mine == theirs,
        "ne": mine != theirs,
        "gt": mine > theirs,
        "ge": mine >= theirs,
        "lt": mine < theirs,
        "le": mine <= theirs,
    }
    return answers[operator]


def _ordered(value: Any) -> Any:
    return value.encode("utf-16-be", "surrogatepass") if isinstance(value, str) else value


def _plain(value: Any) -> Any:
    match value:
        case bool():
            return value
        case Int64():
            return f"{int(value)}L"
        case int() | float() | str():
            return value
        case bytes():
            return f"X'{value.hex()}'"
        case _:
            return str(value)


def _folded(word: str, trees: list[Tree]) -> Tree:
    tree = trees[0]
    for each in trees[1:]:
        tree = (word, tree, each)
    return tree


def _tokens(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise NotOData(f"{text[at : at + 20]!r} at {at} of {text!r}")
        found.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return found


def _either(tokens: list[tuple[str, str]]) -> tuple[Tree, list[tuple[str, str]]]:
    tree, rest = _both(tokens)
    while rest[:1] == [("word", "or")]:
        right, rest = _both(rest[1:])
        tree = ("or", tree, right)
    return tree, rest


def _both(tokens: list[tuple[str, str]]) -> tuple[Tree, list[tuple[str, str]]]:
    tree, rest = _one(tokens)
    while rest[:1] == [("word", "and")]:
        right, rest = _one(rest[1:])
        tree = ("and", tree, right)
    return tree, rest


def _one(tokens: list[tuple[str, str]]) -> tuple[Tree, list[tuple[str, str]]]:
    match tokens:
        case [("open", _), *inner]:
            tree, rest = _either(inner)
            if rest[:1] != [("close", ")")]:
                raise NotOData("a bracket is not closed")
            return tree, rest[1:]
        case [("word", column), ("word", operator), (kind, value), *rest] if (
            operator in _OPERATORS and kind not in {"open", "close"}
        ):
            return (column, operator, _value(kind, value)), rest
        case _:
            raise NotOData(f"no comparison: {tokens[:3]}")


def _value(kind: str, text: str) -> Any:
    match kind:
        case "text":
            return text.replace("''", "'")
        case "number":
            return text if text.endswith("L") else float(text) if _is_real(text) else int(text)
        case "typed":
            return text
        case _:
            if text not in {"true", "false"}:
                raise NotOData(f"{text!r} is no value")
            return text == "true"


def _is_real(text: str) -> bool:
    return any(mark in text for mark in ".eE")
