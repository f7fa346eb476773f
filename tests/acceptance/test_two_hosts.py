"""Two hosts on one hub: no decision is lost or made twice."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from durable.hub.taskhub import TaskHub
from tests.acceptance.conftest import MakeHost
from tests.acceptance.instances import (
    HELLO_CALLS,
    all_ended,
    check_no_quarantine,
    check_queues_are_empty,
    check_results,
    insist,
    mixed,
)
from tests.acceptance.local_host import UNTIDY, Browser

pytestmark = [pytest.mark.azurite, pytest.mark.slow]

INSTANCES = 200


@pytest.mark.timeout(240)
async def test_two_hosts_share_two_hundred_instances(
    make_host: MakeHost, browser: Browser, hub: TaskHub, tmp_path: Path
) -> None:
    hosts = [make_host(WORKSHOP_NOTES=str(tmp_path)) for _ in range(2)]
    for host in hosts:
        await host.start()
    wanted = mixed(INSTANCES)
    limit = asyncio.Semaphore(20)

    async def start(number: int) -> None:
        async with limit:
            await insist(browser, hosts[number % 2].api, wanted[number], timeout=30)

    async with asyncio.TaskGroup() as tasks:
        for number in range(INSTANCES):
            tasks.create_task(start(number))

    await all_ended(hub, INSTANCES, seconds=180)
    await check_queues_are_empty(hub, seconds=30)
    await check_results(hub, wanted)
    await check_no_quarantine(hub)
    for host in hosts:
        assert await host.stop() == 0
        assert not [word for word in UNTIDY if word in host.log]

    # Nothing crashed and no lease ran out: each activity ran once.
    hellos = (tmp_path / "hello").read_text().splitlines()
    assert len(hellos) == sum(HELLO_CALLS[each.orchestrator] for each in wanted)
    echoes = (tmp_path / "echo").read_text().splitlines()
    assert len(echoes) == sum(1 for each in wanted if each.orchestrator == "Echo")
