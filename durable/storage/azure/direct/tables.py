"""Tables: rows and batches by hand; creating, deleting, listing through the SDK."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from urllib.parse import quote

from azure.data.tables.aio import TableServiceClient

from durable.errors import CorruptRecord
from durable.storage.azure.continuations import asked_with, from_keys, keys_of
from durable.storage.azure.direct.batches import Part, batch_answer, batch_text, content_type
from durable.storage.azure.direct.door import PLAIN_IN_PATHS, Answer, Door
from durable.storage.azure.direct.messages import time_of
from durable.storage.azure.direct.refusals import accepted, refusal
from durable.storage.azure.direct.rows import row_json, row_of
from durable.storage.azure.direct.signing import VERSION
from durable.storage.azure.errors import translated
from durable.storage.azure.odata import odata_filter
from durable.storage.azure.tables import ALWAYS_SELECTED, AzureTables
from durable.storage.rules import (
    MAX_PAGE,
    check_batch,
    check_between,
    check_key,
    check_row,
    check_table_name,
    checked_etag,
)
from durable.storage.values import Condition, Operation, Page, Row, Write

_READ = {
    "x-ms-version": VERSION,
    "DataServiceVersion": "3.0",
    "Accept": "application/json;odata=minimalmetadata",
}
_WRITE = {**_READ, "Accept": "application/json", "Content-Type": "application/json"}
# The row need not come back.
_INSERT = {**_READ, "Content-Type": "application/json", "Prefer": "return-no-content"}
_BATCH = {
    "x-ms-version": VERSION,
    "DataServiceVersion": "3.0",
    "MaxDataServiceVersion": "3.0;NetFx",
    "Accept": "application/json",
}
_HEADERS = {
    Write.INSERT: _INSERT,
    Write.MERGE: _WRITE,
    Write.REPLACE: _WRITE,
    Write.UPSERT_MERGE: _WRITE,
    Write.UPSERT_REPLACE: _WRITE,
    Write.DELETE: _READ,
}
_CONDITIONAL = frozenset({Write.MERGE, Write.REPLACE, Write.DELETE})
# The version is the batch's, as the date is.
_PART_HEADERS = {
    write: "".join(
        [f"{name}: {value}\r\n" for name, value in headers.items() if "x-ms" not in name]
    )
    for write, headers in _HEADERS.items()
}
_NAMES = {
    Write.INSERT: ("POST", "Insert Entity"),
    Write.MERGE: ("PATCH", "Merge Entity"),
    Write.REPLACE: ("PUT", "Update Entity"),
    Write.UPSERT_MERGE: ("PATCH", "Insert Or Merge Entity"),
    Write.UPSERT_REPLACE: ("PUT", "Insert Or Replace Entity"),
    Write.DELETE: ("DELETE", "Delete Entity"),
}
_TRANSACTION = "Entity Group Transaction"
_QUERY = "Query Entities"
_NO_TABLE = "TableNotFound"


class DirectTables(AzureTables):
    """A `TableStore` whose rows cost little CPU.

    `boundary` parts a batch's writes, so no payload may be able to know it.
    """

    def __init__(self, service: TableServiceClient, door: Door, boundary: str) -> None:
        super().__init__(service)
        self._door = door
        self._boundary = boundary
        self._known: set[str] = set()

    async def read(self, table: str, partition_key: str, row_key: str) -> Row | None:
        check_key("PartitionKey", partition_key)
        check_key("RowKey", row_key)
        path = row_path(f"/{self._checked(table)}", partition_key, row_key, PLAIN_IN_PATHS)
        with translated("Get Entity", table):
            answer = await self._door.send("Get Entity", "GET", path, _READ)
            if answer.status == HTTPStatus.NOT_FOUND:
                refused = refusal(answer.status, None, answer.body)
                if refused.error_code != _NO_TABLE:
                    return None
                raise refused
            return row_of(_object(accepted(answer), table))

    async def query(
        self,
        table: str,
        condition: Condition | None,
        *,
        page_size: int = MAX_PAGE,
        continuation: str | None = None,
        select: Sequence[str] = (),
    ) -> Page:
        check_between("page_size", page_size, MAX_PAGE)
        query = [("$top", str(page_size))]
        if select:
            query.append(("$select", ",".join([*ALWAYS_SELECTED, *select])))
        if condition is not None:
            query.append(("$filter", odata_filter(condition)))
        if continuation is not None:
            query.extend(_next_keys(continuation, table))
        path = f"/{self._checked(table)}()"
        with asked_with(continuation, table), translated(_QUERY, table):
            answer = accepted(await self._door.send(_QUERY, "GET", path, _READ, query=query))
            found = _object(answer, table).get("value")
        if not isinstance(found, list):
            raise CorruptRecord(f"{_QUERY}: table {table!r} answered without rows.", resource=table)
        return Page(
            rows=tuple([row_of(row) for row in found]),
            continuation=_continuation(answer.headers),
            served_at=_served_at(answer, table),
        )

    async def write(self, table: str, operation: Operation) -> str:
        row = operation.row
        columns = check_row(table, row)
        kind = operation.write
        method, name = _NAMES[kind]
        table = self._checked(table)
        if kind is Write.INSERT:
            path = f"/{table}"
        else:
            path = row_path(f"/{table}", row.partition_key, row.row_key, PLAIN_IN_PATHS)
        body = None if kind is Write.DELETE else row_json(row, columns)
        headers = _headers(operation)
        if body is not None:
            headers["Content-Length"] = str(len(body))
        with translated(name, table):
            answer = accepted(await self._door.send(name, method, path, headers, body=body))
        return "" if kind is Write.DELETE else _etag(answer.headers.get("ETag"))

    async def batch(self, table: str, operations: Sequence[Operation]) -> list[str]:
        check_batch(operations)
        base = f"{self._door.base_uri}/{self._checked(table)}"
        parts = [_part(base, table, operation) for operation in operations]
        body = batch_text(parts, self._boundary)
        headers = {
            **_BATCH,
            "Content-Type": content_type(self._boundary),
            "Content-Length": str(len(body)),
        }
        with translated(_TRANSACTION, table):
            answer = await self._door.send(_TRANSACTION, "POST", "/$batch", headers, body=body)
            etags = batch_answer(accepted(answer).body, len(operations))
        return [
            "" if operation.write is Write.DELETE else _etag(etag)
            for operation, etag in zip(operations, etags, strict=True)
        ]

    def _checked(self, table: str) -> str:
        if table not in self._known:
            self._known.add(check_table_name(table))
        return table


def row_path(base: str, partition_key: str, row_key: str, plain: str = "") -> str:
    """A row's address, `base` being its table's; characters in `plain` stay unquoted."""
    return (
        f"{base}(PartitionKey='{_quoted(partition_key, plain)}',RowKey='{_quoted(row_key, plain)}')"
    )


def _quoted(key: str, plain: str) -> str:
    return quote(key.replace("'", "''"), safe=plain)


def _headers(operation: Operation) -> dict[str, str]:
    headers = dict(_HEADERS[operation.write])
    if operation.write in _CONDITIONAL:
        headers["If-Match"] = checked_etag(operation)
    return headers


def _part(base: str, table: str, operation: Operation) -> Part:
    row = operation.row
    columns = check_row(table, row)
    headers = _PART_HEADERS[operation.write]
    if operation.write in _CONDITIONAL:
        headers += f"If-Match: {checked_etag(operation)}\r\n"
    insert, delete = operation.write is Write.INSERT, operation.write is Write.DELETE
    return Part(
        method=_NAMES[operation.write][0],
        url=base if insert else row_path(base, row.partition_key, row.row_key),
        headers=headers,
        body=None if delete else row_json(row, columns),
    )


def _object(answer: Answer, table: str) -> dict[str, object]:
    try:
        found = json.loads(answer.body)
    except ValueError as error:
        raise CorruptRecord(f"Table {table!r} answered with no JSON.", resource=table) from error
    if not isinstance(found, dict):
        raise CorruptRecord(f"Table {table!r} answered with no JSON object.", resource=table)
    return found


def _etag(etag: str | None) -> str:
    if etag is None:
        raise CorruptRecord("A table answered a write without an ETag.")
    return etag


def _continuation(headers: Mapping[str, str]) -> str | None:
    partition_key = headers.get("x-ms-continuation-NextPartitionKey")
    row_key = headers.get("x-ms-continuation-NextRowKey")
    if not (partition_key or row_key):
        return None
    return from_keys(partition_key, row_key)


def _next_keys(continuation: str, table: str) -> list[tuple[str, str]]:
    keys = zip(("NextPartitionKey", "NextRowKey"), keys_of(continuation, table), strict=True)
    return [(name, key) for name, key in keys if key is not None]


def _served_at(answer: Answer, table: str) -> datetime:
    try:
        return time_of(answer.headers.get("Date") or "")
    except ValueError as error:
        raise CorruptRecord(
            f"{_QUERY}: the answer has no Date.", operation=_QUERY, resource=table
        ) from error
