"""Local hosts as processes, and what their user sees: HTTP, the log, the exit code."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from yarl import URL

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT
WORKSHOP = Path(__file__).parent / "apps" / "workshop"
START_SECONDS = 15.0
#: What draining may take, by the brief of the host: ten seconds, and its end.
STOP_SECONDS = 15.0
#: What tells of carelessness in the host or the engine, whatever the test is about.
UNTIDY = ("Traceback", "never retrieved", "never awaited", "Unclosed", "was destroyed")


class HostStoppedError(Exception):
    """The host's process ended though it should not have; the text is its log."""


@dataclass(frozen=True)
class Answer:
    """An HTTP response, read whole."""

    status: int
    headers: Mapping[str, str]
    text: str
    json: Any


class LocalHost:
    """One ``python -m durable.host``."""

    def __init__(self, app: Path, hub: str, environ: Mapping[str, str], log: Path) -> None:
        self.app = app
        self.hub = hub
        self.port = free_port()
        self._environ = {
            **{name: value for name, value in os.environ.items() if not _is_ours(name)},
            "PYTHONPATH": str(ROOT),
            "AzureFunctionsJobHost__extensions__durableTask__hubName": hub,
            **environ,
        }
        self._log = log
        self.process: subprocess.Popen[bytes] | None = None
        self.starts = 0

    @property
    def url(self) -> str:
        """Where its functions are."""
        return f"http://127.0.0.1:{self.port}/api"

    @property
    def api(self) -> str:
        """Where its management API is."""
        return f"{self.url}/durabletask"

    @property
    def log(self) -> str:
        """What its processes have written, standard error too."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def launch(self) -> None:
        """Start a process; it isn't ready yet."""
        assert not self.is_running
        with self._log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "durable.host", "--port", str(self.port),
                 "--script-root", str(self.app)],
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                cwd=self.app, env=self._environ,
            )  # fmt: skip
        self.starts += 1

    async def start(self) -> None:
        """Start a process and wait until it answers HTTP requests."""
        self.launch()
        deadline = time.monotonic() + START_SECONDS
        async with aiohttp.ClientSession() as session:
            while True:
                try:
                    async with session.get(f"http://127.0.0.1:{self.port}/") as response:
                        assert response.status == 404
                        return
                except (aiohttp.ClientError, OSError):
                    if not self.is_running or time.monotonic() > deadline:
                        raise HostStoppedError(self.log) from None
                    await asyncio.sleep(0.05)

    def kill(self) -> None:
        """End it the hard way: nothing of it runs any more when this returns."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    async def stop(self) -> int:
        """Ask it to end (SIGTERM) and wait for it; its exit code."""
        assert self.process is not None
        self.process.terminate()
        return await self.ended(STOP_SECONDS)

    async def ended(self, seconds: float) -> int:
        """Its exit code, once it ended by itself."""
        assert self.process is not None
        async with asyncio.timeout(seconds):
            while (code := self.process.poll()) is None:
                await asyncio.sleep(0.02)
        return code

    async def logged(self, text: str, seconds: float = 10.0) -> str:
        """Its log, once it holds `text`."""
        try:
            async with asyncio.timeout(seconds):
                while text not in self.log:
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"the log never said {text!r}:\n{self.log}") from None
        return self.log


class Browser:
    """What calls the host."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def call(self, method: str, url: str | URL, **arguments: Any) -> Answer:
        """One request; redirects are not followed."""
        async with self._session.request(
            method, url, allow_redirects=False, **arguments
        ) as response:
            text = await response.text()
            is_json = text and "json" in response.headers.get("Content-Type", "")
            document = await response.json() if is_json else None
            return Answer(response.status, response.headers, text, document)

    async def get(self, url: str, **arguments: Any) -> Answer:
        return await self.call("GET", url, **arguments)

    async def post(self, url: str, **arguments: Any) -> Answer:
        return await self.call("POST", url, **arguments)

    async def follow(self, url: str, seconds: float = 15.0, pause: float = 0.1) -> Answer:
        """The answer of a status address once it is no 202 any more.

        Raises:
            TimeoutError: it stayed 202.
        """
        async with asyncio.timeout(seconds):
            while (answer := await self.get(url)).status == 202:
                await asyncio.sleep(pause)
        return answer


def free_port() -> int:
    """A port nobody listened on just now."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _is_ours(name: str) -> bool:
    """Settings of the developer's shell that would change what the host does."""
    return name.lower().startswith(("azure", "durable", "functions_", "website_", "port"))
