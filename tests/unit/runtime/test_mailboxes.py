"""One turn at a time for an instance; what waits is gathered."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given, strategies as st

from durable.clock import SystemClock
from durable.errors import Throttled, Unavailable
from durable.runtime.delivery import Deferred, Delivery, Done, Failed
from durable.runtime.mailboxes import Inbox, Mailboxes
from tests.unit.runtime.deliveries import delivery, settle

LONG = 3600.0


class Turns:
    """A handler whose turns end when the test lets them."""

    def __init__(self) -> None:
        self.batches: list[tuple[str, list[str]]] = []
        self.running: set[str] = set()
        self._gates: dict[str, asyncio.Event] = {}
        self.errors: list[Exception] = []

    async def __call__(self, instance_id: str, batch: Sequence[Delivery], inbox: Inbox) -> None:
        assert instance_id not in self.running, "two turns of one instance at once"
        self.running.add(instance_id)
        self.batches.append((instance_id, [each.key for each in batch]))
        try:
            await self._gate(instance_id).wait()
            if self.errors:
                raise self.errors.pop()
            for each in batch:
                each.outcome = Done()
        finally:
            self.running.discard(instance_id)

    def _gate(self, instance_id: str) -> asyncio.Event:
        return self._gates.setdefault(instance_id, asyncio.Event())

    def let_go(self, instance_id: str = "i1") -> None:
        self._gate(instance_id).set()

    def stop(self, instance_id: str = "i1") -> None:
        self._gate(instance_id).clear()


def boxes(turns: Turns, *, gather: int = 100, patience: float = LONG) -> Mailboxes:
    return Mailboxes(turns, SystemClock(), gather_limit=gather, patience_seconds=patience)


def named(*keys: str) -> list[Delivery]:
    return [delivery(key) for key in keys]


async def test_a_delivery_has_a_turn_and_leaves_nothing_behind() -> None:
    turns = Turns()
    turns.let_go()
    mailboxes = boxes(turns)
    one = delivery("a")
    await mailboxes.deliver("i1", one)
    assert one.outcome == Done()
    assert turns.batches == [("i1", ["a"])]
    assert len(mailboxes) == 0


async def test_what_comes_together_enters_one_turn() -> None:
    turns = Turns()
    turns.let_go()
    mailboxes = boxes(turns)
    async with asyncio.TaskGroup() as group:
        for each in named("a", "b", "c"):
            group.create_task(mailboxes.deliver("i1", each))
    assert turns.batches == [("i1", ["a", "b", "c"])]


async def test_what_comes_during_a_turn_is_gathered_into_the_next() -> None:
    turns = Turns()
    mailboxes = boxes(turns)
    waiting = named("a", "b", "c", "d")
    async with asyncio.TaskGroup() as group:
        for each in waiting:
            group.create_task(mailboxes.deliver("i1", each))
            await settle()
        assert turns.batches == [("i1", ["a"])]
        assert len(mailboxes) == 1
        turns.let_go()
    assert turns.batches == [("i1", ["a"]), ("i1", ["b", "c", "d"])]
    assert [each.outcome for each in waiting] == [Done()] * 4
    assert len(mailboxes) == 0


async def test_a_turn_gathers_no_more_than_its_limit() -> None:
    turns = Turns()
    mailboxes = boxes(turns, gather=2)
    async with asyncio.TaskGroup() as group:
        for each in named("a", "b", "c", "d"):
            group.create_task(mailboxes.deliver("i1", each))
            await settle()
        turns.let_go()
    assert [keys for _, keys in turns.batches] == [["a"], ["b", "c"], ["d"]]


async def test_instances_do_not_wait_for_each_other() -> None:
    turns = Turns()
    mailboxes = boxes(turns)
    async with asyncio.TaskGroup() as group:
        group.create_task(mailboxes.deliver("i1", delivery("a")))
        group.create_task(mailboxes.deliver("i2", delivery("b")))
        await settle()
        assert turns.running == {"i1", "i2"}
        assert len(mailboxes) == 2
        turns.let_go("i1")
        turns.let_go("i2")


async def test_a_newcomer_does_not_lead_beside_the_one_that_is_woken() -> None:
    turns = Turns()
    mailboxes = boxes(turns)
    first, second, third = named("a", "b", "c")

    async def two_in_a_row() -> None:
        await mailboxes.deliver("i1", first)
        await mailboxes.deliver("i1", third)  # before the one that was woken runs

    async with asyncio.TaskGroup() as group:
        group.create_task(two_in_a_row())
        await settle()
        group.create_task(mailboxes.deliver("i1", second))
        await settle()
        turns.let_go()
    assert [keys for _, keys in turns.batches] == [["a"], ["b", "c"]]
    assert [first.outcome, second.outcome, third.outcome] == [Done()] * 3


class Failing:
    """A handler that fails on some messages, and on any batch they are in."""

    def __init__(self, errors: dict[str, Exception]) -> None:
        self.errors = errors
        self.batches: list[list[str]] = []
        self.gate = asyncio.Event()

    async def __call__(self, instance_id: str, batch: Sequence[Delivery], inbox: Inbox) -> None:
        await self.gate.wait()
        self.batches.append([each.key for each in batch])
        for each in batch:
            if each.key in self.errors:
                raise self.errors[each.key]
            each.outcome = Done()

    async def run(self, *waiting: Delivery) -> None:
        """The first has a turn of its own; the rest are gathered."""
        mailboxes = Mailboxes(self, SystemClock(), gather_limit=100, patience_seconds=LONG)
        async with asyncio.TaskGroup() as group:
            for each in waiting:
                group.create_task(mailboxes.deliver("i1", each))
                await settle()
            self.gate.set()
        assert len(mailboxes) == 0


async def test_a_message_that_the_handler_fails_on_stops_only_itself() -> None:
    error = ValueError("no")
    handler = Failing({"c": error})
    waiting = named("a", "b", "c", "d")
    await handler.run(*waiting)
    assert handler.batches == [["a"], ["b", "c", "d"], ["c"], ["d"]]
    assert [each.outcome for each in waiting] == [Done(), Done(), Failed(error), Done()]


async def test_a_message_alone_fails_with_what_the_handler_raised() -> None:
    error = ValueError("no")
    handler = Failing({"a": error})
    waiting = named("a", "b")
    await handler.run(*waiting)
    assert handler.batches == [["a"], ["b"]]
    assert [each.outcome for each in waiting] == [Failed(error), Done()]


@pytest.mark.parametrize("error", [Throttled("slow"), Unavailable("down")])
async def test_trouble_of_storage_is_no_messages_fault(error: Exception) -> None:
    handler = Failing({"b": error})
    waiting = named("a", "b", "c")
    await handler.run(*waiting)
    assert handler.batches == [["a"], ["b", "c"]]
    assert [each.outcome for each in waiting] == [Done(), Failed(error), Failed(error)]


async def test_a_leader_that_is_cancelled_sends_its_followers_back_soon() -> None:
    turns = Turns()
    mailboxes = boxes(turns)
    first, second, third, fourth = named("a", "b", "c", "d")
    async with asyncio.TaskGroup() as group:
        group.create_task(mailboxes.deliver("i1", first))
        await settle()
        leader = group.create_task(mailboxes.deliver("i1", second))
        group.create_task(mailboxes.deliver("i1", third))
        await settle()
        turns.let_go()
        turns.stop()
        await settle()
        assert turns.batches == [("i1", ["a"]), ("i1", ["b", "c"])]
        group.create_task(mailboxes.deliver("i1", fourth))
        await settle()
        leader.cancel()
        await settle()
        assert isinstance(third.outcome, Deferred)
        turns.let_go()
    assert isinstance(second.outcome, Deferred)
    assert fourth.outcome == Done()
    assert turns.batches[-1] == ("i1", ["d"])
    assert len(mailboxes) == 0


async def test_patience_ends_while_the_instance_is_busy() -> None:
    turns = Turns()
    mailboxes = boxes(turns, patience=0.0)
    first, second = named("a", "b")
    async with asyncio.TaskGroup() as group:
        group.create_task(mailboxes.deliver("i1", first))
        await settle()
        await mailboxes.deliver("i1", second)
        assert isinstance(second.outcome, Deferred)
        turns.let_go()
    assert turns.batches == [("i1", ["a"])]
    assert len(mailboxes) == 0


async def test_patience_does_not_end_in_the_middle_of_a_turn() -> None:
    turns = Turns()
    mailboxes = boxes(turns, patience=0.0)
    first, second, third = named("a", "b", "c")
    async with asyncio.TaskGroup() as group:
        group.create_task(mailboxes.deliver("i1", first))
        await settle()
        group.create_task(mailboxes.deliver("i1", second))
        follower = group.create_task(mailboxes.deliver("i1", third))
        # One step: both begin to wait. The next: their time is up, and the second gets the lead.
        await asyncio.sleep(0)
        turns.let_go()
        await asyncio.sleep(0)
        turns.stop()
        await settle()
        assert turns.batches[-1] == ("i1", ["b", "c"])
        assert not follower.done()
        turns.let_go()
    assert [first.outcome, second.outcome, third.outcome] == [Done()] * 3
    assert len(mailboxes) == 0


async def test_patience_that_ends_when_the_lead_is_given_takes_the_lead() -> None:
    turns = Turns()
    mailboxes = boxes(turns, patience=0.0)
    first, second = named("a", "b")
    async with asyncio.TaskGroup() as group:
        group.create_task(mailboxes.deliver("i1", first))
        await settle()
        group.create_task(mailboxes.deliver("i1", second))
        # One step: the second begins to wait. Its time is up in the next one, in which the first
        # hands on to it.
        await asyncio.sleep(0)
        turns.let_go()
    assert (first.outcome, second.outcome) == (Done(), Done())
    assert [keys for _, keys in turns.batches] == [["a"], ["b"]]


async def test_a_follower_that_is_cancelled_is_in_no_turn() -> None:
    turns = Turns()
    mailboxes = boxes(turns)
    first, second, third = named("a", "b", "c")
    async with asyncio.TaskGroup() as group:
        group.create_task(mailboxes.deliver("i1", first))
        await settle()
        follower = group.create_task(mailboxes.deliver("i1", second))
        group.create_task(mailboxes.deliver("i1", third))
        await settle()
        follower.cancel()
        await settle()
        turns.let_go()
    assert [keys for _, keys in turns.batches] == [["a"], ["c"]]
    assert second.outcome is None


@pytest.mark.parametrize("others", [[], ["c"], ["c", "d"]])
async def test_a_follower_that_is_cancelled_as_it_gets_the_lead_hands_it_on(
    others: list[str],
) -> None:
    turns = Turns()
    mailboxes = boxes(turns)
    first, second, *rest = named("a", "b", *others)

    async def lead() -> None:
        await mailboxes.deliver("i1", first)
        follower.cancel()  # it has the lead, and doesn't know yet

    async with asyncio.TaskGroup() as group:
        group.create_task(lead())
        await settle()
        follower = group.create_task(mailboxes.deliver("i1", second))
        for each in rest:
            group.create_task(mailboxes.deliver("i1", each))
        await settle()
        turns.let_go()
    assert follower.cancelled()
    assert [keys for _, keys in turns.batches] == [["a"], *([others] if others else [])]
    assert [each.outcome for each in rest] == [Done()] * len(rest)
    assert len(mailboxes) == 0


async def test_a_follower_that_is_cancelled_during_its_turn_changes_nothing() -> None:
    turns = Turns()
    mailboxes = boxes(turns)
    first, second, third = named("a", "b", "c")
    async with asyncio.TaskGroup() as group:
        group.create_task(mailboxes.look("i1"))
        await settle()
        group.create_task(mailboxes.deliver("i1", first))
        await settle()
        follower = group.create_task(mailboxes.deliver("i1", second))
        group.create_task(mailboxes.deliver("i1", third))
        await settle()
        turns.let_go()
        turns.stop()
        await settle()
        assert turns.batches[-1] == ("i1", ["a", "b", "c"])
        follower.cancel()
        await settle()
        turns.let_go()
    assert [first.outcome, third.outcome] == [Done(), Done()]
    assert len(mailboxes) == 0


async def test_r9_a_look_is_a_turn_without_a_message() -> None:
    turns = Turns()
    turns.let_go()
    mailboxes = boxes(turns)
    assert await mailboxes.look("i1")
    assert turns.batches == [("i1", [])]
    assert len(mailboxes) == 0


async def test_a_look_is_not_needed_while_a_turn_runs() -> None:
    turns = Turns()
    mailboxes = boxes(turns)
    async with asyncio.TaskGroup() as group:
        group.create_task(mailboxes.deliver("i1", delivery("a")))
        await settle()
        assert not await mailboxes.look("i1")
        turns.let_go()
    assert turns.batches == [("i1", ["a"])]


async def test_messages_that_come_during_a_look_have_their_turn_after_it() -> None:
    turns = Turns()
    turns.errors = [ValueError("the look failed")]
    mailboxes = boxes(turns)
    one = delivery("a")

    async def look() -> None:
        with pytest.raises(ValueError, match="the look failed"):
            await mailboxes.look("i1")

    async with asyncio.TaskGroup() as group:
        group.create_task(look())
        await settle()
        group.create_task(mailboxes.deliver("i1", one))
        await settle()
        turns.let_go()
    assert turns.batches == [("i1", []), ("i1", ["a"])]
    assert one.outcome == Done()


ACTIONS = st.lists(st.sampled_from(["deliver", "look", "cancel", "go", "run"]), max_size=30)


@given(ACTIONS, st.integers(1, 3))
def test_whatever_happens_no_message_is_forgotten_and_no_box_left(
    actions: list[str], gather: int
) -> None:
    async def play() -> None:
        turns = Turns()
        mailboxes = boxes(turns, gather=gather)
        tasks: list[tuple[asyncio.Task[object], Delivery | None]] = []
        async with asyncio.TaskGroup() as group:
            for number, action in enumerate(actions):
                match action:
                    case "deliver":
                        one = delivery(f"m{number}")
                        tasks.append((group.create_task(mailboxes.deliver("i1", one)), one))
                    case "look":
                        tasks.append((group.create_task(mailboxes.look("i1")), None))
                    case "cancel":
                        if tasks:
                            tasks[number % len(tasks)][0].cancel()
                    case "go":
                        turns.let_go()
                        turns.stop()
                    case _:
                        await asyncio.sleep(0)
            await settle()
            turns.let_go()
        for task, left in tasks:
            assert left is None or task.cancelled() or left.outcome is not None
        assert len(mailboxes) == 0

    asyncio.run(play())
