"""When Azurite is wanted, which ports it gets, and what is said when they are taken."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from durable.errors import BadConfig
from durable.host.azurite import emulator_port, ensure_azurite, use_port, wants_emulator

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def port() -> int:
    """The first of three ports that nobody listens on."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        found: int = probe.getsockname()[1]
    return min(found, 65_000)


@asynccontextmanager
async def server(port: int, answer: bytes) -> AsyncIterator[None]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.read(65_536):
            writer.write(answer)
        writer.close()

    async with await asyncio.start_server(handle, "127.0.0.1", port):
        yield


def test_who_wants_the_emulator() -> None:
    environ = {"A": "UseDevelopmentStorage=true;", "B": "DefaultEndpointsProtocol=https"}
    assert wants_emulator(environ, {"A", "B"})
    assert not wants_emulator(environ, {"B", "C"})


def test_other_ports_become_a_connection_string() -> None:
    environ = {"A": "UseDevelopmentStorage=true", "B": "other"}
    use_port(environ, {"A", "B"}, 10000)
    assert environ["A"] == "UseDevelopmentStorage=true"
    use_port(environ, {"A", "B"}, 11000)
    assert "QueueEndpoint=http://127.0.0.1:11001/devstoreaccount1;" in environ["A"]
    assert environ["B"] == "other"


def test_the_port_setting() -> None:
    assert emulator_port({}) == 10000
    assert emulator_port({"DURABLE_AZURITE_PORT": "11000"}) == 11000
    for wrong in ("x", "0", "65534"):
        with pytest.raises(BadConfig, match="DURABLE_AZURITE_PORT"):
            emulator_port({"DURABLE_AZURITE_PORT": wrong})


async def test_an_emulator_that_runs_is_used(port: int, tmp_path: Path) -> None:
    answer = b"HTTP/1.1 403 Forbidden\r\nServer: Azurite-Blob/3\r\n\r\n"
    async with server(port, answer), server(port + 1, b""), server(port + 2, b""):
        assert await ensure_azurite(tmp_path, port) is None


@pytest.mark.parametrize("answer", [b"HTTP/1.1 200 OK\r\n\r\n", b""])
async def test_something_else_on_all_ports(port: int, tmp_path: Path, answer: bytes) -> None:
    async with server(port, answer), server(port + 1, b""), server(port + 2, b""):
        with pytest.raises(BadConfig, match=r"no storage emulator.*DURABLE_AZURITE_PORT=11000"):
            await ensure_azurite(tmp_path, port)


async def test_something_on_one_port(port: int, tmp_path: Path) -> None:
    async with server(port + 1, b""):
        with pytest.raises(BadConfig, match=f"something else has {port + 1}"):
            await ensure_azurite(tmp_path, port)


async def test_azurite_is_not_installed(
    port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BadConfig, match="npm ci"):
        await ensure_azurite(tmp_path, port)


async def test_an_azurite_that_does_not_start(port: int, tmp_path: Path) -> None:
    program = tmp_path / "node_modules" / ".bin" / "azurite"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\necho broken >&2\nexit 3\n")
    program.chmod(0o755)
    with pytest.raises(BadConfig, match=r"exit code 3\). broken"):
        await ensure_azurite(tmp_path, port)


@pytest.mark.azurite
@pytest.mark.slow
@pytest.mark.timeout(90)
async def test_azurite_is_started_and_stopped(
    port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(REPOSITORY)
    started = await ensure_azurite(tmp_path, port)
    assert started is not None
    assert await ensure_azurite(tmp_path, port) is None
    await started.stop()
    await started.stop()
    assert any((tmp_path / ".azurite").iterdir())
    with closing(socket.socket()) as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
    assert os.environ["PATH"]
