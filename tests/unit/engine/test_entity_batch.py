"""An entity's turn: what runs, what is queued, what leaves, what is remembered."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from durable.engine.entity_batch import (
    BatchLimits,
    Conclusion,
    Plan,
    conclude,
    is_forgettable,
    plan,
    state_after,
)
from durable.engine.entity_sorter import Labeller
from durable.errors import EngineBug
from durable.model.entities import (
    Continue,
    Earlier,
    EntityMessage,
    EntityStatus,
    OperationRequest,
    OperationResult,
    OrchestrationStart,
    Outgoing,
    Release,
    Response,
    SchedulerState,
    Signal,
    SorterState,
)
from durable.model.failure import FailureDetails
from durable.model.ids import EntityId, request_id

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
WINDOW = timedelta(minutes=30)
SELF, OTHER = EntityId("counter", "a"), EntityId("counter", "b")
FRESH = SchedulerState()
BROKEN = FailureDetails(error_type="ValueError", message="no")
LIMITS = BatchLimits(operations=3)


def signal(
    name: str, *, due: datetime | None = None, parent: str | None = None
) -> OperationRequest:
    return OperationRequest(op=name, id=f"id-{name}", is_signal=True, due=due, parent=parent)


def call(name: str, parent: str = "caller") -> OperationRequest:
    return OperationRequest(op=name, id=f"id-{name}", parent=parent, parent_execution="x")


def lock(
    lock_id: str, parent: str = "holder", *entities: EntityId, position: int = 0
) -> OperationRequest:
    return OperationRequest(
        op=None,
        id=lock_id,
        parent=parent,
        parent_execution="x",
        lock_set=entities or (SELF,),
        position=position,
    )


def release(lock_id: str, parent: str = "holder") -> Release:
    return Release(parent=parent, id=lock_id)


def names(requests: Iterable[OperationRequest]) -> list[str | None]:
    return [request.op or request.id for request in requests]


def planned(state: SchedulerState, *arrived: EntityMessage, now: datetime = NOON) -> Plan:
    return plan(state, arrived, now=now, limits=LIMITS)


def ended(
    made: Plan, *results: OperationResult, execution_id: str = "e1", now: datetime = NOON
) -> Conclusion:
    return conclude(made, results, entity=SELF, execution_id=execution_id, now=now, limits=LIMITS)


def done(state: str | None = "1", *effects: Signal | OrchestrationStart) -> OperationResult:
    return OperationResult(state=state, result="7", effects=effects)


FAILED = OperationResult(
    state="spoilt", result="9", failure=BROKEN, effects=(Signal(target=OTHER, op="x"),)
)


def turn(state: SchedulerState, *arrived: EntityMessage, now: datetime = NOON) -> Conclusion:
    """A turn whose operations all add nothing."""
    made = planned(state, *arrived, now=now)
    return ended(made, *(done(made.state.state) for _ in made.operations), now=now)


def messages(sends: Sequence[object]) -> list[object]:
    return [each.message for each in sends if isinstance(each, Outgoing)]


# What runs


def test_operations_run_in_the_order_they_came() -> None:
    made = planned(FRESH, signal("a"), call("b"), signal("c"))
    assert names(made.operations) == ["a", "b", "c"]
    assert (made.lock, made.early, made.goes_on, made.wake_at) == (None, (), False, None)
    assert made.state.queue == ()


def test_a_batch_has_a_limit_and_what_is_left_goes_on_at_once() -> None:
    made = planned(FRESH, *(signal(str(n)) for n in range(5)))
    assert names(made.operations) == ["0", "1", "2"]
    assert names(made.state.queue) == ["3", "4"]
    assert made.goes_on
    conclusion = ended(made, done(), done(), done())
    assert conclusion.sends == (Outgoing(target="@counter@a", message=Continue()),)
    assert conclusion.status == EntityStatus(exists=True, queue_size=2)
    again = planned(conclusion.state, Continue())
    assert names(again.operations) == ["3", "4"]
    assert not again.goes_on


def test_a_batch_of_exactly_the_limit_is_whole() -> None:
    assert not planned(FRESH, *(signal(str(n)) for n in range(3))).goes_on


def test_a_limit_of_nothing_still_moves_on() -> None:
    made = plan(FRESH, [signal("a")], now=NOON, limits=BatchLimits(operations=0))
    assert names(made.operations) == ["a"]


def test_the_originals_limits_are_the_default() -> None:
    made = plan(FRESH, [signal(str(n)) for n in range(5001)], now=NOON)
    assert len(made.operations) == 5000
    assert BatchLimits() == BatchLimits(operations=5000, window=WINDOW)
    assert conclude(
        plan(FRESH, [], now=NOON), [], entity=SELF, execution_id="e", now=NOON
    ) == Conclusion(sends=(), state=FRESH, status=EntityStatus())


def test_what_another_engine_suspended_goes_on() -> None:
    made = planned(SchedulerState(suspended=True, queue=(signal("a"),)))
    assert names(made.operations) == ["a"]
    assert not made.state.suspended


# Results, effects, failures


def test_callers_are_answered_and_signals_are_not() -> None:
    made = planned(FRESH, signal("a"), call("b"), OperationRequest(op="c", id="nobody"))
    conclusion = ended(made, done("1"), done("2"), done("3"))
    assert conclusion.sends == (
        Outgoing(target="caller", message=Response(id="id-b", result="7"), execution_id="x"),
    )
    assert conclusion.state == SchedulerState(state="3")
    assert conclusion.status == EntityStatus(exists=True)


def test_a_failure_leaves_neither_state_nor_effects_and_its_neighbours_keep_theirs() -> None:
    made = planned(SchedulerState(state="0"), call("a"), call("b"), call("c"))
    first = done("1", Signal(target=OTHER, op="first"))
    third = done("3", Signal(target=OTHER, op="third"))
    conclusion = ended(made, first, FAILED, third)
    sent = messages(conclusion.sends)
    assert [each.op for each in sent if isinstance(each, OperationRequest)] == ["first", "third"]
    assert [each for each in sent if isinstance(each, Response)] == [
        Response(id="id-a", result="7"),
        Response(id="id-b", failure=BROKEN),
        Response(id="id-c", result="7"),
    ]
    assert conclusion.state.state == "3"
    alone = ended(planned(SchedulerState(state="0"), call("b")), FAILED)
    assert alone.state.state == "0"
    assert state_after("0", FAILED) == "0"
    assert state_after("0", done("1")) == "1"


def test_an_entity_that_failed_at_once_does_not_exist() -> None:
    conclusion = ended(planned(FRESH, call("b")), FAILED)
    assert conclusion.status == EntityStatus()
    assert conclusion.state.state is None


def test_a_deleted_entity_does_not_exist() -> None:
    conclusion = ended(planned(SchedulerState(state="0"), signal("delete")), done(None))
    assert conclusion.state == FRESH
    assert conclusion.status == EntityStatus()
    assert is_forgettable(conclusion.state, now=NOON)


def test_effects_leave_in_their_order_before_the_answer() -> None:
    start = OrchestrationStart(name="audit", input='"x"')
    due = NOON + SECOND
    made = planned(FRESH, call("a"))
    conclusion = ended(
        made,
        done(
            "1",
            Signal(target=OTHER, op="one", input="1"),
            start,
            Signal(target=OTHER, op="two"),
            Signal(target=SELF, op="later", due=due),
        ),
    )
    one, begun, two, later, answer = conclusion.sends
    assert isinstance(one, Outgoing)
    assert isinstance(two, Outgoing)
    assert begun == start
    assert one == Outgoing(
        target="@counter@b",
        message=OperationRequest(
            op="one",
            id=request_id("e1", 0),
            is_signal=True,
            input="1",
            parent="@counter@a",
            timestamp=NOON,
        ),
    )
    assert isinstance(two.message, OperationRequest)
    assert two.message.predecessor == NOON
    # Scheduled signals have no place in the order: they are not labelled.
    assert later == Outgoing(
        target="@counter@a",
        message=OperationRequest(
            op="later", id=request_id("e1", 3), is_signal=True, parent="@counter@a", due=due
        ),
        deliver_at=due,
    )
    assert isinstance(answer, Outgoing)
    assert isinstance(answer.message, Response)
    assert set(conclusion.state.sorter.last_sent) == {"@counter@b"}


def test_order_between_entities_outlives_a_turn() -> None:
    first = ended(planned(FRESH, signal("a")), done("1", Signal(target=OTHER, op="x")))
    second = ended(
        planned(first.state, signal("b")),
        done("1", Signal(target=OTHER, op="y")),
        execution_id="e2",
    )
    sent = messages((*second.sends, *first.sends))  # the queue turned them round
    made = plan(FRESH, [each for each in sent if isinstance(each, OperationRequest)], now=NOON)
    assert names(made.operations) == ["x", "y"]


def test_an_interrupted_batch_puts_back_what_is_left() -> None:
    made = planned(FRESH, call("a"), call("b"), lock("L"), signal("c"))
    conclusion = ended(made, done("1"))
    assert names(conclusion.state.queue) == ["b", "L", "c"]
    assert conclusion.state.locked_by is None
    assert messages(conclusion.sends) == [Response(id="id-a", result="7"), Continue()]
    without_lock = ended(planned(FRESH, call("a"), call("b")))
    assert names(without_lock.state.queue) == ["a", "b"]


def test_more_results_than_operations_are_a_bug() -> None:
    with pytest.raises(EngineBug, match="1 results for 0 operations"):
        ended(planned(FRESH), done())


# Scheduled signals


def test_what_is_early_is_put_back_once_for_the_time_that_is_left() -> None:
    due = NOON + 3 * SECOND
    early = signal("a", due=due)
    made = planned(FRESH, early)
    assert made.operations == ()
    conclusion = ended(made)
    assert conclusion.sends == (Outgoing(target="@counter@a", message=early, deliver_at=due),)
    assert names(planned(conclusion.state, early, now=due).operations) == ["a"]


def test_a_delay_beyond_the_longest_goes_in_parts() -> None:
    due = NOON + timedelta(days=20)
    latest = NOON + timedelta(days=6)
    early = signal("a", due=due)
    assert ended(planned(FRESH, early)).sends == (
        Outgoing(target="@counter@a", message=early, deliver_at=latest),
    )
    conclusion = ended(
        planned(FRESH, signal("b")), done("1", Signal(target=OTHER, op="c", due=due))
    )
    (sent,) = conclusion.sends
    assert isinstance(sent, Outgoing)
    assert sent.deliver_at == latest
    assert isinstance(sent.message, OperationRequest)
    assert sent.message.due == due


# Order


def test_requests_of_one_sender_run_in_order_and_once() -> None:
    labeller = Labeller()
    first, second = (labeller.label(call(name), str(SELF), NOON) for name in ("a", "b"))
    made = planned(FRESH, second, second)
    assert made.operations == ()
    assert made.wake_at is not None
    conclusion = ended(made)
    assert conclusion.sends == (
        Outgoing(target="@counter@a", message=Continue(), deliver_at=made.wake_at),
    )
    assert not is_forgettable(conclusion.state, now=NOON + timedelta(days=1))
    assert names(planned(conclusion.state, first, first).operations) == ["a", "b"]
    # Without the first the second runs when the wake-up comes.
    woken = planned(conclusion.state, Continue(), now=made.wake_at)
    assert names(woken.operations) == ["b"]


def test_an_entity_that_holds_requests_back_is_woken_once() -> None:
    labeller = Labeller()
    calls = [labeller.label(call(name), str(SELF), NOON) for name in ("a", "b", "c")]
    first = ended(planned(FRESH, calls[1]))
    due = first.state.wakes_at
    assert due is not None
    # What comes meanwhile is held too; the first wake-up will do.
    second = ended(planned(first.state, calls[2], now=NOON + SECOND), now=NOON + SECOND)
    assert second.sends == ()
    assert second.state.wakes_at == due
    woken = planned(second.state, Continue(), now=due + SECOND)
    assert names(woken.operations) == ["b", "c"]
    assert ended(woken, done("1"), done("1"), now=due + SECOND).state.wakes_at is None


# Locks


def test_a_lock_is_granted_after_what_came_before_it() -> None:
    made = planned(FRESH, signal("a"), lock("L"), signal("b"))
    assert names(made.operations) == ["a"]
    conclusion = ended(made, done("1"))
    assert conclusion.sends == (
        Outgoing(
            target="holder",
            message=Response(id="L", result="Lock Acquisition Completed"),
            execution_id="x",
        ),
    )
    assert conclusion.state.locked_by == "holder"
    assert conclusion.state.lock_id == "L"
    assert conclusion.status == EntityStatus(exists=True, queue_size=1, locked_by="holder")


def test_a_lock_request_goes_from_entity_to_entity_as_it_came() -> None:
    asked = Labeller().label(lock("L", "holder", SELF, OTHER), str(SELF), NOON)
    (sent,) = turn(FRESH, asked).sends
    assert isinstance(sent, Outgoing)
    assert sent.target == "@counter@b"
    assert isinstance(sent.message, OperationRequest)
    assert sent.message.position == 1
    assert sent.message.timestamp == asked.timestamp
    made = plan(FRESH, [sent.message], now=NOON)
    last = conclude(made, [], entity=OTHER, execution_id="e9", now=NOON)
    assert last.state.locked_by == "holder"
    assert [each.target for each in last.sends if isinstance(each, Outgoing)] == ["holder"]


LOCKED = turn(FRESH, lock("L")).state


def test_only_the_holder_is_served_and_before_all_others() -> None:
    waiting = turn(LOCKED, signal("a"), call("b", "other"), lock("M", "other"))
    assert waiting.sends == ()
    assert names(waiting.state.queue) == ["a", "b", "M"]
    made = planned(waiting.state, call("h1", "holder"), signal("c"), call("h2", "holder"))
    assert names(made.operations) == ["h1", "h2"]
    assert names(made.state.queue) == ["a", "b", "M", "c"]


def test_a_release_lets_the_others_in() -> None:
    waiting = turn(LOCKED, signal("a"), lock("M", "other"), signal("c")).state
    made = planned(waiting, release("L"))
    assert names(made.operations) == ["a"]
    assert made.lock is not None
    conclusion = ended(made, done())
    assert (conclusion.state.locked_by, conclusion.state.lock_id) == ("other", "M")


@pytest.mark.parametrize("foreign", [release("L", "other"), release("M"), release("M", "other")])
def test_only_the_holder_releases_and_only_that_lock(foreign: Release) -> None:
    state = turn(LOCKED, foreign).state
    assert (state.locked_by, state.lock_id) == ("holder", "L")


def test_the_originals_repair_of_an_orphaned_lock_is_accepted() -> None:
    assert turn(LOCKED, release("fix-orphaned-lock")).state.locked_by is None
    ignored = turn(LOCKED, release("fix-orphaned-lock", "other")).state
    assert ignored.locked_by == "holder"
    assert ignored.given_up == {}


def test_a_lock_that_another_engine_granted_is_released_by_its_holder() -> None:
    state = turn(SchedulerState(locked_by="holder"), release("whatever")).state
    assert state.locked_by is None


def test_a_repeated_lock_request_is_granted_once() -> None:
    assert planned(FRESH, lock("L"), lock("L")).state.queue == ()
    assert turn(LOCKED, lock("L")).sends == ()
    waiting = turn(LOCKED, lock("M", "other"), lock("M", "other")).state
    assert names(waiting.queue) == ["M"]
    after = turn(LOCKED, lock("L"), release("L"))
    assert after.sends == ()
    assert after.state.locked_by is None
    both = turn(LOCKED, lock("N"), lock("N"))  # the holder's own next one
    assert len(both.sends) == 1


def test_a_late_release_does_not_free_the_holders_next_lock() -> None:
    # The next request overtook the release.
    again = turn(LOCKED, lock("L2"))
    assert len(again.sends) == 1
    assert turn(again.state, release("L")).state.locked_by == "holder"
    assert turn(again.state, release("L2")).state.locked_by is None


def labelled(*ops: str) -> list[OperationRequest]:
    """Calls of the holder inside its section, as they are sent."""
    labeller = Labeller()
    return [labeller.label(call(op, "holder"), str(SELF), NOON) for op in ops]


def leaving(after: OperationRequest) -> Release:
    what = Earlier(execution_id="x", timestamp=after.timestamp)
    return replace(release("L"), after=what)


def test_w19_a_release_waits_for_what_its_holder_called_before_it() -> None:
    """It was terminated, and a process died with its last call; the next one waits."""
    first, second = labelled("first", "second")
    waiting = turn(LOCKED, lock("M", "other"), leaving(second))
    assert waiting.sends == (
        Outgoing(
            target=str(SELF), message=Continue(), deliver_at=NOON + WINDOW + timedelta(minutes=1)
        ),
    )
    assert waiting.state.locked_by == "holder"
    one = turn(waiting.state, first, leaving(second), now=NOON + SECOND)
    assert (one.state.locked_by, one.state.leaving) == ("holder", waiting.state.leaving)
    assert all(not isinstance(each.message, Continue) for each in outgoing(one.sends))
    made = planned(one.state, second)
    assert names(made.operations) == ["second"]
    assert made.lock is not None
    after = ended(made, done()).state
    assert (after.locked_by, after.leaving) == ("other", None)
    # In one batch, whichever comes first.
    batches: list[list[EntityMessage]] = [
        [leaving(second), second, first],
        [first, second, leaving(second)],
    ]
    for batch in batches:
        together = planned(LOCKED, lock("M", "other"), *batch)
        assert names(together.operations) == ["first", "second"]
        assert together.lock is not None


def test_w19_a_release_waits_no_longer_than_the_window() -> None:
    (missing,) = labelled("missing")
    waiting = turn(LOCKED, leaving(missing)).state
    early = turn(waiting, Continue(), now=NOON + WINDOW - SECOND)
    assert early.state.locked_by == "holder"
    late = turn(waiting, Continue(), now=NOON + WINDOW)
    assert (late.state.locked_by, late.state.leaving) == (None, None)


def test_w19_who_frees_a_lock_by_force_does_not_wait() -> None:
    (missing,) = labelled("missing")
    waiting = turn(LOCKED, leaving(missing)).state
    freed = turn(waiting, release("fix-orphaned-lock")).state
    assert (freed.locked_by, freed.leaving) == (None, None)


def outgoing(sends: Sequence[object]) -> list[Outgoing]:
    return [each for each in sends if isinstance(each, Outgoing)]


def test_a_release_withdraws_a_request_that_waits() -> None:
    waiting = turn(LOCKED, lock("M", "other"), signal("a")).state
    stranger = turn(waiting, release("M", "stranger")).state
    assert names(stranger.queue) == ["M", "a"]
    withdrawn = turn(waiting, release("M", "other")).state
    assert names(withdrawn.queue) == ["a"]
    assert withdrawn.given_up == {}
    # Of the holder's own, too, which waits in front.
    assert turn(LOCKED, lock("N"), release("N")).state == LOCKED


def test_a_release_that_comes_first_withdraws_what_comes_later() -> None:
    state = turn(FRESH, release("L")).state
    assert state.given_up == {"L": NOON}
    assert not is_forgettable(state, now=NOON + WINDOW)
    assert is_forgettable(state, now=NOON + WINDOW + SECOND)
    late = turn(state, lock("L"))
    assert late.sends == ()
    assert late.state == FRESH
    forgotten = turn(state, signal("a"), now=NOON + WINDOW + SECOND).state
    assert forgotten.given_up == {}
    assert turn(state, lock("M")).state.locked_by == "holder"


def test_withdrawn_requests_are_remembered_by_the_hundred() -> None:
    state = turn(FRESH, *(release(str(number)) for number in range(150))).state
    assert list(state.given_up) == [str(number) for number in range(50, 150)]


# Forgetting


def test_an_entity_with_something_to_remember_is_kept() -> None:
    day = NOON + timedelta(days=1)
    assert is_forgettable(FRESH, now=NOON)
    assert not is_forgettable(SchedulerState(state="null"), now=day)
    assert not is_forgettable(SchedulerState(queue=(signal("a"),)), now=day)
    assert not is_forgettable(SchedulerState(locked_by="o"), now=day)
    labelled = SchedulerState(sorter=SorterState(last_sent={"@a@b": NOON}))
    assert not is_forgettable(labelled, now=NOON + WINDOW)
    assert is_forgettable(labelled, now=day)
    assert not is_forgettable(labelled, now=day, window=timedelta(days=2))
