"""An ``async def`` orchestrator's coroutine, run as no asyncio task.

The engine steps it from inside a task of its own. Without this, ``asyncio.timeout`` in an
orchestrator would find that task and cancel it, and with it the work of other instances.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from types import TracebackType
from typing import Any

from durable.errors import NotATask


class Unattached(Coroutine[Any, Any, Any]):
    """`body`; while it runs, there is no current task."""

    def __init__(self, body: Coroutine[Any, Any, Any]) -> None:
        self._body = body

    @property
    def cr_frame(self) -> object:
        """Where it is; for messages that name the user's line."""
        return getattr(self._body, "cr_frame", None)

    @property
    def cr_await(self) -> object:
        """What it waits for; for messages that name the user's line."""
        return getattr(self._body, "cr_await", None)

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._body.__await__()

    def send(self, value: Any) -> Any:
        """Run on with `value`."""
        return _outside_tasks(self._body.send, value)

    def throw(self, *error: Any) -> Any:
        """Run on with an exception."""
        return _outside_tasks(self._body.throw, *error)

    def close(self) -> None:
        """End it where it is."""
        _outside_tasks(self._body.close)


def _outside_tasks(step: Callable[..., Any], *arguments: Any) -> Any:
    task = _current_task()
    if task is None:
        return step(*arguments)
    loop = task.get_loop()
    # Documented under "Extending asyncio", for those who run coroutines themselves.
    asyncio.tasks._leave_task(loop, task)  # noqa: SLF001
    try:
        return step(*arguments)
    except RuntimeError as error:
        if not _is_asyncios(error.__traceback__):
            raise
        raise NotATask(
            f"An orchestrator is no asyncio task ({error}). For a time limit use "
            "context.create_timer with context.task_any, for several things at once "
            "context.task_all, and for I/O an activity (context.call_activity)."
        ) from error
    finally:
        asyncio.tasks._enter_task(loop, task)  # noqa: SLF001


def _current_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None  # no loop runs: a test steps it


def _is_asyncios(trace: TracebackType | None) -> bool:
    """Whether asyncio itself raised it."""
    module = ""
    while trace is not None:
        module = str(trace.tb_frame.f_globals.get("__name__"))
        trace = trace.tb_next
    return module.partition(".")[0] == "asyncio"
