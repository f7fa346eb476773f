"""The processes under test: started again by a supervisor, killed at random by somebody else."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.acceptance.local_host import LocalHost
from tests.acceptance.local_worker import LocalWorker

APP = Path(__file__).parent / "app"
HUB = "Soak"
#: How long a killed process stays away.
AWAY_SECONDS = (1.0, 3.0)
_SETTING = "AzureFunctionsJobHost__extensions__durableTask__"
_READY_SECONDS = 30.0
#: A worker's own drain is 30 s; at rest there is nothing to drain.
_STOP_SECONDS = 45.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Leases:
    """How long what a dead process held stays hidden, in seconds; the defaults are the product's.

    Attributes:
        own: the engine's lease in Functions mode (`ownLeaseSeconds`).
        host: the Functions host's, on what it has taken and no function has begun with.
        worker: a worker's.
    """

    own: int = 45
    host: int = 600
    worker: int = 30

    @property
    def of_hosts(self) -> dict[str, str]:
        """As app settings of a Functions host."""
        return {
            f"{_SETTING}ownLeaseSeconds": str(self.own),
            "DURABLE_HOST_LEASE_SECONDS": str(self.host),
        }

    @property
    def of_workers(self) -> dict[str, str]:
        """As app settings of a worker, which looks at its queues every second at least."""
        lease = f"00:{self.worker // 60:02}:{self.worker % 60:02}"
        return {
            f"{_SETTING}storageProvider__controlQueueVisibilityTimeout": lease,
            f"{_SETTING}storageProvider__workItemQueueVisibilityTimeout": lease,
            f"{_SETTING}storageProvider__maxQueuePollingInterval": "00:00:01",
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Kill:
    """A SIGKILL: whom, when, and which instances had not ended."""

    at: float
    who: str
    unfinished: tuple[str, ...]


@dataclass(slots=True)
class Member:
    """One process under test, in all its lives."""

    name: str
    process: LocalHost
    kills: int = 0
    exits: list[int] = field(default_factory=list)  # by itself, with which code
    killed: bool = False
    back_at: float | None = None


class Fleet:
    """Hosts and workers on one hub."""

    def __init__(
        self,
        folder: Path,
        connection: str,
        leases: Leases,
        chance: Random,
        *,
        hosts: int = 2,
        workers: int = 2,
    ) -> None:
        environ = {
            "AzureWebJobsStorage": connection,
            "SOAK_FOLDER": str(folder),
        }
        of_hosts, of_workers = {**environ, **leases.of_hosts}, {**environ, **leases.of_workers}
        (folder / "runs").mkdir()
        (folder / "mended").mkdir()
        self._chance = chance
        self.hosts = [
            Member(name, LocalHost(APP, HUB, of_hosts, folder / f"{name}.log"))
            for name in (f"host{number}" for number in range(hosts))
        ]
        self.members = [
            *self.hosts,
            *(
                Member(name, LocalWorker(APP, HUB, of_workers, folder / f"{name}.log"))
                for name in (f"worker{number}" for number in range(workers))
            ),
        ]
        self.kills: list[Kill] = []
        self.largest_megabytes: dict[str, float] = {}

    async def start(self) -> None:
        """Start all; returns when they serve."""
        for member in self.members:
            member.process.launch()
        for member in self.members:
            ready = "serves task hub" if member not in self.hosts else "durable_workitems"
            await member.process.logged(ready, seconds=_READY_SECONDS)

    async def supervise(self) -> None:
        """Start what has ended, a moment later; until cancelled."""
        while True:
            for member in self.members:
                self._look_after(member, time.monotonic())
            await asyncio.sleep(0.1)

    async def kill_some(
        self, every: float, now: Callable[[], float], unfinished: Callable[[], tuple[str, ...]]
    ) -> None:
        """Kill one of the running processes every so many seconds; until cancelled."""
        moment = now()
        while True:
            moment += every
            await asyncio.sleep(max(moment - now(), 0.0))
            running = [each for each in self.members if each.process.is_running]
            if not running:
                continue
            self._measure(running)
            victim = self._chance.choice(running)
            victim.process.kill()
            victim.killed = True
            victim.kills += 1
            self.kills.append(Kill(at=now(), who=victim.name, unfinished=unfinished()))

    async def stop(self) -> dict[str, int | None]:
        """Tell all to end; their exit codes, None for one that had to be killed."""
        for member in self.members:
            if member.process.is_running and member.process.process is not None:
                member.process.process.terminate()
        codes: dict[str, int | None] = {}
        for member in self.members:
            codes[member.name] = None
            with contextlib.suppress(TimeoutError):
                codes[member.name] = await member.process.ended(_STOP_SECONDS)
        self.kill()
        return codes

    def kill(self) -> None:
        """End them all the hard way."""
        for member in self.members:
            if member.process.is_running:
                member.process.kill()

    def _look_after(self, member: Member, now: float) -> None:
        if member.process.is_running:
            return
        if member.back_at is None:
            member.back_at = now + self._chance.uniform(*AWAY_SECONDS)
            if not member.killed and member.process.process is not None:
                member.exits.append(member.process.process.returncode)
        elif now >= member.back_at:
            member.back_at, member.killed = None, False
            member.process.launch()

    def _measure(self, running: list[Member]) -> None:
        for member in running:
            assert member.process.process is not None
            megabytes = _memory_of(member.process.process.pid)
            before = self.largest_megabytes.get(member.name, 0.0)
            self.largest_megabytes[member.name] = max(before, megabytes)


def _memory_of(pid: int) -> float:
    """What a process has in memory, in megabytes; 0 where the system doesn't tell."""
    try:
        text = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0.0
    lines = [line for line in text.splitlines() if line.startswith("VmRSS:")]
    return int(lines[0].split()[1]) / 1024 if lines else 0.0
