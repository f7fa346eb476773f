"""8.7, rows 22, 40, 42 to 48, 51 and 59: orchestrators that call orchestrators."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import durable as df
from durable.model.actions import StartChild
from durable.model.events import SubOrchestrationFailed
from tests.conformance.conformance import conforms
from tests.conformance.stage import Stage, outcome

Steps = Generator[Any, Any, Any]

app = df.DFApp()
#: How often `fails` began, by its parent.
begun: Counter[str | None] = Counter()


@dataclass
class Inner:
    """A part of what is handed down."""

    numbers: list[int]
    name: str


@dataclass
class Outer:
    """What is handed down to a child, to an activity, and back."""

    a: int
    b: Inner
    c: list[Inner]


GIVEN = Outer(-42, Inner([1, 2, 3], "été"), [Inner([], ""), Inner([4], "x")])
AS_JSON = {
    "a": -42,
    "b": {"numbers": [1, 2, 3], "name": "été"},
    "c": [{"numbers": [], "name": ""}, {"numbers": [4], "name": "x"}],
}


@app.orchestration_trigger(context_name="context")
def forgets(context: df.DurableOrchestrationContext) -> str:
    # azure-functions-durable has no call for it; .NET's StartNewOrchestration does this.
    child_id = f"{context.instance_id}-child"
    act = partial(StartChild, name="lingers", instance_id=child_id, fire_and_forget=True)
    context._agenda.act(act)
    return child_id


@app.orchestration_trigger(context_name="context")
def lingers(context: df.DurableOrchestrationContext) -> Steps:
    return (yield context.wait_for_external_event("go"))


@app.orchestration_trigger(context_name="context")
def calls(context: df.DurableOrchestrationContext) -> Steps:
    name, value, instance_id = context.get_input()
    return (yield context.call_sub_orchestrator(name, value, instance_id))


@app.orchestration_trigger(context_name="context")
def greet(context: df.DurableOrchestrationContext) -> Steps:
    return (yield context.call_activity("hello", context.get_input()))


@app.orchestration_trigger(context_name="context")
def hands_down(context: df.DurableOrchestrationContext) -> Steps:
    result = yield context.call_sub_orchestrator("hands_on", GIVEN, expected_type=Outer)
    assert result == GIVEN
    return result


@app.orchestration_trigger(context_name="context")
def hands_on(context: df.DurableOrchestrationContext) -> Steps:
    given = context.get_input(Outer)
    assert given == GIVEN
    result = yield context.call_activity("checked", given)
    assert result == GIVEN
    return result


@app.orchestration_trigger(context_name="context")
def tells_parent(context: df.DurableOrchestrationContext) -> str | None:
    return context.parent_instance_id


@app.orchestration_trigger(context_name="context")
def passes_id(context: df.DurableOrchestrationContext) -> Steps:
    return (yield context.call_sub_orchestrator("calls", ["tells_parent", 1, context.get_input()]))


@app.orchestration_trigger(context_name="context")
def fails(context: df.DurableOrchestrationContext) -> None:
    begun[context.parent_instance_id] += 1
    raise ValueError(f"Value cannot be null: {context.get_input()}")


@app.orchestration_trigger(context_name="context")
def retries(context: df.DurableOrchestrationContext) -> Steps:
    options = df.RetryOptions(1, 3)
    yield context.call_sub_orchestrator_with_retry("fails", options, context.get_input())


@app.orchestration_trigger(context_name="context")
def catches(context: df.DurableOrchestrationContext) -> Steps:
    try:
        yield context.call_sub_orchestrator("fails", context.get_input())
    except df.ChildFailed as error:
        return str(error)


@app.orchestration_trigger(context_name="context")
def throws_in_activity(context: df.DurableOrchestrationContext) -> Steps:
    yield context.call_activity("throw", context.get_input())


@app.activity_trigger(input_name="name")
async def hello(name: str) -> str:
    return f"Hello, {name}!"


@app.activity_trigger(input_name="value")
async def checked(value: Outer) -> Outer:
    assert value == GIVEN
    return value


@app.activity_trigger(input_name="message")
async def throw(message: str) -> None:
    raise RuntimeError(message)


@conforms("dtfx-8.7-22")
async def test_a_child_that_is_forgotten_goes_on_alone(stage: Stage) -> None:
    async with stage.host(app) as host:
        assert outcome(await host.run("forgets", None, "i1")) == ("Completed", "i1-child")
        await host.status_is("i1-child", "Running")
        await host.client.raise_event("i1-child", "go", "alone")
        assert outcome(await host.status_at_end("i1-child")) == ("Completed", "alone")
        await stage.at_rest()
    events = await stage.events("i1")
    assert not any("SubOrchestrationCompleted" in type(event).__name__ for event in events)


@conforms("dtfx-8.7-42")
async def test_an_orchestrator_calls_one_that_calls_an_activity(stage: Stage) -> None:
    async with stage.host(app) as host:
        status = await host.run("calls", ["greet", "ok", "the-child"], "i1")
        child = await host.client.get_status("the-child")
    assert (status.name, *outcome(status)) == ("calls", "Completed", "Hello, ok!")
    assert (child.name, *outcome(child)) == ("greet", "Completed", "Hello, ok!")


@conforms("dtfx-8.7-43")
async def test_objects_within_objects_come_back_as_they_went(stage: Stage) -> None:
    async with stage.host(app) as host:
        status = await host.run("hands_down")
    assert outcome(status) == ("Completed", AS_JSON)


@conforms("dtfx-8.7-44", "dtfx-8.7-45")
async def test_a_history_shows_a_child_and_its_answer_as_one(stage: Stage) -> None:
    async with stage.host(app) as host:
        await host.run("hands_down", None, "i1")
        _, bare = await host.http("GET", "/instances/i1?showHistory=true&showInput=false")
        query = "showHistory=true&showHistoryOutput=true&showInput=true"
        _, full = await host.http("GET", f"/instances/i1?{query}")
    for body in (bare, full):
        assert [entry["EventType"] for entry in body["historyEvents"]] == [
            "ExecutionStarted",
            "SubOrchestrationInstanceCompleted",
            "ExecutionCompleted",
        ]
        child = body["historyEvents"][1]
        assert child["FunctionName"] == "hands_on"
        scheduled = datetime.fromisoformat(child["ScheduledTime"])
        assert scheduled <= datetime.fromisoformat(child["Timestamp"])
    assert not any({"Result", "Input"} & entry.keys() for entry in bare["historyEvents"])
    _, child, completed = full["historyEvents"]
    assert json.loads(child["Input"]) == AS_JSON
    assert child["Result"] == completed["Result"] == AS_JSON


@conforms("dtfx-8.7-46")
async def test_a_child_knows_its_parent(stage: Stage) -> None:
    async with stage.host(app) as host:
        assert outcome(await host.run("calls", ["tells_parent", 1, None], "i1")) == (
            "Completed",
            "i1",
        )


@conforms("dtfx-8.7-47")
async def test_a_child_cannot_have_its_parents_id(stage: Stage) -> None:
    async with stage.host(app) as host:
        own = await host.run("calls", ["tells_parent", 1, "i1"], "i1")
        parents = await host.run("passes_id", "i2", "i2")
    for status in (own, parents):
        assert outcome(status)[0] == "Failed"
        assert f"cannot have the id '{status.instance_id}'" in status.output


@conforms("dtfx-8.7-40")
async def test_the_failure_of_a_child_can_be_caught_and_says_why(stage: Stage) -> None:
    async with stage.host(app) as host:
        assert outcome(await host.run("catches", "message")) == (
            "Completed",
            "Orchestrator function 'fails' failed: ValueError: Value cannot be null: message",
        )


@conforms("dtfx-8.7-48")
async def test_a_child_that_fails_every_time(stage: Stage) -> None:
    begun.clear()
    async with stage.host(app) as host:
        status = await host.run("retries", "message", "i1")
    text = "Orchestrator function 'fails' failed: ValueError: Value cannot be null: message"
    assert outcome(status) == ("Failed", f"durable.errors.ChildFailed: {text}")
    assert begun["i1"] == 3
    events = await stage.events("i1")
    assert sum(isinstance(event, SubOrchestrationFailed) for event in events) == 3


@conforms("dtfx-8.7-51")
async def test_the_failure_of_an_activity_of_a_child_names_both(stage: Stage) -> None:
    async with stage.host(app) as host:
        status = await host.run("calls", ["throws_in_activity", "Kah-BOOOOM!!!", None])
    text = "Activity function 'throw' failed: RuntimeError: Kah-BOOOOM!!!"
    text = f"Orchestrator function 'throws_in_activity' failed: {text}"
    assert outcome(status) == ("Failed", f"durable.errors.ChildFailed: {text}")


@conforms("dtfx-8.7-59")
async def test_a_child_with_an_id_of_its_own_gets_its_input_as_json(stage: Stage) -> None:
    given = {"name": "World", "deep": [1, {"x": None}]}
    async with stage.host(app) as host:
        status = await host.run("calls", ["greet", given, "the-child"], "i1")
        child = await host.client.get_status("the-child")
    assert outcome(status) == outcome(child)
    assert outcome(child) == ("Completed", f"Hello, {given}!")
    assert child.input_ == given
    row = await stage.row("the-child")
    assert row is not None
    assert json.loads(row.input or "") == given
