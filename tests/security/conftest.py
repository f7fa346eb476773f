"""A storage service of the test's own, and an Azurite hub, for whoever asks for one."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import pytest

from durable.clock import SystemClock
from durable.hub.settings import HubSettings
from durable.hub.taskhub import TaskHub
from durable.storage.azure.account import AccountConfig, Adapter, AzureAccount, open_account
from tests.unit.storage.azure.conftest import (
    account as account,
    config as config,
    service as service,
)


@pytest.fixture(params=list(Adapter), ids=lambda adapter: adapter.value)
async def real_account(
    request: pytest.FixtureRequest, azurite_connection_string: str
) -> AsyncIterator[AzureAccount]:
    found = AccountConfig.from_connection_string(azurite_connection_string, setting="Test")
    opened = open_account(found, adapter=request.param)
    yield opened
    await opened.close()


@pytest.fixture
async def real_hub(real_account: AzureAccount) -> AsyncIterator[TaskHub]:
    """An empty hub on Azurite, through either adapter."""
    settings = HubSettings(name=f"S{uuid.uuid4().hex[:12]}", partition_count=1)
    hub = TaskHub(real_account, settings, SystemClock())
    await hub.ensure()
    yield hub
    await hub.delete()
