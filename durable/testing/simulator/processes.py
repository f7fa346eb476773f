"""The processes of a simulated hub: what a Functions host does, and a worker."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from durable.authoring.registry import Registry
from durable.errors import DurableError, StorageError
from durable.hub.settings import HubSettings
from durable.hub.taskhub import TaskHub
from durable.runtime.delivery import Lease
from durable.runtime.engine import Engine
from durable.runtime.http_activity import HttpSender
from durable.runtime.own_lease import own_lease
from durable.runtime.partitions import PartitionOwner
from durable.runtime.settings import EngineSettings
from durable.runtime.worker import Worker
from durable.runtime.worker_settings import WorkerSettings
from durable.storage.memory import MemoryAccount
from durable.storage.values import QueueMessage
from durable.testing.simulator.faults import Crash
from durable.testing.simulator.virtual_time import VirtualClock
from durable.together import first_of

T = TypeVar("T")

#: A host's wait between two looks at an empty queue doubles, from here to there.
_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 0.1, 1.0
_SWEEP_SECONDS = 60.0
#: After a failure the message comes back so much later.
_RETRY_SECONDS = 5
#: A killed process is started again.
RESTART_SECONDS = 2.0


class Surroundings(Protocol):
    """What the processes of one run share."""

    clock: VirtualClock
    account: MemoryAccount
    settings: HubSettings
    engine_settings: EngineSettings
    registry: Registry
    batch_size: int
    lease_seconds: int
    own_lease_seconds: int | None
    redeliveries: list[Exception]
    http: HttpSender | None

    async def storage_call(
        self, process: Process, service: str, operation: str, resource: str, call: Callable[[], T]
    ) -> T:
        """Answer a process's storage call, or let something befall it."""
        ...

    def clock_of(self, process: Process) -> VirtualClock:
        """The clock of the process's machine."""
        ...


class Process:
    """One process: its own door to the account, its own engine and clock, host-like pumps.

    Attributes:
        dead: it crashed.
        paused_until: it stands still until then (virtual seconds).
    """

    is_client = False

    def __init__(self, world: Surroundings, name: str, *, settings: EngineSettings) -> None:
        self.world = world
        self.name = name
        self.dead = False
        self.paused_until = 0.0
        self.clock = world.clock_of(self)
        self.account = world.account.opened_by(self._intercept)
        self.hub = TaskHub(self.account, world.settings, self.clock)
        self.engine = Engine(self.hub, world.registry, self.clock, settings, http=world.http)

    async def _intercept(
        self, service: str, operation: str, resource: str, call: Callable[[], T]
    ) -> T:
        return await self.world.storage_call(self, service, operation, resource, call)

    async def run(self) -> None:
        """Serve the hub until cancelled, as the Functions host would.

        Raises:
            Crash: a fault ended it.
        """
        await self._while_alive(self._serve)

    async def _while_alive(self, serve: Callable[[asyncio.TaskGroup], Awaitable[None]]) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                await serve(group)
        except BaseExceptionGroup as several:
            crashes, others = several.split(Crash)
            if others is not None:
                raise others from None
            if crashes is not None:
                raise Crash(self.name) from None

    async def _serve(self, group: asyncio.TaskGroup) -> None:
        names = self.hub.names
        group.create_task(self._sweep())
        group.create_task(self.engine.keep_time())
        for queue in (*names.control_queues, names.work_items):
            group.create_task(self._pump(group, queue))

    async def _sweep(self) -> None:
        while True:
            with contextlib.suppress(StorageError):  # the timer function fails; the host goes on
                await self.engine.sweep()
            await self.world.clock.sleep(_SWEEP_SECONDS)

    async def _pump(self, group: asyncio.TaskGroup, queue: str) -> None:
        idle = _FIRST_WAIT_SECONDS
        while True:
            try:
                found = await self.account.queues.get(
                    queue, count=self.world.batch_size, lease_seconds=self.world.lease_seconds
                )
            except StorageError:
                found = []
            for message in found:
                group.create_task(self._deliver(queue, message))
            idle = _FIRST_WAIT_SECONDS if found else min(idle * 2, _LONGEST_WAIT_SECONDS)
            await self.world.clock.sleep(0.001 if found else idle)

    async def _deliver(self, queue: str, message: QueueMessage) -> None:
        try:
            await self._invoke(queue, message)
        except DurableError as error:
            self.world.redeliveries.append(error)
            await self._give_back(queue, message)
            return
        with contextlib.suppress(StorageError):
            await self.account.queues.delete(queue, message.id, message.pop_receipt)

    async def _invoke(self, queue: str, message: QueueMessage) -> None:
        """What the function does that the app has for the queue."""
        seconds = self.world.own_lease_seconds
        lease = None if seconds is None else Lease(self.clock.monotonic() + seconds)
        holding = own_lease(
            self.account.queues,
            queue,
            message,
            lease_seconds=seconds,
            retry_seconds=_RETRY_SECONDS,
            clock=self.clock,
            lease=lease,
        )
        async with holding as held:
            if queue == self.hub.names.work_items:
                await self.engine.process_work_item(held, lease)
            else:
                await self.engine.process_control_message(queue, held, lease)

    async def _give_back(self, queue: str, message: QueueMessage) -> None:
        with contextlib.suppress(StorageError):
            await self.account.queues.update(
                queue, message.id, message.pop_receipt, visible_in_seconds=_RETRY_SECONDS
            )


class ClientProcess(Process):
    """A process that only starts and asks."""

    is_client = True


class WorkerProcess(Process):
    """A process without a host: owns control queues, and reads them itself."""

    def __init__(self, world: Surroundings, name: str, *, settings: EngineSettings) -> None:
        super().__init__(world, name, settings=settings)
        self._partitions = PartitionOwner(
            self.hub, self.clock, worker_id=name, drained=self._drained
        )
        leases = min(world.lease_seconds, WorkerSettings().control_lease_seconds)
        self.worker = Worker(
            self.engine,
            self.hub,
            self.clock,
            self._partitions,
            WorkerSettings(control_lease_seconds=leases, work_item_lease_seconds=leases),
            free_slots=lambda: self.engine.free_activity_slots,
        )

    def _drained(self, queue: str) -> bool:
        return self.worker.drained(queue)

    async def _serve(self, group: asyncio.TaskGroup) -> None:
        await self._prepare()
        group.create_task(self._work())

    async def _prepare(self) -> None:
        """Make what the hub lacks; without it there is nothing to own."""
        while True:
            try:
                await self.hub.ensure()
            except StorageError:
                await self.world.clock.sleep(RESTART_SECONDS)
            else:
                return

    async def _work(self) -> None:
        try:
            await self.worker.run()
        except BaseExceptionGroup as several:
            raise first_of(several) from None
