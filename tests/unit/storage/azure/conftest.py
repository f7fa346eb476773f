"""An account that talks to a server of the test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
from aiohttp import web

from durable.storage.azure.account import AccountConfig, Adapter, AzureAccount, open_account
from durable.storage.azure.config import SharedKey
from tests.unit.storage.azure.fake_service import FakeService, NoWait


@pytest.fixture
async def service() -> AsyncIterator[FakeService]:
    fake = FakeService()
    app = web.Application(client_max_size=2**26)
    app.router.add_route("*", "/{tail:.*}", fake.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    fake.port = runner.addresses[0][1]
    yield fake
    await runner.cleanup()


@pytest.fixture
def config(service: FakeService) -> AccountConfig:
    base = f"http://127.0.0.1:{service.port}/acme"
    return AccountConfig(
        queue_uri=base, table_uri=base, blob_uri=base, credential=SharedKey("acme", "a2V5")
    )


@pytest.fixture(params=list(Adapter), ids=lambda adapter: adapter.value)
async def account(
    request: pytest.FixtureRequest, config: AccountConfig
) -> AsyncIterator[AzureAccount]:
    opened = open_account(config, clock=NoWait(), adapter=request.param)
    yield opened
    await opened.close()


@pytest.fixture
def error() -> Callable[[int, str], web.Response]:
    """An error as the queue and blob services write it."""

    def answer(status: int, code: str) -> web.Response:
        text = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>Said.</Message></Error>"
        return web.Response(
            status=status,
            text=text,
            content_type="application/xml",
            headers={"x-ms-error-code": code},
        )

    return answer
