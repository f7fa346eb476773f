"""Requests in order and once, whatever the queue does to them."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings, strategies as st

from durable.engine.entity_sorter import DEFAULT_WINDOW, Labeller, Sorter, is_idle
from durable.model.entities import Earlier, OperationRequest, SchedulerState, SorterState
from durable.model.times import NO_TIME, TickTime, from_ticks, ticks_of
from durable.wire.entity_json import decode_state, encode_state
from tests.conformance.conformance import covers

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
TICK = timedelta(microseconds=1) / 10
WINDOW = timedelta(minutes=30)
ENTITY = "@counter@a"


def request(
    number: object,
    *,
    execution: str | None = "e1",
    parent: str | None = "sender",
    at: datetime = NO_TIME,
    before: datetime = NO_TIME,
    after: Earlier | None = None,
) -> OperationRequest:
    return OperationRequest(
        op="add",
        id=str(number),
        parent=parent,
        parent_execution=execution,
        timestamp=at,
        predecessor=before,
        after=after,
    )


def stream(
    count: int, *, step: timedelta = SECOND, window: timedelta = WINDOW, parent: str = "sender"
) -> list[OperationRequest]:
    """What one execution sends to one entity."""
    labeller = Labeller(window=window)
    return [
        labeller.label(request(number, parent=parent), ENTITY, NOON + number * step)
        for number in range(count)
    ]


settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


class Entity:
    """A receiver that stores its state, as text, after every message."""

    def __init__(self, *, window: timedelta = WINDOW) -> None:
        self._window = window
        self._text = encode_state(SchedulerState())
        self.passed: list[str] = []
        self.wakes: list[datetime] = []

    def receive(self, message: OperationRequest) -> list[str]:
        sorter = Sorter(self.sorter, window=self._window)
        new = [each.id for each in sorter.receive(message)]
        self._keep(sorter)
        return new

    def wake(self, now: datetime) -> list[str]:
        sorter = Sorter(self.sorter, window=self._window)
        new = [each.id for each in sorter.release_held(now)]
        self._keep(sorter)
        return new

    def receive_all(self, messages: Iterable[OperationRequest]) -> list[str]:
        return [each for message in messages for each in self.receive(message)]

    def _keep(self, sorter: Sorter) -> None:
        if sorter.held_until is not None:
            self.wakes.append(sorter.held_until)
        self._text = encode_state(SchedulerState(sorter=sorter.into(self.sorter)))

    @property
    def sorter(self) -> SorterState:
        return decode_state(self._text, "state").sorter

    @property
    def held(self) -> int:
        return Sorter(self.sorter).held


def names(messages: Iterable[OperationRequest]) -> list[str]:
    return [message.id for message in messages]


@covers("dtfx-8.6-59")
def test_what_comes_in_order_passes_one_by_one() -> None:
    entity = Entity()
    for message in stream(20):
        assert entity.receive(message) == [message.id]
        assert entity.held == 0


@covers("dtfx-8.6-60")
def test_a_clock_that_goes_back_keeps_the_order() -> None:
    labeller, entity = Labeller(), Entity()
    clock = random.Random(7)
    sent = [
        labeller.label(request(n), ENTITY, NOON + clock.uniform(-5, 5) * SECOND) for n in range(60)
    ]
    labels = [ticks_of(message.timestamp) for message in sent]
    assert labels == sorted(set(labels))
    mixed = list(sent)
    clock.shuffle(mixed)
    assert entity.receive_all(mixed) == names(sent)


@covers("dtfx-8.6-61")
def test_what_is_early_waits_for_what_is_late() -> None:
    one, two, three = stream(3)
    entity = Entity()
    assert entity.receive(two) == []
    assert entity.receive(three) == []
    assert entity.held == 2
    assert entity.receive(one) == ["0", "1", "2"]
    assert entity.held == 0


@covers("dtfx-8.6-62")
def test_beyond_the_window_nothing_is_dropped_or_sorted() -> None:
    sent = stream(5, step=timedelta(hours=1))
    entity = Entity()
    assert entity.receive_all(sent) == names(sent)
    assert entity.receive_all(reversed(sent[:4])) == names(reversed(sent[:4]))
    assert entity.receive(sent[4]) == []


@covers("dtfx-8.6-63")
def test_inside_the_window_duplicates_are_dropped() -> None:
    sent = stream(10)
    entity = Entity()
    doubled = [message for message in sent for _ in range(2)]
    assert entity.receive_all(doubled + sent) == names(sent)


@covers("dtfx-8.6-64")
@settings(max_examples=30)
@given(st.randoms(use_true_random=False))
def test_shuffled_and_doubled_comes_out_as_sent(chance: random.Random) -> None:
    sent = stream(100)
    mixed = sent + sent
    chance.shuffle(mixed)
    sorter = Sorter()
    assert [each for message in mixed for each in sorter.receive(message)] == sent
    assert sorter.held == 0


@covers("dtfx-8.6-65")
@settings(max_examples=30)
@given(st.randoms(use_true_random=False))
def test_beyond_a_short_window_all_comes_out(chance: random.Random) -> None:
    window = 10 * SECOND
    sent = stream(100, step=SECOND / 2, window=window)
    mixed = list(sent)
    chance.shuffle(mixed)
    sorter = Sorter(window=window)
    passed = [each for message in mixed for each in sorter.receive(message)]
    passed += sorter.release_held(NOON + timedelta(minutes=5))
    assert sorted(names(passed)) == sorted(names(sent))
    assert sorter.held == 0


def test_messages_of_clients_and_lock_requests_on_their_way_pass() -> None:
    first, second = stream(2)
    entity = Entity()
    client = request("c", parent=None, execution=None)
    assert entity.receive_all([client, client]) == ["c", "c"]
    forwarded = OperationRequest(
        op=None, id="l", parent="sender", position=1, timestamp=NOON, predecessor=NOON + SECOND
    )
    assert entity.receive_all([forwarded, forwarded]) == ["l", "l"]
    assert entity.receive_all([second, first]) == ["0", "1"]


def test_a_sender_that_does_not_label_is_let_through() -> None:
    entity = Entity()
    assert entity.receive_all([request("x"), request("x")]) == ["x", "x"]


def test_no_window_no_sorting() -> None:
    labeller = Labeller(
        window=timedelta(0), earlier={ENTITY: Earlier(execution_id="e", timestamp=NOON)}
    )
    sent = [labeller.label(request(n), ENTITY, NOON) for n in range(2)]
    assert sent == [request(0), request(1)]
    assert labeller.handed_over("e1", NOON) == {}
    entity = Entity(window=timedelta(0))
    assert entity.receive_all(reversed(stream(2))) == ["1", "0"]


def test_what_was_held_when_the_window_was_closed_is_released() -> None:
    sent = stream(3)
    sorter = Sorter()
    assert sorter.receive(sent[2]) == []
    closed = Sorter(sorter.into(SorterState()), window=timedelta(0))
    assert closed.release_held(NOON + 5 * SECOND) == [sent[2]]


def test_each_receiver_has_its_own_labels() -> None:
    labeller = Labeller()
    first = labeller.label(request(0), "@counter@a", NOON)
    other = labeller.label(request(1), "@counter@b", NOON)
    second = labeller.label(request(2), "@counter@a", NOON)
    assert first.predecessor == other.predecessor == NO_TIME
    assert ticks_of(second.predecessor) == ticks_of(NOON)
    assert ticks_of(second.timestamp) == ticks_of(NOON) + 1


def test_old_labels_are_forgotten_by_the_sender() -> None:
    labeller = Labeller(window=WINDOW)
    labeller.label(request(0), "@counter@a", NOON)
    labeller.label(request(1), "@counter@b", NOON + WINDOW)
    later = NOON + WINDOW + timedelta(minutes=1)
    third = labeller.label(request(2), "@counter@c", later)
    assert third.predecessor == NO_TIME
    state = labeller.into(SorterState())
    assert state.last_sent == {"@counter@b": NOON + WINDOW, "@counter@c": later}
    assert state.send_horizon == later - WINDOW
    again = Labeller(state).label(request(3), "@counter@b", later)
    assert again.predecessor == NOON + WINDOW


def test_old_senders_are_forgotten_by_the_receiver() -> None:
    entity = Entity()
    entity.receive_all([*stream(2), *stream(1, parent="@other@x")])
    assert set(entity.sorter.received) == {"sender", "@other@x"}
    late = Labeller().label(request("late", parent="third"), ENTITY, NOON + timedelta(hours=1))
    assert entity.receive(late) == ["late"]
    assert set(entity.sorter.received) == {"third"}
    assert entity.sorter.receive_horizon == NOON + timedelta(minutes=30)


def test_what_is_held_moves_on_when_the_window_does() -> None:
    sent = stream(3)
    entity = Entity()
    assert entity.receive(sent[2]) == []
    late = Labeller().label(request("late", parent="third"), ENTITY, NOON + timedelta(hours=1))
    assert entity.receive(late) == ["2", "late"]
    assert entity.receive_all(sent) == ["0", "1", "2"]  # older than the window, all of them


def test_what_is_held_is_let_through_after_a_window_with_nothing_else_arriving() -> None:
    sent = stream(4)
    entity = Entity()
    entity.receive_all([sent[2], sent[3], sent[1]])
    assert entity.wakes == [
        NOON + 2 * SECOND + WINDOW,
        NOON + 3 * SECOND + WINDOW,
        NOON + SECOND + WINDOW,
    ]
    assert entity.wake(entity.wakes[2] - SECOND) == []
    assert entity.wake(entity.wakes[2]) == ["1", "2", "3"]
    assert entity.wake(entity.wakes[2]) == []


def test_one_wake_up_serves_all_that_one_turn_began_to_hold() -> None:
    sent = stream(4)
    sorter = Sorter(window=WINDOW)
    assert sorter.held_until is None
    for message in (sent[2], sent[1], sent[3]):
        assert sorter.receive(message) == []
    assert sorter.held_until == NOON + SECOND + WINDOW


def test_a_label_at_the_end_of_time_does_no_harm() -> None:
    end = datetime.max.replace(tzinfo=UTC)
    sorter = Sorter(SorterState(receive_horizon=end - WINDOW), window=WINDOW)
    assert sorter.receive(request("x", at=end, before=end - SECOND)) == []
    assert sorter.held_until == end


def test_a_new_execution_begins_anew() -> None:
    old = stream(4)
    entity = Entity()
    assert entity.receive_all([old[0], old[3]]) == ["0"]
    # An execution that doesn't say what came before it: what is held may wait in vain.
    first = Labeller().label(request("n0", execution="e2"), ENTITY, NOON + 9 * SECOND)
    assert entity.receive(first) == ["3", "n0"]
    # Stragglers pass, each once, and don't disturb the new execution.
    assert entity.receive_all([old[1], old[1], old[0]]) == ["1"]
    second = Labeller(SorterState(last_sent={ENTITY: NOON + 9 * SECOND}, send_horizon=NOON)).label(
        request("n1", execution="e2"), ENTITY, NOON + 10 * SECOND
    )
    assert entity.receive(second) == ["n1"]
    assert entity.receive_all([first, second]) == []


def test_a_straggler_that_overtakes_another_loses_nothing() -> None:
    old = stream(3)
    entity = Entity()
    entity.receive(old[0])
    entity.receive(Labeller().label(request("n", execution="e2"), ENTITY, NOON + 9 * SECOND))
    assert entity.receive_all([old[2], old[1]]) == ["2", "1"]


def generations(sizes: Sequence[int]) -> list[OperationRequest]:
    """What one sender sends to one entity while it continues as new again and again."""
    sent: list[OperationRequest] = []
    earlier: dict[str, Earlier] = {}
    for generation, size in enumerate(sizes):
        execution = f"e{generation}"
        labeller = Labeller(earlier=earlier)
        for _ in range(size):
            # One label for all: a clock that stands still.
            sent.append(labeller.label(request(len(sent), execution=execution), ENTITY, NOON))
        earlier = labeller.handed_over(execution, NOON)
    return sent


@settings(max_examples=30)
@given(st.lists(st.integers(0, 5), max_size=5), st.randoms(use_true_random=False))
def test_order_holds_across_continue_as_new(sizes: list[int], chance: random.Random) -> None:
    sent = generations(sizes)
    mixed = sent + sent
    chance.shuffle(mixed)
    entity = Entity()
    assert entity.receive_all(mixed) == names(sent)
    assert entity.held == 0


def test_only_the_last_few_executions_of_a_sender_are_remembered() -> None:
    sent = generations([1] * 15)
    entity = Entity()
    assert entity.receive_all(sent) == names(sent)
    entry = entity.sorter.received["sender"]
    assert list(entry.earlier) == [f"e{number}" for number in range(4, 14)]
    assert entity.receive_all(sent[4:]) == []


def test_a_generation_knows_of_the_last_one_that_sent_anything() -> None:
    sent = generations([2, 0, 1])
    assert sent[2].predecessor == NO_TIME
    assert sent[2].after == Earlier(execution_id="e0", timestamp=sent[1].timestamp)
    assert ticks_of(sent[2].timestamp) > ticks_of(sent[1].timestamp)


def test_what_was_sent_before_the_window_is_not_waited_for() -> None:
    earlier = {ENTITY: Earlier(execution_id="e0", timestamp=NOON)}
    labeller = Labeller(earlier=earlier)
    later = NOON + WINDOW + SECOND
    assert labeller.label(request(0), ENTITY, later).after is None
    assert labeller.handed_over("e1", later) == {
        ENTITY: Earlier(execution_id="e1", timestamp=later)
    }
    assert Labeller(earlier=earlier).handed_over("e1", later) == {}


def test_a_receiver_that_has_moved_on_does_not_wait_for_the_past() -> None:
    sorter = Sorter(SorterState(receive_horizon=NOON + SECOND))
    after = Earlier(execution_id="e0", timestamp=NOON)
    message = request("x", at=NOON + 2 * SECOND, after=after)
    assert sorter.receive(message) == [message]


def test_an_execution_waits_for_all_of_the_one_before() -> None:
    sent = generations([2, 2])
    entity = Entity()
    assert entity.receive_all([sent[0], sent[3], sent[2]]) == ["0"]
    assert entity.held == 2
    assert entity.receive(sent[1]) == ["1", "2", "3"]


def test_what_waits_for_an_execution_that_never_came_is_let_through_in_time() -> None:
    sent = generations([1, 2])
    entity = Entity()
    assert entity.receive_all([sent[2], sent[1]]) == []
    assert entity.wake(NOON + WINDOW + SECOND) == ["1", "2"]


def test_two_executions_at_one_tick_are_both_let_through() -> None:
    missing = NOON - SECOND
    entity = Entity()
    assert entity.receive(request("a", at=NOON, before=missing)) == []
    after = Earlier(execution_id="e1", timestamp=missing)
    assert entity.receive(request("b", at=NOON, execution="e2", after=after)) == ["b"]
    assert entity.held == 1


EXECUTIONS = ("e0", "e1", "e2", None)
MOMENTS = st.integers(1, 60).map(lambda minutes: NOON + timedelta(minutes=minutes))
FOREIGN = st.lists(
    st.builds(
        request,
        st.uuids(),
        execution=st.sampled_from(EXECUTIONS),
        parent=st.sampled_from(["s1", "s2"]),
        at=MOMENTS,
        before=st.just(NO_TIME) | MOMENTS,
        after=st.none()
        | st.builds(Earlier, execution_id=st.sampled_from(["e0", "e1", "e2"]), timestamp=MOMENTS),
    ),
    max_size=15,
)


@settings(max_examples=30)
@given(FOREIGN)
def test_whatever_senders_write_nothing_is_let_through_twice_or_held_for_ever(
    messages: list[OperationRequest],
) -> None:
    entity = Entity()
    passed = entity.receive_all(messages)
    passed += entity.wake(NOON + timedelta(days=1))
    assert entity.held == 0
    assert len(set(passed)) == len(passed)
    assert set(passed) <= set(names(messages))


def test_a_state_is_idle_once_all_of_it_is_older_than_the_window() -> None:
    assert is_idle(SorterState(), NOON, WINDOW)
    labeller = Labeller()
    labeller.label(request(0), ENTITY, NOON)
    sent = labeller.into(SorterState())
    assert not is_idle(sent, NOON + WINDOW, WINDOW)
    assert is_idle(sent, NOON + WINDOW + SECOND, WINDOW)
    first, _, third = stream(3)
    sorter = Sorter()
    sorter.receive(first)
    assert not is_idle(sorter.into(SorterState()), NOON + WINDOW, WINDOW)
    assert is_idle(sorter.into(SorterState()), NOON + WINDOW + SECOND, WINDOW)
    sorter.receive(third)
    assert not is_idle(sorter.into(SorterState()), NOON + timedelta(days=1), WINDOW)


def test_labels_keep_a_tick() -> None:
    moment = TickTime.of(NOON, 7)
    labelled = Labeller().label(request(0), ENTITY, moment)
    assert ticks_of(labelled.timestamp) == ticks_of(moment)
    assert DEFAULT_WINDOW == WINDOW
    assert ticks_of(from_ticks(ticks_of(moment))) == ticks_of(moment)


def test_what_has_passed_is_known_by_its_execution() -> None:
    def what(message: OperationRequest) -> Earlier:
        execution = message.parent_execution or ""
        return Earlier(execution_id=execution, timestamp=message.timestamp)

    first, second = stream(2)
    sorter = Sorter()
    assert not sorter.has_passed("sender", what(first))
    sorter.receive(first)
    assert sorter.has_passed("sender", what(first))
    assert not sorter.has_passed("sender", what(second))
    assert not sorter.has_passed("other", what(first))
    newer = request("newer", execution="e2", at=NOON + 5 * SECOND)
    sorter.receive(newer)
    assert sorter.has_passed("sender", what(first))
    assert not sorter.has_passed("sender", what(second))
    sorter.receive(second)
    assert sorter.has_passed("sender", what(second))


def test_what_is_never_waited_for_counts_as_passed() -> None:
    (first,) = stream(1)
    what = Earlier(execution_id="e1", timestamp=first.timestamp)
    assert Sorter(window=timedelta(0)).has_passed("sender", what)
    sorter = Sorter()
    sorter.receive(request("much later", parent="else", at=NOON + 2 * WINDOW))
    assert sorter.has_passed("sender", what)
