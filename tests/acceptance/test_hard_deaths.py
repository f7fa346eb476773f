"""Processes that die of their activities, and one that wakes up when others have taken over."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import durable as df
from durable.hub.taskhub import TaskHub
from durable.runtime.suspects import MOST_DEATHS, UNSUSPECTED_DELIVERIES
from tests.acceptance.conftest import MakeHost
from tests.acceptance.instances import (
    Wanted,
    all_ended,
    check_no_quarantine,
    check_queues_are_empty,
    check_results,
    insist,
)
from tests.acceptance.local_host import Browser, LocalHost
from tests.acceptance.local_worker import APP, LocalWorker, write_app

pytestmark = [pytest.mark.azurite, pytest.mark.slow, pytest.mark.soak]

SHORT_LEASE = {
    "AzureFunctionsJobHost__extensions__durableTask__ownLeaseSeconds": "10",
    "DURABLE_HOST_LEASE_SECONDS": "10",
}
SLOW, SLOW_SECONDS = 4, 6.0
STEPS = 300
HEALTHY = 50
KILLER = """

@app.activity_trigger(input_name="nothing")
def kill(nothing):
    with notes.open("a") as file:
        file.write("killed\\n")
    os._exit(1)


@app.orchestration_trigger(context_name="context")
def Doomed(context):
    return (yield context.call_activity(kill, None))
"""


@pytest.mark.timeout(200)
async def test_a_process_that_wakes_up_after_its_leases_does_no_harm(
    make_host: MakeHost, browser: Browser, hub: TaskHub, tmp_path: Path
) -> None:
    settings = {"WORKSHOP_NOTES": str(tmp_path), **SHORT_LEASE}
    sleeper, heir = make_host(**settings), make_host(**settings)
    await sleeper.start()
    wanted = [Wanted(f"chain{n}", "Chain", STEPS, list(range(STEPS))) for n in range(4)]
    wanted += [Wanted(f"slow{n}", "Long", SLOW_SECONDS, "at last") for n in range(SLOW)]
    for each in wanted:
        await insist(browser, sleeper.api, each)
    linger = tmp_path / "linger"
    async with asyncio.timeout(20):
        while not linger.exists() or linger.read_text().count("begun") < SLOW:
            await asyncio.sleep(0.02)
    assert sleeper.process is not None
    sleeper.process.send_signal(signal.SIGSTOP)
    try:
        await heir.start()
        # It wakes up in the midst of what the other one does with its work.
        async with asyncio.timeout(60):
            while linger.read_text().count("begun") < SLOW + 1:
                await asyncio.sleep(0.05)
    finally:
        sleeper.process.send_signal(signal.SIGCONT)
    await all_ended(hub, len(wanted), seconds=90)
    await check_queues_are_empty(hub, seconds=60)
    await check_results(hub, wanted)
    await check_no_quarantine(hub)
    lines = Counter(linger.read_text().splitlines())
    print(f"slow activities: {dict(lines)} of {SLOW}")
    assert lines["begun"] <= 2 * SLOW


@pytest.fixture
async def server(
    request: pytest.FixtureRequest, azurite_connection_string: str, hub_name: str, tmp_path: Path
) -> AsyncIterator[LocalHost]:
    """The local host, or a worker of two processes; not started yet."""
    app = write_app(tmp_path / "app", APP + KILLER)
    environ = {
        "AzureWebJobsStorage": azurite_connection_string,
        "NOTES": str(tmp_path / "notes"),
        **SHORT_LEASE,
    }
    log = tmp_path / "server.log"
    made = (
        LocalHost(app, hub_name, environ, log)
        if request.param == "host"
        else LocalWorker(app, hub_name, environ, log, "--processes", "2")
    )
    yield made
    if made.is_running:
        made.kill()
    print(f"--- log\n{made.log}")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("server", ["host", "worker"], indirect=True)
async def test_a_killer_among_healthy_instances(
    server: LocalHost, client: df.Client, hub: TaskHub, tmp_path: Path
) -> None:
    """The host's maxDequeueCount is its default, 5: messages go to its poison queue and back."""
    began = time.monotonic()
    server.launch()

    async def supervise() -> None:
        while True:
            if not server.is_running:
                server.launch()
            await asyncio.sleep(0.2)

    async with asyncio.TaskGroup() as tasks:
        supervising = tasks.create_task(supervise())
        for n in range(HEALTHY):
            await client.start_new("FanOut", f"i{n:02}", [3, 0.1])
            if n == HEALTHY // 2:
                await client.start_new("Doomed", "killer")
        await all_ended(hub, HEALTHY + 1, seconds=500)
        took = time.monotonic() - began
        for n in range(HEALTHY):
            status = await client.get_status(f"i{n:02}")
            assert status.runtime_status is df.OrchestrationRuntimeStatus.Completed
            assert len(status.output) == 3
        status = await client.get_status("killer")
        assert status.runtime_status is df.OrchestrationRuntimeStatus.Failed
        assert f"was begun {MOST_DEATHS} times" in str(status.output)
        await check_queues_are_empty(hub, seconds=90)
        await check_no_quarantine(hub)
        supervising.cancel()
    deaths = (tmp_path / "notes").read_text().count("killed")
    print(f"{deaths} deaths, {server.starts} starts, all ended after {took:.0f} s")
    assert deaths <= 1 + UNSUSPECTED_DELIVERIES + MOST_DEATHS
