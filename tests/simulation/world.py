"""A whole hub in one process of ours: engine processes, clients, faults, on one memory account."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import NoReturn, TypeVar

from durable.authoring.registry import Registry
from durable.errors import DurableError, NotFound, StorageError, Unavailable
from durable.hub.settings import HubSettings
from durable.hub.taskhub import TaskHub
from durable.runtime.engine import Engine
from durable.runtime.settings import EngineSettings
from durable.storage.memory import MemoryAccount
from durable.storage.values import QueueMessage
from tests.simulation.simloop import SimClock

T = TypeVar("T")

HUB = "Sim"
LEASE_SECONDS = 600
#: A settled hub must be reached within this virtual time, or something is stuck.
PATIENCE_SECONDS = 4 * 3600.0


class Crash(BaseException):
    """The process is gone: nothing it does after this reaches storage."""


class Fault(enum.Enum):
    """What befalls one storage call."""

    CRASH_BEFORE = "crash before"
    CRASH_AFTER = "crash after"
    ASKED_TWICE = "the answer is lost, and the adapter asks again"
    ANSWER_LOST = "it took effect, and the caller sees an error"
    UNAVAILABLE = "it never arrived, and the caller sees an error"


@dataclass(kw_only=True)
class Plan:
    """`fault` befalls storage call number `at`, whoever makes it."""

    at: int
    fault: Fault


@dataclass(kw_only=True)
class Call:
    """One storage call, for traces."""

    number: int
    who: str
    operation: str
    resource: str
    at: float  # virtual seconds
    idle: bool = False  # a look at an empty queue


class Process:
    """One process: its own door to the account, its own engine, host-like pumps."""

    def __init__(self, world: World, name: str, *, settings: EngineSettings) -> None:
        self.world = world
        self.name = name
        self.dead = False
        self.account = world.account.opened_by(self._intercept)
        self.hub = TaskHub(self.account, world.settings, world.clock)
        self.engine = Engine(self.hub, world.registry, world.clock, settings)

    async def _intercept(
        self, service: str, operation: str, resource: str, call: Callable[[], T]
    ) -> T:
        return await self.world.storage_call(self, service, operation, resource, call)

    async def run(self) -> None:
        """Serve the hub until cancelled or crashed, as the Functions host would."""
        names = self.hub.names
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._sweep())
                group.create_task(self.engine.keep_time())
                for queue in (*names.control_queues, names.work_items):
                    group.create_task(self._pump(group, queue))
        except BaseExceptionGroup as several:
            crashes, others = several.split(Crash)
            if others is not None:
                raise others from None
            if crashes is not None:
                raise Crash(self.name) from None

    async def _sweep(self) -> None:
        while True:
            with contextlib.suppress(StorageError):  # the timer function fails; the host goes on
                await self.engine.sweep()
            await self.world.clock.sleep(60)

    async def _pump(self, group: asyncio.TaskGroup, queue: str) -> None:
        idle = 0.1
        while True:
            try:
                found = await self.account.queues.get(
                    queue, count=self.world.batch_size, lease_seconds=self.world.lease_seconds
                )
            except StorageError:
                found = []
            for message in found:
                group.create_task(self._deliver(queue, message))
            idle = 0.1 if found else min(idle * 2, 1.0)
            await self.world.clock.sleep(0.001 if found else idle)

    async def _deliver(self, queue: str, message: QueueMessage) -> None:
        try:
            if queue == self.hub.names.work_items:
                await self.engine.process_work_item(message)
            else:
                await self.engine.process_control_message(queue, message)
        except DurableError as error:
            self.world.redeliveries.append(error)
            await self._give_back(queue, message)
            return
        with contextlib.suppress(StorageError):
            await self.account.queues.delete(queue, message.id, message.pop_receipt)

    async def _give_back(self, queue: str, message: QueueMessage) -> None:
        with contextlib.suppress(StorageError):
            await self.account.queues.update(
                queue, message.id, message.pop_receipt, visible_in_seconds=5
            )


@dataclass(kw_only=True)
class World:
    """The account, the clock, the plan of faults, and what was observed."""

    registry: Registry
    seed: int = 0
    plan: Plan | None = None
    fault_rate: float = 0.0
    faults_left: int = 0
    latency: float = 0.0
    partition_count: int = 2
    batch_size: int = 16
    engine_settings: EngineSettings = field(default_factory=EngineSettings)
    lease_seconds: int = LEASE_SECONDS
    calls: list[Call] = field(default_factory=list)
    crashed: list[str] = field(default_factory=list)
    redeliveries: list[Exception] = field(default_factory=list)
    activities: Counter[str] = field(default_factory=Counter)
    told: list[object] = field(default_factory=list)  # what a client knows it has signalled
    maybe_told: list[object] = field(default_factory=list)  # and what it has begun to
    struck: bool = False
    clock: SimClock = field(init=False)
    dice: random.Random = field(init=False)
    account: MemoryAccount = field(init=False)
    settings: HubSettings = field(init=False)

    def __post_init__(self) -> None:
        self.clock = SimClock(self.seed)
        self.dice = random.Random(self.seed)
        self.account = MemoryAccount(self.clock)
        self.settings = HubSettings(
            name=HUB, partition_count=self.partition_count, lease_seconds=self.lease_seconds
        )
        # The observer's own door: never faulty, never counted as a process's call.
        self.hub = TaskHub(self.account, self.settings, self.clock)

    def process(self, name: str) -> Process:
        return Process(self, name, settings=self.engine_settings)

    async def storage_call(
        self, process: Process, service: str, operation: str, resource: str, call: Callable[[], T]
    ) -> T:
        if process.dead:
            raise Crash(process.name)
        if self.latency:
            await asyncio.sleep(self.clock.random.uniform(0, self.latency))
            if process.dead:
                raise Crash(process.name)
        number = len(self.calls)
        self.calls.append(
            Call(
                number=number,
                who=process.name,
                operation=operation,
                resource=resource,
                at=self.clock.monotonic(),
            )
        )
        fault = self._fault(number)
        if fault is None:
            result = call()
            self.calls[number].idle = operation == "Get Messages" and not result
            return result
        self.struck = True
        return self._strike(process, fault, call)

    def _fault(self, number: int) -> Fault | None:
        if self.plan is not None:
            return self.plan.fault if self.plan.at == number else None
        if self.faults_left > 0 and self.dice.random() < self.fault_rate:
            self.faults_left -= 1
            return self.dice.choice(list(Fault))
        return None

    def _strike(self, process: Process, fault: Fault, call: Callable[[], T]) -> T:
        match fault:
            case Fault.CRASH_BEFORE:
                self._die(process)
            case Fault.CRASH_AFTER:
                with contextlib.suppress(DurableError):
                    call()
                self._die(process)
            case Fault.ASKED_TWICE:
                with contextlib.suppress(DurableError):
                    call()
            case Fault.ANSWER_LOST:
                with contextlib.suppress(DurableError):
                    call()
                raise Unavailable("the answer was lost", operation="simulated")
            case Fault.UNAVAILABLE:
                raise Unavailable("the call was lost", operation="simulated")
        return call()

    def _die(self, process: Process) -> NoReturn:
        process.dead = True
        self.crashed.append(process.name)
        raise Crash(process.name)

    async def serve_until(self, done: Callable[[], Awaitable[bool]], *, processes: int = 1) -> None:
        """Keep `processes` processes running, each begun anew when it crashes, until `done`."""
        async with asyncio.TaskGroup() as group:
            keepers = [group.create_task(self._keep(f"p{n}")) for n in range(processes)]
            while not await done() and self.clock.monotonic() < PATIENCE_SECONDS:
                await self.clock.sleep(1.0)
            for keeper in keepers:
                keeper.cancel()

    async def _keep(self, name: str) -> None:
        life = 0
        while True:
            try:
                await self.process(f"{name}.{life}").run()
            except Crash:
                life += 1
                await self.clock.sleep(2.0)

    async def queues_empty(self) -> bool:
        names = self.hub.names
        for queue in (*names.control_queues, names.work_items):
            try:
                if await self.account.queues.count(queue):
                    return False
            except NotFound:
                continue
        return True
