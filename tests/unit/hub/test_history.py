"""Histories: reads that are checked (R2), and what a .NET worker leaves behind (R10)."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from durable.engine.turn import Draft
from durable.errors import CorruptRecord, PreconditionFailed
from durable.hub.commit import Committer, InstanceState
from durable.hub.history import HistoryStore
from durable.hub.purging import purge_instance
from durable.model.events import (
    EventRaised,
    ExecutionCompleted,
    OrchestratorCompleted,
    OrchestratorStarted,
    TaskCompleted,
    TaskScheduled,
)
from durable.model.history import RecentIdentity
from durable.storage.values import Operation, Row, Write
from durable.wire.history_rows import encode_event
from durable.wire.keys import row_key
from tests.hub_lab import LEASE_SECONDS, Actor, Crash, Lab, in_virtual_time, once

Steps = Generator[Any, Any, Any]
BATCH, QUERY = "Entity Group Transaction", "Query Entities"


def waiting(context: Any) -> Steps:
    """One event a turn; begins anew with "again"."""
    while True:
        event = yield context.wait_for_external_event("E")
        if event == "again":
            context.continue_as_new(None)
            return None
        if event == "end":
            return "ended"


def three(context: Any) -> Steps:
    results = yield context.task_all([context.call_activity("greet", n) for n in range(3)])
    return results


def one_and_another(context: Any) -> Steps:
    first = yield context.call_activity("greet", 0)
    both = [context.call_activity("greet", 1), context.wait_for_external_event("E")]
    return [first, *(yield context.task_all(both))]


def page_rows(actor: Actor, rows: int) -> None:
    """The service may end a page wherever it likes."""
    query = actor.account.tables.query

    async def paged(table: str, condition: Any, **options: Any) -> Any:
        return await query(table, condition, **{**options, "page_size": rows})

    actor.account.tables.query = paged  # type: ignore[method-assign]


async def add_row(lab: Lab, index: int, event: Any) -> None:
    """A row beside the protocol, as a worker of another kind writes it."""
    execution_id = (await lab.row()).execution_id or ""
    columns = encode_event(event, execution_id=execution_id)
    row = Row(partition_key="i1", row_key=row_key(index), columns=columns)
    await lab.account.tables.write(
        lab.hub.names.history_table, Operation(write=Write.UPSERT_REPLACE, row=row)
    )


async def waiting_instance(lab: Lab, events: int = 0) -> Actor:
    actor = await lab.actor()
    await lab.start("waiting")
    await actor.deliver()
    for n in range(events):
        await lab.raise_event("E", n)
        await actor.deliver()
    return actor


@in_virtual_time
async def test_r2_a_load_of_several_pages_that_a_commit_overtook_is_read_again() -> None:
    lab = Lab(waiting)
    actor = await waiting_instance(lab, events=4)
    old = await lab.history()
    assert len(old.ledger.rows) == 15
    reader = await lab.actor()
    page_rows(reader, 4)
    pages = 0

    async def between(number: int, operation: str, resource: str) -> None:
        nonlocal pages
        if operation == QUERY:
            pages += 1
            if pages == 2:
                # The first page is read: a shorter execution takes the place of this one.
                await lab.raise_event("E", "again")
                await actor.deliver()

    reader.before = between
    read = await reader.hub.history.read("i1")
    now = await lab.history()
    assert now.sentinel is not None
    assert old.sentinel is not None
    assert now.sentinel.execution_id != old.sentinel.execution_id
    assert read.sentinel == now.sentinel
    assert read.ledger.rows == now.ledger.rows
    assert pages > 4


@in_virtual_time
async def test_r2_rows_above_the_committed_count_do_not_count() -> None:
    lab = Lab(waiting)
    await waiting_instance(lab)
    before = await lab.events()
    await add_row(lab, len(before), EventRaised(timestamp=lab.clock.now(), name="E", input="1"))
    assert await lab.events() == before


@in_virtual_time
async def test_r2_a_missing_row_is_no_history_at_all() -> None:
    lab = Lab(waiting)
    await waiting_instance(lab)
    table = lab.hub.names.history_table
    row = Row(partition_key="i1", row_key=row_key(1), etag="*")
    await lab.account.tables.write(table, Operation(write=Write.DELETE, row=row))
    with pytest.raises(CorruptRecord, match="history of instance 'i1' lacks rows"):
        await lab.history()


@in_virtual_time
async def test_r2_r10_after_a_dotnet_merge_all_rows_of_the_execution_count() -> None:
    lab = Lab(waiting)
    await waiting_instance(lab)
    before = await lab.events()
    now = lab.clock.now()
    added = [
        OrchestratorStarted(timestamp=now),
        EventRaised(timestamp=now, name="E", input="1"),
        OrchestratorCompleted(timestamp=now),
    ]
    for index, event in enumerate(added, len(before)):
        await add_row(lab, index, event)
    await lab.merge_sentinel(CheckpointCompletedTimestamp=now + timedelta(seconds=3))
    loaded = await lab.history()
    found = [r.event for r in loaded.ledger.rows]
    assert found[: len(before)] == before
    assert [type(event) for event in found[len(before) :]] == [type(event) for event in added]
    assert loaded.ledger.stretches == 2


@in_virtual_time
async def test_r2_of_an_incomplete_checkpoint_nothing_after_the_last_whole_stretch_counts() -> None:
    lab = Lab(waiting)
    await waiting_instance(lab)
    before = await lab.events()
    now = lab.clock.now()
    await add_row(lab, len(before), OrchestratorStarted(timestamp=now))
    await add_row(lab, len(before) + 1, EventRaised(timestamp=now, name="E", input="1"))
    await lab.merge_sentinel(
        CheckpointCompletedTimestamp=now + timedelta(seconds=3), IsCheckpointComplete=False
    )
    assert await lab.events() == before
    await lab.merge_sentinel(IsCheckpointComplete=True)
    assert len(await lab.events()) == len(before) + 2


@in_virtual_time
async def test_r2_rows_of_another_execution_do_not_count() -> None:
    lab = Lab(waiting)
    await waiting_instance(lab)
    before = await lab.events()
    columns = encode_event(OrchestratorStarted(timestamp=lab.clock.now()), execution_id="other")
    row = Row(partition_key="i1", row_key=row_key(len(before)), columns=columns)
    table = lab.hub.names.history_table
    await lab.account.tables.write(table, Operation(write=Write.INSERT, row=row))
    await lab.merge_sentinel(CheckpointCompletedTimestamp=lab.clock.now() + timedelta(seconds=3))
    assert await lab.events() == before


@in_virtual_time
async def test_r2_without_a_sentinel_or_under_a_tombstone_no_row_counts() -> None:
    lab = Lab(waiting)
    actor = await waiting_instance(lab)
    await lab.raise_event("E", "end")
    await actor.deliver()
    crasher = await lab.actor()

    async def after(number: int, operation: str, resource: str) -> None:
        if operation == "Update Entity":
            crasher.crash()

    crasher.after = after
    with pytest.raises(Crash):
        await purge_instance(crasher.hub, "i1")
    loaded = await lab.history()
    assert loaded.sentinel is not None
    assert loaded.sentinel.purged
    assert loaded.ledger.rows == []
    table = lab.hub.names.history_table
    sentinel = Row(partition_key="i1", row_key="sentinel", etag="*")
    await lab.account.tables.write(table, Operation(write=Write.DELETE, row=sentinel))
    assert (await lab.history()).ledger.rows == []
    assert (await lab.history()).sentinel is None


@in_virtual_time
async def test_after_a_lost_race_only_what_is_new_is_read() -> None:
    lab = Lab(waiting)
    actor = await waiting_instance(lab)
    known = (await lab.history()).ledger
    had = list(known.rows)
    await lab.raise_event("E", 1)
    await actor.deliver()
    reader = await lab.actor()
    seen: list[int] = []
    query = reader.account.tables.query

    async def noted(table: str, condition: Any, **options: Any) -> Any:
        page = await query(table, condition, **options)
        seen.append(len(page.rows))
        return page

    reader.account.tables.query = noted  # type: ignore[method-assign]
    read = await reader.hub.history.read("i1", known)
    assert read.kept
    assert read.ledger is known
    assert [r.event for r in known.rows] == await lab.events()
    assert seen == [len(known.rows) - len(had) + 1]  # the new rows and the sentinel


@in_virtual_time
async def test_a_ledger_of_another_execution_is_not_gone_on_with() -> None:
    lab = Lab(waiting)
    actor = await waiting_instance(lab)
    known = (await lab.history()).ledger
    await lab.raise_event("E", "again")
    await actor.deliver()
    read = await lab.hub.history.read("i1", known)
    assert not read.kept
    assert [r.event for r in read.ledger.rows] == await lab.events()
    assert read.ledger is not known


@in_virtual_time
async def test_load_gives_events_and_sentinel() -> None:
    lab = Lab(waiting)
    await waiting_instance(lab)
    history = await lab.hub.history.load("i1")
    assert [stored.event for stored in history.events] == await lab.events()
    assert history.sentinel == await lab.hub.history.read_sentinel("i1")
    assert await lab.hub.history.read_sentinel("nobody") is None
    nothing = await lab.hub.history.load("nobody")
    assert (nothing.events, nothing.sentinel) == ((), None)


@in_virtual_time
async def test_r7_identities_that_outgrow_their_column_go_to_a_blob_and_come_back() -> None:
    lab = Lab(waiting)
    await waiting_instance(lab)
    loaded = await lab.history()
    assert loaded.sentinel is not None
    moment = lab.clock.now().replace(microsecond=0)
    many = tuple(RecentIdentity(identity=f"c:{n:032x}", consumed_at=moment) for n in range(1000))
    wanted = replace(loaded.sentinel, identities=many)
    store: HistoryStore = lab.hub.history
    _, committed = await store.commit("i1", [], len(loaded.ledger.rows), wanted)
    assert committed.identities_blob is not None
    assert committed.identities_blob.startswith("i1/history-sentinel-")
    found = (await lab.history()).sentinel
    assert found is not None
    assert found.identities == many
    names, _ = await store.read_names("i1")
    assert names == set()
    fewer = replace(committed, identities=many[:3])
    _, committed = await store.commit("i1", [], len(loaded.ledger.rows), fewer)
    again = await store.read_sentinel("i1")
    assert again is not None
    assert (again.identities_blob, again.identities) == (None, many[:3])


@in_virtual_time
async def test_r10_what_our_last_checkpoint_owes_is_sent_after_a_dotnet_merge() -> None:
    """Ours crashed before it sent; .NET answered one task and merged the sentinel."""
    lab = Lab(three)
    actor = await lab.actor()
    await lab.start("three")

    async def after(number: int, operation: str, resource: str) -> None:
        if operation == BATCH:
            actor.crash()

    actor.after = after
    with pytest.raises(Crash):
        await actor.deliver()
    now = lab.clock.now()
    count = len(await lab.events())
    added = [
        OrchestratorStarted(timestamp=now),
        TaskCompleted(timestamp=now, task_id=1, result='"Hello .NET!"'),
        OrchestratorCompleted(timestamp=now),
    ]
    for index, event in enumerate(added, count):
        await add_row(lab, index, event)
    await lab.merge_sentinel(CheckpointCompletedTimestamp=now + timedelta(seconds=3))
    await lab.clock.sleep(120)
    second = await lab.actor()
    await second.sweep()
    owed = [m.event for m, _ in await lab.queued(lab.hub.names.work_items)]
    assert [e.event_id for e in owed if isinstance(e, TaskScheduled)] == [0, 2]
    await second.drain()
    assert await lab.output() == ["Hello 0!", "Hello .NET!", "Hello 2!"]
    loaded = await lab.history()
    assert loaded.sentinel is not None
    # n is counted from rows: ours, .NET's, and what followed.
    assert loaded.sentinel.sequence == loaded.ledger.stretches
    assert loaded.sentinel.sequence >= 3
    assert any(isinstance(e, ExecutionCompleted) for e in await lab.events())


@in_virtual_time
async def test_r10_what_dotnet_asked_for_is_not_sent_again_for_a_dead_process_of_ours() -> None:
    """.NET sends before it writes; from its rows, which lack inputs, nothing can be sent."""
    lab = Lab(one_and_another)
    actor = await lab.actor()
    await lab.start("one_and_another")
    await actor.deliver()
    count, now = len(await lab.events()), lab.clock.now()
    added = [
        OrchestratorStarted(timestamp=now),
        TaskCompleted(timestamp=now, task_id=0, result='"Hello .NET!"'),
        TaskScheduled(timestamp=now, event_id=1, name="greet"),
        OrchestratorCompleted(timestamp=now),
    ]
    for index, event in enumerate(added, count):
        await add_row(lab, index, event)
    await lab.merge_sentinel(CheckpointCompletedTimestamp=now + timedelta(seconds=3))
    (message,) = await lab.account.queues.get(
        lab.hub.names.work_items, count=32, lease_seconds=LEASE_SECONDS
    )
    await lab.account.queues.delete(lab.hub.names.work_items, message.id, message.pop_receipt)
    await lab.raise_event("E", "now")
    execution_id = (await lab.row()).execution_id
    dying = await lab.actor()

    async def after(number: int, operation: str, resource: str) -> None:
        if operation == BATCH:
            dying.crash()

    dying.after = after
    with pytest.raises(Crash):
        await dying.deliver()
    assert (await lab.row()).checkpoint_sequence == 2
    await lab.clock.sleep(120)
    second = await lab.actor()
    await second.sweep()
    assert await lab.queued(lab.hub.names.work_items) == []
    answer = TaskCompleted(timestamp=now, task_id=1, result='"and again"')
    await lab.put(lab.event(answer, execution_id=execution_id))
    await second.drain()
    assert await lab.output() == ["Hello .NET!", "and again", "now"]


@in_virtual_time
async def test_r10_a_row_that_went_away_before_our_checkpoint_is_a_lost_race() -> None:
    lab = Lab(waiting)
    await waiting_instance(lab, 1)
    await lab.merge_sentinel(CheckpointCompletedTimestamp=lab.clock.now() + timedelta(seconds=3))
    await lab.merge_row(CheckpointSequence=1)
    loaded = await lab.history()
    row = await lab.row()
    state = InstanceState(
        instance_id="i1",
        ledger=loaded.ledger,
        sentinel=loaded.sentinel,
        row=row,
        served_at=loaded.served_at,
    )
    await lab.hub.instances.delete(row)
    draft = Draft(
        execution_id=row.execution_id or "",
        first_execution_id=row.execution_id or "",
        is_new_execution=False,
        carried=0,
        events=[],
        identities=(),
    )
    with pytest.raises(PreconditionFailed):
        await Committer(lab.hub, lab.clock).checkpoint(state, draft)


@pytest.mark.parametrize("touched", [False, True])
@in_virtual_time
async def test_a_commit_whose_answer_was_lost_is_known_as_our_own(touched: bool) -> None:
    """The adapter asks again and is told 412: by our own batch, or by somebody's after it."""
    lab = Lab(three)
    actor = await lab.actor()
    await lab.start("three")
    actor.repeated.add(BATCH)

    async def touch() -> None:
        await lab.merge_sentinel(SentBy="another")

    if touched:
        actor.before = once(touch, "Get Entity", lab.hub.names.history_table)
    calls = len(actor.calls)
    await actor.deliver()
    made = [operation for operation, _ in actor.calls[calls:]]
    assert made.count(BATCH) == 1
    if not touched:
        assert made.count(QUERY) == 1
    await actor.drain()
    assert await lab.output() == ["Hello 0!", "Hello 1!", "Hello 2!"]
    scheduled = [e.event_id for e in await lab.events() if isinstance(e, TaskScheduled)]
    assert scheduled == [0, 1, 2]
