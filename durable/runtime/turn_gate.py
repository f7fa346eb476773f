"""How many turns write at once: those of chains that are under way before those that begin.

Half done work holds messages and keeps others waiting, so it is finished first. Without that,
more instances than storage keeps up with would all be slow together, and each chain would be
flushed for its age instead of its end.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class TurnGate:
    """A semaphore with two queues."""

    def __init__(self, limit: int) -> None:
        self._free = limit
        self._going_on: deque[asyncio.Future[None]] = deque()
        self._new: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def turn(self, *, goes_on: bool) -> AsyncIterator[None]:
        """A place for the block; `goes_on` comes before all that doesn't."""
        if self._free > 0:
            self._free -= 1
        else:
            await self._wait(self._going_on if goes_on else self._new)
        try:
            yield
        finally:
            self._release()

    async def _wait(self, queue: deque[asyncio.Future[None]]) -> None:
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.cancelled() or not place.done():
                if place in queue:  # not passed over already
                    queue.remove(place)
            else:
                self._release()  # it was just given
            raise

    def _release(self) -> None:
        for queue in (self._going_on, self._new):
            while queue:
                place = queue.popleft()
                if not place.done():
                    place.set_result(None)
                    return
        self._free += 1
