"""A class's public methods as an entity's operations."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from durable.authoring.definitions import UserFunction
from durable.errors import UsageError
from durable.wire.typed import convert

# Whose methods are no operations: what classes are built on.
_NOT_USERS = frozenset({"abc", "builtins", "durable", "pydantic", "typing"})


@dataclass(frozen=True, kw_only=True, slots=True)
class EntityMethod:
    """An operation.

    Attributes:
        name: the method's name.
        function: the method.
        parameter: what takes the input; None when nothing does.
        input_type: the parameter's annotation; None when there is none.
        return_type: the annotation of the result; None when there is none.
    """

    name: str
    function: UserFunction
    parameter: inspect.Parameter | None
    input_type: object
    return_type: object

    @property
    def is_async(self) -> bool:
        """Calling it gives a coroutine, to be awaited on the loop."""
        return inspect.iscoroutinefunction(self.function)

    def arguments(self, given: object) -> tuple[object, ...]:
        """What to call it with, when `given` is the input; None for no input.

        Raises:
            TypeError: it needs an input, and there is none.
        """
        if self.parameter is None:
            return ()
        if given is not None:
            return (given,)
        if self.parameter.default is not inspect.Parameter.empty:
            return ()
        return (None if self.input_type is None else convert(None, self.input_type, []),)

    def call(self, target: object, arguments: tuple[object, ...]) -> Any:
        """Call it on an object."""
        if self.parameter is not None and self.parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            return self.function(target, **dict.fromkeys([self.parameter.name], *arguments))
        return self.function(target, *arguments)


def methods_of(kind: type) -> Mapping[str, EntityMethod]:
    """The operations of a class, by lower-case name.

    Raises:
        UsageError: a method breaks a rule.
    """
    found: dict[str, EntityMethod] = {}
    for name, function in _public_methods(kind).items():
        method = _method(f"{kind.__name__}.{name}", name, function)
        present = found.setdefault(name.lower(), method)
        if present is not method:
            raise UsageError(
                f"{kind.__name__} has the operations {present.name!r} and {name!r}, which are one "
                "to callers (case does not matter); rename one of them."
            )
    return found


def _public_methods(kind: type) -> Mapping[str, UserFunction]:
    found: dict[str, UserFunction] = {}
    for base in reversed(kind.__mro__):
        if base.__module__.partition(".")[0] in _NOT_USERS:
            continue
        for name, member in vars(base).items():
            if is_public(name) and inspect.isfunction(member):
                found[name] = member
            else:
                found.pop(name, None)
    return found


def _method(where: str, name: str, function: UserFunction) -> EntityMethod:
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise UsageError(
            f"{where} yields: an operation runs at once and waits for nothing durable. Write "
            "def or async def with return, or begin its name with '_'."
        )
    parameters = list(inspect.signature(function).parameters.values())[1:]
    various = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    if len(parameters) > 1 or any(each.kind in various for each in parameters):
        raise UsageError(
            f"{where} takes more than one argument: an operation takes its input, or nothing. "
            "Take a dataclass or a dict, or begin its name with '_'."
        )
    parameter = parameters[0] if parameters else None
    hints = resolved_hints(function, where)
    return EntityMethod(
        name=name,
        function=function,
        parameter=parameter,
        input_type=None if parameter is None else hints.get(parameter.name),
        return_type=hints.get("return"),
    )


def resolved_hints(named: object, where: str) -> Mapping[str, object]:
    """The annotations of a class or method.

    Raises:
        UsageError: they name what cannot be resolved; `where` says whose they are.
    """
    try:
        return typing.get_type_hints(named)
    except Exception as error:
        # Without its types, the state would come back as something else than it was.
        raise UsageError(
            f"The annotations of {where} cannot be resolved ({type(error).__name__}: {error}). "
            "Import what they name for the running module, too, not only for type checkers."
        ) from error


def is_public(name: str) -> bool:
    """Whether a method of that name is an operation, an attribute of that name state."""
    return not name.startswith("_")
