"""An Azurite of one's own: empty at first, in memory, gone afterwards."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from durable.host.azurite import use_port
from durable.storage.azure.account import AzureAccount, account_config, open_account

CONNECTION = "AzureWebJobsStorage"
SERVICES = ("blob", "queue", "table")
_SCRIPT = Path(__file__).parents[1] / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"
_START_SECONDS, _STOP_SECONDS = 30, 5


@dataclass(frozen=True, slots=True)
class Emulator:
    """A running Azurite; `port` is its first one."""

    port: int
    pid: int

    def cpu_seconds(self) -> float:
        """The CPU time it has used: what it was asked costs that, however busy the machine is."""
        stat = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")


@asynccontextmanager
async def azurite() -> AsyncIterator[int]:
    """Start it; gives its first port, of blobs. Queues and tables have the two after it."""
    async with emulator() as started:
        yield started.port


@asynccontextmanager
async def emulator() -> AsyncIterator[Emulator]:
    """Start it; gives what is known of its process, too.

    In memory, as the original was measured: the disk has no part in the figures.
    """
    node = shutil.which("node")
    if node is None or not _SCRIPT.is_file():
        raise RuntimeError("Azurite is not installed: run make setup (it needs Node.js 20).")
    port = free_ports()
    ports = [
        text
        for offset, service in enumerate(SERVICES)
        for text in (f"--{service}Port", str(port + offset))
    ]
    with tempfile.TemporaryDirectory(prefix="azurite-") as folder:
        process = await asyncio.create_subprocess_exec(
            node,
            str(_SCRIPT),
            "--inMemoryPersistence",
            "--silent",
            "--disableTelemetry",
            "--skipApiVersionCheck",
            *ports,
            cwd=folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            async with asyncio.timeout(_START_SECONDS):
                for offset in range(len(SERVICES)):
                    await _listening(process, port + offset)
            yield Emulator(port, process.pid)
        finally:
            await _stop(process)


def settings(port: int) -> Mapping[str, str]:
    """The app setting of an emulator on `port` and the two after it."""
    environ = {CONNECTION: "UseDevelopmentStorage=true"}
    use_port(environ, {CONNECTION}, port)
    return environ


def open_at(port: int) -> AzureAccount:
    """The account of an emulator on `port` and the two after it."""
    return open_account(account_config(settings(port), CONNECTION))


def free_ports() -> int:
    """The first of three ports in a row that were free just now."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if port + 2 < 65_536 and all(_is_free(port + offset) for offset in range(3)):
            return port


async def _listening(process: asyncio.subprocess.Process, port: int) -> None:
    while True:
        if process.returncode is not None:
            raise RuntimeError(f"Azurite ended at its start (code {process.returncode}).")
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
