"""An Azurite of one's own: empty at first, gone afterwards."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from durable.host.azurite import ensure_azurite, use_port
from durable.storage.azure.account import AzureAccount, account_config, open_account

CONNECTION = "AzureWebJobsStorage"
SERVICES = ("blob", "queue", "table")


@asynccontextmanager
async def azurite() -> AsyncIterator[int]:
    """Start it; gives its first port, of blobs. Queues and tables have the two after it."""
    with tempfile.TemporaryDirectory(prefix="azurite-") as folder:
        port = free_ports()
        started = await ensure_azurite(Path(folder), port)
        if started is None:
            raise RuntimeError(f"Ports {port} to {port + 2} were taken just now; try again.")
        try:
            yield port
        finally:
            await started.stop()


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


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
