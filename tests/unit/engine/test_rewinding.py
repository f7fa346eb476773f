"""What a rewind takes back, by row."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from durable.engine.ledger import Ledger
from durable.engine.rewinding import AwaitedChild, RewindPlan, first_to_make_good, plan_rewind
from durable.errors import EngineBug
from durable.model.events import (
    ExecutionCompleted,
    HistoryEvent,
    SubOrchestrationCreated,
)
from durable.model.failure import FailureDetails
from durable.model.status import RuntimeStatus
from tests.unit.engine.histories import (
    child_failed,
    created,
    done,
    ended,
    failed,
    fired,
    ledger,
    raised,
    reported,
    scheduled,
    sent,
    started,
    stretch,
    timer,
    undone,
)

BOOM = FailureDetails(error_type="ValueError", message="boom", stack_trace="line 1")
OTHER = replace(BOOM, message="other")


def brought_down(*causes: FailureDetails, task_id: int = 9) -> ExecutionCompleted:
    """The end, by an error of the orchestrator that has `causes`."""
    inner: FailureDetails | None = None
    for cause in reversed(causes):
        inner = replace(cause, inner=inner)
    failure = FailureDetails(error_type="ActivityFailed", message="failed", inner=inner)
    return replace(ended(RuntimeStatus.FAILED, task_id=task_id), failure=failure)


def planned(book: Ledger) -> RewindPlan:
    return plan_rewind(book, first_to_make_good(book))


def check(book: Ledger, *expected: HistoryEvent) -> None:
    """Those events are undone, in this order; the end is what it is.

    Done in part, from the first on, the rest of it is what is planned then.
    """
    cut = first_to_make_good(book)
    plan = plan_rewind(book, cut)
    assert [book.rows[index].event for index in plan.undone] == list(expected)
    for count in range(len(plan.undone) + 1):
        rows = [row.event for row in book.rows]
        for index in plan.undone[:count]:
            rows[index] = undone(rows[index].event_id)
        left = plan_rewind(ledger(rows), cut)
        assert left == replace(plan, undone=plan.undone[count:])
    assert isinstance(book.rows[plan.end].event, ExecutionCompleted)
    assert plan.end not in plan.undone


def flat(*stretches: Iterable[HistoryEvent]) -> Ledger:
    return ledger(*(stretch(*events) for events in stretches))


def test_the_activity_that_failed() -> None:
    book = flat(
        [started(), scheduled(0)], [done(0), scheduled(1)], [failed(1, BOOM), brought_down(BOOM)]
    )
    check(book, scheduled(1), failed(1, BOOM))
    assert planned(book).children == ()


def test_the_orchestrator_itself_failed() -> None:
    """A failure that it dealt with before stays: replay meets it as it did the first time."""
    book = flat(
        [started(), scheduled(0)],
        [failed(0, BOOM), scheduled(1)],
        [done(1), raised("e"), brought_down(OTHER)],
    )
    check(book)


def test_every_failure_after_which_nothing_was_decided() -> None:
    """A fan-out: what succeeded is not called again."""
    book = flat(
        [started(), *(scheduled(n) for n in range(4))],
        [failed(1, BOOM), done(0)],
        [failed(3, OTHER), done(2), brought_down(BOOM)],
    )
    check(book, scheduled(1), scheduled(3), failed(1, BOOM), failed(3, OTHER))


def test_of_retries_the_last_attempt_with_the_timer_after_it() -> None:
    book = flat(
        [started(), scheduled(0)],
        [failed(0, BOOM), timer(1)],
        [fired(1), scheduled(2)],
        [failed(2, BOOM), timer(3)],
        [fired(3), brought_down(BOOM)],
    )
    check(book, scheduled(2), failed(2, BOOM), timer(3), fired(3))


def test_retries_that_went_well_stay() -> None:
    book = flat(
        [started(), scheduled(0)],
        [failed(0, BOOM), timer(1)],
        [fired(1), scheduled(2)],
        [done(2), scheduled(3)],
        [failed(3, BOOM), brought_down(BOOM)],
    )
    check(book, scheduled(3), failed(3, BOOM))


def test_what_was_done_after_the_failure_that_brought_it_down() -> None:
    """An except that cleans up and raises again: its decisions are taken back with the failure."""
    book = flat(
        [started(), scheduled(0)],
        [failed(0, BOOM), scheduled(1), sent(2), created(3)],
        [done(1), reported(3), brought_down(BOOM)],
    )
    check(
        book,
        scheduled(0),
        failed(0, BOOM),
        scheduled(1),
        sent(2),
        created(3),
        done(1),
        reported(3),
    )
    assert planned(book).children == ()


def test_retries_that_end_before_another_branch_fails() -> None:
    """The failure that brought it down comes before the last decision, another one after it."""
    book = flat(
        [started(), scheduled(0), scheduled(1)],
        [failed(0, BOOM), timer(2)],
        [fired(2)],
        [failed(1, OTHER), brought_down(BOOM)],
    )
    check(book, scheduled(0), scheduled(1), failed(0, BOOM), timer(2), fired(2), failed(1, OTHER))


def test_a_cause_of_a_cause_is_named_too() -> None:
    book = flat([started(), scheduled(0)], [failed(0, BOOM), sent(1), brought_down(OTHER, BOOM)])
    check(book, scheduled(0), failed(0, BOOM), sent(1))


@pytest.mark.parametrize(
    ("reason", "result", "named"),
    [("boom", 'The function failed: "boom".', True), ("boom", "bang", False), ("", "x", False)],
)
def test_dotnet_tells_failures_in_texts(reason: str, result: str, *, named: bool) -> None:
    end = ended(RuntimeStatus.FAILED, result=result)
    book = flat([started(), scheduled(0)], [failed(0, reason=reason), sent(1), end])
    rows: list[HistoryEvent] = [scheduled(0), failed(0, reason=reason), sent(1)]
    check(book, *(rows if named else []))
    silent = flat(
        [started(), scheduled(0)],
        [failed(0, reason="boom"), sent(1), ended(RuntimeStatus.FAILED, result=None)],
    )
    check(silent)


def test_what_was_never_answered_is_asked_for_again() -> None:
    """The engine failed it: what was under way has been dropped when it came."""
    book = flat(
        [started(), scheduled(0), timer(1), sent(2), timer(-100), created(3), detached(4)],
        [fired(-100), brought_down(OTHER)],
    )
    check(book, scheduled(0), timer(1))
    plan = planned(book)
    assert plan.children == (AwaitedChild(created=6, failed=None, event=created(3)),)


def detached(task_id: int) -> SubOrchestrationCreated:
    return replace(created(task_id), tags={"FireAndForget": ""})


def test_children_that_failed() -> None:
    book = flat(
        [started(), created(0), created(1, "c2"), scheduled(2)],
        [child_failed(0, BOOM), reported(1), done(2), brought_down(BOOM)],
    )
    check(book)
    assert planned(book).children == (AwaitedChild(created=2, failed=7, event=created(0)),)


def test_a_failed_child_before_the_cut_stays() -> None:
    book = flat(
        [started(), created(0)],
        [child_failed(0, OTHER), scheduled(1)],
        [failed(1, BOOM), brought_down(BOOM)],
    )
    check(book, scheduled(1), failed(1, BOOM))
    assert planned(book).children == ()


def test_only_what_has_failed_is_rewound() -> None:
    with pytest.raises(EngineBug, match="Only an execution that has failed"):
        planned(flat([started(), scheduled(0)]))
