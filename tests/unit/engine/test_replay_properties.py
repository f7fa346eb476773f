"""However a history is cut and whoever ran it before, replay comes to the same state."""

from __future__ import annotations

from collections.abc import Generator
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from durable.engine.replay import Orchestration
from durable.engine.task_base import TaskBase
from durable.errors import ActivityFailed
from durable.model.events import (
    ExecutionResumed,
    ExecutionSuspended,
    ExecutionTerminated,
    HistoryEvent,
    SubOrchestrationCreated,
    TaskScheduled,
    TimerCreated,
    TimerFired,
    answered_task,
)
from durable.model.retry import RetryOptions
from tests.unit.engine.conftest import (
    SECOND,
    T0,
    Ask,
    Driver,
    broken,
    child_done,
    done,
    event,
    replay,
    state,
)

STEPS = (
    "activity", "all", "any", "nested", "event", "race", "timer", "long", "retry", "child", "send",
    "status", "catch",
)  # fmt: skip

scripts = st.lists(st.sampled_from(STEPS), max_size=6).flatmap(
    lambda steps: st.sampled_from(["return", "raise", "again"]).map(lambda end: (*steps, end))
)


def one(ask: Ask, step: str, number: int) -> Generator[TaskBase, object, object]:
    """One step of a script."""
    match step:
        case "activity":
            yield ask.activity("a", number)
        case "all":
            yield ask.all_of([ask.activity("a", n) for n in range(3)])
        case "any":
            yield ask.any_of([ask.activity("a"), ask.activity("b")])
        case "nested":
            shared = ask.activity("s")
            yield ask.all_of([ask.any_of([shared, ask.event("go")]), ask.activity("a"), shared])
        case "event":
            yield ask.event("go")
        case "race":
            timer = ask.timer(SECOND)
            winner = yield ask.any_of([ask.event("go"), timer])
            if winner is not timer:
                timer.cancel()
        case "timer":
            yield ask.timer(SECOND)
        case "long":
            yield ask.long_timer(timedelta(days=7))
        case "retry":
            yield ask.retry("flaky", RetryOptions(1000, 2))
        case "child":
            yield ask.child("kid")
        case "send":
            ask.send("other", "ping", number)
        case "status":
            ask.status(number)
        case _:
            try:
                yield ask.activity("bad")
            except ActivityFailed:
                yield ask.activity("repair")
    return None


def orchestrator(script: tuple[str, ...], is_async: bool) -> object:
    def code(ask: Ask) -> Generator[TaskBase, object, object]:
        for number, step in enumerate(script[:-1]):
            yield from one(ask, step, number)
        return finish(ask)

    async def code_async(ask: Ask) -> object:
        for number, step in enumerate(script[:-1]):
            await Step(one(ask, step, number))
        return finish(ask)

    def finish(ask: Ask) -> object:
        if script[-1] == "raise":
            raise ValueError("the end")
        if script[-1] == "again":
            ask.continue_as_new(len(script))
        return list(script)

    return code_async if is_async else code


class Step:
    """A generator as an awaitable, so that one script serves both kinds of orchestrator."""

    def __init__(self, steps: Generator[TaskBase, object, object]) -> None:
        self.steps = steps

    def __await__(self) -> Generator[TaskBase, object, object]:
        return (yield from self.steps)


def possible_answers(driver: Driver) -> list[HistoryEvent]:
    """What may arrive next."""
    answered = {answered_task(row) for row in driver.rows}
    found: list[HistoryEvent] = [event("go", len(driver.rows))]
    for row in driver.decided:
        if row.event_id in answered:
            continue
        match row:
            case TaskScheduled():
                found += [done(row.event_id, row.event_id), broken(row.event_id, "E", "no")]
            case SubOrchestrationCreated():
                found.append(child_done(row.event_id))
            case TimerCreated():
                found.append(TimerFired(timestamp=T0, timer_id=row.event_id, fire_at=row.fire_at))
            case _:
                pass
    return found


def run(data: st.DataObject) -> Driver:
    script = data.draw(scripts, label="script")
    driver = Driver(orchestrator(script, data.draw(st.booleans(), label="async")))  # type: ignore[arg-type]
    driver.start()
    for _ in range(25):
        if driver.live.is_recorded_complete:
            break
        arrived: list[HistoryEvent] = []
        for _ in range(data.draw(st.integers(1, 3))):
            choices = possible_answers(driver)
            choices += [ExecutionSuspended(timestamp=T0), ExecutionResumed(timestamp=T0)]
            if data.draw(st.integers(0, 40)) == 0:
                choices = [ExecutionTerminated(timestamp=T0, reason="enough")]
            arrived.append(data.draw(st.sampled_from(choices)))
        driver.turn(*arrived)
    return driver


SETTINGS = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.slow
@SETTINGS
@given(st.data())
def test_replay_gives_the_state_of_the_live_orchestration(data: st.DataObject) -> None:
    driver = run(data)
    assert state(driver.replayed()) == state(driver.live)


@pytest.mark.slow
@SETTINGS
@given(st.data())
def test_replaying_a_part_and_going_on_live_gives_the_same_at_every_row(
    data: st.DataObject,
) -> None:
    driver = run(data)
    cut = data.draw(st.integers(0, len(driver.rows)), label="cut")
    execution = driver.replayed(cut)
    alone = Orchestration(driver.program, instance_id=driver.instance_id)
    for row in driver.rows[:cut]:
        alone.feed(row, replaying=False)
    assert state(execution) == state(alone)
    for row in driver.rows[cut:]:
        execution.feed(row, replaying=False)
        alone.feed(row, replaying=True)
        assert state(execution) == state(alone)
    assert state(execution) == state(driver.live)


@pytest.mark.slow
@SETTINGS
@given(st.data())
def test_r1_rows_of_decisions_may_come_later_than_what_caused_them(data: st.DataObject) -> None:
    driver = run(data)
    moved: list[HistoryEvent] = []
    late: list[HistoryEvent] = []
    for row in driver.rows:
        if row.event_id >= 0 and answered_task(row) is None and data.draw(st.booleans()):
            late.append(row)
            continue
        task = answered_task(row)
        if any(each.event_id == task for each in late) or row is driver.rows[-1]:
            moved += late
            late = []
        moved.append(row)
    ending = [row for row in driver.rows if row.event_id >= 0][-1:]
    if driver.live.is_recorded_complete and ending:
        moved = [row for row in moved if row is not ending[0]] + ending
    again = replay(driver.program, moved, driver.instance_id)
    assert again.outcome == driver.live.outcome
    assert again.undecided == driver.live.undecided
    assert again.custom_status == driver.live.custom_status
