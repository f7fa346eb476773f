"""A big turn is several whole checkpoints (R1)."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from durable.engine.stretches import BatchLimits, carried_that_fit, split
from durable.model.events import (
    EventRaised,
    HistoryEvent,
    OrchestratorCompleted,
    OrchestratorStarted,
)
from tests.unit.engine.histories import closed, opened, raised, scheduled, started, stretch


def size_of(event: HistoryEvent) -> int:
    """The length of an event's payload."""
    return len(event.input or "") if isinstance(event, EventRaised) else 1


def limits(rows: int = 5, size: int = 100) -> BatchLimits:
    return BatchLimits(rows=rows, size=size, size_of=size_of)


def big(size: int, identity: str = "a") -> EventRaised:
    return raised(identity, value="x" * size)


def test_r1_a_turn_that_fits_is_one_checkpoint() -> None:
    turn: list[HistoryEvent] = [opened(), started(), scheduled(0), scheduled(1), closed('"s"')]
    assert split(turn, 1, limits()) == [turn]


def test_r1_an_empty_turn_is_one_checkpoint() -> None:
    assert split(stretch(), 0, limits()) == [stretch()]


def test_r1_too_many_rows_become_whole_checkpoints_in_order() -> None:
    rows = [scheduled(n) for n in range(7)]
    assert split(stretch(*rows), 0, limits(rows=5)) == [
        stretch(*rows[:3]),
        stretch(*rows[3:6]),
        stretch(*rows[6:]),
    ]


def test_r1_too_many_bytes_become_whole_checkpoints() -> None:
    rows: list[HistoryEvent] = [big(60), big(40), big(1), big(99), big(2)]
    assert split(stretch(*rows), 0, limits(rows=99, size=100)) == [
        stretch(*rows[:2]),
        stretch(*rows[2:4]),
        stretch(*rows[4:]),
    ]


def test_r1_a_row_over_the_limit_has_a_checkpoint_of_its_own() -> None:
    rows = [big(1), big(500), big(1)]
    assert split(stretch(*rows), 0, limits()) == [stretch(each) for each in rows]


def test_r1_the_first_checkpoint_holds_the_start_and_what_is_kept_with_it() -> None:
    rows: list[HistoryEvent] = [started(), big(90, "a"), big(90, "b"), scheduled(0)]
    parts = split([opened(), *rows, closed()], 3, limits(rows=4))
    assert parts == [stretch(*rows[:3]), stretch(rows[3])]


def test_a_custom_status_belongs_to_the_last_checkpoint() -> None:
    parts = split([opened(), *(scheduled(n) for n in range(4)), closed('"s"')], 0, limits())
    assert [part[-1] for part in parts] == [closed(), closed('"s"')]


def test_a_split_turn_without_a_custom_status_closes_alike() -> None:
    parts = split([opened(), *(scheduled(n) for n in range(4)), opened()], 0, limits())
    assert [part[-1] for part in parts] == [opened(), opened()]


def test_what_cannot_be_decided_again_stays_together() -> None:
    rows = [scheduled(n) for n in range(5)]
    assert split(stretch(*rows), 0, limits(rows=5), tail=2) == [
        stretch(*rows[:3]),
        stretch(*rows[3:]),
    ]
    assert split(stretch(*rows[:4]), 0, limits(rows=5), tail=2) == [
        stretch(*rows[:2]),
        stretch(*rows[2:4]),
    ]
    assert split(stretch(*rows[:3]), 0, limits(rows=5), tail=2) == [stretch(*rows[:3])]


def test_what_stays_together_is_measured_whole() -> None:
    rows: list[HistoryEvent] = [big(10), big(60), big(50)]
    parts = split(stretch(*rows), 0, limits(rows=99, size=115), tail=2)
    assert parts == [stretch(rows[0]), stretch(*rows[1:])]


@pytest.mark.parametrize(
    ("events", "fit"),
    [
        ([started()], 0),
        ([started(), big(1), big(1)], 2),
        ([started(), big(1), big(1), big(1)], 2),
        ([started(), big(99), big(1)], 1),
        ([started(), big(100)], 0),
        ([big(500), big(1)], 0),
    ],
)
def test_r1_as_many_events_are_carried_as_fit_beside_the_start(
    events: list[HistoryEvent], fit: int
) -> None:
    assert carried_that_fit(events, limits(rows=5, size=100)) == fit


BODIES = st.lists(
    st.one_of(st.integers(0, 9).map(scheduled), st.integers(0, 60).map(big)), max_size=40
)


@given(BODIES, st.integers(0, 3), st.integers(3, 12), st.integers(1, 100))
def test_r1_the_checkpoints_fit_and_hold_the_whole_turn_in_order(
    body: list[HistoryEvent], together: int, rows: int, size: int
) -> None:
    room = limits(rows, size)
    together = min(together, len(body), rows - 2)
    parts = split([opened(), *body, closed('"s"')], together, room)
    assert [event for part in parts for event in part[1:-1]] == body
    for number, part in enumerate(parts):
        assert isinstance(part[0], OrchestratorStarted)
        assert isinstance(part[-1], OrchestratorCompleted)
        inner = part[1:-1]
        assert len(part) <= rows
        kept = together if number == 0 else 0
        assert len(inner) <= max(1, kept) or sum(map(size_of, inner)) <= size
        assert inner or len(parts) == 1
    assert len(parts[0]) - 2 >= together


@given(st.lists(st.integers(0, 60).map(big), max_size=30), st.integers(3, 12), st.integers(1, 200))
def test_r1_what_is_carried_fits_one_checkpoint_with_the_start(
    events: list[EventRaised], rows: int, size: int
) -> None:
    room = limits(rows, size)
    fit = carried_that_fit([started(), *events], room)
    first: list[HistoryEvent] = [started(), *events[:fit]]
    assert 0 <= fit <= len(events)
    assert len(first) + 2 <= rows
    assert fit == 0 or sum(map(size_of, first)) <= size
    assert split([opened(), *first, closed()], 1 + fit, room) == [stretch(*first)]
    if fit < len(events):  # and not one more would
        more = [*first, events[fit]]
        assert len(more) + 2 > rows or sum(map(size_of, more)) > size
