"""The worker as its operator has it: one process or several, told to end, killed."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

import durable as df
from durable.hub.taskhub import TaskHub
from durable.model.status import RuntimeStatus
from tests.acceptance.instances import (
    all_ended,
    check_no_quarantine,
    check_queues_are_empty,
    rows_of,
)
from tests.acceptance.local_host import SAMPLE, UNTIDY
from tests.acceptance.local_worker import LocalWorker, write_app

pytestmark = [pytest.mark.azurite, pytest.mark.slow]

MakeWorker = Callable[..., LocalWorker]
HELLOS = ["Hello Tokyo!", "Hello Seattle!", "Hello London!"]


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """Where activities note what they do."""
    return tmp_path / "notes"


@pytest.fixture
async def make_worker(
    azurite_connection_string: str, hub_name: str, notes: Path, tmp_path: Path
) -> AsyncIterator[MakeWorker]:
    """Makes workers of this test's hub; not started yet."""
    made: list[LocalWorker] = []

    def make(app: Path, *arguments: str) -> LocalWorker:
        environ = {"AzureWebJobsStorage": azurite_connection_string, "NOTES": str(notes)}
        log = tmp_path / f"worker{len(made)}.log"
        made.append(LocalWorker(app, hub_name, environ, log, *arguments))
        return made[-1]

    yield make
    for worker in made:
        if worker.is_running:
            worker.kill()
        # Shown by pytest when the test failed.
        print(f"--- log of a worker\n{worker.log}")


async def owners(hub: TaskHub) -> dict[str, str]:
    """Who has which control queue, by the Partitions table; those that nobody has are left out."""
    rows = (await hub.account.tables.query(hub.names.partitions_table, None)).rows
    found = {row.row_key: row.columns.get("CurrentOwner") for row in rows}
    return {queue: str(owner) for queue, owner in found.items() if owner is not None}


async def shared(hub: TaskHub) -> dict[str, str]:
    """`owners`, once two have two control queues each."""
    async with asyncio.timeout(30):
        while True:
            found = await owners(hub)
            if sorted(Counter(found.values()).values()) == [2, 2]:
                return found
            await asyncio.sleep(0.2)


async def test_the_sample_app_runs_under_a_worker(
    make_worker: MakeWorker, client: df.Client, hub: TaskHub
) -> None:
    worker = make_worker(SAMPLE)
    await worker.start()
    sequences = [await client.start_new("OrchestratorFunction") for _ in range(5)]
    fan = await client.start_new("FanOutFunction", client_input=30)
    monitor = await client.start_new("Monitor")
    await client.signal_entity(df.EntityId("Counter", "mine"), "add", 5)
    await all_ended(hub, 7, seconds=20)
    for each in sequences:
        assert (await client.get_status(each)).output == HELLOS
    assert len((await client.get_status(fan)).output) == 30
    assert (await client.get_status(monitor)).output == "done at look 3"
    await check_queues_are_empty(hub, seconds=5)
    assert (await client.read_entity_state(df.EntityId("Counter", "mine"))).entity_state == 5
    await check_no_quarantine(hub)
    (owner,) = set((await owners(hub)).values())
    assert f"-{worker.process.pid}-" in owner  # type: ignore[union-attr]
    assert await worker.stop() == 0
    assert await owners(hub) == {}
    assert f"serves task hub '{worker.hub}' (4 partitions) with 1 process." in worker.log
    assert not [word for word in (*UNTIDY, "Tokyo") if word in worker.log]


async def test_it_finishes_what_is_under_way_when_it_is_told_to_end(
    make_worker: MakeWorker, client: df.Client, hub: TaskHub, notes: Path, tmp_path: Path
) -> None:
    worker = make_worker(write_app(tmp_path / "app"))
    await worker.start()
    first = await client.start_new("FanOut", client_input=[2, 2.5])
    async with asyncio.timeout(10):
        while not (notes.exists() and notes.read_text().count("begun") == 2):
            await asyncio.sleep(0.05)
    stopping = asyncio.create_task(worker.stop())
    await worker.logged("Stopping: what is under way is finished first")
    second = await client.start_new("FanOut", client_input=[1, 0])
    assert await stopping == 0
    rows = await rows_of(hub)
    assert rows[first].status is RuntimeStatus.COMPLETED
    assert rows[second].status is RuntimeStatus.PENDING
    lines = notes.read_text().split()
    assert (lines.count("begun"), lines.count("done")) == (2, 2)
    assert not [word for word in UNTIDY if word in worker.log]


async def test_what_blocks_a_thread_does_not_keep_it_from_ending(
    make_worker: MakeWorker, client: df.Client, notes: Path, tmp_path: Path
) -> None:
    worker = make_worker(write_app(tmp_path / "app"), "--drain-seconds", "0")
    await worker.start()
    await client.start_new("Block", client_input=60)
    async with asyncio.timeout(10):
        while not notes.exists():
            await asyncio.sleep(0.05)
    assert await worker.stop() == 0
    assert "activities were not finished in 0 s" in worker.log
    assert "1 activities still run in threads" in worker.log
    assert not [word for word in UNTIDY if word in worker.log]


@pytest.mark.timeout(120)
async def test_two_processes_share_and_one_that_is_killed_is_replaced(
    make_worker: MakeWorker, client: df.Client, hub: TaskHub, notes: Path, tmp_path: Path
) -> None:
    worker = make_worker(write_app(tmp_path / "app"), "--processes", "2")
    await worker.start()
    queues = await shared(hub)
    survivor, victim = (int(name.split("-")[-2]) for name in sorted(set(queues.values())))
    # Instances that live in the one that goes on, with more activities than it runs at once.
    first, second, *_ = [
        name
        for name in (f"i{number}" for number in range(100))
        if f"-{survivor}-" in queues[hub.names.control_queue_of(name)]
    ]
    await client.start_new("FanOut", first, [18, 0.4])
    status = await client.wait_for_orchestration_completion(first, timeout=20)
    assert set(status.output) == {survivor, victim}
    notes.unlink()
    await client.start_new("FanOut", second, [12, 1.5])
    async with asyncio.timeout(10):
        while not (notes.exists() and f"begun {victim}" in notes.read_text()):
            await asyncio.sleep(0.05)
    os.kill(victim, signal.SIGKILL)
    await worker.logged("was ended by signal 9; it is started again in 1 s.")
    status = await client.wait_for_orchestration_completion(second, timeout=60)
    assert status.runtime_status is df.OrchestrationRuntimeStatus.Completed
    assert len(status.output) == 12
    assert await worker.stop() == 0
    assert worker.log.count("Stopped.") == 3
    await check_queues_are_empty(hub, seconds=15)
    assert not [word for word in UNTIDY if word in worker.log]
