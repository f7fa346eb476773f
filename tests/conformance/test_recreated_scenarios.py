"""8.1, rows 48, 59, 63 and 69 to 78: ids used again, tags, idle sessions, scheduled starts."""

from __future__ import annotations

from collections.abc import Generator
from datetime import UTC, timedelta, timezone
from typing import Any

import pytest

import durable as df
from durable.model.events import ExecutionStarted
from tests.conformance.conformance import conforms
from tests.conformance.stage import Stage, outcome

Steps = Generator[Any, Any, Any]

app = df.DFApp()


@app.orchestration_trigger(context_name="context")
def greet(context: df.DurableOrchestrationContext) -> Steps:
    name = context.get_input()
    if name is None:
        raise ValueError("name")
    return (yield context.call_activity("hello", name))


@app.orchestration_trigger(context_name="context")
def greet_inline(context: df.DurableOrchestrationContext) -> str:
    return f"Hello, {context.get_input()}!"


@app.orchestration_trigger(context_name="context")
def counter(context: df.DurableOrchestrationContext) -> Steps:
    value = context.get_input()
    while (yield context.wait_for_external_event("operation")) != "end":
        value += 1
    return value


@app.orchestration_trigger(context_name="context")
def fan_out_twice(context: df.DurableOrchestrationContext) -> Steps:
    names = ["Seattle", "Tokyo", "London"]
    first = yield context.task_all([context.call_activity("hello", name) for name in names])
    second = yield context.task_all([context.call_activity("hello", name) for name in names])
    return first + second


@app.activity_trigger(input_name="name")
async def hello(name: str) -> str:
    return f"Hello, {name}!"


@conforms("dtfx-8.1-48")
async def test_start_times_of_any_time_zone_are_kept_as_utc(stage: Stage) -> None:
    async with stage.host(app) as host:
        due = (stage.clock.now() + stage.short).replace(microsecond=0)
        zones = {"i1": UTC, "i2": timezone(timedelta(hours=-7)), "i3": None}
        for instance_id, zone in zones.items():
            # Without a zone it is UTC: an orchestration knows no local time.
            given = due.replace(tzinfo=None) if zone is None else due.astimezone(zone)
            await host.client.start_new(
                "greet_inline", instance_id, "x", scheduled_start_time=given
            )
            row = await stage.row(instance_id)
            assert row is not None
            assert row.scheduled_start_time == due


@conforms("dtfx-8.1-59")
async def test_tags_are_told_with_the_status(stage: Stage) -> None:
    tags = {"a": "1", "b": "zwei"}
    async with stage.host(app) as host:
        await host.client.start_new("greet", "i1", "World", tags=tags)
        status = await host.status_at_end("i1")
        row = await stage.row("i1")
        assert row is not None
        assert row.tags == tags
    assert outcome(status) == ("Completed", "Hello, World!")


@conforms("dtfx-8.1-63")
async def test_tags_that_no_checkpoint_could_hold_are_refused_at_the_start(stage: Stage) -> None:
    async with stage.host(app) as host:
        with pytest.raises(df.UsageError, match="tags"):
            await host.client.start_new("greet", "i1", "World", tags={"a": "x" * 64 * 1024})
        assert await stage.row("i1") is None
        await host.client.start_new("greet", "i1", "World", tags={"a": "x" * 20_000})
        assert outcome(await host.status_at_end("i1")) == ("Completed", "Hello, World!")


@conforms("dtfx-8.1-69")
async def test_a_completed_instance_can_be_started_again(stage: Stage) -> None:
    async with stage.host(app) as host:
        for name in ("World", "World2"):
            status = await host.run("greet", name, "i1")
            assert (status.input_, status.output) == (name, f"Hello, {name}!")
            await stage.at_rest()


@conforms("dtfx-8.1-70")
async def test_a_failed_instance_can_be_started_again(stage: Stage) -> None:
    async with stage.host(app) as host:
        status = await host.run("greet", None, "i1")
        assert outcome(status)[0] == "Failed"
        status = await host.run("greet", "NotNull", "i1")
        assert outcome(status) == ("Completed", "Hello, NotNull!")
        assert status.input_ == "NotNull"


@conforms("dtfx-8.1-71")
async def test_a_terminated_instance_can_be_started_again(stage: Stage) -> None:
    async with stage.host(app) as host:
        await host.client.start_new("counter", "i1", -1)
        await host.status_is("i1", "Running")
        await host.client.terminate("i1", "sayonara")
        assert outcome(await host.status_is("i1", "Terminated"))[1] == "sayonara"
        await host.client.start_new("counter", "i1", 0)
        status = await host.status_is("i1", "Running")
        assert (status.input_, status.output) == (0, None)


@conforms("dtfx-8.1-72")
async def test_a_running_instance_is_replaced_where_that_is_allowed(stage: Stage) -> None:
    async with stage.host(app, overridableExistingInstanceStates="AnyState") as host:
        await host.client.start_new("counter", "i1", -1)
        await host.status_is("i1", "Running")
        await host.client.start_new("counter", "i1", 99)
        status = await host.status_until("i1", lambda s: outcome(s)[0] == "Running")
        assert status.input_ == 99
        await host.client.raise_event("i1", "operation", "incr")
        await host.client.raise_event("i1", "operation", "end")
        assert outcome(await host.status_at_end("i1")) == ("Completed", 100)


@conforms("dtfx-8.1-73", on=("memory",))  # five minutes idle
async def test_an_instance_goes_on_when_its_session_was_given_up(stage: Stage) -> None:
    async with stage.host(app) as host:
        await host.client.start_new("counter", "i1", 0)
        await host.status_is("i1", "Running")
        await host.client.raise_event("i1", "operation", "incr")
        await stage.at_rest()
        assert len(host.engine.sessions) == 1
        await stage.clock.sleep(400)
        await host.run("greet", "World", "other")
        await host.client.raise_event("i1", "operation", "incr")
        await host.client.raise_event("i1", "operation", "end")
        assert outcome(await host.status_at_end("i1")) == ("Completed", 2)


@conforms("dtfx-8.1-74")
async def test_two_fan_outs_one_after_the_other(stage: Stage) -> None:
    async with stage.host(app) as host:
        status = await host.run("fan_out_twice")
    assert status.output == ["Hello, Seattle!", "Hello, Tokyo!", "Hello, London!"] * 2


@conforms("dtfx-8.1-76", "dtfx-8.1-77", "dtfx-8.6-89")
async def test_a_scheduled_start_begins_at_its_time(stage: Stage) -> None:
    async with stage.host(app) as host:
        for orchestrator in ("greet_inline", "greet"):
            due = stage.clock.now() + stage.short
            now, later = f"{orchestrator}-now", f"{orchestrator}-later"
            await host.client.start_new(orchestrator, later, "Later", scheduled_start_time=due)
            await host.client.start_new(orchestrator, now, "Now")
            for instance_id in (now, later):
                await host.status_at_end(instance_id)
            starts = {}
            for instance_id in (now, later):
                (started,) = [
                    event
                    for event in await stage.events(instance_id)
                    if isinstance(event, ExecutionStarted)
                ]
                first = (await stage.events(instance_id))[0]
                starts[instance_id] = (first.timestamp, started.scheduled_start_time)
            assert starts[later][0] >= due > starts[now][0]
            assert starts[now][1] is None
            assert starts[later][1] is not None


@conforms("dtfx-8.1-78")
async def test_the_status_shows_the_time_of_a_scheduled_start(stage: Stage) -> None:
    async with stage.host(app) as host:
        due = stage.clock.now() + stage.short
        await host.client.start_new("greet", "i1", "World", scheduled_start_time=due)
        status = await host.client.get_status("i1")
        assert outcome(status) == ("Pending", None)
        row = await stage.row("i1")
        assert row is not None
        assert row.scheduled_start_time is not None
        assert abs(row.scheduled_start_time - due) < timedelta(milliseconds=1)
        assert outcome(await host.status_at_end("i1")) == ("Completed", "Hello, World!")
