"""Calls one function as the worker does: on the loop, or in a thread when it is synchronous."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import azure.functions as func

from durable.clock import Clock
from durable.host.index import IndexedFunction

#: What the host gives a worker when PYTHON_THREADPOOL_THREAD_COUNT is not set.
_THREADS = 1000


class InvocationTimeoutError(Exception):
    """The function ran longer than host.json's functionTimeout."""


class UnexpectedReturnError(Exception):
    """The function returned a value that no binding takes; the worker fails such a call."""


class InvocationContext(func.Context):
    """What a parameter `context` receives."""

    def __init__(self, function: IndexedFunction, invocation_id: str, directory: str) -> None:
        self._function = function
        self._invocation_id = invocation_id
        self._directory = directory
        self._thread_local = threading.local()

    @property
    def invocation_id(self) -> str:
        """Unique to this call."""
        return self._invocation_id

    @property
    def thread_local_storage(self) -> Any:
        """Where threads of a synchronous function say whose logs they write."""
        return self._thread_local

    @property
    def function_name(self) -> str:
        """The function's name."""
        return self._function.name

    @property
    def function_directory(self) -> str:
        """The app's folder."""
        return self._directory

    @property
    def trace_context(self) -> Any:
        """None: there is no telemetry here."""
        return None

    @property
    def retry_context(self) -> Any:
        """None: this host applies no retry policies."""
        return None


class Invoker:
    """Runs functions; owns the threads of synchronous ones."""

    def __init__(self, clock: Clock, directory: str, timeout_seconds: float | None) -> None:
        self._clock = clock
        self._directory = directory
        self._timeout_seconds = timeout_seconds
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="function")

    async def call(self, function: IndexedFunction, argument: object) -> object:
        """Run `function`, its trigger's parameter being `argument`; what it returns.

        Raises:
            InvocationTimeoutError: it took too long. (The real host then restarts the worker.)
            Exception: whatever the function raises.
        """
        arguments: dict[str, object] = {str(function.trigger["name"]): argument}
        if function.wants_context:
            arguments["context"] = InvocationContext(
                function, self._clock.new_id(), self._directory
            )
        limit = asyncio.timeout(self._timeout_seconds)
        try:
            async with limit:
                if function.is_async:
                    return await function.call(**arguments)
                # The caller's context goes along, as with asyncio.to_thread.
                run = functools.partial(contextvars.copy_context().run, function.call, **arguments)
                return await asyncio.get_running_loop().run_in_executor(self._threads, run)
        except Exception as error:
            if limit.expired():
                raise InvocationTimeoutError(
                    f"{function.name} ran longer than functionTimeout "
                    f"({self._timeout_seconds:g} s, host.json)."
                ) from error
            raise

    def close(self) -> None:
        """Let the threads go; one that still runs is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)
