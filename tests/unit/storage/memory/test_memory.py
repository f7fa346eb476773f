"""What the account in memory adds to the contract: its door, its order, its pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest

from durable.errors import CorruptRecord, NotFound, Unavailable
from durable.storage.memory import MemoryAccount
from durable.storage.values import Comparison, Operation, Row, Where, Write
from tests.manual_clock import ManualClock

T = TypeVar("T")


class Recorder:
    """An interceptor that notes each call and fails where told, before or after it took effect."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, str]] = []
        self.fail_before: str | None = None
        self.fail_after: str | None = None

    async def __call__(
        self, service: str, operation: str, resource: str, call: Callable[[], T]
    ) -> T:
        self.seen.append((service, operation, resource))
        if operation == self.fail_before:
            raise Unavailable("before")
        answer = call()
        if operation == self.fail_after:
            raise Unavailable("after")
        return answer


def insert(key: str) -> Operation:
    return Operation(write=Write.INSERT, row=Row(partition_key="p", row_key=key))


async def test_the_interceptor_sees_every_call_with_its_resource(manual_clock: ManualClock) -> None:
    recorder = Recorder()
    account = MemoryAccount(manual_clock, intercept=recorder)
    await account.queues.create_queue("queue")
    await account.tables.create_table("Table")
    await account.tables.write("Table", insert("a"))
    await account.blobs.create_container("blobs")
    await account.blobs.put_blob("blobs", "a/b", b"")
    assert recorder.seen == [
        ("queue", "Create Queue", "queue"),
        ("table", "Create Table", "Table"),
        ("table", "Insert Entity", "Table"),
        ("blob", "Create Container", "blobs"),
        ("blob", "Put Blob", "blobs/a/b"),
    ]


async def test_a_call_that_fails_before_has_no_effect_and_is_not_counted(
    manual_clock: ManualClock,
) -> None:
    recorder = Recorder()
    account = MemoryAccount(manual_clock, intercept=recorder)
    await account.queues.create_queue("queue")
    recorder.fail_before = "Put Message"
    with pytest.raises(Unavailable):
        await account.queues.put("queue", "x")
    assert await account.queues.count("queue") == 0
    assert ("queue", "Put Message") not in account.requests


async def test_a_call_that_fails_after_has_its_effect_and_is_counted(
    manual_clock: ManualClock,
) -> None:
    recorder = Recorder()
    account = MemoryAccount(manual_clock, intercept=recorder)
    await account.queues.create_queue("queue")
    recorder.fail_after = "Put Message"
    with pytest.raises(Unavailable):
        await account.queues.put("queue", "x")
    assert await account.queues.count("queue") == 1
    assert account.requests["queue", "Put Message"] == 1


async def test_another_door_opens_to_the_same_data_with_its_own_counter(
    manual_clock: ManualClock,
) -> None:
    account = MemoryAccount(manual_clock)
    cut_off = Recorder()
    other = account.opened_by(cut_off)
    await account.queues.create_queue("queue")
    await account.tables.create_table("Table")
    await account.blobs.create_container("blobs")
    await other.queues.put("queue", "x")
    await other.tables.write("Table", insert("a"))
    await other.blobs.put_blob("blobs", "a", b"1")
    assert await account.queues.count("queue") == 1
    assert await account.tables.read("Table", "p", "a") is not None
    assert await account.blobs.get_blob("blobs", "a", max_bytes=1) == b"1"
    assert sum(other.requests.values()) == 3
    cut_off.fail_before = "Put Message"
    with pytest.raises(Unavailable):
        await other.queues.put("queue", "y")
    await account.queues.put("queue", "y")


async def test_visible_messages_come_by_when_they_became_visible_then_by_putting(
    manual_clock: ManualClock,
) -> None:
    account = MemoryAccount(manual_clock)
    await account.queues.create_queue("queue")
    await account.queues.put("queue", "late", delay_seconds=5)
    await account.queues.put("queue", "first")
    await account.queues.put("queue", "second")
    manual_clock.advance(2)
    await account.queues.put("queue", "third")
    manual_clock.advance(3)
    messages = await account.queues.get("queue", count=32, lease_seconds=1)
    assert [m.text for m in messages] == ["first", "second", "third", "late"]


async def test_a_message_comes_back_at_the_end_of_its_lease_not_before(
    manual_clock: ManualClock,
) -> None:
    account = MemoryAccount(manual_clock)
    await account.queues.create_queue("queue")
    await account.queues.put("queue", "x")
    for count in (1, 2, 3):
        (message,) = await account.queues.get("queue", count=1, lease_seconds=600)
        assert message.dequeue_count == count
        manual_clock.advance(599.9)
        assert await account.queues.get("queue", count=1, lease_seconds=600) == []
        manual_clock.advance(0.1)


async def test_times_are_answered_in_whole_seconds(manual_clock: ManualClock) -> None:
    account = MemoryAccount(manual_clock)
    await account.queues.create_queue("queue")
    await account.queues.put("queue", "x")
    (message,) = await account.queues.get("queue", count=1, lease_seconds=10)
    now = manual_clock.now().replace(microsecond=0)
    assert message.inserted == now
    assert (message.next_visible - now).total_seconds() == 10


async def test_blobs_are_listed_5000_a_page(manual_clock: ManualClock) -> None:
    account = MemoryAccount(manual_clock)
    await account.blobs.create_container("blobs")
    names = [f"{number:05}" for number in range(5001)]
    for name in names:
        await account.blobs.put_blob("blobs", name, b"")
    first, continuation = await account.blobs.list_blobs("blobs", "")
    assert len(first) == 5000
    second, end = await account.blobs.list_blobs("blobs", "", continuation=continuation)
    assert [blob.name for blob in first + second] == names
    assert end is None
    with pytest.raises(CorruptRecord):
        await account.blobs.list_blobs("blobs", "", continuation="nonsense")


async def test_a_query_of_one_partition_looks_at_no_other(manual_clock: ManualClock) -> None:
    account = MemoryAccount(manual_clock)
    await account.tables.create_table("Table")
    await account.tables.write("Table", insert("a"))
    absent = Where("PartitionKey", Comparison.EQ, "absent")
    assert (await account.tables.query("Table", absent)).rows == ()


async def test_the_data_outlives_close(manual_clock: ManualClock) -> None:
    account = MemoryAccount(manual_clock)
    await account.queues.create_queue("queue")
    await account.close()
    await account.close()
    assert await account.queues.list_queues("") == ["queue"]
    with pytest.raises(NotFound):
        await account.queues.count("other")


async def test_messages_may_become_visible_later_than_asked_and_in_another_order() -> None:
    delays = iter((5.0, 0.0))
    clock = ManualClock()
    account = MemoryAccount(clock, late=lambda: next(delays))
    await account.queues.create_queue("q-1")
    for text in ("first", "second"):
        await account.queues.put("q-1", text)
    (found,) = await account.queues.get("q-1", count=2, lease_seconds=60)
    clock.advance(5)
    (late,) = await account.queues.get("q-1", count=2, lease_seconds=60)
    assert [found.text, late.text] == ["second", "first"]
