"""What azure-functions-durable has only for its first programming model, function.json.

The names exist so that an app imports, and say what to write instead when they are used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from durable.errors import UsageError

UserFunction = Callable[..., Any]


class DurableFunctionsCompatibilityWarning(UserWarning):
    """1.7 warns so of apps that version 2 will not run. Nothing here does."""


class Orchestrator:
    """1.7 makes function.json apps' orchestrators with it; here the decorator makes them."""

    def __init__(self, activity_func: UserFunction) -> None:
        _refuse("Orchestrator", activity_func, 'orchestration_trigger(context_name="context")')

    @classmethod
    def create(cls, fn: UserFunction) -> NoReturn:
        """Not here.

        Raises:
            UsageError: always; it says which decorator to use.
        """
        _refuse("Orchestrator.create", fn, 'orchestration_trigger(context_name="context")')


class Entity:
    """1.7 makes function.json apps' entities with it; here the decorator makes them."""

    def __init__(self, entity_func: UserFunction) -> None:
        _refuse("Entity", entity_func, 'entity_trigger(context_name="context")')

    @classmethod
    def create(cls, fn: UserFunction) -> NoReturn:
        """Not here.

        Raises:
            UsageError: always; it says which decorator to use.
        """
        _refuse("Entity.create", fn, 'entity_trigger(context_name="context")')


def _refuse(what: str, function: object, decorator: str) -> NoReturn:
    name = getattr(function, "__name__", "your function")
    raise UsageError(
        f"df.{what}({name}) belongs to the programming model with a function.json for each "
        "function, which durable does not run: the Functions host reads those files itself and "
        "asks for the Durable extension. Write a function_app.py with app = df.DFApp(), decorate "
        f"{name} with @app.{decorator}, and delete its function.json. In a unit test call the "
        "function itself (docs/howto/unit-tests.md)."
    )
