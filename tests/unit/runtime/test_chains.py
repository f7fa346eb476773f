"""The fast path: turns that follow each other in one process, and when they are sent and shown."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Generator
from datetime import timedelta
from typing import Any

import pytest

from durable.authoring.definitions import EntityDefinition
from durable.model.events import TimerFired
from durable.model.ids import EntityId
from durable.model.status import RuntimeStatus
from durable.runtime.delivery import Lease
from durable.wire.entity_json import decode_state
from tests.hub_lab import LEASE_SECONDS, Lab, in_virtual_time
from tests.unit.runtime.fast_lab import (
    BATCH,
    DELETE,
    MERGE,
    PUT,
    READ_ROW,
    RENEW,
    FastLab,
    how_many,
    operations,
)

Steps = Generator[Any, Any, Any]


def sequence(context: Any) -> Steps:
    got: list[Any] = []
    while len(got) < context.get_input():
        got.append((yield context.call_activity("greet", len(got))))
    return got


def fan_out(context: Any) -> Steps:
    calls = [context.call_activity("greet", number) for number in range(context.get_input())]
    return len((yield context.task_all(calls)))


def slowly(context: Any) -> Steps:
    """As many activities as the input is long, each as slow as it says."""
    calls = [context.call_activity("slow", seconds) for seconds in context.get_input()]
    return (yield context.task_all(calls))


def one_after_the_other(context: Any) -> Steps:
    for seconds in context.get_input():
        yield context.call_activity("slow", seconds)


def timed(context: Any) -> Steps:
    """Activities against a timer."""
    timer = context.create_timer(
        context.current_utc_datetime + timedelta(seconds=context.get_input())
    )
    first = yield context.task_any([timer, context.call_activity("slow", 0.1)])
    if first is not timer:
        timer.cancel()
    yield context.call_activity("slow", 0.1)
    return first is timer


def generations(context: Any) -> Steps:
    left = context.get_input()
    yield context.call_activity("slow", 0.1)
    if left:
        context.continue_as_new(left - 1)


def racing(context: Any) -> Steps:
    """Each generation leaves a timer behind."""
    left = context.get_input()
    timer = context.create_timer(context.current_utc_datetime + timedelta(seconds=40))
    yield context.task_any([timer, context.call_activity("greet", left)])
    timer.cancel()
    if left:
        context.continue_as_new(left - 1)


def telling(context: Any) -> Steps:
    """Each generation tells an entity, after an activity."""
    left = context.get_input()
    yield context.call_activity("greet", left)
    context.signal_entity(EntityId("counter", "a"), "add", left)
    if left:
        context.continue_as_new(left - 1)


async def counter(context: Any) -> None:
    """Adds."""
    context.set_state(context.get_state(lambda: 0) + context.get_input())


# What is asked of storage.


@in_virtual_time
async def test_hello_of_three_steps_takes_six_requests_after_its_start() -> None:
    lab = FastLab(sequence)
    actor = await lab.actor()
    assert await lab.requests(actor, "sequence", 3) == [READ_ROW, *[BATCH] * 4, MERGE]
    assert await lab.output() == ["Hello 0!", "Hello 1!", "Hello 2!"]


@in_virtual_time
async def test_a_step_of_a_sequence_is_one_request() -> None:
    lab = FastLab(sequence)
    actor = await lab.actor()
    assert await lab.requests(actor, "sequence", 50) == [READ_ROW, *[BATCH] * 51, MERGE]
    assert lab.counts == {f"greet:{number}": 1 for number in range(50)}


@in_virtual_time
async def test_results_that_come_together_enter_one_turn() -> None:
    lab = FastLab(fan_out)
    actor = await lab.actor()
    assert await lab.requests(actor, "fan_out", 5) == [READ_ROW, BATCH, BATCH, MERGE]


@pytest.mark.slow
@in_virtual_time
async def test_a_fan_out_of_a_thousand_asks_for_little_more_than_its_rows_take() -> None:
    lab = FastLab(fan_out)
    actor = await lab.actor()
    asked = await lab.requests(actor, "fan_out", 1000)
    # 99 rows to a batch: eleven for the calls, eleven for the answers.
    assert asked == [READ_ROW, *[BATCH] * 22, MERGE]
    assert await lab.output() == 1000


@in_virtual_time
async def test_without_the_fast_path_everything_goes_through_the_queues() -> None:
    lab = Lab(sequence)
    actor = await lab.actor()
    await lab.start("sequence", 3)
    await actor.drain()
    assert await lab.output() == ["Hello 0!", "Hello 1!", "Hello 2!"]
    assert how_many(actor)[PUT] == 6
    assert how_many(actor)[MERGE] == 4  # the row, at each turn


@in_virtual_time
async def test_continuing_as_new_with_nothing_owed_is_one_request() -> None:
    lab = FastLab(generations)
    actor = await lab.actor()
    assert await lab.requests(actor, "generations", 3) == [READ_ROW, *[BATCH] * 5, MERGE]


# When a chain is flushed.


@in_virtual_time
async def test_a_slow_activity_is_put_leased_and_its_result_comes_from_memory() -> None:
    lab = FastLab(slowly)
    actor = await lab.actor()
    await lab.start("slowly", [1])
    began = lab.clock.monotonic()
    async with lab.delivering(actor):
        await lab.clock.sleep(0.4)
        assert await lab.work() == []
        assert (await lab.row()).status is RuntimeStatus.PENDING
        await lab.clock.sleep(0.2)
        assert (await lab.row()).status is RuntimeStatus.RUNNING
        [(given, seconds)] = await lab.work()
        assert given == "[1]"
        assert seconds == pytest.approx(44.9)
    assert operations(actor) == [READ_ROW, BATCH, PUT, MERGE, BATCH, MERGE, DELETE]
    assert lab.clock.monotonic() == began + 1
    assert await lab.empty()
    assert await lab.output() == [1]
    assert lab.counts == {"slow:1": 1}


@in_virtual_time
async def test_its_message_is_renewed_and_never_visible_while_it_runs() -> None:
    lab = FastLab(slowly)
    actor = await lab.actor()
    await lab.start("slowly", [100])
    async with lab.delivering(actor):
        await lab.clock.sleep(0.6)
        for _ in range(99):
            assert await lab.account.queues.get(lab.work_items, count=1, lease_seconds=1) == []
            await lab.clock.sleep(1)
    assert how_many(actor)[RENEW] == 100 // 22.5
    assert await lab.empty()
    assert lab.counts == {"slow:100": 1}


@in_virtual_time
async def test_an_activity_that_found_no_place_is_put_for_anyone() -> None:
    lab = FastLab(slowly, max_concurrent_activities=2)
    first, second = await lab.actor(), await lab.actor()
    await lab.start("slowly", [3, 3, 3.5])
    async with lab.delivering(first):
        # Nobody waits out the whole chain for a place: another process may have one.
        await lab.clock.sleep(0.09)
        assert await lab.work() == []
        await lab.clock.sleep(0.11)
        assert [seconds > 0 for _, seconds in await lab.work()] == [True, True, False]
        async with lab.delivering(second):
            pass
    assert lab.begun == [(0.0, 3), (0.0, 3), (0.2, 3.5)]
    await first.drain()
    assert await lab.output() == [3, 3, 3.5]
    assert lab.counts == {"slow:3": 2, "slow:3.5": 1}


@in_virtual_time
async def test_activities_known_to_be_slow_wait_for_no_place_and_no_flush() -> None:
    lab = FastLab(slowly, max_concurrent_activities=2)
    actor = await lab.actor()
    await lab.start("slowly", [2])
    await actor.deliver()
    lab.begun.clear()
    await lab.start("slowly", [2, 2, 2], instance_id="i2")
    now = lab.clock.monotonic()
    async with lab.delivering(actor):
        await lab.clock.sleep(0.01)
        # Those that have a place here are held; the third is for whoever has one.
        assert sorted(seconds > 0 for _, seconds in await lab.work()) == [False, True, True]
        assert lab.begun == [(now, 2), (now, 2)]
    await actor.drain()
    assert await lab.output("i2") == [2, 2, 2]
    assert lab.counts == {"slow:2": 4}


@in_virtual_time
async def test_a_chain_is_flushed_when_its_time_is_over_however_fast_its_steps_are() -> None:
    lab = FastLab(one_after_the_other)
    actor = await lab.actor()
    shown: list[float] = []

    async def note(number: int, operation: str, resource: str) -> None:
        if operation == MERGE:
            shown.append(round(lab.clock.monotonic(), 3))

    actor.before = note
    await lab.start("one_after_the_other", [0.2] * 8)
    await actor.deliver()
    # Each 0.5 s after the first checkpoint that it shows; the last one is the end.
    assert shown == [0.5, 1.1, 1.6]
    assert await lab.empty()


@in_virtual_time
async def test_results_that_never_cease_to_come_do_not_put_the_flush_off() -> None:
    lab = FastLab(slowly, max_concurrent_activities=500)
    actor = await lab.actor()
    shown: list[float] = []

    async def take_time(number: int, operation: str, resource: str) -> None:
        await lab.clock.sleep(0.04)
        if operation == MERGE:
            shown.append(lab.clock.monotonic())

    actor.before = take_time
    await lab.start("slowly", [round(0.01 * each, 2) for each in range(1, 201)])
    await actor.deliver()
    # Three batches at the most, and some puts, begin before the time is over and end after it.
    assert shown[0] < 1.2
    assert len(await lab.output()) == 200
    assert sum(lab.counts.values()) == 200
    assert await lab.empty()


@in_virtual_time
async def test_results_of_activities_that_were_put_share_a_turn_and_a_row() -> None:
    async def late(value: Any) -> Any:
        await lab.clock.sleep(value)
        return value

    def mixed(context: Any) -> Steps:
        slow = [context.call_activity("slow", 0.6) for _ in range(20)]
        other = context.call_activity("late", 0.9)
        return (yield context.task_all([*slow, other]))

    lab = FastLab(mixed, activities=[late])
    actor = await lab.actor()
    await lab.start("mixed")
    await actor.deliver()
    # At the flush; and once more, since the last one is worth waiting for.
    assert Counter(operations(actor)) == {READ_ROW: 1, BATCH: 3, PUT: 21, MERGE: 2, DELETE: 21}
    assert await lab.output() == [*[0.6] * 20, 0.9]
    assert await lab.empty()


@in_virtual_time
async def test_a_process_that_holds_many_messages_waits_for_none() -> None:
    lab = FastLab(slowly, held_limit=3)
    actor = await lab.actor()
    for number in range(3):
        await lab.start("slowly", [0.4], instance_id=f"i{number}")
    async with lab.delivering(actor):
        await lab.clock.sleep(0.1)
        # The first two were not crowded yet when they looked, or all of them were.
        assert (await lab.row("i2")).status is RuntimeStatus.RUNNING
    await actor.drain()
    for number in range(3):
        assert await lab.output(f"i{number}") == [0.4]
    assert lab.counts == {"slow:0.4": 3}


@pytest.mark.parametrize(
    ("lease_seconds", "waits"), [(0.9, False), (30.0, True)], ids=["ending", "good"]
)
def test_g_no_chain_is_built_on_a_lease_that_ends(lease_seconds: float, waits: bool) -> None:
    @in_virtual_time
    async def run() -> None:
        lab = FastLab(slowly)
        actor = await lab.actor()
        await lab.start("slowly", [0.3])
        [raw] = await lab.account.queues.get(lab.queue, count=1, lease_seconds=LEASE_SECONDS)
        lease = Lease(lab.clock.monotonic() + lease_seconds)
        async with asyncio.TaskGroup() as group:
            group.create_task(actor.engine.process_control_message(lab.queue, raw, lease))
            await lab.clock.sleep(0.1)
            assert (len(await lab.work()) == 0) is waits
        assert await lab.output() == [0.3]
        assert await lab.account.queues.count(lab.work_items) == 0
        assert lab.counts == {"slow:0.3": 1}

    run()


@in_virtual_time
async def test_activities_beyond_the_limit_are_put_at_once() -> None:
    lab = FastLab(slowly, max_in_place=2)
    actor = await lab.actor()
    await lab.start("slowly", [0.2, 0.2, 0.2])
    async with lab.delivering(actor):
        await lab.clock.sleep(0.1)
        assert sorted(seconds > 0 for _, seconds in await lab.work()) == [False, True, True]
    await actor.drain()
    assert await lab.output() == [0.2] * 3
    assert lab.counts == {"slow:0.2": 3}
    lab.counts.clear()
    # The places are free again.
    await lab.start("slowly", [0.2, 0.2], instance_id="i2")
    actor.calls.clear()
    await actor.deliver()
    assert how_many(actor)[PUT] == 0


# Timers.


@in_virtual_time
async def test_a_timer_that_is_not_due_soon_waits_for_the_flush() -> None:
    lab = FastLab(timed)
    actor = await lab.actor()
    await lab.start("timed", 40)
    await actor.deliver()
    assert operations(actor) == [READ_ROW, *[BATCH] * 3, PUT, MERGE]
    assert await lab.output() is False


@pytest.mark.parametrize("due", [1, 1.9])
def test_a_timer_that_is_due_soon_is_sent_at_once(due: float) -> None:
    @in_virtual_time
    async def run() -> None:
        lab = FastLab(timed)
        actor = await lab.actor()
        await lab.start("timed", due)
        async with lab.delivering(actor):
            await lab.clock.sleep(0.05)
            [_start, (timer, seconds)] = await lab.mail()
            assert isinstance(timer.event, TimerFired)
            assert due - 0.05 <= seconds < due + 1
        await actor.drain()
        assert await lab.output() is False

    run()


# Continuing as new.


@in_virtual_time
async def test_e_what_is_owed_is_sent_and_shown_before_its_rows_are_written_over() -> None:
    lab = FastLab(racing)
    actor = await lab.actor()
    await lab.start("racing", 1)
    await actor.deliver()
    # The timer, and the activity whose answer is in the turn that writes its call over.
    assert operations(actor)[:6] == [READ_ROW, BATCH, PUT, PUT, MERGE, BATCH]
    assert how_many(actor) == {READ_ROW: 1, BATCH: 3, PUT: 3, MERGE: 2, DELETE: 1}
    timers = [message for message, _ in await lab.mail()]
    assert len({message.target.execution_id for message in timers}) == 2
    await actor.drain()
    assert (await lab.row()).status is RuntimeStatus.COMPLETED
    assert lab.counts == {"greet:1": 1, "greet:0": 1}


@in_virtual_time
async def test_the_messages_of_a_generation_leave_before_its_rows_are_written_over() -> None:
    lab = FastLab(telling)
    lab.registry.add_entity(
        EntityDefinition(name="counter", function=counter, context_name="context")
    )
    actor = await lab.actor()
    await lab.start("telling", 2)
    await actor.deliver()
    # The end of a generation is a checkpoint of its own; the row follows with the last one.
    assert operations(actor) == [READ_ROW, BATCH, *[BATCH, PUT, BATCH] * 2, BATCH, PUT, MERGE]
    await actor.drain()
    assert lab.counts == {f"greet:{each}": 1 for each in range(3)}
    entity = "@counter@a"
    assert decode_state((await lab.row(entity)).input, entity).state == "3"


@in_virtual_time
async def test_an_orchestration_without_end_keeps_no_invocation() -> None:
    lab = FastLab(generations)
    actor = await lab.actor()
    await lab.start("generations", 100)
    await actor.deliver()
    assert lab.clock.monotonic() < 6
    await actor.drain()
    assert lab.counts == {"slow:0.1": 101}
    assert (await lab.row()).status is RuntimeStatus.COMPLETED


@in_virtual_time
async def test_messages_of_an_orchestration_without_end_are_not_held_for_long() -> None:
    lab = FastLab(generations)
    actor = await lab.actor()
    await lab.start("generations", 30)
    async with lab.delivering(actor):
        await lab.clock.sleep(0.25)
        await lab.raise_event("E", 1)
        began = lab.clock.monotonic()
        await actor.deliver()
        assert lab.clock.monotonic() - began <= 0.6
