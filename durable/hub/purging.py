"""Purging an instance is a commit of its own (R8).

0. fence       when there are payloads: the row's ETag moves, so that a start which wrote its blobs
               before cannot be accepted any more; only blobs listed before are deleted later
1. tombstone   the sentinel, under its ETag, becomes {ExecutionId, FirstExecutionId, Purged}: what
               still names the instance's executions is dropped from here on. It keeps the
               identities that were consumed (R7): what is delivered again must not reach into an
               instance that is started under the same id
2. rows, blobs a crash here leaves rows that no longer count; purging again goes on
3. row         the row in Instances last, under its ETag
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import replace

from durable.engine.judgement import consumed_identities, kept_identities
from durable.errors import Conflict, CorruptRecord, NotFound, PreconditionFailed
from durable.hub.taskhub import TaskHub
from durable.model.events import HistoryEvent
from durable.model.history import RecentIdentity, Sentinel
from durable.model.status import InstanceRow
from durable.storage.values import All, Comparison, Operation, Row, Some, Where, Write
from durable.wire import spill
from durable.wire.history_rows import decode_event
from durable.wire.keys import SENTINEL, escape_partition_key
from durable.wire.sentinel_rows import decode_sentinel, encode_identities, encode_sentinel

_TRIES = 5
#: The rows that say what was consumed, and when.
_TELLING = Some(
    tuple(
        Where("EventType", Comparison.EQ, name)
        for name in (
            "OrchestratorStarted",
            "EventRaised",
            "ExecutionSuspended",
            "ExecutionResumed",
            "ExecutionTerminated",
        )
    )
)
_IDENTITY_COLUMNS = ("EventType", "EventId", "IsPlayed", "_Timestamp", "Identity")
_BATCH = 100


async def purge_instance(
    hub: TaskHub, instance_id: str, *, force: bool = False, known: InstanceRow | None = None
) -> bool:
    """Remove a finished instance with its history and payloads.

    `force` removes one that still runs, too: its turns lose the race for the sentinel, and what
    its activities answer names a tombstone. With `known` nothing is removed when the instance has
    changed since that row of it was read.

    Returns whether there was one to remove: not when it is missing or has not ended.
    """
    for _ in range(_TRIES):
        blobs = await hub.payloads.names_of(instance_id)
        row = await hub.instances.read(instance_id)
        if row is None or not (force or _has_ended(row)):
            return False
        if known is not None and row.etag != known.etag:
            return False
        sentinel = await hub.history.read_sentinel(instance_id)
        if sentinel is not None and sentinel.execution_id != row.execution_id:
            continue  # the row is behind, or ahead: look again
        if known is not None and _is_behind(row, sentinel):
            return False
        try:
            if blobs:
                row = await hub.instances.show(row, row)
                known = known and row
            await _entomb(
                hub, instance_id, row, sentinel, await _consumed(hub, sentinel, instance_id)
            )
            await remove_rows(hub, instance_id)
            await hub.payloads.delete(blobs)
            await hub.instances.delete(row)
        except (Conflict, PreconditionFailed, NotFound):
            continue
        return True
    return False


def _is_behind(row: InstanceRow, sentinel: Sentinel | None) -> bool:
    """Whether the history has stretches that the row doesn't show."""
    if sentinel is None or sentinel.committed_execution_id != sentinel.execution_id:
        return False  # nothing of ours: the original shows nothing before its row
    return (row.checkpoint_sequence or 0) < (sentinel.sequence or 0)


def _has_ended(row: InstanceRow) -> bool:
    return row.status is not None and row.status.is_terminal


async def _consumed(
    hub: TaskHub, sentinel: Sentinel | None, instance_id: str
) -> tuple[RecentIdentity, ...]:
    """What clients sent and the instance took, as far as somebody may still deliver it again."""
    if sentinel is None or sentinel.purged:
        return ()
    key = escape_partition_key(instance_id)
    events: list[HistoryEvent] = []
    continuation: str | None = None
    while True:
        page = await hub.account.tables.query(
            hub.names.history_table,
            All((Where("PartitionKey", Comparison.EQ, key), _TELLING)),
            select=_IDENTITY_COLUMNS,
            continuation=continuation,
        )
        events += _understood(page.rows)
        continuation = page.continuation
        if continuation is None:
            break
    return kept_identities(
        sentinel.identities,
        consumed_identities(events),
        (),
        now=hub.clock.now(),
        # How long the queue was served without a gap is not known here: nothing is too old.
        served_since=hub.clock.now(),
        keep_seconds=hub.settings.identity_seconds,
    )


async def _entomb(
    hub: TaskHub,
    instance_id: str,
    row: InstanceRow,
    sentinel: Sentinel | None,
    identities: tuple[RecentIdentity, ...],
) -> None:
    """Step 1: REPLACE leaves nothing of the old sentinel but what a tombstone needs.

    What one column holds of the youngest identities is kept; no instance consumed more in the
    time that counts but one that was flooded with events.
    """
    if sentinel is not None and sentinel.purged:
        return
    first = sentinel.first_execution_id if sentinel is not None else None
    tombstone = Sentinel(
        execution_id=row.execution_id,
        first_execution_id=first or row.execution_id,
        checkpoint_time=hub.clock.now(),
        purged=True,
        identities=_that_fit(identities),
    )
    stored = Row(
        partition_key=escape_partition_key(instance_id),
        row_key=SENTINEL,
        columns=encode_sentinel(tombstone),
        etag=sentinel.etag if sentinel is not None else None,
    )
    write = Write.REPLACE if sentinel is not None else Write.INSERT
    await hub.account.tables.write(hub.names.history_table, Operation(write=write, row=stored))


def _understood(rows: Iterable[Row]) -> Iterator[HistoryEvent]:
    for row in rows:
        with contextlib.suppress(CorruptRecord):  # what can't be read must be purged all the same
            yield decode_event(row.columns)


def _that_fit(identities: tuple[RecentIdentity, ...]) -> tuple[RecentIdentity, ...]:
    youngest = sorted(identities, key=lambda each: each.consumed_at)
    while spill.oversized({spill.IDENTITIES: encode_identities(tuple(youngest))}):
        del youngest[: len(youngest) // 2]
    return tuple(youngest)


async def remove_rows(hub: TaskHub, instance_id: str) -> None:
    """Delete the rows under a tombstone, each under the ETag it was read with.

    All are read before the first is deleted, the sentinel last: when that is no tombstone any
    more, a new execution has begun over the old rows and they are left to it.

    Raises:
        PreconditionFailed: a new execution began meanwhile.
    """
    partition_key = escape_partition_key(instance_id)
    rows: list[Row] = []
    entombed = False
    continuation: str | None = None
    while True:
        page = await hub.account.tables.query(
            hub.names.history_table,
            Where("PartitionKey", Comparison.EQ, partition_key),
            select=("Purged",),
            continuation=continuation,
        )
        for row in page.rows:
            if row.row_key == SENTINEL:
                entombed = decode_sentinel(row.columns, row.etag, row.timestamp).purged
            else:
                rows.append(row)
        continuation = page.continuation
        if continuation is None:
            break
    if not entombed:
        raise PreconditionFailed(
            f"Instance {instance_id!r} was started anew while it was purged.", operation="purge"
        )
    for start in range(0, len(rows), _BATCH):
        await _delete(hub, rows[start : start + _BATCH])


async def _delete(hub: TaskHub, rows: list[Row]) -> None:
    """One batch; row by row when another purge is at it too."""
    table = hub.names.history_table
    operations = [
        Operation(write=Write.DELETE, row=replace(row, columns={}, timestamp=None)) for row in rows
    ]
    try:
        await hub.account.tables.batch(table, operations)
    except NotFound:
        for operation in operations:
            try:
                await hub.account.tables.write(table, operation)
            except NotFound:
                continue
