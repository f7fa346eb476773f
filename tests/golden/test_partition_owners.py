"""Recording 19_two_hosts: two .NET workers share partitions, stop, and a third one starts.

`partitions_timeline.ndjson` is the recorder's; `partitions_traffic.ndjson` has the lines of its
`traffic.ndjson` that read or replace rows of the Partitions table, unchanged.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from durable.hub.balance import Plan, SeenLease, WorkerState, plan_pass
from durable.hub.settings import HubSettings
from durable.hub.taskhub import TaskHub
from durable.runtime.partitions import PartitionOwner
from durable.storage.memory import MemoryAccount
from durable.wire.lease_rows import PartitionLease, decode_lease
from durable.wire.times import parse_time
from tests.golden.account_dump import DATA
from tests.hub_lab import in_virtual_time
from tests.simulation.simloop import SimClock

FOLDER = DATA / "dtfx" / "19_two_hosts"
HUB = "h19twohosts"
QUEUES = [f"{HUB}-control-{n:02}" for n in range(4)]
#: The `t` of the recorded requests counts from here.
BEGAN = datetime(2026, 11, 23, 0, 50, 48, 490_000, tzinfo=UTC)
_TIMES = ("OwnedSince", "LastRenewal", "ExpiresAt")


def lines(name: str) -> Iterator[dict[str, Any]]:
    for line in (FOLDER / name).read_text().splitlines():
        yield json.loads(line)


def lease_of(row: Mapping[str, Any]) -> PartitionLease:
    columns = {
        name: parse_time(value) if name in _TIMES else value
        for name, value in row.items()
        if "@" not in name and name not in {"PartitionKey", "RowKey", "Timestamp"}
    }
    present = {name: value for name, value in columns.items() if value is not None}
    return decode_lease(row["RowKey"], present, "etag")


@dataclass(frozen=True)
class Pass:
    """What a recorded worker wrote in one pass, and what it saw."""

    at: datetime
    rows: tuple[PartitionLease, ...]
    written: tuple[PartitionLease, ...]


def recorded_passes() -> list[Pass]:
    """Those in which something was written."""
    rows = {queue: PartitionLease(queue=queue, etag="etag") for queue in QUEUES}
    passes: list[Pass] = []
    seen, written, at = tuple(rows.values()), list[PartitionLease](), BEGAN
    for line in [*lines("partitions_traffic.ndjson"), {"op": "query", "t": 0}]:
        if line["op"] == "query":
            if written:
                passes.append(Pass(at, seen, tuple(written)))
            seen, written = tuple(rows.values()), []
            at = BEGAN + timedelta(milliseconds=line["t"])
        else:
            lease = lease_of(json.loads(line["req"]))
            written.append(lease)
            rows[lease.queue] = lease
    return passes


#: Whose passes they are; those of a worker that stops; the queues that are drained by then.
WRITERS: Sequence[tuple[str, bool, str]] = [
    ("workerA", False, ""),  # claims all
    ("workerB", False, ""),  # marks two
    ("workerA", False, ""),  # drains them
    ("workerA", False, "0 1"),  # gives them back
    ("workerB", False, ""),  # claims them
    ("workerA", False, ""),  # renews
    ("workerA", True, ""),  # stops: drains
    ("workerA", True, "2 3"),  # gives back
    ("workerB", False, ""),  # claims them
    ("workerB", True, ""),
    ("workerB", True, "0 1 2 3"),
    ("workerC", False, ""),
    ("workerC", True, ""),
    ("workerC", True, "0 1 2 3"),
]


def essence(lease: PartitionLease, rows: Sequence[PartitionLease]) -> tuple[object, ...]:
    """A written row without its times, but with what became of them."""
    before = next(row for row in rows if row.queue == lease.queue)
    assert lease.expires_at is not None
    assert lease.last_renewal is not None
    return (
        lease.queue,
        lease.current_owner,
        lease.next_owner,
        lease.is_draining,
        lease.owned_since == before.owned_since,
        lease.last_renewal == before.last_renewal,
        round((lease.expires_at - lease.last_renewal).total_seconds(), 3),
    )


def plan_of(number: int, each: Pass) -> Plan:
    name, stopping, drained = WRITERS[number]
    mine = {lease.queue for lease in each.rows if lease.current_owner == name}
    worker = WorkerState(
        worker_id=name,
        stopping=stopping,
        confirmed=frozenset(mine),
        drained=frozenset(QUEUES[int(n)] for n in drained.split()),
    )
    return plan_pass([SeenLease(lease=lease) for lease in each.rows], worker, each.at)


@pytest.mark.parametrize("number", range(len(WRITERS)))
def test_ours_writes_what_the_original_wrote(number: int) -> None:
    each = recorded_passes()[number]
    plan = plan_of(number, each)
    ours = {essence(lease, each.rows) for lease in (*plan.own, *plan.taken)}
    theirs = {essence(lease, each.rows) for lease in each.written}
    assert ours <= theirs
    # While rows change hands the original renews all of its own every second; ours when due.
    extra = {queue for queue, *_ in theirs - ours}
    assert extra == ({QUEUES[2], QUEUES[3]} if number in {3, 5} else set())
    assert extra <= plan.served


def test_all_recorded_passes_are_there() -> None:
    assert len(recorded_passes()) == len(WRITERS)


def shape(leases: Sequence[PartitionLease]) -> tuple[object, ...]:
    """Who has what, which times are set, and how long a lease is."""
    return tuple(
        (
            lease.queue,
            lease.current_owner,
            lease.next_owner,
            lease.is_draining,
            lease.owned_since is not None,
            lease.last_renewal is not None
            and lease.expires_at is not None
            and round((lease.expires_at - lease.last_renewal).total_seconds(), 3),
        )
        for lease in leases
    )


class Hosts:
    """Ours, under the recorded names; keeps every state of the table."""

    def __init__(self) -> None:
        self.clock = SimClock(3)
        self.account = MemoryAccount(self.clock)
        self.states: list[tuple[object, ...]] = []
        self.hub = TaskHub(self.account, HubSettings(name=HUB), self.clock)

    def host(self, name: str) -> PartitionOwner:
        account = self.account.opened_by(self._seen)
        hub = TaskHub(account, self.hub.settings, self.clock)
        return PartitionOwner(hub, self.clock, worker_id=name, drained=lambda queue: True)

    async def _seen(self, service: str, operation: str, resource: str, call: Any) -> Any:
        answer = call()
        self.look()
        return answer

    def look(self) -> None:
        state = self.account._tables._state.tables[f"{HUB}Partitions".lower()]
        rows = sorted(state.partitions[""].rows.items())
        now = shape([decode_lease(key, row.columns, row.etag) for key, row in rows])
        if now not in self.states[-1:]:
            self.states.append(now)


@in_virtual_time
async def test_our_workers_leave_the_recorded_states_of_the_table() -> None:
    hosts = Hosts()
    await hosts.hub.ensure()
    hosts.look()
    async with asyncio.TaskGroup() as group:
        a, b, c = (hosts.host(f"worker{name}") for name in "ABC")
        group.create_task(a.run())
        await asyncio.sleep(1)
        group.create_task(b.run())
        await asyncio.sleep(13)
        await a.release()
        await asyncio.sleep(12)
        await b.release()
        group.create_task(c.run())
        await asyncio.sleep(0.1)
        await c.release()
    recorded: list[tuple[object, ...]] = []
    for line in lines("partitions_timeline.ndjson"):
        state = shape([lease_of(row) for row in line["rows"]])
        if state not in recorded[-1:]:
            recorded.append(state)
    assert len(recorded) == 11
    # Between two recorded states ours pass through others, such as a row that waits for its next
    # owner; but through all of these, in this order.
    left = iter(hosts.states)
    assert [state for state in recorded if state in left] == recorded
    assert len(hosts.states) <= 14
