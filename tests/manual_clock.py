"""A clock that stands until it is moved."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class ManualClock:
    """A `durable.clock.Clock` whose time only `advance` (or a sleep) moves."""

    def __init__(self, start: datetime = datetime(2024, 5, 6, 7, 8, 9, 123456, UTC)) -> None:
        self._start = start
        self._passed = 0.0
        self._ids = 0

    def advance(self, seconds: float) -> None:
        self._passed += seconds

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._passed)

    def monotonic(self) -> float:
        return self._passed

    async def sleep(self, seconds: float) -> None:
        self.advance(seconds)

    def new_id(self) -> str:
        self._ids += 1
        return f"{self._ids:032x}"

    def jitter(self, low: float, high: float) -> float:
        return (low + high) / 2
