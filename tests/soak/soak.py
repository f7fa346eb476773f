"""The soak: load, kills and restarts of Azurite for so long; then everything must be right."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import aiohttp

import durable as df
from tests.acceptance.local_host import Browser
from tests.soak.checks import (
    activity_runs,
    check_entities,
    check_hub,
    check_jobs,
    check_messages,
    wait_for_empty_queues,
)
from tests.soak.disk_azurite import Canary, DiskAzurite, Stop
from tests.soak.driver import Driver
from tests.soak.fleet import HUB, Fleet, Kill, Leases
from tests.soak.jobs import Job
from tests.soak.load import Load

#: After Azurite's end; then it comes back.
_AZURITE_AWAY_SECONDS = (2.0, 5.0)
#: The canary sings before Azurite is told to stop.
_SINGING_SECONDS = 1.0
_TOLD_EVERY_SECONDS = 30.0
#: What messages may take that come back when the last lease has ended.
_LAST_SECONDS = 20.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What a soak does.

    Attributes:
        seconds: of load and kills.
        kill_every: seconds.
        azurite_restarts: spread over that time.
        drain_seconds: what the last instances may take after it.
        per_second: instances started.
        at_once: young instances at once; with more the load waits.
        leases: of the processes.
        seed: decides kinds, ids, moments, victims. Which instance is hit is up to the machine.
    """

    seconds: float
    kill_every: float
    azurite_restarts: int
    drain_seconds: float
    per_second: float
    at_once: int
    leases: Leases
    seed: int


@dataclass(kw_only=True, slots=True)
class Result:
    """What came of it."""

    plan: Plan
    began: datetime
    jobs: list[Job]
    kills: list[Kill]
    stops: list[Stop]
    wrong: list[str]
    runs: Counter[str]
    calls: Counter[str]
    unanswered: Counter[str]
    canary: tuple[int, int]
    load_seconds: float
    drain_seconds: float
    queues_seconds: float | None
    rows: int
    alarms: int
    held_back: int
    exits: dict[str, list[int]] = field(default_factory=dict)
    codes: dict[str, int | None] = field(default_factory=dict)
    memory: dict[str, float] = field(default_factory=dict)
    azurite_megabytes: float = 0.0
    log_lines: Counter[str] = field(default_factory=Counter)
    folder: Path | None = None


async def run_soak(plan: Plan, say: Callable[[str], None]) -> Result:
    """Run it; the folder with logs and data is kept when something is wrong."""
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    azurite = DiskAzurite(folder / "azurite")
    result: Result | None = None
    try:
        await asyncio.to_thread(azurite.start)
        fleet = Fleet(folder, azurite.connection_string, plan.leases, Random(plan.seed + 1))
        try:
            await fleet.start()
            async with _driver(azurite, fleet, plan) as (driver, canary):
                result = await _Soak(plan, folder, azurite, fleet, driver, canary, say).run()
        finally:
            fleet.kill()
    finally:
        azurite.kill()
        if result is not None and not result.wrong:
            shutil.rmtree(folder)
        else:
            say(f"Logs and data are kept in {folder}.")
    result.folder = folder if result.wrong else None
    return result


@asynccontextmanager
async def _driver(
    azurite: DiskAzurite, fleet: Fleet, plan: Plan
) -> AsyncIterator[tuple[Driver, Canary]]:
    timeout = aiohttp.ClientTimeout(total=90)
    connect = df.Client.from_connection_string(azurite.connection_string, hub=HUB)
    async with aiohttp.ClientSession(timeout=timeout) as session, connect as client:
        hosts = [member.process for member in fleet.hosts]
        canary = Canary(client.hub.account)
        await canary.prepare()
        yield Driver(hosts, Browser(session), client, Random(plan.seed + 2)), canary


class _Soak:
    def __init__(
        self,
        plan: Plan,
        folder: Path,
        azurite: DiskAzurite,
        fleet: Fleet,
        driver: Driver,
        canary: Canary,
        say: Callable[[str], None],
    ) -> None:
        self._plan = plan
        self._folder = folder
        self._azurite = azurite
        self._fleet = fleet
        self._driver = driver
        self._canary = canary
        self._say = say
        self._chance = Random(plan.seed + 3)
        self._began = datetime.now(UTC)
        self._zero = asyncio.get_running_loop().time()
        self._stops: list[Stop] = []
        self._load = Load(
            driver,
            Random(plan.seed),
            folder,
            self._now,
            self._began,
            per_second=plan.per_second,
            at_once=plan.at_once,
        )

    def _now(self) -> float:
        return asyncio.get_running_loop().time() - self._zero

    async def run(self) -> Result:
        self._say(f"{len(self._fleet.members)} processes serve; seed {self._plan.seed}.")
        async with asyncio.TaskGroup() as always:
            supervisor = always.create_task(self._fleet.supervise())
            teller = always.create_task(self._tell())
            async with asyncio.TaskGroup() as tasks:
                following = await self._under_fire(tasks)
                load_seconds = self._now()
                self._say(f"The load has ended; {len(self._load.open)} jobs are open.")
                if following:
                    await asyncio.wait(following, timeout=self._plan.drain_seconds)
                drain_seconds = self._now() - load_seconds
                for task in following:
                    task.cancel()
            self._say(f"All jobs are done {drain_seconds:.0f} s after the load.")
            queues_seconds = await wait_for_empty_queues(self._driver.hub, self._lease_left())
            supervisor.cancel()
            teller.cancel()
        return await self._checked(load_seconds, drain_seconds, queues_seconds)

    def _lease_left(self) -> float:
        """How long a message of a killed process may still be hidden, and a while to deal with it.

        What is left then are alarms (`check_messages`), or something is wrong.
        """
        leases = self._plan.leases
        killed = max((kill.at for kill in self._fleet.kills), default=0.0)
        longest = max(leases.own, leases.host, leases.worker)
        return max(killed + longest - self._now(), 0.0) + _LAST_SECONDS

    async def _under_fire(self, tasks: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        """The load, while processes are killed and Azurite is restarted."""
        killer = tasks.create_task(
            self._fleet.kill_some(
                self._plan.kill_every,
                self._now,
                lambda: tuple(job.instance_id for job in self._load.unfinished),
            )
        )
        restarter = tasks.create_task(self._restart_azurite())
        following = await self._load.run(self._plan.seconds, tasks)
        killer.cancel()
        await restarter  # its last restart is well before the end
        return following

    async def _restart_azurite(self) -> None:
        restarts = self._plan.azurite_restarts
        for number in range(1, restarts + 1):
            moment = self._plan.seconds * number / (restarts + 1)
            await asyncio.sleep(max(moment - self._now(), 0.0))
            async with asyncio.TaskGroup() as tasks:
                singing = tasks.create_task(self._canary.sing())
                await asyncio.sleep(_SINGING_SECONDS)
                stop = await self._azurite.stop(self._now())
                singing.cancel()
            self._stops.append(stop)
            self._say(f"Azurite has ended after {stop.took_seconds:.1f} s.")
            await asyncio.sleep(self._chance.uniform(*_AZURITE_AWAY_SECONDS))
            await asyncio.to_thread(self._azurite.start)

    async def _checked(
        self, load_seconds: float, drain_seconds: float, queues_seconds: float | None
    ) -> Result:
        codes = await self._fleet.stop()
        wrong = await check_jobs(self._driver.hub, self._load.jobs)
        found, rows = await check_hub(self._driver.hub)
        wrong += found
        wrong += await check_entities(self._driver.client, self._load.books)
        wrong += await self._canary.lost()
        megabytes = self._azurite.megabytes
        await self._azurite.stop(self._now())
        left, alarms = check_messages(self._driver.hub, self._azurite)
        wrong += left
        wrong += [f"{name} ended with {code}" for name, code in codes.items() if code != 0]
        wrong += [f"Azurite had to be killed at {s.at:.0f} s" for s in self._stops if s.killed]
        lines = _log_lines(self._folder)
        wrong += [f"log, {times} times: {line}" for line, times in lines.items() if _BUG in line]
        return Result(
            plan=self._plan,
            began=self._began,
            jobs=self._load.jobs,
            kills=self._fleet.kills,
            stops=self._stops,
            wrong=wrong,
            runs=activity_runs(self._folder),
            calls=self._driver.calls,
            unanswered=self._driver.unanswered,
            canary=(len(self._canary.rows), len(self._canary.messages)),
            load_seconds=load_seconds,
            drain_seconds=drain_seconds,
            queues_seconds=queues_seconds,
            rows=rows,
            held_back=self._load.held_back,
            exits={each.name: each.exits for each in self._fleet.members if each.exits},
            codes=codes,
            memory=self._fleet.largest_megabytes,
            azurite_megabytes=megabytes,
            alarms=alarms,
            log_lines=lines,
        )

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(_TOLD_EVERY_SECONDS)
            jobs, wrong = self._load.jobs, sum(len(job.wrong) for job in self._load.jobs)
            open_ = self._load.open
            longest = min(open_, key=lambda job: job.accepted_at or 0.0, default=None)
            self._say(
                f"{self._now():5.0f} s: {len(jobs)} jobs, {len(open_)} open, "
                f"{len(self._load.unfinished)} unfinished, {len(self._fleet.kills)} kills, "
                f"{len(self._stops)} restarts of Azurite, {wrong} wrong; Azurite has "
                f"{self._azurite.megabytes:.0f} MB"
                + ("" if longest is None else f"; oldest {longest.instance_id} ({longest.doing})")
            )


_BUG = "EngineBug"


def _log_lines(folder: Path) -> Counter[str]:
    """What the logs say that is no routine, by its kind: numbers and ids left out."""
    found: Counter[str] = Counter()
    for log in folder.glob("*.log"):
        for line in log.read_text(errors="replace").splitlines():
            if any(word in line for word in ("Traceback", "ERROR", "CRITICAL", _BUG, "Error:")):
                found["".join("9" if c.isdigit() else c for c in line[:160])] += 1
    return found
