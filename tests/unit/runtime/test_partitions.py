"""Partition ownership of one worker: what it reads when, whatever storage answers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TypeVar

import pytest

from durable.errors import BadConfig, NotFound, StorageError, Unavailable
from durable.hub.ownership import OwnershipTable
from durable.hub.settings import HubSettings
from durable.hub.taskhub import TaskHub
from durable.runtime.partitions import PartitionOwner
from durable.storage.memory import MemoryAccount
from durable.wire.lease_rows import PartitionLease
from tests.hub_lab import in_virtual_time
from tests.manual_clock import ManualClock
from tests.simulation.simloop import SimClock

T = TypeVar("T")
QUERY, BATCH = "Query Entities", "Entity Group Transaction"


class Bench:
    """A hub of `partitions`, one worker, and another's door to the rows."""

    def __init__(self, partitions: int = 2) -> None:
        self.clock = SimClock(5)
        account = MemoryAccount(self.clock)
        settings = HubSettings(name="Bench", partition_count=partitions)
        self.hub = TaskHub(account, settings, self.clock)
        self.first, *_ = self.queues = self.hub.names.control_queues
        self.table = OwnershipTable(self.hub)
        self.calls: list[str] = []
        #: What fails by now, before or after it took effect.
        self.failing: dict[str, StorageError] = {}
        self.unanswered: dict[str, StorageError] = {}
        self.hanging: set[str] = set()
        self.slow: dict[str, float] = {}
        self.busy: set[str] = set()
        self.owner = self.worker("me")

    def worker(self, name: str) -> PartitionOwner:
        hub = TaskHub(
            self.hub.account.opened_by(self._call),  # type: ignore[attr-defined]
            self.hub.settings,
            self.clock,
        )
        return PartitionOwner(
            hub, self.clock, worker_id=name, drained=lambda queue: queue not in self.busy
        )

    async def _call(self, service: str, operation: str, resource: str, call: Callable[[], T]) -> T:
        self.calls.append(operation)
        if operation in self.hanging:
            await asyncio.sleep(1e6)
        if operation in self.slow:
            await asyncio.sleep(self.slow[operation])
        if operation in self.failing:
            raise self.failing[operation]
        answer = call()
        if operation in self.unanswered:
            raise self.unanswered.pop(operation)
        return answer

    @asynccontextmanager
    async def running(self) -> AsyncIterator[PartitionOwner]:
        await self.hub.ensure()
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self.owner.run())
            await asyncio.sleep(5)
            yield self.owner
            task.cancel()

    async def rows(self) -> list[PartitionLease]:
        return list((await self.table.read()).leases)

    async def change(self, queue: str, **columns: object) -> None:
        """What another worker writes."""
        (row,) = (each for each in await self.rows() if each.queue == queue)
        await self.table.write([replace(row, **columns)])  # type: ignore[arg-type]


@in_virtual_time
async def test_it_owns_what_it_claimed() -> None:
    bench = Bench()
    assert bench.owner.owned == frozenset()
    assert not bench.owner.owns(bench.first)
    async with bench.running() as owner:
        assert owner.owned == set(bench.queues)
        assert owner.owns(bench.first)
        assert not owner.owns("bench-control-77")
        assert [row.current_owner for row in await bench.rows()] == ["me", "me"]


@in_virtual_time
async def test_a_claim_that_was_not_answered_is_not_owned() -> None:
    bench = Bench()
    await bench.hub.ensure()
    bench.unanswered[BATCH] = Unavailable("No answer.")
    async with asyncio.TaskGroup() as group:
        task = group.create_task(bench.owner.run())
        await asyncio.sleep(0.01)
        assert [row.current_owner for row in await bench.rows()] == ["me", "me"]
        assert bench.owner.owned == frozenset()
        # The next pass writes anew what it finds in its name, and is answered.
        await asyncio.sleep(1)
        assert bench.owner.owned == set(bench.queues)
        task.cancel()


@in_virtual_time
async def test_what_cannot_be_renewed_is_dropped_before_others_may_take_it() -> None:
    bench = Bench()
    async with bench.running() as owner:
        bench.failing = {
            BATCH: Unavailable("The service is down."),
            QUERY: Unavailable("The service is down."),
        }
        (row, _) = await bench.rows()
        assert row.expires_at is not None
        left = (row.expires_at - bench.clock.now()).total_seconds()
        await asyncio.sleep(left - 5.5)
        assert owner.owned == set(bench.queues)
        known = owner.owned
        async with asyncio.timeout(2):
            await owner.wait_changed(known)
        assert owner.owned == frozenset()
        assert bench.clock.now() < row.expires_at
        # It comes back with storage, without having lost its rows.
        await asyncio.sleep(4)
        bench.failing.clear()
        async with asyncio.timeout(6):
            await owner.wait_changed()
        assert owner.owned == set(bench.queues)
        assert [each.owned_since for each in await bench.rows()] == [row.owned_since] * 2


async def test_a_process_that_stood_still_reads_nothing_when_it_wakes() -> None:
    clock = ManualClock()
    hub = TaskHub(MemoryAccount(clock), HubSettings(name="Still", partition_count=1), clock)
    await hub.ensure()
    owner = PartitionOwner(hub, clock, worker_id="me", drained=lambda queue: True)
    running = asyncio.ensure_future(owner.run())
    await owner.wait_changed()
    assert owner.owned == set(hub.names.control_queues)
    clock.advance(24.9)
    assert owner.owned == set(hub.names.control_queues)
    clock.advance(0.1)
    assert owner.owned == frozenset()
    running.cancel()


@in_virtual_time
async def test_an_answer_that_took_too_long_is_no_lease() -> None:
    bench = Bench()
    bench.hanging.add(BATCH)
    async with bench.running() as owner:
        assert owner.owned == frozenset()
        bench.hanging.clear()
        async with asyncio.timeout(8):
            await owner.wait_changed()
        assert owner.owned == set(bench.queues)


@in_virtual_time
async def test_a_lease_counts_from_when_it_was_decided_not_from_its_answer() -> None:
    bench = Bench()
    await bench.hub.ensure()
    bench.slow[BATCH] = 4
    async with asyncio.TaskGroup() as group:
        task = group.create_task(bench.owner.run())
        await asyncio.sleep(4.5)
        assert bench.owner.owned == set(bench.queues)
        bench.failing[BATCH] = Unavailable("The service is down.")
        await asyncio.sleep(20)
        assert bench.owner.owned == set(bench.queues)
        await asyncio.sleep(1)
        assert bench.owner.owned == frozenset()
        task.cancel()


@in_virtual_time
async def test_a_queue_that_another_took_is_dropped_at_the_next_look() -> None:
    bench = Bench()
    async with bench.running() as owner:
        await bench.change(bench.first, current_owner="other")
        async with asyncio.timeout(11):
            await owner.wait_changed()
        assert owner.owned == {bench.queues[1]}


@in_virtual_time
async def test_it_hands_over_what_is_drained() -> None:
    bench = Bench()
    async with bench.running() as owner:
        bench.busy.add(bench.first)
        await bench.change(bench.first, next_owner="other")
        async with asyncio.timeout(11):
            await owner.wait_changed()
        assert owner.owned == {bench.queues[1]}
        await asyncio.sleep(20)
        (row, _) = await bench.rows()
        assert (row.current_owner, row.next_owner, row.is_draining) == ("me", "other", True)
        assert row.expires_at is not None
        assert row.expires_at > bench.clock.now()  # renewed while it drains
        bench.busy.clear()
        await asyncio.sleep(1.1)
        (row, _) = await bench.rows()
        assert (row.current_owner, row.next_owner, row.is_draining) == (None, "other", False)


@in_virtual_time
async def test_a_queue_that_does_not_drain_is_given_back_after_a_minute() -> None:
    bench = Bench()
    async with bench.running() as owner:
        bench.busy.add(bench.first)
        await bench.change(bench.first, next_owner="other")
        await owner.wait_changed()
        await asyncio.sleep(58)
        assert (await bench.rows())[0].current_owner == "me"
        await asyncio.sleep(4)
        assert (await bench.rows())[0].current_owner is None


@in_virtual_time
async def test_release_drains_and_gives_back() -> None:
    bench = Bench()
    await bench.hub.ensure()
    async with asyncio.TaskGroup() as group:
        group.create_task(bench.owner.run())  # ends by itself
        await asyncio.sleep(5)
        bench.busy.add(bench.first)
        leaving = group.create_task(bench.owner.release())
        await asyncio.sleep(0.5)
        assert bench.owner.owned == frozenset()
        assert [row.is_draining for row in await bench.rows()] == [True, True]
        await asyncio.sleep(2)
        assert [row.current_owner for row in await bench.rows()] == ["me", None]
        assert not leaving.done()
        bench.busy.clear()
        began = bench.clock.monotonic()
        await leaving
        assert bench.clock.monotonic() - began <= 1
    rows = await bench.rows()
    assert [(row.current_owner, row.is_draining) for row in rows] == [(None, False)] * 2
    await bench.owner.release()
    assert await bench.rows() == rows


@in_virtual_time
async def test_release_gives_up_when_storage_does_not_come_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench()
    async with bench.running() as owner:
        bench.failing[QUERY] = Unavailable("The service is down.")
        with caplog.at_level(logging.WARNING, "durable.partitions"):
            await owner.release()
        assert "The service is down." in caplog.text
        assert "leaves its partitions to their leases' end" in caplog.text
        assert owner.owned == frozenset()


@in_virtual_time
async def test_release_gets_over_a_failure_and_over_a_race() -> None:
    bench = Bench()
    async with bench.running() as owner:
        bench.unanswered[BATCH] = Unavailable("No answer.")
        await owner.release()
        assert [row.current_owner for row in await bench.rows()] == [None, None]


@in_virtual_time
async def test_a_claim_under_way_when_it_stops_is_given_back() -> None:
    bench = Bench()
    await bench.hub.ensure()
    async with asyncio.TaskGroup() as group:
        bench.slow = {QUERY: 1, BATCH: 1}
        group.create_task(bench.owner.run())
        await asyncio.sleep(1.5)
        assert bench.calls == [QUERY, BATCH]  # it has read, and claims
        leaving = group.create_task(bench.owner.release())
        await asyncio.sleep(1)
        assert bench.calls == [QUERY, BATCH, QUERY]
        assert bench.owner.owned == frozenset()
        await leaving
        assert bench.calls == [QUERY, BATCH] * 3
    assert bench.owner.owned == frozenset()
    assert [row.current_owner for row in await bench.rows()] == [None, None]


@in_virtual_time
async def test_alone_it_renews_without_reading_and_sees_a_mark_all_the_same() -> None:
    bench = Bench()
    async with bench.running() as owner:
        bench.calls.clear()
        await asyncio.sleep(300)
        assert bench.calls.count(BATCH) == 30
        assert 5 <= bench.calls.count(QUERY) <= 6
        assert owner.owned == set(bench.queues)
        await bench.change(bench.first, next_owner="other")
        async with asyncio.timeout(11):
            await owner.wait_changed()
        assert owner.owned == {bench.queues[1]}


@in_virtual_time
async def test_no_table_is_survived(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    bench.failing[QUERY] = NotFound("No such table.")
    with caplog.at_level(logging.WARNING, "durable.partitions"):
        async with bench.running() as owner:
            assert "No such table." in caplog.text
            assert len(caplog.records) <= 4
            bench.failing.clear()
            async with asyncio.timeout(6):
                await owner.wait_changed()


@in_virtual_time
async def test_who_waits_for_a_change_since_it_looked_does_not_miss_it() -> None:
    bench = Bench()
    known = bench.owner.owned
    async with bench.running() as owner:
        async with asyncio.timeout(0):
            await owner.wait_changed(known)
        # Nothing changes: nobody is woken.
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(100):
                await owner.wait_changed()


@in_virtual_time
async def test_a_worker_needs_an_id() -> None:
    with pytest.raises(BadConfig, match="id that is not empty"):
        Bench().worker("")
