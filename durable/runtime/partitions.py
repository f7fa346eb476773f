"""Partition ownership of one worker: which control queues it reads.

A pass reads the Partitions table, decides (`durable.hub.balance`) and writes under ETags. What
keeps two workers off one queue (W8):

* A queue counts as owned only after this worker's own claim or renewal was answered.
* It stops to count as owned when the lease could not be renewed, `MARGIN_SECONDS` before the
  others may take it, by this machine's monotonic clock: also when no pass comes through.
* Reading stops before the row says that it does.
* Times in rows are the storage service's, so wrong clocks of machines change nothing.

Correctness doesn't rest on any of it: commits are guarded by ETags.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

from durable.clock import Clock
from durable.errors import BadConfig, NotFound, PreconditionFailed, StorageError
from durable.hub.balance import (
    HAND_OVER_SECONDS,
    LEASE_SECONDS,
    PASS_SECONDS,
    Plan,
    SeenLease,
    WorkerState,
    plan_pass,
    renewed,
)
from durable.hub.ownership import OwnershipTable, Reading
from durable.hub.taskhub import TaskHub
from durable.wire.lease_rows import PartitionLease

log = logging.getLogger("durable.partitions")

#: So long before a lease ends for others, it has ended for its owner.
MARGIN_SECONDS = 5.0
#: A queue is given back after so long, drained or not (the original's limit).
DRAIN_SECONDS = 60.0

_PASS_LIMIT_SECONDS = 5.0
_SHORTEST_RETRY_SECONDS, _LONGEST_RETRY_SECONDS = 0.05, 0.5
_LONGEST_PAUSE_SECONDS = 5.0
_STOP_FAILURES = 5
# A worker that has all queues to itself renews without reading first: who wants one changes its
# row, and the renewal fails. Every now and then it reads all the same.
_PASSES_UNREAD = 5


class PartitionOwner:
    """Takes its share of the hub's control queues, and keeps, hands over and gives back.

    Args:
        hub: the task hub, which exists.
        clock: the machine's monotonic clock; its wall clock is not asked.
        worker_id: names the worker in the rows; no other living worker may have it.
        drained: whether nothing of a queue is in flight here: no message, and no request for some.
    """

    def __init__(
        self, hub: TaskHub, clock: Clock, *, worker_id: str, drained: Callable[[str], bool]
    ) -> None:
        if not worker_id:
            raise BadConfig("A worker needs an id that is not empty: it names its partitions.")
        self.worker_id = worker_id
        self._clock = clock
        self._drained = drained
        self._table = OwnershipTable(hub)
        self._passing = asyncio.Lock()
        self._stop = asyncio.Event()
        self._changed = asyncio.Event()
        self._until: dict[str, float] = {}
        self._draining: dict[str, float] = {}
        self._first_seen: dict[str, tuple[str | None, float]] = {}
        # The service's time at the zero of the monotonic clock, as the last reading tells it.
        self._service_zero = datetime.min.replace(tzinfo=UTC)
        # All rows, when all of them are this worker's and at rest; and for how many more passes.
        self._alone: tuple[PartitionLease, ...] = ()
        self._unread_passes = 0
        self._reported: frozenset[str] = frozenset()

    @property
    def owned(self) -> frozenset[str]:
        """The queues to read now: not those that are being drained away."""
        return frozenset(queue for queue in self._until if self.owns(queue))

    def owns(self, queue: str) -> bool:
        """Whether `queue` is to be read now."""
        return self._clock.monotonic() < self._until.get(queue, float("-inf"))

    async def wait_changed(self, known: frozenset[str] | None = None) -> None:
        """Return when `owned` differs from `known`, or from what it is at the call."""
        if known is None:
            known = self.owned
        while self.owned == known:
            ends = [until for queue, until in self._until.items() if self.owns(queue)]
            lapse = min(ends) - self._clock.monotonic() if ends else None
            try:
                async with asyncio.timeout(lapse):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def run(self) -> None:
        """Pass after pass, until cancelled or `release`; no failure of storage ends it."""
        failures = 0
        while not self._stop.is_set():
            pause = await self._try_pass(failures)
            failures = 0 if pause is not None else failures + 1
            try:
                async with asyncio.timeout(pause if pause is not None else self._retry(failures)):
                    await self._stop.wait()
            except TimeoutError:
                continue

    async def release(self) -> None:
        """Read nothing any more; give each queue back when it is drained. `run` ends.

        Returns when the rows are given back, or when storage keeps failing: then others take
        over when the leases end.
        """
        self._stop.set()
        self._keep_only(())
        failures = 0
        while failures < _STOP_FAILURES:
            pause = await self._try_pass(failures)
            if pause is not None and not self._draining:
                log.info("worker %s has given back its partitions", self.worker_id)
                return
            failures = 0 if pause is not None else failures + 1
            await self._clock.sleep(pause if pause is not None else self._retry(failures))
        log.warning("worker %s leaves its partitions to their leases' end", self.worker_id)

    def _retry(self, failures: int) -> float:
        """At once after a lost race; longer and longer when storage goes on refusing."""
        if failures == 1:
            return self._clock.jitter(_SHORTEST_RETRY_SECONDS, _LONGEST_RETRY_SECONDS)
        return min(_LONGEST_PAUSE_SECONDS, HAND_OVER_SECONDS * 2.0 ** min(failures - 2, 4))

    async def _try_pass(self, failures: int) -> float | None:
        """Until when to rest; None: the pass failed, and what it wrote is not known."""
        try:
            async with asyncio.timeout(_PASS_LIMIT_SECONDS), self._passing:
                pause = await self._pass()
        except (PreconditionFailed, NotFound) as error:
            level = logging.DEBUG if failures == 0 else logging.WARNING
            log.log(level, "partitions of worker %s: %s", self.worker_id, error)
            pause = None
        except (StorageError, TimeoutError) as error:
            log.warning(
                "worker %s could not look after its partitions: %s",
                self.worker_id,
                str(error) or f"no answer within {_PASS_LIMIT_SECONDS:.0f} s",
            )
            pause = None
        self._report()
        return pause

    async def _pass(self) -> float:
        if self._alone and self._unread_passes < _PASSES_UNREAD and not self._stop.is_set():
            return await self._renew_unread()
        reading = await self._table.read()
        decided_at = self._clock.monotonic()
        self._service_zero = reading.served_at - timedelta(seconds=decided_at)
        plan = plan_pass(self._seen(reading), self._state(), reading.served_at)
        self._draining = {queue: self._draining.get(queue, decided_at) for queue in plan.draining}
        self._keep_only(plan.served)
        self._alone = ()
        # Apart: a race for others' rows must not keep this worker from renewing its own.
        written = await self._table.write(plan.own)
        self._hold(written, decided_at)
        taken = await self._table.write(plan.taken)
        self._hold(taken, decided_at)
        self._note_whether_alone(reading, plan, (*written, *taken))
        for lease in written:
            if lease.current_owner is None:
                del self._draining[lease.queue]
        return plan.pause_seconds

    async def _renew_unread(self) -> float:
        leases, self._alone = self._alone, ()
        decided_at = self._clock.monotonic()
        now = self._service_zero + timedelta(seconds=decided_at)
        written = await self._table.write([renewed(lease, now) for lease in leases])
        self._hold(written, decided_at)
        self._alone = written
        self._unread_passes += 1
        return PASS_SECONDS

    def _note_whether_alone(
        self, reading: Reading, plan: Plan, written: Iterable[PartitionLease]
    ) -> None:
        self._unread_passes = 0
        newest = {lease.queue: lease for lease in (*reading.leases, *written)}
        if len(newest) == len(plan.served) and plan.pause_seconds > HAND_OVER_SECONDS:
            self._alone = tuple(newest.values())

    def _seen(self, reading: Reading) -> list[SeenLease]:
        now = self._clock.monotonic()
        before, self._first_seen = self._first_seen, {}
        seen = []
        for lease in reading.leases:
            etag, since = before.get(lease.queue, (None, now))
            if etag != lease.etag:
                since = now
            self._first_seen[lease.queue] = (lease.etag, since)
            seen.append(SeenLease(lease=lease, unchanged_seconds=now - since))
        return seen

    def _state(self) -> WorkerState:
        overdue = self._clock.monotonic() - DRAIN_SECONDS
        return WorkerState(
            worker_id=self.worker_id,
            stopping=self._stop.is_set(),
            confirmed=self.owned,
            drained=frozenset(
                queue
                for queue, since in self._draining.items()
                if since <= overdue or self._drained(queue)
            ),
        )

    def _keep_only(self, queues: Iterable[str]) -> None:
        kept = frozenset(queues)
        self._until = {queue: end for queue, end in self._until.items() if queue in kept}
        self._wake()

    def _hold(self, leases: Iterable[PartitionLease], decided_at: float) -> None:
        if self._stop.is_set():
            return
        for lease in leases:
            if lease.current_owner == self.worker_id and not lease.is_draining:
                self._until[lease.queue] = decided_at + LEASE_SECONDS - MARGIN_SECONDS
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _report(self) -> None:
        owned = self.owned
        if owned != self._reported:
            log.info(
                "worker %s reads %d partitions: %s",
                self.worker_id,
                len(owned),
                ", ".join(sorted(owned)) or "none",
                extra={"worker_id": self.worker_id},
            )
            self._reported = owned
