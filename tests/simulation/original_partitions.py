"""The original's table partition manager, as its source and `19_two_hosts` show it.

For tests of hubs that it shares with ours. Its known weakness (W8) is in it: it listens after any
write that is not a renewal of a draining row.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from durable.clock import Clock
from durable.errors import StorageError
from durable.storage.ports import Account
from durable.storage.values import Operation, Row, Write
from durable.wire.lease_rows import PartitionLease, decode_lease, encode_lease

_LEASE = timedelta(seconds=30)


class _Response:
    def __init__(self) -> None:
        self.draining = False
        self.waiting = False
        self.released_all = False


class OriginalManager:
    """One .NET worker's partition manager."""

    def __init__(
        self,
        account: Account,
        table: str,
        clock: Clock,
        *,
        worker_id: str,
        drained: Callable[[str], bool],
    ) -> None:
        self._tables = account.tables
        self._table = table
        self._clock = clock
        self._drained = drained
        self.worker_id = worker_id
        self.listening: set[str] = set()
        self._drains: set[str] = set()
        self._stop = asyncio.Event()
        self.stopped = asyncio.Event()

    @property
    def owned(self) -> frozenset[str]:
        return frozenset(self.listening)

    async def release(self) -> None:
        self._stop.set()
        await self.stopped.wait()

    async def run(self) -> None:
        failures = 0
        while True:
            stopping = self._stop.is_set()
            pause = 10.0
            try:
                async with asyncio.timeout(2):
                    response = await self._pass(stopping)
                if stopping and response.released_all:
                    self.stopped.set()
                    return
                if response.draining or response.waiting:
                    pause = 1.0
                failures = 0
            except (StorageError, TimeoutError):
                failures += 1
                pause = 0.0 if failures < 10 else pause
            await self._sleep(pause, wakes=not stopping)

    async def _sleep(self, pause: float, *, wakes: bool) -> None:
        if not wakes:
            await asyncio.sleep(pause)
            return
        try:
            async with asyncio.timeout(pause):
                await self._stop.wait()
        except TimeoutError:
            return

    async def _pass(self, stopping: bool) -> _Response:
        response = _Response()
        page = await self._tables.query(self._table, None)
        leases = [decode_lease(row.row_key, row.columns, row.etag) for row in page.rows]
        others: dict[str, list[PartitionLease]] = {}
        mine = 0
        for lease in leases:
            if lease.current_owner not in {None, self.worker_id}:
                self.listening.discard(lease.queue)
            if stopping:
                mine += await self._give_back(lease, response)
            else:
                mine += await self._look_at(lease, others, response)
        if not stopping:
            await self._balance(others, len(leases), mine, response)
        response.released_all = stopping and mine == 0
        return response

    async def _give_back(self, lease: PartitionLease, response: _Response) -> int:
        response.draining = True
        if lease.current_owner != self.worker_id:
            return 0
        after = self._check_drain(lease)
        await self._replace(after)
        return 0 if after.current_owner is None else 1

    async def _look_at(
        self, lease: PartitionLease, others: dict[str, list[PartitionLease]], response: _Response
    ) -> int:
        before, me, now, mine = lease, self.worker_id, self._clock.now(), 0
        claimed = (
            (lease.current_owner is None and lease.next_owner in {None, me})
            or (lease.expires_at is not None and now >= lease.expires_at)
        )  # fmt: skip
        if claimed:
            lease = replace(
                lease, current_owner=me, next_owner=None, owned_since=now, is_draining=False
            )
        renewed_for_drain = False
        if lease.current_owner != me:
            lease, mine = self._others_lease(lease, others, response)
        elif lease.next_owner is None:
            mine = 1
            lease = replace(lease, last_renewal=now, expires_at=now + _LEASE)
        else:
            response.draining = True
            lease = self._check_drain(lease)
            renewed_for_drain = lease.current_owner is not None
        if lease != before:
            await self._replace(lease)
            if claimed or not renewed_for_drain:
                self.listening.add(lease.queue)
        return mine

    def _others_lease(
        self, lease: PartitionLease, others: dict[str, list[PartitionLease]], response: _Response
    ) -> tuple[PartitionLease, int]:
        if lease.next_owner == self.worker_id:
            response.waiting = True
            return lease, 1
        if lease.next_owner is not None:
            others.setdefault(lease.next_owner, []).append(lease)
        elif lease.is_draining:
            response.waiting = True
            return replace(lease, next_owner=self.worker_id), 0
        elif lease.current_owner is not None:
            others.setdefault(lease.current_owner, []).append(lease)
        return lease, 0

    def _check_drain(self, lease: PartitionLease) -> PartitionLease:
        now = self._clock.now()
        if lease.queue in self._drains:
            if self._drained(lease.queue):
                self._drains.discard(lease.queue)
                return replace(lease, current_owner=None, is_draining=False)
        else:
            self._drains.add(lease.queue)
            self.listening.discard(lease.queue)
            lease = replace(lease, is_draining=True)
        return replace(lease, last_renewal=now, expires_at=now + _LEASE)

    async def _balance(
        self,
        others: dict[str, list[PartitionLease]],
        total: int,
        mine: int,
        response: _Response,
    ) -> None:
        if not others:
            return
        average = total // (len(others) + 1)
        for held in others.values():
            excess = len(held) - average
            wanted = average - mine
            if wanted < 0:
                return
            if excess <= 0:
                continue
            if wanted == 0 and excess > 1:
                wanted = 1
            for lease in held[: min(wanted, excess)]:
                mine += 1
                await self._replace(replace(lease, next_owner=self.worker_id))
                response.waiting = True

    async def _replace(self, lease: PartitionLease) -> None:
        row = Row(
            partition_key="", row_key=lease.queue, columns=encode_lease(lease), etag=lease.etag
        )
        await self._tables.write(self._table, Operation(write=Write.REPLACE, row=row))
