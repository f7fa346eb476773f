"""Orchestrators, activities and entities as data: a function, its name, its types."""

from __future__ import annotations

import enum
import inspect
import typing
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

UserFunction = Callable[..., Any]


class FunctionKind(enum.StrEnum):
    """What a function is to the engine."""

    ORCHESTRATOR = "orchestrator"
    ACTIVITY = "activity"
    ENTITY = "entity"


@dataclass(frozen=True, kw_only=True, slots=True)
class OrchestratorDefinition:
    """An orchestrator. `input_type` is what ``get_input()`` makes of the input."""

    name: str
    function: UserFunction
    context_name: str
    input_type: Any = None

    @property
    def annotated_input(self) -> object:
        """The type in ``context: DurableOrchestrationContext[Order]``; None when there is none."""
        annotation = hints_of(self.function).get(self.context_name)
        arguments = typing.get_args(annotation)
        return arguments[0] if arguments else None

    @property
    def return_type(self) -> object:
        """The annotated type of the output; None when there is none."""
        annotation = hints_of(self.function).get("return")
        if typing.get_origin(annotation) in (Generator, Coroutine, AsyncGenerator):
            annotation = typing.get_args(annotation)[-1]
        return _unless_nothing(annotation)


@dataclass(frozen=True, kw_only=True, slots=True)
class ActivityDefinition:
    """An activity, and the parameter that takes its input."""

    name: str
    function: UserFunction
    input_name: str

    @property
    def is_async(self) -> bool:
        """Calling it gives a coroutine, to be awaited on the loop."""
        return _is_async(self.function)

    @property
    def input_type(self) -> object:
        """The annotated type of the input; None when there is none."""
        return hints_of(self.function).get(self.input_name)

    @property
    def return_type(self) -> object:
        """The annotated type of the result; None when there is none."""
        return _unless_nothing(hints_of(self.function).get("return"))

    def call(self, value: object) -> Any:
        """Call it with its one argument."""
        return self.function(**{self.input_name: value})


@dataclass(frozen=True, kw_only=True, slots=True)
class EntityDefinition:
    """An entity: a function, called once for each operation, or a class (`entity_class`)."""

    name: str
    function: UserFunction
    context_name: str = "context"

    @property
    def is_class(self) -> bool:
        """Its operations are methods of a class."""
        return isinstance(self.function, type)

    @property
    def is_async(self) -> bool:
        """Calling the function gives a coroutine, to be awaited on the loop."""
        return not self.is_class and _is_async(self.function)


def _is_async(function: UserFunction) -> bool:
    called = getattr(function, "__call__", None)  # noqa: B004 - an object's own method
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(called)


def _unless_nothing(annotation: object) -> object:
    # "-> None" says nothing of a result that is there all the same.
    return None if annotation is type(None) else annotation


@lru_cache(maxsize=1024)
def hints_of(function: UserFunction) -> Mapping[str, object]:
    """The annotations of a function or class; none when they name what cannot be resolved."""
    try:
        return typing.get_type_hints(inspect.unwrap(function))
    except Exception:  # noqa: BLE001 - annotations are user code; types are an aid, not a must
        return {}
