"""The account in memory: three stores behind one door, and other doors to the same data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from durable.clock import Clock
from durable.storage.memory.blobs import MemoryBlobs
from durable.storage.memory.door import Door, Intercept
from durable.storage.memory.queues import MemoryQueues
from durable.storage.memory.tables import MemoryTables


class MemoryAccount:
    """One storage account, kept in memory.

    `clock` tells when hidden messages come back. `intercept` stands around every call (see
    `Intercept`). `requests` counts them by service and REST operation, as the Azure adapter does.
    `late` gives seconds by which a message becomes visible later than asked: the service promises
    no order.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        intercept: Intercept | None = None,
        late: Callable[[], float] | None = None,
    ) -> None:
        self._door = Door(clock, intercept)
        self._queues = MemoryQueues(self._door, late=late)
        self._tables = MemoryTables(self._door)
        self._blobs = MemoryBlobs(self._door)

    @property
    def queues(self) -> MemoryQueues:
        return self._queues

    @property
    def tables(self) -> MemoryTables:
        return self._tables

    @property
    def blobs(self) -> MemoryBlobs:
        return self._blobs

    @property
    def requests(self) -> Counter[tuple[str, str]]:
        """How many requests were made through this door, by (service, operation)."""
        return self._door.requests

    def opened_by(self, intercept: Intercept | None) -> MemoryAccount:
        """Another door to the same data, with its own interceptor and counter.

        A simulation gives each process one, so that it can cut off one and not the others.
        """
        other = MemoryAccount(self._door.clock)
        door = Door(self._door.clock, intercept)
        other._door = door
        other._queues = self._queues.through(door)
        other._tables = self._tables.through(door)
        other._blobs = self._blobs.through(door)
        return other

    async def close(self) -> None:
        """Nothing is held open; the data stays."""
