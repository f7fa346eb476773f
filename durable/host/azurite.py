"""Azurite, the storage emulator: used when it runs, started (and stopped again) when it doesn't."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from collections.abc import Mapping, MutableMapping
from pathlib import Path

from durable.errors import BadConfig

log = logging.getLogger("durable.host.azurite")

_PORT = "DURABLE_AZURITE_PORT"
_DEFAULT_PORT = 10000
_SERVICES = ("blob", "queue", "table")
_HOST = "127.0.0.1"
_START_SECONDS = 60.0
_STOP_SECONDS = 10.0
# The emulator's account: published, the same everywhere.
_ACCOUNT = "devstoreaccount1"
_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
_DEVELOPMENT = "usedevelopmentstorage=true"


class Azurite:
    """The emulator that this host started."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def stop(self) -> None:
        """End it; its data stays in its folder."""
        if self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


def wants_emulator(environ: Mapping[str, str], connections: set[str]) -> bool:
    """Whether one of the app's connections is ``UseDevelopmentStorage=true``."""
    return any(
        environ.get(name, "").strip().rstrip(";").lower() == _DEVELOPMENT for name in connections
    )


def emulator_port(environ: Mapping[str, str]) -> int:
    """The first of the emulator's three ports (blob, queue, table).

    Raises:
        BadConfig: the setting is no port.
    """
    text = environ.get(_PORT, str(_DEFAULT_PORT))
    if not text.isdecimal() or not 1 <= int(text) <= 65_533:  # noqa: PLR2004 - TCP's limit
        raise BadConfig(f"{_PORT} is {text!r}; it must be the first of three free ports.")
    return int(text)


def use_port(environ: MutableMapping[str, str], connections: set[str], port: int) -> None:
    """Let the connections that mean the emulator name it with other ports than its usual ones."""
    if port == _DEFAULT_PORT:
        return
    endpoints = "".join(
        f"{service.capitalize()}Endpoint=http://{_HOST}:{port + offset}/{_ACCOUNT};"
        for offset, service in enumerate(_SERVICES)
    )
    text = f"DefaultEndpointsProtocol=http;AccountName={_ACCOUNT};AccountKey={_KEY};{endpoints}"
    for name in connections:
        if wants_emulator(environ, {name}):
            environ[name] = text


async def ensure_azurite(root: Path, port: int) -> Azurite | None:
    """Make sure an emulator listens on `port` and the two after it.

    Returns what was started, to be stopped at the end; None when one ran already.

    Raises:
        BadConfig: something else has the ports, or Azurite is not installed or does not start.
    """
    found = [await _listens(port + offset) for offset in range(len(_SERVICES))]
    if all(found):
        await _check_is_emulator(port)
        log.info("Using the storage emulator that listens on ports %d to %d.", port, port + 2)
        return None
    if any(found):
        taken = ", ".join(str(port + i) for i, listening in enumerate(found) if listening)
        raise BadConfig(
            f"The storage emulator needs ports {port}, {port + 1} and {port + 2}, but something "
            f"else has {taken}. Stop that, or choose others: {_PORT}=11000 make start"
        )
    return await _start(root, port)


async def _start(root: Path, port: int) -> Azurite:
    folder = root / ".azurite"
    folder.mkdir(exist_ok=True)
    arguments = ["--silent", "--disableTelemetry", "--skipApiVersionCheck"]
    arguments += ["--location", str(folder)]
    for offset, service in enumerate(_SERVICES):
        arguments += [f"--{service}Host", _HOST, f"--{service}Port", str(port + offset)]
    process = await asyncio.create_subprocess_exec(
        _executable(root),
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        # Ctrl+C reaches every process of the terminal; the emulator must outlive the drain.
        start_new_session=True,
    )
    azurite = Azurite(process)
    try:
        async with asyncio.timeout(_START_SECONDS):
            for offset in range(len(_SERVICES)):
                while not await _listens(port + offset):
                    await _check_alive(process)
                    await asyncio.sleep(0.1)
    except BaseException:
        await azurite.stop()
        raise
    log.info("Started the storage emulator (Azurite) on ports %d to %d.", port, port + 2)
    log.info("Its data is kept in %s; delete that folder to begin afresh.", folder)
    return azurite


def _executable(root: Path) -> str:
    for candidate in (root, Path.cwd()):
        local = candidate / "node_modules" / ".bin" / "azurite"
        if local.is_file() and os.access(local, os.X_OK):
            return str(local)
    found = shutil.which("azurite")
    if found is None:
        raise BadConfig(
            "The app's storage is the emulator (UseDevelopmentStorage=true), but Azurite is not "
            "installed. Run 'npm ci' in the app's folder ('make setup' does)."
        )
    return found


async def _check_alive(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        return
    told = (await process.stderr.read()).decode(errors="replace").strip() if process.stderr else ""
    raise BadConfig(
        f"Azurite did not start (exit code {process.returncode}). {told or 'It said nothing.'}"
    )


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(_HOST, port)
    except OSError:
        return False
    writer.close()
    return True


async def _check_is_emulator(port: int) -> None:
    """An emulator answers anything with the service's own headers."""
    answer = b""
    try:
        async with asyncio.timeout(5):
            reader, writer = await asyncio.open_connection(_HOST, port)
            writer.write(
                f"GET /{_ACCOUNT}?comp=list HTTP/1.1\r\nHost: {_HOST}:{port}\r\n"
                "Connection: close\r\n\r\n".encode()
            )
            answer = await reader.read(65_536)
            writer.close()
    except (OSError, TimeoutError):
        log.debug("port %d does not speak HTTP", port)
    head = answer.partition(b"\r\n\r\n")[0].lower()
    if b"azurite" not in head and b"x-ms-" not in head:
        raise BadConfig(
            f"Port {port} is taken by something that is no storage emulator. Stop it, or choose "
            f"other ports: {_PORT}=11000 make start"
        )
