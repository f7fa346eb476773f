"""host.json's ownLeaseSeconds, from the setting to the queue (commit.md, "A lease of our own").

Where messages are counted, each goes through its queue.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Generator
from typing import Any

import pytest

from durable.errors import NotFound, PreconditionFailed
from tests.functions_lab import FunctionsLab, FunctionsProcess, in_virtual_time

LEASE = 45
#: Over half of the host's lease: it tries to renew, too.
LONG = 310.0


class App:
    """One orchestrator that calls one activity, which takes `LONG` seconds."""

    def __init__(self, **settings: object) -> None:
        self.lab = FunctionsLab(**settings)
        self.lab.orchestrator(waits)
        self.lab.activity(self.work)
        self.runs: Counter[str] = Counter()
        self.begun = asyncio.Event()
        self.seconds = LONG

    async def work(self, value: str) -> str:
        self.runs[value] += 1
        self.begun.set()
        await self.lab.clock.sleep(self.seconds)
        return f"did {value}"


def waits(context: Any) -> Generator[Any, Any, Any]:
    return (yield context.call_activity("work", "it"))


async def recovery_seconds(**settings: object) -> float:
    """How long after the death of the process that runs its activity an instance ends."""
    app = App(**settings)
    async with FunctionsProcess(app.lab).running() as first:
        await first.start("waits", "i1")
        await app.begun.wait()
        first.kill()
    app.seconds = 0.0
    died = app.lab.clock.monotonic()
    async with FunctionsProcess(app.lab).running():
        await app.lab.ended("i1")
    assert app.runs == {"it": 2}
    return app.lab.clock.monotonic() - died


@pytest.mark.parametrize("fast", [True, False])
def test_a_dead_processs_work_is_done_within_the_lease(fast: bool) -> None:
    @in_virtual_time
    async def run() -> None:
        assert await recovery_seconds(ownLeaseSeconds=LEASE, fastPath=fast) < LEASE + 5

    run()


@in_virtual_time
async def test_the_lease_is_our_own_unless_told_otherwise() -> None:
    assert await recovery_seconds() < LEASE + 5


@in_virtual_time
async def test_without_it_the_hosts_ten_minutes_pass() -> None:
    assert 590 < await recovery_seconds(ownLeaseSeconds=0, fastPath=False) < 610


@in_virtual_time
async def test_a_message_is_renewed_while_its_function_runs() -> None:
    app = App(ownLeaseSeconds=LEASE, fastPath=False)
    async with (
        FunctionsProcess(app.lab).running() as first,
        FunctionsProcess(app.lab).running() as second,
    ):
        await first.start("waits", "i1")
        row = await app.lab.ended("i1")
    assert row.output == '"did it"'
    assert app.runs == {"it": 1}
    both = first.requests + second.requests
    deliveries = 3  # start, activity, result: each once
    assert both["queue", "Get Messages"] == deliveries
    assert both["queue", "Update Message"] == deliveries + LONG // (LEASE / 2) + 1
    refused = [(who, what) for who, what, _ in first.refused + second.refused]
    # The activity's message is held by a newer receipt than the host's.
    assert refused.count(("host", "Update Message")) == 1
    assert refused.count(("engine", "Update Message")) == 0


@in_virtual_time
async def test_the_hosts_own_delete_fails_silently(caplog: pytest.LogCaptureFixture) -> None:
    app = App(ownLeaseSeconds=LEASE, fastPath=False)
    async with FunctionsProcess(app.lab).running() as process:
        await process.start("waits", "i1")
        await app.lab.ended("i1")
    refused = [(who, what, type(error)) for who, what, error in process.refused]
    assert refused == [
        ("host", "Delete Message", NotFound),  # of the start
        ("host", "Update Message", PreconditionFailed),  # of the activity
        ("host", "Delete Message", NotFound),
        ("host", "Delete Message", NotFound),  # of the result
    ]
    assert caplog.messages == []
    queues = await app.lab.account.queues.list_queues("lab-")
    assert sorted(queues) == sorted(app.lab.queues)  # none of them -poison
