"""8.1, rows 45 to 49: timers, and many instances at once."""

from __future__ import annotations

from collections.abc import Generator
from datetime import timedelta, timezone
from typing import Any

import durable as df
from durable.model.events import TimerFired
from tests.conformance.conformance import conforms
from tests.conformance.stage import Stage

Steps = Generator[Any, Any, Any]

app = df.DFApp()


@app.orchestration_trigger(context_name="context")
def approval(context: df.DurableOrchestrationContext) -> Steps:
    due = context.current_utc_datetime + timedelta(seconds=context.get_input())
    timer = context.create_timer(due)
    approved = context.wait_for_external_event("approval")
    winner = yield context.task_any([timer, approved])
    if winner == approved:
        timer.cancel()
        return "Approved" if approved.result else "Rejected"
    return "Expired"


@app.orchestration_trigger(context_name="context")
def delay(context: df.DurableOrchestrationContext) -> Steps:
    seconds, offset = context.get_input()
    due = context.current_utc_datetime + timedelta(seconds=seconds)
    if offset is not None:
        due = due.astimezone(timezone(timedelta(hours=offset)))
    began = context.current_utc_datetime
    yield context.create_timer(due)
    return (context.current_utc_datetime - began).total_seconds()


@conforms("dtfx-8.1-45", "dtfx-8.7-34")
async def test_an_event_beats_a_timer(stage: Stage) -> None:
    async with stage.host(app) as host:
        await host.client.start_new("approval", "i1", stage.long.total_seconds())
        await host.status_is("i1", "Running")
        await host.client.raise_event("i1", "approval", True)
        status = await host.status_at_end("i1")
        assert not any(isinstance(event, TimerFired) for event in await stage.events("i1"))
    assert status.output == "Approved"


@conforms("dtfx-8.1-46", "dtfx-8.7-35")
async def test_a_timer_fires_when_no_event_comes(stage: Stage) -> None:
    async with stage.host(app) as host:
        status = await host.run("approval", stage.short.total_seconds())
    assert status.output == "Expired"


@conforms("dtfx-8.1-47")
async def test_fire_times_of_any_time_zone(stage: Stage) -> None:
    seconds = stage.short.total_seconds()
    async with stage.host(app) as host:
        for offset in (None, 0, -7, 5.5):
            status = await host.run("delay", [seconds, offset])
            assert seconds <= status.output <= seconds + 10


@conforms("dtfx-8.1-49")
async def test_waiting_instances_do_not_wait_for_each_other(stage: Stage) -> None:
    seconds = stage.short.total_seconds()
    async with stage.host(app) as host:
        began = stage.clock.monotonic()
        ids = [await host.client.start_new("delay", f"i{n}", [seconds, None]) for n in range(10)]
        for instance_id in ids:
            assert (await host.status_at_end(instance_id)).output >= seconds
        assert stage.clock.monotonic() - began < 6 * seconds
