"""Virtual time: an asyncio loop that never sleeps, and the clock that goes with it."""

from __future__ import annotations

import asyncio
import hashlib
import random
import selectors
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

T = TypeVar("T")


class SimulationDeadlock(AssertionError):
    """Every task waits and no timer is due."""


class _JumpingSelector(selectors.SelectSelector):
    """The time the loop wanted to wait is the time that passes."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            raise SimulationDeadlock
        self.now += timeout
        return []


class SimLoop(asyncio.SelectorEventLoop):
    """No threads and no sockets in here: a finished thread does not wake a clock that jumps."""

    def __init__(self) -> None:
        self._jumper = _JumpingSelector()
        super().__init__(self._jumper)

    def time(self) -> float:
        return self._jumper.now


def run_simulation(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` in virtual time."""
    with asyncio.Runner(loop_factory=SimLoop) as runner:
        return runner.run(main)


class SimClock:
    """A `durable.clock.Clock` on virtual time; ids and jitter come from the seed."""

    START = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self._seed = seed
        self._ids = 0

    def now(self) -> datetime:
        return self.START + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def new_id(self) -> str:
        self._ids += 1
        return hashlib.md5(f"{self._seed}:{self._ids}".encode()).hexdigest()

    def jitter(self, low: float, high: float) -> float:
        return self.random.uniform(low, high)
