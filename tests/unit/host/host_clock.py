"""A clock that the test moves."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta


class ManualClock:
    """Time passes when the test says so."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.slept: list[float] = []
        self._waiting: list[tuple[float, asyncio.Future[None]]] = []
        self._ids = 0

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((self.seconds + seconds, future))
        await future

    def new_id(self) -> str:
        self._ids += 1
        return f"{self._ids:032x}"

    def jitter(self, low: float, high: float) -> float:
        return (low + high) / 2

    async def settle(self) -> None:
        """Let everything run that can without time passing."""
        for _ in range(50):
            await asyncio.sleep(0)

    async def advance(self, seconds: float) -> None:
        """Let `seconds` pass, each sleeper waking at its own time."""
        await self.settle()
        end = self.seconds + seconds
        while True:
            self._waiting = [w for w in self._waiting if not w[1].done()]
            due = sorted((w for w in self._waiting if w[0] <= end), key=lambda w: w[0])
            if not due:
                break
            self.seconds = max(self.seconds, due[0][0])
            due[0][1].set_result(None)
            await self.settle()
        self.seconds = end
        await self.settle()
