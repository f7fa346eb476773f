from __future__ import annotations

import functools
from collections.abc import Callable, Generator

import pytest

from durable.authoring.context import DurableOrchestrationContext
from durable.authoring.definitions import ActivityDefinition, OrchestratorDefinition


def activity(function: Callable[..., object], input_name: str = "x") -> ActivityDefinition:
    return ActivityDefinition(name="a", function=function, input_name=input_name)


def orchestrator(function: Callable[..., object]) -> OrchestratorDefinition:
    return OrchestratorDefinition(name="o", function=function, context_name="context")


def typed(x: int) -> str:
    return str(x)


async def typed_async(x: list[int]) -> None: ...


def untyped(x):  # type: ignore[no-untyped-def]
    return x


def unresolvable(x: "Missing") -> "Missing":  # type: ignore[name-defined]  # noqa: F821, UP037
    return x


class Callables:
    async def __call__(self, x: int) -> int:
        return x

    def method(self, x: float) -> float:
        return x


def test_an_activitys_types_come_from_its_annotations() -> None:
    assert activity(typed).input_type is int
    assert activity(typed).return_type is str
    assert activity(typed_async).input_type == list[int]
    assert activity(typed_async).return_type is None
    assert activity(untyped).input_type is None
    assert activity(untyped).return_type is None
    assert activity(unresolvable).input_type is None
    assert activity(Callables().method).input_type is float
    assert activity(typed, "other").input_type is None


def test_an_activity_is_async_when_calling_it_gives_a_coroutine() -> None:
    assert activity(typed_async).is_async
    assert activity(Callables()).is_async
    assert activity(functools.partial(typed_async)).is_async
    assert not activity(typed).is_async
    assert not activity(Callables().method).is_async


def test_decorators_that_wrap_are_looked_through() -> None:
    @functools.wraps(typed)
    def wrapper(*args: object) -> object:
        return None

    assert activity(wrapper).input_type is int


def test_an_activity_is_called_with_its_argument_by_name() -> None:
    assert activity(typed).call(5) == "5"


def test_an_orchestrators_types_come_from_its_annotations() -> None:
    def generator(context: DurableOrchestrationContext) -> Generator[object, object, list[int]]:
        yield context
        return []

    async def coroutine(context: object) -> dict[str, int]:
        return {}

    def plain(context) -> None:  # type: ignore[no-untyped-def]
        return None

    assert orchestrator(generator).return_type == list[int]
    assert orchestrator(generator).annotated_input is None
    assert orchestrator(coroutine).return_type == dict[str, int]
    assert orchestrator(plain).return_type is None


def test_the_contexts_annotation_may_name_the_inputs_type() -> None:
    def plain(context: DurableOrchestrationContext[int]) -> None:  # type: ignore[type-arg]
        return None

    assert orchestrator(plain).annotated_input is int


@pytest.mark.parametrize("value", [1, "x"], ids=str)
def test_definitions_are_values(value: object) -> None:
    assert activity(typed) == activity(typed)
    assert activity(typed) != value
