"""Live sessions: orchestrators that stay in memory between turns, with what was read of them.

A cache and no more: correctness never needs a session. It is bounded by count, bytes and idle
time; closing a dropped generator runs user code, which finds a deaf context.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from durable.clock import Clock
from durable.engine.execution import Execution
from durable.hub.commit import InstanceState
from durable.runtime.in_place import Run


@dataclass(kw_only=True, slots=True)
class Session:
    """An instance's state as of its last commit, and its orchestrator, replayed to that point.

    `runs` are its activities that run in this process, by task id.
    """

    state: InstanceState
    live: Execution | None
    runs: dict[int, Run] = field(default_factory=dict)
    size: int = 0
    used_at: float = 0.0

    def close(self) -> None:
        if self.live is not None:
            self.live.close()
            self.live = None


class Sessions:
    """The sessions of one process, least recently used first."""

    def __init__(self, clock: Clock, *, limit: int, size_limit: int, idle_seconds: float) -> None:
        self._clock = clock
        self._limit = limit
        self._size_limit = size_limit
        self._idle_seconds = idle_seconds
        self._held: OrderedDict[str, Session] = OrderedDict()
        self._size = 0

    def __len__(self) -> int:
        return len(self._held)

    @property
    def size(self) -> int:
        """Bytes of all histories held, as estimated."""
        return self._size

    def take(self, instance_id: str) -> Session | None:
        """The instance's session, out of the cache: whoever takes it puts it back, or drops it."""
        session = self._held.pop(instance_id, None)
        if session is not None:
            self._size -= session.size
        return session

    def look(self, instance_id: str) -> Session | None:
        """The instance's session, which stays where it is."""
        return self._held.get(instance_id)

    def put(self, session: Session) -> None:
        """Keep a session; others, or itself, make room when limits are passed."""
        self.drop(session.state.instance_id)
        session.used_at = self._clock.monotonic()
        self._held[session.state.instance_id] = session
        self._size += session.size
        self.evict()

    def drop(self, instance_id: str) -> None:
        """Forget a session and close its orchestrator."""
        session = self.take(instance_id)
        if session is not None:
            session.close()

    def evict(self) -> None:
        """Let go of what is idle, or over the limits, oldest first."""
        oldest_allowed = self._clock.monotonic() - self._idle_seconds
        while self._held:
            instance_id, session = next(iter(self._held.items()))
            over = len(self._held) > self._limit or self._size > self._size_limit
            if not over and session.used_at >= oldest_allowed:
                return
            self.drop(instance_id)

    def clear(self) -> None:
        """Drop them all."""
        for instance_id in list(self._held):
            self.drop(instance_id)
