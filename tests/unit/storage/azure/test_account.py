"""What goes over the wire, and what becomes of failures there."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from aiohttp import web

from durable.errors import (
    BadConfig,
    Conflict,
    CorruptRecord,
    PreconditionFailed,
    StorageError,
    Throttled,
    Unavailable,
)
from durable.storage.azure.account import AccountConfig, AzureAccount, open_account
from durable.storage.azure.config import Identity, SharedAccessSignature, SharedKey
from durable.storage.values import Operation, Row, Write
from tests.unit.storage.azure.fake_service import DATE, FakeService, NoWait

ErrorAnswer = Callable[[int, str], web.Response]

PUT = """<?xml version="1.0" encoding="utf-8"?><QueueMessagesList><QueueMessage>
<MessageId>id-1</MessageId><InsertionTime>Mon, 06 May 2024 07:08:09 GMT</InsertionTime>
<ExpirationTime>Fri, 31 Dec 9999 23:59:59 GMT</ExpirationTime><PopReceipt>r1</PopReceipt>
<TimeNextVisible>Mon, 06 May 2024 07:08:09 GMT</TimeNextVisible></QueueMessage></QueueMessagesList>
"""


def put_answer() -> web.Response:
    return web.Response(status=201, text=PUT, content_type="application/xml")


def updated_answer() -> web.Response:
    return web.Response(
        status=204,
        headers={
            "x-ms-popreceipt": "r2",
            "x-ms-time-next-visible": DATE,
        },
    )


def rows_answer(date: str | None = DATE) -> web.Response:
    response = web.Response(text='{"value":[]}', content_type="application/json")
    if date is not None:
        response.headers["Date"] = date
    return response


def inserted_answer() -> web.Response:
    return web.Response(status=204, headers={"ETag": 'W/"1"'})


INSERT = Operation(write=Write.INSERT, row=Row(partition_key="p", row_key="r", columns={"A": "x"}))


async def test_a_put_names_its_delay_only_when_there_is_one_and_never_expires(
    account: AzureAccount, service: FakeService
) -> None:
    service.will_answer(put_answer(), put_answer())
    await account.queues.put("queue", "<a>&'")
    await account.queues.put("queue", "x", delay_seconds=5)
    now, later = service.requests
    assert (now.method, now.path) == ("POST", "/acme/queue/messages")
    assert now.query == {"messagettl": "-1"}
    assert b"<MessageText>&lt;a&gt;&amp;'</MessageText>" in now.body
    assert later.query == {"messagettl": "-1", "visibilitytimeout": "5"}


async def test_a_renewal_sends_no_body(account: AzureAccount, service: FakeService) -> None:
    service.will_answer(updated_answer(), updated_answer())
    assert await account.queues.update("queue", "id-1", "r1", visible_in_seconds=45) == "r2"
    await account.queues.update("queue", "id-1", "r2", visible_in_seconds=0, text="new")
    renewal, change = service.requests
    assert (renewal.method, renewal.path) == ("PUT", "/acme/queue/messages/id-1")
    assert renewal.query == {"popreceipt": "r1", "visibilitytimeout": "45"}
    assert renewal.body == b""
    assert "content-type" not in renewal.headers
    assert b"<MessageText>new</MessageText>" in change.body
    assert change.query == {"popreceipt": "r2", "visibilitytimeout": "0"}


async def test_a_blob_is_one_put_without_content_type_or_encoding_of_its_own(
    account: AzureAccount, service: FakeService
) -> None:
    service.will_answer(*(web.Response(status=201, headers={"ETag": '"1"'}) for _ in range(2)))
    await account.blobs.put_blob("blobs", "a b/c", b"x" * 2_000_000)
    await account.blobs.put_blob("blobs", "new", b"", only_if_absent=True)
    put, put_new = service.requests
    assert (put.method, put.path) == ("PUT", "/acme/blobs/a%20b/c")
    assert put.query == {}
    assert put.body == b"x" * 2_000_000
    assert put.headers["x-ms-blob-type"] == "BlockBlob"
    # Sent by HTTP's own rule; the service takes it, and it is the service's default.
    assert put.headers["content-type"] == "application/octet-stream"
    unwanted = {name for name in put.headers if name.startswith(("x-ms-blob-content", "x-ms-meta"))}
    assert unwanted == set()
    assert "content-encoding" not in put.headers
    assert "if-none-match" not in put.headers
    assert put_new.headers["if-none-match"] == "*"


async def test_one_connection_serves_all_three_services(
    account: AzureAccount, service: FakeService
) -> None:
    service.will_answer(put_answer(), rows_answer(), web.Response(status=201))
    await account.queues.put("queue", "x")
    page = await account.tables.query("Table", None)
    await account.blobs.create_container("blobs")
    assert page.served_at == datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
    assert len({request.peer for request in service.requests}) == 1


async def test_a_lost_connection_is_retried_for_every_kind_of_call(
    account: AzureAccount, service: FakeService
) -> None:
    service.will_answer(None, put_answer(), None, inserted_answer(), None, rows_answer())
    service.will_answer(None, web.Response(status=201))
    await account.queues.put("queue", "x")
    await account.tables.write("Table", INSERT)
    await account.tables.query("Table", None)
    await account.blobs.put_blob("blobs", "a", b"1" * 1_500_000)
    assert account.requests == {
        ("queue", "Put Message"): 2,
        ("table", "Insert Entity"): 2,
        ("table", "Query Entities"): 2,
        ("blob", "Put Blob"): 2,
    }
    # Two of them aiohttp repeats by itself; the counter knows them nevertheless.
    assert len(service.requests) == sum(account.requests.values())
    first, second = service.requests[-2:]
    assert first.body == second.body == b"1" * 1_500_000


async def test_a_retried_insert_that_took_effect_is_a_conflict(
    account: AzureAccount, service: FakeService
) -> None:
    exists = '{"odata.error":{"code":"EntityAlreadyExists","message":{"value":"x"}}}'
    service.will_answer(
        None, web.Response(status=409, text=exists, content_type="application/json")
    )
    with pytest.raises(Conflict):
        await account.tables.write("Table", INSERT)


async def test_a_busy_service_is_asked_again_and_then_reported(
    account: AzureAccount, service: FakeService, error: ErrorAnswer
) -> None:
    service.will_answer(error(503, "ServerBusy"), put_answer())
    await account.queues.put("queue", "x")
    service.will_answer(*(error(503, "ServerBusy") for _ in range(5)))
    with pytest.raises(Throttled) as caught:
        await account.queues.put("queue", "x")
    assert account.requests["queue", "Put Message"] == 7
    assert caught.value.status == 503


@pytest.mark.parametrize("status", [500, 503, 504])
async def test_a_table_that_fails_is_asked_again(
    account: AzureAccount, service: FakeService, status: int
) -> None:
    service.will_answer(web.Response(status=status), inserted_answer())
    assert await account.tables.write("Table", INSERT) == 'W/"1"'


@pytest.mark.parametrize(
    ("status", "code", "ours"),
    [
        (400, "PopReceiptMismatch", PreconditionFailed),
        (400, "OutOfRangeInput", StorageError),
        (409, "QueueBeingDeleted", Conflict),
    ],
)
async def test_an_answer_that_is_no_success_is_not_asked_for_again(
    account: AzureAccount,
    service: FakeService,
    error: ErrorAnswer,
    status: int,
    code: str,
    ours: type[StorageError],
) -> None:
    service.will_answer(error(status, code))
    with pytest.raises(ours):
        await account.queues.delete("queue", "id-1", "r1")
    assert len(service.requests) == 1


async def test_what_is_being_deleted_cannot_be_created(
    account: AzureAccount, service: FakeService, error: ErrorAnswer
) -> None:
    service.will_answer(error(409, "QueueBeingDeleted"))
    with pytest.raises(Conflict):
        await account.queues.create_queue("queue")
    service.will_answer(error(409, "ContainerBeingDeleted"))
    with pytest.raises(Conflict):
        await account.blobs.create_container("blobs")
    text = '{"odata.error":{"code":"TableBeingDeleted","message":{"value":"x"}}}'
    service.will_answer(web.Response(status=409, text=text, content_type="application/json"))
    with pytest.raises(Conflict):
        await account.tables.create_table("Table")
    service.will_answer(error(409, "QueueAlreadyExists"))
    await account.queues.create_queue("queue")


async def test_an_unreachable_service_is_unavailable() -> None:
    base = "http://127.0.0.1:1/acme"
    config = AccountConfig(
        queue_uri=base, table_uri=base, blob_uri=base, credential=SharedKey("acme", "a2V5")
    )
    account = open_account(config, clock=NoWait())
    with pytest.raises(Unavailable) as caught:
        await account.queues.put("queue", "x")
    assert caught.value.status is None
    assert account.requests == {}
    await account.close()


async def test_an_answer_that_cannot_be_understood_is_a_corrupt_record(
    account: AzureAccount, service: FakeService
) -> None:
    service.will_answer(web.Response(status=204))
    with pytest.raises(CorruptRecord, match="ETag"):
        await account.tables.write("Table", INSERT)
    service.will_answer(rows_answer(date=""))
    with pytest.raises(CorruptRecord, match="Date"):
        await account.tables.query("Table", None)
    service.will_answer(web.Response(status=204), web.Response(text="<broken"))
    with pytest.raises(CorruptRecord, match="pop receipt"):
        await account.queues.update("queue", "id", "r", visible_in_seconds=1)
    with pytest.raises(CorruptRecord):
        await account.queues.get("queue", count=1, lease_seconds=1)


async def test_folder_markers_are_left_out_and_pages_continue(
    account: AzureAccount, service: FakeService
) -> None:
    def blob(name: str, metadata: str = "") -> str:
        return (
            f"<Blob><Name>{name}</Name><Properties><Last-Modified>{DATE}</Last-Modified>"
            f"<Etag>1</Etag><Content-Length>3</Content-Length><BlobType>BlockBlob</BlobType>"
            f"</Properties><Metadata>{metadata}</Metadata></Blob>"
        )

    blobs = blob("a", "<hdi_isfolder>true</hdi_isfolder>") + blob("a/b")
    text = (
        '<?xml version="1.0"?><EnumerationResults ServiceEndpoint="http://x/" '
        f'ContainerName="blobs"><Blobs>{blobs}</Blobs><NextMarker>next</NextMarker>'
        "</EnumerationResults>"
    )
    service.will_answer(web.Response(text=text, content_type="application/xml"))
    found, continuation = await account.blobs.list_blobs("blobs", "a", continuation="before")
    assert [(b.name, b.size) for b in found] == [("a/b", 3)]
    assert continuation == "next"
    (request,) = service.requests
    assert request.query["marker"] == "before"
    assert request.query["prefix"] == "a"


async def test_a_sas_goes_along_with_every_request(
    config: AccountConfig, service: FakeService
) -> None:
    with_sas = AccountConfig(
        queue_uri=config.queue_uri,
        table_uri=config.table_uri,
        blob_uri=config.blob_uri,
        credential=SharedAccessSignature("sv=1&sig=s%3D"),
    )
    account = open_account(with_sas)
    service.will_answer(put_answer(), rows_answer(), web.Response(status=201))
    await account.queues.put("queue", "x")
    await account.tables.query("Table", None)
    await account.blobs.create_container("blobs")
    await account.close()
    assert [request.query["sig"] for request in service.requests] == ["s="] * 3
    assert set(account.requests) == {
        ("queue", "Put Message"),
        ("table", "Query Entities"),
        ("blob", "Create Container"),
    }
    assert "sig" not in account.blobs.url("blobs", "x")


async def test_requests_are_not_logged_at_the_level_of_a_functions_worker(
    account: AzureAccount, service: FakeService, caplog: pytest.LogCaptureFixture
) -> None:
    service.will_answer(put_answer(), rows_answer(), web.Response(status=201))
    with caplog.at_level("INFO"):
        await account.queues.put("queue", "payload")
        await account.tables.query("Table", None)
        await account.blobs.create_container("blobs")
    assert [r.getMessage() for r in caplog.records if not r.name.startswith("aiohttp")] == []


async def test_close_may_be_repeated_and_ends_the_use(
    account: AzureAccount, service: FakeService
) -> None:
    service.will_answer(put_answer())
    await account.queues.put("queue", "x")
    await account.close()
    await account.close()
    with pytest.raises(RuntimeError, match="closed"):
        await account.queues.put("queue", "x")


def identity_config(identity: Identity) -> AccountConfig:
    return AccountConfig(
        queue_uri="https://acme.queue.core.windows.net",
        table_uri="https://acme.table.core.windows.net",
        blob_uri="https://acme.blob.core.windows.net",
        credential=identity,
    )


@pytest.mark.parametrize(
    "identity",
    [Identity(), Identity(client_id="1"), Identity(managed=True), Identity(True, "1")],
    ids=repr,
)
async def test_an_identity_needs_no_request_until_it_is_used(identity: Identity) -> None:
    account = open_account(identity_config(identity))
    assert account.requests == {}
    await account.close()


def test_an_account_may_be_opened_without_a_running_loop() -> None:
    base = "https://acme.blob.core.windows.net"
    key = SharedKey("acme", "a2V5")
    config = AccountConfig(queue_uri=base, table_uri=base, blob_uri=base, credential=key)
    assert open_account(config).blobs.url("c", "n") == f"{base}/c/n"


async def test_an_identity_without_azure_identity_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "azure.identity.aio", None)
    with pytest.raises(BadConfig, match="azure-identity"):
        open_account(identity_config(Identity()))
