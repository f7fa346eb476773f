"""The commit: its batches (R1), what they keep for later senders (R12), how a row is shown."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from durable.engine.ledger import Ledger
from durable.errors import PreconditionFailed
from durable.hub.commit import Committer, InstanceState
from durable.hub.starting import StartRequest, start_instance
from durable.model.events import (
    EventRaised,
    ExecutionCompleted,
    OrchestratorCompleted,
    OrchestratorStarted,
    SubOrchestrationCreated,
    TaskScheduled,
)
from durable.model.status import RuntimeStatus
from durable.storage.values import Write
from durable.wire import spill
from tests.hub_lab import Actor, Crash, Lab, in_virtual_time, once, stretch_ends

Steps = Generator[Any, Any, Any]
BATCH = "Entity Group Transaction"


def fan_out(context: Any) -> Steps:
    tasks = [context.call_activity("greet", n) for n in range(context.get_input())]
    results = yield context.task_all(tasks)
    return len(results)


def one(context: Any) -> Steps:
    return (yield context.call_activity("greet", context.get_input()))


def wide(context: Any) -> Steps:
    """Few activities, but their arguments together are over a batch's bytes."""
    tasks = [context.call_activity("echo", f"{n:03}" + "x" * 20_000) for n in range(150)]
    results = yield context.task_all(tasks)
    return len(results)


def crash_after_batch(actor: Actor, count: int) -> None:
    async def after(number: int, operation: str, resource: str) -> None:
        if operation == BATCH and len(actor.batches) == count:
            actor.crash()

    actor.after = after


@pytest.mark.slow
@in_virtual_time
async def test_r1_a_turn_over_one_batch_is_several_whole_checkpoints() -> None:
    lab = Lab(fan_out)
    actor = await lab.actor()
    await lab.start("fan_out", 1000)
    await actor.deliver()
    assert len(actor.batches) == 11
    etag: str | None = None
    for operations in actor.batches:
        assert len(operations) <= 100
        *rows, sentinel = operations
        assert [row.row.columns["EventType"] for row in (rows[0], rows[-1])] == [
            "OrchestratorStarted",
            "OrchestratorCompleted",
        ]
        assert sentinel.row.row_key == "sentinel"
        assert sentinel.row.columns["IsCheckpointComplete"] is True
        assert sentinel.write is (Write.INSERT if etag is None else Write.MERGE)
        assert (sentinel.row.etag is None) is (etag is None)
        assert sentinel.row.etag != etag or etag is None
        etag = sentinel.row.etag or ""
    counts = [b[-1].row.columns["CommittedCount"] for b in actor.batches]
    assert [b[-1].row.columns["CheckpointSequence"] for b in actor.batches] == list(range(1, 12))
    assert counts[-1] == len(await lab.events())
    # Nothing is sent before the last checkpoint.
    operations_made = [operation for operation, _ in actor.calls]
    last = len(operations_made) - 1 - operations_made[::-1].index(BATCH)
    assert "Put Message" not in operations_made[:last]
    assert operations_made[last:].count("Put Message") == 1000
    assert (await lab.row()).checkpoint_sequence == 11


@pytest.mark.slow
@pytest.mark.parametrize("killed_after", [1, 6, 11])
@in_virtual_time
async def test_r1_killed_between_checkpoints_a_look_without_a_message_finishes_it(
    killed_after: int,
) -> None:
    lab = Lab(fan_out)
    actor = await lab.actor()
    await lab.start("fan_out", 1000)
    crash_after_batch(actor, killed_after)
    with pytest.raises(Crash):
        await actor.deliver()
    assert await lab.queued(lab.hub.names.work_items) == []
    await lab.clock.sleep(120)
    second = await lab.actor()
    await second.sweep()  # the start message is still hidden: nothing but the look wakes it
    events = await lab.events()
    decided = [e.event_id for e in events if isinstance(e, TaskScheduled)]
    assert decided == list(range(1000))
    sent = [m.event.event_id for m, _ in await lab.queued(lab.hub.names.work_items)]
    assert sorted(sent) == list(range(1000))
    row = await lab.row()
    assert (row.status, row.checkpoint_sequence) == (RuntimeStatus.RUNNING, 11)
    await second.drain()
    assert await lab.output() == 1000
    assert set(lab.counts.values()) == {1}


@in_virtual_time
async def test_r1_a_turn_that_loses_between_its_checkpoints_is_finished_by_the_winner() -> None:
    """The second batch is under the ETag that the first one gave."""
    lab = Lab(fan_out)
    actor = await lab.actor()
    await lab.start("fan_out", 120)

    async def touch() -> None:
        await lab.merge_sentinel(SentBy="somebody")

    actor.after = once(touch, BATCH)
    await actor.deliver()
    await actor.drain()
    decided = [e.event_id for e in await lab.events() if isinstance(e, TaskScheduled)]
    assert decided == list(range(120))
    assert await lab.output() == 120


@in_virtual_time
async def test_r1_payloads_over_three_mebibytes_are_split_too() -> None:
    lab = Lab(wide)
    actor = await lab.actor()
    await lab.start("wide")
    await actor.deliver()
    sizes = [
        sum(spill.estimated_bytes(op.row.columns) for op in operations[:-1])
        for operations in actor.batches
    ]
    assert max(sizes) <= 3 * 1024 * 1024 + 4096
    assert len(actor.batches[0]) < 100  # the bytes were full, not the rows
    events = await lab.events()
    assert len(stretch_ends(events)) == len(actor.batches) == 2
    assert sum(isinstance(e, OrchestratorStarted) for e in events) == 2
    await actor.drain()
    assert await lab.output() == 150


def carrying(context: Any) -> Steps:
    """Continues as new while most of its events are unconsumed, then takes them all."""
    want = context.get_input()
    if want < 0:
        yield context.wait_for_external_event("go")
        context.continue_as_new(-want)
        return None
    seen = []
    for _ in range(want):
        seen.append((yield context.wait_for_external_event("E")))  # noqa: PERF401 - yields
    return sorted(seen)


@pytest.mark.parametrize("killed_after", [None, 3, 4])
@in_virtual_time
async def test_r1_carried_events_that_do_not_fit_are_sent_on_under_new_identities(
    killed_after: int | None,
) -> None:
    lab = Lab(carrying)
    actor = await lab.actor()
    await lab.start("carrying", -150)
    await actor.deliver()
    for n in range(150):
        await lab.raise_event("E", n)
    await actor.deliver()
    before = {m.identity for m in await lab.events() if isinstance(m, EventRaised)}
    assert len(before) == 150
    await lab.raise_event("go", None)
    if killed_after is None:
        await actor.deliver()
    else:
        crash_after_batch(actor, len(actor.batches) + killed_after - 2)
        with pytest.raises(Crash):
            await actor.deliver()
        actor = await lab.actor()
    await actor.drain()
    assert await lab.output() == list(range(150))
    seen = [e for e in await lab.events() if isinstance(e, EventRaised)]
    assert len(seen) == 150
    assert sorted(str(e.input) for e in seen) == sorted(map(str, range(150)))
    kept = [e for e in seen if e.identity in before]
    sent_on = [e for e in seen if (e.identity or "").startswith("o:")]
    assert len(kept) == 96  # what one batch takes beside the start, its stretch and the sentinel
    assert len(sent_on) == 54


@in_virtual_time
async def test_r1_the_finishing_row_names_carried_and_sent_on_events() -> None:
    lab = Lab(carrying)
    actor = await lab.actor()
    await lab.start("carrying", -150)
    await actor.deliver()
    for n in range(150):
        await lab.raise_event("E", n)
    await lab.raise_event("go", None)
    found: list[ExecutionCompleted] = []

    async def after(number: int, operation: str, resource: str) -> None:
        if operation == BATCH:
            found.extend(e for e in await lab.events() if isinstance(e, ExecutionCompleted))

    actor.after = after
    await actor.deliver()
    assert [(len(e.carried), len(e.sent_on)) for e in found] == [(96, 54)]
    assert not set(found[0].carried) & set(found[0].sent_on)


def mother(context: Any) -> Steps:
    greeting = yield context.call_activity("greet", "R12")
    child = yield context.call_sub_orchestrator("carrying", -1, "child-1")
    return [greeting, child]


@in_virtual_time
async def test_r12_messages_are_derived_from_rows_which_keep_their_inputs() -> None:
    lab = Lab(mother, carrying)
    actor = await lab.actor()
    await lab.start("mother")
    crash_after_batch(actor, 1)
    with pytest.raises(Crash):
        await actor.deliver()
    table = lab.hub.names.history_table
    page = await lab.account.tables.query(table, None)
    [scheduled] = [r for r in page.rows if r.columns.get("EventType") == "TaskScheduled"]
    assert scheduled.columns["Input"] == '["R12"]'

    def mother_renamed(context: Any) -> Steps:
        yield context.call_activity("echo", "another")

    mother_renamed.__name__ = "mother"
    await lab.clock.sleep(120)
    redeployed = await lab.actor(lab.make_registry(mother_renamed))
    await redeployed.sweep()
    [(message, _)] = await lab.queued(lab.hub.names.work_items)
    assert isinstance(message.event, TaskScheduled)
    assert (message.event.name, message.event.input) == ("greet", '["R12"]')


@in_virtual_time
async def test_r12_a_child_is_sent_with_the_input_of_its_row() -> None:
    lab = Lab(mother, carrying)
    actor = await lab.actor()
    await lab.start("mother")
    await actor.deliver()
    await actor.deliver()
    await actor.deliver()
    [created] = [e for e in await lab.events() if isinstance(e, SubOrchestrationCreated)]
    assert (created.instance_id, created.input) == ("child-1", "-1")


@in_virtual_time
async def test_r5_a_row_in_which_a_newer_start_waits_is_never_written() -> None:
    lab = Lab(carrying)
    actor = await lab.actor()
    await lab.start("carrying", 1)
    await actor.deliver()
    loaded = await lab.history()
    request = StartRequest(name="carrying", instance_id="i1", input="1", override_running=True)
    newer = await start_instance(lab.hub, request)
    state = InstanceState(
        instance_id="i1",
        ledger=loaded.ledger,
        sentinel=loaded.sentinel,
        row=await lab.row(),
        served_at=loaded.served_at,
    )
    committer = Committer(lab.hub, lab.clock)
    with pytest.raises(PreconditionFailed, match="newer start"):
        await committer.show(state)
    assert (await lab.row()).execution_id == newer.execution_id
    assert (await lab.row()).status is RuntimeStatus.PENDING


@in_virtual_time
async def test_r9_a_row_that_is_ahead_of_an_older_history_is_not_set_back() -> None:
    # A look reads history and row side by side; another process finished the instance in between.
    lab = Lab(one)
    worker = await lab.actor()
    await lab.start("one", 1)
    await worker.deliver()
    older = await lab.hub.history.read("i1")
    await worker.drain()
    ended = await lab.row()
    assert ended.status is RuntimeStatus.COMPLETED
    seen = InstanceState(
        instance_id="i1",
        ledger=older.ledger,
        sentinel=older.sentinel,
        row=ended,
        served_at=older.served_at,
    )
    assert await Committer(lab.hub, lab.clock).repair(seen) is False
    assert await lab.row() == ended


@in_virtual_time
async def test_nothing_is_sent_shown_or_touched_without_a_history() -> None:
    lab = Lab(carrying)
    actor = await lab.actor()
    state = InstanceState(
        instance_id="i1", ledger=Ledger(), sentinel=None, row=None, served_at=lab.clock.now()
    )
    committer = Committer(actor.hub, lab.clock)
    await committer.send(state, 0)
    await committer.show(state)
    await committer.touch(state)
    assert await committer.repair(state) is False
    assert actor.calls == []


@in_virtual_time
async def test_a_stretch_ends_whole_in_history() -> None:
    lab = Lab(fan_out)
    actor = await lab.actor()
    await lab.start("fan_out", 3)
    await actor.drain()
    events = await lab.events()
    assert isinstance(events[-1], OrchestratorCompleted)
    assert isinstance(events[-2], ExecutionCompleted)


def twice(context: Any) -> Steps:
    first = yield context.call_sub_orchestrator("fan_out", 2, "child")
    second = yield context.call_sub_orchestrator("fan_out", 3, "child")
    return [first, second]


@in_virtual_time
async def test_r5_a_child_begun_anew_under_its_old_id_shows_nothing_of_the_old_row() -> None:
    lab = Lab(twice, fan_out)
    actor = await lab.actor()
    await lab.start("twice")
    while (await lab.hub.instances.read("child")) is None or not await lab.output("child"):
        await actor.deliver()
    old = await lab.row("child")
    assert (old.status, await lab.output("child")) == (RuntimeStatus.COMPLETED, 2)
    await lab.merge_row("child", Foreign="old")
    while (await lab.row("child")).execution_id == old.execution_id:
        await actor.deliver()
    row = await lab.row("child")
    assert (row.status, row.output, row.completed_time) == (RuntimeStatus.RUNNING, None, None)
    stored = await lab.account.tables.read(lab.hub.names.instances_table, "child", "")
    assert stored is not None
    assert "Foreign" not in stored.columns
    await actor.drain()
    assert await lab.output() == [2, 3]
