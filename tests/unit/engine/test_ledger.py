"""What a history says, row by row."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, strategies as st

from durable.engine.ledger import Ledger, content_of
from durable.model.events import (
    EventRaised,
    ExecutionResumed,
    ExecutionSuspended,
    GenericEvent,
    HistoryEvent,
    OrchestratorCompleted,
    RewoundChild,
)
from durable.model.history import StoredEvent
from durable.model.status import RuntimeStatus
from tests.unit.engine.conftest import SECOND, T0
from tests.unit.engine.histories import (
    closed,
    continued,
    created,
    done,
    ended,
    fired,
    ledger,
    opened,
    raised,
    scheduled,
    sent,
    started,
    stretch,
    timer,
    undone,
    woken,
)

SUSPENDED = ExecutionSuspended(timestamp=T0, reason="hold")
RESUMED = ExecutionResumed(timestamp=T0, reason="go on")


def test_an_empty_history_says_nothing() -> None:
    book = Ledger()
    assert (book.started, book.completed, book.status, book.stretches) == (None, None, None, 0)
    assert (book.is_finished, book.is_half_done, book.highest_task_id) == (False, False, -1)
    assert list(book.above(0)) == []


def test_tasks_are_scheduled_by_decisions_and_answered_by_results() -> None:
    book = ledger(
        stretch(started(), scheduled(0), created(1), timer(2), sent(3)),
        stretch(done(0), fired(2)),
    )
    assert book.scheduled == {0, 1, 2}
    assert book.answered == {0, 2}
    assert book.highest_task_id == 3


def test_the_start_and_the_end_are_kept_with_their_rows() -> None:
    book = ledger(stretch(started()), stretch(ended()))
    assert book.started == started()
    assert book.started_row is book.rows[1]
    assert book.completed == ended()
    assert book.completed_row is book.rows[4]


@pytest.mark.parametrize(
    ("events", "status"),
    [
        ([started()], RuntimeStatus.RUNNING),
        ([started(), SUSPENDED], RuntimeStatus.SUSPENDED),
        ([started(), SUSPENDED, RESUMED], RuntimeStatus.RUNNING),
        ([started(), continued()], RuntimeStatus.RUNNING),
        ([started(), SUSPENDED, continued()], RuntimeStatus.SUSPENDED),
        ([started(), ended()], RuntimeStatus.COMPLETED),
        ([started(), SUSPENDED, ended(RuntimeStatus.TERMINATED)], RuntimeStatus.TERMINATED),
        ([started(), ended(RuntimeStatus.FAILED)], RuntimeStatus.FAILED),
    ],
)
def test_the_status_follows_from_the_rows(
    events: list[HistoryEvent], status: RuntimeStatus
) -> None:
    assert ledger(stretch(*events)).status is status


def test_suspend_and_resume_are_remembered_for_their_reasons() -> None:
    book = ledger(stretch(started(), SUSPENDED))
    assert book.suspended is SUSPENDED
    book.append(StoredEvent(event=RESUMED))
    assert book.resumed is RESUMED
    assert ledger(stretch(started(), SUSPENDED, RESUMED)).suspended is None


def test_continue_as_new_is_half_done_and_not_finished() -> None:
    book = ledger(stretch(started(), continued()))
    assert (book.is_half_done, book.is_finished) == (True, False)
    book = ledger(stretch(started(), ended()))
    assert (book.is_half_done, book.is_finished) == (False, True)


def test_the_last_recorded_custom_status_counts() -> None:
    book = ledger(
        [opened(), started(), closed('"a"')],
        [opened(), closed('"b"')],
        [opened(), closed()],
    )
    assert book.custom_status == '"b"'


def test_r7_an_identity_is_consumed_in_the_episode_that_took_it() -> None:
    late = T0 + SECOND
    book = ledger(
        stretch(started(), raised("a", at=T0 - SECOND)), stretch(raised("b", at=T0), at=late)
    )
    assert book.identities == {"a": T0, "b": late}


def test_r7_an_identity_outside_of_an_episode_has_its_own_time() -> None:
    assert ledger([raised("a", at=T0 - SECOND)]).identities == {"a": T0 - SECOND}


def test_r7_an_event_that_dotnet_recorded_is_known_by_its_place() -> None:
    book = ledger(stretch(started(), raised(None)))
    assert list(book.identities) == ["r:e1:2"]
    assert book.unnamed == {content_of(raised(None))}
    assert ledger(stretch(started(), raised("a"))).unnamed == set()
    assert [e.identity for r in book.rows if isinstance(e := r.event, EventRaised)] == ["r:e1:2"]


def test_rows_of_no_consequence_are_kept_and_change_nothing() -> None:
    book = ledger(stretch(started()))
    book.append(StoredEvent(event=GenericEvent(timestamp=T0)))
    assert len(book.rows) == 4
    assert book.status is RuntimeStatus.RUNNING


def test_what_a_rewind_took_back_is_counted_with_its_number_and_stretch() -> None:
    mark = RewoundChild(execution_id="kid", sequence=3)
    book = ledger(
        stretch(started(), undone(0), replace(created(1), rewound_child=mark)),
        stretch(undone(), undone(2)),
        stretch(woken(), undone(0), scheduled(0)),
    )
    assert book.rewound == 4
    assert book.rewound_ids == {0: [1, 3], 2: [2]}
    assert book.rewound_children == {1: mark}
    assert book.scheduled == {0, 1}
    assert book.answered == set()
    assert not book.is_finished
    assert book.highest_task_id == 2


def test_r10_stretches_are_counted_from_rows_an_unfinished_last_one_too() -> None:
    book = ledger(stretch(started()), stretch(done(0)))
    assert book.stretches == 2
    book.append(StoredEvent(event=opened()))
    assert book.stretches == 3
    book.append(StoredEvent(event=closed()))
    assert book.stretches == 3


def test_the_rows_above_a_sequence_are_those_of_the_later_stretches() -> None:
    book = ledger(stretch(started()), stretch(done(0)), [opened()])
    assert [(n, type(r.event).__name__) for n, r in book.above(1)] == [
        (2, "OrchestratorStarted"),
        (2, "TaskCompleted"),
        (2, "OrchestratorCompleted"),
        (3, "OrchestratorStarted"),
    ]
    assert [n for n, _ in book.above(0)] == [1, 1, 1, 2, 2, 2, 3]
    assert [n for n, _ in book.above(-5)] == [1, 1, 1, 2, 2, 2, 3]
    assert [n for n, _ in book.above(2)] == [3]


EVENTS = st.one_of(
    st.just(closed()),
    st.builds(closed, st.sampled_from([None, '"x"'])),
    st.integers(0, 3).map(lambda n: opened(T0 + timedelta(seconds=n))),
    st.just(started()),
    st.just(SUSPENDED),
    st.just(RESUMED),
    st.just(continued()),
    st.integers(0, 5).map(scheduled),
    st.integers(0, 5).map(timer),
    st.integers(0, 5).map(sent),
    st.integers(0, 5).map(done),
    st.sampled_from("abc").map(raised),
)
HISTORIES = st.lists(EVENTS, max_size=25).map(
    lambda events: [StoredEvent(event=event) for event in events]
)


def said(book: Ledger) -> dict[str, object]:
    return dict(vars(book)) | {"status": book.status, "stretches": book.stretches}


@given(HISTORIES, st.integers(0, 25))
def test_folding_in_two_parts_equals_folding_the_whole(rows: list[StoredEvent], at: int) -> None:
    book = Ledger(rows[:at])
    for row in rows[at:]:
        book.append(row)
    assert said(book) == said(Ledger(rows))


@given(HISTORIES, st.integers(-1, 30))
def test_above_a_sequence_is_the_concatenation_of_the_later_stretches(
    rows: list[StoredEvent], sequence: int
) -> None:
    # The model's own words (model.py, stretches and derive).
    parts: list[list[StoredEvent]] = []
    current: list[StoredEvent] = []
    for row in rows:
        current.append(row)
        if isinstance(row.event, OrchestratorCompleted):
            parts.append(current)
            current = []
    if current:
        parts.append(current)
    wanted = [
        (number, row) for number, part in enumerate(parts, 1) if number > sequence for row in part
    ]
    book = Ledger(rows)
    assert book.stretches == len(parts)
    assert list(book.above(sequence)) == wanted
