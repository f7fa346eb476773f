"""The account under test: in memory, on Azurite by hand and through the SDK.

With a queue, a table and a container.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol

import pytest

from durable.storage.azure.account import Adapter, account_config, open_account
from durable.storage.memory import MemoryAccount
from durable.storage.ports import Account
from tests.manual_clock import ManualClock

PassTime = Callable[[float], Awaitable[None]]


class CountingAccount(Account, Protocol):
    """All adapters count their requests."""

    @property
    def requests(self) -> Counter[tuple[str, str]]: ...


@pytest.fixture(
    params=[
        "memory",
        *(
            pytest.param(adapter, marks=pytest.mark.azurite, id=adapter.value)
            for adapter in Adapter
        ),
    ]
)
async def account(
    request: pytest.FixtureRequest, manual_clock: ManualClock
) -> AsyncIterator[CountingAccount]:
    opened: CountingAccount
    if request.param == "memory":
        opened = MemoryAccount(manual_clock)
    else:
        text = request.getfixturevalue("azurite_connection_string")
        opened = open_account(account_config({"Store": text}, "Store"), adapter=request.param)
    yield opened
    await opened.close()


@pytest.fixture
def on_azurite(account: CountingAccount) -> bool:
    return not isinstance(account, MemoryAccount)


@pytest.fixture
def pass_time(on_azurite: bool, manual_clock: ManualClock) -> PassTime:
    """Let seconds pass on the service's clock. On Azurite they must really pass."""

    async def passes(seconds: float) -> None:
        if on_azurite:
            await asyncio.sleep(seconds + 0.1)
        else:
            manual_clock.advance(seconds + 0.1)

    return passes


@pytest.fixture
def unique() -> str:
    """A name that no other test has: letters and digits, a letter first."""
    return f"t{uuid.uuid4().hex[:20]}"


@pytest.fixture
async def queue(account: CountingAccount, unique: str) -> AsyncIterator[str]:
    name = f"{unique}-queue"
    await account.queues.create_queue(name)
    yield name
    await account.queues.delete_queue(name)


@pytest.fixture
async def table(account: CountingAccount, unique: str) -> AsyncIterator[str]:
    name = f"{unique}Table"
    await account.tables.create_table(name)
    yield name
    await account.tables.delete_table(name)


@pytest.fixture
async def container(account: CountingAccount, unique: str) -> AsyncIterator[str]:
    name = f"{unique}-blobs"
    await account.blobs.create_container(name)
    yield name
    await account.blobs.delete_container(name)
