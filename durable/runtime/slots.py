"""Places for work that runs at once: a semaphore that tells how many are free."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from types import TracebackType


class Slots:
    """`async with` takes a place, and waits for one."""

    def __init__(self, limit: int) -> None:
        self._gate = asyncio.Semaphore(limit)
        self._limit = limit
        self._wanted = 0
        self._inside = 0
        self._empty = asyncio.Event()
        #: Closed while somebody is to be alone.
        self._door = asyncio.Event()
        self._door.set()
        self._is_guarded = False

    @property
    def free(self) -> int:
        """How many places nobody has, or waits for; below zero when more wait than may run."""
        free = self._limit - self._wanted
        return free if self._door.is_set() else min(free, 0)

    @property
    def is_guarded(self) -> bool:
        """Whether somebody has asked to be alone, and is still there."""
        return self._is_guarded

    @contextlib.asynccontextmanager
    async def alone(self, *, settle_seconds: float, alone_seconds: float) -> AsyncIterator[None]:
        """Take a place beside which nobody else begins for a while; one at a time (`is_guarded`).

        Those inside have `settle_seconds` to leave; after `alone_seconds` more the others come in
        again, so that what takes long holds nobody up.
        """
        self._is_guarded = True
        self._door.clear()
        opening: asyncio.TimerHandle | None = None
        try:
            await self._settle(settle_seconds)
            opening = asyncio.get_running_loop().call_later(alone_seconds, self._door.set)
            async with self._place():
                yield
        finally:
            if opening is not None:
                opening.cancel()
            self._door.set()
            self._is_guarded = False

    async def _settle(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._inside:
                    self._empty.clear()
                    await self._empty.wait()

    @contextlib.asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        """A place that no door leads to."""
        await self._enter(guarded=True)
        try:
            yield
        finally:
            self._leave()

    async def __aenter__(self) -> None:
        await self._enter(guarded=False)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leave()

    async def _enter(self, *, guarded: bool) -> None:
        self._wanted += 1
        try:
            await self._gate.acquire()
            while not (guarded or self._door.is_set()):
                # A place that was free is not kept meanwhile from whoever is to be alone.
                self._gate.release()
                await self._door.wait()
                await self._gate.acquire()
        except BaseException:
            self._wanted -= 1
            raise
        self._inside += 1

    def _leave(self) -> None:
        self._inside -= 1
        self._wanted -= 1
        self._gate.release()
        if not self._inside:
            self._empty.set()
