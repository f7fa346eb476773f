"""Three thousand messages on Azurite, worked off by one real worker in bounded memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import durable as df
from durable.hub.raising import raise_event
from durable.hub.starting import StartRequest, start_instance
from durable.hub.taskhub import TaskHub
from durable.model.status import RuntimeStatus
from durable.together import run_together
from tests.acceptance.instances import check_no_quarantine, check_queues_are_empty, rows_of
from tests.acceptance.local_host import UNTIDY
from tests.acceptance.local_worker import LocalWorker

pytestmark = [pytest.mark.azurite, pytest.mark.slow, pytest.mark.soak, pytest.mark.timeout(900)]

MESSAGES, EVENTS = 3_000, 4
INSTANCES = MESSAGES // (1 + EVENTS)
#: What it may grow by from when it is ready, with its caches full.
MOST_GROWTH_KB = 60 * 1024
_AT_ONCE = 16

APP = """
import durable as df

app = df.DFApp()


@app.activity_trigger(input_name="value")
async def told(value):
    return value


@app.orchestration_trigger(context_name="context")
def Takes(context):
    total = 0
    for _ in range(4):
        total += yield context.wait_for_external_event("go")
    return (yield context.call_activity(told, total))
"""


@pytest.fixture
async def worker(
    azurite_connection_string: str, hub_name: str, tmp_path: Path
) -> AsyncIterator[LocalWorker]:
    folder = tmp_path / "app"
    folder.mkdir()
    settings = {"extensions": {"durableTask": {"storageProvider": {"partitionCount": 4}}}}
    (folder / "host.json").write_text(json.dumps({"version": "2.0", **settings}))
    (folder / "function_app.py").write_text(APP)
    environ = {"AzureWebJobsStorage": azurite_connection_string}
    made = LocalWorker(folder, hub_name, environ, tmp_path / "worker.log")
    yield made
    if made.is_running:
        made.kill()
    print(f"--- log of the worker\n{made.log}")


def resident_kb(pid: int, what: str) -> int:
    """VmRSS, or VmHWM: the most it ever was."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{what}:"))


async def pile_up(hub: TaskHub) -> list[str]:
    await hub.ensure()
    ids = [f"b{number:04}" for number in range(INSTANCES)]
    starts = (StartRequest(name="Takes", instance_id=each) for each in ids)
    await run_together((start_instance(hub, each) for each in starts), at_once=_AT_ONCE)
    for number in range(EVENTS):
        raises = (raise_event(hub, each, "go", str(number)) for each in ids)
        await run_together(raises, at_once=_AT_ONCE)
    return ids


async def test_three_thousand_messages_need_no_more_memory_than_a_few(
    worker: LocalWorker, azurite_connection_string: str, hub_name: str, hub: TaskHub
) -> None:
    async with df.Client.from_connection_string(
        azurite_connection_string, hub=hub_name, partition_count=4
    ) as client:
        await pile_up(client.hub)
    await worker.start()
    process = worker.process
    assert process is not None
    ready = resident_kb(process.pid, "VmRSS")
    async with asyncio.timeout(600):
        while True:
            rows = await rows_of(hub)
            done = [row for row in rows.values() if row.status is RuntimeStatus.COMPLETED]
            if len(done) == INSTANCES:
                break
            await asyncio.sleep(1.0)
    assert {row.output for row in done} == {"6"}
    await check_queues_are_empty(hub, seconds=30)
    most = resident_kb(process.pid, "VmHWM")
    print(f"resident: {ready} kB when ready, {most} kB at most")
    assert most - ready < MOST_GROWTH_KB
    await check_no_quarantine(hub)
    assert await worker.stop() == 0
    assert not [word for word in UNTIDY if word in worker.log]
