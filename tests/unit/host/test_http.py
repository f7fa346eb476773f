"""HTTP functions answer as under the host."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from io import BytesIO

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from durable.host import http
from durable.host.index import IndexedFunction
from durable.host.invoke import Invoker
from durable.host.routes import compile_routes
from tests.unit.host.host_clock import ManualClock

Index = Callable[[str], tuple[IndexedFunction, ...]]
Client = TestClient[web.Request, web.Application]
Serve = Callable[[], AbstractAsyncContextManager[Client]]

APP = """
    import json
    import threading
    import azure.functions as func
    app = func.FunctionApp()

    @app.route(route="echo/{*path}", methods=["GET", "POST"])
    async def echo(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
        about = {
            "method": req.method, "url": req.url, "params": dict(req.params),
            "route": dict(req.route_params), "custom": req.headers.get("X-Custom"),
            "body": len(req.get_body()), "function": context.function_name,
            "thread": threading.current_thread().name,
        }
        return func.HttpResponse(
            json.dumps(about), status_code=202, mimetype="application/json",
            headers={"Location": "/there", "Retry-After": "10"},
        )

    @app.route(route="sync")
    def sync(req: func.HttpRequest) -> str:
        return threading.current_thread().name

    @app.route(route="fails")
    async def fails(req: func.HttpRequest) -> str:
        raise ValueError("secret")

    @app.route(route="nothing")
    async def nothing(req):
        return None

    @app.route(route="text")
    async def text(req: str) -> func.HttpResponse:
        return func.HttpResponse(req.upper())

    @app.route(route="raw")
    async def raw(req: bytes) -> func.HttpResponse:
        return func.HttpResponse(req[::-1], headers={"Content-Type": "x/y", "Content-Length": "99"})
"""


@pytest.fixture
def serve(index: Index, invoker: Invoker, clock: ManualClock) -> Serve:
    @asynccontextmanager
    async def serving() -> AsyncIterator[Client]:
        app = http.make_app(compile_routes(index(APP), "api"), invoker, clock)
        async with TestClient(TestServer(app)) as client:
            yield client

    return serving


async def test_a_request_arrives_as_the_worker_gets_it(serve: Serve) -> None:
    async with serve() as client:
        answer = await client.post(
            "/API/Echo/a%2Fb/c%20d?x=1&x=2&y=&z=3", data=b"12345", headers={"X-Custom": "v"}
        )
        about = await answer.json()
        assert answer.status == 202
        assert answer.headers["Content-Type"] == "application/json"
        assert (answer.headers["Location"], answer.headers["Retry-After"]) == ("/there", "10")
        assert about["method"] == "POST"
        assert about["params"] == {"x": "1,2", "z": "3"}
        assert about["route"] == {"path": "a%2Fb/c d"}
        assert (about["custom"], about["body"], about["function"]) == ("v", 5, "echo")
        assert about["url"] == str(client.make_url("/")) + "API/Echo/a%2Fb/c%20d?x=1&x=2&y=&z=3"
        assert about["thread"] == "MainThread"


async def test_an_empty_rest_of_the_route_is_absent(serve: Serve) -> None:
    async with serve() as client:
        about = await (await client.get("/api/echo")).json()
        assert about["route"] == {}


async def test_a_chunked_body_arrives_empty(serve: Serve) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"12345"

    async with serve() as client:
        about = await (await client.post("/api/echo", data=chunks())).json()
        assert about["body"] == 0


async def test_large_bodies_pass(serve: Serve) -> None:
    async with serve() as client:
        about = await (await client.post("/api/echo", data=BytesIO(b"x" * 5_000_000))).json()
        assert about["body"] == 5_000_000
        answer = await client.post("/api/raw", data=BytesIO(b"x" * 5_000_000))
        assert len(await answer.read()) == 5_000_000


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "/api/echo"), ("GET", "/api/none"), ("GET", "/"), ("GET", "/echo")]
)
async def test_what_is_not_declared_is_not_found(serve: Serve, method: str, path: str) -> None:
    async with serve() as client:
        answer = await client.request(method, path)
        assert (answer.status, await answer.read()) == (404, b"")


async def test_a_synchronous_function_runs_in_a_thread(serve: Serve) -> None:
    async with serve() as client:
        answer = await client.get("/api/sync")
        assert (await answer.text()).startswith("function")
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize(("path", "said"), [("fails", "ValueError"), ("nothing", "NoneType")])
async def test_a_failure_is_a_bare_500_and_told_on_the_console(
    serve: Serve, path: str, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve() as client:
        answer = await client.get(f"/api/{path}")
        assert (answer.status, await answer.read()) == (500, b"")
    assert said in caplog.text


async def test_bodies_as_text_and_bytes(serve: Serve) -> None:
    async with serve() as client:
        answer = await client.post("/api/text", data="abc")
        assert await answer.text() == "ABC"
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        answer = await client.post("/api/raw", data=b"abc")
        assert await answer.read() == b"cba"
        assert answer.headers["Content-Type"] == "x/y"
