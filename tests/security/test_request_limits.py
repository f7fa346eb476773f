"""Requests that are too large, too deep or too long get an answer that says so, and cost little."""

from __future__ import annotations

import inspect
import json
from collections.abc import AsyncIterator

import azure.functions as func
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from durable.api.app import MAX_BODY_BYTES, ManagementApi
from durable.clock import SystemClock
from durable.host import http
from durable.host.index import index_function
from durable.host.invoke import Invoker
from durable.host.routes import compile_routes
from durable.hub.settings import HubSettings
from durable.hub.taskhub import TaskHub
from durable.model.status import RuntimeStatus
from durable.storage.memory import MemoryAccount
from tests.manual_clock import ManualClock
from tests.unit.api.conftest import KEY, Caller, json_of, make_caller

JSON = {"content-type": "application/json"}
#: Whoever takes a body.
TAKERS = ("/orchestrators/hello/i9", "/instances/i/raiseEvent/E", "/entities/counter/a?op=add")


async def _caller(*, require_key: bool = False, max_body: int = 10**7) -> Caller:
    clock = ManualClock()
    hub = TaskHub(MemoryAccount(clock), HubSettings(name="Hub1"), clock)
    caller = make_caller(hub, require_key=require_key, max_body=max_body)
    await caller.insert("i", RuntimeStatus.RUNNING)
    return caller


@pytest.mark.parametrize("path", TAKERS)
async def test_a_body_over_the_limit_is_413(path: str) -> None:
    caller = await _caller(max_body=1000)
    body = json.dumps("x" * 1000)
    answer = await caller.ask("POST", path, body, JSON)
    assert answer.status == 413
    assert json_of(answer)["Message"] == "The body has 1002 bytes; at most 1000 are read."
    assert (await caller.ask("POST", path, body[:500] + '"', JSON)).status == 202


def test_the_limit_is_the_functions_hosts() -> None:
    assert MAX_BODY_BYTES == http.MAX_BODY_BYTES == 100 * 1024 * 1024
    defaults = inspect.signature(ManagementApi).parameters
    assert defaults["max_body_bytes"].default == MAX_BODY_BYTES


DEEP = (
    "[" * 100_000,
    "[" * 100_000 + "]" * 100_000,
    '{"a":' * 50_000 + "1" + "}" * 50_000,
    "9" * 5_000,
    f"[{'9' * 5_000}]",
    f"-{'9' * 100_000}",
    "1e999999999",
    f"0.{'1' * 10}e{'9' * 400}",
    "NaN",
    "Infinity",
    '"\\ud800',
    "{" * 1_000,
    '{"a":1,}',
    "\ufeff\ufeff1",
)


@pytest.mark.parametrize("body", DEEP, ids=range(len(DEEP)))
@pytest.mark.parametrize("path", TAKERS)
async def test_json_that_nobody_can_hold_is_400(path: str, body: str) -> None:
    caller = await _caller()
    answer = await caller.ask("POST", path, body, JSON)
    assert answer.status == 400, answer
    told = json.dumps(json_of(answer))
    assert len(told) < 1_000
    assert "99999" not in told


async def test_a_body_that_is_no_utf8_is_400() -> None:
    caller = await _caller()
    for path in TAKERS:
        assert (await caller.ask("POST", path, b'"\xff\xfe"', JSON)).status == 400


async def test_wide_json_and_many_parameters_cost_no_more_than_their_size() -> None:
    caller = await _caller()
    members = ",".join(f'"{n}":{n}' for n in range(20_000))
    for path in TAKERS:
        assert (await caller.ask("POST", path, f"{{{members}}}", JSON)).status == 202
    many = "&".join(f"p{n}={n}" for n in range(20_000))
    assert (await caller.ask("GET", f"/instances?{many}")).status == 200
    assert (await caller.ask("GET", "/" + "/".join("x" * 20_000))).status == 404


@pytest.mark.parametrize("digits", ["9" * 5_000, "-" + "9" * 5_000, "1e" + "9" * 300, "٣" * 5])
async def test_long_numbers_in_parameters_are_told_short(digits: str) -> None:
    caller = await _caller()
    for name in ("top", "timeout", "pollingInterval", "createdTimeFrom", "runtimeStatus"):
        method, path = (
            ("POST", "/orchestrators/hello") if "i" in name[:2] else ("GET", "/instances")
        )
        answer = await caller.ask(method, f"{path}?{name}={digits}")
        assert answer.status in {200, 202, 400}
        assert sum(len(value) for value in answer.headers.values()) < 4_000
        assert len(answer.body) < 4_000


async def test_names_that_are_too_long_are_400() -> None:
    caller = await _caller()
    long = "x" * 20_000
    for method, path in (
        ("POST", f"/orchestrators/hello/{long}"),
        ("POST", f"/entities/{long}/a"),
        ("POST", f"/entities/counter/{long}"),
        ("POST", f"/instances/i/raiseEvent/{long}"),
    ):
        answer = await caller.ask(method, path, "1", JSON)
        assert answer.status in {400, 413}, (path[:30], answer)
        assert len(answer.body) < 2_000
    assert (await caller.ask("GET", f"/instances/{long}")).status == 404


async def test_a_large_body_without_a_key_is_not_even_parsed() -> None:
    caller = await _caller(require_key=True)
    for body in DEEP:
        for path in TAKERS:
            assert (await caller.ask("POST", path, body, JSON)).status == 401
    assert (await caller.ask("POST", f"{TAKERS[0]}?code={KEY}", "[" * 1000, JSON)).status == 400


@pytest.fixture
async def client(
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[TestClient[web.Request, web.Application]]:
    """A local host that takes 1,000 bytes, and a function that tells how much came."""
    monkeypatch.setattr(http, "MAX_BODY_BYTES", 1000)
    app = func.FunctionApp()

    @app.route(route="x", methods=["POST"])
    async def x(req: func.HttpRequest) -> str:
        return str(len(req.get_body()))

    clock = SystemClock()
    invoker = Invoker(clock, ".", None)
    functions = tuple(index_function(each) for each in app.get_functions())
    server = TestServer(http.make_app(compile_routes(functions, "api"), invoker, clock))
    async with TestClient(server) as found:
        yield found
    invoker.close()


async def test_the_local_host_reads_no_more_than_its_limit(
    client: TestClient[web.Request, web.Application],
) -> None:
    for size, status in ((1000, 200), (1001, 413), (100_000, 413)):
        answer = await client.post("/api/x", data=b"x" * size)
        assert answer.status == status
    for size in (1000, 1_000_000):

        async def pieces(size: int = size) -> AsyncIterator[bytes]:
            yield b"x" * size

        # The host hands on no body without a length, whatever its size.
        answer = await client.post("/api/x", data=pieces())
        assert (answer.status, await answer.text()) in {
            (200, "0"),
            (413, ""),
        } or answer.status == 413


async def test_the_local_host_takes_no_endless_line_and_no_endless_headers(
    client: TestClient[web.Request, web.Application],
) -> None:
    assert (await client.post("/api/x?" + "x" * 20_000)).status == 400
    assert (await client.post("/api/x", headers={"X-A": "x" * 20_000})).status == 400
