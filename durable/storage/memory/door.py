"""The one way into the account in memory: counts requests and lets a fault injector in between."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Protocol, TypeVar

from durable.clock import Clock
from durable.errors import Conflict, NotFound

T = TypeVar("T")


class Intercept(Protocol):
    """What stands between a caller and the store, for one call.

    It may wait, fail before `call` or after it, or call it twice. `call` itself is atomic: it
    awaits nothing, so what one process does to the store is never half visible to another.
    """

    async def __call__(
        self, service: str, operation: str, resource: str, call: Callable[[], T]
    ) -> T:
        """Answer for `call`; `service`, `operation` and `resource` say what it does and to what."""
        ...


class Door:
    """Time, request counter and interceptor of one user of the account."""

    def __init__(self, clock: Clock, intercept: Intercept | None) -> None:
        self.clock = clock
        self.intercept = intercept
        self.requests: Counter[tuple[str, str]] = Counter()

    async def run(self, service: str, operation: str, resource: str, call: Callable[[], T]) -> T:
        """Do `call` as one request. A call that never reaches the store is not counted."""

        def counted() -> T:
            self.requests[service, operation] += 1
            return call()

        if self.intercept is None:
            return counted()
        return await self.intercept(service, operation, resource, counted)

    def now(self) -> datetime:
        """The service's clock."""
        return self.clock.now()

    def now_in_seconds(self) -> datetime:
        """The service's clock as an answer's Date header shows it."""
        return self.clock.now().replace(microsecond=0)


def not_found(what: str, operation: str, resource: str) -> NotFound:
    """The answer 404."""
    return NotFound(
        f"{operation}: {what} does not exist.", operation=operation, resource=resource, status=404
    )


def conflict(what: str, operation: str, resource: str) -> Conflict:
    """The answer 409."""
    return Conflict(
        f"{operation}: {what} exists already.", operation=operation, resource=resource, status=409
    )
