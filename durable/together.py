"""Running several awaitables at once, under one owner.

`asyncio.TaskGroup` wraps what its tasks raise into a group; callers of ours want the error itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import TypeVar

T = TypeVar("T")


async def run_together(
    coroutines: Iterable[Coroutine[object, object, T]], *, at_once: int | None = None
) -> list[T]:
    """The results, in order. The first error cancels the rest and is raised as it is.

    `at_once` bounds how many run at the same time.
    """
    gate = asyncio.Semaphore(at_once) if at_once is not None else None

    async def gated(coroutine: Coroutine[object, object, T]) -> T:
        if gate is None:
            return await coroutine
        async with gate:
            return await coroutine

    waiting = list(coroutines)
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(gated(coroutine)) for coroutine in waiting]
    except BaseExceptionGroup as several:
        raise _first(several) from None
    finally:
        for coroutine in waiting:
            coroutine.close()  # those a cancelled gate never let in
    return [task.result() for task in tasks]


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
