"""An account of two: some tables live in another one (a hub's separate tracking store)."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from durable.storage.ports import Account, BlobStore, QueueStore, TableStore
from durable.storage.values import Condition, Operation, Page, Row


class SplitTables:
    """A `TableStore` that keeps the tables named in `elsewhere` in another store."""

    def __init__(self, own: TableStore, other: TableStore, elsewhere: Collection[str]) -> None:
        self._own = own
        self._other = other
        # The service compares table names without case.
        self._elsewhere = frozenset(name.lower() for name in elsewhere)

    def _of(self, table: str) -> TableStore:
        return self._other if table.lower() in self._elsewhere else self._own

    async def create_table(self, table: str) -> None:
        await self._of(table).create_table(table)

    async def delete_table(self, table: str) -> None:
        await self._of(table).delete_table(table)

    async def list_tables(self, prefix: str) -> list[str]:
        own = await self._own.list_tables(prefix)
        other = await self._other.list_tables(prefix)
        here = [name for name in own if self._of(name) is self._own]
        return sorted(here + [name for name in other if self._of(name) is self._other])

    async def read(self, table: str, partition_key: str, row_key: str) -> Row | None:
        return await self._of(table).read(table, partition_key, row_key)

    async def query(
        self,
        table: str,
        condition: Condition | None,
        *,
        page_size: int = 1000,
        continuation: str | None = None,
        select: Sequence[str] = (),
    ) -> Page:
        return await self._of(table).query(
            table, condition, page_size=page_size, continuation=continuation, select=select
        )

    async def write(self, table: str, operation: Operation) -> str:
        return await self._of(table).write(table, operation)

    async def batch(self, table: str, operations: Sequence[Operation]) -> list[str]:
        return await self._of(table).batch(table, operations)


class SplitAccount:
    """`own`, but for the tables named in `elsewhere`, which are in `other`. It closes both."""

    def __init__(self, own: Account, other: Account, elsewhere: Collection[str]) -> None:
        self._own = own
        self._other = other
        self._tables = SplitTables(own.tables, other.tables, elsewhere)

    @property
    def queues(self) -> QueueStore:
        return self._own.queues

    @property
    def tables(self) -> SplitTables:
        return self._tables

    @property
    def blobs(self) -> BlobStore:
        return self._own.blobs

    async def close(self) -> None:
        """Give back the connections of both."""
        try:
            await self._own.close()
        finally:
            await self._other.close()
