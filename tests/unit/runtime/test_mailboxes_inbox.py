"""What a handler may take of its instance's mailbox while it works."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest

from durable.errors import EngineBug, Throttled
from durable.runtime.delivery import Deferred, Delivery, Done, Failed
from durable.runtime.mailboxes import Inbox, Mailboxes
from durable.runtime.scope import Invocation
from tests.hub_lab import in_virtual_time
from tests.simulation.simloop import SimClock
from tests.unit.runtime.deliveries import delivery, settle

PATIENCE = 5.0
Body = Callable[[Sequence[Delivery], Inbox], Awaitable[None]]


class Post:
    """Mailboxes whose handler is a test's own, and the tasks that wait in them."""

    def __init__(self, body: Body, *, gather: int = 100) -> None:
        self.body = body
        self.batches: list[list[str]] = []
        self.clock = SimClock(3)
        self.mailboxes = Mailboxes(
            self.handle, self.clock, gather_limit=gather, patience_seconds=PATIENCE
        )

    async def handle(self, instance_id: str, batch: Sequence[Delivery], inbox: Inbox) -> None:
        self.batches.append([each.key for each in batch])
        await self.body(batch, inbox)

    async def deliver(self, one: Delivery, *, after: float = 0.0) -> float:
        """Deliver it after so many seconds; the time at which it was told its outcome."""
        await self.clock.sleep(after)
        await self.mailboxes.deliver("i1", one)
        return self.clock.monotonic()


class Nothing:
    """An anchor that holds nothing."""

    is_set = False


def in_memory(key: str) -> Delivery:
    """A result that no queue message stands behind."""
    one = delivery(key)
    one.anchor = Nothing()
    return one


def done(batch: Sequence[Delivery]) -> None:
    for each in batch:
        each.outcome = Done()


@in_virtual_time
async def test_what_arrives_during_a_turn_may_join_it_and_hears_of_its_end() -> None:
    seen: list[list[str]] = []

    async def body(batch: Sequence[Delivery], inbox: Inbox) -> None:
        assert await inbox.arrival(10)
        more = inbox.take()
        seen.append([each.key for each in more])
        await post.clock.sleep(3)
        done([*batch, *more])

    post = Post(body)
    first, second = delivery("a"), delivery("b")
    async with asyncio.TaskGroup() as group:
        one = group.create_task(post.deliver(first))
        two = group.create_task(post.deliver(second, after=2))
    assert (post.batches, seen) == ([["a"]], [["b"]])
    assert (first.outcome, second.outcome) == (Done(), Done())
    assert (one.result(), two.result()) == (5, 5)
    assert len(post.mailboxes) == 0


@in_virtual_time
async def test_a_handler_that_does_not_take_leaves_it_for_the_next_turn() -> None:
    async def body(batch: Sequence[Delivery], inbox: Inbox) -> None:
        await post.clock.sleep(1)
        done(batch)

    post = Post(body)
    async with asyncio.TaskGroup() as group:
        for key in "abc":
            group.create_task(post.deliver(delivery(key), after=0 if key == "a" else 0.5))
    assert post.batches == [["a"], ["b", "c"]]


@in_virtual_time
async def test_an_inbox_gives_no_more_at_a_time_than_its_limit() -> None:
    seen: list[list[str]] = []

    async def body(batch: Sequence[Delivery], inbox: Inbox) -> None:
        await post.clock.sleep(1)
        while await inbox.arrival(0):
            more = inbox.take()
            seen.append([each.key for each in more])
            done(more)
        done(batch)

    post = Post(body, gather=2)
    async with asyncio.TaskGroup() as group:
        for key in "abcdef":
            group.create_task(post.deliver(delivery(key)))
    assert post.batches == [["a", "b"]]
    assert seen == [["c", "d"], ["e", "f"]]


@in_virtual_time
async def test_an_arrival_is_waited_for_no_longer_than_asked() -> None:
    waited: list[tuple[bool, float]] = []

    async def body(batch: Sequence[Delivery], inbox: Inbox) -> None:
        for seconds in (-1.0, 0.0, 2.0, 60.0):
            began = post.clock.monotonic()
            waited.append((await inbox.arrival(seconds), post.clock.monotonic() - began))
        done([*batch, *inbox.take()])

    post = Post(body)
    async with asyncio.TaskGroup() as group:
        group.create_task(post.deliver(delivery("a")))
        group.create_task(post.deliver(delivery("b"), after=7))
    assert waited == [(False, 0), (False, 0), (False, 2), (True, 5)]


@in_virtual_time
async def test_more_is_gathered_while_more_comes_and_a_few_times_at_most() -> None:
    gathered: list[tuple[int, float]] = []

    async def body(batch: Sequence[Delivery], inbox: Inbox) -> None:
        for _ in range(2):
            began = post.clock.monotonic()
            await inbox.gather(1.0)
            more = inbox.take()
            gathered.append((len(more), post.clock.monotonic() - began))
            done(more)
        done(batch)

    post = Post(body)
    async with asyncio.TaskGroup() as group:
        group.create_task(post.deliver(delivery("a")))
        for number in range(6):
            group.create_task(post.deliver(delivery(f"b{number}"), after=0.5 + number))
    # Four rounds with one each; then two more, and a round that brings nothing.
    assert gathered == [(4, 4.0), (2, 3.0)]


@in_virtual_time
async def test_a_failure_with_messages_taken_in_the_middle_stops_only_the_one() -> None:
    error = ValueError("no")

    async def body(batch: Sequence[Delivery], inbox: Inbox) -> None:
        if post.batches == [["a", "b"]]:
            await inbox.arrival(60)
        batch = [*batch, *inbox.take()]
        for each in batch:
            if each.key in ("b", "c"):
                raise error
            each.outcome = Done()

    post = Post(body)
    waiting = [delivery(key) for key in "abcd"]
    async with asyncio.TaskGroup() as group:
        for each in waiting:
            group.create_task(post.deliver(each, after=1 if each.key in "cd" else 0))
    # "a" was dealt with; each of the others is tried alone.
    assert post.batches == [["a", "b"], ["b"], ["c"], ["d"]]
    assert [each.outcome for each in waiting] == [Done(), Failed(error), Failed(error), Done()]
    assert len(post.mailboxes) == 0


@in_virtual_time
async def test_what_is_taken_by_a_message_that_is_tried_alone_fails_with_it_or_alone() -> None:
    error = ValueError("no")

    async def body(batch: Sequence[Delivery], inbox: Inbox) -> None:
        if post.batches[-1] == ["b"]:
            await inbox.arrival(60)
            batch = [*batch, *inbox.take()]
        if any(each.key == "b" for each in batch):
            raise error
        done(batch)

    post = Post(body)
    waiting = [delivery(key) for key in "abcd"]
    async with asyncio.TaskGroup() as group:
        for each in waiting:
            group.create_task(post.deliver(each, after=1 if each.key in "cd" else 0))
    assert post.batches == [["a", "b"], ["a"], ["b"], ["b"], ["c"], ["d"]]
    assert [each.outcome for each in waiting] == [Done(), Failed(error), Done(), Done()]


@in_virtual_time
async def test_trouble_of_storage_concerns_what_was_taken_too() -> None:
    error = Throttled("slow")

    async def body(batch: Sequence[Delivery], inbox: Inbox) -> None:
        await inbox.arrival(60)
        inbox.take()
        raise error

    post = Post(body)
    waiting = [delivery("a"), delivery("b")]
    async with asyncio.TaskGroup() as group:
        for each in waiting:
            group.create_task(post.deliver(each, after=1 if each.key == "b" else 0))
    assert post.batches == [["a"]]
    assert [each.outcome for each in waiting] == [Failed(error)] * 2


@in_virtual_time
async def test_what_a_handler_leaves_undecided_is_woken_and_fails() -> None:
    async def body(batch: Sequence[Delivery], inbox: Inbox) -> None:
        await inbox.arrival(60)
        inbox.take()
        done(batch)

    post = Post(body)
    first, second = delivery("a"), delivery("b")
    async with asyncio.TaskGroup() as group:
        group.create_task(post.deliver(first))
        group.create_task(post.deliver(second, after=1))
    assert first.outcome == Done()
    assert isinstance(second.outcome, Failed)
    assert isinstance(second.outcome.error, EngineBug)


@in_virtual_time
async def test_a_leader_that_is_cancelled_sends_back_what_it_took() -> None:
    async def body(batch: Sequence[Delivery], inbox: Inbox) -> None:
        await inbox.arrival(60)
        inbox.take()
        await post.clock.sleep(1000)

    post = Post(body)
    second = delivery("b")
    async with asyncio.TaskGroup() as group:
        leader = group.create_task(post.deliver(delivery("a")))
        follower = group.create_task(post.deliver(second, after=1))
        await post.clock.sleep(2)
        leader.cancel()
    assert leader.cancelled()
    assert follower.result() == 2
    assert isinstance(second.outcome, Deferred)
    assert len(post.mailboxes) == 0


@in_virtual_time
async def test_a_follower_that_is_cancelled_is_no_arrival_that_could_be_taken() -> None:
    taken: list[list[Delivery]] = []

    async def body(batch: Sequence[Delivery], inbox: Inbox) -> None:
        await post.clock.sleep(10)
        await inbox.arrival(0)
        taken.append(inbox.take())
        assert not await inbox.arrival(0)
        done(batch)

    post = Post(body)
    async with asyncio.TaskGroup() as group:
        group.create_task(post.deliver(delivery("a")))
        follower = group.create_task(post.deliver(delivery("b"), after=1))
        await post.clock.sleep(2)
        follower.cancel()
    assert taken == [[]]


@pytest.mark.parametrize(
    ("make", "seconds"), [(delivery, PATIENCE), (in_memory, 12 * PATIENCE)], ids=["put", "memory"]
)
def test_results_in_memory_are_more_patient_than_messages(
    make: Callable[[str], Delivery], seconds: float
) -> None:
    @in_virtual_time
    async def run() -> None:
        async def body(batch: Sequence[Delivery], inbox: Inbox) -> None:
            await post.clock.sleep(100)
            done(batch)

        post = Post(body)
        waits = make("b")
        async with asyncio.TaskGroup() as group:
            group.create_task(post.deliver(delivery("a")))
            follower = group.create_task(post.deliver(waits, after=1))
        assert follower.result() == 1 + seconds
        assert waits.outcome == Deferred(1.0)

    run()


@in_virtual_time
async def test_a_process_is_crowded_when_it_holds_enough_messages_of_one_of_the_queues() -> None:
    crowded: list[bool] = []

    async def body(batch: Sequence[Delivery], inbox: Inbox) -> None:
        await settle()
        crowded.append(inbox.is_crowded(3))
        await post.clock.sleep(10)
        done([*batch, *inbox.take()])

    post = Post(body)
    elsewhere = delivery("c")
    elsewhere.queue = "hub-control-01"
    async with asyncio.TaskGroup() as group:
        # Another queue's messages, and results in memory, take none of this queue's places.
        for key, one in (("a", delivery("a")), ("c", elsewhere), ("m", in_memory("m"))):
            group.create_task(post.mailboxes.deliver(f"i-{key}", one))
        group.create_task(post.mailboxes.deliver("i-b", delivery("b")))
        await post.clock.sleep(1)
        assert crowded == [False] * 4
        group.create_task(post.mailboxes.deliver("i-d", delivery("d")))
        await post.clock.sleep(1)
        # It alone has a queue's message when it looks; one in memory doesn't count itself.
        assert crowded[4:] == [True]
        group.create_task(post.mailboxes.deliver("i-n", in_memory("n")))
        await post.clock.sleep(1)
        assert crowded[5:] == [False]
        await post.clock.sleep(60)
        group.create_task(post.mailboxes.deliver("i-e", delivery("e")))
        await settle()
    assert crowded[6:] == [False]  # what is dealt with is held no longer


@in_virtual_time
async def test_an_inbox_has_its_leaders_scope_and_a_look_has_none() -> None:
    scopes: list[object] = []

    async def body(batch: Sequence[Delivery], inbox: Inbox) -> None:
        scopes.append(inbox.scope)
        done(batch)

    post = Post(body)
    one = delivery("a")
    one.scope = Invocation(post.clock, hand_over_seconds=1.0)
    await post.deliver(one)
    assert await post.mailboxes.look("i1")
    assert scopes == [one.scope, None]


@in_virtual_time
async def test_who_has_a_turn_is_in_the_mailboxes() -> None:
    async def body(batch: Sequence[Delivery], inbox: Inbox) -> None:
        assert "i1" in post.mailboxes
        assert "i2" not in post.mailboxes
        done(batch)

    post = Post(body)
    await post.deliver(delivery("a"))
    assert "i1" not in post.mailboxes
