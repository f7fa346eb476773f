"""Tables through azure-data-tables."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

from azure.core import MatchConditions
from azure.core.pipeline import PipelineResponse
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableClient, TableServiceClient

from durable.errors import Conflict, CorruptRecord, NotFound
from durable.storage.azure.continuations import asked_with, from_keys, keys_of
from durable.storage.azure.entities import to_entity, to_row
from durable.storage.azure.errors import is_being_deleted, is_missing_table, translated
from durable.storage.azure.odata import odata_filter
from durable.storage.azure.transport import RETRY_ALL
from durable.storage.rules import (
    MAX_PAGE,
    check_batch,
    check_between,
    check_key,
    check_row,
    check_table_name,
    checked_etag,
    starting_with,
)
from durable.storage.values import Condition, Operation, Page, Row, Write

#: Of each row, whatever else is asked for.
ALWAYS_SELECTED = ("PartitionKey", "RowKey", "Timestamp")
_MODES = {
    Write.MERGE: UpdateMode.MERGE,
    Write.REPLACE: UpdateMode.REPLACE,
    Write.UPSERT_MERGE: UpdateMode.MERGE,
    Write.UPSERT_REPLACE: UpdateMode.REPLACE,
}
_BATCH = "Entity Group Transaction"
_QUERY = "Query Entities"


class AzureTables:
    """A `TableStore`."""

    def __init__(self, service: TableServiceClient) -> None:
        self._service = service
        self._clients: dict[str, TableClient] = {}

    async def create_table(self, table: str) -> None:
        client = self._client(table)
        try:
            with translated("Create Table", table):
                await client.create_table(**RETRY_ALL)
        except Conflict as error:
            if is_being_deleted(error):
                raise

    async def delete_table(self, table: str) -> None:
        client = self._client(table)
        with translated("Delete Table", table):
            await client.delete_table(**RETRY_ALL)  # the SDK keeps silent about 404

    async def list_tables(self, prefix: str) -> list[str]:
        with translated("Query Tables", prefix):
            if prefix:
                # '{' follows 'z', and table names have letters and digits only.
                found = self._service.query_tables(
                    "TableName ge @low and TableName lt @high",
                    parameters={"low": prefix, "high": prefix + "{"},
                )
            else:
                found = self._service.list_tables()
            return starting_with(prefix, [table.name async for table in found])

    async def read(self, table: str, partition_key: str, row_key: str) -> Row | None:
        check_key("PartitionKey", partition_key)
        check_key("RowKey", row_key)
        client = self._client(table)
        try:
            with translated("Get Entity", table):
                return to_row(await client.get_entity(partition_key, row_key, **RETRY_ALL))
        except NotFound as error:
            if is_missing_table(error):
                raise
            return None

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
        token = None if continuation is None else _token(continuation, table)
        answer = _Answer()
        options: dict[str, Any] = {
            "results_per_page": page_size,
            "select": [*ALWAYS_SELECTED, *select] if select else None,
            "raw_response_hook": answer.seen,
            **RETRY_ALL,
        }
        client = self._client(table)
        with asked_with(continuation, table), translated(_QUERY, table):
            if condition is None:
                found = client.list_entities(**options)
            else:
                found = client.query_entities(odata_filter(condition), **options)
            pages = found.by_page(token)
            page = await anext(pages)
            rows = tuple([to_row(entity) async for entity in page])
        return Page(
            rows=rows,
            continuation=_continuation(getattr(pages, "continuation_token", None)),
            served_at=answer.date(_QUERY, table),
        )

    async def write(self, table: str, operation: Operation) -> str:
        entity = to_entity(operation.row, check_row(table, operation.row))
        client = self._client(table)
        match operation.write:
            case Write.INSERT:
                with translated("Insert Entity", table):
                    return _etag(await client.create_entity(entity, **RETRY_ALL))
            case Write.MERGE | Write.REPLACE:
                name = "Merge Entity" if operation.write is Write.MERGE else "Update Entity"
                with translated(name, table):
                    updated = await client.update_entity(
                        entity, _MODES[operation.write], **_matching(operation), **RETRY_ALL
                    )
                return _etag(updated)
            case Write.UPSERT_MERGE | Write.UPSERT_REPLACE:
                mode = _MODES[operation.write]
                name = "Merge" if operation.write is Write.UPSERT_MERGE else "Replace"
                with translated(f"Insert Or {name} Entity", table):
                    return _etag(await client.upsert_entity(entity, mode, **RETRY_ALL))
            case Write.DELETE:
                await self._delete(client, table, operation)
                return ""

    async def batch(self, table: str, operations: Sequence[Operation]) -> list[str]:
        check_batch(operations)
        parts = [_part(table, operation) for operation in operations]
        client = self._client(table)
        with translated(_BATCH, table):
            answers = await client.submit_transaction(parts, **RETRY_ALL)
        return [
            "" if operation.write is Write.DELETE else _etag(answer)
            for operation, answer in zip(operations, answers, strict=True)
        ]

    async def _delete(self, client: TableClient, table: str, operation: Operation) -> None:
        row, answer = operation.row, _Answer()
        with translated("Delete Entity", table):
            await client.delete_entity(
                row.partition_key,
                row.row_key,
                raw_response_hook=answer.seen,
                **_matching(operation),
                **RETRY_ALL,
            )
        # The SDK keeps silent about 404; the port does not.
        if answer.status == HTTPStatus.NOT_FOUND:
            raise NotFound(
                f"Delete Entity: row {table}({row.partition_key!r}, {row.row_key!r}) does not "
                "exist.",
                operation="Delete Entity",
                resource=table,
                status=answer.status,
            )

    def _client(self, table: str) -> TableClient:
        client = self._clients.get(table)
        if client is None:
            client = self._service.get_table_client(check_table_name(table))
            self._clients[table] = client
        return client


class _Answer:
    """What the last response of a call said beside its body."""

    def __init__(self) -> None:
        self.status: int | None = None
        self._date: str | None = None

    def seen(self, response: PipelineResponse[Any, Any]) -> None:
        self.status = response.http_response.status_code
        self._date = response.http_response.headers.get("Date")

    def date(self, operation: str, resource: str) -> datetime:
        if self._date is None:
            raise CorruptRecord(
                f"{operation}: the answer has no Date.", operation=operation, resource=resource
            )
        return parsedate_to_datetime(self._date)


def _part(table: str, operation: Operation) -> tuple[Any, ...]:
    entity = to_entity(operation.row, check_row(table, operation.row))
    match operation.write:
        case Write.INSERT:
            return "create", entity
        case Write.MERGE | Write.REPLACE:
            return "update", entity, {"mode": _MODES[operation.write], **_matching(operation)}
        case Write.UPSERT_MERGE | Write.UPSERT_REPLACE:
            return "upsert", entity, {"mode": _MODES[operation.write]}
        case Write.DELETE:
            return "delete", entity, _matching(operation)


def _matching(operation: Operation) -> dict[str, Any]:
    etag = checked_etag(operation)
    if etag == "*":
        return {}  # the SDK sends If-Match: *
    return {"etag": etag, "match_condition": MatchConditions.IfNotModified}


def _etag(answer: Any) -> str:
    etag = answer.get("etag")
    if not isinstance(etag, str):
        raise CorruptRecord("A table answered a write without an ETag.")
    return etag


def _continuation(token: Any) -> str | None:
    return from_keys(token.get("PartitionKey"), token.get("RowKey")) if token else None


def _token(continuation: str, table: str) -> Any:  # the SDK says str, and takes this dict
    partition_key, row_key = keys_of(continuation, table)
    return {"PartitionKey": partition_key, "RowKey": row_key}
