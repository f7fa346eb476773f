"""What our orchestrators tell entities, beside what the recorded ones told them.

Ours has neither ``$type`` nor the framework's own members. Ids and times differ, as they do between
any two runs; a Python worker's input was encoded twice, and it sent null for none.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from durable.engine.entity_rows import EntityWire, releases_owed
from durable.model.actions import SendEvent
from durable.model.events import EventSent, ExecutionTerminated, HistoryEvent
from durable.wire import entity_json, payloads
from tests.golden.test_replay import ENTITY_CASES, histories, program, replay, started

_RUNS = {"id", "Timestamp", "Predecessor", "due"}
_NOT_OURS = {"$type", "IsLockRequest", "createTrace"}


def mine(scenario: str, name: str) -> list[HistoryEvent]:
    (rows,) = (rows for rows in histories(scenario) if started(rows).name == name)
    return rows


def told(text: str | None, *, python: bool) -> dict[str, Any]:
    """A message's members, those that differ between runs by whether they say anything."""
    found: dict[str, Any] = json.loads(text or "")
    made = {
        member: str(value).startswith("0001") if member in _RUNS else plain(value)
        for member, value in found.items()
        if member not in _NOT_OURS
    }
    if python and "input" in made:
        made["input"] = payloads.decode_input(str(made["input"]))
        if made["input"] is None:
            del made["input"]
    return made


def plain(value: object) -> object:
    if isinstance(value, list):
        return [plain(each) for each in value]
    if isinstance(value, dict):
        return {member: each for member, each in value.items() if member not in _NOT_OURS}
    return value


@pytest.mark.parametrize(
    ("scenario", "name", "function"), ENTITY_CASES, ids=[scenario for scenario, *_ in ENTITY_CASES]
)
def test_ours_tells_entities_what_the_original_told_them(
    scenario: str, name: str, function: Callable[..., Any]
) -> None:
    python = scenario.startswith("python/")
    rows = mine(scenario, name)
    compared = 0
    for index, row in enumerate(rows):
        if not isinstance(row, EventSent):
            continue
        asked = {
            action.task_id: action
            for action in replay(rows[:index], program(name, function)).undecided
        }
        ours = asked[row.event_id]
        assert isinstance(ours, SendEvent)
        assert ours.instance_id == row.instance_id
        assert (ours.name or "").split("@")[0] == (row.name or "").split("@")[0]
        assert ("@" in ours.name) == ("@" in (row.name or "")) == (ours.deliver_at is not None)
        theirs = told(row.input, python=python)
        assert told(ours.input, python=python) == theirs
        assert list(told(ours.input, python=python)) == list(theirs)
        compared += 1
    assert compared


def test_a_release_names_the_lock_as_it_was_recorded() -> None:
    rows = mine("extension/entity_lock_two", "entity_lock")
    sent = [row for row in rows if isinstance(row, EventSent)]
    owed = releases_owed(
        [row for row in rows if not (isinstance(row, EventSent) and row.name == "release")],
        "el1",
        EntityWire(texts=entity_json),
        3,
        sent[-1].timestamp,
    )
    recorded = [row for row in sent if row.name == "release"]
    assert [(row.event_id, row.instance_id, json.loads(row.input or "")) for row in owed] == [
        (row.event_id, row.instance_id, told_exactly(row.input)) for row in recorded
    ]


def told_exactly(text: str | None) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text or "")
    return {member: value for member, value in found.items() if member not in _NOT_OURS}


def test_w19_what_the_original_left_locked_is_released_by_ours() -> None:
    rows = mine("extension/entity_orphaned_lock_clean", "entity_lock_hold")
    (stop,) = [row for row in rows if isinstance(row, ExecutionTerminated)]
    (owed,) = releases_owed(rows, "hold1", EntityWire(texts=entity_json), 1, stop.timestamp)
    assert (owed.instance_id, owed.name) == ("@counter@held", "release")
    assert json.loads(owed.input or "") == {
        "parent": "hold1",
        "id": "518f71b8-2883-5520-9633-52f09f6f5fd4",
    }
