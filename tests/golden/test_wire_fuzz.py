"""Damaged messages decode to something that encodes again, or are corrupt; never another error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from durable.errors import CorruptRecord
from durable.model.messages import TaskMessage
from durable.wire.envelopes import decode_message, encode_message, event_type_name, json_text

DATA = Path(__file__).parent / "data"
OURS = {"Mark": 1, "Identity": "s:x:1", "Failures": 2, "Since": "2024-01-02T03:04:05Z"}


def examples() -> list[str]:
    """A recorded message of each type, and all the specification's; with and without our extras."""
    lines = (DATA / "spec" / "messages.ndjson").read_text(encoding="utf-8").splitlines()
    texts = [json.loads(line)["text"] for line in lines]
    recorded: dict[str, str] = {}
    for path in sorted((DATA / "extension").glob("*/messages.ndjson")):
        for line in path.read_text(encoding="utf-8").splitlines():
            message = decode_message(json.loads(line)["text"])
            if isinstance(message, TaskMessage):
                recorded.setdefault(event_type_name(message.event), json.loads(line)["text"])
    texts += recorded.values()
    return texts + [json.dumps(json.loads(text) | {"Durable": OURS}) for text in texts]


EXAMPLES = st.sampled_from(examples())
JSON = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=5),
    st.sampled_from(
        [
            '"DurableTask.Core.History.TaskFailedEvent"',
            '"0001-01-01T00:00:00+01:00"',
            "[]",
            "{}",
            '{"$type":"x","InstanceId":null}',
            '{"ErrorType":"E","InnerFailure":{"Properties":{"a":[[1.5]]}}}',
        ]
    ).map(json.loads),
)


def paths(value: object, here: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Where the members of a JSON object are, those of its objects included."""
    if not isinstance(value, dict):
        return []
    found: list[tuple[str, ...]] = []
    for name, inner in value.items():
        found += [(*here, name), *paths(inner, (*here, name))]
    return found


def understood(text: str) -> None:
    """The text is a message that comes back, a pointer, or corrupt."""
    try:
        message = decode_message(json_text(text))
    except CorruptRecord:
        return
    if isinstance(message, TaskMessage):
        assert decode_message(encode_message(message)) == message


@pytest.mark.slow
@settings(max_examples=1000, deadline=None)
@given(EXAMPLES, st.data())
def test_a_message_with_other_members(text: str, data: st.DataObject) -> None:
    envelope = json.loads(text)
    for _ in range(data.draw(st.integers(1, 2))):
        *parents, last = data.draw(st.sampled_from(paths(envelope)))
        holder = envelope
        for name in parents:
            holder = holder[name]
        if data.draw(st.booleans()):
            holder[last] = data.draw(JSON)
        else:
            del holder[last]
    understood(json.dumps(envelope))


@pytest.mark.slow
@settings(max_examples=500, deadline=None)
@given(EXAMPLES, st.data())
def test_a_message_with_other_characters(text: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(text)))
    cut = data.draw(st.integers(0, 5))
    understood(text[:at] + data.draw(st.text(max_size=3)) + text[at + cut :])
