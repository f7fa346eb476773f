"""Rewinding: the journal, crashes between its steps, races, children."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator
from datetime import timedelta
from typing import Any

import pytest

from durable.engine.derive import owed_messages
from durable.engine.ledger import Ledger
from durable.errors import (
    InstanceError,
    InstanceFinished,
    InstanceNotFound,
    PreconditionFailed,
)
from durable.hub import raising, rewinding
from durable.hub.purging import purge_instance
from durable.hub.rewinding import MAX_REASON_CHARACTERS, Rewinder
from durable.model.events import (
    ExecutionCompleted,
    GenericEvent,
    InstanceRef,
    SubOrchestrationCreated,
    TaskFailed,
    TaskScheduled,
)
from durable.model.messages import Extras
from durable.model.retry import RetryOptions
from durable.model.status import RuntimeStatus
from durable.storage.values import Operation, Row, Write
from durable.wire.event_shapes import event_type_name
from durable.wire.keys import row_key
from tests.hub_lab import Actor, Crash, Lab, crash_at, in_virtual_time, once

Steps = Generator[Any, Any, Any]
BATCH, QUERY, PUT = "Entity Group Transaction", "Query Entities", "Put Message"
ROW = "Update Entity"


class Shop:
    """Activities that fail until `is_fixed`."""

    def __init__(self) -> None:
        self.is_fixed = False
        self.runs = 0

    async def fixable(self, value: Any) -> Any:
        self.runs += 1
        if not self.is_fixed:
            raise ValueError(f"{value} is not fixed yet")
        return f"fixed {value}"


def single(context: Any) -> Steps:
    before = yield context.call_activity("greet", "before")
    return [before, (yield context.call_activity("fixable", "x"))]


def wide(context: Any) -> Steps:
    calls = [context.call_activity("fixable", n) for n in range(context.get_input())]
    return len((yield context.task_all(calls)))


def parent(context: Any) -> Steps:
    return (yield context.call_sub_orchestrator("single", None, "kid"))


def careful(context: Any) -> Steps:
    """Calls on after a failure, and fails because of it."""
    try:
        return (yield context.call_activity("fixable", "x"))
    except ValueError:
        context.set_custom_status("cleaned")
        yield context.call_activity("greet", "clean-up")
        yield context.call_sub_orchestrator("wide", 0)
        raise


def stubborn(context: Any) -> Steps:
    return (yield context.call_activity_with_retry("fixable", RetryOptions(1000, 3), "x"))


def persistent(context: Any) -> Steps:
    """Two attempts at one child id."""
    options = RetryOptions(1000, 2)
    return (yield context.call_sub_orchestrator_with_retry("single", options, None, "kid"))


def nap(context: Any) -> Steps:
    seconds = context.get_input()
    yield context.create_timer(context.current_utc_datetime + timedelta(seconds=seconds))
    return seconds


def patient(context: Any) -> Steps:
    """A timer and a child, both under way for long."""
    timer = context.create_timer(context.current_utc_datetime + timedelta(seconds=600))
    found = yield context.task_all([timer, context.call_sub_orchestrator("nap", 300, "kid")])
    return found[1]


async def failed_lab(name: str = "single", value: Any = None) -> tuple[Lab, Actor, Shop]:
    """A lab whose instance i1 has failed, and could go on by now."""
    shop = Shop()

    async def fixable(value: Any) -> Any:
        return await shop.fixable(value)

    known = (single, wide, parent, careful, stubborn, persistent)
    lab = Lab(*known, activities=[fixable])
    actor = await lab.actor()
    await lab.start(name, value)
    await actor.drain()
    assert (await lab.row()).status is RuntimeStatus.FAILED
    shop.is_fixed = True
    return lab, actor, shop


async def client_of(lab: Lab) -> tuple[Actor, Rewinder]:
    actor = await lab.actor()
    return actor, Rewinder(actor.hub)


async def completed(lab: Lab, actor: Actor, output: Any, instance_id: str = "i1") -> None:
    await actor.drain()
    row = await lab.row(instance_id)
    assert (row.status, await lab.output(instance_id)) == (RuntimeStatus.COMPLETED, output)


async def recover(lab: Lab, actor: Actor) -> None:
    """Some minutes of a process that does what it finds."""
    for _ in range(5):
        await lab.clock.sleep(60)
        await actor.sweep()
        await actor.drain()


async def types(lab: Lab, instance_id: str = "i1") -> list[str]:
    return [
        f"{event.reason}"
        if isinstance(event, GenericEvent) and event.is_rewound
        else event_type_name(event)
        for event in await lab.events(instance_id)
    ]


@in_virtual_time
async def test_what_failed_is_called_again() -> None:
    lab, actor, shop = await failed_lab()
    caller, rewinder = await client_of(lab)
    before = await lab.row()
    await lab.clock.sleep(1)
    await rewinder.rewind("i1", "again")
    # Row, history; the row, the journal, the rows; the message.
    assert [operation for operation, _ in caller.calls] == [
        "Get Entity",
        QUERY,
        ROW,
        BATCH,
        BATCH,
        PUT,
    ]
    row = await lab.row()
    assert (row.status, row.output, row.completed_time) == (RuntimeStatus.PENDING, None, None)
    assert (row.execution_id, row.input, row.generation, row.checkpoint_sequence) == (
        before.execution_id,
        before.input,
        before.generation,
        before.checkpoint_sequence,
    )
    assert row.last_updated_time is not None
    assert before.last_updated_time is not None
    assert row.last_updated_time > before.last_updated_time
    await completed(lab, actor, ["Hello before!", "fixed x"])
    assert shop.runs == 2
    assert lab.counts["greet:before"] == 1
    assert await types(lab) == [
        "OrchestratorStarted",
        "ExecutionStarted",
        "TaskScheduled",
        "OrchestratorCompleted",
        "OrchestratorStarted",
        "TaskCompleted",
        "Rewound: TaskScheduled",
        "OrchestratorCompleted",
        "OrchestratorStarted",
        "Rewound: TaskFailed",
        "Rewound: ExecutionCompleted",
        "OrchestratorCompleted",
        "OrchestratorStarted",
        "GenericEvent",
        "TaskScheduled",
        "OrchestratorCompleted",
        "OrchestratorStarted",
        "TaskCompleted",
        "ExecutionCompleted",
        "OrchestratorCompleted",
    ]
    woken = next(e for e in await lab.events() if isinstance(e, GenericEvent) and not e.is_rewound)
    assert woken.data == "again"


@in_virtual_time
async def test_a_rewound_instance_may_fail_and_be_rewound_again() -> None:
    lab, actor, shop = await failed_lab()
    _, rewinder = await client_of(lab)
    shop.is_fixed = False
    await rewinder.rewind("i1", "too early")
    await actor.drain()
    row = await lab.row()
    assert row.status is RuntimeStatus.FAILED
    assert row.completed_time is not None
    assert "x is not fixed yet" in str(row.output)
    shop.is_fixed = True
    await rewinder.rewind("i1", None)
    await completed(lab, actor, ["Hello before!", "fixed x"])
    loaded = await lab.history()
    assert loaded.sentinel is not None
    assert loaded.sentinel.rewind is not None
    assert (loaded.sentinel.rewind.rows, loaded.ledger.rewound) == (6, 6)
    with pytest.raises(InstanceFinished):
        await rewinder.rewind("i1", None)


@in_virtual_time
async def test_of_retries_the_last_attempt_is_made_again() -> None:
    lab, actor, shop = await failed_lab("stubborn")
    assert shop.runs == 3
    await Rewinder(lab.hub).rewind("i1", None)
    await completed(lab, actor, "fixed x")
    assert shop.runs == 4


@in_virtual_time
async def test_what_was_done_after_the_failure_is_taken_back() -> None:
    """Even a child: what its number stands for now is another one."""
    lab, actor, _ = await failed_lab("careful")
    created = next(e for e in await lab.events() if isinstance(e, SubOrchestrationCreated))
    await Rewinder(lab.hub).rewind("i1", None)
    await completed(lab, actor, "fixed x")
    assert created.instance_id is not None
    assert await lab.output(created.instance_id) == 0
    assert lab.counts["greet:clean-up"] == 1


@in_virtual_time
async def test_a_rewind_over_one_batch_is_several() -> None:
    lab, actor, shop = await failed_lab("wide", 120)
    caller, rewinder = await client_of(lab)
    await rewinder.rewind("i1", None)
    assert [len(batch) for batch in caller.batches] == [1, 100, 100, 44]
    await completed(lab, actor, 120)
    assert shop.runs == 240


@pytest.mark.slow
@pytest.mark.parametrize("before", [True, False])
@in_virtual_time
async def test_a_crash_between_two_batches_is_finished(*, before: bool) -> None:
    for number in range(2, 8):
        lab, actor, _ = await failed_lab("wide", 120)
        caller, rewinder = await client_of(lab)
        crash_at(caller, number, before=before)
        with pytest.raises(Crash):
            await rewinder.rewind("i1", None)
        sentinel = await lab.hub.history.read_sentinel("i1")
        assert sentinel is not None
        await recover(lab, actor)
        row = await lab.row()
        if sentinel.rewind is None:
            assert row.status is RuntimeStatus.FAILED
        else:
            assert (row.status, await lab.output()) == (RuntimeStatus.COMPLETED, 120)


@in_virtual_time
async def test_a_second_call_carries_on_with_what_a_first_left() -> None:
    for number in (3, 4, 5):
        lab, actor, shop = await failed_lab()
        caller, rewinder = await client_of(lab)
        crash_at(caller, number, before=True)
        with pytest.raises(Crash):
            await rewinder.rewind("i1", "first")
        assert (await lab.row()).status is RuntimeStatus.PENDING
        if number == 5:  # only the message is missing: it is no failed instance any more
            with pytest.raises(InstanceError, match="only supported on failed"):
                await Rewinder(lab.hub).rewind("i1", "second")
            await recover(lab, actor)
        else:
            await Rewinder(lab.hub).rewind("i1", "second")
        await completed(lab, actor, ["Hello before!", "fixed x"])
        assert shop.runs == 2


@pytest.mark.parametrize("operation", [ROW, BATCH])
@in_virtual_time
async def test_an_answer_that_was_lost_is_found_to_be_ours(operation: str) -> None:
    lab, actor, _ = await failed_lab()
    caller, rewinder = await client_of(lab)
    caller.repeated.add(operation)
    await rewinder.rewind("i1", "again")
    await completed(lab, actor, ["Hello before!", "fixed x"])


async def rewound_by(rewinder: Rewinder) -> str:
    """What a client that comes among others is told."""
    try:
        await rewinder.rewind("i1", None)
    except InstanceError as error:
        return str(error)
    return "done"


@pytest.mark.parametrize(
    ("operation", "resource"),
    [(ROW, "Instances"), (BATCH, "History"), (QUERY, "History"), (PUT, "control")],
)
@in_virtual_time
async def test_two_clients_rewind_it_once(operation: str, resource: str) -> None:
    lab, actor, shop = await failed_lab()
    caller, rewinder = await client_of(lab)
    told: list[str] = []

    async def meanwhile() -> None:
        told.append(await rewound_by(Rewinder(lab.hub)))

    caller.before = once(meanwhile, operation, resource)
    told.append(await rewound_by(rewinder))
    await completed(lab, actor, ["Hello before!", "fixed x"])
    assert "done" in told
    assert set(told) <= {"done", rewinding._ONLY_FAILED}
    assert shop.runs == 2
    assert (await lab.history()).ledger.rewound == 3


@in_virtual_time
async def test_an_abandoned_rewind_is_set_back_and_its_journal_refused() -> None:
    """A client so slow that the sweeper takes it for dead must not journal after all."""
    lab, actor, _ = await failed_lab()
    caller, rewinder = await client_of(lab)

    async def long_after() -> None:
        await lab.clock.sleep(120)
        await actor.sweep()
        row = await lab.row()
        assert row.status is RuntimeStatus.FAILED
        assert row.output is not None
        assert row.completed_time is not None

    caller.before = once(long_after, BATCH)
    await rewinder.rewind("i1", None)
    # The first journal was refused.
    assert [len(batch) for batch in caller.batches] == [1, 1, 4]
    assert (await lab.row()).status is RuntimeStatus.PENDING
    await completed(lab, actor, ["Hello before!", "fixed x"])


@in_virtual_time
async def test_the_engine_finishes_a_journal_before_it_judges_messages() -> None:
    """Terminated while its rewind is half-way, it ends as terminated, not as failed."""
    lab, actor, _ = await failed_lab()
    caller, rewinder = await client_of(lab)
    crash_at(caller, 4, before=True)
    with pytest.raises(Crash):
        await rewinder.rewind("i1", None)
    await raising.terminate(lab.hub, "i1", "enough")
    await actor.drain()
    row = await lab.row()
    assert (row.status, row.output) == (RuntimeStatus.TERMINATED, "enough")
    assert (await lab.history()).ledger.rewound == 3


@in_virtual_time
async def test_suspend_resume_and_purge_work_on_what_was_rewound() -> None:
    lab, actor, _ = await failed_lab()
    await Rewinder(lab.hub).rewind("i1", None)
    await raising.suspend(lab.hub, "i1", "hold")
    assert not await purge_instance(lab.hub, "i1")
    await actor.drain()
    assert (await lab.row()).status is RuntimeStatus.SUSPENDED
    await raising.resume(lab.hub, "i1", "go on")
    await completed(lab, actor, ["Hello before!", "fixed x"])
    assert await purge_instance(lab.hub, "i1")
    sentinel = await lab.hub.history.read_sentinel("i1")
    assert sentinel is not None
    assert (sentinel.purged, sentinel.rewind) == (True, None)
    with pytest.raises(InstanceNotFound):
        await Rewinder(lab.hub).rewind("i1", None)


@in_virtual_time
async def test_a_purge_that_comes_between_leaves_nobody_to_rewind() -> None:
    lab, actor, _ = await failed_lab()
    caller, rewinder = await client_of(lab)

    async def purge() -> None:
        assert await purge_instance(lab.hub, "i1")

    caller.before = once(purge, ROW)
    with pytest.raises(InstanceNotFound):
        await rewinder.rewind("i1", None)
    await lab.start("single")
    await completed(lab, actor, ["Hello before!", "fixed x"])


@in_virtual_time
async def test_a_start_over_it_comes_first() -> None:
    lab, actor, shop = await failed_lab()
    caller, rewinder = await client_of(lab)

    async def start() -> None:
        await lab.start("single")

    caller.before = once(start, ROW)
    with pytest.raises(InstanceError, match="only supported on failed"):
        await rewinder.rewind("i1", None)
    await completed(lab, actor, ["Hello before!", "fixed x"])
    assert shop.runs == 2
    loaded = await lab.history()
    assert loaded.ledger.rewound == 0


@in_virtual_time
async def test_a_long_reason_is_cut_to_what_a_row_holds() -> None:
    lab, actor, _ = await failed_lab()
    await Rewinder(lab.hub).rewind("i1", "é" * 100_000)
    await completed(lab, actor, ["Hello before!", "fixed x"])
    found = [e.data for e in await lab.events() if isinstance(e, GenericEvent) and e.data]
    assert found == ["é" * MAX_REASON_CHARACTERS]


# Late messages.


def answer_of(lab: Lab, event: Any, episode: int, execution_id: str | None) -> Any:
    message = lab.event(event, execution_id=execution_id, extras=Extras(mark=True))
    return dataclasses.replace(message, episode=episode)


@in_virtual_time
async def test_a_failure_that_is_delivered_again_does_not_fail_it_again() -> None:
    lab, actor, _ = await failed_lab()
    [failure] = [e for e in await lab.events() if isinstance(e, TaskFailed)]
    execution_id = (await lab.row()).execution_id
    await Rewinder(lab.hub).rewind("i1", None)
    await lab.put(answer_of(lab, failure, 2, execution_id))
    await completed(lab, actor, ["Hello before!", "fixed x"])
    assert await lab.quarantined() == []


@in_virtual_time
async def test_a_session_from_before_the_failure_learns_of_the_rewind() -> None:
    """A process that still holds the instance as it was neither drops nor keeps too much."""
    lab, actor, shop = await failed_lab()
    await Rewinder(lab.hub).rewind("i1", None)
    await actor.deliver()  # the message: the activity is called again
    holder = actor.engine.sessions.take("i1")
    assert holder is not None
    shop.is_fixed = False
    other = await lab.actor()
    await other.drain()
    assert (await lab.row()).status is RuntimeStatus.FAILED
    shop.is_fixed = True
    await Rewinder(lab.hub).rewind("i1", None)
    await other.deliver()
    actor.engine.sessions.put(holder)
    await completed(lab, actor, ["Hello before!", "fixed x"])


# Children.


@in_virtual_time
async def test_children_that_failed_are_rewound_and_only_the_leaf_is_woken() -> None:
    lab, actor, shop = await failed_lab("parent")
    _, rewinder = await client_of(lab)
    await rewinder.rewind("i1", "again")
    [(message, _)] = await lab.queued()
    assert message.target == InstanceRef(instance_id="kid")
    assert (await lab.row("kid")).status is RuntimeStatus.PENDING
    await completed(lab, actor, ["Hello before!", "fixed x"])
    await completed(lab, actor, ["Hello before!", "fixed x"], "kid")
    assert shop.runs == 2
    assert lab.counts["greet:before"] == 1


@in_virtual_time
async def test_a_child_s_failure_that_is_delivered_again_does_not_fail_its_parent() -> None:
    lab, actor, _ = await failed_lab("parent")
    kid = await lab.history("kid")
    await Rewinder(lab.hub).rewind("i1", None)
    reports = owed_messages(kid.ledger, kid.ledger.stretches - 1)
    for report in reports:
        await lab.put(report.message)
    await completed(lab, actor, ["Hello before!", "fixed x"])


@in_virtual_time
async def test_a_child_that_was_purged_is_started_anew() -> None:
    lab, actor, _ = await failed_lab("parent")
    assert await purge_instance(lab.hub, "kid")
    await Rewinder(lab.hub).rewind("i1", None)
    await completed(lab, actor, ["Hello before!", "fixed x"])
    assert lab.counts["greet:before"] == 2


@in_virtual_time
async def test_a_child_that_was_terminated_is_started_anew() -> None:
    lab, actor, _ = await failed_lab("parent")
    await Rewinder(lab.hub).rewind("kid", None)
    await raising.terminate(lab.hub, "kid", "enough")
    await actor.drain()
    assert (await lab.row("kid")).status is RuntimeStatus.TERMINATED
    await Rewinder(lab.hub).rewind("i1", None)
    await completed(lab, actor, ["Hello before!", "fixed x"])


@in_virtual_time
async def test_a_child_that_was_rewound_by_itself_reports_again() -> None:
    lab, actor, shop = await failed_lab("parent")
    await Rewinder(lab.hub).rewind("kid", None)
    await completed(lab, actor, ["Hello before!", "fixed x"], "kid")
    assert (await lab.row()).status is RuntimeStatus.FAILED  # its parent had ended
    await Rewinder(lab.hub).rewind("i1", None)
    await completed(lab, actor, ["Hello before!", "fixed x"])
    assert shop.runs == 2


@in_virtual_time
async def test_a_child_that_is_under_way_is_waited_for() -> None:
    lab, actor, shop = await failed_lab("parent")
    await Rewinder(lab.hub).rewind("kid", None)
    await Rewinder(lab.hub).rewind("i1", None)
    await completed(lab, actor, ["Hello before!", "fixed x"])
    assert shop.runs == 2


@in_virtual_time
async def test_a_child_id_that_others_have_running_is_left_alone() -> None:
    lab, actor, _ = await failed_lab("parent")
    await lab.start("single", instance_id="kid")  # accepted, and not begun
    kid = await lab.row("kid")
    await Rewinder(lab.hub).rewind("i1", None)
    assert await lab.row("kid") == kid
    await actor.drain()
    assert (await lab.row()).status is RuntimeStatus.FAILED
    assert await lab.output("kid") == ["Hello before!", "fixed x"]
    # Ended, it may be replaced, as at any start of a child.
    await Rewinder(lab.hub).rewind("i1", None)
    await completed(lab, actor, ["Hello before!", "fixed x"])


@in_virtual_time
async def test_a_child_whose_process_died_before_its_row_was_shown() -> None:
    lab, actor, _ = await failed_lab("parent")
    await lab.merge_row("kid", RuntimeStatus="Running", CheckpointSequence=1)
    await Rewinder(lab.hub).rewind("i1", None)
    await completed(lab, actor, ["Hello before!", "fixed x"])


@in_virtual_time
async def test_a_crash_among_the_children_is_finished_under_the_same_token() -> None:
    for number in range(4, 11):
        lab, actor, shop = await failed_lab("parent")
        caller, rewinder = await client_of(lab)
        crash_at(caller, number, before=True)
        with pytest.raises(Crash):
            await rewinder.rewind("i1", None)
        await recover(lab, actor)
        await completed(lab, actor, ["Hello before!", "fixed x"])
        assert shop.runs == 2


@in_virtual_time
async def test_of_retries_the_last_child_is_rewound() -> None:
    lab, actor, shop = await failed_lab("persistent")
    assert shop.runs == 2
    await Rewinder(lab.hub).rewind("i1", None)
    await completed(lab, actor, ["Hello before!", "fixed x"])
    assert shop.runs == 3
    assert lab.counts["greet:before"] == 2


@pytest.mark.parametrize("seconds", [30, 700])
@in_virtual_time
async def test_what_was_under_way_when_the_engine_failed_it_is_waited_for_again(
    *, seconds: float
) -> None:
    """Other code came and went. What answered meanwhile, a timer or a child, was dropped."""
    lab = Lab(patient, nap)
    actor = await lab.actor()
    stranger = await lab.actor(lab.make_registry())
    await lab.start("patient")
    await actor.deliver()
    await actor.deliver()
    await lab.raise_event("E", 1)
    while (await lab.row()).status is not RuntimeStatus.FAILED:
        await stranger.deliver()
        await lab.clock.sleep(10)
    end = lab.clock.monotonic() + seconds
    while lab.clock.monotonic() < end:
        await actor.deliver()
        await lab.clock.sleep(1)
    assert (await lab.row()).status is RuntimeStatus.FAILED
    await Rewinder(lab.hub).rewind("i1", None)
    await completed(lab, actor, 300)
    assert await lab.quarantined() == []


# Beside .NET.


@in_virtual_time
async def test_what_dotnet_wrote_is_rewound_too() -> None:
    """Its sentinel has no columns of ours, its row no sequence."""
    lab, actor, _ = await failed_lab()
    await lab.merge_sentinel(CheckpointCompletedTimestamp=lab.clock.now())
    row = await lab.row()
    await lab.hub.instances.replace_row(dataclasses.replace(row, checkpoint_sequence=None))
    await Rewinder(lab.hub).rewind("i1", None)
    assert (await lab.row()).checkpoint_sequence == 3
    await completed(lab, actor, ["Hello before!", "fixed x"])


@in_virtual_time
async def test_a_row_that_dotnet_set_back_meanwhile_shows_the_rewind_again() -> None:
    lab, actor, _ = await failed_lab()
    caller, rewinder = await client_of(lab)
    crash_at(caller, 4, before=True)
    with pytest.raises(Crash):
        await rewinder.rewind("i1", None)
    await lab.merge_row(RuntimeStatus="Failed")
    await Rewinder(lab.hub).rewind("i1", None)
    assert (await lab.row()).status is RuntimeStatus.PENDING
    await completed(lab, actor, ["Hello before!", "fixed x"])


# Others that never leave it alone.


@in_virtual_time
async def test_patience_with_others_ends() -> None:
    lab, _, _ = await failed_lab("parent")
    caller, rewinder = await client_of(lab)
    caller.failing[ROW] = PreconditionFailed("always")
    with pytest.raises(InstanceError, match="was changed by others all the time"):
        await rewinder.rewind("i1", None)
    caller.failing.clear()
    crash_at(caller, 8, before=True)
    with pytest.raises(Crash):
        await rewinder.rewind("i1", None)
    caller, rewinder = await client_of(lab)
    caller.failing[BATCH] = PreconditionFailed("always")
    with pytest.raises(PreconditionFailed, match="'i1' was changed by others all the time"):
        await rewinder.finish("i1")


@in_virtual_time
async def test_rows_are_what_they_were_but_for_type_and_reason() -> None:
    lab, _, _ = await failed_lab()
    before = await lab.events()
    await Rewinder(lab.hub).rewind("i1", None)
    after = await lab.events()
    changed = [old for old, new in zip(before, after, strict=True) if old != new]
    assert [type(event) for event in changed] == [TaskScheduled, TaskFailed, ExecutionCompleted]


# Reads.


def page_rows(actor: Actor, rows: int) -> None:
    """The service may end a page wherever it likes."""
    query = actor.account.tables.query

    async def paged(table: str, condition: Any, **options: Any) -> Any:
        return await query(table, condition, **{**options, "page_size": rows})

    actor.account.tables.query = paged  # type: ignore[method-assign]


@in_virtual_time
async def test_r2_a_load_of_several_pages_that_a_rewind_overtook_is_read_again() -> None:
    """Half of it would look like a call that is under way, and is never answered."""
    lab, _, _ = await failed_lab()
    reader = await lab.actor()
    page_rows(reader, 8)
    pages = 0

    async def between(number: int, operation: str, resource: str) -> None:
        nonlocal pages
        if operation == QUERY:
            pages += 1
            if pages == 2:
                await Rewinder(lab.hub).rewind("i1", None)

    reader.before = between
    read = await reader.hub.history.read("i1")
    assert read.ledger.rewound == 3
    assert read.ledger.rows == (await lab.history()).ledger.rows
    assert pages == 4


@in_virtual_time
async def test_a_ledger_from_before_a_rewind_is_not_continued() -> None:
    lab, _, _ = await failed_lab()
    whole = (await lab.history()).ledger
    early, ended = Ledger(whole.rows[:8]), Ledger(whole.rows)
    kept = await lab.hub.history.read("i1", Ledger(whole.rows[:8]))
    assert (kept.kept, kept.ledger.rows) == (True, whole.rows)
    # What has ended may have been rewound without a trace in the sentinel.
    assert not (await lab.hub.history.read("i1", ended)).kept
    await Rewinder(lab.hub).rewind("i1", None)
    read = await lab.hub.history.read("i1", early)
    assert not read.kept
    assert read.ledger.rewound == 3


@in_virtual_time
async def test_a_rewind_by_dotnet_is_seen_by_what_is_new() -> None:
    """It changes rows, and leaves the sentinel as it was."""
    lab, actor, _ = await failed_lab()
    early = Ledger((await lab.history()).ledger.rows[:8])
    for index, kind in ((6, "TaskScheduled"), (9, "TaskFailed"), (10, "ExecutionCompleted")):
        columns = {"EventType": "GenericEvent", "Reason": f"Rewound: {kind}"}
        row = Row(partition_key="i1", row_key=row_key(index), columns=columns)
        await lab.account.tables.write(
            lab.hub.names.history_table, Operation(write=Write.MERGE, row=row)
        )
    read = await lab.hub.history.read("i1", early)
    assert not read.kept
    assert read.ledger.rewound == 3
    await lab.merge_row(RuntimeStatus="Pending")
    await raising.wake(lab.hub, "i1", "by .NET")
    await completed(lab, actor, ["Hello before!", "fixed x"])
