"""Several awaitables at once, under one owner."""

from __future__ import annotations

import asyncio

import pytest

from durable.together import first_to_end, run_together


async def settle() -> None:
    """Let everything run that can without time passing."""
    for _ in range(50):
        await asyncio.sleep(0)


async def give(value: int) -> int:
    return value


async def fail(error: BaseException) -> int:
    raise error


class Runners:
    """Coroutines that wait for the test, and note who runs."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.running = 0
        self.most = 0
        self.ended: list[str] = []

    async def run(self, name: str) -> str:
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.gate.wait()
        finally:
            self.running -= 1
            self.ended.append(name)
        return name


async def test_results_come_in_order() -> None:
    runners = Runners()

    async def last() -> str:
        runners.gate.set()
        return "last"

    assert await run_together([runners.run("a"), runners.run("b"), last()]) == ["a", "b", "last"]


async def test_nothing_to_run_gives_nothing() -> None:
    assert await run_together([]) == []
    assert await run_together([], at_once=1) == []


async def test_all_run_at_once_unless_bounded() -> None:
    runners = Runners()
    async with asyncio.TaskGroup() as group:
        group.create_task(run_together([runners.run(str(n)) for n in range(5)]))
        await settle()
        assert runners.running == 5
        runners.gate.set()


async def test_at_once_bounds_how_many_run() -> None:
    runners = Runners()
    async with asyncio.TaskGroup() as group:
        results = group.create_task(
            run_together((runners.run(str(n)) for n in range(5)), at_once=2)
        )
        await settle()
        assert runners.running == 2
        runners.gate.set()
    assert results.result() == ["0", "1", "2", "3", "4"]
    assert runners.most == 2


async def test_the_first_error_is_raised_as_it_is_and_cancels_the_rest() -> None:
    runners = Runners()
    error = ValueError("no")
    with pytest.raises(ValueError, match="no") as raised:
        await run_together([runners.run("a"), fail_str(error), runners.run("b")])
    assert raised.value is error
    assert runners.running == 0
    assert sorted(runners.ended) == ["a", "b"]


async def fail_str(error: Exception) -> str:
    raise error


async def test_of_several_errors_the_first_is_raised() -> None:
    with pytest.raises(KeyError):
        await run_together([give(1), fail(KeyError("first")), fail(ValueError("second"))])


async def test_groups_within_groups_are_opened() -> None:
    inner = ExceptionGroup("inner", [KeyError("deep"), ValueError("other")])
    with pytest.raises(KeyError):
        await run_together([fail(ExceptionGroup("outer", [inner]))])


async def test_what_never_got_in_is_closed() -> None:
    # Warnings are errors: a coroutine that nobody awaited would fail this test.
    with pytest.raises(ValueError, match="no"):
        await run_together([fail(ValueError("no")), give(1), give(2)], at_once=1)


async def test_cancelling_the_caller_cancels_all() -> None:
    runners = Runners()
    async with asyncio.TaskGroup() as group:
        whole = group.create_task(
            run_together([runners.run("a"), runners.run("b"), runners.run("c")], at_once=2)
        )
        await settle()
        whole.cancel()
    assert whole.cancelled()
    assert sorted(runners.ended) == ["a", "b"]


async def test_the_first_to_end_ends_the_others() -> None:
    ended: list[str] = []

    async def lasting() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("lasting")

    async def short() -> None:
        await settle()
        ended.append("short")

    await first_to_end(lasting(), short())
    assert ended == ["short", "lasting"]


async def test_what_the_first_to_end_raises_is_raised_as_it_is() -> None:
    with pytest.raises(KeyError, match="no"):
        await first_to_end(asyncio.Event().wait(), fail(KeyError("no")))


async def test_whoever_waits_for_the_first_to_end_may_be_cancelled() -> None:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(first_to_end(asyncio.Event().wait(), asyncio.Event().wait()))
        await settle()
        task.cancel()
    assert task.cancelled()
