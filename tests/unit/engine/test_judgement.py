"""Which waiting messages a turn applies, and what becomes of the rest (R3 to R8)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given, strategies as st

from durable.engine.judgement import (
    Judgement,
    Standing,
    Start,
    Verdict,
    Waiting,
    begun_identity,
    in_order,
    judge,
    kept_identities,
)
from durable.engine.ledger import Ledger
from durable.model import ids
from durable.model.events import (
    ExecutionResumed,
    ExecutionSuspended,
    ExecutionTerminated,
    HistoryEvent,
    InstanceRef,
    RewoundChild,
)
from durable.model.history import RecentIdentity, Sentinel
from durable.model.status import InstanceRow, RuntimeStatus
from tests.conformance.conformance import covers
from tests.unit.engine.conftest import SECOND, T0
from tests.unit.engine.histories import (
    PARENT,
    continued,
    created,
    done,
    ended,
    fired,
    ledger,
    pending,
    raised,
    reported,
    row,
    scheduled,
    sentinel,
    started,
    stretch,
    timer,
    undone,
    waiting,
    woken,
)


def sent_in(episode: int | None, each: Waiting, sender: InstanceRef | None = None) -> Waiting:
    return replace(each, message=replace(each.message, episode=episode, sender=sender))


TERMINATE = ExecutionTerminated(timestamp=T0, reason="why")
SUSPEND = ExecutionSuspended(timestamp=T0, reason="hold")
RESUME = ExecutionResumed(timestamp=T0, reason="go on")
NOTHING = Ledger()
RUNNING = ledger(stretch(started(), scheduled(0), timer(1)), stretch(raised("old"), done(0)))
FINISHED = ledger(stretch(started(), scheduled(0)), stretch(done(0), ended()))
HALF = ledger(stretch(started(), scheduled(0)), stretch(raised("old"), continued(("old",))))
TOMBSTONE = sentinel("e1", sequence=None, purged=True)


def standing(
    book: Ledger = RUNNING,
    guard: Sentinel | None = None,
    instance: InstanceRow | None = None,
    *,
    from_memory: bool = False,
) -> Standing:
    """A quiet instance unless told otherwise; `row_start` as the runtime makes it."""
    if guard is None and book.rows:
        guard = sentinel("e1", sequence=book.stretches)
    unstarted = instance is not None and instance.is_unstarted and not from_memory
    return Standing(
        ledger=book,
        sentinel=guard,
        row=instance,
        from_memory=from_memory,
        row_start=started(instance.execution_id) if unstarted and instance else None,
    )


def judged(stand: Standing, *messages: Waiting, now: datetime = T0) -> Judgement:
    return judge(stand, messages, now)


def verdict(stand: Standing, message: Waiting) -> Verdict:
    return judged(stand, message).verdicts[message.key]


def of_line(line: str, event: HistoryEvent = TERMINATE) -> Waiting:
    """What was said to the instance that `line` began."""
    each = waiting("t", event)
    extras = replace(each.message.extras, line=line)
    return replace(each, message=replace(each.message, extras=extras))


# Lines (W25).


@pytest.mark.parametrize("line", ["e1", "e0"])
def test_w25_what_was_said_to_a_line_reaches_each_of_its_executions(line: str) -> None:
    stand = standing(RUNNING, sentinel("e1", first="e0"), row("e1"))
    assert verdict(stand, of_line(line)) is Verdict.APPLY


def test_w25_what_was_said_to_another_line_is_dropped_after_a_look() -> None:
    stand = standing(RUNNING, sentinel("e1", first="e0"), row("e1"))
    assert verdict(stand, of_line("e9")) is Verdict.DROP
    assert judged(replace(stand, from_memory=True), of_line("e9")).look_afresh


def test_w25_what_was_said_to_the_one_before_does_not_reach_a_start_that_waits() -> None:
    for stand in (
        standing(FINISHED, sentinel("e1", first="e0"), pending("e2")),
        standing(NOTHING, TOMBSTONE, pending("e2")),
        standing(NOTHING, None, pending("e2")),
    ):
        assert verdict(stand, of_line("e0")) is Verdict.DROP
        assert verdict(stand, of_line("e2")) is Verdict.APPLY
        found = judged(stand, waiting("s", started("e2")), of_line("e0"))
        assert found.start is not None
        assert found.applied == []


def test_w25_after_a_dotnet_merge_nobody_knows_the_line() -> None:
    merged = replace(sentinel("e1", first="e0"), checkpoint_time=T0 + SECOND)
    assert verdict(standing(RUNNING, merged, row("e1")), of_line("e9")) is Verdict.APPLY


# Starts.


def test_starts_are_judged_first_and_the_rest_as_it_came() -> None:
    batch = [
        waiting("b", raised("x")),
        waiting("a", done(0)),
        waiting("s", started()),
    ]
    assert [each.key for each in in_order(batch)] == ["s", "b", "a"]


def test_r6_a_start_that_the_row_names_begins_its_execution() -> None:
    message = waiting("s", started("e2"))
    found = judged(standing(NOTHING, None, pending("e2")), message)
    assert found.start == Start(event=started("e2"))
    assert found.verdicts == {"s": Verdict.APPLY}
    assert found.applied == []


def test_r6_a_start_replaces_an_older_execution_that_still_runs() -> None:
    found = judged(standing(RUNNING, None, pending("e2")), waiting("s", started("e2")))
    assert found.start == Start(event=started("e2"))
    assert not found.look_afresh


@pytest.mark.parametrize("execution_id", ["e1", "e0"])
@pytest.mark.parametrize("book", [RUNNING, FINISHED, HALF])
def test_r5_a_start_that_names_the_lineage_is_a_duplicate(book: Ledger, execution_id: str) -> None:
    stand = standing(book, sentinel("e1", first="e0"), row("e1"))
    found = judged(stand, waiting("s", started(execution_id)))
    assert found.verdicts == {"s": Verdict.DROP}
    assert found.start is None


def test_r8_a_start_that_names_a_tombstone_is_dropped() -> None:
    stand = standing(NOTHING, TOMBSTONE, None)
    assert verdict(stand, waiting("s", started("e1"))) is Verdict.DROP


def test_r8_a_newer_start_begins_over_a_tombstone() -> None:
    stand = standing(NOTHING, TOMBSTONE, pending("e2"))
    assert judged(stand, waiting("s", started("e2"))).start == Start(event=started("e2"))


def test_r8_a_child_may_begin_over_a_tombstone_of_another_execution() -> None:
    child = started("e2", parent=PARENT)
    assert judged(standing(NOTHING, TOMBSTONE, None), waiting("s", child)).start == Start(
        event=child
    )


def test_r5_a_childs_start_that_comes_back_when_the_child_was_begun_again_is_dropped() -> None:
    """A retry begins the same child id several times; each start may be delivered twice."""
    known = RecentIdentity(identity=begun_identity("c1"), consumed_at=T0)
    stand = standing(FINISHED, replace(sentinel("e1"), identities=(known,)), row("e1"))
    assert verdict(stand, waiting("s", started("c1", parent=PARENT))) is Verdict.DROP
    assert judged(stand, waiting("s", started("c2", parent=PARENT))).start is not None


def test_r6_rows_that_do_not_count_are_no_reason_to_call_a_start_a_duplicate() -> None:
    stand = standing(NOTHING, sentinel("e1"), pending("e1"))
    assert judged(stand, waiting("s", started("e1"))).start == Start(event=started("e1"))


@pytest.mark.parametrize("instance", [None, row("e9"), pending("e9")])
def test_r6_a_marked_start_that_the_row_does_not_name_is_stale(
    instance: InstanceRow | None,
) -> None:
    found = judged(standing(NOTHING, None, instance), waiting("s", started("e2")))
    assert found.verdicts == {"s": Verdict.DROP}
    assert found.start is None


@pytest.mark.parametrize("instance", [None, row("e9")])
def test_r6_an_unmarked_start_waits_for_its_row(instance: InstanceRow | None) -> None:
    message = waiting("s", started("e2"), mark=False)
    found = judged(standing(NOTHING, None, instance), message)
    assert found.verdicts == {"s": Verdict.WAIT_FOR_INSTANCE}
    assert found.start is None


@pytest.mark.parametrize("instance", [None, row("e9")])
def test_r6_a_child_needs_no_row(instance: InstanceRow | None) -> None:
    child = started("e2", parent=PARENT)
    found = judged(standing(NOTHING, None, instance), waiting("s", child))
    assert found.start == Start(event=child)
    assert found.start.is_child
    assert not Start(event=started()).is_child


def test_a_second_copy_of_a_start_in_one_batch_is_applied_with_the_first() -> None:
    stand = standing(NOTHING, None, pending("e2"))
    found = judged(stand, waiting("s", started("e2")), waiting("t", started("e2")))
    assert found.verdicts == {"s": Verdict.APPLY, "t": Verdict.APPLY}
    assert found.start == Start(event=started("e2"))


@pytest.mark.parametrize(
    ("book", "instance"),
    [(NOTHING, pending("e2")), (RUNNING, row("e1")), (RUNNING, pending("e2"))],
)
@pytest.mark.parametrize("execution_id", ["e1", "e2"])
def test_r4_memory_never_answers_a_start(
    book: Ledger, instance: InstanceRow, execution_id: str
) -> None:
    found = judged(
        standing(book, None, instance, from_memory=True), waiting("s", started(execution_id))
    )
    assert found == Judgement(look_afresh=True)


def test_messages_beside_a_start_enter_its_first_turn() -> None:
    batch = [
        waiting("e", raised("x")),
        waiting("f", raised("x")),
        waiting("t", TERMINATE, "e2"),
        waiting("a", done(0), "e2"),
        waiting("s", started("e2", parent=PARENT)),
    ]
    found = judged(standing(NOTHING), *batch)
    assert found.verdicts == {
        "s": Verdict.APPLY,
        "e": Verdict.APPLY,
        "f": Verdict.DROP,
        "t": Verdict.APPLY,
        "a": Verdict.DEFER,
    }
    assert [each.key for each in found.applied] == ["e", "t"]


def test_a_message_for_the_old_execution_is_refused_beside_a_start() -> None:
    stand = standing(RUNNING, None, pending("e2"))
    found = judged(stand, waiting("s", started("e2")), waiting("a", done(1), "e1"))
    assert found.verdicts == {"s": Verdict.APPLY, "a": Verdict.DROP}


# A Pending row.


@pytest.mark.parametrize("event", [raised("x"), TERMINATE, SUSPEND, RESUME])
@pytest.mark.parametrize("execution_id", [None, "e2"])
@pytest.mark.parametrize("book", [NOTHING, RUNNING, FINISHED, HALF])
def test_r6_any_message_for_a_pending_row_starts_it_from_the_row(
    event: HistoryEvent, execution_id: str | None, book: Ledger
) -> None:
    message = waiting("m", event, execution_id)
    found = judged(standing(book, None, pending("e2")), message)
    assert found.start == Start(event=started("e2"), from_row=True)
    assert found.applied == [message]
    assert found.verdicts == {"m": Verdict.APPLY}
    assert not found.finish_hand_over


def test_r8_a_pending_row_over_a_tombstone_starts_from_the_row() -> None:
    found = judged(standing(NOTHING, TOMBSTONE, pending("e2")), waiting("m", raised("x")))
    assert found.start == Start(event=started("e2"), from_row=True)


def test_r8_a_pending_row_of_the_tombstones_lineage_starts_nothing() -> None:
    found = judged(standing(NOTHING, TOMBSTONE, pending("e1")), waiting("m", raised("x")))
    assert found.verdicts == {"m": Verdict.DROP}
    assert found.start is None


def test_r6_an_answer_does_not_start_a_pending_row() -> None:
    found = judged(standing(NOTHING, None, pending("e2")), waiting("a", done(0), "e2"))
    assert found.verdicts == {"a": Verdict.DEFER}
    assert found.start is None


def test_r6_a_scheduled_start_waits_until_its_time() -> None:
    stand = standing(NOTHING, None, pending("e2", due=T0 + SECOND))
    message = waiting("m", raised("x"))
    assert judged(stand, message).verdicts == {"m": Verdict.DEFER}
    assert judged(stand, message).start is None
    assert judged(stand, message, now=T0 + SECOND).verdicts == {"m": Verdict.APPLY}


def test_r6_terminate_does_not_wait_for_a_scheduled_start() -> None:
    stand = standing(NOTHING, None, pending("e2", due=T0 + timedelta(days=1)))
    found = judged(stand, waiting("t", TERMINATE))
    assert found.start == Start(event=started("e2"), from_row=True)
    assert found.verdicts == {"t": Verdict.APPLY}


def test_r7_an_event_enters_a_pending_row_once() -> None:
    stand = standing(NOTHING, None, pending("e2"))
    found = judged(stand, waiting("m", raised("x")), waiting("n", raised("x")))
    assert found.verdicts == {"m": Verdict.APPLY, "n": Verdict.DROP}


@pytest.mark.parametrize("book", [NOTHING, RUNNING])
@pytest.mark.parametrize("messages", [[], [waiting("m", raised("x"))]])
def test_r4_memory_does_not_deal_with_a_pending_row(book: Ledger, messages: list[Waiting]) -> None:
    stand = standing(book, None, pending("e2"), from_memory=True)
    assert judged(stand, *messages).look_afresh


def test_a_pending_row_whose_start_could_not_be_read_defers() -> None:
    stand = replace(standing(NOTHING, None, pending("e2")), row_start=None)
    assert verdict(stand, waiting("m", raised("x"))) is Verdict.DEFER


def test_r5_a_newer_pending_row_supersedes() -> None:
    stand = standing(RUNNING, None, pending("e2"))
    found = judged(stand, waiting("a", fired(1), "e1"))
    assert found.verdicts == {"a": Verdict.DROP}
    assert found.applied == []
    assert found.start is None


def test_r5_a_newer_pending_row_ends_a_half_done_hand_over() -> None:
    assert not judged(standing(HALF, None, pending("e2"))).finish_hand_over
    assert judged(standing(HALF, None, row("e1"))).finish_hand_over


# Nothing there.


def test_r7_an_event_for_nobody_waits_for_the_instance() -> None:
    assert verdict(standing(NOTHING), waiting("m", raised("x"))) is Verdict.WAIT_FOR_INSTANCE


@covers("dtfx-8.1-91")
@pytest.mark.parametrize("event", [done(0), TERMINATE, SUSPEND])
def test_other_messages_for_nobody_are_dropped(event: HistoryEvent) -> None:
    assert verdict(standing(NOTHING), waiting("m", event)) is Verdict.DROP


@pytest.mark.parametrize("event", [raised("x"), done(0), TERMINATE])
def test_r4_nothing_there_is_never_answered_from_memory(event: HistoryEvent) -> None:
    assert judged(standing(NOTHING, from_memory=True), waiting("m", event)).look_afresh


def test_rows_without_a_sentinel_are_nothing() -> None:
    stand = replace(standing(RUNNING), sentinel=None)
    assert verdict(stand, waiting("m", raised("x"))) is Verdict.WAIT_FOR_INSTANCE


# Refusals.


REFUSED = [
    pytest.param(NOTHING, TOMBSTONE, raised("x"), None, id="tombstone"),
    pytest.param(NOTHING, TOMBSTONE, done(0), "e1", id="tombstone by execution"),
    pytest.param(RUNNING, None, fired(1), "e0", id="another execution"),
    pytest.param(FINISHED, None, raised("x"), None, id="finished"),
    pytest.param(FINISHED, None, TERMINATE, None, id="finished, terminate"),
    pytest.param(HALF, None, done(0), "e1", id="an answer for a half-done execution"),
]


@pytest.mark.parametrize(("book", "guard", "event", "execution_id"), REFUSED)
def test_a_message_nobody_can_use_is_dropped(
    book: Ledger, guard: Sentinel | None, event: HistoryEvent, execution_id: str | None
) -> None:
    found = judged(standing(book, guard, row("e1")), waiting("m", event, execution_id))
    assert found.verdicts == {"m": Verdict.DROP}
    assert found.applied == []


@pytest.mark.parametrize(("book", "guard", "event", "execution_id"), REFUSED)
def test_r4_memory_never_refuses(
    book: Ledger, guard: Sentinel | None, event: HistoryEvent, execution_id: str | None
) -> None:
    stand = standing(book, guard, row("e1"), from_memory=True)
    assert judged(stand, waiting("m", event, execution_id)).look_afresh


# A running execution.


@pytest.mark.parametrize("from_memory", [False, True])
def test_r4_memory_may_commit(*, from_memory: bool) -> None:
    batch = [
        waiting("a", fired(1), "e1"),
        waiting("e", raised("x")),
        waiting("s", SUSPEND),
        waiting("r", RESUME),
        waiting("t", TERMINATE),
    ]
    found = judged(standing(RUNNING, None, row("e1"), from_memory=from_memory), *batch)
    assert not found.look_afresh
    assert found.applied == batch
    assert set(found.verdicts.values()) == {Verdict.APPLY}
    assert not found.finish_hand_over


def test_r7_a_second_answer_to_a_task_is_dropped() -> None:
    found = judged(
        standing(RUNNING, None, row("e1")),
        waiting("a", done(0), "e1"),
        waiting("b", fired(1), "e1"),
        waiting("c", fired(1), "e1"),
    )
    assert found.verdicts == {"a": Verdict.DROP, "b": Verdict.APPLY, "c": Verdict.DROP}
    assert [each.key for each in found.applied] == ["b"]


def test_r7_memory_looks_afresh_before_it_drops_a_second_answer() -> None:
    """A rewind may have taken the first one back since."""
    stand = standing(RUNNING, None, row("e1"), from_memory=True)
    assert judged(stand, waiting("a", done(0), "e1")).look_afresh
    twice = judged(stand, waiting("b", fired(1), "e1"), waiting("c", fired(1), "e1"))
    assert twice.verdicts == {"b": Verdict.APPLY, "c": Verdict.DROP}


REWOUND = ledger(
    stretch(started(), undone(0), undone(1), created(2)),
    stretch(undone(), undone(9)),
    stretch(woken("again"), scheduled(0), timer(1), scheduled(3)),
)


@pytest.mark.parametrize("from_memory", [False, True])
@pytest.mark.parametrize("answer", [done(0), fired(1)])
def test_an_answer_to_what_a_rewind_took_back_is_dropped(
    answer: HistoryEvent, *, from_memory: bool
) -> None:
    stand = standing(REWOUND, None, row("e1"), from_memory=from_memory)
    late = judged(stand, sent_in(1, waiting("a", answer, "e1")))
    assert late.look_afresh is from_memory
    assert from_memory or late.verdicts == {"a": Verdict.DROP}
    for episode in (2, 3, None, 0):
        found = judged(stand, sent_in(episode, waiting("a", answer, "e1")))
        assert found.verdicts == {"a": Verdict.APPLY}
    # What was decided once, and is not taken back, may be answered whenever it was sent.
    other = judged(stand, sent_in(1, waiting("a", done(3), "e1")))
    assert other.verdicts == {"a": Verdict.APPLY}


@pytest.mark.parametrize(
    ("execution_id", "episode", "verdict"),
    [
        ("kid", 3, Verdict.DROP),
        ("kid", 4, Verdict.APPLY),
        ("kid", None, Verdict.APPLY),
        ("next", 1, Verdict.APPLY),
        (None, 1, Verdict.APPLY),
    ],
)
def test_what_a_child_reported_before_it_was_rewound_is_dropped(
    execution_id: str | None, episode: int | None, verdict: Verdict
) -> None:
    again = replace(created(2), rewound_child=RewoundChild(execution_id="kid", sequence=3))
    book = ledger(stretch(started(), again), stretch(undone(), undone(9)))
    sender = (
        None if execution_id is None else InstanceRef(instance_id="c1", execution_id=execution_id)
    )
    report = sent_in(episode, waiting("a", reported(2), "e1"), sender)
    assert judged(standing(book, None, row("e1")), report).verdicts == {"a": verdict}


def test_what_a_child_reports_that_was_started_anew_since_is_dropped() -> None:
    first, second, third = (ids.child_execution_id("e1", 2, rewound=n) for n in (0, 1, 3))
    once = ledger(stretch(started(), undone(2)), stretch(undone()), stretch(created(2)))
    twice = ledger(
        stretch(started(), undone(2)),
        stretch(undone()),
        stretch(undone(2)),
        stretch(undone()),
        stretch(created(2)),
    )
    for book, now, before in ((once, second, [first]), (twice, third, [first, second])):
        stand = standing(book, None, row("e1"))
        for execution_id in before:
            report = sent_in(
                1,
                waiting("a", reported(2), "e1"),
                InstanceRef(instance_id="c1", execution_id=execution_id),
            )
            assert judged(stand, report).verdicts == {"a": Verdict.DROP}
        report = sent_in(
            1, waiting("a", reported(2), "e1"), InstanceRef(instance_id="c1", execution_id=now)
        )
        assert judged(stand, report).verdicts == {"a": Verdict.APPLY}
    # An execution without an id, or without a start, has no children to compare with.
    odd = ledger(stretch(started(None), undone(2), created(2)))
    report = sent_in(
        1, waiting("a", reported(2), None), InstanceRef(instance_id="c1", execution_id="x")
    )
    assert judged(standing(odd, None, row(None)), report).verdicts == {"a": Verdict.APPLY}


@covers("dtfx-8.1-92")
def test_r7_an_answer_whose_task_is_not_recorded_yet_waits() -> None:
    assert verdict(standing(), waiting("a", done(5), "e1")) is Verdict.DEFER


def test_r4_memory_looks_afresh_for_an_unknown_task() -> None:
    stand = standing(RUNNING, None, row("e1"), from_memory=True)
    assert judged(stand, waiting("a", done(5), "e1")).look_afresh


@pytest.mark.parametrize("from_memory", [False, True])
@pytest.mark.parametrize("book", [RUNNING, HALF])
def test_r7_a_consumed_event_is_dropped(book: Ledger, *, from_memory: bool) -> None:
    recent = RecentIdentity(identity="older", consumed_at=T0)
    guard = replace(sentinel("e1"), identities=(recent,))
    found = judged(
        standing(book, guard, row("e1"), from_memory=from_memory),
        waiting("a", raised("old")),
        waiting("b", raised("older")),
        waiting("c", raised("new")),
        waiting("d", raised("new")),
        waiting("e", raised("newer")),
    )
    assert found.verdicts == {
        "a": Verdict.DROP,
        "b": Verdict.DROP,
        "c": Verdict.APPLY,
        "d": Verdict.DROP,
        "e": Verdict.APPLY,
    }


@pytest.mark.parametrize("event", [SUSPEND, RESUME, TERMINATE])
@pytest.mark.parametrize("from_memory", [False, True])
def test_r7_what_a_client_asked_for_takes_effect_once(
    event: HistoryEvent, *, from_memory: bool
) -> None:
    """Delivered again after a resume, a suspend must not suspend again."""
    book = ledger(stretch(started(), event))
    found = judged(
        standing(book, None, row("e1"), from_memory=from_memory),
        waiting("again", event),
        waiting("later", replace(event, timestamp=T0 + timedelta(seconds=1))),
        waiting("later again", replace(event, timestamp=T0 + timedelta(seconds=1))),
    )
    assert found.verdicts == {
        "again": Verdict.DROP,
        "later": Verdict.APPLY,
        "later again": Verdict.DROP,
    }


@pytest.mark.parametrize("event", [SUSPEND, RESUME, TERMINATE, raised("old")])
def test_r7_what_was_for_the_execution_before_does_not_reach_the_next(
    event: HistoryEvent,
) -> None:
    """Nor does it begin a scheduled one before its time."""
    before = ledger(stretch(started(), event), stretch(ended()))
    later = replace(pending("e2"), scheduled_start_time=T0 + timedelta(hours=1))
    waits = standing(before, None, later)
    assert judged(waits, waiting("m", event)).start is None
    assert verdict(waits, waiting("m", event)) is Verdict.DROP
    begins = judged(
        standing(before, None, pending("e2")), waiting("s", started("e2")), waiting("m", event)
    )
    assert (begins.applied, begins.verdicts["m"]) == ([], Verdict.DROP)
    recent = tuple(
        RecentIdentity(identity=identity, consumed_at=T0) for identity in before.identities
    )
    guard = replace(sentinel("e2"), identities=recent)
    runs = standing(ledger(stretch(started("e2"))), guard, row("e2"))
    assert verdict(runs, waiting("m", event)) is Verdict.DROP


def test_r7_without_an_identity_the_queue_messages_id_serves() -> None:
    first, again = waiting("m", raised(None)), waiting("m", raised(None))
    assert first.identity == again.identity == "q:m"
    assert waiting("m", raised("x")).identity == "x"
    other = waiting("n", raised(None))
    found = judged(standing(), first, other)
    assert found.applied == [first, other]


def test_r7_a_deferred_copy_of_an_event_without_identity_is_the_same_event() -> None:
    book = ledger(stretch(started(), raised("q:m")))
    assert verdict(standing(book), waiting("m", raised(None))) is Verdict.DROP


def test_r7_an_event_that_dotnet_recorded_is_not_taken_again_from_its_message() -> None:
    book = ledger(stretch(started(), raised(None)))
    found = judged(
        standing(book),
        waiting("again", raised(None)),
        waiting("later", raised(None, at=T0 + SECOND)),
        waiting("other", raised(None, name="F")),
        waiting("data", raised(None, value="2")),
        waiting("ours", raised("x")),
    )
    dropped = [key for key, verdict in found.verdicts.items() if verdict is Verdict.DROP]
    assert dropped == ["again"]


def test_a_half_done_hand_over_is_finished_with_the_events_that_came() -> None:
    stand = standing(HALF, None, row("e1"), from_memory=True)
    message = waiting("m", raised("x"))
    found = judged(stand, message, waiting("t", TERMINATE))
    assert found.finish_hand_over
    assert [each.key for each in found.applied] == ["m", "t"]


def test_a_start_takes_precedence_over_a_hand_over() -> None:
    stand = standing(HALF, None, pending("e2"))
    found = judged(stand, waiting("s", started("e2")))
    assert (found.finish_hand_over, found.start) == (False, Start(event=started("e2")))


def test_nothing_to_judge_asks_for_nothing() -> None:
    assert judged(standing(RUNNING, None, row("e1"), from_memory=True)) == Judgement()


def test_r3_of_two_child_starts_in_a_batch_only_the_one_that_runs_is_applied() -> None:
    # Two parents started the same child id. The verdict APPLY deletes the message.
    first, second = (
        waiting(key, started(execution_id, parent=PARENT))
        for key, execution_id in (("s", "c1"), ("t", "c2"))
    )
    found = judged(standing(NOTHING), first, second)
    assert found.start == Start(event=started("c1", parent=PARENT))
    assert found.verdicts["t"] is not Verdict.APPLY


EVENTS: st.SearchStrategy[HistoryEvent] = st.one_of(
    st.sampled_from(["x", "y", "old"]).map(raised),
    st.sampled_from([TERMINATE, SUSPEND, RESUME]),
    st.integers(0, 2).map(done),
    st.sampled_from(["e1", "e2", "e3"]).map(started),
    st.just(started("c1", parent=PARENT)),
)
BATCHES = st.lists(
    st.tuples(EVENTS, st.sampled_from([None, "e1", "e2"]), st.booleans()), max_size=6
).map(
    lambda drawn: [
        waiting(f"m{n}", event, execution_id, mark=mark)
        for n, (event, execution_id, mark) in enumerate(drawn)
    ]
)
BOOKS = st.sampled_from([NOTHING, RUNNING, FINISHED, HALF])
GUARDS = st.sampled_from([None, sentinel("e1"), sentinel("e1", first="e0"), TOMBSTONE])
ROWS = st.sampled_from([None, row("e1"), row("e0"), pending("e2"), pending("e1")])


@given(BOOKS, GUARDS, ROWS, BATCHES)
def test_r4_memory_judges_as_storage_would_or_looks_afresh(
    book: Ledger, guard: Sentinel | None, instance: InstanceRow | None, batch: list[Waiting]
) -> None:
    afresh = judged(standing(book, guard, instance), *batch)
    memory = judged(standing(book, guard, instance, from_memory=True), *batch)
    assert not afresh.look_afresh
    assert memory.look_afresh or memory == afresh


@given(BOOKS, GUARDS, ROWS, BATCHES)
def test_every_message_has_a_verdict_and_only_applied_ones_enter(
    book: Ledger, guard: Sentinel | None, instance: InstanceRow | None, batch: list[Waiting]
) -> None:
    found = judged(standing(book, guard, instance), *batch)
    assert set(found.verdicts) == {each.key for each in batch}
    assert {each.key for each in found.applied} <= {
        key for key, each in found.verdicts.items() if each is Verdict.APPLY
    }
    assert not (found.start and found.finish_hand_over)


# Identities over continue-as-new.


def kept(
    earlier: list[RecentIdentity],
    consumed: dict[str, datetime],
    carried: Collection[str] = (),
    *,
    served_since: datetime = T0 - timedelta(days=9),
) -> list[str]:
    found = kept_identities(
        earlier,
        consumed,
        carried,
        now=T0,
        served_since=served_since,
        keep_seconds=60.0,
    )
    return [each.identity for each in found]


def before(seconds: float) -> datetime:
    return T0 - timedelta(seconds=seconds)


def test_r7_identities_are_kept_by_time_not_by_count() -> None:
    consumed = {f"i{n}": before(59) for n in range(1000)} | {"late": before(60)}
    assert kept([], consumed) == [f"i{n}" for n in range(1000)]


def test_r7_identities_of_earlier_executions_live_on_with_their_own_time() -> None:
    earlier = [
        RecentIdentity(identity="a", consumed_at=before(10)),
        RecentIdentity(identity="b", consumed_at=before(100)),
    ]
    assert kept(earlier, {"c": before(1)}) == ["a", "c"]


def test_r7_age_counts_only_time_in_which_the_queue_was_served() -> None:
    consumed = {"a": before(100_000)}
    assert kept([], consumed, served_since=before(59)) == ["a"]
    assert kept([], consumed, served_since=before(60)) == []


def test_r7_identities_that_rows_hold_are_not_repeated() -> None:
    earlier = [RecentIdentity(identity="b", consumed_at=before(1))]
    assert kept(earlier, {"a": before(1), "c": before(1)}, {"a", "b"}) == ["c"]


AGES = st.dictionaries(st.sampled_from("abcdef"), st.floats(0, 200), max_size=6)


@given(AGES, AGES, st.frozensets(st.sampled_from("abcdef")), st.floats(0, 200))
def test_r7_kept_are_exactly_the_young_ones_that_no_row_holds(
    earlier: dict[str, float], consumed: dict[str, float], carried: frozenset[str], served: float
) -> None:
    found = kept_identities(
        [RecentIdentity(identity=i, consumed_at=before(age)) for i, age in earlier.items()],
        {i: before(age) for i, age in consumed.items()},
        carried,
        now=T0,
        served_since=before(served),
        keep_seconds=60.0,
    )
    for identity in "abcdef":
        ages = [ages[identity] for ages in (earlier, consumed) if identity in ages]
        held = [each for each in found if each.identity == identity]
        if identity in carried:
            assert held == []
        else:
            assert len(held) == sum(before(min(age, served)) > before(60) for age in ages)


def test_a_finished_status_is_no_hand_over() -> None:
    book = ledger(stretch(started(), ended(RuntimeStatus.TERMINATED)))
    assert not judged(standing(book)).finish_hand_over
