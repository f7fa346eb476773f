"""Mixed load: instances of every kind, as many as the machine bears, followed to their end."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from random import Random

from tests.soak.driver import Driver
from tests.soak.jobs import Books, Job
from tests.soak.kinds import KINDS

#: A job younger than this counts as work; older ones most likely wait for a dead process's lease.
_YOUNG_SECONDS = 45.0
#: Of the instances that have ended; the rest are looked at once more at the end.
_PURGED = 0.6


class Load:
    """Starts jobs at a rate, and holds on to all of them.

    Args:
        driver: makes the calls.
        chance: decides everything.
        folder: where activities take their notes.
        now: seconds since the soak began.
        begun: when that was.
        per_second: how many jobs at most.
        at_once: how many young ones at most; with more the load waits.
    """

    def __init__(
        self,
        driver: Driver,
        chance: Random,
        folder: Path,
        now: Callable[[], float],
        begun: datetime,
        *,
        per_second: float,
        at_once: int,
    ) -> None:
        self.jobs: list[Job] = []
        self.books = Books()
        self.held_back = 0
        self._driver = driver
        self._chance = chance
        self._folder = folder
        self._now = now
        self._begun = begun
        self._per_second = per_second
        self._at_once = at_once

    async def run(self, seconds: float, tasks: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        """Make load for so long; returns the tasks that follow it to its end."""
        following: list[asyncio.Task[None]] = []
        end = self._now() + seconds
        while self._now() < end:
            job = self._next()
            if job is None:
                self.held_back += 1
            else:
                self.jobs.append(job)
                following.append(tasks.create_task(self._follow(job)))
            await asyncio.sleep(self._chance.expovariate(self._per_second))
        return following

    @property
    def unfinished(self) -> list[Job]:
        """Jobs that have been accepted and have not ended."""
        return [job for job in self.jobs if job.accepted_at is not None and job.ended_at is None]

    @property
    def open(self) -> list[Job]:
        """Jobs whose driver is not done with them."""
        return [job for job in self.jobs if not job.done]

    def _next(self) -> Job | None:
        """The next job; None when there is enough work."""
        now = self._now()
        unfinished = [job for job in self.jobs if job.ended_at is None and not job.done]
        young = sum(now - (job.accepted_at or now) < _YOUNG_SECONDS for job in unfinished)
        if young >= self._at_once:
            return None
        of_kind = Counter(job.kind for job in unfinished)
        kinds = {name: kind for name, kind in KINDS.items() if of_kind[name] < kind.most}
        (name,) = self._chance.choices(list(kinds), [kind.weight for kind in kinds.values()])
        return Job(
            instance_id=f"s{len(self.jobs):05}-{name}",
            kind=name,
            driver=self._driver,
            chance=Random(self._chance.random()),
            books=self.books,
            folder=self._folder,
            now=self._now,
            begun=self._begun,
        )

    async def _follow(self, job: Job) -> None:
        kind = KINDS[job.kind]
        try:
            await kind.run(job)
            if kind.has_instance:
                await job.is_looked_at()
                if job.chance.random() < _PURGED:
                    await job.is_purged()
        except Exception as error:  # whatever it is: it is told in the report
            job.blame(f"while its driver waits for {job.doing}: {type(error).__name__}: {error}")
            job.ended_at = job.ended_at or self._now()
        job.done = True
