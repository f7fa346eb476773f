"""Versions, tags, scheduled starts and limits, from host.json and the client to the result."""

from __future__ import annotations

from collections.abc import Generator
from datetime import timedelta
from typing import Any

from durable.client import OrchestrationRuntimeStatus
from durable.model.status import InstanceRow, RuntimeStatus
from tests.functions_lab import FunctionsLab, FunctionsProcess, in_virtual_time

Steps = Generator[Any, Any, Any]


def family(context: Any) -> Steps:
    child = yield context.call_sub_orchestrator("told")
    return [context.version, context.parent_instance_id, child]


def told(context: Any) -> list[Any]:
    return [context.version, context.parent_instance_id]


def waits(context: Any) -> Steps:
    return (yield context.wait_for_external_event("E"))


def sequence(context: Any) -> Steps:
    context.set_custom_status("AllAPICallsUsed")
    for number in range(5):
        yield context.call_activity("same", number)


async def same(value: Any) -> Any:
    return value


async def completed(lab: FunctionsLab, instance_id: str) -> InstanceRow:
    """Its row once it has completed, whatever else is queued."""
    for _ in range(100):
        row = await lab.hub.instances.read(instance_id)
        if row is not None and row.status is RuntimeStatus.COMPLETED:
            return row
        await lab.clock.sleep(0.5)
    raise AssertionError(f"{instance_id} never completed")


def lab_of(**settings: object) -> FunctionsLab:
    lab = FunctionsLab(**settings)
    for each in (family, told, waits, sequence):
        lab.orchestrator(each)
    lab.activity(same)
    return lab


@in_virtual_time
async def test_the_apps_version_reaches_instances_and_their_children() -> None:
    lab = lab_of(defaultVersion="2.0")
    process = FunctionsProcess(lab)
    async with process.running():
        await process.start("family", "i1")
        row = await lab.ended("i1")
    assert (row.version, row.output) == ("2.0", '["2.0",null,["2.0","i1"]]')


@in_virtual_time
async def test_an_app_that_has_no_version_leaves_instances_that_have_one_alone() -> None:
    lab = lab_of()
    process = FunctionsProcess(lab)
    async with process.running():
        client = await process.client()
        await client.start_new("told", "newer", version="1.0")
        await client.start_new("told", "plain")
        assert (await completed(lab, "plain")).output == '["",null]'
        await lab.clock.sleep(600)
        row = await lab.hub.instances.read("newer")
    assert row is not None
    assert row.status is RuntimeStatus.PENDING


@in_virtual_time
async def test_an_app_that_has_to_fail_instances_of_another_version_does() -> None:
    lab = lab_of(defaultVersion="1", versionMatchStrategy="strict", versionFailureStrategy="fail")
    process = FunctionsProcess(lab)
    async with process.running():
        client = await process.client()
        await client.start_new("told", "i1", version="2")
        row = await lab.ended("i1")
    assert row.status is RuntimeStatus.FAILED
    assert (row.output or "").startswith(
        "VersionMismatch: Orchestration version did not comply with Worker Versioning"
    )


@in_virtual_time
async def test_an_orchestrator_that_asks_for_too_much_fails() -> None:
    lab = lab_of(maxOrchestrationActions=4)
    process = FunctionsProcess(lab)
    async with process.running():
        await process.start("sequence", "i1")
        row = await lab.ended("i1")
    assert (row.status, row.custom_status) == (RuntimeStatus.FAILED, '"AllAPICallsUsed"')
    assert (row.output or "").endswith(
        "Maximum amount of orchestration actions (4) has been reached. This value can be "
        "configured in host.json file as MaxOrchestrationActions."
    )


@in_virtual_time
async def test_a_start_may_replace_a_running_instance_where_host_json_says_so() -> None:
    lab = lab_of(overridableExistingInstanceStates="AnyState")
    process = FunctionsProcess(lab)
    async with process.running():
        await process.start("waits", "i1")
        client = await process.client()
        while (await client.get_status("i1")).runtime_status is not (
            OrchestrationRuntimeStatus.Running
        ):
            await lab.clock.sleep(0.5)
        await client.start_new("told", "i1")
        row = await lab.ended("i1")
    assert (row.name, row.output) == ("told", '["",null]')


@in_virtual_time
async def test_a_scheduled_instance_is_pending_until_its_time() -> None:
    lab = lab_of()
    process = FunctionsProcess(lab)
    async with process.running():
        client = await process.client()
        due = (lab.clock.now() + timedelta(minutes=10)).replace(tzinfo=None)
        await client.start_new("told", "later", scheduled_start_time=due, tags={"k": "v"})
        await client.start_new("told", "now")
        await completed(lab, "now")
        await lab.clock.sleep(500)
        pending = await client.get_status("later")
        assert pending.runtime_status is OrchestrationRuntimeStatus.Pending
        row = await lab.ended("later")
    assert row.completed_time is not None
    assert timedelta(0) <= row.completed_time.replace(tzinfo=None) - due < timedelta(seconds=3)
    assert (row.status, row.tags) == (RuntimeStatus.COMPLETED, {"k": "v"})
