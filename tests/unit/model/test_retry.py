from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from durable.errors import BadConfig
from durable.model.retry import MAX_RETRY_INTERVAL_MILLISECONDS, NO_RETRY, RetryOptions

NOW = timedelta(0)
ERROR = ValueError("x")
any_options: Any = RetryOptions


def milliseconds(options: RetryOptions, attempt: int) -> float:
    return options.delay_after(attempt, NOW, ERROR) / timedelta(milliseconds=1)


def test_the_two_options_of_1_7_are_positional() -> None:
    options = RetryOptions(5000, 3)
    assert options.first_retry_interval_in_milliseconds == 5000
    assert options.max_number_of_attempts == 3
    assert [milliseconds(options, n) for n in (1, 2, 9)] == [5000, 5000, 5000]


def test_the_delay_grows_up_to_its_limit() -> None:
    options = RetryOptions(1000, 9, backoff_coefficient=2, max_retry_interval_in_milliseconds=5000)
    assert [milliseconds(options, n) for n in (1, 2, 3, 4, 5)] == [1000, 2000, 4000, 5000, 5000]


def test_no_delay_is_longer_than_six_days() -> None:
    options = RetryOptions(1000, 9, backoff_coefficient=10.0)
    assert milliseconds(options, 9) == MAX_RETRY_INTERVAL_MILLISECONDS
    assert milliseconds(options, 10_000) == MAX_RETRY_INTERVAL_MILLISECONDS


def test_the_timeout_ends_the_retries() -> None:
    options = RetryOptions(1000, 9, retry_timeout_in_milliseconds=3000)
    assert options.delay_after(1, timedelta(seconds=2.999), ERROR) == timedelta(seconds=1)
    assert options.delay_after(1, timedelta(seconds=3), ERROR) == NO_RETRY


def test_the_handler_decides_and_its_own_errors_give_up() -> None:
    def handler(error: Exception) -> bool:
        if isinstance(error, OSError):
            raise TypeError("in the handler")
        return isinstance(error, ValueError)

    options = RetryOptions(1000, 9, handler=handler)
    assert options.delay_after(1, NOW, ValueError()) == timedelta(seconds=1)
    assert options.delay_after(1, NOW, KeyError()) == NO_RETRY
    assert options.delay_after(1, NOW, OSError()) == NO_RETRY


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (lambda: RetryOptions(0, 3), "first_retry_interval_in_milliseconds is 0"),
        (lambda: RetryOptions(6 * 86_400_000 + 1, 3), "six days"),
        (lambda: RetryOptions(1, 0), "max_number_of_attempts is 0"),
        (lambda: RetryOptions(1, 1, backoff_coefficient=0), "backoff_coefficient is 0"),
        (lambda: RetryOptions(1, 1, backoff_coefficient=float("nan")), "coefficient is nan"),
        (lambda: RetryOptions(1, 1, max_retry_interval_in_milliseconds=0), "max_retry_interval"),
        (lambda: RetryOptions(1, 1, retry_timeout_in_milliseconds=0), "retry_timeout"),
        (lambda: any_options("5000", 3), "interval_in_milliseconds is '5000'; it must be a numb"),
        (lambda: any_options(timedelta(1), 3), "it must be a number"),
        (lambda: any_options(True, 3), "is True; it must be a number"),
        (lambda: any_options(float("nan"), 3), "first_retry_interval_in_milliseconds is nan"),
        (lambda: any_options(1, 1.5), "max_number_of_attempts is 1.5; it must be 1, 2, 3"),
        (lambda: any_options(1, True), "max_number_of_attempts is True"),
        (lambda: any_options(1, 1, backoff_coefficient="2"), "backoff_coefficient is '2'"),
        (lambda: any_options(1, 1, retry_timeout_in_milliseconds="9"), "timeout_in_milliseconds"),
        (lambda: any_options(1, 1, handler="no"), "handler is a str; it must be a function"),
    ],
)
def test_options_that_cannot_mean_anything_are_refused(options: object, named: str) -> None:
    with pytest.raises(BadConfig, match=named):
        options()  # type: ignore[operator]


def test_an_endless_timeout_is_none() -> None:
    options = RetryOptions(1000, 9, retry_timeout_in_milliseconds=10**30)
    assert options.delay_after(1, timedelta.max, ERROR) == timedelta(seconds=1)


def test_its_json_is_1_7s() -> None:
    assert RetryOptions(5000, 3).to_json() == {
        "firstRetryIntervalInMilliseconds": 5000,
        "maxNumberOfAttempts": 3,
    }
