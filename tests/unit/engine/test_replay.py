from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import sys
from collections.abc import AsyncGenerator, Awaitable, Generator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from durable.engine.replay import Orchestration
from durable.engine.task_base import TaskBase
from durable.errors import EngineBug, NonDeterminismError, NotSerializable
from durable.model.actions import ScheduleActivity, SendEvent, StartChild
from durable.model.events import (
    EventRaised,
    EventSent,
    ExecutionCompleted,
    ExecutionResumed,
    ExecutionRewound,
    ExecutionStarted,
    ExecutionSuspended,
    ExecutionTerminated,
    GenericEvent,
    HistoryEvent,
    InstanceRef,
    OrchestratorCompleted,
    OrchestratorStarted,
    TaskScheduled,
    TimerCreated,
    TimerFired,
)
from durable.model.retry import RetryOptions
from durable.model.status import RuntimeStatus
from durable.model.times import TickTime
from tests.unit.engine.conftest import SECOND, T0, Ask, Code, Driver, done, event, state

Steps = Generator[TaskBase, Any, Any]


def hello(ask: Ask) -> Steps:
    first = yield ask.activity("hello", "Tokyo")
    second = yield ask.activity("hello", "Seattle")
    return [first, second]


async def hello_async(ask: Ask) -> object:
    first = await ask.activity("hello", "Tokyo")
    second = await ask.activity("hello", "Seattle")
    return [first, second]


@pytest.mark.parametrize("function", [hello, hello_async])
def test_a_sequence_runs_to_its_end_one_answer_at_a_time(function: object) -> None:
    driver = Driver(function)  # type: ignore[arg-type]  # generators and coroutines alike

    assert driver.start() is None
    assert driver.completed(0, "Hello Tokyo!") is None
    outcome = driver.completed(1, "Hello Seattle!")

    assert outcome is not None
    assert outcome.status is RuntimeStatus.COMPLETED
    assert outcome.task_id == 2
    assert outcome.result == '["Hello Tokyo!", "Hello Seattle!"]'
    names = [row.name for row in driver.decided if isinstance(row, TaskScheduled)]
    assert names == ["hello", "hello"]
    assert [row.event_id for row in driver.decided] == [0, 1]


@pytest.mark.parametrize("function", [hello, hello_async])
def test_replaying_what_was_recorded_gives_the_same_state(function: object) -> None:
    driver = Driver(function)  # type: ignore[arg-type]  # generators and coroutines alike
    driver.start()
    driver.completed(0, "a")
    assert state(driver.replayed()) == state(driver.live)
    driver.completed(1, "b")
    assert state(driver.replayed()) == state(driver.live)
    assert driver.live.is_recorded_complete


def test_an_undecided_action_says_where_it_was_asked_for() -> None:
    execution = Orchestration(Code(hello), instance_id="i1")
    feed_start(execution)

    (action,) = execution.undecided

    assert isinstance(action, ScheduleActivity)
    assert (action.task_id, action.name, action.input) == (0, "hello", '["Tokyo"]')
    line = hello.__code__.co_firstlineno + 1
    assert action.location == f"{__file__}:{line}"


def test_the_location_is_the_users_deepest_frame_in_generators_and_coroutines() -> None:
    def inner(ask: Ask) -> Steps:
        return (yield ask.activity("a"))

    def outer(ask: Ask) -> Steps:
        return (yield from inner(ask))

    async def inner_async(ask: Ask) -> object:
        return await ask.activity("a")

    async def outer_async(ask: Ask) -> object:
        return await inner_async(ask)

    for function, place in ((outer, inner), (outer_async, inner_async)):
        execution = Orchestration(Code(function), instance_id="i1")
        feed_start(execution)
        expected = f"{__file__}:{place.__code__.co_firstlineno + 1}"
        assert execution.undecided[0].location == expected
        execution.close()


def test_a_plain_function_gives_its_return_value_at_once() -> None:
    outcome = Driver(lambda ask: 5).start()
    assert outcome is not None
    assert (outcome.status, outcome.result, outcome.task_id) == (RuntimeStatus.COMPLETED, "5", 0)


def test_another_awaitable_is_awaited() -> None:
    class Later:
        def __init__(self, task: TaskBase) -> None:
            self.task = task

        def __await__(self) -> Generator[TaskBase, object, object]:
            return self.task.__await__()

    driver = Driver(lambda ask: Later(ask.activity("a")))
    driver.start()
    outcome = driver.completed(0, 3)
    assert outcome is not None
    assert outcome.result == "3"


def test_a_returned_task_is_awaited() -> None:
    driver = Driver(lambda ask: ask.activity("a"))
    driver.start()
    outcome = driver.completed(0, 4)
    assert outcome is not None
    assert outcome.result == "4"


def test_an_async_generator_fails_with_what_to_write_instead() -> None:
    async def wrong(ask: Ask) -> AsyncGenerator[TaskBase, None]:
        yield ask.activity("a")

    outcome = Driver(wrong).start()
    assert outcome is not None
    assert outcome.status is RuntimeStatus.FAILED
    assert "'await', not 'yield'" in (outcome.result or "")


def test_what_was_not_waited_for_is_never_scheduled() -> None:
    def code(ask: Ask) -> Steps:
        ask.activity("ignored")
        first = ask.activity("second-made")
        yield ask.activity("first-waited")
        yield first

    driver = Driver(code)
    driver.start()
    driver.completed(0)
    assert [row.name for row in driver.decided if isinstance(row, TaskScheduled)] == [
        "first-waited",
        "second-made",
    ]


def test_a_finished_task_yielded_again_gives_its_value_at_once() -> None:
    def code(ask: Ask) -> Steps:
        task = ask.activity("a")
        first = yield task
        second = yield task
        return [first, second]

    driver = Driver(code)
    driver.start()
    outcome = driver.completed(0, 7)
    assert outcome is not None
    assert outcome.result == "[7, 7]"
    assert len(driver.decided) == 1


def test_a_hundred_thousand_finished_tasks_in_a_row_do_not_recurse() -> None:
    count = 100_000
    assert count > sys.getrecursionlimit()

    def code(ask: Ask) -> Steps:
        task = ask.activity("a")
        total = 0
        for _ in range(count):
            value = yield task
            assert isinstance(value, int)
            total += value
        return total

    driver = Driver(code)
    driver.start()
    outcome = driver.completed(0, 1)
    assert outcome is not None
    assert outcome.result == str(count)


def test_time_comes_from_the_episodes_and_never_goes_back() -> None:
    seen = []

    def code(ask: Ask) -> Steps:
        for _ in range(3):
            seen.append(ask.now)
            yield ask.activity("a")
        return None

    driver = Driver(code)
    driver.start()
    driver.turn(done(0), at=TickTime.of(T0 + 5 * SECOND, 7))
    driver.turn(done(1), at=T0 + 2 * SECOND)
    assert seen == [T0 + SECOND, T0 + 5 * SECOND, T0 + 5 * SECOND]
    assert {type(moment) for moment in seen} == {type(T0)}


def test_is_replaying_follows_the_row_that_is_fed() -> None:
    seen: list[bool] = []

    def code(ask: Ask) -> Steps:
        seen.append(ask.agenda.is_replaying)
        yield ask.activity("a")
        seen.append(ask.agenda.is_replaying)
        yield ask.activity("b")

    driver = Driver(code)
    driver.start()
    driver.completed(0)
    assert seen == [False, False]
    seen.clear()
    replayed = driver.replayed()
    assert seen == [True, True]
    replayed.close()


def test_unknown_and_second_answers_are_ignored() -> None:
    driver = Driver(hello)
    driver.start()
    driver.completed(99, "nobody asked")
    driver.turn(done(0, "a"), done(0, "again"))
    outcome = driver.completed(1, "b")
    assert outcome is not None
    assert outcome.result == '["a", "b"]'


def test_an_answer_of_another_kind_is_ignored() -> None:
    driver = Driver(hello)
    driver.start()
    assert driver.fired(0) is None
    driver.completed(0, "a")
    assert len(driver.decided) == 2


def test_a_second_start_is_ignored() -> None:
    driver = Driver(hello)
    driver.start("one")
    assert driver.started is not None
    driver.turn(replace(driver.started, input='"two"'))
    assert driver.live.started.input == '"one"'


def test_rows_without_meaning_for_the_code_are_passed_over() -> None:
    driver = Driver(hello)
    driver.start()
    driver.turn(GenericEvent(timestamp=T0), ExecutionRewound(timestamp=T0))
    assert driver.live.event_count == len(driver.rows)
    assert list(driver.live.history) == driver.rows


def test_started_before_the_start_is_our_bug() -> None:
    with pytest.raises(EngineBug, match="'i9'"):
        _ = Orchestration(Code(hello), instance_id="i9").started


# What the code raises, and what it cannot return


def test_an_uncaught_exception_fails_the_instance_with_its_text_and_causes() -> None:
    def code(ask: Ask) -> Steps:
        yield ask.activity("a")
        try:
            raise KeyError("k")
        except KeyError as error:
            raise ValueError("went wrong") from error

    driver = Driver(code)
    driver.start()
    outcome = driver.completed(0)
    assert outcome is not None
    assert outcome.status is RuntimeStatus.FAILED
    assert outcome.result == "went wrong"
    assert outcome.failure is not None
    assert outcome.failure.error_type == "ValueError"
    assert outcome.failure.inner is not None
    assert outcome.failure.inner.error_type == "KeyError"


@pytest.mark.parametrize("kind", [KeyboardInterrupt, MemoryError])
def test_what_befalls_the_process_does_not_fail_the_instance(kind: type[BaseException]) -> None:
    def code(ask: Ask) -> Steps:
        yield ask.activity("a")
        raise kind("out")

    def at_once(ask: Ask) -> object:
        raise kind("out")

    driver = Driver(code)
    driver.start()
    with pytest.raises(kind):
        driver.completed(0)
    assert driver.live.outcome is None
    with pytest.raises(kind):
        Driver(at_once).start()


@pytest.mark.parametrize("kind", [SystemExit, GeneratorExit])
def test_base_exceptions_of_the_code_fail_the_instance_too(kind: type[BaseException]) -> None:
    def code(ask: Ask) -> Steps:
        yield ask.activity("a")
        raise kind("out")

    driver = Driver(code)
    driver.start()
    outcome = driver.completed(0)
    assert outcome is not None
    assert (outcome.status, outcome.result) == (RuntimeStatus.FAILED, "out")


def test_a_function_that_raises_when_called_fails_the_instance() -> None:
    def code(ask: Ask) -> object:
        raise RuntimeError("at once")

    outcome = Driver(code).start()
    assert outcome is not None
    assert (outcome.status, outcome.result) == (RuntimeStatus.FAILED, "at once")


def test_an_output_that_is_not_json_fails_the_instance_with_path_and_type() -> None:
    class Strict(Code):
        def encode_output(self, value: object) -> str | None:
            raise NotSerializable("at $.x, a value of type set is not JSON", path="$.x")

    outcome = Driver(Strict(lambda ask: {"x": {1}})).start()
    assert outcome is not None
    assert outcome.status is RuntimeStatus.FAILED
    assert "$.x" in (outcome.result or "")
    assert outcome.failure is not None
    assert outcome.failure.error_type == "durable.errors.NotSerializable"


# Waiting for what is no task


def stranger() -> Ask:
    return Ask(Orchestration(Code(hello), instance_id="x"))


def coroutine_of_its_own() -> Awaitable[None]:
    async def nothing() -> None: ...

    return nothing()


@pytest.mark.parametrize(
    ("wrong", "advice"),
    [
        (lambda ask: [ask.activity("a")], "task_all"),
        (lambda ask: None, "create_timer"),
        (lambda ask: 5, "type int"),
        (lambda ask: print, "a function"),
        (lambda ask: (n for n in [1]), "yield from"),
        (lambda ask: coroutine_of_its_own(), "await it"),
        (lambda ask: stranger().activity("a"), "another"),
        (lambda ask: ask.all_of([stranger().activity("a")]), "another orch"),
        (lambda ask: stranger().retry("a", RetryOptions(1, 1)), "another orchestration"),
    ],
)
def test_waiting_for_what_is_no_task_raises_where_it_happened(wrong: object, advice: str) -> None:
    def code(ask: Ask) -> Steps:
        try:
            yield wrong(ask)  # type: ignore[operator]
        except TypeError as error:
            return f"{type(error).__name__}: {error}"
        return "nothing raised"

    outcome = Driver(code).start()
    assert outcome is not None
    told = json.loads(outcome.result or "")
    assert told.startswith("NotATask: ")
    assert advice in told


async def test_awaiting_asyncio_raises_where_it_happened() -> None:
    async def sleepy(ask: Ask) -> object:
        await asyncio.sleep(1)
        return None

    outcome = Driver(sleepy).start()
    assert outcome is not None
    assert outcome.status is RuntimeStatus.FAILED
    assert "asyncio" in (outcome.result or "")
    assert "create_timer" in (outcome.result or "")


def test_waiting_for_a_cancelled_timer_raises_instead_of_hanging() -> None:
    def code(ask: Ask) -> Steps:
        timer = ask.timer(SECOND)
        timer.cancel()
        yield timer

    outcome = Driver(code).start()
    assert outcome is not None
    assert "cancelled" in (outcome.result or "")


# Actions nobody waits for


def test_events_and_detached_children_are_numbered_when_asked_for() -> None:
    def code(ask: Ask) -> Steps:
        ask.agenda.act(partial(SendEvent, instance_id="other", name="ping"))
        ask.agenda.act(partial(StartChild, name="child", fire_and_forget=True))
        yield ask.activity("a")

    execution = Orchestration(Code(code), instance_id="i1")
    feed_start(execution)
    send, child, activity = execution.undecided
    assert isinstance(send, SendEvent)
    assert isinstance(child, StartChild)
    assert child.fire_and_forget
    assert [send.task_id, child.task_id, activity.task_id] == [0, 1, 2]
    first = code.__code__.co_firstlineno
    assert [send.location, child.location] == [f"{__file__}:{first + 1}", f"{__file__}:{first + 2}"]


def test_a_detached_child_does_not_keep_the_execution_open() -> None:
    def code(ask: Ask) -> object:
        ask.start_detached("child")
        return "gone"

    outcome = Driver(code).start()
    assert outcome is not None
    assert (outcome.task_id, outcome.result) == (1, '"gone"')


# Open tasks


def test_a_finished_orchestrator_waits_for_what_it_began() -> None:
    def code(ask: Ask) -> Steps:
        winner = yield ask.any_of([ask.activity("fast"), ask.activity("slow")])
        assert isinstance(winner, TaskBase)
        return winner.result

    driver = Driver(code)
    driver.start()
    assert driver.completed(0, "fast") is None
    outcome = driver.completed(1, "slow")
    assert outcome is not None
    assert (outcome.result, outcome.task_id) == ('"fast"', 2)


def test_a_failed_orchestrator_waits_for_what_it_began_too() -> None:
    def code(ask: Ask) -> Steps:
        yield ask.any_of([ask.activity("a"), ask.activity("b")])
        raise ValueError("no")

    driver = Driver(code)
    driver.start()
    assert driver.completed(0) is None
    outcome = driver.completed(1)
    assert outcome is not None
    assert outcome.status is RuntimeStatus.FAILED


def test_a_cancelled_timer_does_not_keep_the_execution_open() -> None:
    def code(ask: Ask) -> Steps:
        timer = ask.timer(timedelta(hours=1))
        winner = yield ask.any_of([ask.activity("a"), timer])
        if winner is not timer:
            timer.cancel()
        return "done"

    driver = Driver(code)
    driver.start()
    outcome = driver.completed(0)
    assert outcome is not None
    assert outcome.result == '"done"'
    assert state(driver.replayed()) == state(driver.live)


def test_a_timer_cancelled_before_its_row_is_still_recorded() -> None:
    def code(ask: Ask) -> Steps:
        timer = ask.timer(timedelta(hours=1))
        first = ask.event("go")
        yield ask.any_of([first, timer])
        timer.cancel()
        return "done"

    driver = Driver(code)
    driver.started = start_event()
    outcome = driver.turn(driver.started, event("go"))
    assert outcome is not None
    assert [type(row) for row in driver.decided] == [TimerCreated]
    assert outcome.task_id == 1
    assert state(driver.replayed()) == state(driver.live)


def test_the_answer_to_a_cancelled_timer_is_ignored() -> None:
    def code(ask: Ask) -> Steps:
        timer = ask.timer(SECOND)
        yield ask.any_of([ask.activity("a"), timer])
        timer.cancel()
        yield ask.activity("b")
        return timer.is_completed

    driver = Driver(code)
    driver.start()
    driver.completed(0)
    driver.fired(1)
    outcome = driver.completed(2)
    assert outcome is not None
    assert outcome.result == "false"


# Continue-as-new


def test_continue_as_new_ends_with_the_next_input_and_ignores_the_return_value() -> None:
    def code(ask: Ask) -> Steps:
        yield ask.activity("a")
        ask.continue_as_new(1)
        ask.continue_as_new(2)
        return "ignored"

    driver = Driver(code)
    driver.start()
    outcome = driver.completed(0)
    assert outcome is not None
    assert outcome.status is RuntimeStatus.CONTINUED_AS_NEW
    assert (outcome.result, outcome.task_id) == ("2", 1)
    assert state(driver.replayed()) == state(driver.live)


def test_continue_as_new_works_without_a_single_yield() -> None:
    def code(ask: Ask) -> object:
        ask.continue_as_new("next")
        return "ignored"

    outcome = Driver(code).start()
    assert outcome is not None
    assert outcome.status is RuntimeStatus.CONTINUED_AS_NEW


def test_what_is_asked_for_after_continue_as_new_is_dropped() -> None:
    closed: list[str] = []

    def code(ask: Ask) -> Steps:
        try:
            ask.continue_as_new(1)
            ask.send("other", "late")
            yield ask.all_of([ask.activity("late"), ask.event("late")])
        finally:
            closed.append("closed")
            ask.status("late")

    driver = Driver(code)
    outcome = driver.start()
    assert outcome is not None
    assert outcome.status is RuntimeStatus.CONTINUED_AS_NEW
    assert driver.decided == []
    assert closed == ["closed"]
    assert driver.live.custom_status is None


def test_a_finished_task_after_continue_as_new_still_resumes() -> None:
    def code(ask: Ask) -> Steps:
        task = ask.activity("a")
        yield task
        ask.continue_as_new(1)
        yield task
        ask.continue_as_new(2)

    driver = Driver(code)
    driver.start()
    outcome = driver.completed(0)
    assert outcome is not None
    assert outcome.result == "2"


def test_an_exception_after_continue_as_new_wins() -> None:
    def code(ask: Ask) -> Steps:
        yield ask.activity("a")
        ask.continue_as_new(1)
        raise ValueError("no")

    driver = Driver(code)
    driver.start()
    outcome = driver.completed(0)
    assert outcome is not None
    assert outcome.status is RuntimeStatus.FAILED


def test_continue_as_new_waits_for_open_tasks_and_carries_what_arrives_meanwhile() -> None:
    def code(ask: Ask) -> Steps:
        yield ask.any_of([ask.event("go"), ask.activity("slow"), ask.event("other")])
        ask.continue_as_new(1)
        return None

    driver = Driver(code)
    driver.start()
    assert driver.raised("go", 1) is None
    assert driver.raised("other", 2) is None
    outcome = driver.turn(done(0), event("go", 3))
    assert outcome is not None
    assert outcome.status is RuntimeStatus.CONTINUED_AS_NEW
    assert [e.input for e in driver.live.unconsumed_events] == ["2", "3"]
    assert state(driver.replayed()) == state(driver.live)


def test_the_next_version_is_passed_on() -> None:
    def code(ask: Ask) -> object:
        ask.agenda.continue_as_new("1", "v2")
        return None

    driver = Driver(code)
    outcome = driver.start()
    assert outcome is not None
    assert outcome.next_version == "v2"
    assert driver.replayed().outcome == outcome


# Terminate, suspend, resume


def test_terminate_ends_it_with_the_reason_and_drops_what_is_undecided() -> None:
    closed: list[str] = []

    def code(ask: Ask) -> Steps:
        try:
            yield ask.activity("a")
            yield ask.activity("b")
        finally:
            closed.append("closed")

    driver = Driver(code)
    driver.start()
    outcome = driver.turn(
        done(0),
        ExecutionTerminated(timestamp=T0, reason="enough"),
        done(1),
        ExecutionTerminated(timestamp=T0, reason="again"),
    )
    assert outcome is not None
    assert (outcome.status, outcome.result) == (RuntimeStatus.TERMINATED, "enough")
    assert [row.event_id for row in driver.decided] == [0]
    assert closed == ["closed"]
    assert state(driver.replayed()) == state(driver.live)


def test_rows_of_what_was_decided_beside_a_termination_are_accepted() -> None:
    driver = Driver(hello)
    driver.started = start_event()
    outcome = driver.turn(
        driver.started,
        ExecutionTerminated(timestamp=T0),
        TaskScheduled(timestamp=T0, event_id=0, name="hello"),
    )
    assert outcome is not None
    assert outcome.task_id == 1


def test_terminate_overrides_open_tasks_suspension_and_an_unrecorded_end() -> None:
    def code(ask: Ask) -> Steps:
        yield ask.any_of([ask.activity("a"), ask.activity("b")])
        return "done"

    driver = Driver(code)
    driver.start()
    assert driver.completed(0) is None
    driver.turn(ExecutionSuspended(timestamp=T0))
    outcome = driver.turn(ExecutionTerminated(timestamp=T0, reason="stop"))
    assert outcome is not None
    assert outcome.status is RuntimeStatus.TERMINATED
    assert not driver.live.is_suspended


def test_a_start_after_its_termination_runs_nothing() -> None:
    ran: list[str] = []

    def code(ask: Ask) -> object:
        ran.append("ran")
        return None

    driver = Driver(code)
    driver.started = start_event()
    outcome = driver.turn(ExecutionTerminated(timestamp=T0), driver.started)
    assert outcome is not None
    assert outcome.status is RuntimeStatus.TERMINATED
    assert ran == []


def test_while_suspended_answers_wait_and_decisions_are_held_back() -> None:
    driver = Driver(hello)
    driver.start()
    driver.turn(done(0, "a"), ExecutionSuspended(timestamp=T0))
    assert is_suspended(driver)
    assert [row.event_id for row in driver.decided] == [0]
    driver.turn(ExecutionSuspended(timestamp=T0), done(1, "too early to know"))
    assert state(driver.replayed()) == state(driver.live)

    driver.turn(ExecutionResumed(timestamp=T0))

    assert not is_suspended(driver)
    assert driver.live.is_recorded_complete
    assert [row.event_id for row in driver.decided] == [0, 1]
    assert driver.live.outcome is not None
    assert driver.live.outcome.result == '["a", "too early to know"]'


def test_an_end_reached_before_a_suspension_is_told_after_the_resumption() -> None:
    def code(ask: Ask) -> Steps:
        yield ask.activity("a")
        ask.send("other", "done")
        return "done"

    driver = Driver(code)
    driver.start()
    assert driver.turn(done(0), ExecutionSuspended(timestamp=T0)) is None
    assert driver.live.undecided == ()
    outcome = driver.turn(ExecutionResumed(timestamp=T0))
    assert outcome is not None
    assert outcome.result == '"done"'
    assert [type(row) for row in driver.decided] == [TaskScheduled, EventSent]
    assert state(driver.replayed()) == state(driver.live)


def test_a_suspended_orchestrators_time_goes_on() -> None:
    seen: list[object] = []

    def code(ask: Ask) -> Steps:
        yield ask.event("go")
        seen.append(ask.now)
        return None

    driver = Driver(code)
    driver.start()
    driver.turn(ExecutionSuspended(timestamp=T0), event("go"))
    driver.turn(ExecutionResumed(timestamp=T0), at=T0 + timedelta(hours=1))
    assert seen == [T0 + timedelta(hours=1)]


def test_rows_of_decisions_made_before_a_suspension_count_at_once() -> None:
    driver = Driver(hello)
    driver.started = start_event()
    for row in (
        OrchestratorStarted(timestamp=T0),
        driver.started,
        ExecutionSuspended(timestamp=T0),
        TaskScheduled(timestamp=T0, event_id=0, name="hello"),
        done(0, "a"),
        TaskScheduled(timestamp=T0, event_id=1, name="hello"),
        ExecutionResumed(timestamp=T0),
    ):
        driver.live.feed(row, replaying=True)
    assert driver.live.undecided == ()


def test_a_resumption_without_suspension_is_harmless() -> None:
    driver = Driver(hello)
    driver.start()
    driver.turn(ExecutionResumed(timestamp=T0))
    driver.completed(0, "a")
    assert len(driver.decided) == 2


# Determinism


def test_r1_a_decision_may_be_recorded_in_a_later_stretch() -> None:
    def code(ask: Ask) -> Steps:
        values = yield ask.all_of([ask.activity("a", n) for n in range(3)])
        return values

    rows: list[HistoryEvent] = [
        OrchestratorStarted(timestamp=T0),
        start_event(),
        TaskScheduled(timestamp=T0, event_id=0, name="a"),
        OrchestratorCompleted(timestamp=T0),
    ]
    execution = Orchestration(Code(code), instance_id="i1")
    for row in rows:
        execution.feed(row, replaying=True)
    assert [action.task_id for action in execution.undecided] == [1, 2]
    execution.feed(OrchestratorStarted(timestamp=T0 + SECOND), replaying=True)
    execution.feed(TaskScheduled(timestamp=T0, event_id=2, name="A"), replaying=True)
    execution.feed(TaskScheduled(timestamp=T0, event_id=1, name="a"), replaying=True)
    assert execution.undecided == ()


def test_another_name_is_a_violation_with_both_sides_row_and_line() -> None:
    driver = Driver(hello)
    driver.start()

    def changed(ask: Ask) -> Steps:
        yield ask.activity("goodbye", "Tokyo")

    with pytest.raises(NonDeterminismError) as caught:
        _feed(changed, driver)
    error = caught.value
    assert str(error).startswith("Non-Deterministic workflow detected: history row 2 ")
    assert error.row == 2
    assert error.recorded == "activity 'hello' (number 0)"
    assert error.asked == "asks for activity 'goodbye' (number 0) there"
    assert error.location == f"{__file__}:{changed.__code__.co_firstlineno + 1}"
    assert error.instance_id == "i1"
    assert "changed after this instance started" in str(error)


def test_nothing_asked_for_is_a_violation() -> None:
    driver = Driver(hello)
    driver.start()
    driver.completed(0)

    def changed(ask: Ask) -> Steps:
        yield ask.activity("hello")
        yield ask.event("never")

    with pytest.raises(NonDeterminismError, match="does not ask for it") as caught:
        _feed(changed, driver)
    assert caught.value.location == f"{__file__}:{changed.__code__.co_firstlineno + 2}"


def test_an_earlier_end_is_a_violation() -> None:
    driver = Driver(hello)
    driver.start()
    driver.completed(0)

    def changed(ask: Ask) -> Steps:
        yield ask.activity("hello")

    with pytest.raises(NonDeterminismError, match="has ended without it"):
        _feed(changed, driver)


def _feed(function: object, driver: Driver) -> Orchestration:
    execution = Orchestration(Code(function), instance_id="i1")  # type: ignore[arg-type]
    for row in driver.rows:
        execution.feed(row, replaying=True)
    return execution


def test_an_end_that_replay_does_not_reach_is_a_violation() -> None:
    driver = Driver(lambda ask: 1)
    driver.start()
    with pytest.raises(NonDeterminismError, match="has not ended"):
        _feed(lambda ask: ask.event("never"), driver)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (lambda ask: ask.continue_as_new(1), "'ContinuedAsNew'"),
        (lambda ask: ask.send("other", "more"), r"1 action\(s\) more"),
    ],
)
def test_another_end_is_a_violation(changed: object, told: str) -> None:
    driver = Driver(lambda ask: 1)
    driver.start()
    with pytest.raises(NonDeterminismError, match=told):
        _feed(changed, driver)


def test_a_recorded_failure_counts_whatever_the_code_does() -> None:
    driver = Driver(hello)
    driver.start()
    driver.turn(
        ExecutionCompleted(timestamp=T0, event_id=1, status=RuntimeStatus.FAILED, result="ours")
    )
    outcome = driver.live.outcome
    assert outcome is not None
    assert (outcome.task_id, outcome.status, outcome.result) == (1, RuntimeStatus.FAILED, "ours")
    driver.completed(0)
    assert driver.live.outcome == outcome


def test_the_frameworks_own_split_timer_is_not_looked_for() -> None:
    driver = Driver(hello)
    driver.start()
    driver.turn(TimerCreated(timestamp=T0, event_id=-100, fire_at=T0))
    assert driver.live.undecided == ()


# Closing


def test_closing_runs_the_users_cleanup_against_a_deaf_context() -> None:
    ran: list[object] = []

    def code(ask: Ask) -> Steps:
        try:
            yield ask.activity("a")
        finally:
            ask.status("late")
            ask.send("other", "late")
            ask.continue_as_new("late")
            ran.append(ask.agenda.is_deaf)
            yield ask.all_of([ask.activity("late"), ask.event("late")])
            ran.append("further")
            yield ask.activity("later still")

    driver = Driver(code)
    driver.start()
    before = state(driver.live)
    driver.live.close()
    driver.live.close()
    assert ran == [True]
    assert state(driver.live) == before
    driver.live.feed(done(0), replaying=False)
    assert driver.live.undecided == ()
    gc.collect()


@pytest.mark.parametrize("wrong", [ValueError, RuntimeError, KeyboardInterrupt])
def test_what_the_cleanup_raises_does_no_harm(wrong: type[BaseException]) -> None:
    async def code(ask: Ask) -> object:
        try:
            return await ask.activity("a")
        finally:
            raise wrong("in finally")

    driver = Driver(code)
    driver.start()
    driver.live.close()


def test_code_that_never_stops_yielding_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unraisable: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", unraisable.append)

    def code(ask: Ask) -> Steps:
        while True:
            with contextlib.suppress(GeneratorExit):
                yield ask.activity("a")

    driver = Driver(code)
    driver.start()
    driver.live.close()
    assert driver.live.undecided == ()
    gc.collect()


def test_closing_before_the_start_is_harmless() -> None:
    Orchestration(Code(hello), instance_id="i1").close()


# helpers


def is_suspended(driver: Driver) -> bool:
    return driver.live.is_suspended


def start_event() -> ExecutionStarted:
    return ExecutionStarted(
        timestamp=T0, instance=InstanceRef(instance_id="i1", execution_id="e1"), name="o"
    )


def feed_start(execution: Orchestration) -> None:
    execution.feed(OrchestratorStarted(timestamp=T0), replaying=False)
    execution.feed(start_event(), replaying=False)


def test_timers_and_early_events_work_before_anything_else() -> None:
    def code(ask: Ask) -> Steps:
        value = yield ask.event("EARLY")
        yield ask.timer(SECOND)
        return value

    driver = Driver(code)
    driver.started = start_event()
    driver.turn(event("early", 1), driver.started)
    assert [type(row) for row in driver.decided] == [TimerCreated]
    timer = driver.decided[0]
    assert isinstance(timer, TimerCreated)
    assert timer.fire_at == driver.now + SECOND
    outcome = driver.turn(TimerFired(timestamp=T0, timer_id=0, fire_at=timer.fire_at))
    assert outcome is not None
    assert outcome.result == "1"
    assert isinstance(driver.rows[1], EventRaised)
