"""Every recorded text of an entity is understood, and would be written with the same members."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from durable.model.entities import (
    EntityStatus,
    OperationRequest,
    Outgoing,
    Release,
    Response,
    SchedulerState,
)
from durable.wire.entity_json import (
    decode_message,
    decode_response,
    decode_state,
    decode_status,
    encode_response,
    encode_state,
    encode_status,
    event_of,
)
from durable.wire.times import parse_time

DATA = Path(__file__).parent / "data"
FOLDERS = sorted(
    folder
    for part in ("dtfx", "extension", "python")
    for folder in (DATA / part).iterdir()
    if "entity" in folder.name
)
SCENARIOS = [f"{folder.parent.name}/{folder.name}" for folder in FOLDERS]
#: The framework's own members, which the extension lacks, and we.
FRAMEWORK = {"IsLockRequest", "createTrace"}


def events(folder: Path) -> Iterator[tuple[str, str, str | None]]:
    """Target, name and input of every event that was sent to or from an entity."""
    for line in (folder / "messages.ndjson").read_text(encoding="utf-8").splitlines():
        put = json.loads(line)
        message = json.loads(put.get("decoded") or put.get("MessageText") or put["text"])
        event = message["TaskMessage"]["Event"]
        target = message["TaskMessage"]["OrchestrationInstance"]["InstanceId"]
        sender = (message.get("Sender") or {}).get("InstanceId") or ""
        if event["EventType"] == 15 and (target.startswith("@") or sender.startswith("@")):
            yield target, event["Name"], event["Input"]


def columns(value: object, name: str) -> Iterator[str]:
    """Every text of a column in the rows of entities, wherever rows are recorded."""
    if isinstance(value, dict):
        if str(value.get("PartitionKey", "")).startswith("@") and isinstance(value.get(name), str):
            yield value[name]
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from columns(each, name)


def members(value: object) -> object:
    """A JSON value without what we don't write, its times as times."""
    if isinstance(value, dict):
        kept = {k: v for k, v in value.items() if k != "$type" and k not in FRAMEWORK}
        return {k: members(v) for k, v in kept.items()}
    if isinstance(value, list):
        return [members(each) for each in value]
    return as_time(value) if isinstance(value, str) else value


def as_time(text: str) -> str | datetime:
    # A tick more makes the original forget the Z (recorded.md).
    try:
        return parse_time(text)
    except ValueError:
        return text


def same(recorded: str, written: str | None) -> bool:
    ours, theirs = members(json.loads(written or "")), members(json.loads(recorded))
    return ours == theirs and list_order(ours) == list_order(theirs)


def list_order(value: object) -> str:
    return json.dumps(value, default=str)


@pytest.mark.parametrize("folder", FOLDERS, ids=SCENARIOS)
def test_messages_are_understood(folder: Path) -> None:
    found = 0
    for target, name, text in events(folder):
        found += 1
        if target.startswith("@"):
            message = decode_message(name, text, "event")
            assert isinstance(message, OperationRequest | Release)
            due = message.due if isinstance(message, OperationRequest) else None
            again = event_of(Outgoing(target=target, message=message, deliver_at=due))
            assert again[0] == name
            assert same(text or "", again[1])
        else:
            answer = decode_response(name, text, "event")
            assert answer.id == name
            if answer.failure is None:
                assert same(text or "", encode_response(answer))
    assert found


@pytest.mark.parametrize("folder", FOLDERS, ids=SCENARIOS)
def test_states_and_statuses_are_understood(folder: Path) -> None:
    final = json.loads((folder / "final.json").read_text(encoding="utf-8"))
    for text in columns(final, "Input"):
        state = decode_state(text, "Input")
        written = json.loads(encode_state(state))
        if "exists" not in json.loads(text):
            written.pop("exists", None)  # the framework's own has state alone
        assert same(text, json.dumps(written))
        assert decode_state(encode_state(state), "Input") == state
    for text in columns(final, "CustomStatus"):
        assert same(text, encode_status(decode_status(text, "CustomStatus")))


def state_of(scenario: str, entity: str) -> SchedulerState:
    final = json.loads((DATA / scenario / "final.json").read_text(encoding="utf-8"))
    texts = [
        text
        for table in final["tables"].values()
        for row in table
        if row.get("PartitionKey") == entity
        for text in [row.get("Input")]
        if text
    ]
    return decode_state(texts[0], "Input")


def test_what_the_recordings_say() -> None:
    assert state_of("dtfx/18_entity_signal", "@counter@relayed").state == "3"
    assert state_of("dtfx/18_entity_signal", "@counter@a").state is None
    assert state_of("extension/entity_signal_client", "@counter@c1").state == "7"
    received = state_of("python/entity_call", "@counter@rec-entity_call").sorter.received
    assert set(received) == {"rec-entity_call"}


def test_a_waiting_signal_is_in_the_queue_of_a_locked_entity() -> None:
    folder = DATA / "extension" / "entity_locked_signal_waits"
    final = json.loads((folder / "final.json").read_text(encoding="utf-8"))
    states = [decode_state(text, "Input") for text in columns(final, "Input")]
    locked = next(state for state in states if state.locked_by is not None)
    assert locked.locked_by == "hold1"
    assert [request.op for request in locked.queue] == ["add"]
    statuses = [decode_status(text, "CustomStatus") for text in columns(final, "CustomStatus")]
    assert EntityStatus(queue_size=1, locked_by="hold1") in statuses


def test_a_recorded_failure_keeps_type_and_message() -> None:
    folder = DATA / "extension" / "entity_call_failing"
    answers = [
        decode_response(name, text, "event")
        for target, name, text in events(folder)
        if not target.startswith("@")
    ]
    assert len(answers) == 1
    assert isinstance(answers[0], Response)
    failure = answers[0].failure
    assert failure is not None
    assert failure.error_type == "System.InvalidOperationException"
    assert failure.message == "entity failure"
