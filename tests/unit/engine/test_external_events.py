from __future__ import annotations

from collections.abc import Generator
from typing import Any

from durable.engine.task_base import TaskBase
from durable.model.events import EventRaised
from tests.unit.engine.conftest import SECOND, T0, Ask, Driver, done, event, state

Steps = Generator[TaskBase, Any, Any]


def finished(driver: Driver) -> object:
    assert driver.live.outcome is not None
    return driver.live.outcome.result


def test_events_that_come_early_are_kept_in_order_and_delivered_once() -> None:
    def code(ask: Ask) -> Steps:
        yield ask.activity("a")
        one = yield ask.event("go")
        two = yield ask.event("GO")
        three = yield ask.event("Go")
        return [one, two, three]

    driver = Driver(code)
    driver.start()
    driver.turn(event("go", 1), event("gO", 2))
    assert [e.input for e in driver.live.unconsumed_events] == ["1", "2"]
    driver.completed(0)
    assert driver.live.outcome is None
    assert driver.live.unconsumed_events == ()
    driver.raised("go", 3)
    assert finished(driver) == "[1, 2, 3]"
    assert state(driver.replayed()) == state(driver.live)


def test_waiters_of_one_name_are_served_in_the_order_they_came() -> None:
    def code(ask: Ask) -> Steps:
        return (yield ask.all_of([ask.event("x"), ask.event("x"), ask.event("y")]))

    driver = Driver(code)
    driver.start()
    driver.turn(event("x", 1), event("y", 3), event("x", 2))
    assert finished(driver) == "[1, 2, 3]"


def test_waiting_for_an_event_takes_no_number() -> None:
    def code(ask: Ask) -> Steps:
        task = ask.event("go")
        yield ask.all_of([task, ask.activity("a")])
        return task.id

    driver = Driver(code)
    driver.start()
    assert [row.event_id for row in driver.decided] == [0]
    driver.turn(done(0), event("go"))
    assert finished(driver) == '"go"'


def test_an_event_goes_to_the_waiter_the_code_is_waiting_for_not_to_an_earlier_loser() -> None:
    """The usual loop: a new wait each round, the old one lost to a timer."""

    def code(ask: Ask) -> Steps:
        for _ in range(3):
            waiter, timer = ask.event("go"), ask.timer(SECOND)
            winner = yield ask.any_of([waiter, timer])
            if winner is waiter:
                timer.cancel()
                return waiter.result
        return "never"

    driver = Driver(code)
    driver.start()
    driver.fired(0)
    driver.fired(1)
    driver.raised("go", "heard")
    assert finished(driver) == '"heard"'


def test_an_event_nobody_waits_for_now_goes_to_the_newest_waiter_turned_away() -> None:
    def code(ask: Ask) -> Steps:
        older, newer = ask.event("cancel"), ask.event("cancel")
        yield ask.any_of([older, newer, ask.activity("a")])
        yield ask.activity("b")
        return [older.is_completed, newer.result]

    driver = Driver(code)
    driver.start()
    driver.completed(0)
    driver.turn(event("cancel", "now"), done(1))
    assert finished(driver) == '[false, "now"]'


def test_a_waiter_that_is_waited_for_again_is_in_line_again() -> None:
    def code(ask: Ask) -> Steps:
        kept, other = ask.event("go"), ask.event("go")
        yield ask.any_of([kept, other, ask.activity("a")])
        yield ask.any_of([ask.event("go"), ask.activity("b")])
        got = yield ask.any_of([kept, ask.event("stop")])
        return got is kept

    driver = Driver(code)
    driver.start()
    driver.completed(0)
    driver.raised("go", 1)  # to the third waiter; the first two are turned away from
    driver.completed(1)
    driver.raised("go", 2)
    assert finished(driver) == "true"


def test_unconsumed_events_keep_the_order_of_arrival_over_all_names() -> None:
    driver = Driver(lambda ask: ask.activity("a"))
    driver.start()
    driver.turn(event("b", 1), event("a", 2), EventRaised(timestamp=T0, name=None), event("b", 3))
    assert [e.name for e in driver.live.unconsumed_events] == ["b", "a", None, "b"]


def test_an_event_reaches_a_waiter_through_a_diamond_of_compounds() -> None:
    def code(ask: Ask) -> Steps:
        waiter = ask.event("go")
        left, right = ask.all_of([waiter]), ask.all_of([waiter])
        yield ask.all_of([ask.event("stop"), ask.any_of([left, right])])
        return "done"

    driver = Driver(code)
    driver.start()
    driver.turn(event("go"), event("stop"))
    assert finished(driver) == '"done"'


def test_an_event_for_a_diamond_the_code_turned_away_from_still_arrives_once() -> None:
    def code(ask: Ask) -> Steps:
        waiter = ask.event("go")
        diamond = ask.any_of([ask.all_of([waiter]), ask.all_of([waiter])])
        yield ask.any_of([diamond, ask.activity("a")])
        yield ask.activity("b")
        first = yield diamond
        assert isinstance(first, TaskBase)
        again = yield waiter
        return [first.result, again]

    driver = Driver(code)
    driver.start()
    driver.completed(0)
    driver.raised("go", 1)
    driver.completed(1)
    assert finished(driver) == "[[1], 1]"
