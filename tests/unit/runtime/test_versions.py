"""Versions: which process runs an instance, what becomes of it elsewhere; the limit of actions."""

from __future__ import annotations

from collections.abc import Generator
from datetime import timedelta
from typing import Any

import pytest

from durable.hub.raising import terminate
from durable.hub.starting import StartRequest, start_instance
from durable.model.events import (
    EventRaised,
    ExecutionCompleted,
    ExecutionStarted,
    ExecutionTerminated,
    SubOrchestrationCreated,
)
from durable.model.messages import Cause
from durable.model.status import RuntimeStatus
from durable.model.versions import VersionFailure, VersionMatch, VersionPolicy
from durable.runtime.settings import EngineSettings
from tests.conformance.conformance import covers
from tests.hub_lab import Actor, Lab, in_virtual_time

Steps = Generator[Any, Any, Any]
TEXT = "Orchestration version did not comply with Worker Versioning"


def versioned(context: Any) -> Steps:
    event = yield context.wait_for_external_event("E")
    return [context.version, event]


def parent(context: Any) -> Steps:
    stamped = yield context.call_sub_orchestrator("child", context.get_input())
    named = yield context.call_sub_orchestrator("child", None, version="0.1")
    none = yield context.call_sub_orchestrator("child", None, version="")
    return [context.version, stamped, named, none]


def child(context: Any) -> Any:
    return [context.version, context.parent_instance_id, context.instance_id]


def around(context: Any) -> Any:
    return context.parent_instance_id


def again(context: Any) -> Any:
    if context.get_input() == 1:
        context.continue_as_new(2)
        return None
    return context.version


def busy(context: Any) -> Steps:
    while True:
        context.set_custom_status("busy")
        yield context.call_activity("greet", 1)


async def process(lab: Lab, **policy: Any) -> Actor:
    """Another process, with a version policy of its own."""
    lab.engine_settings = EngineSettings(versions=VersionPolicy(**policy))
    return await lab.actor()


async def begin(lab: Lab, name: str = "versioned", version: str | None = "2.0") -> None:
    await lab.hub.ensure()
    await start_instance(lab.hub, StartRequest(name=name, instance_id="i1", version=version))


async def deliver_for(actor: Actor, seconds: float) -> None:
    end = actor.lab.clock.monotonic() + seconds
    while actor.lab.clock.monotonic() < end:
        await actor.deliver()
        await actor.lab.clock.sleep(1.0)


# Reject.


@pytest.mark.parametrize(
    ("match", "own"),
    [
        (VersionMatch.STRICT, "1.0"),
        (VersionMatch.CURRENT_OR_OLDER, "1.0"),
        (VersionMatch.CURRENT_OR_OLDER, ""),
    ],
)
@in_virtual_time
async def test_an_instance_of_another_version_is_left_alone(match: VersionMatch, own: str) -> None:
    lab = Lab(versioned)
    old = await process(lab, version=own, match=match)
    await begin(lab)
    await deliver_for(old, 1000)
    assert (await lab.row()).status is RuntimeStatus.PENDING
    assert await lab.events() == []
    [(waiting, visible)] = await lab.queued()
    assert isinstance(waiting.event, ExecutionStarted)
    assert waiting.extras.cause is Cause.VERSION
    assert lab.in_seconds(visible) <= 60
    assert await lab.quarantined() == []


@in_virtual_time
async def test_a_process_of_that_version_runs_it_and_every_event_that_came_meanwhile() -> None:
    lab = Lab(versioned)
    old = await process(lab, version="1.0")
    await begin(lab)
    await deliver_for(old, 600)
    await lab.raise_event("E", "early")
    await deliver_for(old, 600)
    new = await process(lab, version="2.0")
    await new.drain()
    assert await lab.output() == ["2.0", "early"]
    assert sum(isinstance(event, EventRaised) for event in await lab.events()) == 1


@in_virtual_time
async def test_a_running_instance_is_left_alone_as_well() -> None:
    lab = Lab(versioned)
    new = await process(lab, version="2.0")
    await begin(lab)
    await new.deliver()
    before = await lab.events()
    old = await process(lab, version="1.0")
    await lab.raise_event("E", 1)
    await deliver_for(old, 400)
    assert await lab.events() == before
    assert (await lab.row()).status is RuntimeStatus.RUNNING
    await new.drain()
    assert await lab.output() == ["2.0", 1]


@in_virtual_time
async def test_older_instances_and_those_without_a_version_run() -> None:
    for version in (None, "", "1.9", "2.0"):
        lab = Lab(versioned)
        actor = await process(lab, version="2.0")
        await begin(lab, version=version)
        await lab.raise_event("E", 1)
        await actor.drain()
        assert await lab.output() == [version or "", 1]


@in_virtual_time
async def test_without_a_strategy_any_version_runs() -> None:
    lab = Lab(versioned)
    actor = await process(lab, version="1.0", match=VersionMatch.NONE)
    await begin(lab, version="3.0")
    await lab.raise_event("E", 1)
    await actor.drain()
    assert await lab.output() == ["3.0", 1]


@in_virtual_time
async def test_a_terminated_instance_needs_no_process_of_its_version() -> None:
    """Pending or running: whoever gets the message ends it, and none of its code runs."""
    for is_running in (False, True):
        lab = Lab(versioned)
        new = await process(lab, version="2.0")
        await begin(lab)
        if is_running:
            await new.deliver()
        old = await process(lab, version="1.0")
        await terminate(lab.hub, "i1", "enough")
        await old.drain()
        row = await lab.row()
        assert (row.status, row.output) == (RuntimeStatus.TERMINATED, "enough")
        assert any(isinstance(event, ExecutionTerminated) for event in await lab.events())


@in_virtual_time
async def test_r9_the_sweeper_puts_no_start_again_that_its_process_leaves_alone() -> None:
    lab = Lab(versioned)
    old = await process(lab, version="1.0")
    await begin(lab)
    for _ in range(10):
        await deliver_for(old, 100)
        await old.sweep()
    assert len(await lab.queued()) == 1
    lab.account._queues._state.queues[lab.queue].clear()
    await old.sweep()
    assert await lab.empty()
    new = await process(lab, version="2.0")
    await new.sweep()
    await new.deliver()
    assert (await lab.row()).status is RuntimeStatus.RUNNING


@in_virtual_time
async def test_r9_a_look_leaves_a_running_instance_of_another_version_alone() -> None:
    lab = Lab(versioned)
    new = await process(lab, version="2.0")
    await begin(lab)
    await new.deliver()
    before = await lab.events()
    await lab.merge_row(RuntimeStatus="Pending")
    old = await process(lab, version="1.0", failure=VersionFailure.FAIL)
    await lab.clock.sleep(100)
    await old.sweep()
    assert await lab.events() == before
    assert (await lab.row()).status is RuntimeStatus.RUNNING  # the row is mended all the same


@in_virtual_time
async def test_a_duplicate_for_an_instance_of_another_version_goes() -> None:
    lab = Lab(versioned)
    new = await process(lab, version="2.0")
    await begin(lab)
    await lab.put(lab.raised("X", 1, identity="same"))
    await new.drain()
    old = await process(lab, version="1.0")
    await lab.put(lab.raised("X", 1, identity="same"))
    await old.deliver()
    assert await lab.empty()


# Fail.


@pytest.mark.parametrize("match", [VersionMatch.STRICT, VersionMatch.CURRENT_OR_OLDER])
@in_virtual_time
async def test_an_instance_of_another_version_fails_at_once_where_it_has_to(
    match: VersionMatch,
) -> None:
    lab = Lab(versioned)
    old = await process(lab, version="1", match=match, failure=VersionFailure.FAIL)
    await begin(lab, version="2")
    began = lab.clock.monotonic()
    await old.drain()
    assert lab.clock.monotonic() - began < 2
    assert (await lab.row()).status is RuntimeStatus.FAILED
    assert str(await lab.output()).startswith(f"VersionMismatch: {TEXT}: instance 'i1'")
    [ended] = [e for e in await lab.events() if isinstance(e, ExecutionCompleted)]
    assert ended.failure is not None
    assert (ended.failure.error_type, ended.failure.is_non_retriable) == ("VersionMismatch", True)
    assert "'2'" in ended.failure.message
    assert f"defaultVersion '1' and versionMatchStrategy {match} (host.json)" in (
        ended.failure.message
    )


@in_virtual_time
async def test_a_running_instance_fails_when_a_message_reaches_the_wrong_process() -> None:
    lab = Lab(versioned)
    new = await process(lab, version="2.0")
    await begin(lab)
    await new.deliver()
    old = await process(lab, version="1.0", failure=VersionFailure.FAIL)
    await lab.raise_event("E", 1)
    await old.drain()
    assert (await lab.row()).status is RuntimeStatus.FAILED


@in_virtual_time
async def test_a_child_of_another_version_fails_its_parent_without_retries() -> None:
    def calls(context: Any) -> Steps:
        return (yield context.call_sub_orchestrator("child", None, "c1", "9"))

    lab = Lab(calls, child)
    actor = await process(lab, version="1.0", failure=VersionFailure.FAIL)
    await begin(lab, "calls", "1.0")
    await actor.drain()
    assert (await lab.row()).status is RuntimeStatus.FAILED
    assert f"Orchestrator function 'child' failed: VersionMismatch: {TEXT}" in str(
        await lab.output()
    )


# Stamps.


@in_virtual_time
async def test_children_get_the_version_of_the_process_not_of_their_parent() -> None:
    lab = Lab(parent, child)
    actor = await process(lab, version="2.0")
    await begin(lab, "parent", "1.0")
    await actor.drain()
    created = [e for e in await lab.events() if isinstance(e, SubOrchestrationCreated)]
    assert [event.version for event in created] == ["2.0", "0.1", ""]
    version, stamped, named, none = await lab.output()
    assert (version, stamped[0], named[0], none[0]) == ("1.0", "2.0", "0.1", "")
    assert {each[1] for each in (stamped, named, none)} == {"i1"}
    assert (await lab.row(stamped[2])).version == "2.0"


@in_virtual_time
async def test_only_a_child_has_a_parent() -> None:
    lab = Lab(around)
    actor = await lab.actor()
    await lab.start("around")
    await actor.drain()
    assert await lab.output() is None
    assert (await lab.row()).status is RuntimeStatus.COMPLETED


@in_virtual_time
async def test_an_instance_keeps_its_version_through_continue_as_new() -> None:
    lab = Lab(again)
    actor = await process(lab, version="2.0")
    await lab.hub.ensure()
    await start_instance(
        lab.hub, StartRequest(name="again", instance_id="i1", input="1", version="1.0")
    )
    await actor.drain()
    assert await lab.output() == "1.0"


# Scheduled starts and tags.


@pytest.mark.parametrize("days", [0.001, 3, 20])
@in_virtual_time
async def test_a_scheduled_instance_waits_for_its_time_however_far(days: float) -> None:
    lab = Lab(around)
    actor = await lab.actor()
    due = lab.clock.now() + timedelta(days=days)
    request = StartRequest(name="around", instance_id="i1", scheduled_start_time=due)
    await start_instance(lab.hub, request)
    assert (await lab.row()).scheduled_start_time == due
    while await actor.deliver() == 0 or not await lab.empty():
        assert (await lab.row()).status is RuntimeStatus.PENDING
        assert lab.clock.now() < due + timedelta(seconds=2)
        await lab.clock.sleep(min(3600.0, max(0.5, lab.in_seconds(due))))
    row = await lab.row()
    assert row.status is RuntimeStatus.COMPLETED
    assert row.completed_time is not None
    assert timedelta(0) <= row.completed_time - due < timedelta(seconds=2)
    assert row.scheduled_start_time == due


@in_virtual_time
async def test_a_time_that_has_passed_starts_at_once() -> None:
    lab = Lab(around)
    actor = await lab.actor()
    due = lab.clock.now() - timedelta(days=1)
    request = StartRequest(name="around", instance_id="i1", scheduled_start_time=due)
    await start_instance(lab.hub, request)
    assert await actor.deliver() == 1
    assert (await lab.row()).status is RuntimeStatus.COMPLETED


@covers("dtfx-8.6-42")
@in_virtual_time
async def test_tags_reach_children_activities_and_every_row() -> None:
    def calls(context: Any) -> Steps:
        yield context.call_activity("greet", 1)
        return (yield context.call_sub_orchestrator("child", None, "c1"))

    lab = Lab(calls, child)
    actor = await lab.actor()
    tags = {"team": "été", "k": "x" * 30_000}
    await start_instance(lab.hub, StartRequest(name="calls", instance_id="i1", tags=tags))
    assert (await lab.row()).tags == tags
    await actor.deliver()
    [(work, _)] = await lab.queued(lab.hub.names.work_items)
    assert work.context_tags == tags
    await actor.drain()
    for instance_id in ("i1", "c1"):
        row = await lab.row(instance_id)
        assert (row.status, row.tags) == (RuntimeStatus.COMPLETED, tags)


# The limit of actions.


@in_virtual_time
async def test_an_orchestrator_that_asks_for_too_much_fails_and_keeps_its_custom_status() -> None:
    lab = Lab(busy, settings=EngineSettings(max_actions=7))
    actor = await lab.actor()
    await lab.start("busy")
    await actor.drain()
    row = await lab.row()
    assert (row.status, row.custom_status) == (RuntimeStatus.FAILED, '"busy"')
    assert lab.counts["greet:1"] == 7
    text = (
        "Maximum amount of orchestration actions (7) has been reached. This value can be "
        "configured in host.json file as MaxOrchestrationActions."
    )
    [ended] = [e for e in await lab.events() if isinstance(e, ExecutionCompleted)]
    assert ended.result == text
    assert str(await lab.output()).endswith(text)
