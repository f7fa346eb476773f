"""8.1, rows 1 to 6: single orchestrations, and a parent of one."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import durable as df
from durable.model.events import TaskScheduled
from tests.conformance.conformance import conforms
from tests.conformance.stage import Stage

Steps = Generator[Any, Any, Any]

app = df.DFApp()
#: What orchestrators saw of `is_replaying` at their start.
replays: list[bool] = []


@app.orchestration_trigger(context_name="context")
def say_hello_inline(context: df.DurableOrchestrationContext) -> str:
    return f"Hello, {context.get_input()}!"


@app.orchestration_trigger(context_name="context")
def say_hello(context: df.DurableOrchestrationContext) -> Steps:
    return (yield context.call_activity("hello", context.get_input()))


@app.orchestration_trigger(context_name="context")
def factorial(context: df.DurableOrchestrationContext) -> Steps:
    result = 1
    for factor in range(1, context.get_input() + 1):
        replays.append(context.is_replaying)
        result = yield context.call_activity("multiply", [result, factor])
    return result


@app.orchestration_trigger(context_name="context")
def parent_of_factorial(context: df.DurableOrchestrationContext) -> Steps:
    return (yield context.call_sub_orchestrator("factorial", context.get_input()))


@app.activity_trigger(input_name="name")
async def hello(name: str) -> str:
    return f"Hello, {name}!"


@app.activity_trigger(input_name="factors")
async def multiply(factors: list[int]) -> int:
    return factors[0] * factors[1]


@conforms("dtfx-8.1-1", "dtfx-8.7-1")
async def test_an_orchestration_without_activities(stage: Stage) -> None:
    async with stage.host(app) as host:
        status = await host.run("say_hello_inline", "World", "i1")
    assert status.runtime_status is df.OrchestrationRuntimeStatus.Completed
    assert (status.input_, status.output) == ("World", "Hello, World!")
    row = await stage.row("i1")
    assert row is not None
    assert (row.input, row.output) == ('"World"', '"Hello, World!"')


@conforms("dtfx-8.1-2", "dtfx-8.7-14")
async def test_an_orchestration_with_an_activity(stage: Stage) -> None:
    async with stage.host(app) as host:
        status = await host.run("say_hello", "World")
    assert status.runtime_status is df.OrchestrationRuntimeStatus.Completed
    assert (status.input_, status.output) == ("World", "Hello, World!")


@conforms("dtfx-8.1-3")
async def test_chained_activities(stage: Stage) -> None:
    async with stage.host(app) as host:
        status = await host.run("factorial", 10, "i1")
        events = await stage.events("i1")
    assert (status.input_, status.output) == (10, 3628800)
    assert sum(isinstance(event, TaskScheduled) for event in events) == 10


@conforms("dtfx-8.1-4", on=("memory", "azurite"))
async def test_a_live_session_never_replays(stage: Stage) -> None:
    for fast in (True, False):  # in one chain of turns; each answer out of its queue
        replays.clear()
        async with stage.host(app, fastPath=fast) as host:
            assert (await host.run("factorial", 10)).output == 3628800
        assert replays == [False] * 10


@conforms("dtfx-8.1-5")
async def test_a_child_returns_to_its_parent(stage: Stage) -> None:
    async with stage.host(app) as host:
        assert (await host.run("parent_of_factorial", 10)).output == 3628800
