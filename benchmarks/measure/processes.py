"""Processes that serve the hub of benchmarks/app: workers, or local hosts."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import aiohttp

from benchmarks.azurite import settings
from benchmarks.measure.stage import APP

ROOT = Path(__file__).parents[2]
_START_SECONDS, _STOP_SECONDS = 30.0, 45.0
_HUB = "AzureFunctionsJobHost__extensions__durableTask__"


def environment(port: int, hub: str, overrides: Mapping[str, str]) -> dict[str, str]:
    """The app settings of a process: the emulator on `port`, the hub, and settings of host.json."""
    ours = ("azure", "durable", "functions_", "website_", "port")
    return {
        **{name: value for name, value in os.environ.items() if not name.lower().startswith(ours)},
        "PYTHONPATH": str(ROOT),
        "AZURE_FUNCTIONS_ENVIRONMENT": "Development",
        **settings(port),
        **{f"{_HUB}{name}": value for name, value in {"hubName": hub, **overrides}.items()},
    }


@contextlib.asynccontextmanager
async def workers(count: int, environ: Mapping[str, str]) -> AsyncIterator[None]:
    """So many ``python -m durable worker``; whether they are ready shows in storage only."""
    command = [sys.executable, "-m", "durable", "worker", "function_app:app", "--root", str(APP)]
    async with _running([command] * count, environ):
        yield


@contextlib.asynccontextmanager
async def hosts(count: int, environ: Mapping[str, str]) -> AsyncIterator[list[str]]:
    """So many local hosts that answer; their addresses."""
    ports = [_free_port() for _ in range(count)]
    commands = [
        [sys.executable, "-m", "durable.host", "--port", str(port), "--script-root", str(APP)]
        for port in ports
    ]
    async with _running(commands, environ) as processes, aiohttp.ClientSession() as session:
        async with asyncio.timeout(_START_SECONDS):
            for port, process in zip(ports, processes, strict=True):
                await _answers(session, port, process)
        yield [f"http://127.0.0.1:{port}/api" for port in ports]


@contextlib.asynccontextmanager
async def _running(
    commands: Sequence[Sequence[str]], environ: Mapping[str, str]
) -> AsyncIterator[list[asyncio.subprocess.Process]]:
    processes = [
        await asyncio.create_subprocess_exec(
            *command,
            cwd=APP,
            env=dict(environ),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
        )
        for command in commands
    ]
    try:
        yield processes
    finally:
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        for process in processes:
            await _ended(process)


async def _ended(process: asyncio.subprocess.Process) -> None:
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


async def _answers(
    session: aiohttp.ClientSession, port: int, process: asyncio.subprocess.Process
) -> None:
    while True:
        if process.returncode is not None:
            raise RuntimeError(f"A local host ended at its start (code {process.returncode}).")
        try:
            async with session.get(f"http://127.0.0.1:{port}/"):
                return
        except (aiohttp.ClientError, OSError):
            await asyncio.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
