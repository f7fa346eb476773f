"""Users' synchronous functions, run in threads so that the loop goes on."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar

Result = TypeVar("Result")


async def in_thread(threads: Executor, call: Callable[[], Result], *, what: str) -> Result:
    """What `call` returns or raises, run in one of `threads` with the caller's context variables.

    Raises:
        RuntimeError: `call` raised StopIteration; `what` says who did ("The activity").
    """
    context = contextvars.copy_context()
    outcome = await asyncio.get_running_loop().run_in_executor(
        threads, lambda: context.run(_outcome, call)
    )
    error = outcome[1]
    if error is None:
        return outcome[0]
    if isinstance(error, StopIteration):
        # As Python does it for generators: it can't leave a coroutine as it is.
        raise RuntimeError(f"{what} raised StopIteration.") from error
    raise error


def _outcome(call: Callable[[], Result]) -> tuple[Result, None] | tuple[None, BaseException]:
    """The outcome as a value: a future can't carry StopIteration, and its awaiter would hang."""
    try:
        return call(), None
    except BaseException as error:  # noqa: BLE001 - raised again on the loop
        return None, error
