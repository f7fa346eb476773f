"""The Instances table: read, queried, and written under its ETag."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from durable.errors import CorruptRecord, NotFound
from durable.hub.damage import damage_told_of
from durable.hub.payloads import PayloadStore
from durable.model.status import InstanceRow, RuntimeStatus
from durable.storage.ports import TableStore
from durable.storage.rules import MAX_KEY_UNITS, utf16_units
from durable.storage.values import (
    All,
    Comparison,
    Condition,
    Operation,
    Row,
    Some,
    Where,
    Write,
)
from durable.wire.instance_rows import decode_instance, encode_instance
from durable.wire.keys import escape_partition_key
from durable.wire.names import HubNames
from durable.wire.times import TABLE_MIN

log = logging.getLogger("durable.instances")

#: An instance has one row, under this row key.
_ROW_KEY = ""
#: How often a row is read again whose payloads were replaced meanwhile.
_LOOKS = 5
#: Everything but the payload columns, for lists that don't show them.
_WITHOUT_INPUT = (
    "ExecutionId",
    "Name",
    "Version",
    "Output",
    "CustomStatus",
    "CreatedTime",
    "LastUpdatedTime",
    "CompletedTime",
    "RuntimeStatus",
    "ScheduledStartTime",
    "Generation",
    "Tags",
    "TaskHubName",
    "CheckpointSequence",
)
# The service's order is that of UTF-16 units: what takes two of them comes before U+E000.
_FOLLOWED_BY = {0xD7FF: 0x10000, 0x10FFFF: 0xE000}
_LAST = 0xFFFF


@dataclass(frozen=True, kw_only=True, slots=True)
class InstanceQuery:
    """Which instances: every condition that is given holds. Times are inclusive."""

    created_from: datetime | None = None
    created_to: datetime | None = None
    updated_from: datetime | None = None
    updated_to: datetime | None = None
    statuses: tuple[RuntimeStatus, ...] = ()
    id_prefix: str | None = None
    custom_status_prefix: str | None = None
    with_input: bool = True
    unchanged_since: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class InstancePage:
    """Some rows, and how to ask for the next ones (None: there are none)."""

    rows: tuple[InstanceRow, ...]
    continuation: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class InstanceTexts:
    """An instance's payloads, the large ones fetched. JSON texts."""

    input: str | None
    output: str | None


class InstanceStore:
    """The hub's Instances table. `hub_name` is written into rows, and filtered by."""

    def __init__(
        self, tables: TableStore, names: HubNames, payloads: PayloadStore, hub_name: str
    ) -> None:
        self._tables = tables
        self._table = names.instances_table
        self._payloads = payloads
        self._hub_name = hub_name

    async def read(self, instance_id: str) -> InstanceRow | None:
        """The instance's row, None when there is none.

        Raises:
            CorruptRecord: it can't be understood.
        """
        if not can_exist(instance_id):
            return None
        row = await self._tables.read(self._table, escape_partition_key(instance_id), _ROW_KEY)
        with damage_told_of(instance_id, "The row", operation="read", resource=self._table):
            return None if row is None else _decoded(row)

    async def page(
        self, query: InstanceQuery, *, size: int, continuation: str | None = None
    ) -> InstancePage:
        """One page, by instance id. May be empty and still have a continuation.

        A row that can't be understood is left out: it must not hide the others.
        """
        page = await self._tables.query(
            self._table,
            _condition(query),
            page_size=size,
            continuation=continuation,
            select=() if query.with_input else _WITHOUT_INPUT,
        )
        return InstancePage(rows=tuple(_understood(page.rows)), continuation=page.continuation)

    async def texts(self, row: InstanceRow) -> InstanceTexts:
        """Input and output, fetched from blobs where the row holds addresses.

        Raises:
            NotFound: a payload is gone.
            CorruptRecord: one can't be understood.
            TooLarge: one is over the limit.
        """
        with damage_told_of(
            row.instance_id, "Input or output", operation="read payloads", resource=self._table
        ):
            return InstanceTexts(
                input=await self._payloads.input_of(row),
                output=await self._payloads.output_of(row),
            )

    async def current(
        self, row: InstanceRow, *, with_input: bool = True, looks: int = _LOOKS
    ) -> tuple[InstanceRow, InstanceTexts]:
        """A row and its payloads, which belong together; without the input, none is fetched.

        An instance that continued as new since the row was read took its payloads away: then the
        row is read again.

        Raises:
            NotFound: the instance is gone, or a payload is missing though the row names it.
        """
        seen = row if with_input else replace(row, input=None, input_blob=None)
        try:
            return row, await self.texts(seen)
        except NotFound:
            fresh = await self.read(row.instance_id)
            if fresh is None or fresh.etag == row.etag or not looks:
                raise
        return await self.current(fresh, with_input=with_input, looks=looks - 1)

    async def insert(self, row: InstanceRow) -> InstanceRow:
        """Write a new row.

        Raises:
            Conflict: the instance has a row.
        """
        return await self._write(Write.INSERT, row, row)

    async def replace_row(self, row: InstanceRow) -> InstanceRow:
        """Write the whole row over the one with `row.etag`.

        Raises:
            PreconditionFailed, NotFound: it changed, or is gone.
        """
        return await self._write(Write.REPLACE, row, row)

    async def show(self, row: InstanceRow, known: InstanceRow | None) -> InstanceRow:
        """Step 4 of the commit: make the stored row say what `row` says.

        `known` is the row as read or written last; only what differs is merged, under its ETag
        (inserted, when there was none).

        Raises:
            Conflict, PreconditionFailed, NotFound: it changed since.
        """
        if known is None:
            return await self.insert(row)
        return await self._write(Write.MERGE, _difference(row, known), row, etag=known.etag)

    async def delete(self, row: InstanceRow) -> None:
        """Delete the row under its ETag; fine when it is gone.

        Raises:
            PreconditionFailed: it changed since it was read.
        """
        stored = Row(
            partition_key=escape_partition_key(row.instance_id), row_key=_ROW_KEY, etag=row.etag
        )
        try:
            await self._tables.write(self._table, Operation(write=Write.DELETE, row=stored))
        except NotFound:
            return

    async def _write(
        self, write: Write, changes: InstanceRow, full: InstanceRow, *, etag: str | None = None
    ) -> InstanceRow:
        columns = encode_instance(replace(changes, task_hub_name=self._hub_name))
        row = Row(
            partition_key=escape_partition_key(full.instance_id),
            row_key=_ROW_KEY,
            columns=columns,
            etag=etag if etag is not None else full.etag,
        )
        new_etag = await self._tables.write(self._table, Operation(write=write, row=row))
        return replace(full, etag=new_etag, task_hub_name=self._hub_name)


def can_exist(instance_id: str) -> bool:
    """Whether storage could hold an instance of that id, whoever started it."""
    return utf16_units(escape_partition_key(instance_id)) <= MAX_KEY_UNITS


def _understood(rows: Iterable[Row]) -> Iterator[InstanceRow]:
    for row in rows:
        try:
            yield _decoded(row)
        except CorruptRecord as error:
            log.warning("row of instance %r left out: %s", row.partition_key, error)


def _decoded(row: Row) -> InstanceRow:
    return decode_instance(row.partition_key, row.columns, row.etag, row.timestamp)


def _difference(row: InstanceRow, known: InstanceRow) -> InstanceRow:
    """Only what a merge has to write. Execution, status and times always: they are cheap."""
    return replace(
        row,
        name=row.name if row.name != known.name else None,
        version=row.version if row.version != known.version else None,
        input=row.input if row.input != known.input else None,
        output=row.output if row.output != known.output else None,
        created_time=row.created_time if row.created_time != known.created_time else None,
        tags=row.tags if row.tags != known.tags else None,
        generation=row.generation if row.generation != known.generation else None,
        scheduled_start_time=(
            row.scheduled_start_time
            if row.scheduled_start_time != known.scheduled_start_time
            else None
        ),
    )


def _condition(query: InstanceQuery) -> Condition | None:
    found = [
        *_between("CreatedTime", query.created_from, query.created_to),
        *_between("LastUpdatedTime", query.updated_from, query.updated_to),
    ]
    if query.unchanged_since is not None:
        found.append(Where("Timestamp", Comparison.LT, query.unchanged_since))
    if query.statuses:
        found.append(
            Some(
                tuple(
                    Where("RuntimeStatus", Comparison.EQ, status.value) for status in query.statuses
                )
            )
        )
    if query.id_prefix:
        found += _beginning("PartitionKey", escape_partition_key(query.id_prefix))
    if query.custom_status_prefix:
        found += _beginning("CustomStatus", query.custom_status_prefix)
    return All(tuple(found)) if found else None


def _between(column: str, first: datetime | None, last: datetime | None) -> list[Condition]:
    found: list[Condition] = []
    if first is not None:
        found.append(Where(column, Comparison.GE, _storable(first)))
    if last is not None:
        found.append(Where(column, Comparison.LE, _storable(last)))
    return found


def _beginning(column: str, prefix: str) -> list[Condition]:
    found: list[Condition] = [Where(column, Comparison.GE, prefix)]
    end = _after(prefix)
    if end is not None:
        found.append(Where(column, Comparison.LT, end))
    return found


def _storable(moment: datetime) -> datetime:
    """`moment`, or the earliest time that storage knows: nothing was created before it."""
    return max(moment, TABLE_MIN)


def _after(prefix: str) -> str | None:
    """The least text greater than every text that starts with `prefix`; None when there is none."""
    for index in range(len(prefix) - 1, -1, -1):
        code = ord(prefix[index])
        if code != _LAST:
            return prefix[:index] + chr(_FOLLOWED_BY.get(code, code + 1))
    return None
