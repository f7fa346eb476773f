"""A backlog of messages, and what a process holds while it works it off."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from durable.engine.ledger import Ledger
from durable.engine.replay import Orchestration
from durable.hub.raising import raise_event
from durable.hub.starting import StartRequest, start_instance
from durable.hub.taskhub import TaskHub
from durable.runtime.delivery import Delivery
from durable.runtime.engine import Engine
from durable.runtime.sessions import Session

T = TypeVar("T")
Steps = Generator[Any, Any, Any]

EVENTS = 4
#: Messages that an instance of the backlog has waiting: its start and its events.
EACH = 1 + EVENTS
#: So many instances come on at a time: fewer than have a session.
_CROWD = 50
_LATENCY_SECONDS = 0.002
#: Objects are counted so rarely: it takes as long as a thousand calls.
_COUNT_EVERY = 2_000
#: What a process holds of the work under way.
HELD = (Delivery, Session, Orchestration, Ledger, asyncio.Task, asyncio.Event)

COMMIT = "Entity Group Transaction"


def takes(context: Any) -> Steps:
    """Adds up its events; an activity has the last word."""
    total = 0
    for _ in range(EVENTS):
        total += yield context.wait_for_external_event("go")
    return (yield context.call_activity("counted", total))


def child(context: Any) -> Steps:
    return (yield context.call_activity("counted", 1))


def fans(context: Any) -> Steps:
    """As many children as it is told, all at once."""
    children = [context.call_sub_orchestrator("child") for _ in range(context.get_input())]
    return sum((yield context.task_all(children)))


class Activity:
    """How many ran, and at most at once."""

    def __init__(self) -> None:
        self.done = 0
        self._running = 0
        self.most = 0

    async def counted(self, value: Any) -> Any:
        self._running += 1
        self.most = max(self.most, self._running)
        await asyncio.sleep(0.05)
        self._running -= 1
        self.done += 1
        return value


def instance_id(number: int) -> str:
    return f"b-{number:05}"


#: Puts messages into a hub; gives instances and what they come to.
Load = Callable[[TaskHub], Awaitable[dict[str, str]]]


def backlog(messages: int) -> Load:
    """So many messages."""
    return lambda hub: _pile_up(hub, messages)


def fan_out(children: int) -> Load:
    """One instance that makes so many at once."""

    async def begin(hub: TaskHub) -> dict[str, str]:
        await hub.ensure()
        request = StartRequest(name="fans", instance_id="f", input=str(children))
        await start_instance(hub, request)
        return {"f": str(children)}

    return begin


async def _pile_up(hub: TaskHub, messages: int) -> dict[str, str]:
    """Starts and events, of a crowd of instances in turn."""
    await hub.ensure()
    ids = [instance_id(number) for number in range(messages // EACH)]
    for first in range(0, len(ids), _CROWD):
        crowd = ids[first : first + _CROWD]
        for each in crowd:
            await start_instance(hub, StartRequest(name="takes", instance_id=each))
        for number in range(EVENTS):
            for each in crowd:
                await raise_event(hub, each, "go", str(number))
    return dict.fromkeys(ids, str(sum(range(EVENTS))))


@dataclass
class Peaks:
    """A door's interceptor that notes the most there ever was of everything."""

    engine: Engine | None = None
    #: More to be looked at with every call.
    looks: dict[str, Callable[[], int]] = field(default_factory=dict)
    most: Counter[str] = field(default_factory=Counter)
    calls: int = 0
    _at_once: Counter[str] = field(default_factory=Counter)

    async def __call__(
        self, service: str, operation: str, resource: str, call: Callable[[], T]
    ) -> T:
        self.calls += 1
        names = (f"{service} calls", operation)
        self._at_once.update(names)
        self._look()
        try:
            await asyncio.sleep(_LATENCY_SECONDS)
            return call()
        finally:
            self._at_once.subtract(names)

    def _look(self) -> None:
        for name, number in self._at_once.items():
            self._note(name, number)
        for name, look in self.looks.items():
            self._note(name, look())
        if self.engine is not None:
            self._note("mailboxes", len(self.engine._mailboxes))
            self._note("sessions", len(self.engine.sessions))
        if self.calls % _COUNT_EVERY == 0:
            for name, number in objects().items():
                self._note(name, number)

    def _note(self, name: str, number: int) -> None:
        self.most[name] = max(self.most[name], number)


def objects() -> Counter[str]:
    """How many objects there are of those that hold work."""
    found: Counter[str] = Counter()
    for each in gc.get_objects():
        if isinstance(each, HELD):
            found[f"{type(each).__name__} objects"] += 1
    return found


def leased(hub: TaskHub) -> int:
    """Messages of the control queues that somebody has received and not deleted."""
    now = hub.clock.now()
    queues = hub.account.queues._state.queues  # type: ignore[attr-defined]
    return sum(
        message.dequeue_count > 0 and message.next_visible > now
        for queue in hub.names.control_queues
        for message in queues[queue].values()
    )
