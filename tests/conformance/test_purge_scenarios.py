"""8.1, rows 13, 14 and 17 to 27: purging, and what is left of an instance."""

from __future__ import annotations

from collections.abc import Generator
from datetime import timedelta
from typing import Any

import durable as df
from tests.conformance.conformance import conforms
from tests.conformance.stage import Stage, outcome

Steps = Generator[Any, Any, Any]

app = df.DFApp()
LARGE = "€" * 70_000


@app.orchestration_trigger(context_name="context")
def echo(context: df.DurableOrchestrationContext) -> Steps:
    return (yield context.call_activity("same", context.get_input()))


@app.orchestration_trigger(context_name="context")
def fan_out(context: df.DurableOrchestrationContext) -> Steps:
    results = yield context.task_all(
        [context.call_activity("same", number) for number in range(context.get_input())]
    )
    return sum(results)


@app.activity_trigger(input_name="value")
async def same(value: object) -> object:
    return value


@conforms("dtfx-8.1-13", "dtfx-8.1-20")
async def test_a_purged_instance_is_gone_and_can_be_purged_again(stage: Stage) -> None:
    async with stage.host(app) as host:
        await host.run("fan_out", 3, "i1")
        await stage.at_rest()
        assert len(await stage.events("i1")) > 0
        assert (await host.client.purge_instance_history("i1")).instances_deleted == 1
        assert not await host.client.get_status("i1")
        assert await stage.gone("i1")
        assert (await host.client.purge_instance_history("i1")).instances_deleted == 0


@conforms("dtfx-8.1-14")
async def test_a_quote_in_the_id(stage: Stage) -> None:
    async with stage.host(app) as host:
        await host.run("echo", LARGE, "it's")
        await host.run("echo", LARGE, "it")
        await stage.at_rest()
        assert (await host.client.purge_instance_history("it's")).instances_deleted == 1
        assert await stage.gone("it's")
        assert outcome(await host.client.get_status("it")) == ("Completed", LARGE)


@conforms("dtfx-8.1-17", "dtfx-8.1-21")
async def test_payload_blobs_go_with_their_instance(stage: Stage) -> None:
    async with stage.host(app) as host:
        status = await host.run("echo", LARGE, "i1")
        assert status.output == LARGE
        await stage.at_rest()
        assert await stage.blobs("i1/")
        await host.client.purge_instance_history("i1")
        assert await stage.blobs() == []


@conforms("dtfx-8.1-18", "dtfx-8.1-19", "dtfx-8.1-23")
async def test_all_that_were_created_in_a_period(stage: Stage) -> None:
    fast = stage.where == "memory"
    async with stage.host(app, fastPath=fast) as host:
        began = stage.clock.now()
        for number in range(4):
            await host.run("fan_out", 3, f"i{number}")
        await host.run("echo", LARGE, "i4")
        await stage.at_rest()
        # One more than upstream: the input is kept in the TaskScheduled row as well (R12). In
        # place, the activity's call and its answer are no messages.
        assert len(await stage.blobs("i4/")) == (5 if fast else 7)
        result = await host.client.purge_instance_history_by(
            began, stage.clock.now(), [df.OrchestrationRuntimeStatus.Completed]
        )
        assert result.instances_deleted == 5
        for number in range(5):
            assert await stage.gone(f"i{number}")
        assert await host.client.get_status_all() == []


@conforms("dtfx-8.1-22", "dtfx-8.5-12")
async def test_a_history_of_many_batches(stage: Stage) -> None:
    async with stage.host(app) as host:
        assert (await host.run("fan_out", 60, "i1")).output == sum(range(60))
        await stage.at_rest()
        assert len(await stage.history_rows("i1")) > 100
        await host.client.purge_instance_history("i1")
        assert await stage.gone("i1")


@conforms("dtfx-8.1-24")
async def test_only_what_was_created_in_the_period(stage: Stage) -> None:
    async with stage.host(app) as host:
        began = stage.clock.now()
        await host.run("fan_out", 1, "before")
        between = stage.clock.now() + timedelta(milliseconds=50)
        await stage.clock.sleep(0.1)
        await host.run("fan_out", 1, "after")
        await stage.at_rest()
        result = await host.client.purge_instance_history_by(began, between)
        assert result.instances_deleted == 1
        assert await stage.gone("before")
        assert outcome(await host.client.get_status("after")) == ("Completed", 0)
