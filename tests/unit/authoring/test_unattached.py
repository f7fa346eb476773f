"""What an async orchestrator that meddles with asyncio gets, and what it can't do to the engine."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import pytest

from durable.authoring.unattached import Unattached
from durable.errors import NotATask
from durable.model.status import RuntimeStatus
from tests.unit.authoring.test_context import Context, driving


async def with_a_timeout(context: Context) -> None:
    async with asyncio.timeout(0):
        await context.call_activity("hello")


async def in_a_task_group(context: Context) -> None:
    async with asyncio.TaskGroup():
        await context.call_activity("hello")


async def run_by_itself(context: Context) -> None:
    coroutine = asyncio.sleep(0)
    try:
        asyncio.run(coroutine)
    finally:
        coroutine.close()


async def deep_in_its_own_io(context: Context) -> None:
    async def download() -> None:
        await asyncio.sleep(1)

    await download()


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (with_a_timeout, "context.create_timer with context.task_any"),
        (in_a_task_group, "context.task_all"),
        (run_by_itself, "context.call_activity"),
        (deep_in_its_own_io, "context.call_activity"),
    ],
)
async def test_asyncio_in_an_orchestrator_fails_it_with_what_to_use(
    code: Callable[..., Any], advice: str
) -> None:
    outcome = driving(code).start()
    assert outcome is not None
    assert outcome.status is RuntimeStatus.FAILED
    assert outcome.failure is not None
    assert outcome.failure.error_type == "durable.errors.NotATask"
    assert advice in (outcome.result or "")
    # The engine's own task goes on: a timeout of 0 would have cancelled it by now.
    await asyncio.sleep(0)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_gathering_tasks_is_refused_with_task_all(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def code(context: Context) -> None:
        await asyncio.gather(context.call_activity("hello"), context.call_activity("hello"))

    outcome = driving(code).start()
    assert outcome is not None
    assert "context.task_all or context.task_any" in (outcome.result or "")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    gc.collect()  # what asyncio made of the tasks complains now, and not in another test
    caplog.clear()


async def test_while_it_runs_there_is_no_current_task() -> None:
    seen: list[object] = []

    class Pause:
        def __await__(self) -> Any:
            return (yield self)

    async def body() -> str:
        seen.append(asyncio.current_task())
        try:
            await Pause()
        except LookupError:
            seen.append(asyncio.current_task())
        try:
            await Pause()
        finally:
            seen.append(asyncio.current_task())
        return "never"

    unattached = Unattached(body())
    mine = asyncio.current_task()
    unattached.send(None)
    assert unattached.cr_await is not None
    assert unattached.cr_frame is not None
    unattached.throw(LookupError())
    unattached.close()
    assert seen == [None, None, None]
    assert asyncio.current_task() is mine


async def test_its_result_and_its_own_errors_pass_through() -> None:
    async def body() -> int:
        return 5

    with pytest.raises(StopIteration) as stop:
        Unattached(body()).send(None)
    assert stop.value.value == 5

    async def failing() -> None:
        raise RuntimeError("its own")

    with pytest.raises(RuntimeError, match="its own") as caught:
        Unattached(failing()).send(None)
    assert not isinstance(caught.value, NotATask)
    assert await Unattached(body()) == 5


def test_it_runs_without_a_loop() -> None:
    async def body() -> int:
        return 5

    with pytest.raises(StopIteration):
        Unattached(body()).send(None)
