"""Tombstones of purged instances go after a day (R8)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from durable.errors import CorruptRecord, NotFound, PreconditionFailed
from durable.hub.taskhub import TaskHub
from durable.storage.values import All, Comparison, Operation, Row, Where, Write
from durable.wire.keys import SENTINEL
from durable.wire.sentinel_rows import WITHOUT_IDENTITIES, decode_sentinel

_PAGE = 100


async def remove_old_tombstones(
    hub: TaskHub, cursor: str | None, *, older_than: datetime
) -> str | None:
    """One page of tombstones laid before `older_than`; returns where to go on."""
    condition = All(
        (
            Where("RowKey", Comparison.EQ, SENTINEL),
            Where("Purged", Comparison.EQ, True),
            Where("CheckpointCompletedTimestamp", Comparison.LT, older_than),
        )
    )
    table = hub.names.history_table
    try:
        page = await hub.account.tables.query(
            table, condition, page_size=_PAGE, continuation=cursor, select=WITHOUT_IDENTITIES
        )
    except CorruptRecord:
        return None  # an old cursor: begin anew
    for row in filter(_is_tombstone, page.rows):
        delete = Operation(write=Write.DELETE, row=replace(row, columns={}, timestamp=None))
        try:
            await hub.account.tables.write(table, delete)
        except (NotFound, PreconditionFailed):
            continue
    return page.continuation


def _is_tombstone(row: Row) -> bool:
    """Whether a purge has left the row: one that is merely damaged is kept for repair.

    So is the sentinel of an execution that .NET began over a tombstone, whose columns it merged.
    """
    try:
        sentinel = decode_sentinel(row.columns, row.etag, row.timestamp)
    except CorruptRecord:
        return False
    return sentinel.committed_count is None and sentinel.is_checkpoint_complete is None
