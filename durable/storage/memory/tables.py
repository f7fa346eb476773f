"""Tables in memory: rows in key order, ETags, batches that are all or nothing."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from durable.errors import CorruptRecord, PreconditionFailed, TooLarge
from durable.storage.memory.conditions import Span, beside, check_condition, matches, span_of
from durable.storage.memory.door import Door, conflict, not_found
from durable.storage.memory.sorted_keys import SortedKeys
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
_KEYS = ("PartitionKey", "RowKey")
# What one write adds to a batch's body beside its row: boundary, request line, headers.
_PART_BYTES = 600
_TYPE_BYTES = len("@odata.type:Edm.DateTime")
_QUOTES = 2
#: The most that one character can become: two escapes of six.
_ESCAPED = 12
#: The longest text of a value that is no text: a GUID's, a time's.
_LONGEST_NUMBER = 40


@dataclass(frozen=True, slots=True)
class _Stored:
    columns: Mapping[str, Value]
    etag: str
    timestamp: datetime


@dataclass(slots=True)
class _Partition:
    rows: dict[str, _Stored] = field(default_factory=dict)
    order: SortedKeys = field(default_factory=SortedKeys)

    def put(self, row_key: str, stored: _Stored) -> None:
        if row_key not in self.rows:
            self.order.add(row_key)
        self.rows[row_key] = stored

    def remove(self, row_key: str) -> None:
        del self.rows[row_key]
        self.order.remove(row_key)


@dataclass(slots=True)
class _Table:
    name: str
    partitions: dict[str, _Partition] = field(default_factory=dict)
    order: SortedKeys = field(default_factory=SortedKeys)

    def partition(self, key: str) -> _Partition:
        """The partition of that key, made when there is none."""
        found = self.partitions.get(key)
        if found is None:
            found = self.partitions[key] = _Partition()
            self.order.add(key)
        return found

    def drop(self, key: str) -> None:
        """Forget an empty partition."""
        del self.partitions[key]
        self.order.remove(key)

    def between(
        self, partition_keys: Span, row_keys: Span, start: tuple[str, str]
    ) -> Iterator[tuple[str, str, _Stored]]:
        """The rows whose keys are in both spans, from the key `start` on, in order."""
        span = partition_keys.with_least(start[0])
        for key in self.order.between(span.least, span.greatest):
            partition = self.partitions[key]
            wanted = row_keys.with_least(start[1]) if key == start[0] else row_keys
            for found in partition.order.between(wanted.least, wanted.greatest):
                yield key, found, partition.rows[found]


class _State:
    def __init__(self) -> None:
        self.tables: dict[str, _Table] = {}  # by lower-cased name: the service ignores case
        self.writes = 0
        self.scanned = 0


class MemoryTables:
    """A `TableStore`."""

    def __init__(self, door: Door, state: _State | None = None) -> None:
        self._door = door
        self._state = state or _State()

    def through(self, door: Door) -> MemoryTables:
        """The same tables through another door."""
        return MemoryTables(door, self._state)

    @property
    def scanned(self) -> int:
        """How many rows all queries have looked at so far, those they left out too."""
        return self._state.scanned

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
        partition_keys, row_keys = (span_of(condition, key) for key in _KEYS)
        left = beside(condition, _KEYS)
        for partition_key, row_key, stored in found.between(partition_keys, row_keys, start):
            self._state.scanned += 1
            own: dict[str, Value] = {
                "PartitionKey": partition_key, "RowKey": row_key, "Timestamp": stored.timestamp,
            }  # fmt: skip
            if left is None or matches(left, {**stored.columns, **own}):
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
        partition = table.partition(row.partition_key)
        before = partition.rows.get(row.row_key)
        if operation.write is Write.DELETE:
            partition.remove(row.row_key)
            if not partition.rows:
                table.drop(row.partition_key)
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
        columns={n: v for n, v in stored.columns.items() if n in select}
        if select
        else dict(stored.columns),
        etag=stored.etag,
        timestamp=stored.timestamp,
    )


def _check_body(table: str, checked: Sequence[tuple[Operation, dict[str, Value]]]) -> None:
    if sum(_at_most(columns) for _, columns in checked) <= MAX_BATCH_BYTES:
        return
    size = sum(
        _PART_BYTES
        + sum(
            _json_bytes(name) + _json_bytes(value) + _TYPE_BYTES for name, value in columns.items()
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


def _at_most(columns: Mapping[str, Value]) -> int:
    """No less than what a row adds to a batch's body: cheap, unlike encoding it."""
    characters = sum(
        len(name) + (len(value) if isinstance(value, str | bytes) else _LONGEST_NUMBER)
        for name, value in columns.items()
    )
    return _PART_BYTES + len(columns) * (2 * _QUOTES + _TYPE_BYTES) + _ESCAPED * characters


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
    except (ValueError, RecursionError):
        pass
    raise CorruptRecord(
        f"{continuation[:64]!r} is not a continuation of this store.",
        operation=_QUERY,
        resource=table,
    )
