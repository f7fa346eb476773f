from __future__ import annotations

import logging

import pytest

from durable.api.app import ManagementApi
from durable.api.http import Request, Response
from durable.api.links import ManagementAccess
from durable.client import Client
from durable.errors import (
    CorruptRecord,
    DurableError,
    PayloadTooLarge,
    StorageError,
    Throttled,
    TooLarge,
    Unavailable,
)
from durable.hub.taskhub import TaskHub
from durable.model.status import RuntimeStatus
from tests.unit.api.conftest import BASE, KEY, Caller, json_of, make_caller


@pytest.mark.parametrize(
    ("url", "headers", "status"),
    [
        ("/instances/i", {}, 401),
        ("/instances/i?code=wrong", {}, 401),
        (f"/instances/i?code={KEY}", {}, 200),
        ("/instances/i", {"x-functions-key": KEY}, 200),
        (f"/instances/i?code={KEY}", {"x-functions-key": "wrong"}, 401),
        (f"/instances?code={KEY}", {}, 200),
        ("/instances", {}, 401),
        ("/nowhere", {}, 404),
    ],
)
async def test_keys(guarded: Caller, url: str, headers: dict[str, str], status: int) -> None:
    await guarded.insert("i", RuntimeStatus.COMPLETED)
    answer = await guarded.ask("GET", url, headers=headers)
    assert answer.status == status
    if status in {401, 404}:
        assert (answer.body, answer.headers) == (b"", {})


async def test_a_start_needs_the_hub_key_even_for_a_known_id(guarded: Caller) -> None:
    await guarded.insert("i", RuntimeStatus.COMPLETED)
    keys = guarded.access.keys(guarded.hub)
    await keys.load()
    answer = await guarded.ask("POST", f"/orchestrators/f/i?code={keys.token('i')}")
    assert answer.status == 401


async def test_who_is_not_let_in_creates_nothing(hub: TaskHub) -> None:
    await make_caller(hub, require_key=True).ask("POST", "/orchestrators/f?code=wrong")
    assert await hub.account.tables.list_tables("") == []
    assert await hub.account.blobs.list_containers("") == []


async def test_in_development_no_key_is_asked_for_and_links_carry_none(caller: Caller) -> None:
    answer = await caller.ask("POST", "/orchestrators/f/i")
    assert answer.status == 202
    assert b"code=" not in answer.body
    assert "code=" not in answer.headers["Location"]
    assert (await caller.ask("GET", answer.headers["Location"])).status == 202


@pytest.mark.parametrize("query", ["taskHub=Other", "connection=NoSuch"])
async def test_hubs_and_connections_that_are_not_served_are_400(caller: Caller, query: str) -> None:
    answer = await caller.ask("GET", f"/instances?{query}")
    assert answer.status == 400
    assert query.split("=")[1] in json_of(answer)["ExceptionMessage"]


async def test_hub_names_compare_without_case(caller: Caller) -> None:
    answer = await caller.ask("GET", "/instances?taskHub=HUB1&connection=Storage")
    assert answer.status == 200


async def test_a_body_over_the_limit_is_refused(caller: Caller) -> None:
    fits = await caller.ask("POST", "/orchestrators/f/i", '"' + "x" * 998 + '"')
    assert fits.status == 202
    answer = await caller.ask("POST", "/orchestrators/f/j", '"' + "x" * 999 + '"')
    assert answer.status == 413
    assert "at most 1000" in json_of(answer)["Message"]


async def test_methods_in_any_case(caller: Caller) -> None:
    assert (await caller.ask("get", "/instances")).status == 200


class Breaking:
    """An API whose hub breaks with an error."""

    def __init__(self, error: Exception) -> None:
        access = ManagementAccess(configured_key=None, require_key=False)

        async def client_for(task_hub: str | None, connection: str | None) -> Client:
            raise error

        self.api = ManagementApi(client_for, access)
        self.request = Request(method="GET", path="/instances", base_url=BASE)


async def test_an_unexpected_error_is_500_and_its_text_stays_inside(
    caplog: pytest.LogCaptureFixture,
) -> None:
    broken = Breaking(ValueError("PAYLOAD"))
    with caplog.at_level(logging.ERROR):
        answer = await broken.api.handle(broken.request)
    assert answer.status == 500
    body = json_of(answer)
    assert body["Message"] == "Something went wrong while processing your request"
    assert list(body) == ["Message", "ExceptionMessage", "ExceptionType", "StackTrace"]
    assert body["ExceptionType"] == "builtins.ValueError"
    assert "ValueError" in caplog.text
    assert "test_app.py" in caplog.text
    assert "PAYLOAD" not in caplog.text + answer.body.decode()


@pytest.mark.parametrize(
    ("kind", "status"), [(Unavailable, 503), (Throttled, 503), (CorruptRecord, 500)]
)
async def test_storage_that_fails_says_so(
    caplog: pytest.LogCaptureFixture, kind: type[StorageError], status: int
) -> None:
    broken = Breaking(kind("No answer from the table service."))
    with caplog.at_level(logging.ERROR):
        answer = await broken.api.handle(broken.request)
    assert answer.status == status
    assert json_of(answer)["ExceptionMessage"] == "No answer from the table service."
    assert "No answer from the table service." in caplog.text
    assert "Traceback" not in caplog.text  # its text says all


@pytest.mark.parametrize("kind", [TooLarge, PayloadTooLarge])
async def test_what_can_not_be_kept_is_413(kind: type[DurableError]) -> None:
    broken = Breaking(kind("The input is too large."))
    assert (await broken.api.handle(broken.request)).status == 413


async def test_keys_are_not_in_representations() -> None:
    request = Request(
        method="GET",
        path="/instances",
        query={"code": KEY},
        headers={"x-functions-key": KEY},
        body=KEY.encode(),
        base_url=BASE,
    )
    assert KEY not in repr(request)
    assert KEY not in repr(Response(status=202, headers={"Location": f"{BASE}?code={KEY}"}))
