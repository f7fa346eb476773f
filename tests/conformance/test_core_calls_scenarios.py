"""8.6, rows 5, 6, 41, 74, 75, 90, 94; 8.5, row 14: calls, their arguments, results and retries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import durable as df
from durable.model.events import TaskScheduled
from tests.conformance.conformance import conforms
from tests.conformance.stage import Stage, outcome

Steps = Generator[Any, Any, Any]

app = df.DFApp()
attempts: Counter[str] = Counter()


@dataclass
class Point:
    """An argument and a result."""

    x: int
    y: int


@app.orchestration_trigger(context_name="context")
def retries(context: df.DurableOrchestrationContext) -> Steps:
    limit, good = context.get_input()
    options = df.RetryOptions(1, limit)
    call = context.call_activity_with_retry("flaky", options, [context.instance_id, good])
    try:
        return (yield call)
    except df.ActivityFailed as error:
        return [isinstance(error, LookupError), error.failure.error_type, error.failure.message]


@app.orchestration_trigger(context_name="context")
def swaps(context: df.DurableOrchestrationContext) -> Steps:
    point = yield context.call_activity("swapped", Point(1, 2))
    assert isinstance(point, Point)
    return [point.x, point.y]


@app.orchestration_trigger(context_name="context")
def calls_void(context: df.DurableOrchestrationContext) -> Steps:
    expected = Point if context.get_input() == "point" else None
    result = yield context.call_activity("nothing", 1, expected_type=expected)
    return [result is None]


@app.orchestration_trigger(context_name="context")
def parent(context: df.DurableOrchestrationContext) -> Steps:
    yield context.call_sub_orchestrator("calls_void", None, f"{context.instance_id}-child")
    yield context.call_activity("nothing", 2)


@app.activity_trigger(input_name="what")
async def flaky(what: list[Any]) -> str:
    key, good = what
    attempts[key] += 1
    if attempts[key] == good:
        return f"good at {good}"
    raise LookupError(f"attempt {attempts[key]}")


@app.activity_trigger(input_name="point")
async def swapped(point: Point) -> Point:
    return Point(point.y, point.x)


@app.activity_trigger(input_name="value")
async def nothing(value: int) -> None:
    attempts["nothing"] += value


def limits(stage: Stage) -> tuple[int, ...]:
    """How many attempts; each takes a second or two of real time."""
    return (1, 2) if stage.where == "azurite" else (1, 2, 3, 10)


@conforms("dtfx-8.6-5", "dtfx-8.6-74", "dtfx-8.6-75")
async def test_as_many_attempts_as_there_may_be_and_then_the_last_failure(stage: Stage) -> None:
    attempts.clear()
    async with stage.host(app) as host:
        for limit in limits(stage):
            status = await host.run("retries", [limit, 0], f"i{limit}")
            assert status.output == [True, "LookupError", f"attempt {limit}"]
            assert attempts[f"i{limit}"] == limit


@conforms("dtfx-8.6-6")
async def test_the_last_attempt_may_succeed(stage: Stage) -> None:
    attempts.clear()
    async with stage.host(app) as host:
        for limit in limits(stage):
            status = await host.run("retries", [limit, limit], f"i{limit}")
            assert outcome(status) == ("Completed", f"good at {limit}")
            assert attempts[f"i{limit}"] == limit


@conforms("dtfx-8.6-90")
async def test_a_call_names_the_activity_passes_its_argument_and_converts_the_result(
    stage: Stage,
) -> None:
    async with stage.host(app) as host:
        status = await host.run("swaps", None, "i1")
    assert outcome(status) == ("Completed", [2, 1])
    [call] = [event for event in await stage.events("i1") if isinstance(event, TaskScheduled)]
    assert (call.name, call.version or None) == ("swapped", None)
    assert call.input is not None
    assert '"x":1,"y":2' in call.input.replace(" ", "")


@conforms("dtfx-8.6-94")
async def test_a_result_of_null_is_none(stage: Stage) -> None:
    async with stage.host(app) as host:
        assert outcome(await host.run("calls_void")) == ("Completed", [True])


@conforms("dtfx-8.5-14")
async def test_no_result_where_one_is_expected_fails_the_instance(stage: Stage) -> None:
    async with stage.host(app) as host:
        status = await host.run("calls_void", "point")
    assert outcome(status)[0] == "Failed"
    assert "Point" in str(status.output)


@conforms("dtfx-8.6-41")
async def test_a_parents_tags_reach_its_child(stage: Stage) -> None:
    tags = {"team": "été", "k": "v"}
    async with stage.host(app) as host:
        await host.run("parent", None, "i1", tags=tags)
        assert (await host.client.get_status("i1-child")).tags == tags
