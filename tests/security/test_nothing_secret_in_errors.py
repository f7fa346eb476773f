"""Keys and signatures are in no error's text, in no cause, in no repr, and in no log of the SDK."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from durable.api.http import Request, Response
from durable.api.keys import HubKeys
from durable.api.links import ManagementAccess
from durable.errors import BadConfig
from durable.host.config import local_settings
from durable.hub.settings import HubSettings
from durable.hub.taskhub import TaskHub
from durable.storage.azure import account as account_module
from durable.storage.azure.account import AccountConfig, Adapter, AzureAccount, open_account
from durable.storage.azure.config import SharedAccessSignature, SharedKey, account_config
from durable.storage.memory import MemoryAccount
from durable.storage.values import Comparison, Operation, Row, Where, Write
from tests.manual_clock import ManualClock
from tests.security.telling import SECRET, heard, told
from tests.unit.storage.azure.fake_service import FakeService, NoWait

KEY = f"{SECRET}AA"  # base64 as it stands
CREDENTIALS = (SharedKey("acme", KEY), SharedAccessSignature(f"sv=1&sig={SECRET}%2B&se=2"))
Call = Callable[[AzureAccount], Awaitable[object]]
_ROW = Row(partition_key="p", row_key="r", columns={"Input": SECRET})
CALLS: tuple[Call, ...] = (
    lambda account: account.queues.put("work", SECRET),
    lambda account: account.queues.get("work", count=1, lease_seconds=1),
    lambda account: account.queues.create_queue("work"),
    lambda account: account.tables.read("Tab", "p", "r"),
    lambda account: account.tables.query("Tab", Where("Name", Comparison.EQ, "n")),
    lambda account: account.tables.write("Tab", Operation(write=Write.UPSERT_MERGE, row=_ROW)),
    lambda account: account.tables.batch("Tab", [Operation(write=Write.INSERT, row=_ROW)]),
    lambda account: account.blobs.put_blob("large", "i/x", SECRET.encode()),
    lambda account: account.blobs.get_blob("large", "i/x", max_bytes=10),
)


def _config(port: int, credential: Any) -> AccountConfig:
    base = f"http://127.0.0.1:{port}/acme"
    return AccountConfig(queue_uri=base, table_uri=base, blob_uri=base, credential=credential)


@pytest.fixture
async def opened(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[..., AzureAccount]]:
    """Opens accounts whose retries follow at once, and closes them after the test."""
    monkeypatch.setattr(account_module, "TABLE_RETRIES", {"retry_total": 1, "retry_backoff_max": 0})
    accounts: list[AzureAccount] = []

    def make(port: int, credential: Any, adapter: Adapter) -> AzureAccount:
        accounts.append(open_account(_config(port, credential), adapter=adapter, clock=NoWait()))
        return accounts[-1]

    yield make
    for account in accounts:
        await account.close()


async def _words(call: Call, account: AzureAccount) -> str:
    """What the error of a call tells; nothing when it has none."""
    try:
        await call(account)
    except Exception as error:  # an answer that makes no sense is no storage error
        return told(error)
    return ""


@asynccontextmanager
async def _talking(answer: bytes) -> AsyncIterator[int]:
    """A server that answers so, and closes the connection."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@pytest.mark.parametrize("adapter", list(Adapter))
@pytest.mark.parametrize("credential", CREDENTIALS, ids=["key", "sas"])
@pytest.mark.parametrize(
    "answer",
    [
        b"NONSENSE \r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nBad\0Header: x\r\n\r\n",
        b"",
    ],
    ids=["nonsense", "short", "header", "closed"],
)
async def test_a_broken_answer_shows_no_key_and_no_signature(
    opened: Callable[..., AzureAccount], adapter: Adapter, credential: Any, answer: bytes
) -> None:
    """aiohttp's own error quotes the whole address, signature and all."""
    with heard() as log:
        async with _talking(answer) as port:
            account = opened(port, credential, adapter)
            for call in CALLS:
                words = await _words(call, account)
                assert words
                assert SECRET not in words
    log.assert_nothing_secret(but_something=False)


@pytest.mark.parametrize("adapter", list(Adapter))
@pytest.mark.parametrize("credential", CREDENTIALS, ids=["key", "sas"])
async def test_refusals_and_successes_show_no_key_to_any_logger(
    opened: Callable[..., AzureAccount], service: FakeService, adapter: Adapter, credential: Any
) -> None:
    account = opened(service.port, credential, adapter)
    with heard() as log:
        for status in (200, 400, 403, 404, 409, 412, 413, 302):
            for call in CALLS:
                service.answers[:] = [
                    web.json_response(
                        {"odata.error": {"code": "X", "message": {"value": "Said."}}},
                        status=status,
                        headers={"Location": f"https://evil.example/?x={status}"},
                    )
                ] * 6
                assert SECRET not in await _words(call, account)
        assert SECRET not in repr(account)
    log.assert_nothing_secret(but_something=False)


async def test_a_redirect_of_storage_is_not_followed(
    opened: Callable[..., AzureAccount], service: FakeService
) -> None:
    """The services never redirect; whoever stands in their place gets neither key nor payload."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    other = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = other.sockets[0].getsockname()[1]
    for credential in CREDENTIALS:
        for adapter in Adapter:
            account = opened(service.port, credential, adapter)
            for call in CALLS:
                there = {"Location": f"http://localhost:{port}/x"}
                service.answers[:] = [web.Response(status=307, headers=there)] * 8
                await _words(call, account)
    other.close()
    assert not asked


@pytest.mark.parametrize(
    "text",
    [
        f"AccountName=acme;AccountKey={SECRET}",
        f"AccountName=acme;AccountKey={SECRET}!;EndpointSuffix=x",
        f"AccountName=acme{SECRET}",
        f"{SECRET}",
        f"AccountKey={KEY}",
        f"SharedAccessSignature=sig={SECRET}",
        f"BlobEndpoint=ftp://{SECRET};QueueEndpoint=x;TableEndpoint=x;AccountName=a;AccountKey={KEY}",
        f"BlobEndpoint=https://x/?sig={SECRET};AccountName=a",
        f"DevelopmentStorageProxyUri={SECRET};UseDevelopmentStorage=true",
    ],
)
def test_a_connection_string_that_is_wrong_is_not_quoted(text: str) -> None:
    with pytest.raises(BadConfig) as failed:
        account_config({"AzureWebJobsStorage": text})
    assert SECRET not in told(failed.value)
    assert "AzureWebJobsStorage" in str(failed.value)


@pytest.mark.parametrize("value", [{"key": SECRET}, [SECRET]])
def test_a_local_setting_that_is_wrong_is_not_quoted(tmp_path: Path, value: object) -> None:
    document = {"IsEncrypted": False, "Values": {"DURABLE_API_KEY": value}}
    (tmp_path / "local.settings.json").write_text(json.dumps(document))
    with pytest.raises(BadConfig, match="DURABLE_API_KEY must be a text") as failed:
        local_settings(tmp_path)
    assert SECRET not in told(failed.value)


def test_reprs_hold_no_secret() -> None:
    clock = ManualClock()
    hub = TaskHub(MemoryAccount(clock), HubSettings(name="Hub1"), clock)
    right = f"AccountName=acme;AccountKey={KEY}"
    shown: list[object] = [
        *CREDENTIALS,
        AccountConfig.from_connection_string(right, setting="x"),
        HubKeys(hub, configured=SECRET, required=True),
        ManagementAccess(configured_key=SECRET, require_key=True),
        Request(
            method="POST",
            path="/instances",
            query={"code": SECRET},
            headers={"x": SECRET},
            body=SECRET.encode(),
            base_url="https://here",
        ),
        Response(status=200, headers={"Location": SECRET}, body=SECRET.encode()),
    ]
    for each in shown:
        assert SECRET not in repr(each)
        assert SECRET not in str(each)
        if dataclasses.is_dataclass(each):
            assert SECRET not in f"{each!r:s}"
