"""Every recorded queue message decodes, and encodes again to the same text."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections import Counter
from pathlib import Path

import pytest

from durable.errors import CorruptRecord
from durable.model.messages import TaskMessage
from durable.wire.envelopes import (
    BlobPointer,
    QueueEncoding,
    decode_message,
    encode_message,
    encode_pointer,
    event_type_name,
    json_text,
    message_blob_name,
    queue_text,
)
from durable.wire.names import HubNames
from durable.wire.spill import decompress, message_is_large

DATA = Path(__file__).parent / "data"
SCENARIOS = sorted(
    folder.relative_to(DATA).as_posix()
    for part in ("dtfx", "extension", "python")
    for folder in (DATA / part).iterdir()
)
_AFTER_INPUT = (
    '","Tags":null,"Correlation":null,"ParentTraceContext":null,"ScheduledStartTime":null,'
    '"Generation":0,"GenerateNewTrace":false,"EventId":-1,"IsPlayed":false,'
    '"Timestamp":"2024-01-02T03:04:05.1234567Z"},"SequenceNumber":0,"Orchestra'
)
_CUT = re.compile(r"…\[(\d+) chars, sha256 (\w+)\]…")


def lines(scenario: str) -> list[dict[str, str | None]]:
    text = (DATA / scenario / "messages.ndjson").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def queued(message: dict[str, str | None]) -> str:
    """The text as it was put; the recorder cut the middle out of the largest two."""
    text = message.get("MessageText") or message.get("text") or ""
    cut = _CUT.search(text)
    if cut is None:
        return text
    missing = int(cut[1]) - len(text) + len(cut[0])
    middle = "z" * (missing - len(_AFTER_INPUT)) + _AFTER_INPUT
    whole = text[: cut.start()] + middle + text[cut.end() :]
    assert hashlib.sha256(whole.encode()).hexdigest() == cut[2]
    return whole


def again(text: str) -> str:
    decoded = decode_message(text)
    if isinstance(decoded, BlobPointer):
        return encode_pointer(decoded.blob_name)
    return encode_message(decoded)


def blobs(scenario: str) -> dict[str, bytes]:
    """Gzipped blobs whose bytes were recorded, by name."""
    final = json.loads((DATA / scenario / "final.json").read_text(encoding="utf-8"))
    listed = [
        blob
        for container in final["blobs"].values()
        if isinstance(container.get("blobs"), list)
        for blob in container["blobs"]
    ]
    return {it["name"]: base64.b64decode(it["base64"]) for it in listed if "base64" in it}


def peeked(scenario: str) -> list[str]:
    final = json.loads((DATA / scenario / "final.json").read_text(encoding="utf-8"))
    return [
        message["MessageText"]
        for queue in final["queues"].values()
        if isinstance(queue["peek"], list)
        for message in queue["peek"]
    ]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_recorded_message_encodes_to_its_own_text(scenario: str) -> None:
    for message in lines(scenario):
        text = json_text(queued(message))
        assert again(text) == text


@pytest.mark.parametrize("scenario", [it for it in SCENARIOS if "_base64" in it])
def test_base64_is_written_as_recorded(scenario: str) -> None:
    encoded = [queued(it) for it in lines(scenario) if it["decoded"] is not None]
    assert encoded
    for text in encoded:
        assert queue_text(json_text(text), QueueEncoding.BASE64) == text


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_message_was_put_in_the_queue_that_names_and_hash_say(scenario: str) -> None:
    hub = json.loads((DATA / scenario / "final.json").read_text(encoding="utf-8"))["hub"]
    names = HubNames(hub, 4)
    for message in lines(scenario):
        decoded = decode_message(json_text(queued(message)))
        if isinstance(decoded, TaskMessage):
            work = event_type_name(decoded.event) == "TaskScheduled"
            target = decoded.target.instance_id
            assert message["queue"] == (
                names.work_items if work else names.control_queue_of(target)
            )


def test_messages_left_in_queues_encode_to_their_own_text() -> None:
    found = [text for scenario in SCENARIOS for text in peeked(scenario)]
    texts = [json_text(text) for text in found if not _CUT.search(text)]
    assert (len(found), len(texts)) == (3, 2)
    assert [again(text) for text in texts] == texts


def test_a_message_in_a_blob_encodes_to_its_own_text_under_its_own_name() -> None:
    checked = 0
    for scenario in SCENARIOS:
        for name, data in blobs(scenario).items():
            if "/message-" not in name:
                continue
            text = decompress(data, max_bytes=1_000_000)
            message = decode_message(text)
            assert isinstance(message, TaskMessage)
            assert encode_message(message) == text
            assert message_blob_name(message) == name
            assert message_is_large(text)
            checked += 1
    assert checked == 5


def test_46080_bytes_stay_in_the_queue_and_46081_do_not() -> None:
    texts = [queued(message) for message in lines("dtfx/03_boundary")]
    assert [len(text) for text in texts[:2]] == [46079, 46080]
    assert not any(message_is_large(text) for text in texts)
    assert isinstance(decode_message(texts[2]), BlobPointer)
    [large] = [
        text
        for text in (decompress(it, max_bytes=10**6) for it in blobs("dtfx/03_boundary").values())
        if len(text) == 46081
    ]
    assert message_is_large(large)


def test_the_recordings_hold_these_types() -> None:
    """So that nobody believes more was compared than was."""
    found: Counter[str] = Counter()
    for scenario in SCENARIOS:
        for line in lines(scenario):
            message = decode_message(json_text(queued(line)))
            found[
                "pointer" if isinstance(message, BlobPointer) else event_type_name(message.event)
            ] += 1
    assert set(found) == {
        "pointer",
        "ExecutionStarted",
        "TaskScheduled",
        "TaskCompleted",
        "TaskFailed",
        "TimerFired",
        "EventRaised",
        "SubOrchestrationInstanceCompleted",
        "SubOrchestrationInstanceFailed",
        "ExecutionTerminated",
        "ExecutionSuspended",
        "ExecutionResumed",
        "GenericEvent",
    }
    assert found.total() == 854


def test_a_recording_cut_short_is_corrupt() -> None:
    text = queued(lines("dtfx/01_hello")[0])
    with pytest.raises(CorruptRecord, match="not JSON"):
        decode_message(text[:-1])
