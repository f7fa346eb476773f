"""8.7, rows 5, 16 to 21, 33 and 38: the history as it is shown, ids, many instances, a rewind."""

from __future__ import annotations

import json
from collections.abc import Generator
from datetime import datetime, timedelta
from typing import Any

import durable as df
from tests.conformance.conformance import conforms
from tests.conformance.stage import Stage, outcome

Steps = Generator[Any, Any, Any]

app = df.DFApp()
#: Instances whose `fragile` orchestrator was mended.
mended: set[str] = set()
#: The id that each run of `remembers` made, by instance.
remembered: dict[str, list[str]] = {}


@app.orchestration_trigger(context_name="context")
def tells_parent(context: df.DurableOrchestrationContext) -> list[str | None]:
    return [context.parent_instance_id]


@app.orchestration_trigger(context_name="context")
def greet(context: df.DurableOrchestrationContext) -> Steps:
    return (yield context.call_activity("hello", context.get_input()))


@app.orchestration_trigger(context_name="context")
def many_ids(context: df.DurableOrchestrationContext) -> int:
    return len({context.new_guid() for _ in range(context.get_input())})


@app.orchestration_trigger(context_name="context")
def remembers(context: df.DurableOrchestrationContext) -> Steps:
    mine = context.new_uuid()
    remembered.setdefault(context.instance_id, []).append(mine)
    before = yield context.call_activity("same", mine)
    another = context.new_uuid()
    after = yield context.call_activity("same", another)
    return [before == mine, after == another, mine != another]


@app.orchestration_trigger(context_name="context")
def shows(context: df.DurableOrchestrationContext) -> Steps:
    context.set_custom_status({"nextActions": ["A", "B", "C"], "foo": 2})
    return (yield context.call_activity("hello", context.get_input()))


@app.orchestration_trigger(context_name="context")
def waits_a_while(context: df.DurableOrchestrationContext) -> Steps:
    due = context.current_utc_datetime + timedelta(seconds=context.get_input())
    yield context.create_timer(due)
    return context.current_utc_datetime >= due


@app.orchestration_trigger(context_name="context")
def fragile(context: df.DurableOrchestrationContext) -> Steps:
    greeting = yield context.call_activity("hello", context.get_input())
    if context.instance_id not in mended:
        raise ValueError("Simulating Orchestration failure...")
    return greeting


@app.activity_trigger(input_name="name")
async def hello(name: str) -> str:
    return f"Hello, {name}!"


@app.activity_trigger(input_name="value")
async def same(value: str) -> str:
    return value


@conforms("dtfx-8.7-5")
async def test_what_a_client_started_has_no_parent(stage: Stage) -> None:
    async with stage.host(app) as host:
        assert outcome(await host.run("tells_parent")) == ("Completed", [None])


@conforms("dtfx-8.7-16")
async def test_a_history_shows_a_call_and_its_answer_as_one(stage: Stage) -> None:
    async with stage.host(app) as host:
        await host.run("greet", "World", "i1")
        status = await host.client.get_status("i1", show_history=True)
        _, body = await host.http("GET", "/instances/i1?showHistory=true")
    assert status.history is not None
    for history in (status.history, body["historyEvents"]):
        assert [entry["EventType"] for entry in history] == [
            "ExecutionStarted",
            "TaskCompleted",
            "ExecutionCompleted",
        ]
        started, answered, completed = history
        assert (started["FunctionName"], answered["FunctionName"]) == ("greet", "hello")
        assert completed["OrchestrationStatus"] == "Completed"
        scheduled = datetime.fromisoformat(answered["ScheduledTime"])
        assert scheduled <= datetime.fromisoformat(answered["Timestamp"])
        assert not any("Result" in entry for entry in history)


@conforms("dtfx-8.7-17")
async def test_a_history_shows_results_when_it_is_asked_for_them(stage: Stage) -> None:
    async with stage.host(app) as host:
        await host.run("greet", "World", "i1")
        status = await host.client.get_status("i1", show_history=True, show_history_output=True)
        query = "showHistory=true&showHistoryOutput=true"
        _, body = await host.http("GET", f"/instances/i1?{query}")
    assert status.history is not None
    for history in (status.history, body["historyEvents"]):
        started, answered, completed = history
        assert started["Input"] == '"World"'
        assert answered["Result"] == completed["Result"] == "Hello, World!"


@conforms("dtfx-8.7-18", "dtfx-8.7-20")
async def test_an_id_is_the_same_on_every_replay(stage: Stage) -> None:
    remembered.clear()
    async with stage.host(app) as host:
        assert (await host.run("remembers", None, "i1")).output == [True, True, True]
    if stage.where == "cold":
        assert len(remembered["i1"]) > 1  # it was replayed
    assert len(set(remembered["i1"])) == 1


@conforms("dtfx-8.7-19")
async def test_ids_are_never_the_same_twice(stage: Stage) -> None:
    async with stage.host(app) as host:
        assert (await host.run("many_ids", 10_000)).output == 10_000


@conforms("dtfx-8.7-21")
async def test_a_custom_status_may_be_an_object(stage: Stage) -> None:
    shown = {"nextActions": ["A", "B", "C"], "foo": 2}
    async with stage.host(app) as host:
        status = await host.run("shows", "World", "i1")
        _, body = await host.http("GET", "/instances/i1")
    assert outcome(status) == ("Completed", "Hello, World!")
    assert status.custom_status == body["customStatus"] == shown
    row = await stage.row("i1")
    assert row is not None
    assert row.custom_status is not None
    assert json.loads(row.custom_status) == shown


@conforms("dtfx-8.7-33")
async def test_a_failed_orchestrator_that_was_mended_goes_on_when_rewound(stage: Stage) -> None:
    mended.clear()
    async with stage.host(app) as host:
        status = await host.run("fragile", "Catherine", "i1")
        assert outcome(status)[0] == "Failed"
        assert "Simulating Orchestration failure..." in status.output
        mended.add("i1")
        await host.client.rewind("i1", "rewind!")
        status = await host.status_is("i1", "Completed")
    assert outcome(status) == ("Completed", "Hello, Catherine!")


@conforms("dtfx-8.7-38")
async def test_a_hundred_waiting_instances_end_soon_after_their_timers(stage: Stage) -> None:
    many, seconds = (20, 1) if stage.where == "azurite" else (100, 10)
    async with stage.host(app) as host:
        began = stage.clock.monotonic()
        ids = [await host.client.start_new("waits_a_while", f"i{n}", seconds) for n in range(many)]
        for instance_id in ids:
            assert outcome(await host.status_at_end(instance_id)) == ("Completed", True)
        assert stage.clock.monotonic() - began < 18 * seconds
