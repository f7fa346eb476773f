"""The host put together: in this process over the account in memory, and as a program."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import TypeVar

import pytest
from aiohttp import ClientSession

from durable.clock import SystemClock
from durable.errors import Unavailable
from durable.host.config import read_host_config
from durable.host.index import index_app
from durable.host.run import Host, main
from durable.storage.memory import MemoryAccount
from tests.unit.host.conftest import MakeApp

T = TypeVar("T")

HOST_JSON = {
    "extensions": {"queues": {"messageEncoding": "none", "maxPollingInterval": "00:00:00.1"}}
}
APP = """
    import asyncio
    import azure.functions as func
    app = func.FunctionApp()
    app.seen = asyncio.Queue()

    @app.route(route="hello")
    async def hello(req: func.HttpRequest) -> str:
        return "hi"

    @app.queue_trigger(arg_name="msg", queue_name="%Q%", connection="Store")
    async def work(msg: func.QueueMessage) -> None:
        await app.seen.put(("work", msg.get_body()))

    @app.queue_trigger(arg_name="msg", queue_name="texts", connection="Store")
    async def texts(msg: str) -> None:
        await app.seen.put(("texts", msg))

    @app.queue_trigger(arg_name="msg", queue_name="raws", connection="Store")
    def raws(msg: bytes):
        app.loop.call_soon_threadsafe(app.seen.put_nowait, ("raws", msg))
        return "this is a failure: nothing takes it"

    @app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *", run_on_startup=True)
    async def tick(timer: func.TimerRequest) -> None:
        app.loop = asyncio.get_running_loop()
        await app.seen.put(("tick", timer.past_due))

    @app.blob_trigger(arg_name="blob", path="x/{name}", connection="Store")
    def blobs(blob: func.InputStream) -> None: ...

    @app.route(route="out")
    @app.queue_output(arg_name="out", queue_name="x", connection="Store")
    def out(req: func.HttpRequest, out: func.Out[str]) -> str: ...
"""


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def serving(
    folder: Path, account: MemoryAccount, environ: Mapping[str, str]
) -> AsyncIterator[tuple[str, asyncio.Event]]:
    app = index_app(folder)
    config = read_host_config(folder, environ)
    host = Host(app, config, environ, SystemClock(), lambda _: account)
    stop = asyncio.Event()
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        base = f"http://127.0.0.1:{listening.getsockname()[1]}"
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(host.serve(listening, base, stop))
            try:
                yield base, stop
            finally:
                stop.set()
        await app.close()


async def test_it_runs_what_was_indexed(
    make_app: MakeApp, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    account = MemoryAccount(SystemClock())
    for queue in ("mixed-case", "texts", "raws"):
        await account.queues.create_queue(queue)
    folder = make_app(APP, HOST_JSON)
    async with serving(folder, account, {"Q": "Mixed-Case"}) as (base, _):
        seen = sys.modules["function_app"].app.seen
        async with ClientSession() as client, client.get(f"{base}/api/hello") as answer:
            assert await answer.text() == "hi"
            assert (await client.get(f"{base}/api/out")).status == 404
        assert await seen.get() == ("tick", False)
        await account.queues.put("mixed-case", "one")
        assert await seen.get() == ("work", b"one")
        await account.queues.put("texts", "två")
        assert await seen.get() == ("texts", "två")
        await account.queues.put("raws", "3")
        assert await seen.get() == ("raws", b"3")
    assert "raws returned" in caplog.text
    listed = capsys.readouterr().out
    assert f"\thello: {base}/api/hello" in listed
    assert "\twork: queueTrigger" in listed
    assert "\tblobs: not served by this host: blobTrigger" in listed
    assert "\tout: not served by this host: binding queue" in listed


async def test_storage_that_does_not_answer_is_told_once_and_waited_for(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("durable.host.run._STORAGE_RETRY_SECONDS", 0.01)
    calls = 0

    async def intercept(service: str, operation: str, resource: str, call: Callable[[], T]) -> T:
        nonlocal calls
        calls += 1
        if calls <= 3:
            raise Unavailable("Storage at 127.0.0.1:1 does not answer.")
        return call()

    caplog.set_level("INFO", "durable.host")
    account = MemoryAccount(SystemClock(), intercept=intercept)
    async with serving(make_app(APP, HOST_JSON), account, {"Q": "work"}):
        await sys.modules["function_app"].app.seen.get()
    told = [r.message for r in caplog.records if r.name == "durable.host"]
    assert told == [
        "Store: Storage at 127.0.0.1:1 does not answer.",
        "Trying again every 0.01 s.",
        "Store answers now.",
    ]


async def test_a_stop_does_not_wait_for_ever(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("durable.host.run._DRAIN_SECONDS", 0.01)
    folder = make_app(
        """
        import asyncio
        import azure.functions as func
        app = func.FunctionApp()
        app.began = asyncio.Event()

        @app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *", run_on_startup=True)
        async def tick(timer: func.TimerRequest) -> None:
            app.began.set()
            await asyncio.Event().wait()
        """
    )
    async with serving(folder, MemoryAccount(SystemClock()), {}):
        await sys.modules["function_app"].app.began.wait()
    assert "Not everything was finished" in caplog.text


@pytest.fixture
def program_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`main` changes the environment and the folder, as a program may."""
    monkeypatch.setattr(os, "environ", dict(os.environ))
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("program_environment")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--port", "x"], "The port is 'x'"),
        (["--port", "70000"], "1 to 65535"),
        (["--port", "7071"], "no host.json"),
    ],
)
def test_a_start_that_cannot_be_says_why(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 1
    assert said in capsys.readouterr().err


@pytest.mark.usefixtures("program_environment")
def test_a_taken_port_says_which_and_how_to_choose(
    make_app: MakeApp, capsys: pytest.CaptureFixture[str]
) -> None:
    make_app(APP)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert main(["--port", str(port)]) == 1
    error = capsys.readouterr().err
    assert f"Port {port} is in use. Choose another: PORT={port + 1} make start" in error


@pytest.mark.usefixtures("program_environment")
def test_an_app_that_cannot_be_indexed_says_why(
    make_app: MakeApp, capsys: pytest.CaptureFixture[str]
) -> None:
    make_app("app = 1")
    assert main(["--port", str(free_port())]) == 1
    assert "holds no app" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.timeout(60)
async def test_as_a_program_it_serves_until_a_signal(make_app: MakeApp) -> None:
    folder = make_app(
        """
        import azure.functions as func
        app = func.FunctionApp()

        @app.route(route="hello")
        def hello(req: func.HttpRequest) -> str:
            return "hi"
        """
    )
    port = free_port()
    program = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "durable.host", "--script-root", str(folder)),
        env={**os.environ, "PORT": str(port)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert program.stdout is not None
    try:
        async for line in program.stdout:
            if b"hello:" in line:
                assert f"http://localhost:{port}/api/hello".encode() in line
                break
        async with (
            ClientSession() as client,
            client.get(f"http://127.0.0.1:{port}/api/hello") as answer,
        ):
            assert await answer.text() == "hi"
        program.send_signal(signal.SIGTERM)
        rest = await program.stdout.read()
        assert await program.wait() == 0
        assert b"Stopping" in rest
        assert b"Traceback" not in rest
    finally:
        if program.returncode is None:
            program.kill()
            await program.wait()
