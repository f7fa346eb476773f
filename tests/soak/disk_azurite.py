"""An Azurite that keeps its data on disk, stopped and started again on the same ports.

Azurite keeps its tables and queues in memory and writes all of it to disk every five seconds. Told
to stop by SIGTERM it writes once more, so that what it has answered before survives; `Canary` makes
sure that it does: else what the soak finds missing may be Azurite's loss, not ours.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import shutil
import signal
import subprocess
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from durable.errors import StorageError
from durable.storage.ports import Account
from durable.storage.values import Operation, Row, Write
from tests.azurite_process import (
    SCRIPT,
    AzuriteMissing,
    connection_string,
    free_ports,
    wait_until_it_listens,
)

#: Writing a few hundred megabytes at the end takes some seconds.
_STOP_SECONDS = 90.0
_CANARY_TABLE, _CANARY_QUEUE = "CanaryRows", "canary-messages"
_CANARY_WRITERS = 4
_CANARY_LEASE_SECONDS = 300


@dataclass(frozen=True, kw_only=True, slots=True)
class Stop:
    """How one stop went.

    Attributes:
        at: seconds since the soak began.
        took_seconds: from SIGTERM to the process's end.
        killed: it did not end by itself.
    """

    at: float
    took_seconds: float
    killed: bool


class DiskAzurite:
    """One Azurite; its data lives in `folder`."""

    def __init__(self, folder: Path) -> None:
        node = shutil.which("node")
        if node is None or not SCRIPT.exists():
            raise AzuriteMissing("The soak needs Node.js 20 or newer and Azurite ('npm ci').")
        folder.mkdir()
        self._ports = free_ports(3)
        blob, queue, table = map(str, self._ports)
        self._command = [
            node, str(SCRIPT), "--location", str(folder), "--silent", "--skipApiVersionCheck",
            "--disableTelemetry", "--blobPort", blob, "--queuePort", queue, "--tablePort", table,
        ]  # fmt: skip
        self._folder = folder
        self._log = folder / "output.txt"
        self._process: subprocess.Popen[bytes] | None = None
        self.connection_string = connection_string(*self._ports)

    def start(self) -> None:
        """Start it and wait until it listens.

        Raises:
            AzuriteMissing: it does not start; with what it said.
        """
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command, stdout=output, stderr=subprocess.STDOUT, cwd=self._folder
            )
        for port in self._ports:
            wait_until_it_listens(self._process, port, self._log)

    async def stop(self, at: float) -> Stop:
        """End it as an operator would, with SIGTERM."""
        assert self._process is not None
        begun = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        while self._process.poll() is None and time.monotonic() - begun < _STOP_SECONDS:
            await asyncio.sleep(0.02)
        killed = self._process.poll() is None
        self.kill()
        return Stop(at=at, took_seconds=time.monotonic() - begun, killed=killed)

    def kill(self) -> None:
        """End it the hard way, if it runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def messages(self) -> dict[str, list[str]]:
        """The texts in its queues, hidden ones too, as it has left them: only once it was stopped.

        No request shows what is hidden.
        """
        database = json.loads((self._folder / "__azurite_db_queue__.json").read_text("utf-8"))
        extents = self._folder / "__queuestorage__"
        found: dict[str, list[str]] = defaultdict(list)
        for collection in database["collections"]:
            if collection["name"] != "$MESSAGES_COLLECTION$":
                continue
            for message in collection["data"]:
                place = message["persistency"]
                with (extents / place["id"]).open("rb") as file:
                    file.seek(place["offset"])
                    text = file.read(place["count"]).decode()
                found[message["queueName"]].append(text)
        return found

    @property
    def megabytes(self) -> float:
        """What it has on disk."""
        files = [each for each in self._folder.rglob("*") if each.is_file()]
        return sum(each.stat().st_size for each in files) / 1e6


class Canary:
    """Rows and messages written while Azurite is stopped; each that was answered must be there."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._numbers = itertools.count()
        self.rows: set[str] = set()
        self.messages: set[str] = set()

    async def prepare(self) -> None:
        """Make its table and its queue."""
        await self._account.tables.create_table(_CANARY_TABLE)
        await self._account.queues.create_queue(_CANARY_QUEUE)

    async def sing(self) -> None:
        """Write until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(_CANARY_WRITERS):
                tasks.create_task(self._write_rows())
                tasks.create_task(self._put_messages())

    async def _write_rows(self) -> None:
        for number in self._numbers:
            row = Row(partition_key="p", row_key=f"{number:08}", columns={"Text": "x" * 500})
            try:
                operation = Operation(write=Write.INSERT, row=row)
                await self._account.tables.write(_CANARY_TABLE, operation)
                self.rows.add(row.row_key)
            except StorageError:
                await asyncio.sleep(0.1)
            await asyncio.sleep(0.01)

    async def _put_messages(self) -> None:
        for number in self._numbers:
            text = f"{number:08}"
            try:
                await self._account.queues.put(_CANARY_QUEUE, text)
                self.messages.add(text)
            except StorageError:
                await asyncio.sleep(0.1)
            await asyncio.sleep(0.01)

    async def lost(self) -> list[str]:
        """What was answered and is gone. Looks once; the messages are taken."""
        rows: set[str] = set()
        continuation = None
        while True:
            page = await self._account.tables.query(
                _CANARY_TABLE, None, continuation=continuation, select=("PartitionKey", "RowKey")
            )
            rows |= {row.row_key for row in page.rows}
            continuation = page.continuation
            if continuation is None:
                break
        messages: set[str] = set()
        while found := await self._account.queues.get(
            _CANARY_QUEUE, count=32, lease_seconds=_CANARY_LEASE_SECONDS
        ):
            messages |= {message.text for message in found}
        await self._account.queues.delete_queue(_CANARY_QUEUE)
        await self._account.tables.delete_table(_CANARY_TABLE)
        return [
            *(f"Azurite lost row {each}" for each in sorted(self.rows - rows)),
            *(f"Azurite lost message {each}" for each in sorted(self.messages - messages)),
        ]
