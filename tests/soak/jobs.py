"""One instance under load: started, told things, followed to its end, looked at, perhaps purged."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from random import Random

from durable.model.status import InstanceRow, RuntimeStatus
from durable.testing.simulator.invariants import check_gone, check_history
from tests.soak.driver import UNKNOWN, Driver, Sent, has_ended

#: An instance that has ended and been looked at is kept, or purged after so many seconds.
PURGED_AFTER = (3.0, 15.0)


@dataclass(slots=True)
class Books:
    """What must be true of the entities at the end.

    Attributes:
        moved: what each account has gained or lost.
        counters: what each counter was told.
    """

    moved: dict[str, int] = field(default_factory=dict)
    counters: dict[str, Sent] = field(default_factory=dict)

    def move(self, source: str, target: str, amount: int) -> None:
        """Note a transfer that was made."""
        self.moved[source] = self.moved.get(source, 0) - amount
        self.moved[target] = self.moved.get(target, 0) + amount


@dataclass(slots=True)
class Job:
    """An instance, and what became of it. Times are seconds since the soak began.

    Attributes:
        wrong: what is not as it must be.
        children: ids of the instances that it started.
        doing: what its driver waits for.
    """

    instance_id: str
    kind: str
    driver: Driver
    chance: Random
    books: Books
    folder: Path
    now: Callable[[], float]
    begun: datetime
    accepted_at: float | None = None
    ended_at: float | None = None
    done: bool = False
    purged: bool = False
    doing: str = "start"
    children: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    async def start(self, name: str, given: object, delay: float = 0.0) -> None:
        """Start it as an instance of that orchestrator."""
        await self.driver.start(name, self.instance_id, given, delay)
        self.accepted_at = self.now()

    async def ends(
        self, output: object = None, *, status: RuntimeStatus = RuntimeStatus.COMPLETED
    ) -> None:
        """Wait for its end, which must be this."""
        found = await self.end()
        if found.status is not status:
            self.blame(f"is {found.status}, not {status}: {found.output!s:.300}")
        elif status is RuntimeStatus.COMPLETED:
            came = await self.driver.output(found)
            if came != output:
                self.blame(f"came to {came!s:.300}, not {output!s:.300}")

    async def end(self) -> InstanceRow:
        """Its row, once it has ended."""
        self.doing = "its end"
        row = await self.driver.until(self.instance_id, has_ended)
        ended = row.completed_time or row.last_updated_time
        self.ended_at = self.now() if ended is None else (ended - self.begun).total_seconds()
        return row

    async def is_seen(
        self, fits: Callable[[InstanceRow], bool], what: str, *, longest_pause: float = 1.0
    ) -> InstanceRow:
        """Its row, once it is so."""
        self.doing = what
        return await self.driver.until(self.instance_id, fits, longest_pause=longest_pause)

    def blame(self, what: str) -> None:
        """Note that something is wrong with it."""
        self.wrong.append(f"{self.instance_id} {what}")

    def mend(self) -> None:
        """From now on its failing activity goes well."""
        (self.folder / "mended" / self.instance_id).touch()

    async def is_looked_at(self) -> None:
        """Its row and its history, and those of its children, must belong together."""
        self.doing = "a look at its history"
        for each in [self.instance_id, *self.children]:
            # A child's answer may be there before its row says so.
            await self.driver.until(each, has_ended)
            self.wrong += await self._asked_until_answered(each, _look)

    async def is_purged(self) -> None:
        """Remove it, and its children, after a while; nothing may be left."""
        self.doing = "its purge"
        await asyncio.sleep(self.chance.uniform(*PURGED_AFTER))
        for each in [self.instance_id, *self.children]:
            # Late messages must not have changed it.
            self.wrong += await self._asked_until_answered(each, _look)
            await self.driver.purge(each)
        self.purged = True
        await asyncio.sleep(self.chance.uniform(0.0, PURGED_AFTER[0]))
        for each in [self.instance_id, *self.children]:
            self.wrong += await self._asked_until_answered(each, _look_for_rest)

    async def _asked_until_answered(
        self, instance_id: str, ask: Callable[[Driver, str], Coroutine[object, object, list[str]]]
    ) -> list[str]:
        while True:
            with contextlib.suppress(*UNKNOWN):
                return await ask(self.driver, instance_id)
            await asyncio.sleep(1.0)


async def _look(driver: Driver, instance_id: str) -> list[str]:
    return await check_history(driver.hub, await driver.row(instance_id))


async def _look_for_rest(driver: Driver, instance_id: str) -> list[str]:
    return await check_gone(driver.hub, instance_id)
