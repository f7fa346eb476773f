"""Tables in memory: rows in key order, ETags, batches that are all or nothing."""

from __future__ import annotations

import base64
import bisect
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from durable.errors import CorruptRecord, PreconditionFailed, TooLarge
from durable.storage.memory.conditions import check_condition, matches, pinned
from durable.storage.memory.door import Door, conflict, not_found
from durable.storage.rules import (
    MAX_BATCH_BYTES,
    MAX_PAGE,
    check_batch,
    check_between,
    check_key,
    check_row,
    check_table_name,
    checked_etag,
    is_upsert,
    ordinal,
    starting_with,
)
from durable.storage.values import Condition, Operation, Page, Row, Value, Write

_NAMES: Mapping[Write, str] = {
    Write.INSERT: "Insert Entity",
    Write.MERGE: "Merge Entity",
    Write.REPLACE: "Update Entity",
    Write.UPSERT_MERGE: "Insert Or Merge Entity",
    Write.UPSERT_REPLACE: "Insert Or Replace Entity",
    Write.DELETE: "Delete Entity",
}
_BATCH = "Entity Group Transaction"
_QUERY = "Query Entities"
# What one write adds to a batch's body beside its row: boundary, request line, headers.
_PART_BYTES = 600


@dataclass(frozen=True, slots=True)
class _Stored:
    columns: Mapping[str, Value]
    etag: str
    timestamp: datetime


@dataclass(slots=True)
class _Partition:
    rows: dict[str, _Stored] = field(default_factory=dict)
    order: list[tuple[bytes, str]] = field(default_factory=list)

    def put(self, row_key: str, stored: _Stored) -> None:
        if row_key not in self.rows:
            bisect.insort(self.order, (ordinal(row_key), row_key))
        self.rows[row_key] = stored

    def remove(self, row_key: str) -> None:
        del self.rows[row_key]
        del self.order[bisect.bisect_left(self.order, (ordinal(row_key), row_key))]

    def after(self, row_key: str) -> Iterator[tuple[str, _Stored]]:
        """The rows from `row_key` on, in order."""
        start = bisect.bisect_left(self.order, (ordinal(row_key), row_key))
        for _, key in self.order[start:]:
            yield key, self.rows[key]


@dataclass(slots=True)
class _Table:
    name: str
    partitions: dict[str, _Partition] = field(default_factory=dict)

    def after(self, partition_key: str, row_key: str) -> Iterator[tuple[str, str, _Stored]]:
        """The rows from that key on, in order."""
        start = ordinal(partition_key)
        for key in sorted((k for k in self.partitions if ordinal(k) >= start), key=ordinal):
            first = row_key if key == partition_key else ""
            for found, stored in self.partitions[key].after(first):
                yield key, found, stored


class _State:
    def __init__(self) -> None:
        self.tables: dict[str, _Table] = {}  # by lower-cased name: the service ignores case
        self.writes = 0


class MemoryTables:
    """A `TableStore`."""

    def __init__(self, door: Door, state: _State | None = None) -> None:
        self._door = door
        self._state = state or _State()

    def through(self, door: Door) -> MemoryTables:
        """The same tables through another door."""
        return MemoryTables(door, self._state)

    async def create_table(self, table: str) -> None:
        check_table_name(table)

        def call() -> None:
            self._state.tables.setdefault(table.lower(), _Table(table))

        await self._door.run("table", "Create Table", table, call)

    async def delete_table(self, table: str) -> None:
        check_table_name(table)

        def call() -> None:
            self._state.tables.pop(table.lower(), None)

        await self._door.run("table", "Delete Table", table, call)

    async def list_tables(self, prefix: str) -> list[str]:
        def call() -> list[str]:
            return starting_with(prefix, (table.name for table in self._state.tables.values()))

        return await self._door.run("table", "Query Tables", prefix, call)

    async def read(self, table: str, partition_key: str, row_key: str) -> Row | None:
        check_table_name(table)
        check_key("PartitionKey", partition_key)
        check_key("RowKey", row_key)

        def call() -> Row | None:
            partition = self._table(table, "Get Entity").partitions.get(partition_key)
            stored = partition.rows.get(row_key) if partition else None
            return None if stored is None else _shown(partition_key, row_key, stored, ())

        return await self._door.run("table", "Get Entity", table, call)

    async def query(
        self,
        table: str,
        condition: Condition | None,
        *,
        page_size: int = MAX_PAGE,
        continuation: str | None = None,
        select: Sequence[str] = (),
    ) -> Page:
        check_table_name(table)
        check_between("page_size", page_size, MAX_PAGE)
        check_condition(condition)
        start = ("", "") if continuation is None else _position(continuation, table)

        def call() -> Page:
            rows: list[Row] = []
            following = None
            for partition_key, row_key, stored in self._found(table, condition, start):
                if len(rows) == page_size:
                    following = _continuation(partition_key, row_key)
                    break
                rows.append(_shown(partition_key, row_key, stored, select))
            return Page(
                rows=tuple(rows), continuation=following, served_at=self._door.now_in_seconds()
            )

        return await self._door.run("table", _QUERY, table, call)

    async def write(self, table: str, operation: Operation) -> str:
        check_table_name(table)
        columns = check_row(table, operation.row)
        name = _NAMES[operation.write]

        def call() -> str:
            found = self._table(table, name)
            self._expect(found, operation, name, "")
            return self._apply(found, operation, columns)

        return await self._door.run("table", name, table, call)

    async def batch(self, table: str, operations: Sequence[Operation]) -> list[str]:
        check_table_name(table)
        check_batch(operations)
        checked = [(operation, check_row(table, operation.row)) for operation in operations]
        _check_body(table, checked)

        def call() -> list[str]:
            found = self._table(table, _BATCH)
            for index, (operation, _) in enumerate(checked):
                self._expect(found, operation, _BATCH, f"write {index} of {len(checked)}: ")
            return [self._apply(found, operation, columns) for operation, columns in checked]

        return await self._door.run("table", _BATCH, table, call)

    def _table(self, table: str, operation: str) -> _Table:
        found = self._state.tables.get(table.lower())
        if found is None:
            raise not_found(f"table {table!r}", operation, table)
        return found

    def _found(
        self, table: str, condition: Condition | None, start: tuple[str, str]
    ) -> Iterator[tuple[str, str, _Stored]]:
        found = self._table(table, _QUERY)
        only = pinned(condition, "PartitionKey")
        if only is not None:
            kept = {key: found.partitions[key] for key in (only,) if key in found.partitions}
            found = _Table(found.name, kept)
        for partition_key, row_key, stored in found.after(*start):
            own: dict[str, Value] = {
                "PartitionKey": partition_key, "RowKey": row_key, "Timestamp": stored.timestamp,
            }  # fmt: skip
            if matches(condition, {**stored.columns, **own}):
                yield partition_key, row_key, stored

    def _expect(self, table: _Table, operation: Operation, name: str, which: str) -> None:
        """Return when the write finds what it expects."""
        row = operation.row
        partition = table.partitions.get(row.partition_key)
        stored = partition.rows.get(row.row_key) if partition else None
        what = f"{which}row {table.name}({row.partition_key!r}, {row.row_key!r})"
        if operation.write is Write.INSERT:
            if stored is not None:
                raise conflict(what, name, table.name)
            return
        if is_upsert(operation.write):
            return
        if stored is None:
            raise not_found(what, name, table.name)
        if checked_etag(operation) not in {"*", stored.etag}:
            raise PreconditionFailed(
                f"{name}: {what} has changed since it was read.",
                operation=name,
                resource=table.name,
                status=412,
            )

    def _apply(self, table: _Table, operation: Operation, columns: dict[str, Value]) -> str:
        row = operation.row
        partition = table.partitions.setdefault(row.partition_key, _Partition())
        before = partition.rows.get(row.row_key)
        if operation.write is Write.DELETE:
            partition.remove(row.row_key)
            if not partition.rows:
                del table.partitions[row.partition_key]
            return ""
        if before and operation.write in {Write.MERGE, Write.UPSERT_MERGE}:
            columns = {**before.columns, **columns}
        self._state.writes += 1
        etag = f'W/"{self._state.writes}"'
        partition.put(row.row_key, _Stored(columns, etag, self._door.now()))
        return etag


def _shown(partition_key: str, row_key: str, stored: _Stored, select: Sequence[str]) -> Row:
    return Row(
        partition_key=partition_key,
        row_key=row_key,
        columns={n: v for n, v in stored.columns.items() if not select or n in select},
        etag=stored.etag,
        timestamp=stored.timestamp,
    )


def _check_body(table: str, checked: Sequence[tuple[Operation, dict[str, Value]]]) -> None:
    size = sum(
        _PART_BYTES
        + sum(
            _json_bytes(name) + _json_bytes(value) + len("@odata.type:Edm.DateTime")
            for name, value in columns.items()
        )
        for _, columns in checked
    )
    if size > MAX_BATCH_BYTES:
        raise TooLarge(
            f"{_BATCH}: {len(checked)} writes of about {size} bytes to table {table!r}; "
            f"at most {MAX_BATCH_BYTES} fit in one batch.",
            operation=_BATCH,
            resource=table,
            status=413,
        )


def _json_bytes(value: Value) -> int:
    if isinstance(value, str):
        return len(json.dumps(value, ensure_ascii=True))
    if isinstance(value, bytes):
        return len(base64.b64encode(value))
    return len(str(value))


def _continuation(partition_key: str, row_key: str) -> str:
    text = json.dumps(["memory", partition_key, row_key], ensure_ascii=True)
    return base64.urlsafe_b64encode(text.encode()).decode()


def _position(continuation: str, table: str) -> tuple[str, str]:
    try:
        match json.loads(base64.urlsafe_b64decode(continuation.encode())):
            case ["memory", str(partition_key), str(row_key)]:
                return partition_key, row_key
            case _:
                pass
    except ValueError:
        pass
    raise CorruptRecord(
        f"{continuation[:64]!r} is not a continuation of this store.",
        operation=_QUERY,
        resource=table,
    )
