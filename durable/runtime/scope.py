"""One invocation of a queue function: the work that its message caused runs inside it.

The Functions host drains, logs and scales for its invocations. So activities that run in place and
messages that are handed over stay inside the invocation whose message caused them, which ends with
the last of them.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from typing import Any

from durable.clock import Clock
from durable.together import first_of


class Places:
    """How many invocations of each queue may outlive their turn: a host has so many a queue."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._taken: Counter[str] = Counter()

    def take(self, queue: str) -> bool:
        """Take a place, if there is one."""
        if self._taken[queue] >= self._limit:
            return False
        self._taken[queue] += 1
        return True

    def give_back(self, queue: str) -> None:
        """The invocation has ended."""
        self._taken[queue] -= 1


class Invocation:
    """A `Scope` that lasts as long as its body and what was spawned meanwhile.

    It is one of `queue`, whose `places` it shares; None: there are places enough.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        hand_over_seconds: float,
        queue: str = "",
        places: Places | None = None,
    ) -> None:
        self._queue = queue
        self._places = places
        self._lingers = False
        self._clock = clock
        self._until = clock.monotonic() + hand_over_seconds
        self._group: asyncio.TaskGroup | None = None

    def serves(self, queue: str) -> bool:  # noqa: ARG002 - any process may serve any queue
        """For a while: a pair of entities that signal each other must not keep it for ever."""
        return self._clock.monotonic() < self._until

    def may_linger(self) -> bool:
        """While no more invocations do than leave the queue's function places for others."""
        if self._places is None:
            return True
        if not self._lingers:
            self._lingers = self._places.take(self._queue)
        return self._lingers

    def spawn(
        self,
        work: Coroutine[Any, Any, None],
        *,
        queue: str | None = None,  # noqa: ARG002 - the host doesn't count what is handed over
    ) -> None:
        """Run `work`; it deals with its own failures."""
        if self._group is None:
            raise AssertionError("only work of an invocation spawns work")
        self._group.create_task(work)

    async def run(self, body: Coroutine[Any, Any, None]) -> None:
        """Run `body` and what it causes; raises what `body` raises, after the rest has ended."""
        failure: Exception | None = None
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                try:
                    await body
                except Exception as error:  # noqa: BLE001 - raised below; the rest goes on
                    failure = error
        except BaseExceptionGroup as several:
            raise first_of(several) from None
        finally:
            if self._lingers and self._places is not None:
                self._places.give_back(self._queue)
        if failure is not None:
            raise failure
