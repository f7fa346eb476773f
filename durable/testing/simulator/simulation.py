"""One hub in one seeded event loop: engine processes, clients, faults, on one memory account."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import NoReturn, TypeVar

from durable.authoring.registry import Registry
from durable.errors import DurableError, NotFound, Throttled, Unavailable
from durable.hub.settings import HubSettings
from durable.hub.taskhub import TaskHub
from durable.runtime.http_activity import HttpSender
from durable.runtime.settings import EngineSettings
from durable.storage.memory import MemoryAccount
from durable.testing.simulator.faults import NO_FAULTS, Crash, Fault, Faults
from durable.testing.simulator.processes import (
    RESTART_SECONDS,
    ClientProcess,
    Process,
    WorkerProcess,
)
from durable.testing.simulator.trace import Call, Entry, Note
from durable.testing.simulator.virtual_time import VirtualClock

T = TypeVar("T")

HUB = "Sim"
LEASE_SECONDS = 600
#: By default. Longer than messages stay hidden by several failures.
PATIENCE_SECONDS = 4 * 3600.0
_LOOK_SECONDS = 1.0
#: A service that throttles does so for up to so many seconds.
_THROTTLED_SECONDS = 10.0
#: What is late is so by this part of a lease at least, and at most.
_LATE = (0.3, 2.5)


@dataclass(kw_only=True)
class Simulation:
    """The account, the clock, what goes wrong, and what was observed.

    Attributes:
        registry: the functions that every process runs.
        seed: everything that is random comes from it.
        faults: what goes wrong.
        partition_count: the hub's control queues.
        batch_size: messages that a host receives at once.
        engine_settings: how each process runs the hub.
        lease_seconds: how long a message is the host's that received it.
        own_lease_seconds: the lease that its function takes instead; None: it takes none.
        patience_seconds: a settled hub must be reached within this virtual time.
        http: who answers call_http.
        calls: every storage call, whoever made it.
        entries: the same and what was noted besides, as it happened.
        crashed: the names of the processes that died.
        redeliveries: why messages were given back.
        strikes: how often each fault struck.
        watch: sees every process that `serve_until` starts, before it runs.
    """

    registry: Registry
    seed: int = 0
    faults: Faults = NO_FAULTS
    partition_count: int = 2
    batch_size: int = 16
    engine_settings: EngineSettings = field(default_factory=EngineSettings)
    lease_seconds: int = LEASE_SECONDS
    own_lease_seconds: int | None = None
    patience_seconds: float = PATIENCE_SECONDS
    http: HttpSender | None = None
    calls: list[Call] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    crashed: list[str] = field(default_factory=list)
    redeliveries: list[Exception] = field(default_factory=list)
    strikes: Counter[Fault] = field(default_factory=Counter)
    watch: Callable[[Process], object] | None = None
    clock: VirtualClock = field(init=False)
    dice: random.Random = field(init=False)
    account: MemoryAccount = field(init=False)
    settings: HubSettings = field(init=False)
    hub: TaskHub = field(init=False)

    def __post_init__(self) -> None:
        self.clock = VirtualClock(self.seed)
        self.dice = random.Random(self.seed)
        reorder = self.faults.reorder
        late = (lambda: self.dice.uniform(0, reorder)) if reorder else None
        self.account = MemoryAccount(self.clock, late=late)
        self.settings = HubSettings(
            name=HUB,
            partition_count=self.partition_count,
            lease_seconds=self.lease_seconds,
            # R7 remembers for so many failed deliveries; each fault may be one.
            remembered_deliveries=5 + self.faults.limit,
        )
        # The observer's own door: never faulty, never counted as a process's call.
        self.hub = TaskHub(self.account, self.settings, self.clock)
        self._left = self.faults.limit
        self._throttled: dict[str, float] = {}

    @property
    def struck(self) -> bool:
        """Whether any fault did."""
        return bool(self.strikes)

    def process(self, name: str) -> Process:
        """Another process as a Functions host has it; it doesn't run yet."""
        return Process(self, name, settings=self.engine_settings)

    def worker(self, name: str) -> Process:
        """Another worker; it doesn't run yet."""
        return WorkerProcess(self, name, settings=self.engine_settings)

    def client(self, name: str) -> Process:
        """Another process that only starts and asks."""
        return ClientProcess(self, name, settings=self.engine_settings)

    def clock_of(self, process: Process) -> VirtualClock:
        """The clock of the process's machine."""
        skew = self.faults.skew
        if not skew or process.is_client:
            return self.clock
        return self.clock.skewed(self.dice.uniform(-skew, skew))

    def note(self, who: str, text: str) -> None:
        """Put a line of the caller's own into the trace."""
        self.entries.append(Note(who=who, at=self.clock.monotonic(), text=text))

    async def storage_call(
        self, process: Process, service: str, operation: str, resource: str, call: Callable[[], T]
    ) -> T:
        """Answer a process's storage call, or let something befall it.

        Raises:
            Crash: the process is dead, or dies of it.
            Throttled: the service refuses it.
            Unavailable: the answer, or the call, is lost.
        """
        await self._until_awake(process)
        if self.faults.latency:
            await asyncio.sleep(self.clock.random.uniform(0, self.faults.latency))
            await self._until_awake(process)
        made = Call(
            number=len(self.calls),
            who=process.name,
            operation=operation,
            resource=resource,
            at=self.clock.monotonic(),
        )
        self.calls.append(made)
        self.entries.append(made)
        if self._throttled.get(service, 0.0) > made.at:
            made.answer = "503"
            raise Throttled("the service is busy", operation=operation, status=503)
        made.fault = self._fault(process, made.number)
        if made.fault is None:
            return self._answer(made, call)
        self.strikes[made.fault] += 1
        result = await self._strike(process, service, made, call)
        await self._until_awake(process)
        return result

    async def _until_awake(self, process: Process) -> None:
        while not process.dead and (left := process.paused_until - self.clock.monotonic()) > 0:
            await self.clock.sleep(left)
        if process.dead:
            raise Crash(process.name)

    def _answer(self, made: Call, call: Callable[[], T]) -> T:
        try:
            result = call()
        except DurableError as refused:
            made.answer = type(refused).__name__
            raise
        made.idle = made.operation == "Get Messages" and not result
        return result

    def _fault(self, process: Process, number: int) -> Fault | None:
        planned = self.faults.at.get(number)
        if planned is not None:
            return planned
        if process.is_client and not self.faults.clients:
            return None
        if self._left > 0 and self.dice.random() < self.faults.rate:
            self._left -= 1
            return self.dice.choice(self.faults.kinds)
        return None

    async def _strike(self, process: Process, service: str, made: Call, call: Callable[[], T]) -> T:
        match made.fault:
            case Fault.LATE:
                await self.clock.sleep(self._late_seconds())
                await self._until_awake(process)
            case Fault.ANSWER_LATE:
                result = self._answer(made, call)
                await self.clock.sleep(self._late_seconds())
                return result
            case Fault.PAUSED:
                process.paused_until = self.clock.monotonic() + self._late_seconds()
            case Fault.THROTTLED:
                until = self.clock.monotonic() + self.dice.uniform(1.0, _THROTTLED_SECONDS)
                self._throttled[service] = until
                raise Throttled("the service is busy", operation=made.operation, status=503)
            case _:
                self._strike_at_once(process, made.fault, call)
        return self._answer(made, call)

    def _strike_at_once(
        self, process: Process, fault: Fault | None, call: Callable[[], object]
    ) -> None:
        """What needs no time; returns when the call is to be made, perhaps again."""
        if fault is Fault.CRASH_BEFORE:
            self._die(process)
        if fault is Fault.UNAVAILABLE:
            raise Unavailable("the call was lost", operation="simulated")
        with contextlib.suppress(DurableError):
            call()
        if fault is Fault.CRASH_AFTER:
            self._die(process)
        if fault is Fault.ANSWER_LOST:
            raise Unavailable("the answer was lost", operation="simulated")

    def _late_seconds(self) -> float:
        return self.lease_seconds * self.dice.uniform(*_LATE)

    def _die(self, process: Process) -> NoReturn:
        process.dead = True
        self.crashed.append(process.name)
        raise Crash(process.name)

    async def serve_until(
        self, done: Callable[[], Awaitable[bool]], *, processes: int = 1, workers: int = 0
    ) -> None:
        """Keep so many processes running, each begun anew when it crashes, until `done`."""
        async with asyncio.TaskGroup() as group:
            keepers = [
                *(group.create_task(self._keep(self.process, f"p{n}")) for n in range(processes)),
                *(group.create_task(self._keep(self.worker, f"w{n}")) for n in range(workers)),
            ]
            while not await done() and self.clock.monotonic() < self.patience_seconds:
                await self.clock.sleep(_LOOK_SECONDS)
            for keeper in keepers:
                keeper.cancel()

    async def _keep(self, make: Callable[[str], Process], name: str) -> None:
        life = 0
        while True:
            process = make(f"{name}.{life}")
            if self.watch is not None:
                self.watch(process)
            try:
                await process.run()
            except Crash:
                life += 1
                await self.clock.sleep(RESTART_SECONDS)

    async def queues_empty(self) -> bool:
        """Whether nothing is left in them, hidden messages included."""
        names = self.hub.names
        for queue in (*names.control_queues, names.work_items):
            try:
                if await self.account.queues.count(queue):
                    return False
            except NotFound:
                continue
        return True
