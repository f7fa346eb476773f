"""A row of the Instances table, made from an instance's history."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from durable.engine.ledger import Ledger
from durable.model.events import ExecutionCompleted, ExecutionStarted, HistoryEvent
from durable.model.history import Sentinel, StoredEvent
from durable.model.status import InstanceRow, RuntimeStatus
from durable.wire import spill
from durable.wire.fields import Column
from durable.wire.history_rows import encode_event

_NO_CUSTOM_STATUS = "null"


def size_of(event: HistoryEvent) -> int:
    """What an event's row adds to a batch, once its oversized properties are in blobs."""
    return _batch_bytes(encode_event(event, execution_id=""))


class RowEncoder:
    """The columns of a draft's events: a row that was measured is not encoded again.

    It knows events by identity, and keeps those it has measured.
    """

    def __init__(self, execution_id: str) -> None:
        self._execution_id = execution_id
        self._measured: dict[int, tuple[HistoryEvent, dict[str, Column]]] = {}

    def size_of(self, event: HistoryEvent) -> int:
        """As `size_of`, and with the columns that count in every row alike."""
        columns = encode_event(event, execution_id=self._execution_id)
        self._measured[id(event)] = event, columns
        return _batch_bytes(columns)

    def columns_of(self, event: HistoryEvent) -> dict[str, Column]:
        """The columns of the event's row, payloads and all."""
        measured = self._measured.get(id(event))
        if measured is not None:
            return measured[1]
        return encode_event(event, execution_id=self._execution_id)


def _batch_bytes(columns: dict[str, Column]) -> int:
    for prop in spill.oversized(columns):
        columns = spill.with_blob(columns, prop, "")
    return spill.estimated_bytes(columns)


def status_row(
    instance_id: str,
    ledger: Ledger,
    sentinel: Sentinel,
    known: InstanceRow | None,
    url: Callable[[str], str],
) -> InstanceRow:
    """The whole row that `ledger` stands for; `known` gives what history doesn't hold."""
    started = ledger.started
    if started is None:
        raise AssertionError(f"instance {instance_id!r} has no started execution to show")
    same = known is not None and known.execution_id == started.instance.execution_id
    return InstanceRow(
        instance_id=instance_id,
        execution_id=started.instance.execution_id,
        name=started.name,
        version=started.version,
        input=_input(ledger.started_row, started, url),
        output=_output(ledger, url) or (known.output if known is not None and same else None),
        custom_status=_custom_status(ledger, known),
        created_time=started.timestamp,
        last_updated_time=ledger.rows[-1].event.timestamp,
        completed_time=_completed_time(ledger),
        status=ledger.status,
        scheduled_start_time=started.scheduled_start_time
        or (known.scheduled_start_time if known is not None else None),
        generation=started.generation
        if started.generation is not None
        else (known.generation if known is not None else None),
        tags=started.tags or None,
        checkpoint_sequence=sentinel.sequence,
        etag=known.etag if known is not None else None,
    )


def _input(
    row: StoredEvent | None, started: ExecutionStarted, url: Callable[[str], str]
) -> str | None:
    name = row.blobs.get("Input") if row is not None else None
    return url(name) if name else started.input


def _custom_status(ledger: Ledger, known: InstanceRow | None) -> str | None:
    """The row's own when no history row of ours set one (.NET's have none); else ``null``."""
    if ledger.custom_status is not None:
        return ledger.custom_status
    shown = known.custom_status if known is not None else None
    return _NO_CUSTOM_STATUS if shown is None else shown


def _output(ledger: Ledger, url: Callable[[str], str]) -> str | None:
    if ledger.is_finished and ledger.completed is not None:
        name = ledger.completed_row.blobs.get("Result") if ledger.completed_row else None
        return url(name) if name else _outcome_text(ledger.completed)
    if ledger.suspended is not None:
        return ledger.suspended.reason
    # recorded.md section 2, Status: after resume, until it ends, the resume reason.
    return ledger.resumed.reason if ledger.resumed is not None else None


def _outcome_text(completed: ExecutionCompleted) -> str | None:
    """``{type}: {message}`` for a failure, as UseFailureDetails mode writes it."""
    if completed.status is RuntimeStatus.FAILED and completed.failure is not None:
        return str(completed.failure)
    return completed.result


def _completed_time(ledger: Ledger) -> datetime | None:
    return ledger.completed.timestamp if ledger.is_finished and ledger.completed else None
