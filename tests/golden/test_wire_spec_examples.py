"""The examples of the format's specification: messages (3.7) and the rows of a sequence (9.1)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from durable.model.messages import TaskMessage
from durable.wire.envelopes import (
    BlobPointer,
    decode_message,
    encode_message,
    encode_pointer,
    event_type_name,
)
from durable.wire.fields import Column
from durable.wire.history_rows import decode_event, encode_event, execution_of
from durable.wire.instance_rows import decode_instance, encode_instance
from durable.wire.sentinel_rows import decode_sentinel, encode_sentinel
from durable.wire.times import parse_time

DATA = Path(__file__).parent / "data" / "spec"
_TIMES = {
    "_Timestamp",
    "CheckpointCompletedTimestamp",
    "CreatedTime",
    "LastUpdatedTime",
    "CompletedTime",
}


def read(name: str) -> list[dict[str, str]]:
    return [json.loads(it) for it in (DATA / name).read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("example", read("messages.ndjson"), ids=lambda it: it["name"])
def test_an_example_message_encodes_to_its_own_text(example: dict[str, str]) -> None:
    decoded = decode_message(example["text"])
    if isinstance(decoded, BlobPointer):
        assert encode_pointer(decoded.blob_name) == example["text"]
    else:
        assert encode_message(decoded) == example["text"]
        assert example["name"].startswith(event_type_name(decoded.event))


def test_a_nested_failure_is_understood() -> None:
    [example] = [it for it in read("messages.ndjson") if "nested failure" in it["name"]]
    message = decode_message(example["text"])
    assert isinstance(message, TaskMessage)
    assert '"code":5' in example["text"]
    assert "inner=FailureDetails(error_type='A', message='b'" in repr(message.event)


@pytest.mark.parametrize("row", read("rows.ndjson"), ids=lambda it: it["RowKey"] or "instance")
def test_an_example_row_encodes_to_its_own_columns(row: dict[str, str]) -> None:
    columns: dict[str, Column] = {
        name: parse_time(value) if name in _TIMES else value
        for name, value in row.items()
        if name not in {"PartitionKey", "RowKey"}
    }
    if row["RowKey"] == "sentinel":
        assert encode_sentinel(decode_sentinel(columns, None, None)) == columns
    elif row["RowKey"]:
        event = decode_event(columns)
        assert encode_event(event, execution_id=execution_of(columns) or "") == columns
    else:
        instance = decode_instance(row["PartitionKey"], columns, None, None)
        assert encode_instance(instance) == columns
