"""``python -m durable worker`` as a process, and the app it serves."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.acceptance.local_host import LocalHost

#: Activities tell which process ran them, and note when they begin and end.
APP = """
import asyncio
import os
import pathlib
import time

import durable as df

app = df.DFApp()
notes = pathlib.Path(os.environ["NOTES"])


@app.activity_trigger(input_name="seconds")
async def work(seconds):
    with notes.open("a") as file:
        file.write(f"begun {os.getpid()}\\n")
    await asyncio.sleep(seconds)
    with notes.open("a") as file:
        file.write(f"done {os.getpid()}\\n")
    return os.getpid()


@app.activity_trigger(input_name="seconds")
def block(seconds):
    notes.touch()
    time.sleep(seconds)


@app.orchestration_trigger(context_name="context")
def Block(context):
    return (yield context.call_activity(block, context.get_input()))


@app.orchestration_trigger(context_name="context")
def FanOut(context):
    count, seconds = context.get_input()
    return (yield context.task_all([context.call_activity(work, seconds) for _ in range(count)]))
"""


def write_app(folder: Path, text: str = APP, *, activities: int = 3) -> Path:
    """The app in `folder`: few activities at once in a process, short leases."""
    folder.mkdir()
    settings = {
        "hubName": "Work",
        "ownLeaseSeconds": 10,
        "maxConcurrentActivityFunctions": activities,
        "storageProvider": {
            "partitionCount": 4,
            "maxQueuePollingInterval": "00:00:01",
            "controlQueueVisibilityTimeout": "00:00:10",
            "workItemQueueVisibilityTimeout": "00:00:10",
        },
    }
    extensions = {"queues": {"messageEncoding": "none"}, "durableTask": settings}
    (folder / "host.json").write_text(json.dumps({"version": "2.0", "extensions": extensions}))
    (folder / "function_app.py").write_text(text)
    return folder


class LocalWorker(LocalHost):
    """One ``python -m durable worker``, perhaps of several processes."""

    def __init__(
        self,
        app: Path,
        hub: str,
        environ: Mapping[str, str],
        log: Path,
        *arguments: str,
    ) -> None:
        super().__init__(app, hub, environ, log)
        self._arguments = arguments

    def launch(self) -> None:
        """Start it; it isn't ready yet."""
        assert not self.is_running
        with self._log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "durable", "worker", "function_app:app",
                 "--root", str(self.app), *self._arguments],
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                env=self._environ,
            )  # fmt: skip
        self.starts += 1

    async def start(self) -> None:
        """Start it, and wait until somebody owns the control queues."""
        self.launch()
        await self.logged(" reads 4 partitions", seconds=15)
