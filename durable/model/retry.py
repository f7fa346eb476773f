"""When a failed call is tried again: the options, and their arithmetic.

The rules are DurableTask.Core's (RetryInterceptor.cs) with the Durable extension's limits.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from durable.errors import BadConfig

#: No delay is longer: the extension's limit, so that a delay is one timer.
MAX_RETRY_INTERVAL_MILLISECONDS = 6 * 24 * 60 * 60 * 1000
_MILLISECOND = timedelta(milliseconds=1)
#: "Do not try again."
NO_RETRY = timedelta(0)


@dataclass(frozen=True, slots=True)
class RetryOptions:
    """How a call is retried.

    Args:
        first_retry_interval_in_milliseconds: the delay before the second attempt.
        max_number_of_attempts: all attempts, the first one included.
        backoff_coefficient: each further delay is so many times the one before.
        max_retry_interval_in_milliseconds: no delay is longer; at most six days.
        retry_timeout_in_milliseconds: no new attempt so long after the first one began.
        handler: says of the exception whether another attempt makes sense.

    Raises:
        BadConfig: a value cannot mean anything.
    """

    first_retry_interval_in_milliseconds: int
    max_number_of_attempts: int
    backoff_coefficient: float = field(default=1.0, kw_only=True)
    max_retry_interval_in_milliseconds: int = field(
        default=MAX_RETRY_INTERVAL_MILLISECONDS, kw_only=True
    )
    retry_timeout_in_milliseconds: int | None = field(default=None, kw_only=True)
    handler: Callable[[Exception], bool] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        self._check_interval("first_retry_interval_in_milliseconds")
        self._check_interval("max_retry_interval_in_milliseconds")
        attempts: object = self.max_number_of_attempts
        if isinstance(attempts, bool) or not isinstance(attempts, int) or attempts < 1:
            raise BadConfig(f"max_number_of_attempts is {attempts!r}; it must be 1, 2, 3 ...")
        if not (
            self._number("backoff_coefficient") > 0 and math.isfinite(self.backoff_coefficient)
        ):
            raise BadConfig(
                f"backoff_coefficient is {self.backoff_coefficient}; it must be above 0."
            )
        if self.retry_timeout_in_milliseconds is not None:
            timeout = self._number("retry_timeout_in_milliseconds")
            if not timeout > 0:
                raise BadConfig(f"retry_timeout_in_milliseconds is {timeout}; it must be above 0.")
        handler: object = self.handler
        if handler is not None and not callable(handler):
            raise BadConfig(
                f"handler is a {type(handler).__name__}; it must be a function that takes the "
                "exception and says whether to try again."
            )

    def _check_interval(self, name: str) -> None:
        value = self._number(name)
        if not 0 < value <= MAX_RETRY_INTERVAL_MILLISECONDS:
            raise BadConfig(
                f"{name} is {value}; it must be above 0 and at most "
                f"{MAX_RETRY_INTERVAL_MILLISECONDS} (six days)."
            )

    def _number(self, name: str) -> float:
        value: object = getattr(self, name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise BadConfig(f"{name} is {value!r}; it must be a number.")
        return value

    def to_json(self) -> dict[str, int]:
        """The two options of azure-functions-durable 1.7, under its names in JSON."""
        return {
            "firstRetryIntervalInMilliseconds": self.first_retry_interval_in_milliseconds,
            "maxNumberOfAttempts": self.max_number_of_attempts,
        }

    def delay_after(self, attempt: int, elapsed: timedelta, error: Exception) -> timedelta:
        """How long to wait after `attempt` (from 1) failed with `error`; NO_RETRY to give up.

        `elapsed` is the time since the first attempt began. A handler that raises gives up, so
        that its error doesn't hide `error`.
        """
        timeout = self.retry_timeout_in_milliseconds
        if timeout is not None and elapsed / _MILLISECOND >= timeout:
            return NO_RETRY
        if self.handler is not None:
            try:
                wanted = self.handler(error)
            except Exception:  # noqa: BLE001 - RetryInterceptor.cs: the original error counts
                return NO_RETRY
            if not wanted:
                return NO_RETRY
        try:
            delay = self.first_retry_interval_in_milliseconds * self.backoff_coefficient ** (
                attempt - 1
            )
        except OverflowError:
            delay = math.inf
        return timedelta(milliseconds=min(delay, self.max_retry_interval_in_milliseconds))
