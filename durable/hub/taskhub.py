"""One task hub: opens the repositories on an account; creates and deletes the hub's resources."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from durable.clock import Clock
from durable.errors import Conflict
from durable.hub.history import HistoryStore
from durable.hub.instances import InstanceStore
from durable.hub.nearby import Changes, Receiver
from durable.hub.outbox import Outbox
from durable.hub.payloads import PayloadStore
from durable.hub.recent import RecentIds
from durable.hub.settings import HubSettings
from durable.model.messages import Outbound
from durable.model.status import InstanceRow
from durable.storage.ports import Account
from durable.storage.values import Operation, Row, Write
from durable.together import run_together
from durable.wire.lease_rows import (
    AppLeaseInfo,
    PartitionLease,
    encode_app_lease_info,
    encode_lease,
)
from durable.wire.names import HubNames


class TaskHub:
    """A hub in an account. Making one does no I/O; `ensure` creates what is missing.

    Attributes:
        settings, names, account, clock: what it was made with.
        payloads, history, instances, outbox: its repositories.
        started: the ids that were started through this object last.
        changes: of instances, by an engine that uses this object.
        receiver: an engine that takes the messages of clients of this object at once.
    """

    def __init__(self, account: Account, settings: HubSettings, clock: Clock) -> None:
        self.account = account
        self.settings = settings
        self.clock = clock
        self.names: HubNames = settings.names
        self.payloads = PayloadStore(
            account.blobs, self.names, clock, max_bytes=settings.max_payload_bytes
        )
        self.history = HistoryStore(account.tables, self.names, self.payloads, clock)
        self.instances = InstanceStore(account.tables, self.names, self.payloads, settings.name)
        self.outbox = Outbox(
            account.queues, self.names, self.payloads, clock, encoding=settings.queue_encoding
        )
        self.started = RecentIds()
        self.changes = Changes()
        self.receiver: Receiver | None = None
        self._ensured = False
        self._ensuring = asyncio.Lock()

    async def ensure(self) -> None:
        """Create what the hub lacks, once a process: the 14 requests of the original (1.4)."""
        if self._ensured:
            return
        async with self._ensuring:
            if not self._ensured:
                await self._create()
                self._ensured = True

    async def post(self, outbound: Outbound, row: InstanceRow | None = None) -> None:
        """Send a client's message; to the engine beside it, if there is one.

        `row` is the row of a new instance, which was inserted for this message just now.
        """
        if self.receiver is not None and self.receiver.takes(outbound):
            await self.receiver.receive(outbound, row)
        else:
            await self.outbox.send(outbound)

    async def _create(self) -> None:
        tables, queues, blobs = self.account.tables, self.account.queues, self.account.blobs
        names = self.names
        await blobs.create_container(names.app_lease)
        await _unless_exists(
            blobs.put_blob(
                names.app_lease,
                names.app_lease_info,
                encode_app_lease_info(AppLeaseInfo()).encode(),
                only_if_absent=True,
            )
        )
        await tables.create_table(names.partitions_table)
        # The last one first: whoever reads the table meanwhile learns the right count.
        await self._create_partition(names.control_queues[-1])
        await run_together(
            [
                tables.create_table(names.history_table),
                tables.create_table(names.instances_table),
                queues.create_queue(names.work_items),
                *(queues.create_queue(queue) for queue in names.control_queues),
                *(self._create_partition(queue) for queue in names.control_queues[:-1]),
            ]
        )

    async def _create_partition(self, queue: str) -> None:
        columns = encode_lease(PartitionLease(queue=queue))
        row = Row(partition_key="", row_key=queue, columns=columns)
        await _unless_exists(
            self.account.tables.write(
                self.names.partitions_table, Operation(write=Write.INSERT, row=row)
            )
        )

    async def delete(self) -> None:
        """Delete the hub with everything in it, quarantine and management key included."""
        names = self.names
        queues, tables, blobs = self.account.queues, self.account.tables, self.account.blobs
        with_poison = [
            each
            for queue in (*names.control_queues, names.work_items)
            for each in (queue, names.poison_queue(queue))
        ]
        await run_together(
            [
                *(queues.delete_queue(queue) for queue in with_poison),
                *(
                    tables.delete_table(table)
                    for table in (
                        names.history_table,
                        names.instances_table,
                        names.partitions_table,
                    )
                ),
                *(
                    blobs.delete_container(container)
                    for container in (
                        names.app_lease,
                        names.large_messages,
                        names.leases,
                        names.quarantine,
                        names.keys,
                    )
                ),
            ]
        )
        self._ensured = False


async def _unless_exists(awaitable: Awaitable[object]) -> None:
    try:
        await awaitable
    except Conflict:
        return
