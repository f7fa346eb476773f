"""commit.md, "A lease of our own": shortened on receipt, renewed, deleted by us."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

import pytest

from durable.errors import PreconditionFailed, Unavailable
from durable.runtime.delivery import Lease
from durable.runtime.own_lease import HeldMessage, own_lease
from durable.storage.memory import MemoryAccount
from durable.storage.values import QueueMessage
from tests.hub_lab import in_virtual_time
from tests.simulation.simloop import SimClock
from tests.unit.host.host_clock import ManualClock

T = TypeVar("T")
QUEUE = "control"
HOST_LEASE = 600


class Trouble:
    """Storage that fails while it is told to."""

    def __init__(self) -> None:
        self.on = False

    async def __call__(
        self, service: str, operation: str, resource: str, call: Callable[[], T]
    ) -> T:
        if self.on:
            raise Unavailable("nobody there")
        return call()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def trouble() -> Trouble:
    return Trouble()


@pytest.fixture
def account(clock: ManualClock, trouble: Trouble) -> MemoryAccount:
    return MemoryAccount(clock, intercept=trouble)


@pytest.fixture
async def message(account: MemoryAccount) -> QueueMessage:
    """A message as the host took it."""
    await account.queues.create_queue(QUEUE)
    await account.queues.put(QUEUE, "x")
    (taken,) = await account.queues.get(QUEUE, count=1, lease_seconds=HOST_LEASE)
    return taken


class Processing:
    """The entry point's use of the lease."""

    def __init__(self, account: MemoryAccount, message: QueueMessage, clock: ManualClock) -> None:
        self.account, self.message, self.clock = account, message, clock
        self.held: QueueMessage | None = None
        self.end = asyncio.Event()
        self.failure: Exception | None = None
        self.lease = Lease(0.0)

    async def run(self, lease_seconds: int | None) -> None:
        async with own_lease(
            self.account.queues,
            QUEUE,
            self.message,
            lease_seconds=lease_seconds,
            retry_seconds=5,
            clock=self.clock,
            lease=self.lease,
        ) as held:
            self.held = held
            await self.end.wait()
            if self.failure:
                raise self.failure


@pytest.fixture
def processing(account: MemoryAccount, message: QueueMessage, clock: ManualClock) -> Processing:
    return Processing(account, message, clock)


async def test_without_the_setting_the_host_keeps_and_deletes_it(
    processing: Processing, message: QueueMessage
) -> None:
    processing.end.set()
    await processing.run(None)
    assert processing.held is message
    assert await processing.account.queues.count(QUEUE) == 1


async def test_it_is_shortened_renewed_and_deleted(
    processing: Processing, clock: ManualClock, account: MemoryAccount
) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(processing.run(45))
        await clock.advance(300)
        assert await account.queues.get(QUEUE, count=1, lease_seconds=1) == []
        processing.end.set()
    assert processing.held is not None
    assert (processing.held.next_visible - clock.now()).total_seconds() == 45 - 300
    assert clock.monotonic() < processing.lease.until <= clock.monotonic() + 45
    assert await account.queues.count(QUEUE) == 0


async def test_a_dead_processs_message_returns_within_the_lease(
    processing: Processing, clock: ManualClock, account: MemoryAccount
) -> None:
    task = asyncio.ensure_future(processing.run(45))
    await clock.settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await clock.advance(46)
    (again,) = await account.queues.get(QUEUE, count=1, lease_seconds=1)
    assert again.dequeue_count == 2


async def test_a_failure_gives_it_back_after_the_visibility_timeout(
    processing: Processing, clock: ManualClock, account: MemoryAccount
) -> None:
    processing.failure = ValueError("no")
    processing.end.set()
    with pytest.raises(ValueError, match="no"):
        await processing.run(45)
    assert await account.queues.get(QUEUE, count=1, lease_seconds=1) == []
    await clock.advance(6)
    assert len(await account.queues.get(QUEUE, count=1, lease_seconds=1)) == 1


async def test_a_message_another_reader_has_is_not_processed(
    processing: Processing, clock: ManualClock, account: MemoryAccount
) -> None:
    await clock.advance(HOST_LEASE + 1)
    await account.queues.get(QUEUE, count=1, lease_seconds=60)
    with pytest.raises(PreconditionFailed):
        await processing.run(45)
    assert processing.held is None


async def test_a_message_that_is_gone_is_not_processed(
    processing: Processing, message: QueueMessage, account: MemoryAccount
) -> None:
    await account.queues.delete(QUEUE, message.id, message.pop_receipt)
    with pytest.raises(PreconditionFailed, match="no longer in control"):
        await processing.run(45)
    assert processing.held is None


async def test_a_failed_renewal_is_tried_again(
    processing: Processing, clock: ManualClock, account: MemoryAccount, trouble: Trouble
) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(processing.run(60))
        await clock.settle()
        trouble.on = True
        await clock.advance(35)
        trouble.on = False
        await clock.advance(24)
        assert await account.queues.get(QUEUE, count=1, lease_seconds=1) == []
        processing.end.set()


async def test_a_lease_lost_on_the_way_leaves_the_message_to_who_has_it(
    processing: Processing, clock: ManualClock, account: MemoryAccount, trouble: Trouble
) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(processing.run(40))
        await clock.settle()
        trouble.on = True
        await clock.advance(45)
        trouble.on = False
        (theirs,) = await account.queues.get(QUEUE, count=1, lease_seconds=60)
        await clock.advance(20)
        processing.end.set()
    await account.queues.delete(QUEUE, theirs.id, theirs.pop_receipt)


async def test_a_message_that_cannot_be_given_back_waits_for_its_lease(
    processing: Processing, trouble: Trouble, clock: ManualClock
) -> None:
    processing.failure = ValueError("no")
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(expect_failure(processing))
        await clock.settle()
        trouble.on = True
        processing.end.set()
    assert task.result() == "no"


async def expect_failure(processing: Processing) -> str:
    with pytest.raises(ValueError, match="no") as caught:
        await processing.run(45)
    return str(caught.value)


# A message that somebody else put leased: kept until an event, in virtual time.


class Held:
    """A message held for 40 s, its keeper, and who else could receive it."""

    def __init__(self, trouble: Trouble) -> None:
        self.clock = SimClock(1)
        self.account = MemoryAccount(self.clock, intercept=trouble)
        self.lease = Lease(40.0)
        self.over = asyncio.Event()

    async def put(self) -> HeldMessage:
        queues = self.account.queues
        await queues.create_queue(QUEUE)
        receipt = await queues.put(QUEUE, "x", delay_seconds=40)
        now = self.clock.now()
        message = QueueMessage(
            id=receipt.id,
            pop_receipt=receipt.pop_receipt,
            text="",
            dequeue_count=1,
            inserted=now,
            next_visible=now,
        )
        return HeldMessage(queues, QUEUE, message, 40, self.clock, self.lease)

    async def taken(self) -> list[QueueMessage]:
        return await self.account.queues.get(QUEUE, count=1, lease_seconds=1000)


@in_virtual_time
async def test_a_held_message_is_kept_until_it_is_over_and_let_go() -> None:
    it = Held(Trouble())
    held = await it.put()
    async with asyncio.TaskGroup() as group:
        keeping = group.create_task(held.keep_until(it.over))
        await it.clock.sleep(130)
        assert await it.taken() == []
        assert it.lease.until == 120 + 40
        it.over.set()
        await it.clock.sleep(0)
        await it.clock.sleep(0)
        assert keeping.done()
        await held.let_go()
    assert await it.account.queues.count(QUEUE) == 0
    assert not held.is_lost


@in_virtual_time
async def test_what_is_over_already_is_not_renewed() -> None:
    it = Held(Trouble())
    held = await it.put()
    it.over.set()
    await held.keep_until(it.over)
    assert it.lease.until == 40


@in_virtual_time
async def test_a_held_message_that_another_reader_has_is_lost_and_left_alone() -> None:
    trouble = Trouble()
    it = Held(trouble)
    held = await it.put()
    async with asyncio.TaskGroup() as group:
        keeping = group.create_task(held.keep_until(it.over))
        trouble.on = True
        await it.clock.sleep(41)
        trouble.on = False
        assert len(await it.taken()) == 1
        await it.clock.sleep(20)
        assert keeping.done()
    assert held.is_lost
    await held.let_go()
    assert await it.account.queues.count(QUEUE) == 1


@in_virtual_time
async def test_a_held_message_that_cannot_be_deleted_comes_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    trouble = Trouble()
    it = Held(trouble)
    held = await it.put()
    trouble.on = True
    await held.let_go()
    trouble.on = False
    assert len(caplog.messages) == 1
    await it.clock.sleep(41)
    assert len(await it.taken()) == 1
