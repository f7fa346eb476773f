"""What a hub's clients and its engine share when they live in one process.

A client hands its messages to an engine beside it, and whoever waits for an instance is told when
this process shows a change of it. Both only save time and requests: without them messages lie in
their queues, and those who wait look again after their interval.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Protocol

from durable.model.messages import Outbound
from durable.model.status import InstanceRow


class Receiver(Protocol):
    """An engine in this process that takes messages without their lying in a queue."""

    def takes(self, outbound: Outbound) -> bool:
        """Whether it would deal with the message at once."""
        ...

    async def receive(self, outbound: Outbound, row: InstanceRow | None) -> None:
        """Put the message, and deal with it. `row` was inserted for it just now."""
        ...


class Changes:
    """Tells those who watch an instance that its row was written by this process."""

    def __init__(self) -> None:
        self._watched: dict[str, set[asyncio.Event]] = {}

    @contextlib.contextmanager
    def watch(self, instance_id: str) -> Iterator[asyncio.Event]:
        """An event that is set by every change; whoever has seen it clears it."""
        event = asyncio.Event()
        watching = self._watched.setdefault(instance_id, set())
        watching.add(event)
        try:
            yield event
        finally:
            watching.discard(event)
            if not watching and self._watched.get(instance_id) is watching:
                del self._watched[instance_id]

    def tell(self, instance_id: str) -> None:
        """The instance's row was written."""
        for event in self._watched.get(instance_id, ()):
            event.set()
