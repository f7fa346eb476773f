"""Virtual time: an asyncio loop that never sleeps, and the clock that goes with it."""

from __future__ import annotations

import asyncio
import hashlib
import random
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


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


class VirtualLoop(asyncio.SelectorEventLoop):
    """No threads and no sockets in here: a finished thread does not wake a clock that jumps.

    What code gives to a pool of threads runs at once, in the loop: synchronous activities and
    entities take no virtual time.
    """

    def __init__(self) -> None:
        self._jumper = _JumpingSelector()
        super().__init__(self._jumper)

    def time(self) -> float:
        return self._jumper.now

    def run_in_executor(
        self,
        executor: Executor | None,  # noqa: ARG002 - nobody else's threads
        func: Callable[[*Ts], T],
        *args: *Ts,
    ) -> asyncio.Future[T]:
        done: asyncio.Future[T] = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - its awaiter's to deal with
            done.set_exception(error)
        return done


def run_in_virtual_time(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` to its end; no waiting in it takes any time.

    Raises:
        SimulationDeadlock: everybody waits for somebody else.
    """
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


@dataclass(slots=True)
class _Ids:
    """Ids that no other run of the same seed differs in; all clocks of a run share them."""

    seed: int
    made: int = field(default=0)

    def next(self) -> str:
        self.made += 1
        # Names, not secrets.
        return hashlib.md5(f"{self.seed}:{self.made}".encode(), usedforsecurity=False).hexdigest()


class VirtualClock:
    """A `durable.clock.Clock` on virtual time; ids and jitter come from the seed."""

    START = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self._ids = _Ids(seed)
        self._zero = self.START

    def skewed(self, seconds: float) -> VirtualClock:
        """The clock of a machine whose wall time is wrong by so much, in the same run."""
        other = object.__new__(VirtualClock)
        other.random, other._ids = self.random, self._ids
        other._zero = self._zero + timedelta(seconds=seconds)
        return other

    def now(self) -> datetime:
        return self._zero + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def new_id(self) -> str:
        return self._ids.next()

    def jitter(self, low: float, high: float) -> float:
        return self.random.uniform(low, high)
