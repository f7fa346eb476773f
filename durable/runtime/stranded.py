"""Messages in control queues beyond those that the hub is set to have (W20).

Who makes `partitionCount` smaller leaves messages where nobody looks any more, and others who know
the hub as it was made go on putting some there. They are sent on to the queue that is read for
their instance now. It may be served by several processes then, as it may at any time: commits are
guarded by ETags.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import replace

from durable.engine.judgement import Waiting
from durable.errors import CorruptRecord, InvalidName, NotFound, PreconditionFailed, TooLarge
from durable.hub.ownership import OwnershipTable
from durable.hub.taskhub import TaskHub
from durable.model.ids import MAX_PARTITIONS
from durable.model.messages import TaskMessage
from durable.storage.values import QueueMessage
from durable.wire.envelopes import BlobPointer, decode_message, json_text

log = logging.getLogger("durable.sweeper")

#: Messages of one queue that a pass moves at most, and at once.
_MOST, _AT_ONCE = 1024, 32
_LEASE_SECONDS = 60


class Stranded:
    """Empties the control queues that the hub's settings don't name, and nobody owns."""

    def __init__(self, hub: TaskHub) -> None:
        self._hub = hub

    async def send_on(self, listed: Collection[str]) -> int:
        """Move what lies in such queues, of those that were `listed`; how many messages it were.

        Costs nothing while there is no such queue.
        """
        names = self._hub.names
        known = range(self._hub.settings.partition_count, MAX_PARTITIONS)
        beyond = {
            each: queue
            for queue in map(names.control_queue, known)
            for each in (queue, names.poison_queue(queue))
            if each in listed
        }
        if not beyond:
            return 0
        owned = await self._owned()
        free = [each for each, queue in beyond.items() if queue not in owned]
        return sum([await self._empty(each) for each in free])

    async def _owned(self) -> frozenset[str]:
        """Queues that a worker reads, ours or .NET's, which knows the hub as it was made."""
        try:
            reading = await OwnershipTable(self._hub).read()
        except NotFound:
            return frozenset()
        return frozenset(
            lease.queue
            for lease in reading.leases
            if lease.current_owner is not None
            and lease.expires_at is not None
            and lease.expires_at > reading.served_at
        )

    async def _empty(self, queue: str) -> int:
        queues = self._hub.account.queues
        moved = 0
        while moved < _MOST:
            try:
                found = await queues.get(queue, count=_AT_ONCE, lease_seconds=_LEASE_SECONDS)
            except NotFound:
                break
            if not found:
                break
            for message in found:
                await self._move(queue, message)
            moved += len(found)
        if moved:
            log.warning(
                "%d messages of queue %s were sent on: the hub has more control queues than "
                "partitionCount, %d, says. Set it to what the hub was made with.",
                moved,
                queue,
                self._hub.settings.partition_count,
                extra={"queue": queue},
            )
        return moved

    async def _move(self, queue: str, raw: QueueMessage) -> None:
        """A copy first, under the identity that the message has now (R7)."""
        names, outbox = self._hub.names, self._hub.outbox
        message = await self._understood(raw)
        if message is None:  # whoever receives it there puts it into quarantine
            await self._hub.account.queues.put(names.control_queues[0], raw.text)
        else:
            identity = Waiting(key=raw.id, message=message).identity
            copy = replace(message, extras=replace(message.extras, identity=identity))
            target = names.control_queue_of(message.target.instance_id)
            await outbox.put(target, copy, delay_seconds=0)
        try:
            await self._hub.account.queues.delete(queue, raw.id, raw.pop_receipt)
        except (NotFound, PreconditionFailed):
            return

    async def _understood(self, raw: QueueMessage) -> TaskMessage | None:
        try:
            found = decode_message(json_text(raw.text), received=self._hub.clock.now())
            if isinstance(found, BlobPointer):
                return await self._hub.payloads.read_message(found)
        except (CorruptRecord, InvalidName, TooLarge):
            return None
        return found
