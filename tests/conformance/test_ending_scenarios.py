"""8.1, rows 34 to 37: terminate, suspend, resume."""

from __future__ import annotations

from collections.abc import Generator
from datetime import timedelta
from typing import Any

import durable as df
from durable.model.events import EventRaised
from tests.conformance.conformance import conforms
from tests.conformance.stage import Stage, outcome

Steps = Generator[Any, Any, Any]

app = df.DFApp()
begun: list[str] = []


@app.orchestration_trigger(context_name="context")
def waits(context: df.DurableOrchestrationContext) -> Steps:
    begun.append(context.instance_id)
    changed = yield context.wait_for_external_event("changeStatusNow")
    context.set_custom_status(changed)
    return changed


@conforms("dtfx-8.1-34", "dtfx-8.7-31")
async def test_terminate(stage: Stage) -> None:
    async with stage.host(app) as host:
        await host.client.start_new("waits", "i1")
        await host.status_is("i1", "Running")
        await host.client.terminate("i1", "sayōnara")
        status = await host.status_at_end("i1")
    assert outcome(status) == ("Terminated", "sayōnara")


@conforms("dtfx-8.1-35", "dtfx-8.7-32")
async def test_suspend_holds_events_and_resume_hands_them_on(stage: Stage) -> None:
    async with stage.host(app) as host:
        await host.client.start_new("waits", "i1")
        await host.status_is("i1", "Running")
        await host.client.suspend("i1", "sleepyōnara")
        status = await host.status_is("i1", "Suspended")
        assert status.output == "sleepyōnara"
        await host.client.raise_event("i1", "changeStatusNow", "changed")

        async def arrived() -> bool:
            return any(isinstance(event, EventRaised) for event in await stage.events("i1"))

        await stage.until(arrived)
        status = await host.client.get_status("i1")
        assert (outcome(status)[0], status.custom_status) == ("Suspended", None)
        await host.client.resume("i1", "wakeyōnara")
        status = await host.status_at_end("i1")
    assert (outcome(status)[0], status.custom_status) == ("Completed", "changed")


@conforms("dtfx-8.1-36")
async def test_terminate_wins_over_suspend(stage: Stage) -> None:
    async with stage.host(app) as host:
        await host.client.start_new("waits", "i1")
        await host.status_is("i1", "Running")
        await host.client.suspend("i1", "suspend")
        await host.status_is("i1", "Suspended")
        await host.client.terminate("i1", "terminate")
        status = await host.status_at_end("i1")
    assert outcome(status) == ("Terminated", "terminate")


@conforms("dtfx-8.1-37")
async def test_terminate_before_a_scheduled_start(stage: Stage) -> None:
    begun.clear()
    async with stage.host(app) as host:
        for instance_id, reason in (("i1", "terminate"), ("i2", "x" * 70_000)):
            due = stage.clock.now() + 6 * stage.short
            await host.client.start_new("waits", instance_id, scheduled_start_time=due)
            await host.client.terminate(instance_id, reason)
            status = await host.status_at_end(instance_id)
            assert stage.clock.now() < due
            assert outcome(status) == ("Terminated", reason)
        # W5: the start's own message, when its time has come, changes nothing.
        await stage.at_rest()
        if stage.where != "azurite":
            await stage.clock.sleep(60 + 6 * stage.short / timedelta(seconds=1))
        for instance_id in ("i1", "i2"):
            status = await host.client.get_status(instance_id)
            assert status.runtime_status is df.OrchestrationRuntimeStatus.Terminated
    assert begun == []
