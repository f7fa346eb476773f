"""Messages whose text is in a blob: so many bytes of them at once.

What is in flight is counted in messages; of large ones, that many would not fit into any process.
So one that is read takes room by its weight until it is dealt with, and the next one waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from durable.engine.limits import weight
from durable.model.messages import TaskMessage

#: Read at once: until it is read, nobody knows how large one is.
_AT_ONCE = 4


class LargeMessages:
    """Room for so many bytes; one that is larger than all of it gets all of it."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._free = limit
        self._freed = asyncio.Event()
        self._reading = asyncio.Semaphore(_AT_ONCE)
        self._first = asyncio.Lock()

    @property
    def free(self) -> int:
        """Bytes that nobody has."""
        return self._free

    async def read(self, read: Callable[[], Awaitable[TaskMessage]]) -> tuple[TaskMessage, int]:
        """The message that `read` gives, and how much room it has: to be given back.

        Whoever came first gets room first, so a large one doesn't wait behind many small ones.

        Raises: what `read` does.
        """
        async with self._reading:
            message = await read()
            taken = min(weight(message.event), self._limit)
            async with self._first:
                while self._free < taken:
                    self._freed.clear()
                    await self._freed.wait()
                self._free -= taken
        return message, taken

    def give_back(self, taken: int) -> None:
        """It is dealt with."""
        if taken:
            self._free += taken
            self._freed.set()
