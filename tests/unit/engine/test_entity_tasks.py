"""Calls, signals and locks: what is recorded, what answers it, and what is released when."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Generator, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from durable.engine.entity_tasks import CallEntityTask, EntityLock, LockEntitiesTask
from durable.engine.replay import Orchestration
from durable.errors import (
    EngineBug,
    EntityFailed,
    LockingRulesViolation,
    NonDeterminismError,
    NotATask,
    TooManyActions,
)
from durable.model.entities import (
    LOCK_GRANTED,
    EntityMessage,
    OperationRequest,
    Release,
    Response,
)
from durable.model.events import (
    EventRaised,
    EventSent,
    ExecutionCompleted,
    ExecutionResumed,
    ExecutionSuspended,
    ExecutionTerminated,
    GenericEvent,
    HistoryEvent,
    TaskScheduled,
)
from durable.model.failure import FailureDetails
from durable.model.ids import EntityId, request_id
from durable.model.status import RuntimeStatus
from durable.model.times import NO_TIME, ticks_of
from durable.wire import entity_json
from tests.unit.engine.conftest import SECOND, T0, Ask, Code, Driver, done, loads, replay, state

A, B, C = (EntityId("account", key) for key in "abc")
Steps = Generator[Any, Any, Any]


def sent(driver: Driver) -> list[tuple[str, EntityMessage]]:
    """What the rows tell entities."""
    return [
        (row.instance_id or "", entity_json.decode_message(row.name, row.input, "a row"))
        for row in driver.rows
        if isinstance(row, EventSent)
    ]


def request(driver: Driver, number: int) -> OperationRequest:
    message = sent(driver)[number][1]
    assert isinstance(message, OperationRequest)
    return message


def releases(driver: Driver) -> list[tuple[str, str]]:
    return [(to, message.id) for to, message in sent(driver) if isinstance(message, Release)]


def answered(
    driver: Driver, number: int, value: object = None, failure: FailureDetails | None = None
) -> EventRaised:
    """The answer to the request of that place in the rows."""
    response = Response(
        id=request(driver, number).id,
        result=None if failure is not None else json.dumps(value),
        failure=failure,
    )
    return EventRaised(
        timestamp=T0, name=response.id, input=entity_json.encode_response(response), identity="x"
    )


def granted(driver: Driver, number: int = 0) -> EventRaised:
    response = Response(id=request(driver, number).id, result=LOCK_GRANTED)
    return EventRaised(
        timestamp=T0, name=response.id, input=entity_json.encode_response(response), identity="g"
    )


def end(driver: Driver) -> ExecutionCompleted:
    (row,) = [row for row in driver.rows if isinstance(row, ExecutionCompleted)]
    return row


def replays_alike(driver: Driver) -> None:
    """Replayed up to any row it agrees; replayed whole, it stands where it stood."""
    for count in range(2, len(driver.rows)):
        driver.replayed(count).close()
    fresh = driver.replayed()
    assert state(fresh)[1:] == state(driver.live)[1:]
    assert fresh.undecided == driver.live.undecided == ()


# Calls.


def calls_twice(ask: Ask) -> Steps:
    first = yield ask.call(A, "add", 5)
    second = yield ask.call(A, "get")
    return [first, second]


def test_a_call_is_sent_and_its_answer_is_the_result() -> None:
    driver = Driver(calls_twice)
    driver.start()
    (row,) = driver.decided
    assert isinstance(row, EventSent)
    assert (row.event_id, row.instance_id, row.name) == (0, "@account@a", "op")
    asked = request(driver, 0)
    assert asked == OperationRequest(
        op="add",
        id=request_id("e1", 0),
        input="5",
        parent="i1",
        parent_execution="e1",
        timestamp=driver.now,
    )
    driver.turn(answered(driver, 0, 5))
    assert driver.live.outcome is None
    assert request(driver, 1).predecessor == asked.timestamp
    driver.turn(answered(driver, 1, 5))
    assert end(driver).result == "[5, 5]"
    assert end(driver).event_id == 2
    replays_alike(driver)


def test_several_calls_in_one_turn_have_growing_labels() -> None:
    def code(ask: Ask) -> Steps:
        return (yield ask.all_of([ask.call(A, "x"), ask.call(B, "x"), ask.call(A, "y")]))

    driver = Driver(code)
    driver.start()
    first, other, second = (request(driver, number) for number in range(3))
    assert other.timestamp == first.timestamp == driver.now
    assert ticks_of(second.timestamp) == ticks_of(first.timestamp) + 1
    assert ticks_of(second.predecessor) == ticks_of(first.timestamp)
    assert (first.predecessor, other.predecessor) == (NO_TIME, NO_TIME)
    driver.turn(answered(driver, 2, 3), answered(driver, 0, 1))
    driver.turn(answered(driver, 1, 2))
    assert end(driver).result == "[1, 2, 3]"
    replays_alike(driver)


def test_labels_grow_where_the_clock_goes_back() -> None:
    def code(ask: Ask) -> Steps:
        yield ask.call(A, "x")
        yield ask.call(A, "y")

    driver = Driver(code)
    driver.start()
    answer = answered(driver, 0)
    driver.turn(answer, at=T0 - timedelta(hours=1))
    assert ticks_of(request(driver, 1).timestamp) == ticks_of(request(driver, 0).timestamp) + 1


def test_a_call_takes_part_in_a_race() -> None:
    def code(ask: Ask) -> Steps:
        call, timer = ask.call(A, "slow"), ask.timer(SECOND)
        winner = yield ask.any_of([call, timer])
        late = [winner is timer, call.is_completed]
        yield ask.activity("work")
        return [*late, call.result]

    driver = Driver(code)
    driver.start()
    driver.fired(1)
    driver.turn(answered(driver, 0, "late"))
    driver.turn(done(2))
    assert end(driver).result == '[true, false, "late"]'
    replays_alike(driver)


def test_waiting_again_for_a_call_asks_once() -> None:
    def code(ask: Ask) -> Steps:
        call = ask.call(A, "get")
        return [(yield call), (yield call)]

    driver = Driver(code)
    driver.start()
    driver.turn(answered(driver, 0, 1))
    assert end(driver).result == "[1, 1]"
    assert len(sent(driver)) == 1


def test_an_open_call_does_not_keep_an_orchestrator_that_has_ended() -> None:
    def code(ask: Ask) -> Steps:
        yield ask.any_of([ask.call(A, "slow"), ask.activity("fast")])

    driver = Driver(code)
    driver.start()
    driver.turn(done(1))
    assert end(driver).status is RuntimeStatus.COMPLETED
    replays_alike(driver)


def test_a_failed_operation_is_raised_as_what_it_was() -> None:
    caught: list[Exception] = []

    def code(ask: Ask) -> Steps:
        try:
            yield ask.call(A, "withdraw", 10)
        except ValueError as error:
            caught.append(error)
            return str(error)

    driver = Driver(code)
    driver.start()
    failure = FailureDetails(error_type="ValueError", message="too little")
    driver.turn(answered(driver, 0, failure=failure))
    [error] = caught
    assert isinstance(error, EntityFailed)
    assert (error.name, error.task_id, error.failure) == ("@account@a", 0, failure)
    told = "Operation 'withdraw' of entity '@account@a' failed: ValueError: too little"
    assert end(driver).result == json.dumps(told)
    replays_alike(driver)


def test_what_an_answer_can_not_mean_is_raised_where_it_is_awaited() -> None:
    def code(ask: Ask) -> Steps:
        try:
            yield ask.call(A, "get")
        except ValueError as error:
            return type(error).__name__

    driver = Driver(code)
    driver.start()
    bad = replace(answered(driver, 0), input='{"result":"not json"}')
    driver.turn(bad)
    assert end(driver).result == '"JSONDecodeError"'


# Signals.


def test_signals_are_sent_when_they_are_said() -> None:
    def code(ask: Ask) -> Steps:
        ask.signal(A, "one")
        ask.signal(A, "two")
        yield ask.activity("work")

    driver = Driver(code)
    driver.start()
    one, two = request(driver, 0), request(driver, 1)
    assert (one.op, one.is_signal, one.input, two.op) == ("one", True, None, "two")
    assert ticks_of(two.predecessor) == ticks_of(one.timestamp) == ticks_of(two.timestamp) - 1
    replays_alike(driver)


@pytest.mark.parametrize(("days", "delay"), [(1, 1), (30, 6), (-1, -1)])
def test_a_scheduled_signal_waits_in_the_queue_as_long_as_a_message_can(
    days: int, delay: int
) -> None:
    def code(ask: Ask) -> Steps:
        ask.signal(A, "later", ask.now + timedelta(days=days))
        yield ask.activity("work")

    driver = Driver(code)
    driver.start()
    row = driver.decided[0]
    assert isinstance(row, EventSent)
    assert row.deliver_at == driver.now + timedelta(days=delay)
    assert (row.name or "").startswith(f"op@{row.deliver_at:%Y-%m-%dT%H:%M:%S}.0000000Z")
    asked = request(driver, 0)
    assert asked.due == driver.now + timedelta(days=days)
    assert (asked.timestamp, asked.predecessor) == (NO_TIME, NO_TIME)
    replays_alike(driver)


def test_a_signal_beyond_the_limit_fails_the_execution() -> None:
    def code(ask: Ask) -> Steps:
        ask.signal(A, "one")
        try:
            ask.signal(A, "two")
        except TooManyActions:
            return "told"
        yield ask.activity("never")

    driver = Driver(code)
    driver.live = Orchestration(
        Code(code), instance_id="i1", max_actions=1, entities=driver.live._entities
    )
    driver.start()
    assert end(driver).status is RuntimeStatus.FAILED


# Critical sections.


def transfers(ask: Ask) -> Steps:
    with (yield ask.lock(A, B)) as lock:
        yield ask.all_of([ask.call(A, "take"), ask.call(B, "give")])
        yield ask.call(A, "get")
    yield ask.activity("after")
    return [str(entity) for entity in lock.entities]


def test_a_section_locks_calls_and_releases() -> None:
    driver = Driver(transfers)
    driver.start()
    asked = request(driver, 0)
    assert (asked.op, asked.lock_set, asked.position) == (None, (A, B), 0)
    assert sent(driver)[0][0] == "@account@a"
    driver.turn(granted(driver))
    driver.turn(answered(driver, 1))
    driver.turn(answered(driver, 2))
    assert releases(driver) == []
    driver.turn(answered(driver, 3))
    assert releases(driver) == [("@account@a", asked.id), ("@account@b", asked.id)]
    assert [row.event_id for row in driver.decided] == list(range(7))
    driver.turn(done(6))
    assert end(driver).result == '["@account@a", "@account@b"]'
    assert len(releases(driver)) == 2
    replays_alike(driver)


def test_locks_are_asked_for_in_one_order_each_once() -> None:
    def code(ask: Ask) -> Steps:
        yield ask.lock(C, A, C, B)

    driver = Driver(code)
    driver.start()
    assert request(driver, 0).lock_set == (A, B, C)


async def async_whole(ask: Ask) -> str:
    async with ask.lock(A) as lock:
        await ask.call(A, "x")
        return str(lock.entities[0])


async def async_awaited(ask: Ask) -> str:
    with await ask.lock(A) as lock:
        await ask.call(A, "x")
        return str(lock.entities[0])


async def async_both(ask: Ask) -> str:
    async with await ask.lock(A) as lock:
        await ask.call(A, "x")
        return str(lock.entities[0])


@pytest.mark.parametrize("code", [async_whole, async_awaited, async_both])
def test_async_orchestrators_lock_too(
    code: Callable[[Ask], Coroutine[Any, Any, object]],
) -> None:
    driver = Driver(code)
    driver.start()
    driver.turn(granted(driver))
    driver.turn(answered(driver, 1))
    assert releases(driver) == [("@account@a", request_id("e1", 0))]
    assert (end(driver).event_id, end(driver).result) == (3, '"@account@a"')
    replays_alike(driver)


def fails_inside(ask: Ask) -> Steps:
    with (yield ask.lock(A)):
        raise ValueError("inside")


def returns_inside(ask: Ask) -> Steps:
    with (yield ask.lock(A)):
        return "out"


def never_enters(ask: Ask) -> Steps:
    yield ask.lock(A)
    return "out"


def ignores_the_block(ask: Ask) -> Steps:
    yield ask.lock(A)
    raise ValueError("out")


def continues_inside(ask: Ask) -> Steps:
    with (yield ask.lock(A)):
        ask.continue_as_new("again")


def continues_and_waits(ask: Ask) -> Steps:
    with (yield ask.lock(A)):
        ask.continue_as_new("again")
        yield ask.activity("dropped")


def continues_without_block(ask: Ask) -> Steps:
    yield ask.lock(A)
    ask.continue_as_new("again")
    yield ask.activity("dropped")


def releases_by_hand(ask: Ask) -> Steps:
    lock = yield ask.lock(A)
    lock.release()
    lock.release()
    with lock:
        return "out"


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (fails_inside, RuntimeStatus.FAILED),
        (returns_inside, RuntimeStatus.COMPLETED),
        (never_enters, RuntimeStatus.COMPLETED),
        (ignores_the_block, RuntimeStatus.FAILED),
        (continues_inside, RuntimeStatus.CONTINUED_AS_NEW),
        (continues_and_waits, RuntimeStatus.CONTINUED_AS_NEW),
        (continues_without_block, RuntimeStatus.CONTINUED_AS_NEW),
        (releases_by_hand, RuntimeStatus.COMPLETED),
    ],
)
def test_w19_every_way_out_releases_once(
    code: Callable[[Ask], Steps], status: RuntimeStatus
) -> None:
    driver = Driver(code)
    driver.start()
    assert releases(driver) == []
    driver.turn(granted(driver))
    assert end(driver).status is status
    assert releases(driver) == [("@account@a", request_id("e1", 0))]
    assert end(driver).event_id == 2
    replays_alike(driver)


def test_the_limit_of_actions_keeps_no_lock() -> None:
    def code(ask: Ask) -> Steps:
        with (yield ask.lock(A, B)):
            yield ask.call(A, "one too many")

    driver = Driver(code)
    driver.live = Orchestration(
        Code(code), instance_id="i1", max_actions=1, entities=driver.live._entities
    )
    driver.start()
    driver.turn(granted(driver))
    assert end(driver).status is RuntimeStatus.FAILED
    assert [to for to, _ in releases(driver)] == ["@account@a", "@account@b"]


def test_a_lock_beyond_the_limit_is_not_asked_for() -> None:
    def code(ask: Ask) -> Steps:
        yield ask.activity("first")
        yield ask.lock(A)

    driver = Driver(code)
    driver.live = Orchestration(
        Code(code), instance_id="i1", max_actions=1, entities=driver.live._entities
    )
    driver.start()
    driver.turn(done(0))
    assert end(driver).status is RuntimeStatus.FAILED
    assert sent(driver) == []


def holds_and_works(ask: Ask) -> Steps:
    with (yield ask.lock(A)):
        yield ask.activity("work")


async def async_holds_and_works(ask: Ask) -> None:
    async with ask.lock(A):
        await ask.activity("work")


@pytest.mark.parametrize("code", [holds_and_works, async_holds_and_works])
def test_dropping_a_live_orchestrator_releases_nothing(code: Callable[[Ask], Any]) -> None:
    driver = Driver(code)
    driver.start()
    driver.turn(granted(driver))
    driver.live.close()
    assert driver.live.undecided == ()
    fresh = driver.replayed()
    fresh.feed(done(1), replaying=False)
    assert [action.task_id for action in fresh.undecided] == [2]


def test_a_terminated_execution_says_nothing_itself() -> None:
    driver = Driver(transfers)
    driver.start()
    driver.turn(ExecutionTerminated(timestamp=T0, reason="enough"))
    assert releases(driver) == []  # the turn derives them from rows
    assert end(driver).event_id == 1


def gives_up(ask: Ask) -> Steps:
    lock, timer = ask.lock(A, B), ask.timer(SECOND)
    winner = yield ask.any_of([lock, timer])
    if winner is timer:
        lock.cancel()
        lock.cancel()
        yield ask.activity("other")
        return "gave up"
    winner.result.release()
    timer.cancel()
    return "locked"


def test_who_waits_too_long_may_give_up_the_locks() -> None:
    driver = Driver(gives_up)
    driver.start()
    driver.fired(1)
    lock_id = request_id("e1", 0)
    assert releases(driver) == [("@account@a", lock_id), ("@account@b", lock_id)]
    driver.turn(granted(driver))  # it was on its way
    driver.turn(done(4))
    assert end(driver).result == '"gave up"'
    assert len(releases(driver)) == 2
    replays_alike(driver)


def test_who_does_not_wait_too_long_has_them() -> None:
    driver = Driver(gives_up)
    driver.start()
    driver.turn(granted(driver))
    assert end(driver).result == '"locked"'
    assert len(releases(driver)) == 2


def test_waiting_for_locks_that_were_given_up_is_refused() -> None:
    def code(ask: Ask) -> Steps:
        lock = ask.lock(A)
        yield ask.any_of([lock, ask.activity("fast")])
        lock.cancel()
        try:
            yield lock
        except NotATask as error:
            return str(error)

    driver = Driver(code)
    driver.start()
    driver.turn(done(1))
    assert end(driver).result == '"The orchestrator waits for locks that were given up."'


def quits_at_once(ask: Ask) -> Steps:
    """Asks for locks and gives them up in the same turn."""
    yield ask.any_of([ask.lock(A), ask.all_of([])])
    yield ask.activity("work")
    return "out"


def quits_at_once_and_ends(ask: Ask) -> Steps:
    yield ask.any_of([ask.lock(A), ask.all_of([])])
    return "out"


def test_locks_given_up_in_the_turn_that_asked_for_them_are_withdrawn() -> None:
    driver = Driver(quits_at_once_and_ends)
    driver.start()
    assert releases(driver) == [("@account@a", request(driver, 0).id)]
    assert end(driver).event_id == 2
    replays_alike(driver)


def test_of_a_turn_recorded_in_part_the_rest_names_the_request_as_recorded() -> None:
    driver = Driver(quits_at_once_and_ends)
    driver.start()
    row = driver.decided[0]
    assert isinstance(row, EventSent)
    other = replace(row, input=(row.input or "").replace(request_id("e1", 0), "of-dotnet"))
    fresh = replay(driver.program, [*driver.rows[:2], other], "i1")
    [release] = fresh.undecided
    assert json.loads(getattr(release, "input", "")) == {"parent": "i1", "id": "of-dotnet"}


def test_a_refused_lock_releases_those_before_it() -> None:
    def code(ask: Ask) -> Steps:
        try:
            yield ask.lock(A, B)
        except EntityFailed as error:
            yield ask.activity("other")
            return str(error)

    driver = Driver(code)
    driver.start()
    failure = FailureDetails(error_type="Exception", message="no such entity")
    driver.turn(answered(driver, 0, failure=failure))
    assert [to for to, _ in releases(driver)] == ["@account@a", "@account@b"]
    driver.turn(done(3))
    assert end(driver).result == (
        "\"Operation 'lock' of entity '@account@a, @account@b' failed: no such entity\""
    )
    replays_alike(driver)


# The rules, at the call and where a task made earlier is waited for.


def broken_rules(ask: Ask) -> Iterator[str]:
    for attempt in (
        lambda: ask.lock(C),
        lambda: ask.call(C, "x"),
        lambda: ask.signal(A, "x"),
    ):
        try:
            attempt()
        except LockingRulesViolation as error:
            yield error.rule


def test_the_rules_are_kept_at_the_call() -> None:
    def code(ask: Ask) -> Steps:
        with (yield ask.lock(A, B)):
            return list(broken_rules(ask))

    driver = Driver(code)
    driver.start()
    driver.turn(granted(driver))
    assert json.loads(end(driver).result or "") == [
        "nested-lock", "call-to-unlocked", "signal-to-locked",
    ]  # fmt: skip


def test_outside_a_section_nothing_is_forbidden() -> None:
    def code(ask: Ask) -> Steps:
        with (yield ask.lock(A)):
            pass
        ask.signal(A, "x")
        with (yield ask.lock(C)):
            yield ask.call(C, "x")

    driver = Driver(code)
    driver.start()
    driver.turn(granted(driver))
    driver.turn(granted(driver, 3))
    driver.turn(answered(driver, 4))
    assert end(driver).status is RuntimeStatus.COMPLETED
    replays_alike(driver)


def test_one_call_at_a_time_to_a_locked_entity() -> None:
    def code(ask: Ask) -> Steps:
        with (yield ask.lock(A)):
            first = ask.call(A, "x")
            try:
                yield ask.all_of([first, ask.call(A, "y")])
            except LockingRulesViolation as error:
                yield first
                yield ask.call(A, "z")
                return error.rule

    driver = Driver(code)
    driver.start()
    driver.turn(granted(driver))
    driver.turn(answered(driver, 1))
    driver.turn(answered(driver, 2))
    assert end(driver).result == '"call-pending"'
    assert [message.op for _, message in sent(driver) if isinstance(message, OperationRequest)] == [
        None, "x", "z",
    ]  # fmt: skip
    replays_alike(driver)


def test_the_answer_to_a_call_made_before_the_section_frees_nothing_in_it() -> None:
    def code(ask: Ask) -> Steps:
        before = ask.call(A, "before")
        yield ask.any_of([before, ask.lock(A)])
        inside = ask.call(A, "inside")
        yield ask.any_of([inside, before])
        try:
            ask.call(A, "third")
        except LockingRulesViolation as error:
            return error.rule

    driver = Driver(code)
    driver.start()
    driver.turn(granted(driver, 1))
    driver.turn(answered(driver, 0))
    assert end(driver).result == '"call-pending"'


def test_a_task_made_before_the_section_is_refused_inside_it() -> None:
    def code(ask: Ask) -> Steps:
        early, second = ask.call(C, "x"), ask.lock(B)
        with (yield ask.lock(A)):
            rules = []
            for task in (early, second):
                try:
                    yield task
                except LockingRulesViolation as error:
                    rules.append(error.rule)
            return rules

    driver = Driver(code)
    driver.start()
    driver.turn(granted(driver))
    assert json.loads(end(driver).result or "") == ["call-to-unlocked", "nested-lock"]


def test_locks_that_nobody_waits_for_are_no_context() -> None:
    def code(ask: Ask) -> Steps:
        with ask.lock(A):
            yield ask.activity("never")

    driver = Driver(code)
    outcome = driver.start()
    assert outcome is not None
    assert "with (yield context.lock_entities([...])):" in (outcome.result or "")
    assert sent(driver) == []


def test_asking_after_the_end_is_not_heard() -> None:
    def code(ask: Ask) -> Steps:
        ask.continue_as_new(1)
        yield ask.call(A, "dropped")

    driver = Driver(code)
    driver.start()
    assert sent(driver) == []
    assert end(driver).status is RuntimeStatus.CONTINUED_AS_NEW


def test_a_task_belongs_to_its_own_orchestration() -> None:
    one, two = Driver(calls_twice), Driver(calls_twice)
    one.start()
    two.start()
    task = CallEntityTask(one.live.traffic, A, "x", None, loads)
    assert task.belongs_to(one.live.agenda)
    assert not task.belongs_to(two.live.agenda)
    assert LockEntitiesTask(one.live.traffic, [A]).belongs_to(one.live.agenda)


def test_a_suspended_execution_asks_when_it_is_resumed() -> None:
    def code(ask: Ask) -> Steps:
        yield ask.activity("first")
        return (yield ask.call(A, "get"))

    driver = Driver(code)
    driver.start()
    driver.turn(done(0), ExecutionSuspended(timestamp=T0))
    assert sent(driver) == []
    driver.turn(ExecutionResumed(timestamp=T0))
    assert request(driver, 0).timestamp == driver.now
    replays_alike(driver)


# Rows of others, and of a past.


def test_a_rows_id_and_label_count_whoever_wrote_them() -> None:
    driver = Driver(calls_twice)
    driver.start()
    row = driver.decided[0]
    assert isinstance(row, EventSent)
    label = "2024-01-01T00:00:09.1234567Z"
    foreign = {
        "$type": "Microsoft.Azure.WebJobs.Extensions.DurableTask.RequestMessage, X",
        "op": "add",
        "input": "5",
        "id": "92d24c54",
        "parent": "i1",
        "parentExecution": "e1",
        "Timestamp": label,
        "Predecessor": "0001-01-01T00:00:00",
    }
    rows: list[HistoryEvent] = [*driver.rows[:2], replace(row, input=json.dumps(foreign))]
    fresh = replay(driver.program, rows, "i1")
    fresh.feed(EventRaised(timestamp=T0, name="92d24c54", input='{"result":"5"}'), replaying=False)
    [second] = fresh.undecided
    assert json.loads(getattr(second, "input", ""))["Predecessor"] == label


def test_what_a_rewind_took_back_is_asked_for_under_another_id() -> None:
    def code(ask: Ask) -> Steps:
        with (yield ask.lock(A)):
            return (yield ask.call(A, "get"))

    driver = Driver(code)
    driver.start()
    undone = GenericEvent(timestamp=T0, event_id=0, is_rewound=True, reason="Rewound: EventSent")
    driver.rows = [*driver.rows[:2], undone, driver.rows[3]]
    driver.live = driver.replayed()
    driver.turn()
    assert request(driver, 0).id == request_id("e1", 0, rewound=2) != request_id("e1", 0)
    driver.turn(granted(driver))
    driver.turn(answered(driver, 1, 7))
    assert end(driver).result == "7"
    assert releases(driver) == [("@account@a", request(driver, 0).id)]
    replays_alike(driver)


def test_locks_taken_back_and_given_up_at_once_are_released_under_the_new_id() -> None:
    driver = Driver(quits_at_once)
    driver.start()
    undone = GenericEvent(timestamp=T0, event_id=0, is_rewound=True)
    started = driver.rows[:2]
    driver = Driver(quits_at_once_and_ends)
    driver.rows = [*started, undone]
    driver.started = started[1]  # type: ignore[assignment]  # its second row
    driver.live = driver.replayed()
    driver.turn()
    assert releases(driver) == [("@account@a", request_id("e1", 0, rewound=2))]


def test_a_rewind_into_a_section_finds_its_locks_lost() -> None:
    def code(ask: Ask) -> Steps:
        with (yield ask.lock(A)):
            yield ask.activity("may fail")
            try:
                yield ask.call(A, "x")
            except LockingRulesViolation as error:
                return error.rule

    driver = Driver(code)
    driver.start()
    driver.turn(granted(driver))
    held = driver.rows
    driver.rows = [
        GenericEvent(timestamp=T0, event_id=row.event_id, is_rewound=True)
        if row is driver.decided[1]
        else row
        for row in held
    ]
    # Its end released the locks.
    driver.rows.append(GenericEvent(timestamp=T0, event_id=2, is_rewound=True))
    driver.live = driver.replayed()
    driver.turn()
    driver.turn(done(1))
    assert end(driver).result == '"locks-lost"'
    assert [to for to, _ in releases(driver)] == ["@account@a"]
    replays_alike(driver)


def test_a_rewind_leaves_a_section_alone_that_was_left_before_the_failure() -> None:
    """An open call in it is taken back as well; what came after it stands."""

    def code(ask: Ask) -> Steps:
        with (yield ask.lock(A)):
            slow, quick = ask.activity("slow"), ask.activity("quick")
            yield ask.any_of([slow, quick])
            yield ask.call(A, "x")
        return (yield ask.activity("may fail"))

    driver = Driver(code)
    driver.start()
    driver.turn(granted(driver))
    driver.turn(done(2))
    driver.turn(answered(driver, 1, 7))
    taken_back = {1, 5}  # the slow one, and the one that failed
    driver.rows = [
        GenericEvent(timestamp=T0, event_id=row.event_id, is_rewound=True)
        if isinstance(row, TaskScheduled) and row.event_id in taken_back
        else row
        for row in driver.rows
    ]
    driver.live = driver.replayed()
    driver.turn()
    driver.turn(done(5), done(1))  # an end waits for what is open
    assert end(driver).status is RuntimeStatus.COMPLETED
    replays_alike(driver)


def other(name: str) -> Callable[[Ask], Steps]:
    def code(ask: Ask) -> Steps:
        match name:
            case "entity":
                yield ask.call(B, "add")
            case "operation":
                yield ask.call(A, "subtract")
            case "signal":
                ask.signal(A, "add")
            case "lock":
                yield ask.lock(A)
            case "activity":
                yield ask.activity("work")
            case "event":
                ask.send("someone", "op")
            case _:
                pass

    return code


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("entity", "asks for a call of entity '@account@b add' (number 0) there"),
        ("operation", "asks for a call of entity '@account@a subtract' (number 0) there"),
        ("signal", "asks for a signal to entity '@account@a add' (number 0) there"),
        ("lock", "asks for locks from entity '@account@a' (number 0) there"),
        ("activity", "asks for activity 'work' (number 0) there"),
        ("nothing", "has ended without it"),
    ],
)
def test_other_code_than_recorded_is_told(name: str, asked: str) -> None:
    driver = Driver(calls_twice)
    driver.start()
    with pytest.raises(NonDeterminismError) as found:
        replay(Code(other(name)), driver.rows, "i1")
    assert asked in str(found.value)


@pytest.mark.parametrize(
    ("name", "recorded"),
    [
        ("activity", "records activity 'work' (number 0)"),
        ("event", "records sending event 'op' (number 0)"),
    ],
)
def test_a_call_where_something_else_is_recorded_is_told(name: str, recorded: str) -> None:
    driver = Driver(other(name))
    driver.start()
    with pytest.raises(NonDeterminismError) as found:
        replay(Code(calls_twice), driver.rows, "i1")
    assert recorded in str(found.value)
    assert "asks for a call of entity '@account@a add' (number 0)" in str(found.value)


@pytest.mark.parametrize(("name", "text"), [("release", '{"parent":"i1","id":"x"}'), ("z", "{}")])
def test_a_call_where_another_message_is_recorded_is_told(name: str, text: str) -> None:
    driver = Driver(calls_twice)
    driver.start()
    row = driver.decided[0]
    assert isinstance(row, EventSent)
    rows = [replace(row, name=name, input=text) if each is row else each for each in driver.rows]
    with pytest.raises(NonDeterminismError, match="of entity '@account@a' "):
        replay(driver.program, rows, "i1")


def test_texts_labels_and_case_may_differ_from_what_is_recorded() -> None:
    def code(ask: Ask) -> Steps:
        yield ask.call(A, "ADD", {"other": "input"})
        yield ask.call(A, "get")

    driver = Driver(calls_twice)
    driver.start()
    assert replay(Code(code), driver.rows, "i1").undecided == ()


def test_without_entities_none_can_be_reached() -> None:
    bare = Orchestration(Code(calls_twice), instance_id="i1")
    with pytest.raises(EngineBug, match="opened without entities"):
        _ = bare.traffic
    driver = Driver(calls_twice)
    driver.live = bare
    driver.start()
    assert end(driver).status is RuntimeStatus.FAILED
    bare.feed(GenericEvent(timestamp=T0, is_rewound=True), replaying=True)


def test_entity_lock_is_what_a_section_is_entered_with() -> None:
    found: list[object] = []

    def code(ask: Ask) -> Steps:
        found.append((yield ask.lock(A)))

    driver = Driver(code)
    driver.start()
    driver.turn(granted(driver))
    assert isinstance(found[0], EntityLock)


def test_w19_a_section_that_is_left_with_a_call_on_its_way_says_so() -> None:
    def code(ask: Ask) -> Steps:
        with (yield ask.lock(A, B)):
            yield ask.call(B, "get")
            yield ask.any_of([ask.call(A, "add", 1), ask.activity("fast")])
        yield ask.event("never")

    driver = Driver(code)
    driver.start()
    driver.turn(granted(driver))
    driver.turn(answered(driver, 1))
    driver.turn(done(3))
    free_a, free_b = (each for _, each in sent(driver) if isinstance(each, Release))
    assert free_a.after is not None
    assert free_a.after.execution_id == "e1"
    assert ticks_of(free_a.after.timestamp) == ticks_of(request(driver, 2).timestamp)
    assert free_b.after is None
    replays_alike(driver)
