"""Activities: what they get, what becomes of what they return or raise."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import threading
from collections.abc import Callable, Generator
from datetime import datetime
from typing import Any

import pytest

from durable.errors import Unavailable
from durable.model.events import HistoryEvent, TaskCompleted, TaskFailed, TaskScheduled
from durable.model.ids import derived_activity_id
from durable.model.messages import TaskMessage
from durable.runtime.delivery import Lease
from durable.runtime.settings import EngineSettings
from tests.hub_lab import Actor, Lab, in_virtual_time
from tests.unit.runtime.fast_lab import BATCH, MERGE, PUT, FastLab, operations

Steps = Generator[Any, Any, Any]


def idle(context: Any) -> Steps:
    return (yield context.wait_for_external_event("E"))


async def ask(lab: Lab, actor: Actor, name: str, text: str | None = "[1]") -> HistoryEvent:
    """The answer to one activity call, sent as an orchestration sends it."""
    message = await asked(lab, name, text)
    await lab.put(message, queue=lab.hub.names.work_items)
    [raw] = await lab.account.queues.get(lab.hub.names.work_items, count=1, lease_seconds=60)
    await actor.process(lab.hub.names.work_items, raw)
    [(answer, _)] = await lab.queued()
    return answer.event


async def asked(lab: Lab, name: str, text: str | None = "[1]") -> TaskMessage:
    call = TaskScheduled(timestamp=lab.clock.now(), event_id=3, name=name, input=text)
    return lab.event(call, execution_id="e1")


@in_virtual_time
async def test_the_answer_goes_to_the_orchestration_as_from_itself() -> None:
    lab = Lab(idle)
    actor = await lab.actor()
    await ask(lab, actor, "greet", '["you"]')
    [(reply, _)] = await lab.queued()
    event = reply.event
    assert isinstance(event, TaskCompleted)
    assert (event.task_id, event.result) == (3, '"Hello you!"')
    assert reply.sender == reply.target
    assert (reply.target.instance_id, reply.target.execution_id) == ("i1", "e1")
    assert reply.episode == -1  # the call had none
    assert reply.extras.mark
    call = await asked(lab, "greet")
    assert reply.activity_id == derived_activity_id(f"e1:answer:3:{call.activity_id}")


@in_virtual_time
async def test_run_twice_it_answers_with_the_same_message() -> None:
    lab = Lab(idle)
    actor = await lab.actor()
    for _ in range(2):
        await lab.put(await asked(lab, "greet"), queue=lab.hub.names.work_items)
    received = await lab.account.queues.get(lab.hub.names.work_items, count=2, lease_seconds=60)
    for raw in received:
        await actor.process(lab.hub.names.work_items, raw)
    assert lab.counts["greet:1"] == 2
    assert len({m.activity_id for m, _ in await lab.queued()}) == 1


def raising(error: BaseException) -> Callable[[Any], Any]:
    async def boom(value: Any) -> Any:
        raise error

    return boom


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (ValueError("bad value"), "ValueError", "bad value"),
        (SystemExit(3), "SystemExit", "3"),
        (GeneratorExit(), "GeneratorExit", "GeneratorExit"),
        (asyncio.CancelledError("mine"), "asyncio.exceptions.CancelledError", "mine"),
    ],
)
@in_virtual_time
async def test_whatever_an_activity_raises_is_its_answer(
    error: BaseException, kind: str, message: str
) -> None:
    lab = Lab(idle, activities=[raising(error)])
    actor = await lab.actor()
    answer = await ask(lab, actor, "boom")
    assert isinstance(answer, TaskFailed)
    assert answer.failure is not None
    assert (answer.task_id, answer.reason) == (3, message)
    assert answer.failure.error_type == kind
    assert not answer.failure.is_non_retriable


@in_virtual_time
async def test_a_result_that_is_no_json_fails_for_good_with_type_and_path() -> None:
    async def odd(value: Any) -> Any:
        return {"a": [object()]}

    lab = Lab(idle, activities=[odd])
    actor = await lab.actor()
    answer = await ask(lab, actor, "odd")
    assert isinstance(answer, TaskFailed)
    assert answer.failure is not None
    assert answer.failure.is_non_retriable
    assert "$.a[0]" in (answer.reason or "")
    assert "'odd'" in (answer.reason or "")


@in_virtual_time
async def test_an_argument_that_does_not_fit_the_annotation_is_the_activity_s_failure() -> None:
    async def typed(value: datetime) -> int:
        return value.year

    lab = Lab(idle, activities=[typed])
    actor = await lab.actor()
    answer = await ask(lab, actor, "typed", '["no date"]')
    assert isinstance(answer, TaskFailed)
    assert lab.counts == {}


async def test_a_synchronous_activity_runs_in_a_thread_with_the_caller_s_context() -> None:
    variable = contextvars.ContextVar("variable", default="unset")
    seen: list[tuple[str, bool]] = []

    def sync(value: Any) -> str:
        seen.append((variable.get(), threading.current_thread() is threading.main_thread()))
        return f"sync {value}"

    lab = Lab(idle, activities=[sync])
    actor = await lab.actor()
    variable.set("set")
    answer = await ask(lab, actor, "sync")
    assert isinstance(answer, TaskCompleted)
    assert answer.result == '"sync 1"'
    assert seen == [("set", False)]
    await actor.engine.close()


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (StopIteration("odd"), "RuntimeError"),
        (concurrent.futures.CancelledError(), "concurrent.futures._base.CancelledError"),
        (asyncio.CancelledError(), "asyncio.exceptions.CancelledError"),
        (KeyError("k"), "KeyError"),
    ],
)
async def test_what_a_future_cannot_carry_fails_a_synchronous_activity_and_hangs_nothing(
    error: BaseException, kind: str
) -> None:
    def sync(value: Any) -> str:
        raise error

    lab = Lab(idle, activities=[sync])
    actor = await lab.actor()
    async with asyncio.timeout(5):
        answer = await ask(lab, actor, "sync")
    assert isinstance(answer, TaskFailed)
    assert answer.failure is not None
    assert answer.failure.error_type == kind
    await actor.engine.close()


@in_virtual_time
async def test_no_more_activities_run_at_once_than_the_settings_allow() -> None:
    running, most = 0, 0

    async def busy(value: Any) -> Any:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await lab.clock.sleep(1)
        running -= 1

    lab = Lab(idle, activities=[busy], settings=EngineSettings(max_concurrent_activities=3))
    actor = await lab.actor()
    for _ in range(10):
        await lab.put(await asked(lab, "busy"), queue=lab.hub.names.work_items)
    await actor.deliver()
    assert most == 3
    assert len(await lab.queued()) == 10


@in_virtual_time
async def test_an_activity_that_is_cancelled_answers_nothing() -> None:
    started = asyncio.Event()

    async def long(value: Any) -> Any:
        started.set()
        await lab.clock.sleep(1000)

    lab = Lab(idle, activities=[long])
    actor = await lab.actor()
    await lab.put(await asked(lab, "long"), queue=lab.hub.names.work_items)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(actor.deliver())
        await started.wait()
        task.cancel()
    assert await lab.queued() == []
    assert await lab.account.queues.count(lab.hub.names.work_items) == 1


@in_virtual_time
async def test_an_answer_that_storage_refuses_counts_as_the_engine_s_failure() -> None:
    lab = Lab(idle)
    actor = await lab.actor()
    await lab.put(await asked(lab, "greet"), queue=lab.hub.names.work_items)
    attempts = 0

    async def refuse_first(number: int, operation: str, resource: str) -> None:
        nonlocal attempts
        if operation == "Put Message":
            attempts += 1
            if attempts == 1:
                raise Unavailable("away")

    actor.before = refuse_first
    await actor.deliver()
    [(copy, visible)] = await lab.queued(lab.hub.names.work_items)
    assert (copy.extras.failures, lab.in_seconds(visible)) == (0, 5)


def calls_slow(context: Any) -> Steps:
    return (yield context.call_activity("slow", context.get_input()))


@in_virtual_time
async def test_an_answer_for_an_instance_that_lives_here_is_not_put() -> None:
    lab = FastLab(calls_slow, max_in_place=0)
    actor = await lab.actor()
    await lab.start("calls_slow", 1)
    await actor.deliver()
    [(_, seconds)] = await lab.work()
    assert seconds == 0  # nothing runs in place here
    actor.calls.clear()
    await actor.deliver()
    assert await lab.output() == 1
    assert operations(actor) == [BATCH, MERGE]
    assert await lab.empty()


@in_virtual_time
async def test_the_work_item_is_held_until_its_answer_is_dealt_with() -> None:
    lab = FastLab(calls_slow, max_in_place=0)
    actor = await lab.actor()
    await lab.start("calls_slow", 1)
    await actor.deliver()
    actor.failing[BATCH] = actor.failing[PUT] = Unavailable("away")
    await actor.deliver()
    assert isinstance(actor.refused[-1], Unavailable)
    assert len(await lab.work()) == 1  # not deleted
    actor.failing.clear()
    await actor.drain()
    assert await lab.output() == 1


@in_virtual_time
async def test_an_answer_for_an_instance_that_lives_elsewhere_is_put() -> None:
    lab = FastLab(calls_slow, max_in_place=0)
    first, second = await lab.actor(), await lab.actor()
    await lab.start("calls_slow", 1)
    await first.deliver()
    await second.deliver()
    assert operations(second) == [PUT]
    [(answer, _)] = await lab.queued()
    assert isinstance(answer.event, TaskCompleted)
    await first.drain()
    assert await lab.output() == 1


@in_virtual_time
async def test_answers_of_activities_from_the_queue_share_a_turn_while_more_of_them_run() -> None:
    def calls_two(context: Any) -> Steps:
        return (yield context.task_all([context.call_activity("slow", n) for n in (1, 1.3)]))

    lab = FastLab(calls_two, max_in_place=0)
    actor = await lab.actor()
    await lab.start("calls_two")
    await actor.deliver()
    actor.calls.clear()
    await actor.deliver()
    # The second answer is 0.3 s later: the row waits for it.
    assert operations(actor) == [BATCH, BATCH, MERGE]
    assert await lab.output() == [1, 1.3]


@in_virtual_time
async def test_g_an_answer_whose_work_item_is_lost_is_taken_and_shown_at_once() -> None:
    def calls_two(context: Any) -> Steps:
        return (yield context.task_all([context.call_activity("slow", n) for n in (1, 1.3)]))

    lab = FastLab(calls_two, max_in_place=0)
    actor = await lab.actor()
    await lab.start("calls_two")
    await actor.deliver()
    actor.calls.clear()
    received = await lab.account.queues.get(lab.work_items, count=2, lease_seconds=600)
    async with asyncio.TaskGroup() as group:
        for raw in received:
            lease = Lease(lab.clock.monotonic() + 0.5)
            group.create_task(actor.engine.process_work_item(raw, lease))
    assert operations(actor) == [BATCH, MERGE] * 2


@in_virtual_time
async def test_names_that_nobody_knows_are_not_remembered() -> None:
    lab = Lab(idle, settings=EngineSettings(fast_path=False, unknown_code_seconds=0.0))
    actor = await lab.actor()
    assert isinstance(await ask(lab, actor, "Nobody"), TaskFailed)
    activities = actor.engine._activities
    assert not activities.is_quick("Nobody", 3600)
    await lab.account.queues.delete_queue(lab.queue)
    await lab.account.queues.create_queue(lab.queue)
    await ask(lab, actor, "greet")
    assert activities.is_quick("greet", 3600)
