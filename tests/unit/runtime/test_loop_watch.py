"""A loop that is blocked is reported, with whose code it is; one that turns costs nothing."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from typing import Any

import pytest

from durable.authoring.definitions import (
    ActivityDefinition,
    EntityDefinition,
    OrchestratorDefinition,
)
from durable.authoring.registry import Registry
from durable.clock import SystemClock
from durable.hub.raising import signal
from durable.hub.settings import HubSettings
from durable.hub.starting import StartRequest, start_instance
from durable.hub.taskhub import TaskHub
from durable.runtime.at_work import AtWork, at_work_on
from durable.runtime.engine import Engine
from durable.runtime.loop_watch import LoopWatch
from durable.storage.memory import MemoryAccount

pytestmark = pytest.mark.slow

SECONDS = 0.1
SECRET = "s3cret payload"


class Heard(logging.Handler):
    """Tells code that blocks the loop that it has been reported."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.something = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.something.set()


HEARD = Heard()


@pytest.fixture
async def watch(caplog: pytest.LogCaptureFixture) -> AsyncIterator[LoopWatch]:
    """One that watches the test's loop."""
    caplog.set_level(logging.INFO, logger="durable.loop")
    logger = logging.getLogger("durable.loop")
    logger.addHandler(HEARD)
    made = LoopWatch(asyncio.get_running_loop(), SECONDS)
    made.start()
    await asyncio.sleep(SECONDS)
    yield made
    made.close()
    logger.removeHandler(HEARD)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]


def block(seconds: float) -> str:
    """Work that no loop gets through."""
    value = SECRET
    time.sleep(seconds)
    return value


def block_until_told() -> str:
    """The same, for as long as it takes: on a busy machine the watch has its turn late."""
    value = SECRET
    HEARD.something.clear()
    HEARD.something.wait(10.0)
    return value


async def until_said(caplog: pytest.LogCaptureFixture, text: str) -> None:
    async with asyncio.timeout(10):
        while text not in caplog.text:
            await asyncio.sleep(0.01)


async def test_a_blockage_is_told_with_its_stack_and_without_values(
    watch: LoopWatch, caplog: pytest.LogCaptureFixture
) -> None:
    with AtWork("orchestrator", "Slow", "i1"):
        block(2.0 * SECONDS)
    await until_said(caplog, "turns again")
    said = warnings(caplog)[0]
    assert "has been blocked for 0." in said
    assert "by orchestrator 'Slow' (instance 'i1')." in said
    assert 'test_loop_watch.py", line' in said
    assert "time.sleep(seconds)" in said
    # The innermost frame comes last, as in a traceback.
    assert said.rstrip().endswith("time.sleep(seconds)")
    assert SECRET not in said
    assert caplog.records[0].__dict__["instance_id"] == "i1"


async def test_a_long_one_is_told_again_each_time_it_has_lasted_twice_as_long(
    watch: LoopWatch, caplog: pytest.LogCaptureFixture
) -> None:
    block(12 * SECONDS)
    await until_said(caplog, "turns again")
    told = warnings(caplog)
    # After 1, 2, 4 and 8 times the threshold; a machine under load may see fewer.
    assert 2 <= len(told) <= 4
    assert "by the code below." in told[0]


async def test_what_is_short_is_no_blockage(caplog: pytest.LogCaptureFixture) -> None:
    made = LoopWatch(asyncio.get_running_loop(), 1.0)
    made.start()
    for _ in range(14):
        block(0.1)
        await asyncio.sleep(0)
    made.close()
    assert warnings(caplog) == []


async def test_it_ends_at_once(caplog: pytest.LogCaptureFixture) -> None:
    made = LoopWatch(asyncio.get_running_loop(), 3600)
    made.start()
    before = threading.active_count()
    made.close()
    assert threading.active_count() == before - 1


async def test_it_ends_in_the_middle_of_a_question() -> None:
    made = LoopWatch(asyncio.get_running_loop(), 4 * 0.02)
    made.start()
    block(0.05)  # by now it has asked
    made.close()


def test_it_ends_with_its_loop(caplog: pytest.LogCaptureFixture) -> None:
    loop = asyncio.new_event_loop()
    made = LoopWatch(loop, 0.05)
    made.start()
    # A loop that doesn't run is not blocked.
    time.sleep(0.3)
    loop.close()
    made._turned.set()
    made._thread.join(5)
    assert not made._thread.is_alive()
    assert warnings(caplog) == []
    made.close()


async def test_a_loop_that_never_turned_since_it_is_watched_is_known(
    caplog: pytest.LogCaptureFixture,
) -> None:
    made = LoopWatch(asyncio.get_running_loop(), 0.02)
    made.start()
    block(0.2)
    made.close()
    assert warnings(caplog)[0].rstrip().endswith("time.sleep(seconds)")


async def test_a_loop_whose_thread_has_ended_has_no_stack() -> None:
    made = LoopWatch(asyncio.get_running_loop(), 3600)
    assert made._stack() == "(its thread has ended)"


async def test_who_is_at_work_is_known_by_task() -> None:
    loop = asyncio.get_running_loop()
    seen: list[str] = []

    async def other() -> None:
        seen.append(str(at_work_on(loop)))
        with AtWork("activity", "b", "i2"):
            seen.append(str(at_work_on(loop)))

    with AtWork("entity", "a", "i1"):
        await asyncio.create_task(other())
        seen.append(str(at_work_on(loop)))
        with AtWork("entity", "c", "i1"):
            seen.append(str(at_work_on(loop)))
        seen.append(str(at_work_on(loop)))
    assert seen == [
        "None",
        "activity 'b' (instance 'i2')",
        "entity 'a' (instance 'i1')",
        "entity 'c' (instance 'i1')",
        "entity 'a' (instance 'i1')",
    ]
    assert at_work_on(loop) is None


def test_outside_of_any_task_nobody_is_at_work() -> None:
    loop = asyncio.new_event_loop()
    seen: list[AtWork | None] = []

    def callback() -> None:
        with AtWork("activity", "a", "i1"):
            seen.append(at_work_on(loop))
        loop.stop()

    loop.call_soon(callback)
    loop.run_forever()
    loop.close()
    assert seen == [None]


# Whose code the engine says it is.


def computes(context: Any) -> str:
    return block_until_told()


def replays(context: Any) -> Generator[Any, Any, Any]:
    block_until_told()
    yield context.wait_for_external_event("never")


async def waits(value: Any) -> str:
    return block_until_told()


def calls(context: Any) -> Generator[Any, Any, Any]:
    return (yield context.call_activity("waits", SECRET))


async def store(context: Any) -> None:
    block_until_told()


async def deliver(engine: Engine, hub: TaskHub) -> None:
    for queue in (*hub.names.control_queues, hub.names.work_items):
        for message in await hub.account.queues.get(queue, count=32, lease_seconds=60):
            if queue == hub.names.work_items:
                await engine.process_work_item(message)
            else:
                await engine.process_control_message(queue, message)


Begin = Callable[[TaskHub], Awaitable[object]]


def start_of(name: str) -> Begin:
    return lambda hub: start_instance(hub, StartRequest(name=name, instance_id="i1"))


@pytest.mark.parametrize(
    ("begin", "said"),
    [
        (start_of("computes"), "orchestrator 'computes' (instance 'i1')"),
        (start_of("calls"), "activity 'waits' (instance 'i1')"),
        (lambda hub: signal(hub, "@store@a", "set", None), "entity 'store' (instance '@store@a')"),
    ],
    ids=["orchestrator", "activity", "entity"],
)
async def test_the_engine_s_blockages_have_names(
    watch: LoopWatch, caplog: pytest.LogCaptureFixture, begin: Begin, said: str
) -> None:
    clock = SystemClock()
    hub = TaskHub(MemoryAccount(clock), HubSettings(name="Lab", partition_count=1), clock)
    await hub.ensure()
    registry = Registry()
    for each in (computes, replays, calls):
        registry.add_orchestrator(
            OrchestratorDefinition(
                name=each.__name__, function=each, context_name="context", input_type=None
            )
        )
    registry.add_activity(ActivityDefinition(name="waits", function=waits, input_name="value"))
    registry.add_entity(EntityDefinition(name="store", function=store))
    engine = Engine(hub, registry, clock)
    await begin(hub)
    await deliver(engine, hub)
    await until_said(caplog, "turns again")
    assert f"by {said}. Nothing else runs" in warnings(caplog)[0]
    assert SECRET not in caplog.text
    await engine.close()


async def test_a_replay_has_a_name_too(watch: LoopWatch, caplog: pytest.LogCaptureFixture) -> None:
    clock = SystemClock()
    hub = TaskHub(MemoryAccount(clock), HubSettings(name="Lab", partition_count=1), clock)
    await hub.ensure()
    registry = Registry()
    registry.add_orchestrator(
        OrchestratorDefinition(
            name="replays", function=replays, context_name="context", input_type=None
        )
    )
    engine = Engine(hub, registry, clock)
    await start_of("replays")(hub)
    await deliver(engine, hub)
    await until_said(caplog, "turns again")
    caplog.clear()
    engine.sessions.clear()
    await engine._mailboxes.look("i1")
    await until_said(caplog, "turns again")
    assert "by orchestrator 'replays' (instance 'i1')" in warnings(caplog)[0]
    await engine.close()
