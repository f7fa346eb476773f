"""The queue listener, by the host's rules, over the account in memory."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

import pytest
from azure.functions import QueueMessage

from durable.errors import NotFound, Unavailable
from durable.host.config import QueueSettings
from durable.host.queues import Backoff, Handler, QueueListener, function_message
from durable.storage.memory import MemoryAccount
from tests.conformance.conformance import covers
from tests.unit.host.host_clock import ManualClock

T = TypeVar("T")
QUEUE = "work"
SETTINGS = QueueSettings(
    batch_size=4,
    new_batch_threshold=2,
    poll_max_seconds=1.0,
    retry_seconds=5,
    max_deliveries=3,
    lease_seconds=60,
    base64=False,
)


class Recorder:
    """A queue function that notes what it gets, and does what it is told."""

    def __init__(self) -> None:
        self.seen: list[QueueMessage] = []
        self.failures = 0
        self.gate: asyncio.Event | None = None

    async def __call__(self, message: QueueMessage) -> None:
        self.seen.append(message)
        if self.gate is not None:
            await self.gate.wait()
        if self.failures:
            self.failures -= 1
            raise ValueError("no")

    @property
    def bodies(self) -> list[str]:
        return [message.get_body().decode() for message in self.seen]


@pytest.fixture
def account(clock: ManualClock) -> MemoryAccount:
    return MemoryAccount(clock)


@pytest.fixture
def function() -> Recorder:
    return Recorder()


@contextlib.asynccontextmanager
async def listening(
    account: MemoryAccount,
    clock: ManualClock,
    handler: Handler,
    queue: str = QUEUE,
    settings: QueueSettings = SETTINGS,
) -> AsyncIterator[QueueListener]:
    listener = QueueListener(account.queues, queue, handler, settings, clock)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(listener.run())
        await clock.settle()
        yield listener
        listener.stop()


@covers("dtfx-8.6-115")
async def test_a_message_is_delivered_and_deleted(
    account: MemoryAccount, clock: ManualClock, function: Recorder
) -> None:
    await account.queues.create_queue(QUEUE)
    await account.queues.put(QUEUE, "één")
    async with listening(account, clock, function):
        pass
    assert function.bodies == ["één"]
    assert await account.queues.count(QUEUE) == 0


async def test_a_queue_that_does_not_exist_is_looked_for_again(
    account: MemoryAccount, clock: ManualClock, function: Recorder
) -> None:
    async with listening(account, clock, function):
        await clock.advance(3)
        await account.queues.create_queue(QUEUE)
        await account.queues.put(QUEUE, "late")
        await clock.advance(1)
    assert function.bodies == ["late"]


async def test_a_failed_message_is_hidden_for_the_visibility_timeout_then_delivered_again(
    account: MemoryAccount, clock: ManualClock, function: Recorder
) -> None:
    function.failures = 1
    await account.queues.create_queue(QUEUE)
    await account.queues.put(QUEUE, "x")
    async with listening(account, clock, function):
        await clock.advance(4)
        assert len(function.seen) == 1
        await clock.advance(2)
    assert [message.dequeue_count for message in function.seen] == [1, 2]
    assert await account.queues.count(QUEUE) == 0


async def test_a_message_that_fails_too_often_goes_to_the_poison_queue(
    account: MemoryAccount, clock: ManualClock, function: Recorder
) -> None:
    function.failures = 99
    await account.queues.create_queue(QUEUE)
    await account.queues.put(QUEUE, "x")
    async with listening(account, clock, function):
        await clock.advance(60)
    assert len(function.seen) == SETTINGS.max_deliveries
    assert await account.queues.count(QUEUE) == 0
    assert [m.text for m in await account.queues.peek(f"{QUEUE}-poison")] == ["x"]


async def test_a_message_received_too_often_by_dead_processes_never_reaches_the_function(
    account: MemoryAccount, clock: ManualClock, function: Recorder
) -> None:
    await account.queues.create_queue(QUEUE)
    await account.queues.put(QUEUE, "x")
    for _ in range(SETTINGS.max_deliveries):
        await account.queues.get(QUEUE, count=1, lease_seconds=1)
        await clock.advance(2)
    async with listening(account, clock, function):
        pass
    assert function.seen == []
    assert await account.queues.count(f"{QUEUE}-poison") == 1


@pytest.mark.parametrize("queue", ["old-poison", "a" * 57])
async def test_a_queue_without_a_poison_queue_keeps_its_messages(
    account: MemoryAccount, clock: ManualClock, function: Recorder, queue: str
) -> None:
    function.failures = 99
    await account.queues.create_queue(queue)
    await account.queues.put(queue, "x")
    async with listening(account, clock, function, queue):
        await clock.advance(20)
    assert await account.queues.list_queues("") == [queue]
    assert await account.queues.count(queue) == 1


@covers("dtfx-8.1-6")
async def test_the_lease_is_renewed_while_the_function_runs(
    account: MemoryAccount, clock: ManualClock, function: Recorder
) -> None:
    function.gate = asyncio.Event()
    await account.queues.create_queue(QUEUE)
    await account.queues.put(QUEUE, "long")
    async with listening(account, clock, function):
        await clock.advance(200)
        assert len(function.seen) == 1
        function.gate.set()
        await clock.settle()
    assert await account.queues.count(QUEUE) == 0


async def test_a_function_may_take_the_lease_over_and_delete_the_message_itself(
    account: MemoryAccount, clock: ManualClock
) -> None:
    await account.queues.create_queue(QUEUE)
    await account.queues.put(QUEUE, "mine")
    runs = 0

    async def handler(message: QueueMessage) -> None:
        nonlocal runs
        runs += 1
        assert message.id
        assert message.pop_receipt
        receipt = await account.queues.update(
            QUEUE, message.id, message.pop_receipt, visible_in_seconds=10
        )
        await clock.sleep(5)
        await account.queues.delete(QUEUE, message.id, receipt)

    async with listening(account, clock, handler):
        await clock.advance(100)
    assert runs == 1
    assert await account.queues.count(QUEUE) == 0


async def test_no_more_than_a_batch_and_the_threshold_are_in_flight(
    account: MemoryAccount, clock: ManualClock, function: Recorder
) -> None:
    function.gate = asyncio.Event()
    await account.queues.create_queue(QUEUE)
    for number in range(20):
        await account.queues.put(QUEUE, str(number))
    async with listening(account, clock, function):
        await clock.advance(5)
        assert len(function.seen) == SETTINGS.batch_size
        function.gate.set()
        await clock.advance(1)
        assert len(function.seen) == 20


@covers("dtfx-8.6-116")
async def test_drain_takes_nothing_more_and_finishes_what_runs(
    account: MemoryAccount, clock: ManualClock, function: Recorder
) -> None:
    function.gate = asyncio.Event()
    await account.queues.create_queue(QUEUE)
    for number in range(6):
        await account.queues.put(QUEUE, str(number))
    async with listening(account, clock, function) as listener:
        listener.stop()
        function.gate.set()
    assert len(function.seen) == 4
    assert await account.queues.count(QUEUE) == 2


@covers("dtfx-8.6-112", "dtfx-8.6-113", "dtfx-8.6-114")
async def test_storage_trouble_is_told_once_and_survived(
    clock: ManualClock, function: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    broken = True

    async def intercept(service: str, operation: str, resource: str, call: Callable[[], T]) -> T:
        if broken:
            raise Unavailable("nobody there")
        return call()

    account = MemoryAccount(clock, intercept=intercept)
    caplog.set_level("INFO", "durable.host")
    async with listening(account, clock, function):
        await clock.advance(10)
        broken = False
        await account.queues.create_queue(QUEUE)
        await account.queues.put(QUEUE, "x")
        await clock.advance(2)
    assert function.bodies == ["x"]
    assert [r.message for r in caplog.records] == [
        "work cannot be read, trying again: nobody there",
        "work can be read again",
    ]


async def test_trouble_while_finishing_leaves_the_message_to_its_lease(
    clock: ManualClock, function: Recorder
) -> None:
    broken = False

    async def intercept(service: str, operation: str, resource: str, call: Callable[[], T]) -> T:
        if broken:
            raise Unavailable("nobody there")
        return call()

    account = MemoryAccount(clock, intercept=intercept)
    await account.queues.create_queue(QUEUE)
    await account.queues.put(QUEUE, "x")
    function.gate = asyncio.Event()
    async with listening(account, clock, function):
        broken = True
        await clock.advance(40)  # a renewal fails, too
        function.gate.set()
        await clock.advance(1)
        broken = False
        await clock.advance(60)
    assert [message.dequeue_count for message in function.seen] == [1, 2]
    assert await account.queues.count(QUEUE) == 0


async def test_text_that_is_not_base64_fails_when_host_json_says_base64(
    account: MemoryAccount, clock: ManualClock, function: Recorder
) -> None:
    settings = QueueSettings(max_deliveries=1)
    await account.queues.create_queue(QUEUE)
    await account.queues.put(QUEUE, base64.b64encode(b"good").decode())
    await account.queues.put(QUEUE, "{}")
    async with listening(account, clock, function, settings=settings):
        await clock.advance(1)
    assert function.bodies == ["good"]
    assert [m.text for m in await account.queues.peek(f"{QUEUE}-poison")] == ["{}"]


async def test_the_function_sees_what_the_worker_would_show(
    account: MemoryAccount, clock: ManualClock
) -> None:
    await account.queues.create_queue(QUEUE)
    await account.queues.put(QUEUE, '{"id": "zz"}')
    (stored,) = await account.queues.get(QUEUE, count=1, lease_seconds=60)
    message = function_message(stored, base64_text=False)
    assert message.get_json() == {"id": "zz"}
    assert (message.id, message.dequeue_count) == (stored.id, 1)
    assert message.pop_receipt == stored.pop_receipt
    assert message.insertion_time == stored.inserted
    assert message.time_next_visible == stored.next_visible
    assert message.expiration_time is not None
    assert message.expiration_time.year == 9999
    await account.queues.delete_queue(QUEUE)
    with pytest.raises(NotFound):
        await account.queues.count(QUEUE)


def test_waits_grow_from_100_ms_to_the_longest(clock: ManualClock) -> None:
    backoff = Backoff(SETTINGS, clock)
    waits = [backoff.next_wait() for _ in range(7)]
    # Recorded from the real host: 100, 213, 307, 458, 745, 1000 ms.
    assert waits == pytest.approx([0.1, 0.2, 0.3, 0.5, 0.9, 1.0, 1.0])
    backoff.reset()
    assert backoff.next_wait() == pytest.approx(0.1)
