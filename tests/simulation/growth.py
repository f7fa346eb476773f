"""Thousands of instances that wait, and what they cost: for the tests and `benchmarks.growth`."""

from __future__ import annotations

import gc
import sys
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from datetime import timedelta
from types import FrameType
from typing import Any

from durable.engine.ledger import Ledger
from durable.engine.replay import Orchestration
from durable.hub.instances import InstanceQuery
from durable.hub.raising import raise_event
from durable.model.status import RuntimeStatus
from durable.runtime.settings import EngineSettings
from tests.simulation.one_process import OneProcess, Process

Steps = Generator[Any, Any, Any]
#: Far enough away for thousands of starts, near enough for a message to wait in the queue.
PAUSE = timedelta(hours=6)
SESSIONS = 50
FEW_SESSIONS = EngineSettings(session_limit=SESSIONS, sweep_rows=200)
STARTED_AT_ONCE = 200


def sleeper(context: Any) -> Steps:
    """Waits for a timer, then calls an activity."""
    yield context.create_timer(context.current_utc_datetime + PAUSE)
    return (yield context.call_activity("hello", "sleeper"))


def listener(context: Any) -> Steps:
    """Waits for an event, then calls an activity."""
    told = yield context.wait_for_external_event("go")
    return (yield context.call_activity("hello", told))


def events(context: Any) -> Steps:
    """Takes as many events as it was told to, one after the other."""
    for _ in range(context.get_input()):
        yield context.wait_for_external_event("go")


def fan_out(context: Any) -> Steps:
    """As many activities, all at once."""
    tasks = [context.call_activity("hello", number) for number in range(context.get_input())]
    results = yield context.task_all(tasks)
    return len(results)


def instance_id(number: int) -> str:
    """Half of them wait for a timer, half for an event, and a prefix has a hundred at most."""
    return f"{'ls'[number % 2]}-{number // 100:05}-{number % 100:02}"


def waiting_process(settings: EngineSettings = FEW_SESSIONS) -> OneProcess:
    return OneProcess(sleeper, listener, settings=settings, partition_count=4)


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """What was asked of storage. Gets that found nothing are apart: they are the host's polling."""

    requests: int
    scanned: int


def cost_since(process: OneProcess, before: Cost | None) -> Cost:
    """All requests but gets, whose number is the host's affair, and rows that queries looked at."""
    requests = process.requests - process.account.requests["queue", "Get Messages"]
    found = Cost(requests=requests, scanned=process.account.tables.scanned)
    if before is None:
        return found
    return Cost(requests=requests - before.requests, scanned=found.scanned - before.scanned)


async def begin(process: Process, count: int, first: int = 0) -> None:
    """Start `count` instances, from number `first` on; all wait afterwards."""
    for number in range(first, first + count):
        name = "sleeper" if number % 2 else "listener"
        await process.start(name, instance_id=instance_id(number))
        if number % STARTED_AT_ONCE == STARTED_AT_ONCE - 1:
            await process.settle()
    await process.settle()


async def tell(process: Process, count: int, first: int = 0) -> None:
    """Raise the events that are waited for among `count` instances; those end."""
    for number in range(first, first + count, 2):
        await raise_event(process.hub, instance_id(number), "go", f'"{number}"')
        if number % STARTED_AT_ONCE == 0:
            await process.settle()
    await process.settle()


async def wake(process: Process, count: int) -> None:
    """Raise the events that are waited for, let the timers pass; all end."""
    await tell(process, count)
    await process.clock.sleep(PAUSE.total_seconds())
    while await process.deliver(STARTED_AT_ONCE):
        pass


async def count_of(process: Process, status: RuntimeStatus) -> int:
    """How many instances have that status, as a list of them says."""
    found, continuation = 0, None
    while True:
        page = await process.hub.instances.page(
            InstanceQuery(statuses=(status,)), size=1000, continuation=continuation
        )
        found += len(page.rows)
        continuation = page.continuation
        if continuation is None:
            return found


def in_memory() -> dict[str, int]:
    """How many orchestrators and histories this Python process holds."""
    gc.collect()
    kinds = (Orchestration, Ledger)
    found = dict.fromkeys((kind.__name__ for kind in kinds), 0)
    for each in gc.get_objects():
        if isinstance(each, kinds):
            found[type(each).__name__] += 1
    return found


async def calls_of(work: Callable[[], Awaitable[object]]) -> int:
    """How many calls `work` makes, of Python functions and of others: time that never varies."""
    calls = 0

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        await work()
    finally:
        sys.setprofile(before)
    return calls
