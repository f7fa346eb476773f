"""What becomes of a message by its verdict, and when patience with it ends."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given, strategies as st

from durable.engine.judgement import Verdict
from durable.engine.ledger import Ledger
from durable.hub.commit import InstanceState
from durable.hub.settings import HubSettings
from durable.model.messages import Cause
from durable.model.status import InstanceRow, RuntimeStatus
from durable.model.times import NO_TIME
from durable.model.versions import VersionFailure, VersionPolicy
from durable.runtime.delivery import Deferred, Done, Quarantined
from durable.runtime.patience import Patience
from durable.runtime.settings import EngineSettings
from tests.manual_clock import ManualClock
from tests.unit.runtime.deliveries import delivery, start_event

HUB = HubSettings(name="hub", lease_seconds=600.0, grace_seconds=20.0)
LONGEST = 620.0


def patience(clock: ManualClock, versions: VersionPolicy = VersionPolicy()) -> Patience:  # noqa: B008 - frozen
    settings = EngineSettings(unknown_code_seconds=120.0, versions=versions)
    return Patience(HUB, settings, clock)


def state(
    due: datetime | None = None, status: RuntimeStatus | None = RuntimeStatus.PENDING
) -> InstanceState:
    row = InstanceRow(instance_id="i1", execution_id="e1", status=status, scheduled_start_time=due)
    return InstanceState(
        instance_id="i1",
        ledger=Ledger(),
        sentinel=None,
        row=row if status else None,
        served_at=NO_TIME,
    )


NOBODY = state(status=None)


@pytest.mark.parametrize("verdict", [Verdict.APPLY, Verdict.DROP])
def test_an_applied_or_dropped_message_is_done(manual_clock: ManualClock, verdict: Verdict) -> None:
    assert patience(manual_clock).outcome(verdict, delivery("a"), NOBODY) == Done()


@pytest.mark.parametrize("verdict", [Verdict.DEFER, Verdict.WAIT_FOR_INSTANCE])
@pytest.mark.parametrize(
    ("waited", "pause"),
    [(0.0, 1.0), (0.5, 1.0), (7.0, 7.0), (100.0, 60.0), (600.0, 21.0), (620.0, 2.0)],
)
def test_r7_a_message_that_waits_comes_back_less_and_less_often(
    manual_clock: ManualClock, verdict: Verdict, waited: float, pause: float
) -> None:
    since = manual_clock.now()
    manual_clock.advance(waited)
    outcome = patience(manual_clock).outcome(verdict, delivery("a", since=since), NOBODY)
    assert outcome == Deferred(pause, since, Cause.INSTANCE)


def test_the_first_deferral_is_remembered(manual_clock: ManualClock) -> None:
    outcome = patience(manual_clock).outcome(Verdict.DEFER, delivery("a"), NOBODY)
    assert outcome == Deferred(1.0, manual_clock.now(), Cause.INSTANCE)


def test_no_wait_begins_in_the_future(manual_clock: ManualClock) -> None:
    now, later = manual_clock.now(), manual_clock.now() + timedelta(days=3000)
    waits = delivery("a", since=later)
    assert patience(manual_clock).outcome(Verdict.DEFER, waits, NOBODY) == Deferred(
        1.0, now, Cause.INSTANCE
    )
    waits = delivery("a", since=later, cause=Cause.CODE)
    assert patience(manual_clock).for_code([waits]) == Deferred(1.0, now, Cause.CODE)


@pytest.mark.parametrize(
    ("verdict", "started", "said"),
    [
        (Verdict.WAIT_FOR_INSTANCE, False, "the hub has no such instance"),
        (Verdict.WAIT_FOR_INSTANCE, True, "no row of the Instances table names this start"),
        (Verdict.DEFER, False, "the task it answers was never recorded"),
    ],
)
def test_r7_after_the_longest_lease_a_message_for_nobody_is_quarantined(
    manual_clock: ManualClock, verdict: Verdict, started: object, said: str
) -> None:
    since = manual_clock.now()
    manual_clock.advance(LONGEST + 1)
    event = start_event() if started else None
    outcome = patience(manual_clock).outcome(verdict, delivery("a", event, since=since), NOBODY)
    assert outcome == Quarantined(
        f"After 621 s, {said}. Replay it once that has changed, or discard it."
    )


def test_r6_a_message_for_a_scheduled_start_comes_back_at_its_time(
    manual_clock: ManualClock,
) -> None:
    since = manual_clock.now()
    manual_clock.advance(LONGEST + 1)
    scheduled = state(due=manual_clock.now() + timedelta(hours=3))
    outcome = patience(manual_clock).outcome(Verdict.DEFER, delivery("a", since=since), scheduled)
    # Its patience begins anew then.
    assert outcome == Deferred(10_800.0, None)


@pytest.mark.parametrize(
    "instance",
    [
        state(due=ManualClock().now()),
        state(due=None),
        state(due=ManualClock().now() + timedelta(hours=3), status=RuntimeStatus.RUNNING),
    ],
)
def test_an_answer_that_no_schedule_holds_up_waits_for_its_task(
    manual_clock: ManualClock, instance: InstanceState
) -> None:
    outcome = patience(manual_clock).outcome(Verdict.DEFER, delivery("a"), instance)
    assert outcome == Deferred(1.0, manual_clock.now(), Cause.INSTANCE)


# Code that is not here.


def test_messages_wait_for_a_process_with_other_code(manual_clock: ManualClock) -> None:
    begin = manual_clock.now()
    batch = [delivery("a"), delivery("b", since=begin, cause=Cause.CODE)]
    manual_clock.advance(30)
    assert patience(manual_clock).for_code(batch) == Deferred(30.0, begin, Cause.CODE)
    manual_clock.advance(89)
    assert patience(manual_clock).for_code(batch) == Deferred(2.0, begin, Cause.CODE)
    manual_clock.advance(1)
    assert patience(manual_clock).for_code(batch) is None


def test_the_wait_for_code_begins_with_the_first_of_them(manual_clock: ManualClock) -> None:
    outcome = patience(manual_clock).for_code([delivery("a"), delivery("b")])
    assert outcome == Deferred(1.0, manual_clock.now(), Cause.CODE)


def test_a_look_without_messages_fails_nothing(manual_clock: ManualClock) -> None:
    assert patience(manual_clock).for_code([]) == Deferred(0.0)


def test_messages_of_another_version_wait_without_end(manual_clock: ManualClock) -> None:
    begin = manual_clock.now()
    judge = patience(manual_clock)
    assert judge.for_version([delivery("a")], "2") == Deferred(1.0, begin, Cause.VERSION)
    batch = [delivery("a"), delivery("b", since=begin, cause=Cause.VERSION)]
    manual_clock.advance(30)
    assert judge.for_version(batch, "2") == Deferred(30.0, begin, Cause.VERSION)
    manual_clock.advance(10**7)
    assert judge.for_version(batch, "2") == Deferred(60.0, begin, Cause.VERSION)
    assert judge.for_version([], "2") == Deferred(0.0)


def test_the_wait_for_a_version_does_not_use_up_the_wait_for_code(
    manual_clock: ManualClock,
) -> None:
    batch = [delivery("a", since=manual_clock.now(), cause=Cause.VERSION)]
    manual_clock.advance(10**6)
    assert patience(manual_clock).for_code(batch) == Deferred(1.0, manual_clock.now(), Cause.CODE)


def test_messages_of_another_version_are_not_put_off_where_it_has_to_fail(
    manual_clock: ManualClock,
) -> None:
    failing = patience(manual_clock, VersionPolicy(failure=VersionFailure.FAIL))
    assert failing.for_version([delivery("a")], "2") is None


def test_a_wait_for_something_else_does_not_shorten_the_wait_for_code(
    manual_clock: ManualClock,
) -> None:
    # An event came before its instance and waited for it; then the start came, and this process
    # doesn't know the orchestrator. A rolling deployment still deserves its two minutes.
    judge = patience(manual_clock)
    first = judge.outcome(Verdict.WAIT_FOR_INSTANCE, delivery("e"), NOBODY)
    assert isinstance(first, Deferred)
    manual_clock.advance(200)
    batch = [delivery("e", since=first.since), delivery("s", start_event())]
    assert judge.for_code(batch) is not None


@given(st.floats(0, 1000))
def test_a_pause_is_short_and_ends_soon_after_patience_does(waited: float) -> None:
    clock = ManualClock()
    since = clock.now()
    clock.advance(waited)
    outcome = patience(clock).outcome(Verdict.WAIT_FOR_INSTANCE, delivery("a", since=since), NOBODY)
    elapsed = (clock.now() - since).total_seconds()
    if elapsed > LONGEST:
        assert isinstance(outcome, Quarantined)
    else:
        assert isinstance(outcome, Deferred)
        assert 1.0 <= outcome.delay_seconds <= 60.0
        assert elapsed + outcome.delay_seconds <= LONGEST + 2.0
