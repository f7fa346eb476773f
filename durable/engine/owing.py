"""How far an instance is behind its checkpoints: what is quiet, superseded, owed (R3, R5, R10)."""

from __future__ import annotations

from durable.engine.ledger import Ledger
from durable.model.history import Rewind, Sentinel
from durable.model.status import InstanceRow, RuntimeStatus


def names_lineage(sentinel: Sentinel | None, execution_id: str | None) -> bool:
    """R5: does `execution_id` name the sentinel's current execution, or the first of its line."""
    if sentinel is None or execution_id is None:
        return False
    return execution_id in (sentinel.execution_id, sentinel.first_execution_id)


def is_superseded(sentinel: Sentinel | None, row: InstanceRow | None) -> bool:
    """R5: a newer accepted start waits in the row; the old execution ends here."""
    return (
        row is not None
        and sentinel is not None
        and row.is_unstarted
        and not names_lineage(sentinel, row.execution_id)
    )


def owed_from(ledger: Ledger, sentinel: Sentinel | None, row: InstanceRow | None) -> int | None:
    """None when the instance is quiet; else the last stretch known to be sent.

    R10: after a .NET merge the sentinel's sequence still names our last checkpoint of that
    execution, so what it caused is still owed when the row is behind it.
    """
    if sentinel is None or sentinel.purged or not ledger.rows or not sentinel.sequence:
        return None
    if sentinel.committed_execution_id != sentinel.execution_id:
        return None  # the original wrote this execution, and sends before it commits
    if row is None:
        return 0
    if row.execution_id == sentinel.execution_id:
        sent = row.checkpoint_sequence or 0
        return sent if sent < sentinel.sequence else None
    # R5: any other row that differs is behind, unless a newer start waits in it.
    return None if is_superseded(sentinel, row) else 0


def pending_rewind(
    ledger: Ledger, sentinel: Sentinel | None, row: InstanceRow | None
) -> Rewind | None:
    """The rewind that the sentinel records and that is not applied yet; None when there is none.

    An execution that runs, or was replaced, is none to be rewound: somebody else was quicker.
    """
    if sentinel is None or sentinel.purged or sentinel.rewind is None or sentinel.rewind.is_done:
        return None
    if ledger.status is not RuntimeStatus.FAILED or is_superseded(sentinel, row):
        return None
    return sentinel.rewind
