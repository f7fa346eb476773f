"""A client function shown to the worker without its client parameter.

The worker refuses a function with a parameter that is no binding, so it sees a wrapper whose
signature and annotations lack it (functions-host.md 2.3). The worker runs a plain ``def`` in a
thread; its client is a bridge to the loop the engine lives on.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from durable.errors import UsageError
from durable.functions.contained import contained

UserFunction = Callable[..., Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class ClientInput:
    """One durable_client_input: the parameter, and whose hub it is for (None: the app's own)."""

    parameter: str
    task_hub: str | None = None
    connection_name: str | None = None


class ClientSource(Protocol):
    """Where clients come from."""

    async def client(self, task_hub: str | None, connection_name: str | None) -> object:
        """The client of a hub; on the loop that owns the connections."""
        ...

    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that owns the connections; asked from another thread."""
        ...


class SyncClient:
    """A client for synchronous functions: each asynchronous method becomes a blocking one."""

    def __init__(self, client: object, loop: asyncio.AbstractEventLoop) -> None:
        self._client = client
        self._loop = loop

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if not inspect.iscoroutinefunction(found):
            return found

        @functools.wraps(found)
        def blocking(*args: object, **kwargs: object) -> object:
            return on_loop(self._loop, lambda: found(*args, **kwargs))

        return blocking


def on_loop(loop: asyncio.AbstractEventLoop, call: Callable[[], Awaitable[object]]) -> object:
    """Run `call` on `loop` and wait for it, from a thread that is not the loop's.

    Raises:
        UsageError: called on the loop itself, which would wait for itself for ever.
    """
    try:
        running = asyncio.get_running_loop()
    except RuntimeError:
        running = None
    if running is loop:
        raise UsageError(
            "A synchronous client function was called on the event loop. The Functions worker "
            "calls it in a thread; elsewhere use asyncio.to_thread, or make it async def."
        )

    async def run() -> object:
        return await call()

    return asyncio.run_coroutine_threadsafe(run(), loop).result()


def inject_clients(
    function: UserFunction, clients: tuple[ClientInput, ...], source: Callable[[], ClientSource]
) -> UserFunction:
    """`function` as the worker may see it; `source` is asked at each call.

    Raises:
        UsageError: `function` has no such parameter.
    """
    signature = inspect.signature(function)
    for client in clients:
        if client.parameter not in signature.parameters:
            raise UsageError(
                f"{function.__name__!r} has no parameter {client.parameter!r}, which "
                "durable_client_input(client_name=...) names."
            )
    hidden = {client.parameter for client in clients}
    if inspect.iscoroutinefunction(function):
        wrapper = _asynchronous(function, clients, source)
    else:
        wrapper = _synchronous(function, clients, source)
    seen = [p for name, p in signature.parameters.items() if name not in hidden]
    wrapper.__signature__ = signature.replace(parameters=seen)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {
        name: kind for name, kind in function.__annotations__.items() if name not in hidden
    }
    wrapper.client_function = function  # type: ignore[attr-defined]
    return wrapper


def _asynchronous(
    function: UserFunction, clients: tuple[ClientInput, ...], source: Callable[[], ClientSource]
) -> UserFunction:
    @functools.wraps(function)
    async def invoke(*args: object, **kwargs: object) -> object:
        with contained(function.__name__):
            found = {c.parameter: await _client(source(), c) for c in clients}
            return await function(*args, **kwargs, **found)

    return invoke


def _synchronous(
    function: UserFunction, clients: tuple[ClientInput, ...], source: Callable[[], ClientSource]
) -> UserFunction:
    @functools.wraps(function)
    def invoke(*args: object, **kwargs: object) -> object:
        origin = source()
        loop = origin.loop()
        found = {
            c.parameter: SyncClient(on_loop(loop, functools.partial(_client, origin, c)), loop)
            for c in clients
        }
        return function(*args, **kwargs, **found)

    return invoke


async def _client(source: ClientSource, client: ClientInput) -> object:
    return await source.client(client.task_hub, client.connection_name)
