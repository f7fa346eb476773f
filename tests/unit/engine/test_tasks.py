from __future__ import annotations

import contextlib
from collections.abc import Generator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from durable.engine import tasks
from durable.engine.task_base import FinishedTask, TaskBase, TaskState
from durable.errors import ActivityFailed, ChildFailed
from durable.model.events import (
    SubOrchestrationCreated,
    TaskFailed,
    TaskScheduled,
    TimerCreated,
)
from durable.model.failure import FailureDetails
from durable.model.retry import RetryOptions
from tests.conformance.conformance import covers
from tests.unit.engine.conftest import (
    SECOND,
    T0,
    Ask,
    Driver,
    broken,
    child_broken,
    child_done,
    done,
    event,
    state,
)

Steps = Generator[TaskBase, Any, Any]
DAY = timedelta(days=1)


def finished(driver: Driver) -> object:
    assert driver.live.outcome is not None
    return driver.live.outcome.result


def test_the_public_names_are_those_of_1_7() -> None:
    assert set(tasks.__all__) == {
        "AtomicTask",
        "CompoundTask",
        "LongTimerTask",
        "RetryAbleTask",
        "TaskBase",
        "TaskState",
        "TimerTask",
        "WhenAllTask",
        "WhenAnyTask",
    }
    assert [(s.name, s.value) for s in TaskState] == [
        ("RUNNING", 0),
        ("SUCCEEDED", 1),
        ("FAILED", 2),
    ]


def test_a_task_shows_its_state_under_both_names() -> None:
    held: list[TaskBase] = []

    def code(ask: Ask) -> Steps:
        held.append(ask.activity("a"))
        yield held[0]

    driver = Driver(code)
    assert driver.start() is None
    task = held[0]
    assert (task.id, task.state, task.result) == (0, TaskState.RUNNING, None)
    assert (task.is_completed, task.is_complete) == (False, False)
    driver.completed(0, 5)
    assert (task.state, task.result) == (TaskState.SUCCEEDED, 5)
    assert (task.is_completed, task.is_complete) == (True, True)


def test_a_task_knows_the_last_unfinished_task_that_holds_it() -> None:
    held: list[TaskBase] = []

    def code(ask: Ask) -> Steps:
        one, two = ask.activity("a"), ask.activity("b")
        held.extend([one, ask.any_of([one, two]), ask.all_of([one, two])])
        yield held[2]

    driver = Driver(code)
    driver.start()
    one, first, last = held
    assert one.parent is last
    assert last.parent is None
    assert first.is_completed is False
    driver.completed(0)
    assert one.parent is None


def test_a_finished_task_has_nothing_to_begin() -> None:
    task = FinishedTask(value=1)
    task.issue(None)
    assert task.belongs_to(object())
    assert task.result == 1


# task_all


def test_all_gives_results_in_argument_order_whatever_order_they_come_in() -> None:
    def code(ask: Ask) -> Steps:
        return (yield ask.all_of([ask.activity("a", n) for n in range(3)]))

    driver = Driver(code)
    driver.start()
    assert [row.input for row in driver.decided if isinstance(row, TaskScheduled)] == [
        "[0]",
        "[1]",
        "[2]",
    ]
    driver.turn(done(2, "c"), done(0, "a"))
    driver.completed(1, "b")
    assert finished(driver) == '["a", "b", "c"]'


def test_all_of_nothing_is_an_empty_list() -> None:
    def code(ask: Ask) -> Steps:
        return (yield ask.all_of([]))

    driver = Driver(code)
    driver.start()
    assert finished(driver) == "[]"


def test_all_fails_at_once_with_the_first_failure() -> None:
    seen: list[object] = []

    def code(ask: Ask) -> Steps:
        both = ask.all_of([ask.activity("a"), ask.activity("b"), ask.activity("c")])
        try:
            yield both
        except ActivityFailed as error:
            seen.append(str(error))
            seen.append(len(both.pending_tasks))
            seen.append([task.id for task in both.completed_tasks])
        return "caught"

    driver = Driver(code)
    driver.start()
    driver.completed(0)
    driver.failed(2, "ValueError", "no")
    assert seen == ["Activity function 'c' failed: ValueError: no", 1, [0, 2]]
    driver.completed(1)
    assert finished(driver) == '"caught"'


def test_a_task_may_be_twice_in_one_compound_and_in_two() -> None:
    def code(ask: Ask) -> Steps:
        one, two = ask.activity("a"), ask.activity("b")
        twice = ask.all_of([one, one, two])
        any_of = ask.any_of([two, one])
        winner = yield any_of
        assert isinstance(winner, TaskBase)
        values = yield twice
        return [winner.id, values]

    driver = Driver(code)
    driver.start()
    # Argument order of what is yielded first: two, then one.
    driver.completed(1, "a")
    driver.completed(0, "b")
    assert finished(driver) == '[1, ["a", "a", "b"]]'


def test_compounds_hear_of_children_that_are_done_already() -> None:
    def code(ask: Ask) -> Steps:
        one = ask.activity("a")
        yield one
        two = ask.activity("b")
        first = yield ask.any_of([two, one, FinishedTask()])
        all_done = yield ask.all_of([one, one])
        both = yield ask.all_of([one, two])
        return [first is one, all_done, both]

    driver = Driver(code)
    driver.start()
    driver.completed(0, 1)
    driver.completed(1, 2)
    assert finished(driver) == "[true, [1, 1], [1, 2]]"


def test_a_compound_of_a_failed_and_a_pending_task_fails_and_lets_go_of_the_rest() -> None:
    def code(ask: Ask) -> Steps:
        bad, good = ask.activity("bad"), ask.activity("good")
        yield ask.any_of([bad])
        both = ask.all_of([good, bad])
        with contextlib.suppress(ActivityFailed):
            yield both
        parents = good.parents
        value = yield good
        return [list(parents), both.state.name, value]

    driver = Driver(code)
    driver.start()
    driver.failed(0, "E", "x")
    driver.completed(1, 7)
    assert finished(driver) == '[[], "FAILED", 7]'


# task_any


def test_any_gives_the_winning_task_even_when_it_failed() -> None:
    def code(ask: Ask) -> Steps:
        one, two = ask.activity("a"), ask.activity("b")
        winner = yield ask.any_of([one, two])
        assert isinstance(winner, TaskBase)
        assert winner is two
        assert isinstance(winner.result, ActivityFailed)
        yield one
        return winner.state.name

    driver = Driver(code)
    driver.start()
    driver.failed(1, "ValueError", "no")
    driver.completed(0)
    assert finished(driver) == '"FAILED"'


def test_any_of_nothing_is_none() -> None:
    def code(ask: Ask) -> Steps:
        return (yield ask.any_of([]))

    driver = Driver(code)
    driver.start()
    assert finished(driver) == "null"


def test_any_over_and_over_takes_them_in_the_order_of_history() -> None:
    def code(ask: Ask) -> Steps:
        pending: list[TaskBase] = [ask.activity("a", n) for n in range(4)]
        order = []
        while pending:
            winner = yield ask.any_of(pending)
            assert isinstance(winner, TaskBase)
            pending.remove(winner)
            order.append(winner.result)
        return order

    driver = Driver(code)
    driver.start()
    driver.turn(done(3, 3), done(1, 1))
    driver.turn(done(0, 0), done(2, 2))
    assert finished(driver) == "[3, 1, 0, 2]"
    assert len(driver.decided) == 4


def test_compounds_nest_and_number_their_leaves_depth_first() -> None:
    def code(ask: Ask) -> Steps:
        shared = ask.activity("s")
        inner = ask.all_of([ask.activity("b"), ask.any_of([ask.activity("c"), shared])])
        winner = yield ask.any_of([ask.all_of([ask.activity("a"), inner]), shared])
        assert isinstance(winner, TaskBase)
        return len(driver.decided)

    driver = Driver(code)
    driver.start()
    names = [row.name for row in driver.decided if isinstance(row, TaskScheduled)]
    assert names == ["a", "b", "c", "s"]
    driver.turn(done(0), done(1), done(2), done(3))
    assert finished(driver) == "4"


def test_a_long_chain_of_compounds_does_not_recurse() -> None:
    def code(ask: Ask) -> Steps:
        chain: TaskBase = ask.activity("a")
        for _ in range(5_000):
            chain = ask.all_of([chain])
        yield chain
        return "done"

    driver = Driver(code)
    driver.start()
    driver.completed(0)
    assert finished(driver) == '"done"'


# Answers


def test_a_result_that_cannot_be_decoded_fails_the_task() -> None:
    def code(ask: Ask) -> Steps:
        try:
            yield ask.activity("a")
        except ValueError as error:
            return f"caught {type(error).__name__}"

    driver = Driver(code)
    driver.start()
    driver.turn(replace(done(0), result="{not json"))
    assert finished(driver) == '"caught JSONDecodeError"'


def test_a_child_completes_or_fails_its_task() -> None:
    def code(ask: Ask) -> Steps:
        value = yield ask.child("kid")
        try:
            yield ask.child("kid", "my-kid")
        except ChildFailed as error:
            return [value, str(error), error.name, error.task_id]

    driver = Driver(code)
    driver.start()
    driver.turn(done(0, "wrong kind of answer"))
    driver.turn(child_done(0, 5))
    created = [row for row in driver.decided if isinstance(row, SubOrchestrationCreated)]
    assert [row.instance_id for row in created] == ["e1:0", "my-kid"]
    driver.turn(child_done(7))
    driver.turn(child_broken(1, "it was\nterminated"))
    assert finished(driver) == (
        '[5, "Orchestrator function \'kid\' failed: it was\\nterminated", "kid", 1]'
    )


# Timers


def test_a_timer_fires_with_none() -> None:
    def code(ask: Ask) -> Steps:
        return (yield ask.timer(10 * SECOND))

    driver = Driver(code)
    driver.start()
    (row,) = driver.decided
    assert isinstance(row, TimerCreated)
    assert row.fire_at == T0 + 11 * SECOND
    driver.turn(done(0, "no answer to a timer"))
    driver.fired(0)
    assert finished(driver) == "null"


def test_cancelling_a_timer() -> None:
    def code(ask: Ask) -> Steps:
        timer = ask.timer(SECOND)
        assert (timer.is_cancelled, timer.is_canceled()) == (False, False)
        yield ask.any_of([timer, ask.activity("a")])
        timer.cancel()
        timer.cancel()
        assert (timer.is_cancelled, timer.is_canceled()) == (True, True)
        fired = ask.timer(SECOND)
        yield fired
        with pytest.raises(ValueError, match=r"^Cannot cancel a completed task\.$"):
            fired.cancel()
        return "done"

    driver = Driver(code)
    driver.start()
    driver.completed(1)
    driver.fired(2)
    assert finished(driver) == '"done"'


def test_a_timer_cancelled_before_it_was_waited_for_is_recorded_but_not_awaited() -> None:
    def code(ask: Ask) -> Steps:
        timer = ask.timer(SECOND)
        timer.cancel()
        yield ask.any_of([timer, ask.activity("a")])
        return "done"

    driver = Driver(code)
    driver.start()
    assert [type(row) for row in driver.decided] == [TimerCreated, TaskScheduled]
    driver.completed(1)
    assert finished(driver) == '"done"'


def test_a_timer_of_ten_days_is_three_hops() -> None:
    def code(ask: Ask) -> Steps:
        timer = ask.long_timer(10 * DAY)
        value = yield timer
        return [value, timer.id]

    driver = Driver(code)
    driver.start()
    start = driver.now
    driver.fired(0, at=start + 3 * DAY)
    driver.fired(1, at=start + 6 * DAY)
    rows = [row.fire_at - start for row in driver.decided if isinstance(row, TimerCreated)]
    assert rows == [3 * DAY, 6 * DAY, 10 * DAY]
    driver.fired(2, at=start + 10 * DAY)
    assert finished(driver) == "[null, 2]"
    assert state(driver.replayed()) == state(driver.live)


def test_a_long_timer_that_is_not_waited_for_goes_on_until_it_is_over() -> None:
    def code(ask: Ask) -> Steps:
        yield ask.any_of([ask.long_timer(8 * DAY), ask.activity("a")])
        return "done"

    driver = Driver(code)
    driver.start()
    start = driver.now
    assert driver.completed(1) is None
    assert driver.fired(0, at=start + 3 * DAY) is None
    outcome = driver.fired(2, at=start + 8 * DAY)
    assert outcome is not None
    assert outcome.task_id == 3


def test_a_long_timer_can_be_cancelled_at_any_time() -> None:
    def code(ask: Ask) -> Steps:
        early = ask.long_timer(8 * DAY)
        early.cancel()
        late = ask.long_timer(9 * DAY)
        yield ask.any_of([early, late, ask.activity("a")])
        late.cancel()
        assert late.is_cancelled
        yield ask.any_of([early, ask.activity("b")])
        return isinstance(late, tasks.TimerTask)

    driver = Driver(code)
    driver.start()
    driver.completed(2)
    driver.completed(3)
    assert finished(driver) == "true"
    assert [type(row) for row in driver.decided] == [
        TimerCreated,
        TimerCreated,
        TaskScheduled,
        TaskScheduled,
    ]


# Retries


def retrying(options: RetryOptions) -> Driver:
    def code(ask: Ask) -> Steps:
        task = ask.retry("flaky", options)
        try:
            value = yield task
        except ActivityFailed as error:
            return [str(error), task.num_attempts]
        return [value, task.num_attempts, task.id]

    driver = Driver(code)
    driver.start()
    return driver


def test_each_attempt_and_each_delay_has_its_own_number() -> None:
    driver = retrying(RetryOptions(1000, 3))
    driver.failed(0, "E", "1")
    assert driver.decided[-1] == TimerCreated(
        timestamp=driver.now, event_id=1, fire_at=driver.now + SECOND
    )
    driver.fired(1)
    driver.failed(2, "E", "2")
    driver.fired(3)
    driver.completed(4, "ok")
    assert [type(row) for row in driver.decided] == [
        TaskScheduled,
        TimerCreated,
        TaskScheduled,
        TimerCreated,
        TaskScheduled,
    ]
    assert finished(driver) == '["ok", 3, 4]'
    assert state(driver.replayed()) == state(driver.live)


def test_a_retry_shows_its_attempt_and_its_last_error() -> None:
    held: list[tasks.RetryAbleTask] = []

    def code(ask: Ask) -> Steps:
        held.append(ask.retry("a", RetryOptions(1000, 3)))
        return (yield held[0])

    driver = Driver(code)
    driver.start()
    task = held[0]
    assert (task.id_, task.error, task.num_attempts) == (0, None, 1)
    driver.failed(0, "E", "no")
    assert task.id_ == task.id == 1
    assert isinstance(task.error, ActivityFailed)
    assert task.error.failure.message == "no"


@covers("dtfx-8.6-76")
def test_after_the_last_attempt_one_more_timer_fires_now() -> None:
    driver = retrying(RetryOptions(1000, 2))
    driver.failed(0, "E", "1")
    driver.fired(1)
    driver.failed(2, "E", "2")
    last = driver.decided[-1]
    assert isinstance(last, TimerCreated)
    assert (last.event_id, last.fire_at) == (3, driver.now)
    assert driver.live.outcome is None
    driver.fired(3)
    assert finished(driver) == "[\"Activity function 'flaky' failed: E: 2\", 2]"


def test_a_handler_that_says_no_ends_the_retries_without_a_timer() -> None:
    driver = retrying(RetryOptions(1000, 3, handler=lambda error: "again" in str(error)))
    driver.failed(0, "E", "again")
    driver.fired(1)
    driver.failed(2, "E", "enough")
    assert finished(driver) == "[\"Activity function 'flaky' failed: E: enough\", 2]"


def test_the_retry_timeout_counts_from_the_first_attempt() -> None:
    driver = retrying(RetryOptions(1000, 9, retry_timeout_in_milliseconds=5000))
    driver.failed(0, "E", "1")
    driver.fired(1)
    driver.turn(broken(2, "E", "2"), at=T0 + 6 * SECOND)
    assert driver.live.outcome is not None


def test_a_failure_that_cannot_be_retried_is_raised_at_once() -> None:
    driver = retrying(RetryOptions(1000, 3))
    failure = FailureDetails(error_type="E", message="never", is_non_retriable=True)
    driver.turn(TaskFailed(timestamp=T0, task_id=0, failure=failure))
    assert driver.live.outcome is not None


def test_a_result_that_cannot_be_decoded_is_not_retried() -> None:
    driver = retrying(RetryOptions(1000, 3))
    driver.turn(replace(done(0), result="{"))
    assert driver.live.outcome is not None
    assert driver.live.outcome.status.value == "Failed"


def test_retries_in_a_compound_go_on_while_the_code_waits() -> None:
    def code(ask: Ask) -> Steps:
        one, two = ask.retry("a", RetryOptions(1000, 2)), ask.retry("b", RetryOptions(1000, 2))
        yield ask.all_of([one, two])
        return [one.result, two.result]

    driver = Driver(code)
    driver.start()
    driver.turn(broken(1, "E", "x"), broken(0, "E", "x"))
    driver.fired(2)
    driver.fired(3)
    driver.completed(4, "b")
    driver.completed(5, "a")
    assert finished(driver) == '["a", "b"]'


def test_what_is_left_of_a_retry_after_the_end_is_still_waited_for() -> None:
    def code(ask: Ask) -> Steps:
        yield ask.any_of([ask.retry("a", RetryOptions(1000, 2)), ask.activity("b")])
        return "done"

    driver = Driver(code)
    driver.start()
    assert driver.completed(1) is None
    assert driver.failed(0, "E", "x") is None
    assert driver.fired(2) is None
    outcome = driver.completed(3)
    assert outcome is not None
    assert outcome.task_id == 4


def test_a_retry_waited_for_twice_begins_once() -> None:
    def code(ask: Ask) -> Steps:
        task = ask.retry("a", RetryOptions(1000, 2))
        yield ask.any_of([task, ask.event("go")])
        return (yield task)

    driver = Driver(code)
    driver.start()
    driver.turn(event("go"))
    driver.completed(0, 1)
    assert finished(driver) == "1"
    assert len(driver.decided) == 1
