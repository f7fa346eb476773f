"""The functions of one app, by name. Names ignore case, as the Functions host has it."""

from __future__ import annotations

import difflib
import typing
from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar, assert_never

from durable.authoring.definitions import (
    ActivityDefinition,
    EntityDefinition,
    FunctionKind,
    OrchestratorDefinition,
)
from durable.authoring.entity_class import check_entity, types_in
from durable.errors import AlreadyRegistered, InvalidName, UnknownFunction
from durable.model.ids import EntityId, check_entity_id
from durable.wire.http_json import BUILT_IN

Definition = TypeVar("Definition", OrchestratorDefinition, ActivityDefinition, EntityDefinition)


class _Shelf(Generic[Definition]):
    """The functions of one kind."""

    def __init__(self, kind: FunctionKind) -> None:
        self._kind = kind
        self._by_name: dict[str, Definition] = {}

    def __iter__(self) -> Iterator[Definition]:
        return iter(self._by_name.values())

    def add(self, definition: Definition) -> None:
        if not definition.name:
            raise InvalidName(f"An {self._kind}'s name must not be empty.")
        present = self._by_name.setdefault(definition.name.lower(), definition)
        if present is not definition:
            raise AlreadyRegistered(
                f"Two {self._kind} functions are named {definition.name!r} (case does not "
                "matter); rename one of them."
            )

    def find(self, name: str) -> Definition | None:
        return self._by_name.get(name.lower())

    def find_function(self, function: object) -> Definition | None:
        """The definition of a function, or of a decorated object that holds it."""
        wanted = getattr(function, "user_function", function)
        return next((found for found in self if found.function == wanted), None)

    def near(self, name: str) -> tuple[str, ...]:
        close = difflib.get_close_matches(name.lower(), self._by_name, n=3)
        return tuple(self._by_name[key].name for key in close)


class Registry:
    """Orchestrators, activities and entities; and classes that payloads may become."""

    def __init__(self) -> None:
        self._orchestrators = _Shelf[OrchestratorDefinition](FunctionKind.ORCHESTRATOR)
        self._activities = _Shelf[ActivityDefinition](FunctionKind.ACTIVITY)
        self._entities = _Shelf[EntityDefinition](FunctionKind.ENTITY)
        self._types: dict[str, type] = {}
        self._known: Mapping[str, type] | None = None

    def add_orchestrator(self, definition: OrchestratorDefinition) -> None:
        """Register an orchestrator.

        Raises:
            AlreadyRegistered: another one has its name.
        """
        self._orchestrators.add(definition)
        self._known = None

    def add_activity(self, definition: ActivityDefinition) -> None:
        """Register an activity.

        Raises:
            AlreadyRegistered: another one has its name.
            InvalidName: the name is one of the engine's own.
        """
        if definition.name.lower().startswith(BUILT_IN.lower()):
            raise InvalidName(
                f"An activity cannot be named {definition.name!r}: names that begin with "
                f"{BUILT_IN!r} are the engine's own."
            )
        self._activities.add(definition)
        self._known = None

    def add_entity(self, definition: EntityDefinition) -> None:
        """Register an entity.

        Raises:
            AlreadyRegistered: another one has its name.
            InvalidName: no entity's id can hold its name.
            UsageError: its function or class breaks a rule.
        """
        check_entity_id(EntityId(definition.name, "key"))
        check_entity(definition)
        self._entities.add(definition)
        self._known = None

    def add_type(self, kind: type) -> None:
        """Let payloads that ``kind.to_json`` wrote become objects of `kind` wherever they are read.

        Classes named in annotations of the app's functions need no such call.

        Raises:
            InvalidName: it has no ``from_json``.
        """
        if not _has_codec(kind):
            raise InvalidName(f"{kind.__qualname__} has no from_json(data) to make objects with.")
        self._types[_key(kind)] = kind
        self._known = None

    def find_orchestrator(self, name: str) -> OrchestratorDefinition | None:
        """The orchestrator of that name; None when there is none."""
        return self._orchestrators.find(name)

    def find_activity(self, name: str) -> ActivityDefinition | None:
        """The activity of that name; None when there is none."""
        return self._activities.find(name)

    def find_entity(self, name: str) -> EntityDefinition | None:
        """The entity of that name; None when there is none."""
        return self._entities.find(name)

    def orchestrator(self, name_or_function: object) -> OrchestratorDefinition:
        """The orchestrator that user code named, or passed as it was decorated.

        Raises:
            UnknownFunction: there is none of that name; near names are told.
            InvalidName: neither a name nor a registered function was passed.
        """
        return self._wanted(FunctionKind.ORCHESTRATOR, self._orchestrators, name_or_function)

    def activity(self, name_or_function: object) -> ActivityDefinition:
        """The activity that user code named, or passed as it was decorated.

        Raises:
            UnknownFunction: there is none of that name; near names are told.
            InvalidName: neither a name nor a registered function was passed.
        """
        return self._wanted(FunctionKind.ACTIVITY, self._activities, name_or_function)

    def entity(self, name_or_function: object) -> EntityDefinition:
        """The entity that user code named, or passed as it was decorated.

        Raises:
            UnknownFunction: there is none of that name; near names are told.
            InvalidName: neither a name nor a registered function was passed.
        """
        return self._wanted(FunctionKind.ENTITY, self._entities, name_or_function)

    def near(self, kind: FunctionKind | str, name: str) -> tuple[str, ...]:
        """Names of that kind which `name` may have been meant for."""
        match FunctionKind(kind):
            case FunctionKind.ORCHESTRATOR:
                return self._orchestrators.near(name)
            case FunctionKind.ACTIVITY:
                return self._activities.near(name)
            case FunctionKind.ENTITY:
                return self._entities.near(name)
            case _ as never:
                assert_never(never)

    def unknown(self, kind: FunctionKind | str, name: str) -> UnknownFunction:
        """The error that says so, with near names."""
        near = " or ".join(repr(found) for found in self.near(kind, name))
        hint = f" Did you mean {near}?" if near else ""
        return UnknownFunction(f"No {FunctionKind(kind)} function is named {name!r}.{hint}")

    @property
    def orchestrator_names(self) -> tuple[str, ...]:
        return tuple(found.name for found in self._orchestrators)

    @property
    def activity_names(self) -> tuple[str, ...]:
        return tuple(found.name for found in self._activities)

    @property
    def entity_names(self) -> tuple[str, ...]:
        return tuple(found.name for found in self._entities)

    @property
    def known_types(self) -> Mapping[str, type]:
        """Classes that envelopes in payloads may become, by ``module.Class``."""
        if self._known is None:
            annotated = [
                *(
                    kind
                    for found in self._activities
                    for kind in (found.input_type, found.return_type)
                ),
                *(
                    kind
                    for found in self._orchestrators
                    for kind in (found.input_type, found.annotated_input, found.return_type)
                ),
                *(kind for entity in self._entities for kind in types_in(entity)),
            ]
            named = {_key(kind): kind for part in annotated for kind in _codecs_in(part)}
            self._known = {**named, **self._types}
        return self._known

    def _wanted(
        self, kind: FunctionKind, shelf: _Shelf[Definition], name_or_function: object
    ) -> Definition:
        if isinstance(name_or_function, str):
            if not name_or_function:
                raise InvalidName(f"The name of the {kind} to call must not be empty.")
            found = shelf.find(name_or_function)
            if found is None:
                raise self.unknown(kind, name_or_function)
            return found
        found = shelf.find_function(name_or_function)
        if found is None:
            raise InvalidName(
                f"{_shown(name_or_function)} is not an {kind} of this app. Pass the name of an "
                f"{kind}, or the function as its {kind} decorator returned it."
            )
        return found


def _shown(value: object) -> str:
    name = getattr(value, "__name__", None)
    return f"The function {name!r}" if isinstance(name, str) else f"A {type(value).__name__}"


def _has_codec(kind: object) -> bool:
    return isinstance(kind, type) and callable(getattr(kind, "from_json", None))


def _codecs_in(annotation: object) -> Iterator[type]:
    if isinstance(annotation, type) and _has_codec(annotation):
        yield annotation
    for part in typing.get_args(annotation):
        yield from _codecs_in(part)


def _key(kind: type) -> str:
    return f"{kind.__module__}.{kind.__name__}"
