"""Workers of one hub on a memory account, in virtual time."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from durable.errors import NotFound
from durable.hub.settings import HubSettings
from durable.hub.starting import StartRequest, start_instance
from durable.hub.taskhub import TaskHub
from durable.model.status import InstanceRow, RuntimeStatus
from durable.runtime.engine import Engine
from durable.runtime.settings import EngineSettings
from durable.runtime.worker import Partitions, Worker
from durable.runtime.worker_settings import WorkerSettings
from durable.storage.memory import MemoryAccount
from tests.hub_lab import Lab


class Owning:
    """Owns what it is told to, and tells what it was asked."""

    def __init__(self, *queues: str) -> None:
        self.queues = frozenset(queues)
        self.released: list[dict[str, bool]] = []
        self.drained: Callable[[str], bool] = lambda _: True
        self._changed = asyncio.Event()

    @property
    def owned(self) -> frozenset[str]:
        return self.queues

    def owns(self, queue: str) -> bool:
        return queue in self.queues

    def own(self, *queues: str) -> None:
        self.queues = frozenset(queues)
        self._changed.set()

    async def wait_changed(self, known: frozenset[str] | None = None) -> None:
        while self.queues == known:
            self._changed.clear()
            await self._changed.wait()

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def release(self) -> None:
        before, self.queues = self.queues, frozenset()
        self._changed.set()
        while not all(self.drained(queue) for queue in before):
            await asyncio.sleep(0.5)
        self.released.append({queue: self.drained(queue) for queue in before})


class WorkerLab(Lab):
    """A lab whose processes are workers; hubs have four control queues."""

    def __init__(
        self,
        *orchestrators: Callable[..., Any],
        activities: list[Callable[..., Any]] | None = None,
        settings: EngineSettings | None = None,
    ) -> None:
        super().__init__(
            *orchestrators,
            activities=activities or [],
            partition_count=4,
            settings=settings or EngineSettings(),
        )

    @property
    def control_queues(self) -> tuple[str, ...]:
        return self.hub.names.control_queues

    def process(
        self,
        partitions: Partitions | None = None,
        settings: WorkerSettings | None = None,
        account: MemoryAccount | None = None,
    ) -> Worker:
        """Another process's worker, which isn't running yet; it owns every queue by default."""
        partitions = partitions or Owning(*self.control_queues)
        hub = TaskHub(account or self.account, HubSettings(**_fields(self.settings)), self.clock)
        engine = Engine(hub, self.registry, self.clock, self.engine_settings)
        worker = Worker(engine, hub, self.clock, partitions, settings)
        if isinstance(partitions, Owning):
            partitions.drained = worker.drained
        return worker

    @contextlib.asynccontextmanager
    async def running(self, *workers: Worker) -> AsyncIterator[None]:
        """Run workers for the block, and stop them."""
        await self.hub.ensure()
        async with asyncio.TaskGroup() as tasks:
            for each in workers:
                tasks.create_task(each.run())
            try:
                yield
            finally:
                for each in workers:
                    await each.stop()

    async def begin(self, name: str, instance_id: str, value: object = None) -> None:
        """Start an instance from outside of any worker."""
        text = None if value is None else json.dumps(value)
        request = StartRequest(name=name, instance_id=instance_id, input=text)
        await start_instance(self.hub, request)

    async def ended(self, *instance_ids: str, seconds: float = 120.0) -> list[InstanceRow]:
        """The rows, once all are terminal."""
        async with asyncio.timeout(seconds):
            while True:
                rows = [await self.hub.instances.read(each) for each in instance_ids]
                if all(row and row.status and row.status.is_terminal for row in rows):
                    return [row for row in rows if row is not None]
                await self.clock.sleep(0.05)

    async def completed(self, *instance_ids: str, seconds: float = 120.0) -> None:
        for row in await self.ended(*instance_ids, seconds=seconds):
            assert row.status is RuntimeStatus.COMPLETED, row

    async def left(self) -> int:
        """Messages in the hub's queues, hidden ones too."""
        total = 0
        for queue in (*self.control_queues, self.hub.names.work_items):
            with contextlib.suppress(NotFound):
                total += await self.hub.account.queues.count(queue)
        return total


def _fields(settings: HubSettings) -> dict[str, Any]:
    return {
        "name": settings.name,
        "partition_count": settings.partition_count,
        "lease_seconds": settings.lease_seconds,
    }
