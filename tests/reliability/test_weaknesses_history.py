"""W1, W4, W12, W13, W21: histories half written, rows that lie, old rows, replays without end."""

from __future__ import annotations

from typing import Any

import pytest

from durable.model.events import (
    ExecutionStarted,
    OrchestratorCompleted,
    TaskScheduled,
)
from durable.model.status import RuntimeStatus
from durable.runtime.settings import EngineSettings
from tests.hub_lab import Actor, Crash, Lab, in_virtual_time, once, stretch_ends
from tests.reliability.stories import (
    BATCH,
    PUT,
    QUERY,
    begun,
    collect,
    fan_out,
    lose_messages,
    raised,
    steps,
)

#: With the fast path.
_SETTINGS = EngineSettings()


def crash_after(actor: Actor, operation: str, resource: str = "") -> None:
    """`actor` dies right after its next such call."""

    async def die() -> None:
        actor.crash()

    actor.after = once(die, operation, resource)


@in_virtual_time
async def test_w01_a_crash_between_the_batches_of_a_turn_leaves_a_whole_checkpoint() -> None:
    """120 calls are more than a batch; the process dies between the first and the second."""
    lab = Lab(fan_out)
    actor = await lab.actor()
    await lab.start("fan_out", 120)
    crash_after(actor, BATCH)
    with pytest.raises(Crash):
        await actor.deliver()
    left = await lab.history()
    events = [row.event for row in left.ledger.rows]
    assert 0 < sum(isinstance(each, TaskScheduled) for each in events) < 120
    # Whole, also for a .NET reader, which knows no CommittedCount.
    assert stretch_ends(events)[-1:] == [len(events) - 1]
    assert left.sentinel is not None
    assert left.sentinel.is_checkpoint_complete
    # And nothing of it has left.
    assert await lab.account.queues.count(lab.hub.names.work_items) == 0
    await (await lab.actor()).drain()
    assert await lab.output() == 120
    assert lab.counts == {f"greet:{n}": 1 for n in range(120)}
    scheduled = [e.event_id for e in await lab.events() if isinstance(e, TaskScheduled)]
    assert sorted(scheduled) == list(range(120))


@in_virtual_time
async def test_w01_a_crash_while_a_new_generation_is_written_keeps_the_old_one_s_events() -> None:
    """150 events wait when it continues as new: the new rows don't fit the batch of the old."""
    deaths = 0
    for batch in (1, 2, 3):
        lab = Lab(collect, waiting_first)
        actor = await begun(lab, "waiting_first")
        for number in range(150):
            await lab.raise_event("E", number)
        await actor.drain()
        await lab.raise_event("go", None)
        deaths += await _died_after_batch(actor, batch)
        actor = await lab.actor()
        await actor.drain()
        await lab.raise_event("E", "end")
        await actor.drain()
        assert sorted(await lab.output()) == list(range(150))
    assert deaths == 3


def waiting_first(context: Any) -> Any:
    """Leaves its events to the next generation, which collects them."""
    if context.get_input() is None:
        yield context.wait_for_external_event("go")
        context.continue_as_new([])
        return None
    return (yield from collect(context))


async def _died_after_batch(actor: Actor, number: int) -> bool:
    batches = 0

    async def count(_: int, operation: str, resource: str) -> None:
        nonlocal batches
        batches += operation == BATCH
        if batches == number:
            actor.crash()

    actor.after = count
    try:
        await actor.drain()
    except Crash:
        return True
    return False


@in_virtual_time
async def test_w04_a_row_behind_its_finished_history_is_corrected_without_another_message() -> None:
    """The process dies between history and row, and no message ever comes again."""
    lab = Lab(collect)
    actor = await begun(lab, "collect")
    await lab.raise_event("E", "end")
    crash_after(actor, BATCH)
    with pytest.raises(Crash):
        await actor.deliver()
    assert (await lab.row()).status is RuntimeStatus.RUNNING
    await lose_messages(lab)
    await lab.clock.sleep(90)
    await (await lab.actor()).sweep()
    row = await lab.row()
    assert (row.status, await lab.output()) == (RuntimeStatus.COMPLETED, [])


@in_virtual_time
async def test_w04_a_stalled_process_cannot_write_an_older_row_over_a_newer_one() -> None:
    """It stands still before it writes the row; another one finishes the instance meanwhile."""
    lab = Lab(collect)
    stalled = await begun(lab, "collect")
    other = await lab.actor()

    async def meanwhile() -> None:
        await lab.clock.sleep(1000)  # past lease and grace
        await lab.raise_event("E", "end")
        await other.drain()
        assert (await lab.row()).status is RuntimeStatus.COMPLETED

    await lab.raise_event("E", 1)
    stalled.before = once(meanwhile, "Merge Entity", lab.hub.names.instances_table)
    await stalled.deliver()
    await other.drain()
    row = await lab.row()
    assert (row.status, await lab.output()) == (RuntimeStatus.COMPLETED, [1])


@in_virtual_time
async def test_w12_rows_that_an_older_generation_left_never_count() -> None:
    """Its 40 rows lie above the few of the next one, whoever reads, with or without a memory."""
    lab = Lab(collect)
    actor = await begun(lab, "collect")
    for number in range(40):
        await lab.raise_event("E", number)
    await actor.drain()
    old = len((await lab.history()).ledger.rows)
    await lab.raise_event("E", "again")
    await actor.drain()
    table = lab.hub.names.history_table
    stored = len((await lab.account.tables.query(table, None)).rows)
    events = await lab.events()
    assert len(events) < 10
    assert stored > old > 40  # they are still there
    assert sum(isinstance(each, ExecutionStarted) for each in events) == 1
    assert raised(events) == []
    await lab.raise_event("E", "last")
    await lab.raise_event("E", "end")
    await (await lab.actor()).drain()  # a process that has to load it
    assert await lab.output() == [*range(40), "last"]
    assert raised(await lab.events()) == ["last", "end"]


@in_virtual_time
async def test_w13_a_step_of_a_long_sequence_costs_what_the_first_one_costs() -> None:
    """No step reads the history, and none goes through the queues."""
    spent = {}
    for length in (10, 60):
        lab = Lab(steps, settings=_SETTINGS)
        actor = await lab.actor()
        await lab.start("steps", length)
        await actor.drain()
        assert len(await lab.output()) == length
        spent[length] = len(actor.calls)
        assert [operation for operation, _ in actor.calls].count(QUERY) <= 1
        assert (PUT, lab.hub.names.work_items) not in actor.calls
    assert (spent[60] - spent[10]) / 50 <= 1.0


@in_virtual_time
async def test_w13_a_fan_out_s_answers_share_turns() -> None:
    """Not a turn, a history and a replay for each of 300 answers."""
    lab = Lab(fan_out, settings=_SETTINGS)
    actor = await lab.actor()
    await lab.start("fan_out", 300)
    await actor.drain()
    assert await lab.output() == 300
    turns = sum(isinstance(each, OrchestratorCompleted) for each in await lab.events())
    assert turns <= 12  # four for the calls, four for the answers, and some
    assert [operation for operation, _ in actor.calls].count(QUERY) <= 1


@in_virtual_time
async def test_w21_a_turn_whose_session_is_gone_is_not_taken_for_done() -> None:
    """At its commit it finds that somebody else had the instance: no message may be forgotten."""
    lab = Lab(collect)
    loser, winner = await begun(lab, "collect"), await lab.actor()

    async def meanwhile() -> None:
        loser.engine.sessions.clear()  # AbortAllSessions
        await lab.raise_event("E", "winner's")
        await winner.deliver()

    await lab.raise_event("E", "loser's")
    loser.before = once(meanwhile, BATCH)
    await loser.deliver()
    assert sorted(raised(await lab.events())) == ["loser's", "winner's"]
    assert await lab.empty()
    await lab.raise_event("E", "end")
    await winner.drain()
    assert sorted(await lab.output()) == ["loser's", "winner's"]
