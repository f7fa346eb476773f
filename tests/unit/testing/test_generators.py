"""orchestrator_generator_wrapper: what it yields, sends and throws."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock, Mock, PropertyMock

import pytest

import durable as df
from durable.testing import completed_task, failed_task, orchestrator_generator_wrapper


def drive(steps: Any) -> list[Any]:
    return list(orchestrator_generator_wrapper(steps))


def test_it_yields_each_task_and_then_the_output() -> None:
    tasks = [SimpleNamespace(result="a"), SimpleNamespace(result="b")]

    def steps() -> Generator[Any, Any, list[str]]:
        return [(yield tasks[0]), (yield tasks[1])]

    assert drive(steps()) == [*tasks, ["a", "b"]]


def test_it_runs_no_further_than_it_is_asked() -> None:
    reached: list[int] = []

    def steps() -> Generator[Any, Any, None]:
        reached.append(1)
        yield completed_task()
        reached.append(2)
        yield completed_task()

    driven = orchestrator_generator_wrapper(steps())
    assert reached == []
    next(driven)
    assert reached == [1]
    next(driven)
    assert reached == [1, 2]
    assert list(driven) == [None]


def test_an_orchestrator_without_a_task_yields_its_output_alone() -> None:
    async def steps() -> int:
        return 5

    assert drive(steps()) == [5]


def failing_property() -> Any:
    task = MagicMock()
    type(task).result = PropertyMock(side_effect=ValueError("no"))
    return task


class Unfinished:
    @property
    def result(self) -> object:
        raise AttributeError("no")


@pytest.mark.parametrize(
    ("task", "error"),
    [
        (failing_property(), ValueError),
        (Unfinished(), AttributeError),
        (failed_task(ValueError("no")), ValueError),
    ],
    ids=["a property that raises", "a property that is missing", "a failed task"],
)
def test_a_failure_is_thrown_into_the_orchestrator(task: Any, error: type[Exception]) -> None:
    def caught() -> Generator[Any, Any, str]:
        try:
            yield task
        except error as found:
            yield completed_task()
            return f"caught {found}"
        return "not thrown"

    assert drive(caught())[-1] == "caught no"

    def uncaught() -> Generator[Any, Any, None]:
        yield task

    with pytest.raises(error, match="no"):
        drive(uncaught())


def test_what_the_orchestrator_raises_is_raised() -> None:
    def steps() -> Generator[Any, Any, None]:
        yield completed_task()
        raise LookupError("its own")

    with pytest.raises(LookupError, match="its own"):
        drive(steps())


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (None, "bare yield"),
        ([completed_task()], "context.task_all"),
        (5, "an object of type int"),
    ],
    ids=["nothing", "a list", "a number"],
)
def test_what_is_no_task_is_refused_as_on_replay(wrong: object, told: str) -> None:
    def steps() -> Generator[Any, Any, str]:
        try:
            yield wrong
        except df.NotATask as error:
            return str(error)
        return ""

    assert told in drive(steps())[-1]


def test_an_async_orchestrator_is_driven_the_same() -> None:
    async def steps() -> list[Any]:
        first = await completed_task(1)
        try:
            await failed_task(ValueError("no"))
        except ValueError as error:
            return [first, str(error)]
        return []

    *tasks, output = drive(steps())
    assert len(tasks) == 2
    assert output == [1, "no"]


def test_foreign_waiting_in_an_async_orchestrator_is_refused() -> None:
    async def steps() -> str:
        try:
            await asyncio.sleep(0)
        except df.NotATask as error:
            return str(error)
        return ""

    assert "context.create_timer" in drive(steps())[-1]


def test_a_mock_of_the_task_class_does() -> None:
    """As Microsoft's page on unit tests has it, patched task class and all."""
    task = Mock(spec=df.TaskBase)
    task.result = 3

    def steps() -> Generator[Any, Any, list[int]]:
        return [(yield task)]

    assert drive(steps()) == [task, [3]]
    assert isinstance(task, df.TaskBase)
