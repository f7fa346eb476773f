"""Critical sections: the order of locks, each rule, what is released."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from durable.engine.critical_section import CriticalSection, lock_order, unreleased
from durable.errors import LockingRulesViolation
from durable.model.entities import (
    Continue,
    Earlier,
    EntityMessage,
    OperationRequest,
    Outgoing,
    Release,
)
from durable.model.ids import EntityId
from durable.model.times import NO_TIME

A, B, C = EntityId("account", "a"), EntityId("account", "b"), EntityId("counter", "a")


def test_everybody_locks_in_the_same_order_and_each_entity_once() -> None:
    assert lock_order([C, B, A, B]) == (A, B, C)
    assert lock_order(iter([EntityId("X", "k"), EntityId("x", "k")])) == (EntityId("x", "k"),)


def test_the_order_is_dotnets() -> None:
    # U+10000 is D800 DC00 in UTF-16, and sorts before U+FF5E there.
    low, high = EntityId("n", "\uff5e"), EntityId("n", "\U00010000")
    assert lock_order([low, high]) == (high, low)


def test_the_first_entity_is_asked_for_all_of_them() -> None:
    section = CriticalSection("transfer-1", "e1")
    assert (section.lock_id, section.entities, section.is_held) == (None, (), False)
    asked = section.ask([B, A], "L")
    assert asked == Outgoing(
        target="@account@a",
        message=OperationRequest(
            op=None, id="L", parent="transfer-1", parent_execution="e1", lock_set=(A, B)
        ),
    )
    assert (section.lock_id, section.entities, section.is_held) == ("L", (A, B), False)
    section.grant()
    assert section.is_held


def inside() -> CriticalSection:
    section = CriticalSection("o", "e")
    section.ask([A, B], "L")
    section.grant()
    return section


def waiting() -> CriticalSection:
    section = CriticalSection("o", "e")
    section.ask([A, B], "L")
    return section


def calling() -> CriticalSection:
    section = inside()
    section.call(A)
    return section


@pytest.mark.parametrize(
    ("made", "breaks", "rule", "said"),
    [
        (inside, lambda s: s.ask([C], "M"), "nested-lock", "@account@a, @account@b"),
        (waiting, lambda s: s.ask([C], "M"), "nested-lock", "waits for"),
        (
            lambda: CriticalSection("o", "e"),
            lambda s: s.ask([], "M"),
            "nothing-to-lock",
            "at least one",
        ),
        (inside, lambda s: s.call(C), "call-to-unlocked", "@counter@a"),
        (waiting, lambda s: s.call(C), "call-to-unlocked", "@counter@a"),
        (waiting, lambda s: s.call(A), "lock-pending", "before its lock is granted"),
        (calling, lambda s: s.call(A), "call-pending", "still running"),
        (inside, lambda s: s.signal(B), "signal-to-locked", "@account@b"),
        (waiting, lambda s: s.signal(B), "signal-to-locked", "call it"),
        (inside, lambda s: s.start_child("audit"), "child-inside", "'audit'"),
        (waiting, lambda s: s.start_child("audit"), "child-inside", "'audit'"),
    ],
)
def test_each_rule_is_named_by_the_error(
    made: Callable[[], CriticalSection],
    breaks: Callable[[CriticalSection], object],
    rule: str,
    said: str,
) -> None:
    section = made()
    before = (section.lock_id, section.entities, section.is_held)
    with pytest.raises(LockingRulesViolation) as caught:
        breaks(section)
    assert caught.value.rule == rule
    assert said in str(caught.value)
    assert (section.lock_id, section.entities, section.is_held) == before


def test_what_is_allowed_inside() -> None:
    section = inside()
    section.call(A)
    section.call(B)
    section.answered(A)
    section.call(A)
    section.signal(C)


def test_outside_all_is_allowed() -> None:
    section = CriticalSection("o", "e")
    section.call(A)
    section.call(A)
    section.answered(A)
    section.signal(A)
    section.start_child("audit")
    assert section.leave() == []


def release(target: EntityId, lock: str) -> Outgoing:
    return Outgoing(target=str(target), message=Release(parent="o", id=lock))


@pytest.mark.parametrize("made", [inside, waiting, calling])
def test_leaving_releases_all_of_them_once(made: Callable[[], CriticalSection]) -> None:
    section = made()
    assert [(each.target, each.message.id) for each in section.leave()] == [  # type: ignore[union-attr]
        (str(A), "L"),
        (str(B), "L"),
    ]
    assert section.leave() == []
    section.ask([A, C], "M")
    section.grant()
    section.call(A)
    section.call(C)
    section.answered(C)
    # A call is on its way to A; under which label, its sender knows.
    under_way = Earlier(execution_id="e", timestamp=NO_TIME)
    assert section.leave() == [
        Outgoing(target=str(A), message=Release(parent="o", id="M", after=under_way)),
        release(C, "M"),
    ]


def test_an_execution_that_ended_owes_what_it_did_not_release() -> None:
    def lock(lock_id: str, *entities: EntityId) -> tuple[str, EntityMessage]:
        return str(entities[0]), OperationRequest(op=None, id=lock_id, lock_set=entities)

    def freed(target: EntityId, lock_id: str) -> tuple[str, EntityMessage]:
        return str(target), Release(parent="o", id=lock_id)

    operation = OperationRequest(op="get", id="x")
    sent = [lock("L", A, B), (str(A), operation), freed(A, "L"), freed(B, "L")]
    assert unreleased(sent, "o") == []
    assert unreleased([*sent, lock("M", A, C), ("@a@b", Continue())], "o") == [
        release(A, "M"),
        release(C, "M"),
    ]
    assert unreleased([*sent[:3]], "o") == [release(B, "L")]
    assert unreleased([], "o") == []


def test_what_was_called_inside_and_is_not_answered_comes_before_the_release() -> None:
    def asked(name: str, minute: int, **more: object) -> tuple[str, EntityMessage]:
        label = datetime(2024, 5, 1, 12, minute, tzinfo=UTC)
        made = OperationRequest(op="x", id=name, parent="o", parent_execution="e", timestamp=label)
        return str(A), replace(made, **more)  # type: ignore[arg-type]

    lock = str(A), OperationRequest(op=None, id="L", lock_set=(A, B))
    before, first, second = asked("before", 1), asked("first", 2), asked("second", 3)
    unlabelled = asked("none", 4, timestamp=NO_TIME)

    def after(sent: list[tuple[str, EntityMessage]], *answered: str) -> list[object]:
        found = [each.message for each in unreleased(sent, "o", answered)]
        return [each.after.timestamp.minute if each.after else None for each in found]  # type: ignore[union-attr]

    assert after([before, lock, unlabelled]) == [None, None]
    assert after([before, lock, first, second]) == [3, None]
    assert after([before, lock, first, second], "second") == [2, None]
    assert after([before, lock, first, second], "second", "first") == [None, None]
