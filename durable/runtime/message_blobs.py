"""Blobs of messages that were dealt with long ago, of instances that still run (W11).

A message's blob outlives its message, as in the original: the message is deleted by whoever
delivered it, and may come back until then. With instances that never end, and entities, such blobs
would pile up. That a message is gone can only be told from its queue: one that waited as long would
be among the first that the queue shows, again and again for as long as somebody may hold it hidden.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from durable.clock import Clock
from durable.errors import NotFound
from durable.hub.outbox import MAX_DELAY_SECONDS
from durable.hub.taskhub import TaskHub
from durable.storage.values import BlobInfo

#: No message is looked for before its blob is that old.
_OLD = timedelta(days=30)
#: Queues show messages in the order in which they become visible: one that was put later than
#: another by more than the longest delay comes after it.
_LATER = timedelta(seconds=MAX_DELAY_SECONDS) + timedelta(days=1)
#: Between two looks at a queue; a process that stood still for longer begins anew.
_GAP_SECONDS = 7200.0


@dataclass(slots=True)
class _Queue:
    """Since when, and until when, a queue showed nothing old whenever it was looked at."""

    since: float
    last: float


class MessageBlobs:
    """Tells which blobs' messages are gone. What the queues show is asked once a pass."""

    def __init__(self, hub: TaskHub, clock: Clock) -> None:
        self._hub = hub
        self._clock = clock
        self._queues: dict[str, _Queue] = {}
        self._asked: dict[str, bool] = {}

    def begin_pass(self) -> None:
        """Ask the queues anew."""
        self._asked.clear()

    async def of_the_past(self, blobs: Iterable[BlobInfo], instance_id: str) -> set[str]:
        """The names of those whose messages are gone, of an instance's message blobs."""
        limit = self._clock.now() - _OLD
        old = [blob.name for blob in blobs if blob.last_modified < limit]
        return {name for name in old if await self._is_young(self._queue_of(name, instance_id))}

    def _queue_of(self, name: str, instance_id: str) -> str:
        names = self._hub.names
        if "-TaskScheduled." in name:
            return names.work_items
        return names.control_queue_of(instance_id)

    async def _is_young(self, queue: str) -> bool:
        """Whether the queue has held nothing as old as the blobs for longer than any lease."""
        if queue not in self._asked:
            self._asked[queue] = await self._look(queue)
        return self._asked[queue]

    async def _look(self, queue: str) -> bool:
        head = await self._head(queue)
        if head is not None and head <= self._clock.now() - (_OLD - _LATER):
            self._queues.pop(queue, None)
            return False
        now = self._clock.monotonic()
        seen = self._queues.setdefault(queue, _Queue(now, now))
        if now - seen.last > _GAP_SECONDS:
            seen.since = now
        seen.last = now
        return now - seen.since >= self._hub.settings.identity_seconds

    async def _head(self, queue: str) -> datetime | None:
        """When the oldest message was put that `queue` shows; None when it shows none."""
        try:
            shown = await self._hub.account.queues.peek(queue)
        except NotFound:
            return None
        return min((each.inserted for each in shown), default=None)
