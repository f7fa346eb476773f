"""How what an account holds differs from what was recorded, piece by piece."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from durable.wire.keys import SENTINEL
from tests.golden.account_dump import DATA, Columns, cut_off, masked, same
from tests.golden.account_runs import Puts

#: (what, name of its kind, column or path, how it differs)
Difference = tuple[str, str, str, str]


def kind(table: str, row: tuple[str, str, Columns]) -> str:
    if table != "History":
        return ""
    return SENTINEL if row[1] == SENTINEL else str(row[2]["EventType"][1])


def compared(
    what: str, name: str, theirs: dict[str, Any], ours: dict[str, Any]
) -> Iterator[Difference]:
    for each in {**theirs, **ours}:
        if each not in ours:
            yield (what, name, each, "not ours")
        elif each not in theirs:
            yield (what, name, each, "ours only")
        elif not same(theirs[each], ours[each]):
            yield (what, name, each, "another value")


def recorded_puts(scenario: str) -> Puts:
    lines = (DATA / scenario / "messages.ndjson").read_text(encoding="utf-8").splitlines()
    puts = [json.loads(line) for line in lines]
    return [(put["queue"], put.get("MessageText") or put["text"]) for put in puts]


def text_differences(theirs: str, ours: str) -> set[Difference]:
    """Of two JSON texts: properties, values, and the order they come in."""
    kept = cut_off(theirs)
    if kept is not None:
        assert masked(ours).startswith(masked(kept))
        return set()
    before, after = dict(leaves(json.loads(theirs))), dict(leaves(json.loads(ours)))
    common = [path for path in before if path in after]
    assert common == [path for path in after if path in before], "another order"
    return set(compared("text", text_name(json.loads(theirs)), before, after))


def text_name(value: dict[str, Any]) -> str:
    if "OwnerId" in value:
        return "appleaseinfo"
    if value["TaskMessage"] is None:
        return "pointer"
    return str(value["TaskMessage"]["Event"]["$type"]).rsplit(".", 1)[-1]


def leaves(value: Any) -> Iterator[tuple[str, object]]:
    """`json_leaves`, masked."""
    for path, leaf in json_leaves(value):
        if path == "SequenceNumber" and leaf:
            yield path, "{number}"  # a process's own counter
        else:
            yield path, masked(leaf) if isinstance(leaf, str) else leaf


def json_leaves(value: Any, path: str = "") -> Iterator[tuple[str, object]]:
    """The properties without properties, by their paths."""
    if path == "TaskMessage.Event.Input" and isinstance(value, str) and value.startswith('{"'):
        value = json.loads(value)  # what is told entities is JSON within JSON
    if isinstance(value, dict) and (value or not path):
        for name, inner in value.items():
            yield from json_leaves(inner, f"{path}.{name}" if path else name)
    else:
        yield path, value
