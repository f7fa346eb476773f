"""8.7, rows 105, 108 to 111, 121 and 122: purging, restarting, and ids that are taken."""

from __future__ import annotations

from collections.abc import Generator
from datetime import timedelta
from typing import Any

import pytest

import durable as df
from tests.conformance.conformance import conforms
from tests.conformance.stage import Host, Stage, outcome

Steps = Generator[Any, Any, Any]

app = df.DFApp()
LARGE = "x" * 120_000
COMPLETED, TERMINATED, FAILED = (
    df.OrchestrationRuntimeStatus.Completed,
    df.OrchestrationRuntimeStatus.Terminated,
    df.OrchestrationRuntimeStatus.Failed,
)


@app.orchestration_trigger(context_name="context")
def echo(context: df.DurableOrchestrationContext) -> Steps:
    return (yield context.call_activity("same", context.get_input()))


@app.orchestration_trigger(context_name="context")
def waits(context: df.DurableOrchestrationContext) -> Steps:
    return (yield context.wait_for_external_event("go"))


@app.orchestration_trigger(context_name="context")
def fails(context: df.DurableOrchestrationContext) -> None:
    raise ValueError(context.get_input())


@app.activity_trigger(input_name="value")
async def same(value: object) -> object:
    return value


async def waiting(host: Host, instance_id: str, value: object = None) -> None:
    """Start an instance that waits for an event."""
    await host.client.start_new("waits", instance_id, value)
    await host.status_is(instance_id, "Running")


@conforms("dtfx-8.7-105")
async def test_purging_one_instance_leaves_nothing_of_it(stage: Stage) -> None:
    async with stage.host(app) as host:
        for instance_id in ("i1", "i2"):
            assert (await host.run("echo", LARGE, instance_id)).output == LARGE
        await stage.at_rest()
        assert await stage.blobs("i1/")
        assert (await host.client.purge_instance_history("i1")).instances_deleted == 1
        assert not await host.client.get_status("i1")
        assert await stage.gone("i1")
        response, body = await host.http("DELETE", "/instances/i2")
        assert (response.status, body) == (200, {"instancesDeleted": 1})
        assert await stage.gone("i2")
        assert await stage.blobs() == []


@conforms("dtfx-8.7-108")
async def test_purging_all_of_a_period(stage: Stage) -> None:
    async with stage.host(app) as host:
        began = stage.clock.now()
        await host.run("echo", LARGE, "done")
        await host.run("fails", LARGE, "failed")
        await waiting(host, "ended", LARGE)
        await host.client.terminate("ended", "over")
        await host.status_at_end("ended")
        await stage.at_rest()
        assert await stage.blobs()
        result = await host.client.purge_instance_history_by(
            began, stage.clock.now(), [COMPLETED, TERMINATED, FAILED]
        )
        assert result.instances_deleted == 3
        for instance_id in ("done", "failed", "ended"):
            assert not await host.client.get_status(instance_id)
            assert await stage.gone(instance_id)
        assert await stage.blobs() == []


@conforms("dtfx-8.7-109")
async def test_purging_what_began_before_a_time(stage: Stage) -> None:
    async with stage.host(app) as host:
        began = stage.clock.now()
        await host.run("echo", LARGE, "first")
        between = stage.clock.now()
        await stage.clock.sleep(0.1)
        for instance_id in ("second", "third"):
            await host.run("echo", LARGE, instance_id)
        await stage.at_rest()
        result = await host.client.purge_instance_history_by(began, between, [COMPLETED])
        assert result.instances_deleted == 1
        assert await stage.gone("first")
        for instance_id in ("second", "third"):
            assert outcome(await host.client.get_status(instance_id)) == ("Completed", LARGE)
        later = await host.client.purge_instance_history_by(
            between + timedelta(milliseconds=1), runtime_status=[COMPLETED]
        )
        assert later.instances_deleted == 2


@conforms("dtfx-8.7-110")
async def test_restarting_an_instance(stage: Stage) -> None:
    async with stage.host(app) as host:
        await host.run("echo", "World", "i1")
        first = await stage.row("i1")
        fresh = await host.client.restart("i1")
        assert fresh != "i1"
        assert await host.client.restart("i1", restart_with_new_instance_id=False) == "i1"
        for instance_id in (fresh, "i1"):
            status = await host.status_at_end(instance_id)
            assert (status.name, status.input_, status.output) == ("echo", "World", "World")
        again = await stage.row("i1")
        assert first is not None
        assert again is not None
        assert again.execution_id != first.execution_id


@conforms("dtfx-8.7-111")
async def test_restarting_what_there_is_not(stage: Stage) -> None:
    async with stage.host(app) as host:
        for fresh in (True, False):
            with pytest.raises(
                df.InstanceNotFound, match=r"^No instance with ID 'nobody' found\.$"
            ):
                await host.client.restart("nobody", fresh)
        response, body = await host.http("POST", "/instances/nobody/restart")
    assert response.status == 400
    assert body["Message"] == "InstanceId does not match a valid orchestration instance."


@conforms("dtfx-8.7-121")
async def test_the_id_of_a_running_instance_is_taken(stage: Stage) -> None:
    async with stage.host(app) as host:
        await waiting(host, "i1", 1)
        said = "An Orchestration instance with the status Running already exists."
        with pytest.raises(df.InstanceExists, match=f"^{said}$"):
            await host.client.start_new("waits", "i1", 2)
        response, body = await host.http("POST", "/orchestrators/waits/i1", 3)
        assert response.status == 409
        assert said in body["Message"]
        assert outcome(await host.client.get_status("i1"))[0] == "Running"
        await host.client.raise_event("i1", "go", "on")
        status = await host.status_at_end("i1")
        # Nothing became of the others; the id is free again.
        assert (status.input_, status.output) == (1, "on")
        await waiting(host, "i1", 4)
        assert (await host.client.get_status("i1")).input_ == 4


@conforms("dtfx-8.7-122")
async def test_any_state_may_be_overwritten_where_that_is_set(stage: Stage) -> None:
    async with stage.host(app, overridableExistingInstanceStates="AnyState") as host:
        await waiting(host, "i1", 1)
        await host.client.start_new("echo", "i1", 2)
        status = await host.status_at_end("i1")
        assert (status.name, status.output) == ("echo", 2)
        await stage.at_rest()
        assert outcome(await host.client.get_status("i1")) == ("Completed", 2)
