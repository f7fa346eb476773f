"""How entities are judged: created by the first event that reaches them, whatever its execution."""

from __future__ import annotations

from dataclasses import replace

from durable.engine.judgement import Judgement, Standing, Start, Verdict, Waiting, judge
from durable.engine.ledger import Ledger
from durable.model.events import ExecutionTerminated
from durable.model.history import RecentIdentity, Sentinel
from tests.unit.engine.conftest import T0
from tests.unit.engine.histories import ledger, raised, sentinel, started, stretch, waiting

AWAKE = started("e9")
NOTHING = Ledger()
TOMBSTONE = sentinel("e1", sequence=None, purged=True)
LIVING = ledger(stretch(started()))


def judged(
    book: Ledger, guard: Sentinel | None, *messages: Waiting, from_memory: bool = False
) -> Judgement:
    standing = Standing(
        ledger=book, sentinel=guard, row=None, from_memory=from_memory, entity_start=AWAKE
    )
    return judge(standing, messages, T0)


def test_r7_the_first_event_creates_the_entity() -> None:
    found = judged(NOTHING, None, waiting("a", raised("x")), waiting("b", raised("y")))
    assert found.start == Start(event=AWAKE)
    assert [each.key for each in found.applied] == ["a", "b"]


def test_r7_an_event_that_came_twice_creates_it_once() -> None:
    first, again = waiting("a", raised("x")), waiting("b", raised("x"))
    found = judged(NOTHING, None, first, again)
    assert found.verdicts == {"a": Verdict.APPLY, "b": Verdict.DROP}


def test_r4_memory_creates_nothing() -> None:
    assert judged(NOTHING, None, waiting("a", raised("x")), from_memory=True).look_afresh


def test_r8_a_purged_entity_begins_anew_but_not_with_what_it_knew() -> None:
    remembering = replace(TOMBSTONE, identities=(RecentIdentity(identity="x", consumed_at=T0),))
    assert judged(NOTHING, remembering, waiting("a", raised("x"))).start is None
    assert judged(NOTHING, remembering, waiting("a", raised("y"))).start == Start(event=AWAKE)


def test_only_events_create_an_entity() -> None:
    end = ExecutionTerminated(timestamp=T0, reason=None)
    found = judged(NOTHING, None, waiting("a", end))
    assert found.verdicts == {"a": Verdict.DROP}
    assert found.start is None


def test_events_are_for_whatever_execution_there_is() -> None:
    guard = sentinel("e1", sequence=1)
    event, other = (
        waiting("a", raised("x"), "e0"),
        waiting("b", ExecutionTerminated(timestamp=T0, reason=None), "e0"),
    )
    found = judged(LIVING, guard, event, other)
    assert found.verdicts == {"a": Verdict.APPLY, "b": Verdict.DROP}
