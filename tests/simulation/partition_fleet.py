"""Workers that share a hub's partitions in virtual time: started, stopped, killed, cut off."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from durable.errors import Unavailable
from durable.hub.settings import HubSettings
from durable.hub.taskhub import TaskHub
from durable.runtime.partitions import PartitionOwner
from durable.storage.memory import MemoryAccount
from durable.wire.lease_rows import PartitionLease, decode_lease
from tests.simulation.original_partitions import OriginalManager
from tests.simulation.simloop import SimClock

T = TypeVar("T")
_LOOK_SECONDS = 0.25


class SkewedClock(SimClock):
    """A machine whose wall clock is wrong."""

    def __init__(self, seed: int, skew: float) -> None:
        super().__init__(seed)
        self._skew = timedelta(seconds=skew)

    def now(self) -> datetime:
        return super().now() + self._skew


@dataclass
class Worker:
    """One process. What it reads stays in flight for `busy_seconds` after it stopped reading."""

    name: str
    manager: PartitionOwner | OriginalManager
    account: MemoryAccount
    task: asyncio.Task[None]
    connected: asyncio.Event
    last_read: dict[str, float] = field(default_factory=dict)
    busy_seconds: float = 0.0
    #: How often an answer does not arrive, and where: before the call or after it.
    lost: float = 0.0

    @property
    def owned(self) -> frozenset[str]:
        return self.manager.owned

    @property
    def is_ours(self) -> bool:
        return isinstance(self.manager, PartitionOwner)


class Fleet:
    """All workers of one hub. Notes in `wrong` whatever must never be seen."""

    def __init__(self, partitions: int, seed: int = 1, *, latency: float = 0.02) -> None:
        self.clock = SimClock(seed)
        self.account = MemoryAccount(self.clock)
        settings = HubSettings(name="Fleet", partition_count=partitions)
        self.hub = TaskHub(self.account, settings, self.clock)
        self.queues = frozenset(self.hub.names.control_queues)
        self.workers: dict[str, Worker] = {}
        self.wrong: list[str] = []
        self._latency = latency
        self._group = asyncio.TaskGroup()

    async def __aenter__(self) -> Fleet:
        await self.hub.ensure()
        await self._group.__aenter__()
        return self

    async def __aexit__(self, *raised: object) -> None:
        for name in list(self.workers):
            self.kill(name)
        await self._group.__aexit__(None, None, None)
        if raised[0] is None:
            assert self.wrong == []

    def start(
        self, name: str, *, skew: float = 0.0, busy_seconds: float = 0.0, original: bool = False
    ) -> Worker:
        assert name not in self.workers
        clock = SkewedClock(len(self.workers) + 1, skew)
        connected = asyncio.Event()
        connected.set()

        async def intercept(
            service: str, operation: str, resource: str, call: Callable[[], T]
        ) -> T:
            await asyncio.sleep(self.clock.jitter(0, self._latency))
            await connected.wait()
            if self.clock.jitter(0, 1) < worker.lost / 2:
                raise Unavailable("The request was lost.")
            answer = call()
            self.look()
            await asyncio.sleep(self.clock.jitter(0, self._latency))
            await connected.wait()
            if self.clock.jitter(0, 1) < worker.lost / 2:
                raise Unavailable("The answer was lost.")
            return answer

        account = self.account.opened_by(intercept)
        manager: PartitionOwner | OriginalManager

        def drained(queue: str) -> bool:
            return clock.monotonic() - worker.last_read.get(queue, -1e9) >= worker.busy_seconds

        if original:
            table = self.hub.names.partitions_table
            manager = OriginalManager(account, table, clock, worker_id=name, drained=drained)
        else:
            hub = TaskHub(account, self.hub.settings, clock)
            manager = PartitionOwner(hub, clock, worker_id=name, drained=drained)
        task = self._group.create_task(manager.run())
        worker = Worker(name, manager, account, task, connected, busy_seconds=busy_seconds)
        self.workers[name] = worker
        return worker

    def kill(self, name: str) -> None:
        self.workers.pop(name).task.cancel()

    async def stop(self, name: str) -> float:
        """Stop it as SIGTERM does; returns how long it took."""
        began = self.clock.monotonic()
        worker = self.workers[name]
        await worker.manager.release()
        assert worker.manager.owned == frozenset()
        self.kill(name)
        return self.clock.monotonic() - began

    def cut_off(self, name: str) -> None:
        """Storage does not answer it, and does not refuse either."""
        self.workers[name].connected.clear()

    def reconnect(self, name: str) -> None:
        self.workers[name].connected.set()

    def rows(self) -> list[PartitionLease]:
        state = self.account._tables._state.tables[self.hub.names.partitions_table.lower()]
        stored = state.partitions[""].rows
        return [decode_lease(key, row.columns, row.etag) for key, row in sorted(stored.items())]

    def look(self) -> None:
        """Note what must never be: two readers, or one whose row is another's or draining."""
        leases = self.rows()
        owners = {lease.queue: lease.current_owner for lease in leases}
        draining = {lease.queue for lease in leases if lease.is_draining}
        readers = Counter(queue for worker in self.workers.values() for queue in worker.owned)
        at = self.clock.monotonic()
        only_ours = all(worker.is_ours for worker in self.workers.values())
        if only_ours:
            self.wrong += [f"{at:.2f}: {q} has two readers" for q, n in readers.items() if n > 1]
        for worker in self.workers.values():
            for queue in worker.owned:
                worker.last_read[queue] = at
                if worker.is_ours and (owners[queue] != worker.name or queue in draining):
                    self.wrong.append(f"{at:.2f}: {worker.name} reads {queue} of {owners[queue]}")

    async def passes(self, seconds: float) -> None:
        end = self.clock.monotonic() + seconds
        while self.clock.monotonic() < end:
            await asyncio.sleep(_LOOK_SECONDS)
            self.look()

    def shares(self) -> Mapping[str, int]:
        """How many queues each worker reads that storage answers."""
        return {n: len(w.owned) for n, w in self.workers.items() if w.connected.is_set()}

    @property
    def is_even(self) -> bool:
        counts = self.shares().values()
        return sum(counts) == len(self.queues) and max(counts) - min(counts) <= 1

    async def even_within(self, seconds: float, *, stays: float = 12.0) -> float:
        """When it became even, and for good; that must be within `seconds`."""
        began = self.clock.monotonic()
        since: float | None = None
        while self.clock.monotonic() < began + seconds + stays:
            await self.passes(_LOOK_SECONDS)
            if not self.is_even:
                since = None
            elif since is None:
                since = self.clock.monotonic() - began
        assert since is not None, self._state()
        assert since <= seconds, (since, self._state())
        return since

    def _state(self) -> str:
        return f"{dict(self.shares())} of {len(self.queues)}: {self.rows()}"
