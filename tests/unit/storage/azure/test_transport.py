"""Requests by their operation's name, and the pool."""

from __future__ import annotations

import dataclasses

import pytest
from aiohttp import web

from durable.storage.azure.account import AccountConfig, open_account
from durable.storage.azure.transport import Pool, QuickRetries, operation_name, proxy_for
from tests.manual_clock import ManualClock
from tests.unit.storage.azure.fake_service import FakeService, NoWait

BASE = "http://127.0.0.1:10000/acme"


@pytest.mark.parametrize(
    ("service", "method", "path", "expected"),
    [
        ("queue", "GET", "/?comp=list&prefix=a", "List Queues"),
        ("queue", "PUT", "/queue", "Create Queue"),
        ("queue", "DELETE", "/queue", "Delete Queue"),
        ("queue", "GET", "/queue?comp=metadata", "Get Queue Metadata"),
        ("queue", "POST", "/queue/messages?messagettl=-1", "Put Message"),
        ("queue", "GET", "/queue/messages?numofmessages=32", "Get Messages"),
        ("queue", "GET", "/queue/messages?peekonly=true", "Peek Messages"),
        ("queue", "DELETE", "/queue/messages", "Clear Messages"),
        ("queue", "PUT", "/queue/messages/id?popreceipt=x", "Update Message"),
        ("queue", "DELETE", "/queue/messages/id?popreceipt=x", "Delete Message"),
        ("queue", "PATCH", "/queue", "PATCH queue"),
        ("table", "GET", "/Tables", "Query Tables"),
        ("table", "POST", "/Tables", "Create Table"),
        ("table", "DELETE", "/Tables('Abc')", "Delete Table"),
        ("table", "PUT", "/Tables", "PUT table"),
        ("table", "POST", "/$batch", "Entity Group Transaction"),
        ("table", "GET", "/Abc()?$filter=A%20eq%201", "Query Entities"),
        ("table", "GET", "/Abc(PartitionKey='p',RowKey='')", "Get Entity"),
        ("table", "POST", "/Abc", "Insert Entity"),
        ("table", "PUT", "/Abc(PartitionKey='p',RowKey='r')", "Insert Or Replace Entity"),
        ("table", "PATCH", "/Abc(PartitionKey='p',RowKey='r')", "Insert Or Merge Entity"),
        ("table", "DELETE", "/Abc(PartitionKey='p',RowKey='r')", "Delete Entity"),
        ("table", "HEAD", "/Abc", "HEAD entity"),
        ("blob", "GET", "/?comp=list", "List Containers"),
        ("blob", "PUT", "/blobs?restype=container", "Create Container"),
        ("blob", "DELETE", "/blobs?restype=container", "Delete Container"),
        ("blob", "GET", "/blobs?restype=container&comp=list", "List Blobs"),
        ("blob", "PUT", "/blobs/a/b", "Put Blob"),
        ("blob", "GET", "/blobs/a/b", "Get Blob"),
        ("blob", "HEAD", "/blobs/a/b", "Get Blob Properties"),
        ("blob", "DELETE", "/blobs/a/b", "Delete Blob"),
        ("blob", "POST", "/blobs/a/b", "POST blob"),
    ],
)
def test_operation_names(service: str, method: str, path: str, expected: str) -> None:
    assert operation_name(service, method, BASE + path, {}, base_path="/acme") == expected


def test_a_condition_tells_a_merge_from_an_upsert() -> None:
    url = BASE + "/Abc(PartitionKey='p',RowKey='r')"
    headers = {"if-match": "*"}
    assert operation_name("table", "PATCH", url, headers, base_path="/acme") == "Merge Entity"
    assert operation_name("table", "PUT", url, headers, base_path="/acme") == "Update Entity"
    # To what it takes for a Cosmos address, the SDK sends MERGE inside a POST.
    headers["x-http-method"] = "MERGE"
    assert operation_name("table", "POST", url, headers, base_path="/acme") == "Merge Entity"


def test_an_account_in_the_cloud_has_no_base_path() -> None:
    url = "https://acme.queue.core.windows.net/queue/messages"
    assert operation_name("queue", "GET", url, {}, base_path="") == "Get Messages"


async def test_the_pool_drops_idle_connections_before_azurite_does() -> None:
    pool = Pool()
    session = pool.session()
    assert pool.session() is session
    assert session.connector is not None
    keep_alive = session.connector._keepalive_timeout
    assert keep_alive is not None
    assert keep_alive < 5
    await pool.close()
    assert session.closed
    with pytest.raises(RuntimeError, match="closed"):
        pool.session()


async def test_a_pool_that_was_never_used_closes_too() -> None:
    pool = Pool()
    await pool.close()


def test_retries_wait_longer_each_time_up_to_a_bound() -> None:
    retries = QuickRetries(ManualClock())
    waits = [retries.get_backoff_time({"count": count}) for count in range(1, 7)]
    assert waits == pytest.approx([0.15, 0.3, 0.6, 1.2, 1.5, 1.5])


async def test_over_tls_connections_are_kept_longer_for_they_are_dear() -> None:
    plain, tls = Pool(), Pool(tls=True)
    waits = [pool.session().connector for pool in (plain, tls)]
    kept = [connector._keepalive_timeout for connector in waits if connector is not None]
    assert kept == [4.0, 15.0]
    await plain.close()
    await tls.close()


async def test_no_request_reads_the_environment() -> None:
    """With trust_env aiohttp does, in two threads for each."""
    pool = Pool()
    assert pool.session().trust_env is False
    await pool.close()


@pytest.mark.parametrize(
    ("environ", "uri", "proxy"),
    [
        ({}, "https://acme.queue.core.windows.net", None),
        (
            {"https_proxy": "http://proxy:1"},
            "https://acme.queue.core.windows.net",
            "http://proxy:1",
        ),
        ({"https_proxy": "http://proxy:1"}, "http://127.0.0.1:10001/acme", None),
        (
            {"http_proxy": "http://proxy:1", "no_proxy": "127.0.0.1"},
            "http://127.0.0.1:10001/acme",
            None,
        ),
        ({"http_proxy": "http://proxy:1"}, "http://azurite:10001/acme", "http://proxy:1"),
    ],
    ids=["none", "named", "of another scheme", "not for this one", "plain"],
)
def test_the_proxy_that_the_environment_names(
    environ: dict[str, str], uri: str, proxy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert proxy_for(uri) == proxy


async def test_requests_go_through_the_proxy(
    service: FakeService, config: AccountConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{service.port}")
    monkeypatch.setenv("no_proxy", "")
    uri = "http://acme.queue.invalid"
    through = dataclasses.replace(config, queue_uri=uri)
    account = open_account(through, clock=NoWait())
    service.will_answer(web.Response(status=204))
    await account.queues.delete("a-queue", "id", "r")
    await account.close()
    (request,) = service.requests
    assert request.headers["host"] == "acme.queue.invalid"
