"""The local host put together: Azurite if needed, the app's functions, one TaskGroup, signals."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import errno
import logging
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from azure.functions.queue import QueueMessage as FunctionMessage
from azure.functions.timer import TimerRequest

from durable.clock import Clock, SystemClock
from durable.errors import BadConfig, StorageError
from durable.host.azurite import (
    Azurite,
    emulator_port,
    ensure_azurite,
    use_port,
    wants_emulator,
)
from durable.host.config import (
    DEFAULT_PORT,
    HostConfig,
    load_local_settings,
    read_host_config,
)
from durable.host.console import complain, function_list, say, set_up_logging
from durable.host.http import make_app
from durable.host.index import IndexedApp, IndexedFunction, IndexingError, index_app
from durable.host.invoke import Invoker, UnexpectedReturnError
from durable.host.queues import QueueListener
from durable.host.routes import Route, compile_routes
from durable.host.stopping import stop_on_signals
from durable.host.timers import TimerLoop
from durable.hostjson import resolve
from durable.storage.azure.account import account_config, open_account
from durable.storage.ports import Account

log = logging.getLogger("durable.host")

_DRAIN_SECONDS = 10.0
_STORAGE_RETRY_SECONDS = 2.0
_SERVED = {"httpTrigger", "queueTrigger", "timerTrigger"}
_STORAGE = "AzureWebJobsStorage"


def main(arguments: Sequence[str]) -> int:
    """Run the host until Ctrl+C; the process's exit code."""
    options = _parser().parse_args(arguments)
    set_up_logging(logging.DEBUG if options.verbose else logging.INFO)
    root = Path(options.script_root).resolve()
    try:
        asyncio.run(_run(root, options.address, _port(options.port)))
    except (BadConfig, IndexingError, _PortTakenError) as error:
        complain(f"\nThe host cannot start. {error}")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


class _PortTakenError(Exception):
    """Another process listens on our port."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m durable.host",
        description="Run a Functions app on this machine, with its storage in Azurite.",
    )
    parser.add_argument("--port", help=f"HTTP port (default: $PORT, else {DEFAULT_PORT})")
    parser.add_argument("--address", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--script-root", default=".", help="the app's folder")
    parser.add_argument("--verbose", action="store_true", help="log everything")
    return parser


def _port(option: str | None) -> int:
    text = option or os.environ.get("PORT") or str(DEFAULT_PORT)
    if not text.isdecimal() or not 1 <= int(text) <= 65_535:  # noqa: PLR2004 - TCP's limit
        raise BadConfig(f"The port is {text!r}; it must be a number, 1 to 65535.")
    return int(text)


async def _run(root: Path, address: str, port: int) -> None:
    load_local_settings(root, os.environ)
    # As func does: how the app makes links when no request tells it its address.
    os.environ.setdefault("WEBSITE_HOSTNAME", f"localhost:{port}")
    config = read_host_config(root, os.environ)
    os.chdir(root)
    async with contextlib.AsyncExitStack() as ending:
        listening = ending.enter_context(_bind(address, port))
        stop = asyncio.Event()
        stop_on_signals(stop)
        app = index_app(root)
        connections = {_STORAGE, *_connections(app.functions)}
        azurite = await _storage_emulator(root, connections)
        if azurite is not None:
            ending.push_async_callback(azurite.stop)
        ending.push_async_callback(app.close)
        host = Host(app, config, os.environ, SystemClock(), _open)
        await host.serve(listening, f"http://localhost:{port}", stop)


def _bind(address: str, port: int) -> socket.socket:
    """Take the port before anything else is begun."""
    listening = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((address, port))
        listening.listen(128)
    except OSError as error:
        listening.close()
        if error.errno in {errno.EADDRINUSE, errno.EACCES}:
            why = "is in use" if error.errno == errno.EADDRINUSE else "is not allowed to you"
            raise _PortTakenError(
                f"Port {port} {why}. Choose another: PORT={port + 1} make start"
            ) from error
        raise _PortTakenError(f"Cannot listen on {address}:{port}: {error.strerror}.") from error
    return listening


def _open(connection: str) -> Account:
    return open_account(account_config(os.environ, connection))


def _connections(functions: tuple[IndexedFunction, ...]) -> set[str]:
    return {str(f.trigger["connection"]) for f in functions if f.trigger_type == "queueTrigger"}


async def _storage_emulator(root: Path, connections: set[str]) -> Azurite | None:
    if not wants_emulator(os.environ, connections):
        return None
    port = emulator_port(os.environ)
    started = await ensure_azurite(root, port)
    use_port(os.environ, connections, port)
    return started


@dataclass(frozen=True, slots=True)
class _Sources:
    """What starts functions."""

    routes: list[Route]
    listeners: list[QueueListener]
    timers: list[TimerLoop]
    unserved: dict[str, str]

    @property
    def loops(self) -> list[QueueListener | TimerLoop]:
        """What runs until it is stopped."""
        return [*self.listeners, *self.timers]


class Host:
    """Runs the functions of one app until told to stop."""

    def __init__(
        self,
        app: IndexedApp,
        config: HostConfig,
        environ: Mapping[str, str],
        clock: Clock,
        opener: Callable[[str], Account],
    ) -> None:
        self._app = app
        self._config = config
        self._environ = environ
        self._clock = clock
        self._invoker = Invoker(clock, str(config.root), config.function_timeout_seconds)
        self._opener = opener
        self._accounts: dict[str, Account] = {}

    async def serve(self, listening: socket.socket, base: str, stop: asyncio.Event) -> None:
        """Serve until `stop`, then finish what is under way, for ten seconds at most.

        Raises:
            BadConfig, IndexingError: a function's settings cannot be understood.
        """
        try:
            sources = self._sources()
            runner = web.AppRunner(
                make_app(sources.routes, self._invoker, self._clock),
                access_log=None,
                shutdown_timeout=_DRAIN_SECONDS,
            )
            await runner.setup()
            try:
                await web.SockSite(runner, listening).start()
                urls = {r.function.name: f"{base}/{r.template}" for r in sources.routes}
                say(function_list(urls, self._app.functions, sources.unserved))
                await self._run(sources, stop)
            finally:
                # No new connections; requests under way have the drain's time.
                await runner.cleanup()
        finally:
            self._invoker.close()
            for account in self._accounts.values():
                await account.close()

    def _sources(self) -> _Sources:
        unserved = {f.name: why for f in self._app.functions if (why := _why_not(f))}
        served = tuple(f for f in self._app.functions if f.name not in unserved)
        return _Sources(
            routes=compile_routes(served, self._config.route_prefix),
            listeners=[self._listener(f) for f in served if f.trigger_type == "queueTrigger"],
            timers=[self._timer(f) for f in served if f.trigger_type == "timerTrigger"],
            unserved=unserved,
        )

    def _listener(self, function: IndexedFunction) -> QueueListener:
        where = f"Function {function.name!r}: its queue name"
        queue = resolve(str(function.trigger["queueName"]), self._environ, where).lower()
        account = self._account(str(function.trigger["connection"]))

        async def handle(message: FunctionMessage) -> None:
            argument: object = message
            if function.annotation is bytes:
                argument = message.get_body()
            elif function.annotation is str:
                argument = message.get_body().decode("utf-8")
            await self._call(function, argument)

        return QueueListener(account.queues, queue, handle, self._config.queues, self._clock)

    def _timer(self, function: IndexedFunction) -> TimerLoop:
        async def handle(request: TimerRequest) -> None:
            await self._call(function, request)

        return TimerLoop(function, handle, self._clock, self._environ)

    async def _call(self, function: IndexedFunction, argument: object) -> None:
        returned = await self._invoker.call(function, argument)
        if returned is not None:
            # As the worker: a value that no binding takes is a mistake.
            raise UnexpectedReturnError(
                f"{function.name} returned a {type(returned).__name__}, but a function without a "
                "$return binding must return None."
            )

    def _account(self, connection: str) -> Account:
        if connection not in self._accounts:
            self._accounts[connection] = self._opener(connection)
        return self._accounts[connection]

    async def _run(self, sources: _Sources, stop: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as tasks:
            work = tasks.create_task(self._work(sources, stop))
            await stop.wait()
            say("Stopping: what is under way is finished first; Ctrl+C again ends at once.")
            for source in sources.loops:
                source.stop()
            await asyncio.wait({work}, timeout=_DRAIN_SECONDS)
            if not work.done():
                log.warning(
                    "Not everything was finished in %g s; it is delivered again when its "
                    "messages' leases end.",
                    _DRAIN_SECONDS,
                )
                work.cancel()

    async def _work(self, sources: _Sources, stop: asyncio.Event) -> None:
        for name, account in self._accounts.items():
            await self._answering(name, account, stop)
        async with asyncio.TaskGroup() as tasks:
            for source in sources.loops:
                tasks.create_task(source.run())

    async def _answering(self, name: str, account: Account, stop: asyncio.Event) -> None:
        """Wait until the account answers; say once that it doesn't, not once a queue."""
        told = False
        while not stop.is_set():
            try:
                await account.queues.list_queues("durable-host-check")
            except StorageError as error:
                if not told:
                    log.error("%s: %s", name, error)  # noqa: TRY400 - a line, not a traceback
                    log.error("Trying again every %g s.", _STORAGE_RETRY_SECONDS)  # noqa: TRY400
                told = True
                await self._clock.sleep(_STORAGE_RETRY_SECONDS)
            else:
                if told:
                    log.info("%s answers now.", name)
                return


def _why_not(function: IndexedFunction) -> str | None:
    if function.trigger_type not in _SERVED:
        return function.trigger_type
    if function.other_bindings:
        return f"binding {', '.join(function.other_bindings)}"
    return None
