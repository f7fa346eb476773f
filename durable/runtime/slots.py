"""Places for work that runs at once: a semaphore that tells how many are free."""

from __future__ import annotations

import asyncio
from types import TracebackType


class Slots:
    """`async with` takes a place, and waits for one."""

    def __init__(self, limit: int) -> None:
        self._gate = asyncio.Semaphore(limit)
        self._limit = limit
        self._wanted = 0

    @property
    def free(self) -> int:
        """How many places nobody has, or waits for; below zero when more wait than may run."""
        return self._limit - self._wanted

    async def __aenter__(self) -> None:
        self._wanted += 1
        try:
            await self._gate.acquire()
        except BaseException:
            self._wanted -= 1
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._wanted -= 1
        self._gate.release()
