"""The limit of what one execution may ask for (maxOrchestrationActions)."""

from __future__ import annotations

from collections.abc import Callable, Generator
from datetime import timedelta

import pytest

from durable.engine.agenda import DEFAULT_MAX_ACTIONS, Agenda
from durable.engine.replay import Orchestration
from durable.errors import NonDeterminismError, TooManyActions
from durable.model.actions import Outcome
from durable.model.events import ExecutionCompleted
from durable.model.retry import RetryOptions
from durable.model.status import RuntimeStatus
from tests.unit.engine.conftest import SECOND, Ask, Code, Driver

Steps = Generator[object, object, None]
TEXT = (
    "Maximum amount of orchestration actions (3) has been reached. This value can be configured "
    "in host.json file as MaxOrchestrationActions."
)


def limited(function: Callable[[Ask], object], limit: int = 3) -> Driver:
    driver = Driver(function)
    driver.live = Orchestration(Code(function), instance_id="i1", max_actions=limit)
    return driver


def check_failed(outcome: Outcome | None) -> None:
    assert outcome is not None
    assert (outcome.status, outcome.result) == (RuntimeStatus.FAILED, TEXT)
    assert outcome.failure is not None
    assert outcome.failure.error_type == "durable.errors.TooManyActions"


def feed_all(fresh: Orchestration, driver: Driver) -> None:
    for row in driver.rows:
        fresh.feed(row, replaying=True)


def endless(ask: Ask) -> Steps:
    number = 0
    while True:
        ask.status(number)
        yield ask.activity("a", number)
        number += 1


def stubborn(ask: Ask) -> Steps:
    """Goes on whatever it is told."""
    while True:
        try:
            ask.send("other", "E")
        except TooManyActions:
            ask.status("told")
        yield ask.all_of([])


def test_as_many_as_the_limit_are_allowed() -> None:
    driver = limited(endless, limit=4)
    driver.start()
    for number in range(3):
        assert driver.completed(number) is None
    assert len(driver.decided) == 4


def test_one_more_fails_the_instance_which_keeps_its_custom_status() -> None:
    driver = limited(endless)
    driver.start()
    driver.completed(0)
    driver.completed(1)
    check_failed(driver.completed(2))
    assert driver.live.custom_status == "3"
    assert len(driver.decided) == 3
    assert driver.completed(2) is not None  # and it stays so


def test_code_that_catches_it_fails_all_the_same() -> None:
    driver = limited(stubborn)
    check_failed(driver.start())
    assert driver.live.custom_status == '"told"'
    assert len(driver.decided) == 3


def test_code_that_catches_it_and_returns_fails_all_the_same() -> None:
    def returns(ask: Ask) -> object:
        for _ in range(4):
            try:
                ask.send("other", "E")
            except TooManyActions:
                ask.continue_as_new(1)
        return "fine"

    check_failed(limited(returns).start())


def test_code_that_lets_it_pass_fails_with_its_own_traceback() -> None:
    def sends(ask: Ask) -> object:
        for _ in range(4):
            ask.send("other", "E")
        return None

    outcome = limited(sends).start()
    check_failed(outcome)
    assert outcome is not None
    assert outcome.failure is not None
    assert "in sends" in (outcome.failure.stack_trace or "")


def test_code_that_is_being_closed_is_told_nothing() -> None:
    heard: list[str] = []

    def cleans_up(ask: Ask) -> Steps:
        try:
            yield ask.all_of([ask.activity("a", n) for n in range(4)])
        finally:
            ask.send("other", "E")
            heard.append("closed")

    driver = limited(cleans_up)
    driver.start()
    assert heard == ["closed"]


def test_what_was_begun_is_waited_for_and_a_replay_ends_the_same_way() -> None:
    def fans_out(ask: Ask) -> Steps:
        yield ask.all_of([ask.activity("a", n) for n in range(5)])

    driver = limited(fans_out)
    assert driver.start() is None
    fresh = Orchestration(Code(fans_out), instance_id="i1", max_actions=3)
    feed_all(fresh, driver)
    assert (fresh.undecided, fresh.outcome) == ((), None)
    driver.completed(0)
    driver.completed(1)
    check_failed(driver.completed(2))


def test_attempts_and_pauses_of_a_retry_count() -> None:
    def retries(ask: Ask) -> Steps:
        yield ask.retry("a", RetryOptions(1000, 10))

    driver = limited(retries)
    driver.start()
    assert driver.failed(0, "ValueError", "no") is None
    assert driver.fired(1) is None
    check_failed(driver.failed(2, "ValueError", "no"))


def test_continuing_as_new_begins_to_count_anew() -> None:
    def continues(ask: Ask) -> Steps:
        for number in range(3):
            yield ask.activity("a", number)
        ask.continue_as_new(None)
        return None

    driver = limited(continues)
    driver.start()
    driver.completed(0)
    driver.completed(1)
    outcome = driver.completed(2)
    assert outcome is not None
    assert outcome.status is RuntimeStatus.CONTINUED_AS_NEW


def test_a_lower_limit_fails_an_instance_that_is_beyond_it_and_not_its_replay() -> None:
    driver = Driver(endless)
    driver.start()
    for number in range(5):
        driver.completed(number)
    fresh = Orchestration(Code(endless), instance_id="i1", max_actions=3)
    feed_all(fresh, driver)
    check_failed(fresh.outcome)


def test_a_lower_limit_hides_no_other_mismatch() -> None:
    def other(ask: Ask) -> Steps:
        while True:
            yield ask.timer(SECOND)

    driver = Driver(endless)
    driver.start()
    for number in range(5):
        driver.completed(number)
    fresh = Orchestration(Code(other), instance_id="i1", max_actions=3)
    with pytest.raises(NonDeterminismError):
        feed_all(fresh, driver)


def test_the_limit_is_the_originals_unless_told_otherwise() -> None:
    assert Agenda().max_actions == DEFAULT_MAX_ACTIONS == 100_000


def test_a_failed_execution_is_recorded_and_stays_failed() -> None:
    def waits(ask: Ask) -> Steps:
        for _ in range(4):
            timer = ask.timer(timedelta(days=1))
            timer.cancel()
            yield ask.any_of([timer, ask.all_of([])])

    driver = limited(waits)
    check_failed(driver.start())
    [ended] = [row for row in driver.rows if isinstance(row, ExecutionCompleted)]
    assert ended.event_id == 3
