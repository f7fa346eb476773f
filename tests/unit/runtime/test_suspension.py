"""Suspend, resume and terminate through a whole engine (engine-semantics 3.6 and 3.7)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from datetime import timedelta
from typing import Any

import pytest

from durable.hub.raising import resume, suspend, terminate
from durable.hub.starting import StartRequest, start_instance
from durable.model.events import (
    EventRaised,
    ExecutionCompleted,
    ExecutionResumed,
    ExecutionSuspended,
    ExecutionTerminated,
    HistoryEvent,
)
from durable.model.status import RuntimeStatus
from tests.hub_lab import Actor, Crash, Lab, crash_at, in_virtual_time

Steps = Generator[Any, Any, Any]


def gathering(context: Any) -> Steps:
    """Three events, each greeted."""
    found = []
    for _ in range(3):
        name = yield context.wait_for_external_event("E")
        found.append((yield context.call_activity("greet", name)))
    return found


def greeting(context: Any) -> Steps:
    return (yield context.call_activity("greet", "you"))


def parent(context: Any) -> Steps:
    return (yield context.call_sub_orchestrator("gathering", None, "child"))


GREETED = ["Hello a!", "Hello b!", "Hello c!"]


async def running(lab: Lab) -> Actor:
    actor = await lab.actor()
    await lab.start("gathering")
    await actor.drain()
    return actor


async def hidden_start(lab: Lab) -> None:
    """A start whose message somebody else holds for a while."""
    await lab.start("greeting")
    (_,) = await lab.account.queues.get(lab.queue, count=1, lease_seconds=60)


async def kinds(lab: Lab, *wanted: type[HistoryEvent]) -> list[type[HistoryEvent]]:
    return [type(event) for event in await lab.events() if isinstance(event, wanted)]


@in_virtual_time
async def test_a_suspended_instance_shows_it_and_why_then_goes_on() -> None:
    lab = Lab(gathering)
    actor = await running(lab)
    await suspend(lab.hub, "i1", "pause it")
    await actor.drain()
    row = await lab.row()
    assert (row.status, row.output) == (RuntimeStatus.SUSPENDED, "pause it")
    await resume(lab.hub, "i1", "go on")
    await actor.drain()
    row = await lab.row()
    assert (row.status, row.output) == (RuntimeStatus.RUNNING, "go on")
    for name in "abc":
        await lab.raise_event("E", name)
        await actor.drain()
    assert (await lab.row()).status is RuntimeStatus.COMPLETED
    assert await lab.output() == GREETED


@pytest.mark.parametrize("fresh", [False, True], ids=["from-memory", "from-history"])
@in_virtual_time
async def test_events_are_kept_in_order_and_nothing_is_decided_while_it_stands(
    fresh: bool,
) -> None:
    lab = Lab(gathering)
    actor = await running(lab)
    await suspend(lab.hub, "i1", "wait")
    await actor.drain()
    for name in "abc":
        await lab.raise_event("E", name)
        await actor.drain()
    assert not lab.counts
    assert (await lab.row()).status is RuntimeStatus.SUSPENDED
    assert await kinds(lab, EventRaised) == [EventRaised] * 3
    if fresh:
        actor = await lab.actor()
    await resume(lab.hub, "i1", None)
    await actor.drain()
    assert await lab.output() == GREETED
    assert lab.counts == {"greet:a": 1, "greet:b": 1, "greet:c": 1}


@in_virtual_time
async def test_an_activity_s_result_waits_for_the_resume() -> None:
    lab = Lab(greeting)
    actor = await lab.actor()
    await lab.start("greeting")
    await actor.deliver()  # the activity is scheduled, not yet run
    await suspend(lab.hub, "i1", "wait")
    await actor.drain()
    assert lab.counts == {"greet:you": 1}
    assert (await lab.row()).status is RuntimeStatus.SUSPENDED
    await resume(lab.hub, "i1", "go on")
    await actor.drain()
    assert (await lab.row()).status is RuntimeStatus.COMPLETED
    assert await lab.output() == "Hello you!"


@in_virtual_time
async def test_a_pending_instance_is_suspended_before_it_schedules_anything() -> None:
    lab = Lab(greeting)
    actor = await lab.actor()
    await hidden_start(lab)
    await suspend(lab.hub, "i1", "not yet")
    await actor.drain()
    row = await lab.row()
    assert (row.status, row.output) == (RuntimeStatus.SUSPENDED, "not yet")
    assert not lab.counts
    await resume(lab.hub, "i1", "now")
    await actor.drain()
    assert await lab.output() == "Hello you!"


@in_virtual_time
async def test_suspend_and_resume_twice_count_once() -> None:
    lab = Lab(gathering)
    actor = await running(lab)
    for reason in ("one", "two"):
        await suspend(lab.hub, "i1", reason)
        await actor.drain()
    for reason in ("three", "four"):
        await resume(lab.hub, "i1", reason)
        await actor.drain()
    assert (await lab.row()).status is RuntimeStatus.RUNNING
    for name in "abc":
        await lab.raise_event("E", name)
    await actor.drain()
    assert sorted(await lab.output()) == GREETED


@in_virtual_time
async def test_terminate_ends_a_suspended_instance_with_its_reason() -> None:
    lab = Lab(gathering)
    actor = await running(lab)
    await suspend(lab.hub, "i1", "wait")
    await lab.raise_event("E", "a")
    await actor.drain()
    await terminate(lab.hub, "i1", "enough")
    await actor.drain()
    row = await lab.row()
    assert (row.status, row.output) == (RuntimeStatus.TERMINATED, "enough")
    assert not lab.counts
    before = await lab.events()
    await resume(lab.hub, "i1", "too late")
    await lab.raise_event("E", "b")
    await actor.drain()
    assert await lab.events() == before
    assert (await lab.row()).status is RuntimeStatus.TERMINATED


@in_virtual_time
async def test_terminate_without_a_reason_has_no_output() -> None:
    lab = Lab(gathering)
    actor = await running(lab)
    await terminate(lab.hub, "i1", None)
    await actor.drain()
    row = await lab.row()
    assert (row.status, row.output) == (RuntimeStatus.TERMINATED, None)


@in_virtual_time
async def test_terminate_before_the_first_turn_runs_nothing() -> None:
    """W5: the original later runs the start, and its activities."""
    lab = Lab(greeting)
    actor = await lab.actor()
    await hidden_start(lab)
    await terminate(lab.hub, "i1", "never")
    await actor.drain()
    row = await lab.row()
    assert (row.status, row.output) == (RuntimeStatus.TERMINATED, "never")
    assert not lab.counts


@in_virtual_time
async def test_a_scheduled_start_is_terminated_at_once_and_never_runs() -> None:
    """W5: in the original the start message later overwrites Terminated."""
    lab = Lab(greeting)
    actor = await lab.actor()
    due = lab.clock.now() + timedelta(minutes=10)
    request = StartRequest(name="greeting", instance_id="i1", scheduled_start_time=due)
    await start_instance(lab.hub, request)
    await terminate(lab.hub, "i1", "never")
    await actor.deliver()
    assert (await lab.row()).status is RuntimeStatus.TERMINATED
    await actor.drain()
    assert lab.clock.now() >= due
    assert (await lab.row()).output == "never"
    assert not lab.counts


@in_virtual_time
async def test_a_terminated_child_fails_its_parent_and_a_terminated_parent_leaves_it() -> None:
    lab = Lab(gathering, parent)
    actor = await lab.actor()
    await lab.start("parent")
    await actor.drain()
    await terminate(lab.hub, "child", "enough")
    await actor.drain()
    assert (await lab.row("child")).status is RuntimeStatus.TERMINATED
    assert (await lab.row()).status is RuntimeStatus.FAILED

    await lab.start("parent", instance_id="i2")
    await actor.drain()
    assert (await lab.row("child")).status is RuntimeStatus.RUNNING
    await terminate(lab.hub, "i2", "enough")
    await actor.drain()
    assert (await lab.row("i2")).status is RuntimeStatus.TERMINATED
    assert (await lab.row("child")).status is RuntimeStatus.RUNNING


STORY = (ExecutionSuspended, EventRaised, ExecutionResumed, ExecutionCompleted)


async def told(lab: Lab, actor: Actor, crash: int | None, *, before: bool) -> int:
    """Suspend, two events, resume, an event; `actor` dies at its call `crash`. Its calls."""
    if crash is not None:
        crash_at(actor, crash, before=before)
    first = len(actor.calls)
    steps: list[Callable[[], Awaitable[None]]] = [
        lambda: suspend(lab.hub, "i1", "wait"),
        lambda: lab.raise_event("E", "a"),
        lambda: lab.raise_event("E", "b"),
        lambda: resume(lab.hub, "i1", "go on"),
        lambda: lab.raise_event("E", "c"),
    ]
    current = actor
    for step in steps:
        await step()
        try:
            await current.drain()
        except Crash:
            current = await lab.actor()
            await current.drain()
    return len(actor.calls) - first


@pytest.mark.sweep
@pytest.mark.slow
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@in_virtual_time
async def test_a_crash_anywhere_while_suspended_loses_and_doubles_nothing(before: bool) -> None:
    lab = Lab(gathering)
    calls = await told(lab, await running(lab), None, before=before)
    assert calls > 20
    for number in range(calls):
        lab = Lab(gathering)
        await told(lab, await running(lab), number, before=before)
        assert await lab.output() == GREETED, number
        raised = await kinds(lab, *STORY)
        assert raised.count(EventRaised) == 3, number
        assert raised.count(ExecutionCompleted) == 1, number


@in_virtual_time
async def test_a_crash_in_the_turn_that_terminates_still_terminates_once() -> None:
    lab = Lab(gathering)
    actor = await running(lab)
    await terminate(lab.hub, "i1", "enough")
    probe = len(actor.calls)
    await actor.drain()
    calls = len(actor.calls) - probe
    assert calls >= 2
    for number in range(calls):
        lab = Lab(gathering)
        actor = await running(lab)
        await terminate(lab.hub, "i1", "enough")
        crash_at(actor, number, before=True)
        with pytest.raises(Crash):
            await actor.drain()
        await (await lab.actor()).drain()
        row = await lab.row()
        assert (row.status, row.output) == (RuntimeStatus.TERMINATED, "enough")
        found = await kinds(lab, ExecutionTerminated, ExecutionCompleted)
        assert found == [ExecutionTerminated, ExecutionCompleted]
