"""Both adapters side by side."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from durable.storage.azure.account import AccountConfig
from tests.unit.storage.azure.direct.twins import Twins
from tests.unit.storage.azure.fake_service import FakeService


@pytest.fixture
async def twins(service: FakeService, config: AccountConfig) -> AsyncIterator[Twins]:
    both = Twins(service, config)
    yield both
    await both.close()
