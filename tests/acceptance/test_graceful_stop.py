"""SIGTERM under load: what is under way is finished, and nothing that was finished is redone."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import durable as df
from durable.hub.taskhub import TaskHub
from tests.acceptance.instances import all_ended, check_no_quarantine, check_queues_are_empty
from tests.acceptance.local_host import UNTIDY, LocalHost
from tests.acceptance.local_worker import LocalWorker, write_app

pytestmark = [pytest.mark.azurite, pytest.mark.slow]

#: So many in all, and so many of them after it was told to end.
INSTANCES, LATE = 16, 3
APP = """
import asyncio
import os
import pathlib
import time

import durable as df

app = df.DFApp()
notes = pathlib.Path(os.environ["NOTES"])


def note(what, job):
    with notes.open("a") as file:
        file.write(f"{what} {job['id']}\\n")


@app.activity_trigger(input_name="job")
async def work(job):
    note("begun", job)
    await asyncio.sleep(job["seconds"])
    note("done", job)
    return job["id"]


@app.activity_trigger(input_name="job")
def block(job):
    note("begun", job)
    time.sleep(job["seconds"])
    note("done", job)
    return job["id"]


@app.orchestration_trigger(context_name="context")
def Mixed(context):
    def job(name, seconds):
        return {"id": f"{context.instance_id}-{name}", "seconds": seconds}

    found = []
    for n in range(4):
        answer = yield context.call_activity(work, job(f"first{n}", 0.02))
        found.append(answer)
    several = [context.call_activity(work, job(f"slow{n}", 0.8)) for n in range(2)]
    several += [context.call_activity(block, job("thread", 0.5))]
    several += [context.call_activity(work, job(f"quick{n}", 0.01)) for n in range(4)]
    found += yield context.task_all(several)
    for n in range(4):
        answer = yield context.call_activity(block, job(f"last{n}", 0.02))
        found.append(answer)
    return found
"""
#: Of one instance.
JOBS = 4 + 7 + 4


@pytest.fixture
async def server(
    request: pytest.FixtureRequest, azurite_connection_string: str, hub_name: str, tmp_path: Path
) -> AsyncIterator[LocalHost]:
    """A worker, a worker of two processes, or the local host; not started yet."""
    app = write_app(tmp_path / "app", APP, activities=40)
    environ = {"AzureWebJobsStorage": azurite_connection_string, "NOTES": str(tmp_path / "notes")}
    log = tmp_path / "server.log"
    made = (
        LocalHost(app, hub_name, environ, log)
        if request.param is None
        else LocalWorker(app, hub_name, environ, log, *request.param)
    )
    yield made
    if made.is_running:
        made.kill()
    print(f"--- log\n{made.log}")


@pytest.mark.parametrize(
    "server",
    [
        pytest.param([], id="worker"),
        pytest.param(["--processes", "2"], id="two workers", marks=pytest.mark.soak),
        pytest.param(None, id="host"),
    ],
    indirect=True,
)
async def test_what_was_finished_is_not_done_again(
    server: LocalHost, client: df.Client, hub: TaskHub, tmp_path: Path
) -> None:
    notes = tmp_path / "notes"
    await server.start()

    async def start_some(numbers: range) -> None:
        for n in numbers:
            await client.start_new("Mixed", f"i{n:02}")
            await asyncio.sleep(0.05)

    starting = asyncio.create_task(start_some(range(INSTANCES - LATE)))
    async with asyncio.timeout(20):
        # Told to end with all kinds under way, some instances at their end and some not begun.
        while not (notes.exists() and "done i00-last0" in notes.read_text()):
            await asyncio.sleep(0.02)
    stopping = asyncio.create_task(server.stop())
    await server.logged("Stopping: what is under way is finished first")
    await starting
    await start_some(range(INSTANCES - LATE, INSTANCES))  # what comes now is left for others
    assert await stopping == 0
    before = notes.read_text().splitlines()
    done = Counter(line.removeprefix("done ") for line in before if line.startswith("done"))
    begun = Counter(line.removeprefix("begun ") for line in before if line.startswith("begun"))
    assert INSTANCES < done.total() < INSTANCES * JOBS
    assert begun == done  # what was under way was finished

    await server.start()
    await all_ended(hub, INSTANCES, seconds=40)
    for n in range(INSTANCES):
        status = await client.get_status(f"i{n:02}")
        assert status.runtime_status is df.OrchestrationRuntimeStatus.Completed
        assert len(status.output) == JOBS
    lines = Counter(notes.read_text().splitlines())
    assert set(lines.values()) == {1}
    assert lines.total() == 2 * INSTANCES * JOBS
    await check_queues_are_empty(hub, seconds=15)
    await check_no_quarantine(hub)
    assert await server.stop() == 0
    assert not [word for word in (*UNTIDY, "still run in threads") if word in server.log]
    print(json.dumps({"activities before": done.total(), "of": INSTANCES * JOBS}))
