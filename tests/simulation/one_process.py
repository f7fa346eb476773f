"""One process that serves a hub in the account in memory, in virtual time, with much to do."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from durable.authoring.definitions import (
    ActivityDefinition,
    EntityDefinition,
    OrchestratorDefinition,
)
from durable.authoring.registry import Registry
from durable.clock import Clock
from durable.errors import DurableError, NotFound, PreconditionFailed
from durable.hub.settings import HubSettings
from durable.hub.starting import StartRequest, start_instance
from durable.hub.taskhub import TaskHub
from durable.runtime.engine import Engine
from durable.runtime.settings import EngineSettings
from durable.storage.memory import MemoryAccount
from durable.storage.ports import Account
from durable.storage.values import QueueMessage
from durable.together import run_together
from tests.simulation.simloop import SimClock

LEASE_SECONDS = 600
#: Messages received before any of them is dealt with.
_AT_ONCE = 4096


async def hello(value: Any) -> str:
    """The activity that every orchestrator here may call."""
    return f"Hello {value}!"


class Process:
    """A hub in an account, its client's door and one engine."""

    def __init__(
        self,
        account: Account,
        clock: Clock,
        *orchestrators: Callable[..., Any],
        entities: Iterable[EntityDefinition] = (),
        settings: EngineSettings | None = None,
        partition_count: int = 1,
    ) -> None:
        self.clock = clock
        self.refused: list[DurableError] = []
        self.hub = TaskHub(
            account,
            HubSettings(name="Lab", partition_count=partition_count, lease_seconds=LEASE_SECONDS),
            clock,
        )
        registry = Registry()
        for each in orchestrators:
            registry.add_orchestrator(
                OrchestratorDefinition(
                    name=each.__name__, function=each, context_name="context", input_type=None
                )
            )
        registry.add_activity(ActivityDefinition(name="hello", function=hello, input_name="value"))
        for entity in entities:
            registry.add_entity(entity)
        self.engine = Engine(self.hub, registry, clock, settings)

    async def start(self, name: str, value: Any = None, *, instance_id: str = "i1") -> None:
        text = None if value is None else json.dumps(value)
        await start_instance(self.hub, StartRequest(name=name, instance_id=instance_id, input=text))

    async def output(self, instance_id: str = "i1") -> Any:
        row = await self.hub.instances.read(instance_id)
        assert row is not None
        text = (await self.hub.instances.texts(row)).output
        return None if text is None else json.loads(text)

    async def deliver(self, limit: int = _AT_ONCE) -> int:
        """Receive what is visible, up to `limit`, and process it; returns how much that was."""
        names = self.hub.names
        received: list[tuple[str, QueueMessage]] = []
        for queue in (*names.control_queues, names.work_items):
            while len(received) < limit and (
                found := await self.hub.account.queues.get(
                    queue, count=32, lease_seconds=LEASE_SECONDS
                )
            ):
                received += [(queue, message) for message in found]
        await run_together([self._process(queue, message) for queue, message in received])
        return len(received)

    async def settle(self) -> None:
        """Deliver until nothing is visible."""
        while await self.deliver():
            pass

    async def _process(self, queue: str, message: QueueMessage) -> None:
        try:
            if queue == self.hub.names.work_items:
                await self.engine.process_work_item(message)
            else:
                await self.engine.process_control_message(queue, message)
        except DurableError as error:
            self.refused.append(error)
            return
        try:
            await self.hub.account.queues.delete(queue, message.id, message.pop_receipt)
        except (NotFound, PreconditionFailed):
            return


class OneProcess(Process):
    """The same in memory, in virtual time."""

    def __init__(
        self,
        *orchestrators: Callable[..., Any],
        entities: Iterable[EntityDefinition] = (),
        settings: EngineSettings | None = None,
        partition_count: int = 1,
    ) -> None:
        clock = SimClock(7)
        self.account = MemoryAccount(clock)
        super().__init__(
            self.account,
            clock,
            *orchestrators,
            entities=entities,
            settings=settings,
            partition_count=partition_count,
        )

    @property
    def requests(self) -> int:
        """All requests so far, of the client too."""
        return self.account.requests.total()
