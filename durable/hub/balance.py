"""Who reads which control queue: what one worker writes, given the rows it has just read.

The rules are the original's (storage-format 7.1), so that its workers and ours can share a hub:
a free row is claimed; a row of a worker that has too many is marked with the next owner, whose
worker drains it, gives it back and leaves it to the one that is marked. What ours does otherwise:

* Whoever claims takes no more than its even share of what is free while others are alive. What
  they leave is claimed after `PATIENCE_SECONDS` all the same.
* A row that was given back for a worker that does not come for it is free after
  `RESERVED_SECONDS`.
* All times are the storage service's, never this machine's (W8).
* The next look is planned for the moment at which something may be due.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from durable.wire.lease_rows import PartitionLease

#: A renewed row belongs to its owner for so long.
LEASE_SECONDS = 30.0
#: Between two looks at a hub where nothing happens, and between two renewals.
PASS_SECONDS = 10.0
#: Between two looks while a row changes hands.
HAND_OVER_SECONDS = 1.0
#: Between two looks after a row has changed hands.
SETTLE_SECONDS = 2.0
#: How long a free row is left to those who have fewer.
PATIENCE_SECONDS = 3.0
#: How long a row that was given back waits for the worker it was given to.
RESERVED_SECONDS = 5.0

_RENEW_SECONDS = 8.0  # less than a pass, whose length differs by the service clock's second
_SETTLED_SECONDS = 5.0
_LATE_SECONDS = 5.0
_SHORTEST_PASS_SECONDS = 0.2
_STAGGER_SECONDS = 0.3
#: No owner that lives is silent for so long, whatever its row says: a damaged row names no time,
#: or one in thousands of years, and its queue must not stand still for that.
_LONGEST_SILENCE_SECONDS = 300.0


@dataclass(frozen=True, kw_only=True, slots=True)
class SeenLease:
    """A row as read. `unchanged_seconds`: since when this worker has seen it like this."""

    lease: PartitionLease
    unchanged_seconds: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerState:
    """What a worker knows of itself.

    Attributes:
        worker_id: what its rows have in CurrentOwner.
        stopping: it gives back all it has, and takes nothing.
        confirmed: the queues that it reads, since it wrote so itself and not long ago.
        drained: those of its draining queues of which nothing is in flight any more.
    """

    worker_id: str
    stopping: bool = False
    confirmed: frozenset[str] = frozenset()
    drained: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What a pass does.

    Attributes:
        own: rows of this worker to write: renewed, draining or given back.
        taken: rows of others or of nobody to write: claimed, or marked for this worker.
        served: this worker's queues that it goes on reading.
        draining: this worker's queues that it reads no more.
        pause_seconds: how long to wait before the next pass.
    """

    own: tuple[PartitionLease, ...]
    taken: tuple[PartitionLease, ...]
    served: frozenset[str]
    draining: frozenset[str]
    pause_seconds: float


def plan_pass(rows: Sequence[SeenLease], worker: WorkerState, now: datetime) -> Plan:
    """What `worker` does about `rows`, which were read at `now` (the service's time)."""
    own = [_Own.of(row.lease, worker, now) for row in rows if _is(row, worker)]
    shares = _Shares(rows, worker.worker_id, now)
    taken = () if worker.stopping else (*shares.claim(), *shares.steal())
    draining = frozenset(each.before.queue for each in own if each.must_go)
    return Plan(
        own=tuple(each.after for each in own if each.after is not None),
        taken=taken,
        served=frozenset(each.before.queue for each in own) - draining,
        draining=draining,
        pause_seconds=_pause(rows, worker, taken, bool(draining) or shares.waiting, now),
    )


def renewed(lease: PartitionLease, now: datetime) -> PartitionLease:
    """The row of a worker that keeps it."""
    return replace(
        lease,
        next_owner=None,
        last_renewal=now,
        expires_at=now + timedelta(seconds=LEASE_SECONDS),
        is_draining=False,
    )


def _claimed(lease: PartitionLease, worker_id: str, now: datetime) -> PartitionLease:
    return replace(renewed(lease, now), current_owner=worker_id, owned_since=now)


def _marked(lease: PartitionLease, worker_id: str) -> PartitionLease:
    return replace(lease, next_owner=worker_id)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Own:
    """A row of this worker, and what it writes there (None: nothing now)."""

    before: PartitionLease
    after: PartitionLease | None
    must_go: bool

    @classmethod
    def of(cls, lease: PartitionLease, worker: WorkerState, now: datetime) -> _Own:
        # Also when a clock that is ahead wrote it: its time says nothing.
        due = (
            lease.last_renewal is None
            or not -_RENEW_SECONDS <= (now - lease.last_renewal).total_seconds() < _RENEW_SECONDS
        )
        if not worker.stopping and lease.next_owner in {None, worker.worker_id}:
            due = due or lease.queue not in worker.confirmed
            return cls(before=lease, after=renewed(lease, now) if due else None, must_go=False)
        after: PartitionLease | None = None
        if lease.is_draining and lease.queue in worker.drained:
            after = replace(lease, current_owner=None, is_draining=False)
        elif due or not lease.is_draining:
            # Renewed, so that nobody takes what is still being worked on.
            after = replace(renewed(lease, now), next_owner=lease.next_owner, is_draining=True)
        return cls(before=lease, after=after, must_go=True)


class _Shares:
    """Who has how many rows, those included that are on their way; and this worker's takings."""

    def __init__(self, rows: Sequence[SeenLease], worker_id: str, now: datetime) -> None:
        self._me = worker_id
        self._now = now
        self._total = len(rows)
        self._held: dict[str, list[PartitionLease]] = {}
        self._free: list[SeenLease] = []
        self._reserved: list[PartitionLease] = []
        self.waiting = False
        for row in rows:
            self._sort(row)

    def _sort(self, row: SeenLease) -> None:
        lease = row.lease
        holder = _holder(row, self._me, self._now)
        if holder is None:
            self._free.append(row)
            return
        self._held.setdefault(holder, []).append(lease)
        if holder == self._me and lease.current_owner != self._me:
            if lease.current_owner is None or _free_for(row, self._now) is not None:
                self._reserved.append(lease)
            else:
                self.waiting = True

    def claim(self) -> tuple[PartitionLease, ...]:
        """Rows that nobody has, or whose owner stops: what was given to us, and our share."""
        taken = [_claimed(lease, self._me, self._now) for lease in self._reserved]
        for row in self._free:
            free_for = _free_for(row, self._now)
            if not self._is_in_share() and (free_for is None or free_for < PATIENCE_SECONDS):
                continue
            self._mine.append(row.lease)
            if free_for is None:
                taken.append(_marked(row.lease, self._me))
                self.waiting = True
            else:
                taken.append(_claimed(row.lease, self._me, self._now))
        return tuple(taken)

    def steal(self) -> tuple[PartitionLease, ...]:
        """Rows of whoever has two more than we have, until nobody does."""
        taken = []
        others = {name: held for name, held in self._held.items() if name != self._me}
        while others:
            victim = max(others, key=lambda name: len(others[name]))
            if len(others[victim]) - len(self._mine) <= 1:
                break
            lease = _easiest(others[victim], victim)
            others[victim].remove(lease)
            self._mine.append(lease)
            taken.append(_marked(lease, self._me))
            self.waiting = True
        return tuple(taken)

    @property
    def _mine(self) -> list[PartitionLease]:
        return self._held.setdefault(self._me, [])

    def _is_in_share(self) -> bool:
        """Whether one more row leaves this worker with no more than its even share."""
        mine = len(self._mine)
        least, more = divmod(self._total, len(self._held))
        if mine != least:
            return mine < least
        return sum(len(held) > least for held in self._held.values()) < more


def _is(row: SeenLease, worker: WorkerState) -> bool:
    return row.lease.current_owner == worker.worker_id


def _holder(row: SeenLease, worker_id: str, now: datetime) -> str | None:
    """Who will have the row when all that is under way is over; None: whoever takes it."""
    lease = row.lease
    if lease.current_owner == worker_id:
        return lease.next_owner or worker_id
    if lease.next_owner == worker_id:
        return worker_id
    if _free_for(row, now) is not None:
        return None
    if lease.next_owner is not None:
        return lease.next_owner
    return None if lease.is_draining else lease.current_owner


def _free_for(row: SeenLease, now: datetime) -> float | None:
    """For how long a row that may be claimed has been free; None: it has an owner."""
    lease = row.lease
    if lease.current_owner is None and lease.next_owner is None:
        return row.unchanged_seconds
    expired_for = _expired_for(row, now)
    if expired_for >= 0:
        return min(row.unchanged_seconds, expired_for)
    if lease.current_owner is None and row.unchanged_seconds >= RESERVED_SECONDS:
        return row.unchanged_seconds - RESERVED_SECONDS
    return None


def _expired_for(row: SeenLease, now: datetime) -> float:
    """For how long the lease has been over; negative: until it is.

    An owner whose clock is ahead writes an expiry that is too late; but it renews, if it lives.
    """
    lease = row.lease
    silent_for = row.unchanged_seconds - _LATE_SECONDS
    if lease.expires_at is None:
        return silent_for - _LONGEST_SILENCE_SECONDS
    expired_for = (now - lease.expires_at).total_seconds()
    length = _LONGEST_SILENCE_SECONDS
    if lease.last_renewal is not None and lease.last_renewal < lease.expires_at:
        length = min((lease.expires_at - lease.last_renewal).total_seconds(), length)
    return max(expired_for, silent_for - length)


def _easiest(held: Sequence[PartitionLease], holder: str) -> PartitionLease:
    """The row to take from a holder: one that it does not read yet, if there is one."""
    coming = [lease for lease in held if lease.current_owner != holder]
    return (coming or held)[0]


def _pause(
    rows: Sequence[SeenLease],
    worker: WorkerState,
    taken: Sequence[PartitionLease],
    changing: bool,
    now: datetime,
) -> float:
    """When the next look is worth a request."""
    if changing or worker.stopping:
        return HAND_OVER_SECONDS
    counts = Counter(row.lease.current_owner for row in rows)
    # Who has fewest looks first, so that what is free goes where it should stay.
    later = _STAGGER_SECONDS * min(counts[worker.worker_id], 6)
    written = {lease.queue for lease in taken}
    pauses = [PASS_SECONDS, *([SETTLE_SECONDS] if taken else [])]
    for row in rows:
        if row.lease.queue in written:
            continue
        pauses.append(
            _until_renewal(row.lease, now) if _is(row, worker) else _until_free(row, now) + later
        )
    return max(_SHORTEST_PASS_SECONDS, min(pauses))


def _until_renewal(lease: PartitionLease, now: datetime) -> float:
    age = 0.0 if lease.last_renewal is None else (now - lease.last_renewal).total_seconds()
    return PASS_SECONDS - age if 0 <= age < _RENEW_SECONDS else PASS_SECONDS


def _until_free(row: SeenLease, now: datetime) -> float:
    """When another's row may become free, or has come to rest with its new owner."""
    lease = row.lease
    if _free_for(row, now) is not None:
        return SETTLE_SECONDS  # somebody else's share
    if lease.current_owner is None:
        return RESERVED_SECONDS - row.unchanged_seconds
    until_expiry = _SHORTEST_PASS_SECONDS - _expired_for(row, now)
    if lease.owned_since is None:
        return until_expiry
    is_new = abs((now - lease.owned_since).total_seconds()) < _SETTLED_SECONDS
    return min(SETTLE_SECONDS, until_expiry) if is_new else until_expiry
