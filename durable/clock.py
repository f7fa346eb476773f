"""The only door to wall time, sleep, fresh ids and jitter.

Everything that needs one takes a `Clock`, so that tests and the simulator own time.
"""

from __future__ import annotations

import asyncio
import random
import uuid
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Time, sleep, fresh ids and jitter, as one thing that can be replaced."""

    def now(self) -> datetime:
        """Wall time, UTC-aware."""
        ...

    def monotonic(self) -> float:
        """Seconds of a clock that never goes back; only differences mean something."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`."""
        ...

    def new_id(self) -> str:
        """A fresh id: 32 lower-case hex digits (a GUID in .NET's ``N`` form)."""
        ...

    def jitter(self, low: float, high: float) -> float:
        """A number between `low` and `high`."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def new_id(self) -> str:
        return uuid.uuid4().hex

    def jitter(self, low: float, high: float) -> float:
        return random.uniform(low, high)  # noqa: S311 - spreads retries, protects nothing
