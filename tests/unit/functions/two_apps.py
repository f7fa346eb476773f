"""Two apps with a hub each, on two accounts in memory; the first one has clients of both."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import os
from collections.abc import AsyncIterator, Generator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import azure.functions as func
import pytest
from azure.functions.http import HttpRequest
from azure.functions.queue import QueueMessage

import durable as df
from durable.clock import SystemClock
from durable.errors import NotFound
from durable.functions import app as app_module
from durable.functions.builder import DurableFunctionBuilder
from durable.storage.azure.account import account_config
from durable.storage.memory import MemoryAccount
from durable.storage.values import QueueMessage as StoredMessage

HOST = {
    "extensions": {
        "queues": {"messageEncoding": "none"},
        "durableTask": {"hubName": "TheHub", "storageProvider": {"partitionCount": 1}},
    }
}
OVERRIDE = "AzureFunctionsJobHost__extensions__durableTask__"


class Accounts:
    """Accounts in memory, by the names of connections that are configured."""

    def __init__(self) -> None:
        self._accounts: dict[str, MemoryAccount] = {}

    def open(self, environ: Mapping[str, str], connection_name: str) -> MemoryAccount:
        account_config(environ, connection_name)
        return self._accounts.setdefault(connection_name, MemoryAccount(SystemClock()))


class App:
    """An indexed app, its queues pumped by hand."""

    def __init__(self, app: df.DFApp, accounts: Accounts, hub: str, connection: str) -> None:
        self.app = app
        self.functions = {
            str(each.get_function_name()): each.get_user_function() for each in app.get_functions()
        }
        self._account = accounts.open(os.environ, connection)
        self._prefix = f"{hub.lower()}-"

    async def call(self, function: str, **arguments: object) -> Any:
        """Call a function as the worker does: a plain one in a thread, all by keyword."""
        found = self.functions[function]
        if inspect.iscoroutinefunction(found):
            return await found(**arguments)
        return await asyncio.to_thread(found, **arguments)

    async def client(self, function: str, method: str, *arguments: object, **more: object) -> Any:
        """Call a method of the client of `function`; `doing` made it."""
        return await self.call(function, req=request({"do": [method, arguments, more]}))

    async def api(self, url: str, method: str = "GET") -> func.HttpResponse:
        """Follow one of its links."""
        parts = urlsplit(url.replace("{text}", "why").replace("{eventName}", "go"))
        sent = HttpRequest(
            method=method,
            url=url,
            headers={"content-type": "application/json"},
            params=dict(parse_qsl(parts.query)),
            route_params={"path": parts.path.removeprefix("/api/durabletask/")},
            body_type="bytes",
            body=b"1",
        )
        answer: func.HttpResponse = await self.call("durable_api", req=sent)
        return answer

    async def pump(self) -> None:
        """Deliver until the queues are empty."""
        queues = self._account.queues
        control = [
            (f"{self._prefix}{name.removeprefix('durable_').replace('_', '-')}", name)
            for name in self.functions
            if name.startswith("durable_control")
        ]
        busy = True
        while busy:
            busy = False
            for queue, name in (*control, (f"{self._prefix}workitems", "durable_workitems")):
                for message in await queues.get(queue, count=32, lease_seconds=600):
                    busy = True
                    await self.call(name, msg=_as_function_message(message))
                    with contextlib.suppress(NotFound):  # the app may have deleted it itself
                        await queues.delete(queue, message.id, message.pop_receipt)


def _as_function_message(message: StoredMessage) -> QueueMessage:
    made: QueueMessage = QueueMessage(  # type: ignore[no-untyped-call]
        id=message.id,
        body=message.text.encode(),
        dequeue_count=message.dequeue_count,
        pop_receipt=message.pop_receipt,
    )
    return made


def request(body: object = None) -> HttpRequest:
    return HttpRequest(
        method="POST",
        url="http://here/api/x",
        headers={},
        params={},
        route_params={},
        body_type="bytes",
        body=json.dumps(body, default=str).encode(),
    )


def _wait(context: df.DurableOrchestrationContext) -> Generator[object, Any, Any]:
    return [context.get_input(), (yield context.wait_for_external_event("go"))]


def _count(context: df.DurableOrchestrationContext) -> Generator[object, Any, int]:
    counted = 0
    while True:
        done = context.wait_for_external_event("done")
        if (yield context.task_any([context.wait_for_external_event("incr"), done])) is done:
            return counted
        counted += 1


def _worker() -> df.DFApp:
    app = df.DFApp()
    app.orchestration_trigger(context_name="context", orchestration="Count")(_count)
    app.orchestration_trigger(context_name="context", orchestration="Wait")(_wait)
    return app


def _front() -> df.DFApp:
    """An app with clients, each in a coroutine function and in a plain one."""
    app = _worker()

    async def coroutine(req: func.HttpRequest, client: Any) -> Any:
        method, arguments, more = req.get_json()["do"]
        answer = getattr(client, method)(*arguments, **more)
        return await answer if inspect.isawaitable(answer) else answer

    def plain(req: func.HttpRequest, client: Any) -> Any:
        method, arguments, more = req.get_json()["do"]
        answer = getattr(client, method)(*arguments, **more)
        assert not inspect.isawaitable(answer)
        return answer

    own = app.durable_client_input(client_name="client")
    other = app.durable_client_input(
        client_name="client", task_hub="%OTHER_HUB%", connection_name="%OTHER_STORAGE%"
    )
    for name, client, function in (
        ("own", own, coroutine),
        ("other", other, coroutine),
        ("own_plain", own, plain),
        ("other_plain", other, plain),
    ):
        built: DurableFunctionBuilder = client(function)
        app.function_name(name)(app.route(route=name)(built))
    return app


@asynccontextmanager
async def two_apps(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[App, App]]:
    """The app with the clients, and the other one, whose hub has three partitions."""
    (folder / "host.json").write_text(json.dumps(HOST))
    monkeypatch.chdir(folder)
    monkeypatch.delenv("AzureWebJobsScriptRoot", raising=False)
    monkeypatch.setenv("AZURE_FUNCTIONS_ENVIRONMENT", "Production")
    monkeypatch.setenv("WEBSITE_HOSTNAME", "app.example")
    for connection in ("AzureWebJobsStorage", "Second"):
        monkeypatch.setenv(connection, "UseDevelopmentStorage=true")
    monkeypatch.setenv("OTHER_HUB", "OtherHub")
    monkeypatch.setenv("OTHER_STORAGE", "Second")
    accounts = Accounts()
    monkeypatch.setattr(app_module, "_open_account", accounts.open)
    front = App(_front(), accounts, "TheHub", "AzureWebJobsStorage")
    with monkeypatch.context() as others:
        others.setenv(f"{OVERRIDE}hubName", "OtherHub")
        others.setenv(f"{OVERRIDE}storageProvider__partitionCount", "3")
        others.setenv(f"{OVERRIDE}storageProvider__connectionName", "Second")
        worker = App(_worker(), accounts, "OtherHub", "Second")
    for each in (front, worker):
        # The hub of an app is there once the app runs.
        await each.call("durable_sweeper", timer=None)
    try:
        yield front, worker
    finally:
        await front.app.close()
        await worker.app.close()
