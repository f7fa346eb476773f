"""What is done ever more rarely."""

from __future__ import annotations

from durable.runtime.repeats import Repeats
from tests.manual_clock import ManualClock


def made(clock: ManualClock, remembered: int = 10) -> Repeats:
    return Repeats(clock, first_seconds=10, longest_seconds=35, remembered=remembered)


def test_the_pauses_double_up_to_the_longest(manual_clock: ManualClock) -> None:
    repeats = made(manual_clock)
    pauses = []
    for _ in range(4):
        assert repeats.is_due("a")
        repeats.note("a")
        pauses.append(0)
        while not repeats.is_due("a"):
            manual_clock.advance(1)
            pauses[-1] += 1
    assert pauses == [10, 20, 35, 35]
    assert repeats.is_due("b")


def test_what_was_done_longest_ago_is_forgotten_first(manual_clock: ManualClock) -> None:
    repeats = made(manual_clock, remembered=2)
    for each in ("a", "b", "a", "c"):
        repeats.note(each)
    assert [repeats.is_due(each) for each in ("a", "b", "c")] == [False, True, False]
