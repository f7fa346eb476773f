"""A lab on the fast path: activities that take as long as they are told, requests as one list."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

from durable.model.events import TaskScheduled
from durable.model.messages import TaskMessage
from durable.runtime.settings import EngineSettings
from tests.hub_lab import Actor, Lab

READ_ROW = "Get Entity"
READ = "Query Entities"
BATCH = "Entity Group Transaction"
MERGE = "Merge Entity"
INSERT = "Insert Entity"
PUT = "Put Message"
RENEW = "Update Message"
DELETE = "Delete Message"


class FastLab(Lab):
    """`slow` sleeps for as many seconds as its argument says; `begun` lists who began when."""

    def __init__(
        self,
        *orchestrators: Callable[..., Any],
        activities: Iterable[Callable[..., Any]] = (),
        partition_count: int = 1,
        **settings: Any,
    ) -> None:
        self.begun: list[tuple[float, Any]] = []

        async def slow(value: Any) -> Any:
            self.begun.append((self.clock.monotonic(), value))
            self.counts[f"slow:{value}"] += 1
            await self.clock.sleep(value)
            return value

        super().__init__(
            *orchestrators,
            activities=(slow, *activities),
            partition_count=partition_count,
            settings=EngineSettings(fast_path=True, **settings),
        )

    @property
    def work_items(self) -> str:
        return self.hub.names.work_items

    async def work(self) -> list[tuple[str | None, float]]:
        """The work items: input, and in how many seconds each is visible."""
        return [
            (message.event.input, self.in_seconds(at))
            for message, at in await self.queued(self.work_items)
            if isinstance(message.event, TaskScheduled)
        ]

    async def mail(self) -> list[tuple[TaskMessage, float]]:
        """The control messages, and in how many seconds each is visible."""
        return [(message, self.in_seconds(at)) for message, at in await self.queued()]

    @contextlib.asynccontextmanager
    async def delivering(self, actor: Actor) -> AsyncIterator[None]:
        """What is visible now is dealt with while the block runs, and after it."""
        async with asyncio.TaskGroup() as group:
            group.create_task(actor.deliver())
            yield

    async def requests(self, actor: Actor, name: str, value: Any = None) -> list[str]:
        """The requests of an instance that one delivery sees through to its end."""
        await self.start(name, value)
        actor.calls.clear()
        await actor.deliver()
        assert await self.empty()
        return operations(actor)


def operations(actor: Actor) -> list[str]:
    return [operation for operation, _ in actor.calls]


def how_many(actor: Actor) -> Counter[str]:
    return Counter(operations(actor))
