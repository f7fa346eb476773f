"""Names in addresses: what was signed is what is asked for, and is the one thing that was meant."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from urllib.parse import unquote

import pytest
from aiohttp import web

from durable.errors import CorruptRecord, InvalidName, StorageError
from durable.storage.azure.account import AzureAccount
from durable.storage.azure.continuations import from_keys
from durable.storage.values import Comparison, Operation, Row, Where, Write
from tests.security.hostile import ANYTHING, TEXTS
from tests.security.odata_reader import parsed
from tests.security.wire import assert_is_signed, keys_in, parameters_in
from tests.unit.storage.azure.fake_service import DATE, FakeService, Request

KEYS = [text for text in TEXTS if "/" not in text]
BLOBS = [
    *[f"{text}/message-1.json.gz" for text in TEXTS if text not in {".", "..", "')/x"}],
    "%2e%2e/x",
    "a%2f..%2fb/x",
    "a%5c..%5cb/x",
    "a/%2e%2e/b/x",
    "a?restype=container&comp=list/x",
    "a#fragment/x",
    "x" * 900 + "/y",
    "a//b",
    "/a",
    "a./b",
    "é/%C3%A9",
]


async def _seen(service: FakeService, call: Callable[[], Awaitable[object]]) -> Request | None:
    """The request that a call sends; None when it sends none."""
    service.requests.clear()
    service.answers[:] = [web.json_response({}, status=404, headers={"Date": DATE})]
    try:
        await call()
    except InvalidName:
        assert not service.requests
        return None
    except StorageError:
        pass
    [request] = service.requests
    return request


@pytest.mark.parametrize("write", [None, Write.MERGE, Write.UPSERT_REPLACE, Write.DELETE])
async def test_a_rows_address_is_that_row_and_signed(
    account: AzureAccount, service: FakeService, write: Write | None
) -> None:
    for text in KEYS:
        row = Row(partition_key=text, row_key=f"r{text}", columns={})
        if write is None:
            request = await _seen(service, lambda: account.tables.read("Tab", text, f"r{text}"))  # noqa: B023
        else:
            operation = Operation(write=write, row=row)
            request = await _seen(service, lambda: account.tables.write("Tab", operation))  # noqa: B023
        assert request is not None
        assert keys_in(request.path) == (text, f"r{text}")
        assert_is_signed(request, table=True)


async def test_a_batchs_parts_name_their_rows_and_no_header_slips_in(
    account: AzureAccount, service: FakeService
) -> None:
    for text in KEYS:
        row = Row(partition_key=text, row_key=f"r{text}", columns={"N": f"{text}\r\nX-Evil: 1"})
        operation = Operation(write=Write.UPSERT_REPLACE, row=row)
        request = await _seen(service, lambda: account.tables.batch("Tab", [operation]))  # noqa: B023
        assert request is not None
        lines = request.body.decode().splitlines()
        [line] = [line for line in lines if line.startswith(("PUT ", "PATCH "))]
        url = line.split(" ")[1]
        assert keys_in("/acme/" + url.partition("/acme/")[2]) == (text, f"r{text}")
        assert "X-Evil: 1" not in lines
        assert_is_signed(request, table=True)


async def test_a_filter_is_one_parameter_and_says_what_was_meant(
    account: AzureAccount, service: FakeService
) -> None:
    for text in [*ANYTHING, "\0", "a\tb", "\ufffe"]:
        where = Where("Name", Comparison.EQ, text)
        request = await _seen(service, lambda: account.tables.query("Tab", where))  # noqa: B023
        assert request is not None
        found = parameters_in(request)
        assert set(found) == {"$filter", "$top"}
        assert parsed(found["$filter"]) == ("Name", "eq", text)
        assert_is_signed(request, table=True)


async def test_a_continuation_is_two_parameters_whatever_it_holds(
    account: AzureAccount, service: FakeService
) -> None:
    for text in [*ANYTHING, "a&$filter=x", "a\r\nb"]:
        token = from_keys(text, text)
        request = await _seen(
            service,
            lambda: account.tables.query("Tab", None, continuation=token),  # noqa: B023
        )
        assert request is not None
        found = parameters_in(request)
        assert (found["NextPartitionKey"], found["NextRowKey"]) == (text, text)
        assert set(found) == {"$top", "NextPartitionKey", "NextRowKey"}


@pytest.mark.parametrize("status", [400, 414])
async def test_a_continuation_that_the_service_refuses_is_said_to_be_one(
    account: AzureAccount, service: FakeService, status: int
) -> None:
    for token in (from_keys("1!8!x", "y"), None):
        service.answers[:] = [web.json_response({}, status=status)]
        with pytest.raises(StorageError) as failed:
            await account.tables.query("Tab", None, continuation=token)
        assert isinstance(failed.value, CorruptRecord) is (token is not None)
        assert ("is not a continuation" in str(failed.value)) is (token is not None)
    for lone in ("\ud800", "x\udfff"):
        with pytest.raises(CorruptRecord, match="is not a continuation"):
            await account.tables.query("Tab", None, continuation=from_keys(lone, "r"))


@pytest.mark.parametrize("operation", ["put", "get", "delete"])
async def test_a_blobs_address_is_that_blob_and_signed(
    account: AzureAccount, service: FakeService, operation: str
) -> None:
    for name in BLOBS:
        calls: dict[str, Callable[[], Any]] = {
            "put": partial(account.blobs.put_blob, "lab-large", name, b"x"),
            "get": partial(account.blobs.get_blob, "lab-large", name, max_bytes=10),
            "delete": partial(account.blobs.delete_blob, "lab-large", name),
        }
        call = calls[operation]
        request = await _seen(service, call)
        assert request is not None
        assert request.path.startswith("/acme/lab-large/")
        assert unquote(request.path.removeprefix("/acme/lab-large/")) == name
        segments = request.path.split("/")
        assert "." not in segments
        assert ".." not in segments
        assert "comp" not in parameters_in(request)
        assert_is_signed(request, table=False)


CLIMBING = ("..", "../x", "a/../b", "a/..", "./x", "a/./b", "a\\..\\b", "\\x", "a\r\nb", "a\0b", "")


async def test_a_name_that_would_climb_is_never_asked_for(
    account: AzureAccount, service: FakeService
) -> None:
    for name in (*CLIMBING, "x" * 1025):
        with pytest.raises(InvalidName, match="Blob name"):
            await account.blobs.put_blob("lab-large", name, b"x")
        with pytest.raises(InvalidName, match="Blob name"):
            await account.blobs.get_blob("lab-large", name, max_bytes=10)
        with pytest.raises(InvalidName, match="Blob name"):
            await account.blobs.delete_blob("lab-large", name)
    assert not service.requests


async def test_containers_queues_and_tables_are_names_or_nothing(
    account: AzureAccount, service: FakeService
) -> None:
    row = Row(partition_key="a", row_key="b", columns={})
    for name in ("../x", "x/y", "x?comp=acl", "X", "a b", "x\r\nY: 1", "x%2fy", "", "é12"):
        calls: list[Callable[[], Any]] = [
            partial(account.blobs.get_blob, name, "x", max_bytes=10),
            partial(account.queues.put, name, "x"),
            partial(account.queues.get, name, count=1, lease_seconds=1),
            partial(account.tables.query, f"{name}-", None),
            partial(account.tables.write, f"{name}-", Operation(write=Write.INSERT, row=row)),
        ]
        for call in calls:
            with pytest.raises(InvalidName):
                await call()
    assert not service.requests


async def test_a_receipt_and_a_message_id_stay_one_segment_and_one_parameter(
    account: AzureAccount, service: FakeService
) -> None:
    for text in ["../../x", "a/b?c=d&e", "AgAAAA==", "a+b c", "é"]:
        request = await _seen(service, lambda: account.queues.delete("work", text, text))  # noqa: B023
        assert request is not None
        assert request.path.startswith("/acme/work/messages/")
        assert unquote(request.path.rsplit("/", 1)[1]) == text
        assert parameters_in(request) == {"popreceipt": text}
        assert_is_signed(request, table=False)


async def test_what_is_written_to_a_row_is_data_of_that_row(
    account: AzureAccount, service: FakeService
) -> None:
    text = '","PartitionKey":"x","odata.type":"y'
    row = Row(partition_key="p", row_key="r", columns={"N": text})
    request = await _seen(
        service,
        lambda: account.tables.write("Tab", Operation(write=Write.UPSERT_REPLACE, row=row)),
    )
    assert request is not None
    body = json.loads(request.body)
    assert (body["PartitionKey"], body["RowKey"], body["N"]) == ("p", "r", text)
