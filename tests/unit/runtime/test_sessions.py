"""Live sessions: a bounded cache."""

from __future__ import annotations

from collections.abc import Generator

from durable.engine.ledger import Ledger
from durable.engine.replay import Orchestration
from durable.hub.commit import InstanceState
from durable.model.events import OrchestratorStarted
from durable.model.times import NO_TIME
from durable.runtime.sessions import Session, Sessions
from tests.manual_clock import ManualClock
from tests.unit.runtime.deliveries import start_event


class Waiter:
    """A program that waits for ever, and notes when it is closed."""

    def __init__(self, closed: list[str], name: str) -> None:
        self._closed = closed
        self._name = name

    def start(self, execution: Orchestration) -> object:
        return self._body()

    def encode_output(self, value: object) -> str | None:
        raise AssertionError("it never ends")

    def _body(self) -> Generator[object, object, None]:
        try:
            yield None
        except Exception:  # the driver refuses what it yielded; wait on
            yield None
        finally:
            self._closed.append(self._name)


def session(instance_id: str, *, size: int = 1, live: Orchestration | None = None) -> Session:
    state = InstanceState(
        instance_id=instance_id, ledger=Ledger(), sentinel=None, row=None, served_at=NO_TIME
    )
    return Session(state=state, live=live, size=size)


def live_session(instance_id: str, closed: list[str]) -> Session:
    live = Orchestration(Waiter(closed, instance_id), instance_id=instance_id)
    live.feed(OrchestratorStarted(timestamp=NO_TIME), replaying=False)
    live.feed(start_event(), replaying=False)
    return session(instance_id, live=live)


def sessions(
    clock: ManualClock, *, limit: int = 10, size_limit: int = 1000, idle: float = 60.0
) -> Sessions:
    return Sessions(clock, limit=limit, size_limit=size_limit, idle_seconds=idle)


def names(held: Sessions, *asked: str) -> list[str]:
    """Which of `asked` are held; takes them."""
    return [each for each in asked if held.take(each) is not None]


def test_a_session_is_taken_once(manual_clock: ManualClock) -> None:
    held = sessions(manual_clock)
    one = session("a", size=5)
    held.put(one)
    assert (len(held), held.size) == (1, 5)
    assert held.take("a") is one
    assert held.take("a") is None
    assert (len(held), held.size) == (0, 0)


def test_the_least_recently_used_goes_first(manual_clock: ManualClock) -> None:
    held = sessions(manual_clock, limit=2)
    for name in "abc":
        held.put(session(name))
    taken = held.take("b")
    assert taken is not None
    held.put(taken)
    held.put(session("d"))
    assert names(held, *"abcd") == ["b", "d"]


def test_sessions_are_bounded_by_bytes(manual_clock: ManualClock) -> None:
    held = sessions(manual_clock, size_limit=10)
    held.put(session("a", size=4))
    held.put(session("b", size=4))
    held.put(session("c", size=4))
    assert held.size == 8
    assert names(held, *"abc") == ["b", "c"]


def test_a_session_over_the_limit_is_not_kept(manual_clock: ManualClock) -> None:
    held = sessions(manual_clock, size_limit=10)
    held.put(session("a", size=11))
    assert (len(held), held.size) == (0, 0)


def test_idle_sessions_are_let_go(manual_clock: ManualClock) -> None:
    held = sessions(manual_clock, idle=60)
    held.put(session("a"))
    manual_clock.advance(30)
    held.put(session("b"))
    manual_clock.advance(30)
    held.evict()
    assert len(held) == 2
    manual_clock.advance(1)
    held.evict()
    assert names(held, *"ab") == ["b"]


def test_a_new_session_of_an_instance_replaces_the_old_one(manual_clock: ManualClock) -> None:
    closed: list[str] = []
    held = sessions(manual_clock)
    held.put(live_session("a", closed))
    other = session("a", size=7)
    held.put(other)
    assert closed == ["a"]
    assert (len(held), held.size) == (1, 7)
    assert held.take("a") is other


def test_a_dropped_session_is_closed(manual_clock: ManualClock) -> None:
    closed: list[str] = []
    held = sessions(manual_clock)
    one = live_session("a", closed)
    held.put(one)
    held.drop("a")
    held.drop("a")
    assert closed == ["a"]
    assert one.live is None
    one.close()
    assert closed == ["a"]


def test_clearing_closes_them_all(manual_clock: ManualClock) -> None:
    closed: list[str] = []
    held = sessions(manual_clock)
    for name in "abc":
        held.put(live_session(name, closed))
    held.clear()
    assert closed == ["a", "b", "c"]
    assert (len(held), held.size) == (0, 0)


def test_a_look_leaves_a_session_where_it_is() -> None:
    held = sessions(ManualClock())
    one = session("i1", size=7)
    held.put(one)
    assert held.look("i1") is one
    assert held.look("i2") is None
    assert (len(held), held.size) == (1, 7)
