"""What a caller chose never becomes a header of its own, and links lead where they should."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import azure.functions as func
import pytest
from aiohttp import ServerDisconnectedError, web
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import given

from durable.api.contract import IGNORED
from durable.api.http import Response
from durable.api.links import instance_url, own_url
from durable.functions import adapt
from durable.functions.config import AppConfig, config_from
from durable.hostjson import parse_host_json
from durable.hub.settings import HubSettings
from durable.hub.taskhub import TaskHub
from durable.model.http import HttpRequest
from durable.model.status import RuntimeStatus
from durable.runtime.http_client import HttpClient
from durable.storage.memory import MemoryAccount
from tests.manual_clock import ManualClock
from tests.security.hostile import ANYTHING, any_text
from tests.unit.api.conftest import BASE, Caller, make_caller
from tests.unit.runtime.web import serving

_PLAIN = re.compile(r"[\x20-\x7e]*")
#: Ids that .NET may have made, which ours never do.
IDS = (*ANYTHING, 'x"><script>alert(1)</script>', "\u2028", "\x85", "a\r\n\r\n<html>")


def _caller(*, require_key: bool = False) -> Caller:
    clock = ManualClock()
    hub = TaskHub(MemoryAccount(clock), HubSettings(name="Hub1"), clock)
    return make_caller(hub, require_key=require_key)


def _assert_is_clean(answer: Response) -> None:
    for name, value in answer.headers.items():
        assert re.fullmatch(r"[A-Za-z-]+", name)
        assert _PLAIN.fullmatch(value), (name, value)
    if answer.body:  # nothing that a browser would run
        assert answer.headers["Content-Type"].startswith("application/json")
        json.loads(answer.body)


@pytest.mark.parametrize("instance_id", IDS)
async def test_an_id_in_a_location_is_one_segment_and_no_header(instance_id: str) -> None:
    caller = _caller()
    await caller.insert(instance_id, RuntimeStatus.RUNNING)
    url = (
        f"/instances/{quote(instance_id, safe='')}?showInput=false&x={quote(instance_id, safe='')}"
    )
    answer = await caller.ask("GET", url)
    assert answer.status == 202
    _assert_is_clean(answer)
    location = urlsplit(answer.headers["Location"])
    assert f"{location.scheme}://{location.netloc}" == "https://app.example"
    assert unquote(location.path.rpartition("/")[2]) == instance_id
    assert dict(parse_qsl(location.query))["x"] == instance_id
    assert json.loads(answer.body)["instanceId"] == instance_id


@given(any_text, any_text)
def test_links_hold_no_blank_no_line_end_and_no_quote(instance_id: str, value: str) -> None:
    for url in (instance_url(BASE, instance_id), own_url(BASE, instance_id, {value: value})):
        assert url.startswith(f"{BASE}/instances/")
        assert re.fullmatch(r"[A-Za-z0-9._~%/:?&=-]*", url)


@pytest.mark.parametrize("text", IDS)
async def test_no_parameter_and_no_name_becomes_a_header_or_a_page(text: str) -> None:
    caller = _caller()
    await caller.insert("i", RuntimeStatus.COMPLETED)
    given = quote(text, safe="")
    ignored = 0
    for path in (
        f"/instances?top={given}&createdTimeFrom={given}&runtimeStatus={given}&showInput={given}",
        f"/instances?instanceIdPrefix={given}",
        f"/instances/i?showHistory={given}",
        f"/instances?taskHub={given}",
        f"/instances?connection={given}",
        f"/instances/{given}x",
        f"/entities/{given}/{given}",
        f"/quarantine?queue={given}&top={given}",
        f"/{given}",
    ):
        answer = await caller.ask("GET", path)
        assert answer.status < 500
        _assert_is_clean(answer)
        ignored += IGNORED in answer.headers
    assert ignored or not text.strip()
    for method, path in (
        ("POST", f"/orchestrators/{given}?timeout={given}&pollingInterval={given}"),
        ("POST", f"/orchestrators/hello/{given}"),
        ("POST", f"/instances/i/raiseEvent/{given}"),
        ("POST", f"/instances/i/terminate?reason={given}"),
        ("DELETE", f"/instances?createdTimeFrom={given}"),
        ("POST", f"/entities/{given}/{given}?op={given}"),
    ):
        answer = await caller.ask(method, path, b"{}", {"content-type": "application/json"})
        assert answer.status < 500, (path, answer)
        _assert_is_clean(answer)


@pytest.mark.parametrize(
    "token", [*IDS, "W10=", "[" * 9_000, "e30=", "WyJhenVyZSIsICJhIiwgImIiXQ=="]
)
async def test_a_continuation_that_was_tampered_with_is_a_clear_400(token: str) -> None:
    caller = _caller()
    await caller.insert("i", RuntimeStatus.COMPLETED)
    for path in ("/instances", "/entities", "/quarantine"):
        answer = await caller.ask("GET", path, headers={"x-ms-continuation-token": token})
        _assert_is_clean(answer)
        if token.strip():
            assert answer.status == 400, (path, answer)
            assert b"continuation" in answer.body


def _request(url: str, headers: Mapping[str, str]) -> func.HttpRequest:
    made: Any = func.HttpRequest(method="GET", url=url, headers=headers, body=b"")
    return made  # type: ignore[no-any-return]


def _config(**http: object) -> AppConfig:
    settings = {"version": "2.0", "extensions": {"durableTask": {"hubName": "Hub1", **http}}}
    return config_from(parse_host_json(json.dumps(settings), {}))


EVIL = {"x-forwarded-host": "evil.example", "x-forwarded-proto": "http", "host": "evil.example"}


def test_links_name_the_host_of_the_request_and_no_other_header() -> None:
    """The Functions host makes the url of what its front end let through."""
    url = "https://app.example/api/x?y=https://evil.example"
    assert adapt.base_url(_request(url, EVIL), _config()).startswith("https://app.example/")
    fixed = _config(notificationUrl="https://fixed.example/api/durabletask")
    assert adapt.base_url(_request(url, EVIL), fixed) == "https://fixed.example/api/durabletask"
    forwarded = _config(httpSettings={"useForwardedHost": True})
    assert adapt.base_url(_request(url, EVIL), forwarded).startswith("http://evil.example/")


def test_a_hosts_name_cannot_split_a_header_or_leave_its_place() -> None:
    forwarded = _config(httpSettings={"useForwardedHost": True})
    for proto in ("ftp", "javascript", "http\r\nX: 1", "https://evil.example/?"):
        headers = {"x-forwarded-proto": proto}
        base = adapt.base_url(_request("https://app.example/x", headers), forwarded)
        assert base.startswith("https://app.example/"), proto
    for host in ("evil\r\nX-Evil: 1", 'evil"><x', "a b", "evil/path?x=", "user@evil", "evil#", "é"):
        base = adapt.base_url(
            _request("https://app.example/x", {"x-forwarded-host": host}), forwarded
        )
        assert base.startswith("https://app.example/"), host


async def test_the_local_host_sends_no_header_with_a_line_end() -> None:
    """aiohttp refuses: a function that tries to split its answer fails, nothing is sent."""

    async def handle(request: web.Request) -> web.Response:
        return web.Response(headers={"X-A": request.query["x"]})

    app = web.Application()
    app.router.add_get("/", handle)
    async with TestClient(TestServer(app)) as client:
        with pytest.raises(ServerDisconnectedError):
            await client.get("/", params={"x": "a\r\nX-Evil: 1"})


@pytest.mark.parametrize("text", ["a\r\nX-Evil: 1", "a\nb", "a\rb", "a\0b"])
async def test_call_http_sends_no_second_header_and_no_second_request(text: str) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response()

    client = HttpClient()
    async with serving(answer) as server:
        for changed in (
            {"headers": {"X-A": text}},
            {"headers": {text: "x"}},
            {"method": f"GET / HTTP/1.1\r\n{text}"},
            {"method": text},
            {"uri": f"{server.base}/{text}"},
        ):
            made: dict[str, Any] = {"method": "GET", "uri": f"{server.base}/x", "headers": {}}
            try:
                await client.send(HttpRequest(**{**made, **changed}))
            except Exception:
                continue
        await client.close()
        assert not [each for each in server.asked if each.header("X-Evil")]
        assert {each.method for each in server.asked} <= {"GET"}
