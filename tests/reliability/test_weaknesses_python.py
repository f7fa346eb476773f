"""W16, W22, W23: ends that wait, code that changed, and what the Python SDK got wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from durable.authoring.definitions import EntityDefinition
from durable.client import Client
from durable.model.events import EventRaised, SubOrchestrationCreated, TaskScheduled
from durable.model.http import DurableHttpResponse, HttpRequest
from durable.model.ids import EntityId
from durable.model.messages import Extras
from durable.model.retry import RetryOptions
from durable.model.status import RuntimeStatus
from durable.runtime.engine import Engine
from tests.hub_lab import Actor, Lab, in_virtual_time
from tests.reliability.stories import Steps, begun, steps

HOUR = timedelta(hours=1)


def named(name: str, code: Callable[[Any], Any]) -> Callable[[Any], Any]:
    code.__name__ = name
    return code


def racing(*, cancels: bool) -> Callable[[Any], Any]:
    """An event against a timer of an hour; the event wins."""

    def code(context: Any) -> Steps:
        timer = context.create_timer(context.current_utc_datetime + HOUR)
        event = context.wait_for_external_event("E")
        yield context.task_any([timer, event])
        if cancels:
            timer.cancel()
        return event.result

    return named("racing", code)


@in_virtual_time
async def test_w16_a_timer_that_is_cancelled_holds_up_no_end() -> None:
    lab = Lab(racing(cancels=True))
    actor = await begun(lab, "racing")
    await lab.raise_event("E", "won")
    await actor.deliver()
    assert ((await lab.row()).status, await lab.output()) == (RuntimeStatus.COMPLETED, "won")


@in_virtual_time
async def test_w16_one_that_is_not_holds_it_up_until_it_fires_or_it_is_terminated() -> None:
    """Kept as in the original, whose histories say so; the result is not lost, nothing hangs."""
    lab = Lab(racing(cancels=False))
    actor = await begun(lab, "racing")
    await begun(lab, "racing", instance_id="i2")
    for each in ("i1", "i2"):
        await lab.raise_event("E", "won", instance_id=each)
    await actor.deliver()
    assert (await lab.row()).status is RuntimeStatus.RUNNING
    await Client(lab.hub).terminate("i2", "enough")
    await actor.deliver()
    assert (await lab.row("i2")).status is RuntimeStatus.TERMINATED
    await actor.drain(seconds=3700)
    assert ((await lab.row()).status, await lab.output()) == (RuntimeStatus.COMPLETED, "won")


async def redeployed(
    before: Callable[[Any], Any], after: Callable[[Any], Any]
) -> tuple[Lab, Actor]:
    """Instance i1 made its first turn with the code of before; a process with that of after."""
    lab = Lab(named("code", before), steps)
    actor = await begun(lab, "code")
    await actor.deliver()  # what it asked for has run, and its answer waits
    return lab, await lab.actor(lab.make_registry(named("code", after), steps))


def calls(name: str, value: Any) -> Callable[[Any], Any]:
    def code(context: Any) -> Steps:
        return (yield context.call_activity(name, value))

    return code


def child(name: str, instance_id: str) -> Callable[[Any], Any]:
    def code(context: Any) -> Steps:
        return (yield context.call_sub_orchestrator(name, 1, instance_id))

    return code


def timer(context: Any) -> Steps:
    return (yield context.create_timer(context.current_utc_datetime + HOUR))


@pytest.mark.parametrize(
    "after",
    [calls("echo", 1), timer, child("steps", "c")],
    ids=["another activity", "a timer", "a child"],
)
@in_virtual_time
async def test_w22_code_that_asks_for_something_else_is_found_out(after: Any) -> None:
    """Another name or another kind: the instance fails with both, and takes no wrong answer."""
    lab, actor = await redeployed(calls("greet", 1), after)
    await actor.drain()
    assert (await lab.row()).status is RuntimeStatus.FAILED
    assert "NonDeterminism" in str(await lab.output())
    assert "greet" in str(await lab.output())
    assert lab.counts == {"greet:1": 1}


@in_virtual_time
async def test_w22_another_input_changes_nothing_that_was_done() -> None:
    """Inputs are not compared, as there: what was recorded counts, and runs no second time."""
    lab, actor = await redeployed(calls("greet", "old"), calls("greet", "new"))
    await actor.drain()
    assert await lab.output() == "Hello old!"
    assert lab.counts == {"greet:old": 1}
    [scheduled] = [each for each in await lab.events() if isinstance(each, TaskScheduled)]
    assert json.loads(scheduled.input or "") == ["old"]


@in_virtual_time
async def test_w22_another_id_for_a_child_makes_no_second_child() -> None:
    lab, actor = await redeployed(child("steps", "first"), child("steps", "second"))
    await actor.drain()
    assert await lab.output() == ["Hello 0!"]
    assert await lab.hub.instances.read("second") is None
    [created] = [e for e in await lab.events() if isinstance(e, SubOrchestrationCreated)]
    assert created.instance_id == "first"


@in_virtual_time
async def test_w23_events_that_come_early_are_each_delivered_once_and_in_order() -> None:
    """There the first is lost and the second comes twice; two waits take them in reverse."""

    def waits(context: Any) -> Steps:
        yield context.call_activity("greet", 1)
        one = yield context.wait_for_external_event("x")
        two = yield context.wait_for_external_event("X")
        rest = yield context.task_all([context.wait_for_external_event("x") for _ in range(2)])
        return [one, two, *rest]

    lab = Lab(waits)
    actor = await begun(lab, "waits")
    for number in range(4):
        await lab.raise_event("xX"[number % 2], number)
    await actor.drain()
    assert await lab.output() == [0, 1, 2, 3]


class Web:
    """Says 202 twice, then what came of it."""

    def __init__(self) -> None:
        self.asked = 0

    async def send(self, request: HttpRequest) -> DurableHttpResponse:
        self.asked += 1
        if self.asked < 3:
            headers = {"Location": "https://example.com/job", "Retry-After": "5"}
            return DurableHttpResponse.of(202, headers, "")
        return DurableHttpResponse.of(200, {}, "done")

    async def close(self) -> None:
        """There is nothing to close."""


@in_virtual_time
async def test_w23_an_http_call_is_polled_and_takes_no_answer_of_others() -> None:
    """There the 202 is the result, and a poll's timer answers the activity that comes next."""

    def asks(context: Any) -> Steps:
        answer = yield context.call_http("GET", "https://example.com/start")
        return [answer["content"], (yield context.call_activity("greet", "next"))]

    lab = Lab(asks)
    actor = await lab.actor()
    actor.engine = Engine(actor.hub, lab.registry, lab.clock, lab.engine_settings, http=Web())
    await lab.start("asks")
    await actor.drain()
    assert await lab.output() == ["done", "Hello next!"]


@in_virtual_time
async def test_w23_the_last_of_several_attempts_fails_the_call_at_once() -> None:
    """There a retry whose last timer is missing hangs."""
    runs: list[float] = []

    async def failing(value: Any) -> None:
        runs.append(lab.clock.monotonic())
        raise ValueError("no")

    def tries(context: Any) -> Steps:
        return (yield context.call_activity_with_retry("failing", RetryOptions(5000, 3), 1))

    lab = Lab(tries, activities=[failing])
    actor = await begun(lab, "tries")
    await actor.drain()
    assert len(runs) == 3
    assert (await lab.row()).status is RuntimeStatus.FAILED
    assert lab.clock.monotonic() - runs[-1] < 2.0


async def teller(context: Any) -> None:
    """Answers with its input; or not at all."""
    if context.operation_name == "tell":
        context.set_result(context.get_input())


@in_virtual_time
async def test_w23_an_operation_without_a_result_has_none() -> None:
    """There it has that of the operation before it in the batch."""

    def asks(context: Any) -> Steps:
        entity = EntityId("teller", "k")
        calls = [context.call_entity(entity, each, each) for each in ("tell", "keep", "tell")]
        return (yield context.task_all(calls))

    lab = _teller_lab(asks)
    actor = await begun(lab, "asks")
    await actor.drain()
    assert await lab.output() == ["tell", None, "tell"]


@pytest.mark.parametrize("text", ['{"a":1}', '"{\\"a\\":1}"'], ids=["once", "twice"])
@in_virtual_time
async def test_w23_an_operation_s_input_is_understood_encoded_once_or_twice(text: str) -> None:
    told: list[Any] = []

    async def teller(context: Any) -> None:
        told.append(context.get_input())

    lab = Lab()
    lab.registry.add_entity(EntityDefinition(name="teller", function=teller))
    actor = await lab.actor()
    request = {"op": "tell", "signal": True, "input": text, "id": "request-1"}
    event = EventRaised(timestamp=lab.clock.now(), name="op", input=json.dumps(request))
    extras = Extras(mark=True, identity="c:1")
    await lab.put(lab.event(event, instance_id="@teller@k", extras=extras))
    await actor.drain()
    assert told == [{"a": 1}]


def _teller_lab(*orchestrators: Callable[..., Any]) -> Lab:
    lab = Lab(*orchestrators)
    lab.registry.add_entity(EntityDefinition(name="teller", function=teller))
    return lab
