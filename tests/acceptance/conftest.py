"""Hosts with hubs of their own, a browser, and the account behind them."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest

import durable as df
from durable.clock import SystemClock
from durable.hub.settings import HubSettings
from durable.hub.taskhub import TaskHub
from durable.storage.azure.account import account_config, open_account
from durable.storage.ports import Account
from tests.acceptance.local_host import UNTIDY, WORKSHOP, Browser, LocalHost

MakeHost = Callable[..., LocalHost]


@pytest.fixture
def hub_name() -> str:
    """A hub that no other test has."""
    return f"Hub{uuid.uuid4().hex[:16]}"


@pytest.fixture
async def client(azurite_connection_string: str, hub_name: str) -> AsyncIterator[df.Client]:
    """A client of the hub, in another process than what serves it."""
    async with df.Client.from_connection_string(
        azurite_connection_string, hub=hub_name, partition_count=4
    ) as opened:
        yield opened


@pytest.fixture
async def make_host(
    azurite_connection_string: str, hub_name: str, tmp_path: Path
) -> AsyncIterator[MakeHost]:
    """Makes hosts of this test's hub; not started yet.

    At the end each one that still runs is asked to stop, and must: soon, and with exit code 0.
    """
    made: list[LocalHost] = []

    def make(app: Path = WORKSHOP, *, hub: str = hub_name, **settings: str) -> LocalHost:
        environ = {"AzureWebJobsStorage": azurite_connection_string, **settings}
        made.append(LocalHost(app, hub, environ, tmp_path / f"host{len(made)}.log"))
        return made[-1]

    try:
        yield make
        running = [host for host in made if host.is_running]
        codes = [await host.stop() for host in running]
        assert codes == [0] * len(running)
    finally:
        for host in made:
            if host.is_running:
                host.kill()
            # Shown by pytest when the test failed.
            print(f"--- log of the host on port {host.port} ({host.starts} starts)\n{host.log}")


@pytest.fixture
async def host(make_host: MakeHost) -> AsyncIterator[LocalHost]:
    """The workshop app, running. Its log must stay tidy."""
    started = make_host()
    await started.start()
    yield started
    if started.is_running:
        assert await started.stop() == 0
    found = [word for word in UNTIDY if word in started.log]
    assert not found


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:
        yield Browser(session)
        # Its connections close in the loop's next rounds.
        await asyncio.sleep(0)


@pytest.fixture
async def account(azurite_connection_string: str) -> AsyncIterator[Account]:
    """The hub's account, as Storage Explorer would look at it."""
    opened = open_account(account_config({"Store": azurite_connection_string}, "Store"))
    yield opened
    await opened.close()


@pytest.fixture
def hub(account: Account, hub_name: str) -> TaskHub:
    """The hub that this test's hosts serve."""
    return TaskHub(account, HubSettings(name=hub_name), SystemClock())
