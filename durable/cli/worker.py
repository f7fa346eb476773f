"""``durable worker``: one process that serves the app's hub, or the parent of several."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import sys
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from durable.cli.loading import load_app
from durable.cli.processes import Processes
from durable.clock import SystemClock
from durable.functions.config import AppConfig, config_from, read_host_json
from durable.functions.working import running_worker
from durable.host.azurite import emulator_port, ensure_azurite, use_port, wants_emulator
from durable.host.config import local_settings
from durable.host.stopping import stop_on_signals

log = logging.getLogger("durable.worker")

_SCRIPT_ROOT = "AzureWebJobsScriptRoot"
_ENVIRONMENT = "AZURE_FUNCTIONS_ENVIRONMENT"
_STDIN = 0
#: What the threads' names begin with that run activities and entities.
_THREADS = "durable-"
_THREADS_END_SECONDS = 0.5
#: After its drain a child gives its partitions back and closes its connections.
_LAST_SECONDS = 20.0


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerOptions:
    """What the command line says.

    Attributes:
        target: MODULE:APP.
        root: the app's folder.
        processes: how many.
        drain_seconds: what is under way at the end may take so long.
        child: which process of a parent this is; 0: it has none.
        verbose: log everything.
    """

    target: str
    root: Path
    processes: int = 1
    drain_seconds: float = 30.0
    child: int = 0
    verbose: bool = False


def run(options: WorkerOptions) -> int:
    """Serve until told to stop; the exit code.

    Raises:
        UsageError: the app or a setting is wrong.
        StorageError: storage does not answer.
    """
    _use_settings(options.root)
    config = config_from(read_host_json(os.environ, [options.root]), in_worker=True)
    if options.processes > 1:
        return asyncio.run(_parent(options, config))
    # The loop's tasks are many and short-lived; looking for cycles among them took a fifth of the
    # CPU. The process is ours alone.
    gc.set_threshold(20_000, 20, 50)
    code = asyncio.run(_serve(options, config))
    if threads := _running_threads():
        # Python waits for threads: these were let go, and may take as long as they like.
        log.warning("%d activities still run in threads; they end with the process.", threads)
        logging.shutdown()
        os._exit(code)
    return code


def _running_threads() -> int:
    """How many threads of activities are at work; those that idle have just been told to end."""
    threads = [each for each in threading.enumerate() if each.name.startswith(_THREADS)]
    patience = _THREADS_END_SECONDS
    for thread in threads:
        thread.join(patience)
        if thread.is_alive():
            patience = 0.0  # it is at work; those that idle have ended in the meantime
    return sum(1 for each in threads if each.is_alive())


def _use_settings(root: Path) -> None:
    """The app settings of local.settings.json, and the app's folder as the working folder."""
    values = local_settings(root)
    if values is not None:
        for name, value in values.items():
            os.environ.setdefault(name, value)
        # As func does: the app knows it runs on a developer's machine.
        os.environ.setdefault(_ENVIRONMENT, "Development")
    os.environ[_SCRIPT_ROOT] = str(root)
    if root.is_dir():
        os.chdir(root)


async def _serve(options: WorkerOptions, config: AppConfig) -> int:
    stop = asyncio.Event()
    stop_on_signals(stop)
    if options.child:
        _stop_with_parent(stop)
    app = load_app(options.target, options.root)
    async with (
        _emulator(options.root, config),
        running_worker(app, drain_seconds=options.drain_seconds) as running,
    ):
        log.info("Worker %s serves %s.", running.worker_id, _what(config, options))
        await stop.wait()
        log.info("Stopping: what is under way is finished first (%d).", running.worker.in_flight)
    log.info("Stopped.")
    return 0


async def _parent(options: WorkerOptions, config: AppConfig) -> int:
    stop = asyncio.Event()
    processes = Processes(
        _command(options), SystemClock(), patience_seconds=options.drain_seconds + _LAST_SECONDS
    )
    stop_on_signals(stop, processes.kill)
    log.info("Starting to serve %s.", _what(config, options))
    async with _emulator(options.root, config):
        code = await processes.run(options.processes, stop)
    log.info("Stopped.")
    return code


def _what(config: AppConfig, options: WorkerOptions) -> str:
    hub = f"task hub {config.hub.name!r} ({config.hub.partition_count} partitions)"
    if options.child:
        return hub
    many = "es" if options.processes > 1 else ""
    return f"{hub} with {options.processes} process{many}"


def _command(options: WorkerOptions) -> list[str]:
    """What starts a child; the number it goes by comes after it."""
    command = [sys.executable, "-m", "durable", "worker", options.target]
    command += ["--root", str(options.root), "--drain-seconds", f"{options.drain_seconds:g}"]
    return [*command, *(["--verbose"] if options.verbose else []), "--child"]


def _stop_with_parent(stop: asyncio.Event) -> None:
    """Stop when the parent is gone: it holds the other end of standard input open."""
    loop = asyncio.get_running_loop()

    def readable() -> None:
        if not os.read(_STDIN, 1024):
            loop.remove_reader(_STDIN)
            stop.set()

    loop.add_reader(_STDIN, readable)


@contextlib.asynccontextmanager
async def _emulator(root: Path, config: AppConfig) -> AsyncIterator[None]:
    """The storage emulator, started when the app wants it and it doesn't run."""
    connections = {config.connection_name, config.tracking_connection or config.connection_name}
    if not wants_emulator(os.environ, connections):
        yield
        return
    port = emulator_port(os.environ)
    azurite = await ensure_azurite(root, port)
    use_port(os.environ, connections, port)
    try:
        yield
    finally:
        if azurite is not None:
            await azurite.stop()
