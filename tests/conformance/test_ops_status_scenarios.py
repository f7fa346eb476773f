"""8.7, rows 62 and 65 to 70: what is told about an instance; events to a child."""

from __future__ import annotations

import json
from collections.abc import Generator
from functools import partial
from typing import Any

import durable as df
from durable.client import DurableOrchestrationStatus
from tests.conformance.conformance import conforms
from tests.conformance.stage import Stage, outcome

Steps = Generator[Any, Any, Any]

app = df.DFApp()


@app.orchestration_trigger(context_name="context")
def greet(context: df.DurableOrchestrationContext) -> Steps:
    return (yield context.call_activity("hello", context.get_input()))


@app.orchestration_trigger(context_name="context")
def calls_nobody(context: df.DurableOrchestrationContext) -> Steps:
    return (yield context.call_sub_orchestrator("no_such_orchestrator", 1))


@app.orchestration_trigger(context_name="context")
def parent(context: df.DurableOrchestrationContext) -> Steps:
    return (yield context.call_sub_orchestrator("child", None, context.get_input()))


@app.orchestration_trigger(context_name="context")
def child(context: df.DurableOrchestrationContext) -> Steps:
    return (yield context.wait_for_external_event("signal"))


@app.orchestration_trigger(context_name="context")
def shows(context: df.DurableOrchestrationContext) -> Steps:
    while (status := (yield context.wait_for_external_event("UpdateStatus"))) != "done":
        context.set_custom_status(status)


@app.activity_trigger(input_name="name")
async def hello(name: str) -> str:
    return f"Hello, {name}!"


def has_custom(value: object, status: DurableOrchestrationStatus) -> bool:
    return bool(status.custom_status == value)


@conforms("dtfx-8.7-62")
async def test_calling_a_child_that_there_is_not_fails(stage: Stage) -> None:
    async with stage.host(app) as host:
        name, output = outcome(await host.run("calls_nobody"))
    assert name == "Failed"
    assert "No orchestrator function is named 'no_such_orchestrator'" in output


@conforms("dtfx-8.7-65")
async def test_an_event_reaches_a_child_by_its_id(stage: Stage) -> None:
    async with stage.host(app) as host:
        await host.client.start_new("parent", "i1", "the-child")
        await host.status_is("the-child", "Running")
        await host.client.raise_event("the-child", "signal", "You got a signal!")
        for instance_id in ("the-child", "i1"):
            status = await host.status_at_end(instance_id)
            assert outcome(status) == ("Completed", "You got a signal!")


@conforms("dtfx-8.7-66")
async def test_the_custom_status_is_what_was_set_last(stage: Stage) -> None:
    async with stage.host(app) as host:
        await host.client.start_new("shows", "i1")
        status = await host.status_is("i1", "Running")
        assert status.custom_status is None
        for value in ("updated status", None, {"Foo": "Hello", "Bar": 123}):
            await host.client.raise_event("i1", "UpdateStatus", value)
            await host.status_until("i1", partial(has_custom, value))
        await host.client.raise_event("i1", "UpdateStatus", "done")
        status = await host.status_at_end("i1")
    assert outcome(status) == ("Completed", None)
    assert status.custom_status == {"Foo": "Hello", "Bar": 123}


@conforms("dtfx-8.7-67")
async def test_an_instance_that_there_is_not(stage: Stage) -> None:
    async with stage.host(app) as host:
        status = await host.client.get_status("nobody")
        response, body = await host.http("GET", "/instances/nobody")
    # Not None, as in azure-functions-durable: a status that is false.
    assert not status
    assert (status.instance_id, status.runtime_status, status.output) == (None, None, None)
    assert (response.status, body) == (404, None)


@conforms("dtfx-8.7-68", "dtfx-8.7-69")
async def test_the_input_is_shown_unless_it_is_not_wanted(stage: Stage) -> None:
    async with stage.host(app) as host:
        assert (await host.run("greet", "Rob", "i1")).input_ == "Rob"
        for query, shown in (("", "Rob"), ("?showInput=true", "Rob"), ("?showInput=false", None)):
            for path, find in (("/instances/i1", lambda body: body), ("/instances", unlisted)):
                _, body = await host.http("GET", path + query)
                told = find(body)
                assert (told["input"], told["output"]) == (shown, "Hello, Rob!")


def unlisted(body: list[dict[str, Any]]) -> dict[str, Any]:
    """The one status of a list."""
    [only] = body
    return only


@conforms("dtfx-8.7-70")
async def test_a_status_is_the_same_after_a_way_through_json(stage: Stage) -> None:
    # Through queues: virtual time stands still while a chain of turns runs.
    async with stage.host(app, fastPath=False) as host:
        status = await host.run("greet", "World", "i1")
        _, body = await host.http("GET", "/instances/i1")
    text = json.dumps(status.to_json())
    again = DurableOrchestrationStatus.from_json(json.loads(text))
    assert again.to_json() == status.to_json()
    assert again.created_time is not None
    assert again.last_updated_time is not None
    assert again.last_updated_time > again.created_time
    told = DurableOrchestrationStatus.from_json(body)
    assert (told.name, told.instance_id) == (again.name, again.instance_id) == ("greet", "i1")
    assert outcome(told) == outcome(again) == ("Completed", "Hello, World!")
    # The API tells times in whole seconds.
    assert told.created_time == again.created_time.replace(microsecond=0)
