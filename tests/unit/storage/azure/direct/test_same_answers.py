"""The SDK as oracle: the same answers mean the same through both adapters."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import pytest

from durable.errors import CorruptRecord
from durable.model.times import tick_of
from durable.storage.ports import Account
from durable.storage.values import Int64, Page, QueueMessage, Row
from tests.unit.storage.azure.direct import answers
from tests.unit.storage.azure.direct.calls import (
    ENTITY,
    ETAG,
    batch,
    get,
    peek,
    put,
    query,
    read,
)
from tests.unit.storage.azure.direct.twins import AnswerMaker, Failure, Twins


async def test_a_row_of_every_type(twins: Twins) -> None:
    row = await twins.same(read, answers.found(ENTITY))
    assert isinstance(row, Row)
    assert row.etag == ETAG
    assert {name: type(value) for name, value in row.columns.items() if name != "odata"} == {
        "String": str,
        "Typed": str,
        "LikeANumber": str,
        "Empty": str,
        "Bool": bool,
        "Int": int,
        "TypedInt": int,
        "Beyond": Int64,
        "Long": Int64,
        "Double": float,
        "Whole": float,
        "Minus0": float,
        "Infinity": float,
        "Time": type(row.columns["Time"]),
        "Ticks": type(row.columns["Ticks"]),
        "Tenth": type(row.columns["Tenth"]),
        "Binary": bytes,
        "Guid": type(row.columns["Guid"]),
    }


async def test_ticks_survive(twins: Twins) -> None:
    async def ticks(account: Account) -> object:
        row = await account.tables.read("Table", "p", "r")
        assert row is not None
        times = [row.timestamp, row.columns["Ticks"], row.columns["Time"]]
        return [tick_of(time) for time in times if isinstance(time, datetime)]

    assert await twins.same(ticks, answers.found(ENTITY)) == [7, 1, 0]


async def test_not_a_number(twins: Twins) -> None:
    async def text(account: Account) -> object:
        return repr(await read(account))

    entity = {**ENTITY, "N@odata.type": "Edm.Double", "N": "NaN"}
    assert "'N': nan" in str(await twins.same(text, answers.found(entity)))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {
            "x-ms-continuation-NextPartitionKey": "1!8!cA--",
            "x-ms-continuation-NextRowKey": "1!12!cm93",
        },
        {"x-ms-continuation-nextpartitionkey": "1!8!cA--"},
        {"x-ms-continuation-NextPartitionKey": "", "x-ms-continuation-NextRowKey": ""},
    ],
    ids=["last", "both keys", "partition key", "empty"],
)
@pytest.mark.parametrize("count", [0, 1, 3])
async def test_pages(twins: Twins, headers: Mapping[str, str], count: int) -> None:
    rows = [{**ENTITY, "RowKey": str(number)} for number in range(count)]
    value = {"odata.metadata": "http://acme/$metadata#Table", "value": rows}
    page = await twins.same(query, answers.found(value, headers))
    assert isinstance(page, Page)
    assert len(page.rows) == count
    assert (page.continuation is not None) == any(headers.values())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "plain",
        "&lt;a&gt;&amp;\"'",
        "tab\tline\nend",
        "é 漢 👍",
        "&#x7F;&#10;",
        "x" * 65536,
    ],
    ids=lambda text: ascii(text[:12]),
)
async def test_messages(twins: Twins, text: str) -> None:
    more = f"<DequeueCount>3</DequeueCount><MessageText>{text}</MessageText>"
    found = await twins.same(get, answers.messages(more, more))
    assert isinstance(found, list)
    message, _ = found
    assert isinstance(message, QueueMessage)
    assert (message.dequeue_count, message.pop_receipt) == (3, "AgAA+/=1")
    await twins.same(peek, answers.messages(more))
    await twins.same(peek, answers.messages("<DequeueCount>0</DequeueCount><MessageText />"))


async def test_a_receipt(twins: Twins) -> None:
    await twins.same(put, answers.PUT)


async def test_etags_of_a_batch(twins: Twins) -> None:
    etags = await twins.same(batch, answers.batch_done(3))
    assert isinstance(etags, list)
    assert etags[2] == "W/\"datetime'2024-05-06T07%3A08%3A02Z'\""


@pytest.mark.parametrize(
    "broken",
    [
        {"T@odata.type": "Edm.DateTime", "T": "tomorrow"},
        {"T@odata.type": "Edm.DateTime", "T": "2024-05-06T07:08:09"},
        {"T@odata.type": "Edm.Guid", "T": "no"},
        {"T@odata.type": "Edm.Binary", "T": "%"},
        {"T@odata.type": "Edm.Int64", "T": "many"},
        {"T@odata.type": "Edm.Geography", "T": "here"},
        {"T": {"nested": 1}},
        {"PartitionKey": None},
        {"RowKey": 1},
        {"Timestamp": "then"},
    ],
    ids=str,
)
async def test_what_cannot_be_understood(twins: Twins, broken: Mapping[str, object]) -> None:
    """By the direct adapter alone: the SDK's clients raise anything, or hand it on."""
    failure = await twins.direct(read, answers.found({**ENTITY, **broken}))
    assert isinstance(failure, Failure)
    assert failure.kind is CorruptRecord


@pytest.mark.parametrize(
    ("call", "answer"),
    [
        (read, answers.found([])),
        (query, answers.found({"odata.metadata": ""})),
        (query, answers.found({"value": []}, date="some day")),
        (batch, answers.batch_done(2)),
        (batch, answers.batch([("204 No Content", "", "")] * 3)),
        (put, answers.messages()),
        (get, answers.messages("<DequeueCount>some</DequeueCount>")),
        (get, answers.messages("<MessageId />")),
        (peek, answers.messages("<InsertionTime>then</InsertionTime>")),
        (get, answers.found({})),
        (read, answers.messages()),
    ],
    ids=[
        "no object",
        "no rows",
        "no date",
        "too few parts",
        "no etags",
        "no receipt",
        "no count",
        "no id",
        "no time",
        "no XML",
        "no JSON",
    ],
)
async def test_answers_that_are_none(twins: Twins, call: object, answer: AnswerMaker) -> None:
    """By the direct adapter alone, again."""
    assert callable(call)
    failure = await twins.direct(call, answer)
    assert isinstance(failure, Failure)
    assert failure.kind is CorruptRecord
