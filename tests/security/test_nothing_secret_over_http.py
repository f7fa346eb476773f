"""Requests, ours and those to us: no key, header, content or query of them reaches a log."""

from __future__ import annotations

import inspect
import json
from urllib.parse import quote

import azure.functions as func
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from durable.clock import SystemClock
from durable.errors import HttpCallFailed
from durable.host.http import make_app
from durable.host.index import index_function
from durable.host.invoke import Invoker
from durable.host.routes import compile_routes
from durable.host.run import Host
from durable.hub.settings import HubSettings
from durable.hub.taskhub import TaskHub
from durable.model.http import HttpRequest
from durable.runtime.http_client import HttpClient
from durable.storage.memory import MemoryAccount
from tests.security.telling import SECRET, heard
from tests.unit.api.conftest import make_caller
from tests.unit.runtime.web import serving


async def test_requests_to_the_api_are_not_told_with_their_keys_and_bodies() -> None:
    clock = SystemClock()
    hub = TaskHub(MemoryAccount(clock), HubSettings(name="Hub1"), clock)
    caller = make_caller(hub, require_key=True, key=SECRET)
    body = json.dumps({"input": SECRET})
    with heard() as log:
        for code in (SECRET, f"wrong{SECRET}"):
            for method, path in (
                ("POST", "/orchestrators/hello/i"),
                ("GET", "/instances/i"),
                ("GET", "/instances"),
                ("POST", "/instances/i/raiseEvent/E"),
                ("POST", "/instances/i/terminate"),
                ("DELETE", "/instances/i"),
                ("POST", "/entities/counter/a"),
                ("GET", "/quarantine"),
            ):
                url = f"{path}?code={quote(code)}&reason={SECRET}&op=add&top={SECRET}"
                headers = {"content-type": "application/json"}
                answer = await caller.ask(method, url, body, headers)
                assert answer.status != 500
                await caller.ask(method, url, body[:-1], headers)
    log.assert_nothing_secret(but_something=False)


async def test_the_local_host_tells_a_path_without_its_query() -> None:
    app = func.FunctionApp()

    @app.route(route="x/{id}")
    async def x(req: func.HttpRequest) -> str:
        return "ok"

    functions = tuple(index_function(each) for each in app.get_functions())
    clock = SystemClock()
    invoker = Invoker(clock, ".", None)
    assert "access_log=None" in inspect.getsource(Host.serve)  # aiohttp's has the whole address
    server = TestServer(make_app(compile_routes(functions, "api"), invoker, clock))
    with heard() as log:
        async with TestClient(server) as client:
            answer = await client.post(
                f"/api/x/1?code={SECRET}", data=SECRET, headers={"x-functions-key": SECRET}
            )
            assert answer.status == 200
    invoker.close()
    log.assert_nothing_secret()
    assert any("/api/x/1 -> 200" in line for line in log.lines)


async def test_calls_of_http_services_tell_no_header_no_content_and_no_query() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        match request.path:
            case "/closes":
                assert request.transport is not None
                request.transport.close()
                return web.Response()
            case "/large":
                return web.Response(text=SECRET * 100)
            case "/moves":
                return web.Response(status=302, headers={"Location": f"/closes?{SECRET}"})
            case _:
                return web.Response(text=SECRET)

    client = HttpClient(max_content_bytes=50)
    with heard() as log:
        async with serving(answer) as server:
            for path in ("/ok", "/closes", "/large", "/moves"):
                request = HttpRequest(
                    method="POST",
                    uri=server.base.replace("//", f"//user:{SECRET}@") + f"{path}?sig={SECRET}",
                    headers={"Authorization": f"Bearer {SECRET}", "X-Key": SECRET},
                    content=SECRET,
                )
                if path == "/ok":
                    assert SECRET in str((await client.send(request)).content)
                    continue
                with pytest.raises(HttpCallFailed) as failed:
                    await client.send(request)
                assert SECRET not in str(failed.value)
        await client.close()
    log.assert_nothing_secret(but_something=False)
