"""What a context says at the call when it is used wrongly, or oddly."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from durable.engine.tasks import LongTimerTask
from durable.errors import BadConfig, InvalidName, UsageError
from durable.model.events import TimerCreated
from durable.model.retry import MAX_RETRY_INTERVAL_MILLISECONDS, RetryOptions
from durable.model.status import RuntimeStatus
from tests.unit.authoring.test_context import Context, Steps, driving, run

WEST = timezone(timedelta(hours=-1))


@pytest.mark.parametrize(
    ("call", "error", "told"),
    [
        (
            lambda c: c.call_activity_with_retry("hello", 3),
            BadConfig,
            "retry_options is a int; it must be RetryOptions(",
        ),
        (
            lambda c: c.call_sub_orchestrator_with_retry("child", {"max": 3}),
            BadConfig,
            "retry_options is a dict",
        ),
        (
            lambda c: c.wait_for_external_event("x" * 10_000),
            InvalidName,
            "that wait_for_external_event was given has 10000 characters; at most 8192",
        ),
        (
            lambda c: c.create_timer(datetime.max.replace(tzinfo=WEST)),
            UsageError,
            "outside the years 1 to 9999",
        ),
        (lambda c: c.from_json("{}"), UsageError, "orchestrator_generator_wrapper"),
        (
            lambda c: c.call_activity("hello", [c.call_activity("hello")]),
            TypeError,
            "at $[0], a ActivityTask is not JSON: wait for it, with 'yield' or 'await'",
        ),
    ],
    ids=["retry", "retry of a child", "event name", "timer", "from_json", "a task as input"],
)
def test_a_mistake_is_raised_at_the_call(
    call: Callable[[Any], object], error: type[Exception], told: str
) -> None:
    def code(context: Context) -> str:
        with pytest.raises(error) as caught:
            call(context)
        return str(caught.value).replace('"', "'")

    assert told in (run(code) or "")


def test_a_generator_that_returns_a_task_it_forgot_to_yield_is_told() -> None:
    def code(context: Context) -> Steps:
        yield context.call_activity("hello")
        return context.call_activity("hello")

    driver = driving(code)
    driver.start()
    outcome = driver.completed(0)
    assert outcome is not None
    assert outcome.status is RuntimeStatus.FAILED
    assert "wait for it, with 'yield' or 'await'" in (outcome.result or "")


@pytest.mark.parametrize(
    "fire_at",
    [datetime(2023, 12, 31, tzinfo=UTC), datetime(1, 1, 1)],  # noqa: DTZ001 - taken for UTC
    ids=["a day ago", "the first year"],
)
def test_a_timer_in_the_past_is_an_ordinary_timer(fire_at: datetime) -> None:
    """It fires with the next turn, as in the original."""

    def code(context: Context) -> Steps:
        timer = context.create_timer(fire_at)
        assert not isinstance(timer, LongTimerTask)
        yield timer
        return "fired"

    driver = driving(code)
    driver.start()
    (row,) = [row for row in driver.decided if isinstance(row, TimerCreated)]
    assert row.fire_at == fire_at.replace(tzinfo=UTC)
    outcome = driver.fired(0)
    assert outcome is not None
    assert outcome.result == '"fired"'


def test_the_longest_delay_of_a_retry_is_one_timer() -> None:
    def code(context: Context) -> Steps:
        options = RetryOptions(MAX_RETRY_INTERVAL_MILLISECONDS, 2)
        return (yield context.call_activity_with_retry("hello", options))

    driver = driving(code)
    driver.start()
    driver.failed(0, "E", "no")
    (row,) = [row for row in driver.decided if isinstance(row, TimerCreated)]
    assert row.fire_at - driver.now == timedelta(days=6)
