"""An indexed app run end to end through its own functions, over the account in memory."""

from __future__ import annotations

import asyncio
import inspect
import json
import threading
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import azure.functions as func
import pytest
from azure.functions.http import HttpRequest
from azure.functions.queue import QueueMessage
from azure.functions.timer import TimerRequest

import durable as df
from durable.clock import SystemClock
from durable.errors import NotFound
from durable.functions import app as app_module
from durable.functions.injection import on_loop
from durable.storage.memory import MemoryAccount
from durable.storage.values import QueueMessage as StoredMessage

T = TypeVar("T")


class Storage:
    """One account in memory, opened under any connection name; it can be made to fail."""

    def __init__(self) -> None:
        self.failing: BaseException | None = None
        self.opened: list[str] = []
        self.account = MemoryAccount(SystemClock(), intercept=self)

    async def __call__(
        self, service: str, operation: str, resource: str, call: Callable[[], T]
    ) -> T:
        if self.failing is not None:
            raise self.failing
        return call()

    def open(self, environ: object, connection_name: str) -> MemoryAccount:
        self.opened.append(connection_name)
        return self.account


@pytest.fixture
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Storage:
    """Storage of the app in the current folder."""
    settings: dict[str, Any] = {
        "extensions": {
            "queues": {"messageEncoding": "none", "visibilityTimeout": "00:00:01"},
            "durableTask": {"hubName": "TheHub", "storageProvider": {"partitionCount": 1}},
        }
    }
    (tmp_path / "host.json").write_text(json.dumps(settings))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AzureWebJobsScriptRoot", raising=False)
    monkeypatch.setenv("AZURE_FUNCTIONS_ENVIRONMENT", "Development")
    found = Storage()
    monkeypatch.setattr(app_module, "_open_account", found.open)
    return found


class Running:
    """An app as the host would run it: its functions by name, its queues pumped by hand."""

    def __init__(self, app: df.DFApp, storage: Storage) -> None:
        self.app = app
        self.storage = storage
        self.functions = {
            str(f.get_function_name()): f.get_user_function() for f in app.get_functions()
        }

    async def call(self, name: str, argument: object) -> Any:
        function = self.functions[name]
        if inspect.iscoroutinefunction(function):
            return await function(argument)
        return await asyncio.to_thread(function, argument)

    async def pump(self) -> None:
        """Deliver until the queues are empty."""
        queues = self.storage.account.queues
        busy = True
        while busy:
            busy = False
            for queue, name in (
                ("thehub-control-00", "durable_control_00"),
                ("thehub-workitems", "durable_workitems"),
            ):
                for message in await queues.get(queue, count=32, lease_seconds=600):
                    busy = True
                    assert await self.call(name, as_function_message(message)) is None
                    # The app has deleted it itself: the host's own delete fails silently.
                    with pytest.raises(NotFound):
                        await queues.delete(queue, message.id, message.pop_receipt)


def as_function_message(message: StoredMessage) -> QueueMessage:
    made: QueueMessage = QueueMessage(  # type: ignore[no-untyped-call]
        id=message.id,
        body=message.text.encode(),
        dequeue_count=message.dequeue_count,
        insertion_time=message.inserted,
        time_next_visible=message.next_visible,
        pop_receipt=message.pop_receipt,
    )
    return made


def request(method: str = "GET", path: str = "", **params: str) -> HttpRequest:
    return HttpRequest(
        method=method,
        url="http://here/api/x",
        headers={},
        params=params,
        route_params={"path": path} if path else {},
        body_type="bytes",
        body=b"",
    )


def sample() -> df.DFApp:
    app = df.DFApp()

    @app.activity_trigger(input_name="name")
    async def hello(name: str) -> str:
        return f"Hello {name}!"

    @app.orchestration_trigger(context_name="context")
    def greet(context: df.DurableOrchestrationContext) -> Generator[object, str, str]:
        return (yield context.call_activity(hello, context.get_input()))

    @app.route(route="start")
    @app.durable_client_input(client_name="client")
    async def start(
        req: func.HttpRequest, client: df.DurableOrchestrationClient
    ) -> func.HttpResponse:
        instance_id = await client.start_new("greet", req.params.get("id"), "you")
        return client.create_check_status_response(req, instance_id)

    @app.route(route="sync")
    @app.durable_client_input(client_name="client")
    def start_in_a_thread(req: func.HttpRequest, client: Any) -> func.HttpResponse:
        instance_id = client.start_new("greet", "from-a-thread", threading.current_thread().name)
        assert client.get_status(instance_id).name == "greet"
        response: func.HttpResponse = client.create_check_status_response(req, instance_id)
        return response

    @app.route(route="other")
    @app.durable_client_input(client_name="mine", task_hub="THEHUB", connection_name="Storage")
    @app.durable_client_input(client_name="other", task_hub="%OTHER%", connection_name="Second")
    async def both(req: func.HttpRequest, mine: Any, other: Any) -> str:
        await other.start_new("whatever", "there")
        return f"{mine.task_hub_name} {other.task_hub_name}"

    return app


@asynccontextmanager
async def running(storage: Storage, app: df.DFApp | None = None) -> AsyncIterator[Running]:
    made = Running(app or sample(), storage)
    try:
        yield made
    finally:
        await made.app.close()


async def test_from_start_to_result(storage: Storage) -> None:
    async with running(storage) as app:
        assert storage.opened == []  # indexing opens nothing
        started = await app.call("start", request(id="one"))
        assert started.status_code == 202
        assert json.loads(started.get_body())["id"] == "one"
        assert started.headers["Location"].startswith("http://here/api/durabletask/instances/one?")
        await app.pump()
        status = await app.call("durable_api", request(path="instances/one"))
        assert status.status_code == 200
        assert json.loads(status.get_body())["output"] == "Hello you!"
        assert storage.opened == ["AzureWebJobsStorage"]


async def test_a_synchronous_client_function(storage: Storage) -> None:
    async with running(storage) as app:
        started = await app.call("start_in_a_thread", request())
        assert json.loads(started.get_body())["id"] == "from-a-thread"
        await app.pump()
        status = await app.call("durable_api", request(path="instances/from-a-thread"))
        assert json.loads(status.get_body())["runtimeStatus"] == "Completed"


def test_a_synchronous_client_function_without_a_loop_to_go_to(storage: Storage) -> None:
    app = Running(sample(), storage)  # indexed outside any loop, as a unit test may
    started = app.functions["start_in_a_thread"](request())
    assert json.loads(started.get_body())["id"] == "from-a-thread"
    asyncio.run(app.app.close())


async def test_a_bridge_to_ones_own_loop_is_refused() -> None:
    async def never() -> None: ...

    with pytest.raises(df.UsageError, match="called on the event loop"):
        on_loop(asyncio.get_running_loop(), never)


async def test_clients_of_the_own_and_of_another_hub(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTHER", "OtherHub")
    async with running(storage) as app:
        assert await app.call("both", request()) == "TheHub OtherHub"
        assert storage.opened == ["AzureWebJobsStorage", "Second"]
        found = await app.call(
            "durable_api", request(path="instances/there", taskHub="otherhub", connection="Second")
        )
        assert found.status_code == 202
        unknown = await app.call("durable_api", request(path="instances/x", taskHub="Nobodys"))
        assert unknown.status_code == 400
        assert not await storage.account.queues.list_queues("nobodys")


async def test_the_sweeper_creates_the_hub(storage: Storage) -> None:
    async with running(storage) as app:
        await app.call("durable_sweeper", TimerRequest())
        assert await storage.account.queues.list_queues("thehub-") == [
            "thehub-control-00",
            "thehub-workitems",
        ]


async def test_the_sweeper_tells_of_storage_trouble_in_a_line(storage: Storage) -> None:
    storage.failing = df.Unavailable("nobody there")
    async with running(storage) as app:
        with pytest.raises(RuntimeError, match="waits for its next run: nobody there"):
            await app.call("durable_sweeper", TimerRequest())


@pytest.mark.parametrize("name", ["start", "durable_control_00", "durable_api", "durable_sweeper"])
async def test_no_cancellation_escapes(storage: Storage, name: str) -> None:
    argument: object = request(id="x")
    if "control" in name:
        argument = QueueMessage(id="1", body=b"junk", dequeue_count=1)  # type: ignore[no-untyped-call]
    elif name == "durable_sweeper":
        argument = TimerRequest()
    async with running(storage) as app:
        storage.failing = asyncio.CancelledError()
        if name == "durable_api":
            argument = request(path="instances/x")
        with pytest.raises(RuntimeError, match=f"'{name}' was cancelled"):
            await app.call(name, argument)
        storage.failing = None


async def test_ones_own_lease_deletes_what_is_done(storage: Storage, tmp_path: Path) -> None:
    settings = json.loads((tmp_path / "host.json").read_text())
    settings["extensions"]["durableTask"]["ownLeaseSeconds"] = 45
    (tmp_path / "host.json").write_text(json.dumps(settings))
    async with running(storage) as app:
        await app.call("start", request(id="one"))
        queues = storage.account.queues
        (message,) = await queues.get("thehub-control-00", count=1, lease_seconds=600)
        await app.call("durable_control_00", as_function_message(message))
        assert await queues.count("thehub-control-00") == 0


async def test_outside_development_the_api_asks_for_a_key(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_FUNCTIONS_ENVIRONMENT", "Production")
    monkeypatch.setenv("DURABLE_API_KEY", "the-key")
    async with running(storage) as app:
        started = await app.call("start", request(id="one"))
        assert "code=" in started.headers["Location"]
        refused = await app.call("durable_api", request(path="instances/one"))
        assert refused.status_code == 401
        let_in = await app.call("durable_api", request(path="instances/one", code="the-key"))
        assert let_in.status_code == 202


@pytest.mark.parametrize(
    ("host", "base"),
    [
        ("localhost:7071", "http://localhost:7071/api/durabletask"),
        ("app.azurewebsites.net", "https://app.azurewebsites.net/api/durabletask"),
    ],
)
async def test_links_without_a_request(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, host: str, base: str
) -> None:
    monkeypatch.setenv("WEBSITE_HOSTNAME", host)
    seen: list[str] = []
    app = df.DFApp()

    @app.queue_trigger(arg_name="msg", queue_name="q", connection="c")
    @app.durable_client_input(client_name="client")
    async def from_a_queue(msg: func.QueueMessage, client: df.DurableOrchestrationClient) -> None:
        seen.append(client.create_http_management_payload("x")["statusQueryGetUri"])

    async with running(storage, app) as made:
        await made.call("from_a_queue", None)
    assert seen[0].startswith(f"{base}/instances/x?")


async def test_a_client_before_indexing_is_refused(storage: Storage) -> None:
    handle = df.DFApp().durable_client_input(client_name="client")(lambda req, client: None)
    with pytest.raises(df.UsageError, match="client_function with a client of your own"):
        await asyncio.to_thread(handle._shown.get_user_function(), None)
