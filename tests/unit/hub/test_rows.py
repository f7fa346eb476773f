"""A row of the Instances table, made from a history."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from durable.engine.ledger import Ledger
from durable.hub.rows import RowEncoder, size_of, status_row
from durable.model.events import (
    EventRaised,
    ExecutionCompleted,
    ExecutionResumed,
    ExecutionStarted,
    ExecutionSuspended,
    HistoryEvent,
    InstanceRef,
    OrchestratorCompleted,
    OrchestratorStarted,
)
from durable.model.failure import FailureDetails
from durable.model.history import Sentinel, StoredEvent
from durable.model.status import InstanceRow, RuntimeStatus
from durable.model.times import NO_TIME
from durable.wire.history_rows import encode_event

SENTINEL = Sentinel(execution_id="e1", sequence=4)


def started(**fields: Any) -> ExecutionStarted:
    ref = InstanceRef(instance_id="i1", execution_id="e1")
    return ExecutionStarted(timestamp=NO_TIME, instance=ref, name="n", version="1", **fields)


def row_for(
    *events: HistoryEvent,
    known: InstanceRow | None = None,
    begun: ExecutionStarted | None = None,
    blobs: dict[str, str] | None = None,
) -> InstanceRow:
    first: list[HistoryEvent] = [
        OrchestratorStarted(timestamp=NO_TIME),
        begun or started(input="1"),
    ]
    stored = [StoredEvent(event=event) for event in [*first, *events]]
    if blobs:
        stored[-1] = replace(stored[-1], blobs=blobs)
    return status_row("i1", Ledger(stored), SENTINEL, known, lambda name: f"url:{name}")


def ended(status: RuntimeStatus, **fields: Any) -> ExecutionCompleted:
    return ExecutionCompleted(timestamp=NO_TIME, event_id=0, status=status, **fields)


def test_a_running_execution() -> None:
    row = row_for(begun=started(input="1", tags={"a": "b"}, generation=2))
    assert (row.status, row.execution_id, row.name, row.version) == (
        RuntimeStatus.RUNNING,
        "e1",
        "n",
        "1",
    )
    assert (row.input, row.output, row.completed_time) == ("1", None, None)
    assert (row.tags, row.generation, row.checkpoint_sequence) == ({"a": "b"}, 2, 4)
    assert row.custom_status == "null"


def test_an_end_and_its_output() -> None:
    row = row_for(ended(RuntimeStatus.COMPLETED, result='"r"'))
    assert (row.status, row.output, row.completed_time) == (
        RuntimeStatus.COMPLETED,
        '"r"',
        NO_TIME,
    )
    large = row_for(ended(RuntimeStatus.COMPLETED, result="x"), blobs={"Result": "b"})
    assert large.output == "url:b"


def test_a_failure_is_type_and_message() -> None:
    failure = FailureDetails(error_type="ValueError", message="bad")
    row = row_for(ended(RuntimeStatus.FAILED, result="bad", failure=failure))
    assert row.output == "ValueError: bad"
    assert row_for(ended(RuntimeStatus.FAILED, result="bare")).output == "bare"


def test_between_the_halves_of_continue_as_new_it_runs() -> None:
    row = row_for(ended(RuntimeStatus.CONTINUED_AS_NEW, result="2"))
    assert (row.status, row.output, row.completed_time) == (RuntimeStatus.RUNNING, None, None)


def test_suspended_and_resumed_show_their_reasons() -> None:
    suspended = ExecutionSuspended(timestamp=NO_TIME, reason="hold")
    row = row_for(suspended)
    assert (row.status, row.output) == (RuntimeStatus.SUSPENDED, "hold")
    row = row_for(suspended, ExecutionResumed(timestamp=NO_TIME, reason="go on"))
    assert (row.status, row.output) == (RuntimeStatus.RUNNING, "go on")


def test_what_history_does_not_hold_comes_from_the_known_row() -> None:
    known = InstanceRow(
        instance_id="i1",
        execution_id="e1",
        output="kept",
        custom_status='"s"',
        scheduled_start_time=NO_TIME,
        generation=7,
        etag="tag",
    )
    row = row_for(known=known)
    assert (row.output, row.custom_status, row.etag) == ("kept", '"s"', "tag")
    assert (row.scheduled_start_time, row.generation) == (NO_TIME, 7)
    other = row_for(known=replace(known, execution_id="e0"))
    assert other.output is None  # of another execution


def test_a_custom_status_of_the_rows_is_shown() -> None:
    row = row_for(OrchestratorCompleted(timestamp=NO_TIME, custom_status='"here"'))
    assert row.custom_status == '"here"'


def test_without_a_start_there_is_nothing_to_show() -> None:
    with pytest.raises(AssertionError, match="'i1' has no started execution"):
        status_row("i1", Ledger(), SENTINEL, None, str)


def test_r1_what_goes_to_a_blob_does_not_fill_the_batch() -> None:
    def sized(length: int) -> int:
        return size_of(EventRaised(timestamp=NO_TIME, name="E", input="x" * length))

    assert sized(2000) - sized(1000) == 2000  # UTF-16
    assert sized(10_000_000) < 4096


def test_a_row_that_was_measured_is_not_encoded_again() -> None:
    encoder = RowEncoder("e1")
    event = EventRaised(timestamp=NO_TIME, name="E", input="1")
    other = replace(event)
    assert encoder.size_of(event) == size_of(event) + 2 * len("e1") - len('""')
    columns = encoder.columns_of(event)
    assert columns == encode_event(event, execution_id="e1")
    assert encoder.columns_of(event) is columns
    assert encoder.columns_of(other) == columns
    assert encoder.columns_of(other) is not columns  # as large as it is, but never measured
