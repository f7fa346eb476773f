"""The Partitions table: who owns which control queue, read at once and written under ETags.

The rows are those of the original's table partition manager (storage-format 7.1). All of them are
in one partition, so what one pass writes is one batch.

The original also takes the app lease (7.4), a lease on a container, so that one *app* at a time
runs workers in a hub. Ours doesn't: it would need blob leases, and nothing here rests on it, since
commits are guarded by ETags. So a .NET app that shares a hub with workers of ours needs no setting
changed: it holds the app lease for itself, and finds our workers in the rows.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from durable.errors import CorruptRecord
from durable.hub.taskhub import TaskHub
from durable.model.ids import MAX_PARTITIONS
from durable.storage.values import Operation, Row, Write
from durable.wire.lease_rows import PartitionLease, decode_lease, encode_lease

log = logging.getLogger("durable.partitions")


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """All rows, in the order of their queues. `served_at` is the service's clock (1 s steps)."""

    leases: tuple[PartitionLease, ...]
    served_at: datetime


class OwnershipTable:
    """The Partitions table of a hub."""

    def __init__(self, hub: TaskHub) -> None:
        self._tables = hub.account.tables
        self._table = hub.names.partitions_table
        self._queues = {hub.names.control_queue(index) for index in range(MAX_PARTITIONS)}

    async def read(self) -> Reading:
        """Who owns what now. A row that can't be understood is nobody's, and logged.

        Whoever claims it writes it anew: a damaged row must not keep its queue from being read.
        Rows of what is no control queue of this hub are left out: nobody else's is to be read.

        Raises:
            StorageError: as the port says.
        """
        leases: list[PartitionLease] = []
        continuation: str | None = None
        while True:
            page = await self._tables.query(self._table, None, continuation=continuation)
            leases += [_decoded(row) for row in page.rows if self._is_ours(row)]
            continuation = page.continuation
            if continuation is None:
                return Reading(leases=tuple(leases), served_at=page.served_at)

    def _is_ours(self, row: Row) -> bool:
        return row.partition_key == "" and row.row_key in self._queues

    async def write(self, leases: Sequence[PartitionLease]) -> tuple[PartitionLease, ...]:
        """Replace rows that are as they were read, all or none; returns them with new ETags.

        Raises:
            PreconditionFailed, NotFound: one of them has changed since, or is gone.
            StorageError: as the port says.
        """
        operations = [
            Operation(
                write=Write.REPLACE,
                row=Row(
                    partition_key="",
                    row_key=lease.queue,
                    columns=encode_lease(lease),
                    etag=lease.etag,
                ),
            )
            for lease in leases
        ]
        match operations:
            case []:
                return ()
            case [operation]:
                etags = [await self._tables.write(self._table, operation)]
            case _:
                etags = await self._tables.batch(self._table, operations)
        return tuple(replace(lease, etag=etag) for lease, etag in zip(leases, etags, strict=True))


def _decoded(row: Row) -> PartitionLease:
    try:
        return decode_lease(row.row_key, row.columns, row.etag)
    except CorruptRecord as error:
        log.warning("the partition of %s counts as nobody's: %s", row.row_key, error)
        return PartitionLease(queue=row.row_key, etag=row.etag)
