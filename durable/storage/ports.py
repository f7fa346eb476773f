"""Three ports to one storage account. Their docstrings are the contract of every adapter.

Any call may raise `Throttled`, `Unavailable` or `AccessDenied` (durable.errors). After
`Unavailable` it is not known whether the call took effect. An adapter retries what is safe to
retry before it raises; callers hold no connection and no state between calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from durable.storage.values import (
    BlobInfo,
    Condition,
    Operation,
    Page,
    PutReceipt,
    QueueMessage,
    Row,
)


class QueueStore(Protocol):
    """Queues: at least once, in no order, hidden while somebody works on it.

    Messages never expire. Texts are UTF-8 of at most 64 KiB as sent (after encoding).
    Delays and leases are whole seconds, 0 to 604,800.
    """

    async def create_queue(self, queue: str) -> None:
        """Make sure the queue exists."""
        ...

    async def delete_queue(self, queue: str) -> None:
        """Delete it with all its messages; fine when it does not exist."""
        ...

    async def list_queues(self, prefix: str) -> list[str]:
        """The names of the queues that start with `prefix`, sorted."""
        ...

    async def put(self, queue: str, text: str, *, delay_seconds: int = 0) -> PutReceipt:
        """Add a message, visible after the delay.

        Raises:
            NotFound: no such queue.
            TooLarge: over 64 KiB.
        """
        ...

    async def get(self, queue: str, *, count: int, lease_seconds: int) -> list[QueueMessage]:
        """Receive up to `count` (1 to 32) visible messages and hide them for the lease.

        Raises:
            NotFound: no such queue.
        """
        ...

    async def peek(self, queue: str, *, count: int = 32) -> list[QueueMessage]:
        """Look at visible messages without receiving them; `pop_receipt` is empty.

        Raises:
            NotFound: no such queue.
        """
        ...

    async def update(
        self,
        queue: str,
        message_id: str,
        pop_receipt: str,
        *,
        visible_in_seconds: int,
        text: str | None = None,
    ) -> str:
        """Hide a received message anew, counted from now; returns the new pop receipt.

        Raises:
            NotFound: the message is gone.
            PreconditionFailed: the receipt is stale: somebody else has it.
        """
        ...

    async def delete(self, queue: str, message_id: str, pop_receipt: str) -> None:
        """Delete a received message.

        Raises:
            NotFound: the message is gone.
            PreconditionFailed: the receipt is stale: somebody else has it.
        """
        ...

    async def count(self, queue: str) -> int:
        """About how many messages it holds, hidden ones included.

        Raises:
            NotFound: no such queue.
        """
        ...


class TableStore(Protocol):
    """Tables: rows by (partition key, row key), ETags, batches within one partition."""

    async def create_table(self, table: str) -> None:
        """Make sure the table exists.

        Raises:
            Conflict: it is still being deleted.
        """
        ...

    async def delete_table(self, table: str) -> None:
        """Delete it with all its rows; fine when it does not exist."""
        ...

    async def list_tables(self, prefix: str) -> list[str]:
        """The names of the tables that start with `prefix`, sorted."""
        ...

    async def read(self, table: str, partition_key: str, row_key: str) -> Row | None:
        """One row, or None. An absent table is NotFound, not None."""
        ...

    async def query(
        self,
        table: str,
        condition: Condition | None,
        *,
        page_size: int = 1000,
        continuation: str | None = None,
        select: Sequence[str] = (),
    ) -> Page:
        """One page, in key order (ordinal). A page may be empty and still have a continuation.

        `select` names the columns to return (all when empty); keys, etag and timestamp always come.

        Raises:
            NotFound: no such table.
            CorruptRecord: the continuation is not one of this store's.
        """
        ...

    async def write(self, table: str, operation: Operation) -> str:
        """One write; returns the new ETag (empty for DELETE).

        Raises:
            Conflict: INSERT, and the row exists.
            NotFound: MERGE, REPLACE or DELETE, and there is no row; or no such table.
            PreconditionFailed: the etag is not the row's.
            TooLarge: a string over 64 KiB of UTF-16, bytes over 64 KiB, or a row over 1 MiB.
        """
        ...

    async def batch(self, table: str, operations: Sequence[Operation]) -> list[str]:
        """1 to 100 writes on one partition, each row once, all or nothing; the new ETags in order.

        Raises: as `write`; also TooLarge over 4 MiB, ValueError for a batch that breaks the rules.
        """
        ...


class BlobStore(Protocol):
    """Containers of blobs, written whole."""

    async def create_container(self, container: str) -> None:
        """Make sure the container exists.

        Raises:
            Conflict: it is still being deleted.
        """
        ...

    async def delete_container(self, container: str) -> None:
        """Delete it with all its blobs; fine when it does not exist."""
        ...

    async def list_containers(self, prefix: str) -> list[str]:
        """The names of the containers that start with `prefix`, sorted."""
        ...

    async def put_blob(
        self, container: str, name: str, data: bytes, *, only_if_absent: bool = False
    ) -> None:
        """Write a block blob in one request, no content type or encoding set.

        Raises:
            NotFound: no such container.
            Conflict: `only_if_absent`, and it exists.
        """
        ...

    async def get_blob(self, container: str, name: str, *, max_bytes: int) -> bytes:
        """The whole blob.

        Raises:
            NotFound: no such blob or container.
            TooLarge: it has more than `max_bytes`.
        """
        ...

    async def list_blobs(
        self, container: str, prefix: str, *, continuation: str | None = None
    ) -> tuple[list[BlobInfo], str | None]:
        """One page of blobs by name, and the continuation. Folder markers are left out.

        Raises:
            NotFound: no such container.
        """
        ...

    async def delete_blob(self, container: str, name: str) -> None:
        """Delete it with its snapshots; fine when it does not exist."""
        ...

    def url(self, container: str, name: str) -> str:
        """The blob's address, each segment of its name percent-encoded, slashes kept."""
        ...


class Account(Protocol):
    """One storage account: the three stores on one connection pool."""

    @property
    def queues(self) -> QueueStore: ...
    @property
    def tables(self) -> TableStore: ...
    @property
    def blobs(self) -> BlobStore: ...

    async def close(self) -> None:
        """Give back the connections. A second call does nothing."""
        ...
