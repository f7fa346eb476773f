"""Starts one Azurite for a test session: in memory, on free ports, gone with the session."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
SCRIPT = _ROOT / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"
_ACCOUNT = "devstoreaccount1"
_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
_START_SECONDS = 15  # less than a test's own timeout, so that the reason is seen


class AzuriteMissing(Exception):
    """Azurite cannot run here; the message says what to do. Tests that need it fail."""


def connection_string(blob: int, queue: int, table: int) -> str:
    """What to connect with to an Azurite on these ports."""
    base = "http://127.0.0.1"
    return (
        f"DefaultEndpointsProtocol=http;AccountName={_ACCOUNT};AccountKey={_KEY};"
        f"BlobEndpoint={base}:{blob}/{_ACCOUNT};QueueEndpoint={base}:{queue}/{_ACCOUNT};"
        f"TableEndpoint={base}:{table}/{_ACCOUNT};"
    )


@contextmanager
def azurite(ports: Sequence[int] = ()) -> Iterator[str]:
    """An Azurite of one's own; gives its connection string.

    Args:
        ports: of blobs, queues and tables; free ones when there are none.

    Raises:
        AzuriteMissing: node or Azurite is not installed, or it does not start.
    """
    node = shutil.which("node")
    if node is None:
        raise AzuriteMissing("node is not on PATH; Azurite tests need Node.js 20 or newer.")
    if not SCRIPT.exists():
        raise AzuriteMissing("Azurite is not installed; run 'npm ci' in the repository.")
    ports = ports or free_ports(3)
    with tempfile.TemporaryDirectory(prefix="azurite-") as folder:
        log = Path(folder) / "output.txt"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [node, str(SCRIPT), "--inMemoryPersistence", "--silent", "--skipApiVersionCheck",
                 "--disableTelemetry", "--blobPort", str(ports[0]),
                 "--queuePort", str(ports[1]), "--tablePort", str(ports[2])],
                stdout=output, stderr=subprocess.STDOUT, cwd=folder,
            )  # fmt: skip
        try:
            for port in ports:
                wait_until_it_listens(process, port, log)
            yield connection_string(*ports)
        finally:
            process.kill()
            process.wait()


def free_ports(count: int) -> list[int]:
    """Ports that were free just now: held all at once, so that they differ."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()


def wait_until_it_listens(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Return once it does.

    Raises:
        AzuriteMissing: it ended, or takes too long; with what it said.
    """
    deadline = time.monotonic() + _START_SECONDS
    while not _listens(port):
        if process.poll() is not None or time.monotonic() > deadline:
            said = log.read_text(errors="replace")[-2000:]
            raise AzuriteMissing(f"Azurite did not start on port {port}:\n{said}")
        time.sleep(0.02)  # polls; the socket tells


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
