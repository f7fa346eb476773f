"""What is done again and again, ever more rarely: remembered by this process alone."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

from durable.clock import Clock


class Repeats:
    """Tells when a thing may be done once more; the pauses double.

    What is forgotten, because too much else came or the process began anew, is done once more at
    once.
    """

    def __init__(
        self, clock: Clock, *, first_seconds: float, longest_seconds: float, remembered: int
    ) -> None:
        self._clock = clock
        self._first = first_seconds
        self._longest = longest_seconds
        self._remembered = remembered
        #: The pause after the last time, and when it ends; what was done last is last.
        self._pauses: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def __contains__(self, what: object) -> bool:
        """Whether `what` was done, and is not forgotten."""
        return what in self._pauses

    def is_due(self, what: Hashable) -> bool:
        """Whether `what` may be done now."""
        _, until = self._pauses.get(what, (0.0, float("-inf")))
        return self._clock.monotonic() >= until

    def left(self, what: Hashable) -> float:
        """For how many seconds `what` must still wait; 0 when it is due."""
        if what not in self._pauses:
            return 0.0
        return max(self._pauses[what][1] - self._clock.monotonic(), 0.0)

    def forget(self, what: Hashable) -> None:
        """The next pause after `what` is the first one again."""
        self._pauses.pop(what, None)

    def note(self, what: Hashable) -> None:
        """`what` was done now."""
        before, _ = self._pauses.pop(what, (0.0, 0.0))
        pause = min(before * 2 or self._first, self._longest)
        self._pauses[what] = (pause, self._clock.monotonic() + pause)
        if len(self._pauses) > self._remembered:
            self._pauses.popitem(last=False)
