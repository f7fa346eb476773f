"""What to say when an orchestrator waits for something that is no task of its own."""

from __future__ import annotations

import inspect
from collections.abc import Callable

from durable.engine.task_base import TaskBase

_ADVICE = "An orchestrator can only wait for tasks of its own context"
_ASYNC_IO = (
    "it may not do I/O or sleep itself: do it in an activity (context.call_activity), and wait "
    "with context.create_timer"
)


def refusal(value: object) -> str:
    """Why `value` cannot be waited for, and what to use instead.

    A coroutine is closed, so that Python doesn't complain that nobody awaited it.
    """
    if inspect.iscoroutine(value):
        value.close()
    return f"{_ADVICE}; this one waited for {_what(value)}."


def _what(value: object) -> str:
    for fits, text in _KINDS:
        if fits(value):
            return text
    return (
        f"an object of type {type(value).__name__}. Make tasks with context.call_activity, "
        "context.create_timer, context.task_all and the like"
    )


def _is_asyncio_future(value: object) -> bool:
    return getattr(value, "_asyncio_future_blocking", None) is not None


_KINDS: tuple[tuple[Callable[[object], bool], str], ...] = (
    (lambda value: value is None, f"nothing (a bare yield, or asyncio.sleep(0)); {_ASYNC_IO}"),
    (lambda value: isinstance(value, TaskBase), "a task that another orchestration made"),
    (
        _is_asyncio_future,
        f"asyncio; {_ASYNC_IO}, and for several tasks with context.task_all or context.task_any",
    ),
    (
        lambda value: isinstance(value, list | tuple | set | frozenset),
        "a collection: yield context.task_all([...]) or context.task_any([...]) instead of a list",
    ),
    (inspect.iscoroutine, f"a coroutine: await it in an async def orchestrator; {_ASYNC_IO}"),
    (inspect.isgenerator, "a generator: delegate to it with 'yield from' instead of 'yield'"),
    (
        lambda value: inspect.isroutine(value) or isinstance(value, type),
        "a function: call it through the context (context.call_activity)",
    ),
)
