"""Turns of one instance: memory (R4), lineage (R5), starts (R6), identities and leases (R7)."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from datetime import timedelta
from typing import Any

import pytest

from durable.client.core import Client
from durable.hub.purging import purge_instance
from durable.hub.raising import raise_event, terminate
from durable.hub.starting import StartRequest, start_instance, start_message
from durable.model.events import (
    EventRaised,
    ExecutionCompleted,
    ExecutionStarted,
    ExecutionTerminated,
    InstanceRef,
    OrchestratorCompleted,
    OrchestratorStarted,
    SubOrchestrationCreated,
    TaskCompleted,
    TaskScheduled,
)
from durable.model.ids import child_execution_id
from durable.model.messages import Extras
from durable.model.status import InstanceRow, RuntimeStatus
from durable.runtime.settings import EngineSettings
from tests.hub_lab import ACTIVITY_ID, LEASE_SECONDS, Actor, Crash, Lab, in_virtual_time, once

Steps = Generator[Any, Any, Any]
BATCH, QUERY = "Entity Group Transaction", "Query Entities"


def collect(context: Any) -> Steps:
    """Takes events until "end"; begins anew with "again", keeping what it has."""
    got = list(context.get_input() or [])
    while True:
        event = yield context.wait_for_external_event("E")
        if event == "end":
            return got
        if event == "work":
            got.append((yield context.call_activity("greet", len(got))))
            continue
        if event == "again":
            context.continue_as_new(got)
            return None
        got.append(event)


def parent(context: Any) -> Steps:
    return (yield context.call_sub_orchestrator("collect", [1], "child"))


def begin(lab: Lab, **options: Any) -> StartRequest:
    return StartRequest(name="collect", instance_id="i1", **options)


async def begun(lab: Lab) -> Actor:
    actor = await lab.actor()
    await lab.start("collect")
    await actor.deliver()
    return actor


async def lose_messages(lab: Lab) -> int:
    """Whatever is in the control queue is gone."""
    held = lab.account._queues._state.queues[lab.queue]
    lost = len(held)
    held.clear()
    return lost


def started(lab: Lab, execution_id: str, *, mark: bool, instance_id: str = "i1") -> Any:
    event = ExecutionStarted(
        timestamp=lab.clock.now(),
        instance=InstanceRef(instance_id=instance_id, execution_id=execution_id),
        name="collect",
        version="",
    )
    return lab.event(
        event, instance_id=instance_id, execution_id=execution_id, extras=Extras(mark=mark)
    )


def queries(actor: Actor, since: int) -> int:
    return sum(operation == QUERY for operation, _ in actor.calls[since:])


# R4: memory may commit, not refuse.


@in_virtual_time
async def test_r4_a_live_session_commits_without_a_read() -> None:
    lab = Lab(collect)
    actor = await begun(lab)
    calls = len(actor.calls)
    await lab.raise_event("E", 1)
    await actor.deliver()
    assert [operation for operation, _ in actor.calls[calls:]] == [BATCH, "Merge Entity"]


@in_virtual_time
async def test_r4_an_answer_that_memory_does_not_expect_is_looked_up_afresh() -> None:
    lab = Lab(collect)
    actor = await begun(lab)
    other = await lab.actor()
    await lab.raise_event("E", "work")
    await other.deliver()  # schedules the activity: `actor` knows nothing of it
    await other.deliver()  # runs it
    await actor.deliver()  # gets the answer
    answers = [e for e in await lab.events() if isinstance(e, TaskCompleted)]
    assert [a.result for a in answers] == ['"Hello 0!"']
    assert await lab.empty()


@in_virtual_time
async def test_r4_a_start_always_reads_storage() -> None:
    lab = Lab(collect)
    actor = await begun(lab)
    before = await lab.events()
    row = await lab.row()
    calls = len(actor.calls)
    await lab.put(started(lab, row.execution_id or "", mark=True))
    await actor.deliver()
    assert queries(actor, calls) == 1
    assert await lab.events() == before
    assert await lab.empty()


@in_virtual_time
async def test_r4_a_message_for_another_execution_than_the_remembered_one_is_looked_up() -> None:
    lab = Lab(collect)
    actor = await begun(lab)
    other = await lab.actor()
    await start_instance(lab.hub, begin(lab, override_running=True))
    await other.deliver()
    newer = (await lab.row()).execution_id
    event = EventRaised(timestamp=lab.clock.now(), name="E", input="5")
    await lab.put(lab.event(event, execution_id=newer))
    await actor.deliver()
    assert [e.input for e in await lab.events() if isinstance(e, EventRaised)] == ["5"]


@in_virtual_time
async def test_r4_nothing_there_is_never_remembered() -> None:
    lab = Lab(collect)
    actor = await lab.actor()
    await lab.put(lab.raised("E", 1))
    await actor.deliver()
    assert len(actor.engine.sessions) == 0
    await lab.start("collect")
    await actor.drain()
    assert [e.input for e in await lab.events() if isinstance(e, EventRaised)] == ["1"]


# R5: lineage.


@in_virtual_time
async def test_r5_a_start_that_names_the_first_execution_is_a_duplicate() -> None:
    lab = Lab(collect)
    actor = await begun(lab)
    first = (await lab.row()).execution_id or ""
    await lab.raise_event("E", "again")
    await actor.deliver()
    assert (await lab.row()).execution_id != first
    before = await lab.events()
    await lab.put(started(lab, first, mark=True))
    await actor.deliver()
    await (await lab.actor()).drain()
    assert await lab.events() == before


@pytest.mark.parametrize("live", [True, False])
@in_virtual_time
async def test_r5_a_newer_accepted_start_ends_the_old_execution(live: bool) -> None:
    lab = Lab(collect)
    actor = await begun(lab)
    await lab.raise_event("E", "work")
    await actor.deliver()
    before = await lab.events()
    newer = await start_instance(lab.hub, begin(lab, override_running=True))
    assert await lose_messages(lab) == 1  # its start message
    if not live:
        actor = await lab.actor()
    await actor.deliver()  # the activity, for the old execution
    await actor.deliver()  # its answer: memory may commit it (R4), a fresh look drops it
    assert (await lab.events() == before) is not live
    row = await lab.row()
    assert (row.execution_id, row.status) == (newer.execution_id, RuntimeStatus.PENDING)
    assert await lab.empty()
    await lab.raise_event("E", 7)
    await actor.deliver()
    events = await lab.events()
    assert [e.instance.execution_id for e in events if isinstance(e, ExecutionStarted)] == [
        newer.execution_id
    ]
    assert [e.input for e in events if isinstance(e, EventRaised)] == ["7"]


@in_virtual_time
async def test_what_is_raised_after_a_replacing_start_is_for_the_new_run_only() -> None:
    """The old run, live in memory, gets it first: memory may commit what is meant for it (R4)."""
    lab = Lab(collect)
    actor = await begun(lab)
    before = await lab.events()
    newer = await start_instance(lab.hub, begin(lab, override_running=True))
    assert await lose_messages(lab) == 1  # its start message
    await Client(lab.hub).raise_event("i1", "E", 7)
    await actor.deliver()
    events = await lab.events()
    assert events[: len(before)] != before
    assert [e.instance.execution_id for e in events if isinstance(e, ExecutionStarted)] == [
        newer.execution_id
    ]
    assert [e.input for e in events if isinstance(e, EventRaised)] == ["7"]


# R6: starts.


@pytest.mark.parametrize("has_row", [False, True])
@in_virtual_time
async def test_r6_a_marked_start_that_no_row_names_is_dropped(has_row: bool) -> None:
    lab = Lab(collect)
    actor = await (begun(lab) if has_row else lab.actor())
    before = await lab.events()
    await lab.put(started(lab, "e" * 32, mark=True))
    await actor.deliver()
    assert await lab.empty()
    assert await lab.events() == before
    assert await lab.quarantined() == []


@in_virtual_time
async def test_r6_an_unmarked_start_waits_for_its_row() -> None:
    lab = Lab(collect)
    actor = await lab.actor()
    await lab.put(started(lab, "e" * 32, mark=False))
    await actor.deliver()
    [(copy, visible)] = await lab.queued()
    assert copy.extras.since == lab.clock.now()
    assert 0 < lab.in_seconds(visible) <= 60
    await lab.hub.instances.insert(
        InstanceRow(
            instance_id="i1",
            execution_id="e" * 32,
            name="collect",
            created_time=lab.clock.now(),
            status=RuntimeStatus.PENDING,
        )
    )
    await actor.drain()
    assert (await lab.row()).status is RuntimeStatus.RUNNING


@in_virtual_time
async def test_r6_an_unmarked_start_without_a_row_ends_in_quarantine() -> None:
    lab = Lab(collect)
    actor = await lab.actor()
    begun_at = lab.clock.monotonic()
    await lab.put(started(lab, "e" * 32, mark=False))
    await actor.drain()
    [record] = await lab.quarantined()
    assert "no row of the Instances table names this start" in record["reason"]
    assert lab.clock.monotonic() - begun_at > LEASE_SECONDS
    assert await lab.events() == []


@pytest.mark.parametrize("message", ["event", "terminate"])
@in_virtual_time
async def test_r6_any_message_for_a_pending_row_starts_the_instance(message: str) -> None:
    lab = Lab(collect)
    actor = await lab.actor()
    row = await lab.start("collect", ["old"])
    assert await lose_messages(lab) == 1
    if message == "event":
        await lab.raise_event("E", "end")
    else:
        await terminate(lab.hub, "i1", "no more")
    await actor.deliver()
    after = await lab.row()
    assert after.execution_id == row.execution_id
    if message == "event":
        assert (after.status, await lab.output()) == (RuntimeStatus.COMPLETED, ["old"])
    else:
        assert (after.status, after.output) == (RuntimeStatus.TERMINATED, "no more")


@in_virtual_time
async def test_r6_an_answer_does_not_start_an_instance() -> None:
    lab = Lab(collect)
    actor = await lab.actor()
    await lab.start("collect")
    await lose_messages(lab)
    answer = TaskCompleted(timestamp=lab.clock.now(), task_id=0, result="1")
    await lab.put(lab.event(answer))
    await actor.deliver()
    assert await lab.events() == []
    assert len(await lab.queued()) == 1


@in_virtual_time
async def test_r6_a_scheduled_start_waits_and_so_do_its_events() -> None:
    lab = Lab(collect)
    actor = await lab.actor()
    due = lab.clock.now() + timedelta(hours=1)
    await start_instance(lab.hub, begin(lab, scheduled_start_time=due))
    await lab.raise_event("E", "end")
    await actor.deliver()
    assert await lab.events() == []
    assert [visible >= due for _, visible in await lab.queued()] == [True, True]
    [event] = [m for m, _ in await lab.queued() if isinstance(m.event, EventRaised)]
    assert (event.extras.identity or "").startswith("c:")
    await actor.drain(seconds=7200)
    assert await lab.output() == []
    assert lab.clock.now() >= due


@in_virtual_time
async def test_r6_a_start_message_that_comes_too_early_is_put_off() -> None:
    """The queue's longest delay is a week; a start may lie farther ahead."""
    lab = Lab(collect)
    actor = await lab.actor()
    due = lab.clock.now() + timedelta(days=20)
    row = await start_instance(lab.hub, begin(lab, scheduled_start_time=due))
    [(message, visible)] = await lab.queued()
    assert lab.in_seconds(visible) == 6 * 24 * 3600
    await lab.clock.sleep(6 * 24 * 3600 + 1)
    await actor.deliver()
    [(copy, visible)] = await lab.queued()
    assert copy.event == message.event
    assert visible > lab.clock.now() + timedelta(days=5)
    assert (await lab.row()).etag == row.etag
    assert await lab.events() == []


@in_virtual_time
async def test_r6_terminating_a_scheduled_instance_leaves_a_history_in_which_nothing_ran() -> None:
    lab = Lab(collect)
    actor = await lab.actor()
    due = lab.clock.now() + timedelta(hours=1)
    await start_instance(lab.hub, begin(lab, scheduled_start_time=due))
    await terminate(lab.hub, "i1", "never mind")
    await actor.deliver()
    expected = [
        OrchestratorStarted,
        ExecutionStarted,
        ExecutionTerminated,
        ExecutionCompleted,
        OrchestratorCompleted,
    ]
    assert [type(event) for event in await lab.events()] == expected
    row = await lab.row()
    assert (row.status, row.output) == (RuntimeStatus.TERMINATED, "never mind")
    await actor.drain(seconds=7200)  # the start message, when its time has come
    assert [type(event) for event in await lab.events()] == expected
    assert (await lab.row()).status is RuntimeStatus.TERMINATED


@in_virtual_time
async def test_r6_a_replacing_start_is_decided_by_a_row_read_after_the_sentinel() -> None:
    lab = Lab(collect)
    actor = await begun(lab)
    await lab.raise_event("E", "end")
    await actor.deliver()
    second = await start_instance(lab.hub, begin(lab))

    async def replace_again() -> None:
        await start_instance(lab.hub, begin(lab, override_running=True))

    slow = await lab.actor()
    slow.after = once(replace_again, QUERY, lab.hub.names.history_table)
    begun_ids: list[str | None] = []

    async def note(number: int, operation: str, resource: str) -> None:
        if operation == BATCH:
            begun_ids.append((await lab.history()).sentinel.execution_id)  # type: ignore[union-attr]

    slow_after = slow.after

    async def both(number: int, operation: str, resource: str) -> None:
        await slow_after(number, operation, resource)
        await note(number, operation, resource)

    slow.after = both
    await slow.deliver()
    await slow.drain()
    row = await lab.row()
    assert row.execution_id != second.execution_id
    assert begun_ids == [row.execution_id]


@in_virtual_time
async def test_r6_a_row_read_after_the_sentinel_is_not_read_again() -> None:
    """A start that counts itself as a later one is loaded in that order."""
    lab = Lab(collect)
    actor = await begun(lab)
    await lab.raise_event("E", "end")
    await actor.deliver()
    await start_instance(lab.hub, begin(lab))
    fresh = await lab.actor()
    await fresh.deliver()
    names = lab.hub.names
    reads = [call for call in fresh.calls if call[0] in (QUERY, "Get Entity")]
    assert [operation for operation, _ in reads] == [QUERY, "Get Entity"]
    assert names.history_table in reads[0][1]
    assert names.instances_table in reads[1][1]
    assert (await lab.row()).status is RuntimeStatus.RUNNING


# R7: identities and leases.


@pytest.mark.parametrize("together", [True, False])
@in_virtual_time
async def test_r7_an_event_delivered_twice_is_applied_once(together: bool) -> None:
    lab = Lab(collect)
    actor = await begun(lab)
    for _ in range(2):
        await lab.put(lab.raised("E", 1, identity="c:one"))
        if not together:
            await actor.deliver()
    await lab.put(lab.raised("E", 2, identity="c:two"))
    await actor.deliver()
    await lab.raise_event("E", "end")
    await actor.drain()
    assert await lab.output() == [1, 2]


@pytest.mark.parametrize("live", [True, False])
@in_virtual_time
async def test_r7_identities_outlive_continue_as_new(live: bool) -> None:
    lab = Lab(collect)
    actor = await begun(lab)
    await lab.put(lab.raised("E", 1, identity="c:one"))
    await actor.deliver()
    await lab.raise_event("E", "again")
    await actor.deliver()
    await lab.raise_event("E", "again")
    await actor.deliver()
    if not live:
        actor = await lab.actor()
    await lab.put(lab.raised("E", 1, identity="c:one"))
    await actor.deliver()
    await lab.raise_event("E", "end")
    await actor.deliver()
    assert await lab.output() == [1]


@pytest.mark.parametrize("serving", [True, False])
@in_virtual_time
async def test_r7_identities_age_by_the_time_that_was_served(serving: bool) -> None:
    lab = Lab(collect)
    actor = await begun(lab)
    await lab.put(lab.raised("E", 1, identity="c:one"))
    await actor.deliver()
    await lab.raise_event("E", "again")
    await actor.deliver()
    two_days = 2 * 24 * 3600.0
    if serving:
        async with asyncio.timeout(two_days):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(two_days - 1):
                    await actor.engine.keep_time()
    else:
        await lab.clock.sleep(two_days)  # the app stood still
    await lab.raise_event("E", "again")
    await actor.deliver()
    sentinel = (await lab.history()).sentinel
    assert sentinel is not None
    kept = {each.identity for each in sentinel.identities}
    assert ("c:one" in kept) is not serving
    assert len(kept) >= 1  # the event just consumed


@in_virtual_time
async def test_r7_an_event_for_nobody_waits_longer_than_a_lease_then_is_quarantined() -> None:
    lab = Lab(collect)
    actor = await lab.actor()
    await lab.raise_event("E", 1)
    [(original, _)] = await lab.queued()
    await actor.deliver()
    [(copy, visible)] = await lab.queued()
    assert copy.extras.identity == original.extras.identity
    assert copy.event == original.event
    assert lab.in_seconds(visible) > 0
    await lab.clock.sleep(LEASE_SECONDS)
    await actor.deliver()
    assert await lab.quarantined() == []
    await actor.drain()
    [record] = await lab.quarantined()
    assert "the hub has no such instance" in record["reason"]
    assert record["queue"] == lab.queue


@in_virtual_time
async def test_r7_a_deferred_copy_of_a_message_without_identity_stands_for_the_original() -> None:
    """A .NET client's event has none: the queue message's id is its identity, for its copies."""
    lab = Lab(collect)
    actor = await lab.actor()
    await lab.put(lab.raised("E", 1))
    [message] = await lab.account.queues.get(lab.queue, count=1, lease_seconds=5)
    await actor.engine.process_control_message(lab.queue, message)  # not deleted: it comes again
    [original, copy] = [m for m, _ in await lab.queued()]
    assert original.extras.identity is None
    assert copy.extras.identity == f"q:{message.id}"
    await lab.start("collect")
    await actor.drain()
    await lab.raise_event("E", "end")
    await actor.drain()
    assert await lab.output() == [1]


@in_virtual_time
async def test_r7_a_child_gets_a_deterministic_execution_and_begins_once() -> None:
    lab = Lab(parent, collect)
    actor = await lab.actor()
    mother = await lab.start("parent")

    async def after(number: int, operation: str, resource: str) -> None:
        if operation == "Put Message":
            actor.crash()

    actor.after = after
    with pytest.raises(Crash):
        await actor.deliver()  # the child's start was sent; nobody knows
    await lab.clock.sleep(120)
    second = await lab.actor()
    await second.sweep()  # sent again
    starts = [m for m, _ in await lab.queued() if isinstance(m.event, ExecutionStarted)]
    wanted = child_execution_id(mother.execution_id or "", 0)
    children = [m for m in starts if m.target.instance_id == "child"]
    assert [m.target.execution_id for m in children] == [wanted, wanted]
    assert len({m.activity_id for m in children}) == 1
    await second.deliver()
    await raise_event(lab.hub, "child", "E", '"end"')
    await second.drain()
    assert await lab.output() == [1]
    begun_children = [e for e in await lab.events("child") if isinstance(e, ExecutionStarted)]
    assert [e.instance.execution_id for e in begun_children] == [wanted]
    created = [e for e in await lab.events() if isinstance(e, SubOrchestrationCreated)]
    assert len(created) == 1


@in_virtual_time
async def test_r7_a_message_whose_lease_ended_while_loading_is_neither_applied_nor_deleted() -> (
    None
):
    lab = Lab(collect)
    await begun(lab)
    slow = await lab.actor()

    async def stall() -> None:
        await lab.clock.sleep(LEASE_SECONDS + 1)

    slow.before = once(stall, QUERY)
    before = await lab.events()
    await lab.raise_event("E", 1)
    await slow.deliver()
    assert [type(error).__name__ for error in slow.refused] == ["Unavailable"]
    assert await lab.events() == before
    [(_, visible)] = await lab.queued()
    assert visible <= lab.clock.now()  # as it was, for whoever comes
    await slow.deliver()
    assert [e.input for e in await lab.events() if isinstance(e, EventRaised)] == ["1"]


@in_virtual_time
async def test_r7_an_answer_whose_task_is_not_recorded_waits_then_is_quarantined() -> None:
    lab = Lab(collect)
    actor = await begun(lab)
    answer = TaskCompleted(timestamp=lab.clock.now(), task_id=40, result="1")
    await lab.put(lab.event(answer, execution_id=(await lab.row()).execution_id))
    await actor.deliver()
    assert len(await lab.queued()) == 1
    await actor.drain()
    [record] = await lab.quarantined()
    assert "the task it answers was never recorded" in record["reason"]


@in_virtual_time
async def test_r7_a_second_answer_is_dropped() -> None:
    lab = Lab(collect)
    actor = await begun(lab)
    await lab.raise_event("E", "work")
    await actor.drain()
    for text in ('"again"', '"and again"'):
        answer = TaskCompleted(timestamp=lab.clock.now(), task_id=0, result=text)
        await lab.put(lab.event(answer, execution_id=(await lab.row()).execution_id))
    await actor.drain()
    assert [e.result for e in await lab.events() if isinstance(e, TaskCompleted)] == ['"Hello 0!"']


# Races, and what else ends a turn.


@in_virtual_time
async def test_a_lost_race_is_caught_up_with_and_nothing_is_sent_twice() -> None:
    lab = Lab(collect)
    first = await begun(lab)
    second = await lab.actor()

    async def overtake() -> None:
        await lab.raise_event("E", "work")
        await second.deliver()

    first.before = once(overtake, BATCH)
    await lab.raise_event("E", "mine")
    await first.deliver()
    scheduled = [e.event_id for e in await lab.events() if isinstance(e, TaskScheduled)]
    assert scheduled == [0]
    assert len(await lab.queued(lab.hub.names.work_items)) == 1
    await lab.raise_event("E", "end")
    await first.drain()
    assert sorted(await lab.output()) == ["Hello 0!", "mine"]


@in_virtual_time
async def test_a_race_that_is_lost_for_ever_puts_the_messages_off() -> None:
    lab = Lab(collect, settings=EngineSettings(race_pause_seconds=0.0))
    actor = await begun(lab)
    stamps = 0

    async def always(number: int, operation: str, resource: str) -> None:
        nonlocal stamps
        if operation == BATCH:
            stamps += 1
            await lab.merge_sentinel(SentBy=str(stamps))

    actor.before = always
    await lab.raise_event("E", 1)
    await actor.deliver()
    assert stamps == 60
    [(copy, visible)] = await lab.queued()
    assert lab.in_seconds(visible) == 1
    assert copy.extras.failures == 0
    actor.before = None
    await lab.raise_event("E", "end")
    await actor.drain()
    assert 1 in await lab.output() or await lab.output() == []


@in_virtual_time
async def test_a_row_deleted_under_a_turn_is_a_lost_race() -> None:
    lab = Lab(collect)
    actor = await begun(lab)

    async def vanish() -> None:
        await lab.hub.instances.delete(await lab.row())

    actor.after = once(vanish, BATCH)
    await lab.raise_event("E", 1)
    await actor.deliver()
    await actor.drain()
    row = await lab.row()  # written anew from history, once the grace was over
    assert (row.status, row.checkpoint_sequence) == (RuntimeStatus.RUNNING, 2)


@in_virtual_time
async def test_a_long_replay_lets_the_loop_have_its_turn() -> None:
    lab = Lab(collect, settings=EngineSettings(replay_slice=5))
    actor = await begun(lab)
    for n in range(10):
        await lab.raise_event("E", n)
        await actor.deliver()
    other = await lab.actor()
    await lab.raise_event("E", "end")
    turns = 0

    async def beside() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(beside())
        await other.deliver()
        task.cancel()
    assert turns > len(await lab.events()) // 5
    assert await lab.output() == list(range(10))


@in_virtual_time
async def test_r8_messages_for_a_purged_instance_are_dropped() -> None:
    lab = Lab(collect)
    actor = await begun(lab)
    execution_id = (await lab.row()).execution_id or ""
    await lab.raise_event("E", "end")
    await actor.deliver()
    assert await purge_instance(lab.hub, "i1")
    await lab.put(started(lab, execution_id, mark=True))
    await lab.put(started(lab, execution_id, mark=False))
    await lab.raise_event("E", 1)
    await terminate(lab.hub, "i1", None)
    answer = TaskCompleted(timestamp=lab.clock.now(), task_id=0, result="1")
    await lab.put(lab.event(answer, execution_id=execution_id))
    await actor.deliver()
    assert await lab.empty()
    assert await lab.quarantined() == []
    assert await lab.events() == []
    assert await lab.hub.instances.read("i1") is None


@in_virtual_time
async def test_a_start_message_is_marked_and_from_a_client() -> None:
    lab = Lab(collect)
    event = started(lab, "e" * 32, mark=True).event
    message = start_message(event, activity_id=ACTIVITY_ID)
    assert message.extras == Extras(mark=True)
    assert message.sender == InstanceRef(instance_id="", execution_id="")
    assert message.target == event.instance
