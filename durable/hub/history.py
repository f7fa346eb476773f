"""Histories: read and checked (R2), and committed under the sentinel's ETag."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime

from durable.clock import Clock
from durable.engine.ledger import Ledger
from durable.errors import Conflict, CorruptRecord, NotFound, PreconditionFailed
from durable.hub.damage import damage_told_of
from durable.hub.payloads import PayloadStore
from durable.hub.rows import RowEncoder
from durable.model.events import GenericEvent, HistoryEvent, OrchestratorCompleted
from durable.model.history import History, Rewind, Sentinel, StoredEvent
from durable.storage.ports import TableStore
from durable.storage.values import All, Comparison, Operation, Row, Where, Write
from durable.wire import spill
from durable.wire.envelopes import event_type_name
from durable.wire.fields import Column
from durable.wire.history_rows import decode_event
from durable.wire.keys import SENTINEL, escape_partition_key, row_index, row_key
from durable.wire.names import HubNames
from durable.wire.sentinel_rows import (
    REWIND,
    decode_identities,
    decode_sentinel,
    encode_identities,
    encode_rewind,
    encode_sentinel,
)

#: How often a read that a commit overtook is made again before it is called corrupt (R2).
_READS = 60
_PAUSE_SECONDS = 0.05
#: No execution counts so far; the next number must fit an Edm.Int32, too.
_LARGEST_NUMBER = 2**30


@dataclass(frozen=True, kw_only=True, slots=True)
class Loaded:
    """A history as read: its ledger, its sentinel, and the service's clock at that time."""

    ledger: Ledger
    sentinel: Sentinel | None
    served_at: datetime
    kept: bool = False

    @property
    def checkpoints(self) -> int:
        """How many checkpoints the sentinel tells of."""
        return (self.sentinel.sequence if self.sentinel is not None else None) or 0


class HistoryStore:
    """The hub's History table."""

    def __init__(
        self, tables: TableStore, names: HubNames, payloads: PayloadStore, clock: Clock
    ) -> None:
        self._tables = tables
        self._table = names.history_table
        self._payloads = payloads
        self._clock = clock

    async def load(self, instance_id: str) -> History:
        """The events that count, payloads fetched, and the sentinel."""
        loaded = await self.read(instance_id)
        return History(events=tuple(loaded.ledger.rows), sentinel=loaded.sentinel)

    async def read(self, instance_id: str, known: Ledger | None = None) -> Loaded:
        """R2: rows 0 .. CommittedCount-1, all there and of the sentinel's execution.

        Reading in key order, the sentinel last, is enough: there is no second read of it. `known`
        is the ledger of a session that lost a race: rows below CommittedCount don't change within
        an execution, but by a rewind, so only what is new is read and appended; the ledger is
        returned as `kept` when it could be used.

        Rewinds change rows in place. The sentinel says how many are rewound; a read of several
        pages that has seen fewer was overtaken.

        Raises:
            CorruptRecord: the rows stay incomplete, or one can't be understood.
            TooLarge: one of its payloads is over the limit.
        """
        with self._told(instance_id, "read history"):
            loaded = await self._read(instance_id, known)
            _check(instance_id, loaded)
            return loaded

    def _told(self, instance_id: str, operation: str) -> AbstractContextManager[None]:
        return damage_told_of(instance_id, "The history", operation=operation, resource=self._table)

    async def _read(self, instance_id: str, known: Ledger | None) -> Loaded:
        partition_key = escape_partition_key(instance_id)
        start = len(known.rows) if known is not None else 0
        for _ in range(_READS):
            rows, sentinel, served_at = await self._rows(partition_key, start)
            counted = _counted(rows, sentinel, start)
            if known is not None and start and not _continues(known, sentinel):
                start, known = 0, None
                continue
            fetched = (
                None if counted is None else await self._fetched(partition_key, counted, sentinel)
            )
            if fetched is None:
                await self._clock.sleep(_PAUSE_SECONDS)  # a commit overtook the read
                continue
            events, sentinel = fetched
            rewound = sum(_is_rewound(stored) for stored in events)
            if known is not None and rewound:
                start, known = 0, None  # by .NET: then older rows changed as well
                continue
            if known is None and rewound < _rewound_by(sentinel):
                await self._clock.sleep(_PAUSE_SECONDS)  # a rewind overtook the read
                continue
            ledger = known if known is not None else Ledger()
            for stored in events:
                ledger.append(stored)
            if sentinel is None or not sentinel.is_ours:
                ledger = _cut_unfinished(ledger, sentinel)
            return Loaded(
                ledger=ledger, sentinel=sentinel, served_at=served_at, kept=known is not None
            )
        raise CorruptRecord(
            f"The history of instance {instance_id!r} lacks rows that its sentinel counts, or "
            "payloads that they name.",
            operation="read history",
            resource=self._table,
        )

    async def read_sentinel(self, instance_id: str) -> Sentinel | None:
        """The sentinel alone.

        Raises:
            CorruptRecord: it can't be understood, or lacks its identities.
        """
        with self._told(instance_id, "read sentinel"):
            return await self._read_sentinel(instance_id)

    async def _read_sentinel(self, instance_id: str) -> Sentinel | None:
        for _ in range(_READS):
            row = await self._tables.read(self._table, escape_partition_key(instance_id), SENTINEL)
            if row is None:
                return None
            try:
                return await self._with_identities(
                    row.partition_key, decode_sentinel(row.columns, row.etag, row.timestamp)
                )
            except NotFound:
                await self._clock.sleep(_PAUSE_SECONDS)  # a commit replaced them meanwhile
        raise CorruptRecord(
            f"The identities that the sentinel of instance {instance_id!r} names are missing.",
            operation="read sentinel",
            resource=self._table,
        )

    async def read_names(self, instance_id: str) -> tuple[set[str], Sentinel | None]:
        """The blobs that any row of the partition names, counted or not, and the sentinel."""
        with self._told(instance_id, "read history"):
            rows, sentinel, _ = await self._rows(escape_partition_key(instance_id), 0)
        return {name for row in rows for name in spill.blobs_of(row.columns).values()}, sentinel

    async def commit(
        self,
        instance_id: str,
        events: Sequence[HistoryEvent],
        first_index: int,
        sentinel: Sentinel,
        encoder: RowEncoder | None = None,
    ) -> tuple[list[StoredEvent], Sentinel]:
        """Steps 1 and 2 of the commit: blobs, then one batch of rows and the sentinel.

        `sentinel.etag` is the one to find, None when there must be no sentinel yet. `encoder` is
        one of the sentinel's execution that has perhaps measured the events already.

        Raises:
            Conflict, PreconditionFailed: somebody else committed first; nothing was written.
        """
        partition_key = escape_partition_key(instance_id)
        operations: list[Operation] = []
        stored: list[StoredEvent] = []
        encoder = encoder or RowEncoder(sentinel.execution_id or "")
        for index, event in enumerate(events, first_index):
            key = row_key(index)
            columns = encoder.columns_of(event)
            if props := spill.oversized(columns):
                columns = await self._payloads.spill_row(
                    partition_key, key, event_type_name(event), columns, props
                )
            row = Row(partition_key=partition_key, row_key=key, columns=columns)
            operations.append(Operation(write=Write.UPSERT_REPLACE, row=row))
            stored.append(StoredEvent(event=event, blobs=spill.blobs_of(columns)))
        identities = encode_identities(sentinel.identities)
        sentinel = replace(
            sentinel,
            sent_by=self._clock.new_id(),
            identities_blob=await self._spilled(partition_key, identities),
        )
        operations.append(_sentinel_write(partition_key, sentinel, identities))
        return stored, await self._guarded(instance_id, operations, sentinel)

    async def rewrite(
        self,
        instance_id: str,
        sentinel: Sentinel,
        rewind: Rewind,
        changes: Mapping[int, Mapping[str, Column]],
    ) -> Sentinel:
        """A step of a rewind, one batch: columns merged into rows, and the journal.

        `changes` are by the row's index; as many as fit a batch beside the sentinel.

        Raises:
            Conflict, PreconditionFailed, NotFound: somebody else was quicker; nothing was written.
        """
        partition_key = escape_partition_key(instance_id)
        operations = [
            Operation(
                write=Write.MERGE,
                row=Row(partition_key=partition_key, row_key=row_key(index), columns=columns),
            )
            for index, columns in changes.items()
        ]
        sentinel = replace(sentinel, rewind=rewind, sent_by=self._clock.new_id())
        row = Row(
            partition_key=partition_key,
            row_key=SENTINEL,
            columns={REWIND: encode_rewind(rewind), "SentBy": sentinel.sent_by or ""},
            etag=sentinel.etag,
        )
        operations.append(Operation(write=Write.MERGE, row=row))
        return await self._guarded(instance_id, operations, sentinel)

    async def _guarded(
        self, instance_id: str, operations: Sequence[Operation], sentinel: Sentinel
    ) -> Sentinel:
        """One batch that ends with the sentinel, which bears our own mark then."""
        try:
            etags = await self._tables.batch(self._table, operations)
        except (Conflict, PreconditionFailed):
            # When an answer is lost the adapter asks again, and finds our own batch in its way.
            found = await self.read_sentinel(instance_id)
            if found is None or found.sent_by != sentinel.sent_by:
                raise
            return replace(sentinel, etag=found.etag)
        return replace(sentinel, etag=etags[-1])

    async def touch(self, instance_id: str, sentinel: Sentinel, sent_by: str) -> Sentinel:
        """R11: move the sentinel's ETag before sending for another.

        Raises:
            Conflict, PreconditionFailed, NotFound: it changed since it was read.
        """
        row = Row(
            partition_key=escape_partition_key(instance_id),
            row_key=SENTINEL,
            columns={"SentBy": sent_by},
            etag=sentinel.etag,
        )
        etag = await self._tables.write(self._table, Operation(write=Write.MERGE, row=row))
        return replace(sentinel, etag=etag, sent_by=sent_by)

    async def _spilled(self, partition_key: str, identities: str) -> str | None:
        """The blob that identities go to when they outgrow their column; None when they don't."""
        if not spill.oversized({spill.IDENTITIES: identities}):
            return None
        name = spill.identities_blob_name(partition_key, spill.blob_token(self._clock.new_id()))
        await self._payloads.write(name, identities, quickly=True)
        return name

    async def _fetched(
        self, partition_key: str, rows: Sequence[Row], sentinel: Sentinel | None
    ) -> tuple[list[StoredEvent], Sentinel | None] | None:
        """Rows and sentinel with what they keep in blobs; None when it was replaced meanwhile."""
        try:
            return (
                await self._events(rows),
                await self._with_identities(partition_key, sentinel),
            )
        except NotFound:
            return None

    async def _with_identities(
        self, partition_key: str, sentinel: Sentinel | None
    ) -> Sentinel | None:
        if sentinel is None or not sentinel.identities_blob:
            return sentinel
        self._check_own(partition_key, [sentinel.identities_blob])
        text = await self._payloads.read(sentinel.identities_blob)
        return replace(sentinel, identities=decode_identities(text))

    async def _events(self, rows: Sequence[Row]) -> list[StoredEvent]:
        for row in rows:
            self._check_own(row.partition_key, spill.blobs_of(row.columns).values())
        fetched = await self._payloads.fetch_rows([row.columns for row in rows])
        return [
            StoredEvent(event=decode_event(columns), blobs=spill.blobs_of(row.columns))
            for row, columns in zip(rows, fetched, strict=True)
        ]

    def _check_own(self, partition_key: str, names: Iterable[str]) -> None:
        """Nothing, when the instance's rows may name these blobs: they are read, and deleted.

        Raises:
            CorruptRecord: one is another instance's.
        """
        for name in names:
            if not spill.blob_belongs_to_key(name, partition_key):
                raise CorruptRecord(
                    f"A history row of partition {partition_key!r} names blob {name[:64]!r}, which "
                    "is not in the instance's own folder.",
                    operation="read history",
                    resource=self._table,
                )

    async def _rows(
        self, partition_key: str, start: int
    ) -> tuple[list[Row], Sentinel | None, datetime]:
        conditions = [Where("PartitionKey", Comparison.EQ, partition_key)]
        if start:
            conditions.append(Where("RowKey", Comparison.GE, row_key(start)))
        rows: list[Row] = []
        sentinel: Sentinel | None = None
        continuation: str | None = None
        while True:
            page = await self._tables.query(
                self._table, All(tuple(conditions)), continuation=continuation
            )
            for row in page.rows:
                if row.row_key == SENTINEL:
                    sentinel = decode_sentinel(row.columns, row.etag, row.timestamp)
                else:
                    rows.append(row)
            continuation = page.continuation
            if continuation is None:
                return rows, sentinel, page.served_at


def _sentinel_write(partition_key: str, sentinel: Sentinel, identities: str) -> Operation:
    columns: dict[str, Column] = encode_sentinel(sentinel, identities=identities)
    row = Row(partition_key=partition_key, row_key=SENTINEL, columns=columns, etag=sentinel.etag)
    return Operation(write=Write.INSERT if sentinel.etag is None else Write.MERGE, row=row)


def _continues(known: Ledger, sentinel: Sentinel | None) -> bool:
    """The sentinel speaks of the execution that `known` holds, and of more of it.

    What had ended may have been rewound since, by .NET even without a trace in the sentinel.
    """
    return (
        sentinel is not None
        and sentinel.is_ours
        and not sentinel.purged
        and known.started is not None
        and not known.is_finished
        and known.rewound >= _rewound_by(sentinel)
        and known.started.instance.execution_id == sentinel.execution_id
        and (sentinel.committed_count or 0) >= len(known.rows)
    )


def _is_rewound(stored: StoredEvent) -> bool:
    return isinstance(stored.event, GenericEvent) and stored.event.is_rewound


def _rewound_by(sentinel: Sentinel | None) -> int:
    """How many rows are rewound at least; .NET's rewinds are not counted."""
    return sentinel.rewind.rows if sentinel is not None and sentinel.rewind is not None else 0


def _check(instance_id: str, loaded: Loaded) -> None:
    """Nothing, when what counts is the beginning of this very instance.

    Rows that were swapped with another's, or lost their start, must not be run as what they say;
    nor may an instance whose rows don't count any more begin anew over them.

    Raises:
        CorruptRecord: it isn't.
    """
    ledger, sentinel = loaded.ledger, loaded.sentinel
    if not ledger.rows:
        if sentinel is not None and sentinel.is_ours and not sentinel.purged:
            raise CorruptRecord("Its sentinel is one of durable's, but counts no rows.")
        return
    if ledger.started is None:
        raise CorruptRecord("It has rows, but none that starts it.")
    named = ledger.started.instance.instance_id
    if named != instance_id:
        raise CorruptRecord(f"Its start is one of instance {named[:64]!r}.")
    if max(ledger.highest_task_id, loaded.checkpoints) > _LARGEST_NUMBER:
        raise CorruptRecord("It has numbers that no task and no checkpoint can have.")


def _counted(rows: Sequence[Row], sentinel: Sentinel | None, start: int) -> list[Row] | None:
    """The rows that count, from index `start`; None when the read must be made again."""
    if sentinel is None or sentinel.purged:
        return []
    execution_id = sentinel.execution_id
    counted: list[Row] = []
    for row in rows:
        if row_index(row.row_key) != start + len(counted):
            break
        if row.columns.get("ExecutionId") != execution_id:
            break
        counted.append(row)
    if not sentinel.is_ours:
        return counted
    wanted = max((sentinel.committed_count or 0) - start, 0)
    return counted[:wanted] if len(counted) >= wanted else None


def _cut_unfinished(ledger: Ledger, sentinel: Sentinel | None) -> Ledger:
    """W1: of a checkpoint that the original left half written, nothing counts."""
    if sentinel is None or sentinel.is_checkpoint_complete is not False:
        return ledger
    rows = list(ledger.rows)
    while rows and not isinstance(rows[-1].event, OrchestratorCompleted):
        rows.pop()
    return Ledger(rows)
