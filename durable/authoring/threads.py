"""Users' synchronous functions, run in threads so that the loop goes on."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any


async def in_thread(threads: Executor, call: Callable[[], Any], *, what: str) -> Any:
    """What `call` returns or raises, run in one of `threads` with the caller's context variables.

    Raises:
        RuntimeError: `call` raised StopIteration; `what` says who did ("The activity").
    """
    context = contextvars.copy_context()
    result, error = await asyncio.get_running_loop().run_in_executor(
        threads, lambda: context.run(_outcome, call)
    )
    match error:
        case None:
            return result
        case StopIteration():
            # As Python does it for generators: it can't leave a coroutine as it is.
            raise RuntimeError(f"{what} raised StopIteration.") from error
        case _:
            raise error


def _outcome(call: Callable[[], Any]) -> tuple[Any, BaseException | None]:
    """The outcome as a value: a future can't carry StopIteration, and its awaiter would hang."""
    try:
        return call(), None
    except BaseException as error:  # noqa: BLE001 - raised again on the loop
        return None, error
