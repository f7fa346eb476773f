"""Since when this process serves its queues without a gap (R7).

Identities of consumed events may only be forgotten after a time in which a waiting duplicate
would have been delivered. Time in which the process stood still does not count.
"""

from __future__ import annotations

from datetime import datetime

from durable.clock import Clock


class Served:
    """Noted by a ticker (twice a grace, see `Engine.keep_time`) and by every delivery."""

    def __init__(self, clock: Clock, *, gap_seconds: float) -> None:
        self._clock = clock
        self._gap_seconds = gap_seconds
        self._since = clock.now()
        self._noted = self._since

    @property
    def since(self) -> datetime:
        """The start of the time that counts, by our clock."""
        return self._since

    def begin_anew(self) -> None:
        """The process serves a queue now that it did not serve before."""
        self._since = self._noted = self._clock.now()

    def note(self) -> datetime:
        """The process is alive now; a silence longer than the gap starts the count anew."""
        now = self._clock.now()
        if abs((now - self._noted).total_seconds()) > self._gap_seconds:
            self._since = now
        self._noted = now
        return self._since
