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
        raise first_of(several) from None
    finally:
        for coroutine in waiting:
            coroutine.close()  # those a cancelled gate never let in
    return [task.result() for task in tasks]


async def first_to_end(*coroutines: Coroutine[object, object, object]) -> None:
    """Run them until one has ended, whose error is raised; the others are cancelled."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(coroutine) for coroutine in coroutines]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
    except BaseExceptionGroup as several:
        raise first_of(several) from None


def first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first error of a group, out of all its wrappings."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
