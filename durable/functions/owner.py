"""The one object that owns what an app runs: connections, engine, clients, background tasks.

A Functions worker has no enclosing scope and no shutdown hook, so this object stands in for both.
Everything is made on first use, on the loop that uses it: importing the app does no I/O.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from durable.api.app import ManagementApi
from durable.api.links import ManagementAccess
from durable.authoring.registry import Registry
from durable.client import Client
from durable.clock import Clock, SystemClock
from durable.errors import UsageError
from durable.functions.config import AppConfig
from durable.functions.injection import ClientInput
from durable.runtime.engine import Engine
from durable.runtime.loop_watch import LoopWatch
from durable.storage.ports import Account

ClientFor = Callable[[str | None, str | None], Awaitable[Client]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Services:
    """What runs one app on one loop."""

    clock: Clock
    account: Account
    engine: Engine
    api: ManagementApi
    client: Client
    access: ManagementAccess


class Opening(Protocol):
    """How services are made; see `durable.functions.opening`."""

    def services(
        self,
        config: AppConfig,
        registry: Registry,
        others: tuple[ClientInput, ...],
        sibling: ClientFor,
    ) -> Services:
        """Everything that runs the app."""
        ...

    def client(
        self,
        services: Services,
        config: AppConfig,
        wanted: tuple[str | None, str | None],
        sibling: ClientFor,
    ) -> tuple[Client, Account | None]:
        """The client of another hub, and the account opened for it, if one was."""
        ...


@dataclass(slots=True)
class _Live:
    """What was made on one loop."""

    loop: asyncio.AbstractEventLoop
    services: Services | None = None
    clients: dict[tuple[str | None, str | None], Client] = field(default_factory=dict)
    accounts: list[Account] = field(default_factory=list)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    watch: LoopWatch | None = None

    async def close(self) -> None:
        """Give back what was made."""
        watch, self.watch = self.watch, None
        if watch is not None:
            watch.close()
        for task in self.tasks:
            task.cancel()
        if self.tasks:
            await asyncio.wait(self.tasks)
        self.tasks.clear()
        services, self.services = self.services, None
        accounts = self.accounts[:]
        self.accounts.clear()
        self.clients.clear()
        if services is not None:
            await services.engine.close()
            accounts.append(services.account)
        for account in accounts:
            await account.close()


class Owner:
    """Makes an app's services on first use and keeps them until `close`.

    Connections belong to a loop. A worker has one; a test may have several, one after the other.
    """

    def __init__(self, registry: Registry, opening: Opening) -> None:
        self._registry = registry
        self._opening = opening
        self._config: AppConfig | None = None
        self._others: tuple[ClientInput, ...] = ()
        self._lives: dict[asyncio.AbstractEventLoop, _Live] = {}
        self._thread: _LoopThread | None = None
        self._guard = threading.Lock()

    def configure(self, config: AppConfig, others: tuple[ClientInput, ...]) -> None:
        """Take the app's settings and note the loop that runs now: the worker indexes on its own.

        Without it a synchronous client function that comes first would not know the loop.
        """
        self._config = config
        self._others = others
        with contextlib.suppress(RuntimeError):
            self._live(asyncio.get_running_loop())

    def services(self) -> Services:
        """What runs the app, made now if this is the first use on this loop.

        Raises:
            BadConfig: a setting breaks a rule.
        """
        live = self._live(asyncio.get_running_loop())
        if live.services is None:
            live.services = self._opening.services(
                self._settings(), self._registry, self._others, self.client
            )
        return live.services

    def working(self) -> Services:
        """`services`, for those who bring the engine its messages: its time is kept from now on."""
        services = self.services()
        live = self._live(asyncio.get_running_loop())
        if not live.tasks:
            # R7 counts the time in which the process serves; only a running loop can tell.
            live.tasks.append(live.loop.create_task(services.engine.keep_time()))
            self.watch()
        return services

    def watch(self) -> None:
        """Watch this loop from now on, until `close`: what blocks it is logged.

        Not where time is simulated: there a loop that works looks like one that is blocked.
        """
        live = self._live(asyncio.get_running_loop())
        seconds = self._settings().loop_blocked_seconds
        is_real = live.services is not None and isinstance(live.services.clock, SystemClock)
        if seconds is not None and is_real and live.watch is None:
            live.watch = LoopWatch(live.loop, seconds)
            live.watch.start()

    async def client(self, task_hub: str | None, connection_name: str | None) -> Client:
        """The client of the app's hub, or of the one named, ready to make links.

        Raises:
            BadConfig: a setting breaks a rule.
            StorageError: the hub cannot be made sure of; the next call tries again.
        """
        live = self._live(asyncio.get_running_loop())
        services = self.services()
        wanted = (task_hub or None, connection_name or None)
        if wanted == (None, None):
            client = services.client
        elif wanted in live.clients:
            client = live.clients[wanted]
        else:
            client, account = self._opening.client(services, self._settings(), wanted, self.client)
            live.clients[wanted] = client
            if account is not None:
                live.accounts.append(account)
        await client.prepare()
        return client

    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop to use from another thread; one of our own when the app's is not known."""
        with self._guard:
            for loop in self._lives:
                if loop.is_running():
                    return loop
            if self._thread is None:
                self._thread = _LoopThread()
            return self._thread.loop

    async def close(self) -> None:
        """End what was made on this loop, and our own loop if there is one."""
        live = self._lives.pop(asyncio.get_running_loop(), None)
        if live is not None:
            await live.close()
        thread, self._thread = self._thread, None
        if thread is not None:
            other = self._lives.pop(thread.loop, None)
            await asyncio.to_thread(thread.stop, other)

    def _settings(self) -> AppConfig:
        if self._config is None:
            raise UsageError("The app was used before the worker indexed it (get_functions).")
        return self._config

    def _live(self, loop: asyncio.AbstractEventLoop) -> _Live:
        with self._guard:
            for closed in [other for other in self._lives if other.is_closed()]:
                # Its connections died with it.
                del self._lives[closed]
            return self._lives.setdefault(loop, _Live(loop))


class _LoopThread:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self.loop.run_forever, name="durable-loop", daemon=True
        )
        self._thread.start()

    def stop(self, live: _Live | None) -> None:
        """End `live` on the loop, then the loop and the thread."""
        if live is not None:
            asyncio.run_coroutine_threadsafe(live.close(), self.loop).result()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()
