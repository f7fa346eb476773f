"""The clients of a case: a process that calls the client's methods, as a sensible caller would.

A call that fails is made again, and a client whose process crashed goes on in another one.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from typing import Any

from durable.client.core import Client
from durable.client.status import DurableOrchestrationStatus, OrchestrationRuntimeStatus
from durable.errors import (
    StorageError,
)
from durable.testing.simulator.faults import Crash
from durable.testing.simulator.processes import Process
from durable.testing.simulator.simulation import Simulation
from durable.testing.simulator.watcher import Watcher
from tests.simulation.workflows.app import App
from tests.simulation.workflows.interpreter import entity_id
from tests.simulation.workflows.plan import Case, Run, Story, Told

Ended = OrchestrationRuntimeStatus
_TERMINAL = {Ended.Completed, Ended.Failed, Ended.Terminated}
#: An act that takes longer is stuck.
PATIENCE_SECONDS = 2 * 3600.0


class Stuck(Exception):
    """What the client waits for never happens."""


class NotYet(Exception):
    """The act must be done again, and has had no effect so far."""


class Clients:
    """The client process of a case, and what came of its acts.

    Attributes:
        tries: how often an entity was told each thing.
        wrong: what a client saw that must not be.
        done: how many acts there were, by kind.
        performed: the stories as they came about. What nobody could know the effect of, since an
            earlier act may have been done twice, was left out.
    """

    def __init__(self, case: Case, world: Simulation, watcher: Watcher, app: App) -> None:
        self.case = case
        self.world = world
        self.watcher = watcher
        self.app = app
        self.tries: Counter[tuple[str, str]] = Counter()
        self.wrong: list[str] = []
        self.done: Counter[str] = Counter()
        self.lives = 0
        # One worker may stand still again and again, for two leases and more each time.
        faults = world.faults.limit * 2.5 * world.lease_seconds
        self.patience_seconds = PATIENCE_SECONDS + faults
        self.looked: dict[str, int] = {}
        self.performed: dict[str, list[Run]] = {each.instance_id: [] for each in case.stories}
        self.process: Process
        self.client: Client
        self._begin()

    def _begin(self) -> None:
        self.process = self.watcher.attach(self.world.client(f"client.{self.lives}"))
        self.client = Client(self.process.hub, registry=self.world.registry)
        self.lives += 1

    async def run(self, tell: Callable[[Clients, Story], Coroutine[Any, Any, None]]) -> None:
        """All stories, side by side, each told by `tell`."""
        async with asyncio.TaskGroup() as group:
            for story in self.case.stories:
                group.create_task(self._guarded(tell(self, story)))
            if self.case.told:
                group.create_task(self._guarded(self._tell_entities()))
            if self.case.looks:
                group.create_task(self._guarded(self._look()))
            if self.case.cleans:
                group.create_task(self._guarded(self._clean()))

    async def _guarded(self, act: Any) -> None:
        try:
            await act
        except Stuck as stuck:
            self.wrong.append(f"(5) {stuck}")

    async def insist(self, what: str, act: Callable[[Client, int], Awaitable[Any]]) -> int:
        """Do it until it works; how often it took. `act` is told which try it is."""
        self.done[what] += 1
        self.world.note("script", what)
        deadline = self.world.clock.monotonic() + self.patience_seconds
        tries = 0
        while self.world.clock.monotonic() < deadline:
            process = self.process
            tries += 1
            try:
                await act(self.client, tries)
            except NotYet:
                tries -= 1
                await self.world.clock.sleep(0.7)
            except StorageError:
                await self.world.clock.sleep(1.0)
            except Crash:
                await self.world.clock.sleep(2.0)
                if process is self.process:
                    self._begin()
            else:
                return tries
        raise Stuck(f"{what} fails for ever")

    async def status(self, instance_id: str) -> DurableOrchestrationStatus:
        """What a look at the instance shows."""
        found = DurableOrchestrationStatus()

        async def look(client: Client, _: int) -> None:
            nonlocal found
            found = await client.get_status(instance_id)

        await self.insist("look", look)
        return found

    async def _tell_entities(self) -> None:
        for told in self.case.told:
            await self.world.clock.sleep(told.pause)
            self.tries[told.entity, told.token] = await self.insist("tell", self._telling(told))

    def _telling(self, told: Told) -> Callable[[Client, int], Awaitable[None]]:
        async def tell(client: Client, _: int) -> None:
            now = self.world.clock.now()
            await client.signal_entity(
                entity_id(told.entity),
                "add",
                {"token": told.token, "amount": told.amount, "text": "t" * told.size},
                scheduled_time=now + timedelta(seconds=told.delay) if told.delay else None,
            )

        return tell

    async def _look(self) -> None:
        """Sums that only grow never shrink."""
        for name in self.case.looks:
            await self.world.clock.sleep(0.5)

            async def look(client: Client, _: int, name: str = name) -> None:
                found = await client.read_entity_state(entity_id(name))
                value = found.entity_state or 0
                if value < self.looked.get(name, 0):
                    self.wrong.append(f"(9) {name} was {self.looked[name]}, is {value}")
                self.looked[name] = value

            await self.insist("look at an entity", look)

    async def _clean(self) -> None:
        """What is in use stays."""
        for _ in range(self.case.cleans):
            await self.world.clock.sleep(1.5)

            async def clean(client: Client, _: int) -> None:
                await client.clean_entity_storage()

            await self.insist("clean", clean)
