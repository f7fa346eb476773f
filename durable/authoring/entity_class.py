"""A class as an entity: its public methods are operations, its object holds the state.

What is state: the fields of a dataclass or a pydantic model; what a class with ``to_json`` and
``from_json`` writes; of any other class the public attributes that an object has or that the class
declares with an annotation. Annotations say what is made of the state, and of an operation's input.
"""

from __future__ import annotations

import copy
import dataclasses
import difflib
import inspect
import typing
from collections.abc import Iterator, Mapping
from functools import lru_cache

from durable.authoring.definitions import EntityDefinition, hints_of
from durable.authoring.entity_methods import EntityMethod, is_public, methods_of, resolved_hints
from durable.errors import UnknownOperation, UsageError
from durable.wire import payloads
from durable.wire.payloads import Known
from durable.wire.typed import convert

#: The operation that every class has.
DELETE = "delete"


class EntityClass:
    """The operations of a class, and its objects' state as JSON text.

    Raises:
        UsageError: the class breaks a rule.
    """

    def __init__(self, kind: type) -> None:
        self._kind = kind
        self._check()
        self._hints = resolved_hints(kind, kind.__name__)
        self._by_name = methods_of(kind)

    @property
    def name(self) -> str:
        """The class's name."""
        return self._kind.__name__

    @property
    def types(self) -> Iterator[object]:
        """The types that its annotations name."""
        yield self._kind
        yield from self._hints.values()
        for method in self._by_name.values():
            yield from (method.input_type, method.return_type)

    def find(self, operation: str) -> EntityMethod | None:
        """The method of that name; case does not matter."""
        return self._by_name.get(operation.lower())

    def unknown(self, operation: str, entity: str) -> UnknownOperation:
        """The error that says so, with near names."""
        close = difflib.get_close_matches(operation.lower(), self._by_name, n=1)
        hint = f" Did you mean {self._by_name[close[0]].name!r}?" if close else ""
        names = ", ".join(sorted(method.name for method in self._by_name.values()))
        return UnknownOperation(
            f"Entity {entity!r} has no operation {operation!r}.{hint} The operations of "
            f"{self.name} are: {names or DELETE}."
        )

    def restore(self, text: str | None, known: Known) -> object:
        """The object whose state is `text`; a new one when there is none.

        Raises:
            ValueError: no object can be made of it.
            TypeError: something in it is of another type.
        """
        if text is None or payloads.decode(text) is None:
            return self._fresh()
        if not self._is_whole:
            return self._filled(text, known)
        kind = self._kind
        found = payloads.decode(text, kind, known=known)
        if not isinstance(found, kind):
            raise TypeError(f"At $: {self.name} expected, but found {type(found).__name__}.")
        if dataclasses.is_dataclass(kind) and not _has_codec(kind):
            self._fill_in(found, payloads.decode(text, known=known))
        return found

    def check(self, text: str, known: Known) -> None:
        """Refuse a state that `restore` could not read.

        Raises:
            ValueError: as `restore`.
            TypeError: as `restore`.
        """
        if self._is_whole:
            self.restore(text, known)
        else:
            self._values(text, known)

    def state_of(self, made: object, what: str) -> str:
        """The state of an object; `what` names it in the error.

        Raises:
            NotSerializable: it is not JSON.
        """
        return payloads.encode(made if self._is_whole else _attributes(made), what=what)

    def _check(self) -> None:
        kind = self._kind
        if any(base.__module__ == "builtins" for base in kind.__mro__[:-1]):
            raise UsageError(
                f"Entity {self.name} is a built-in container or value: what it holds would not "
                "be stored. Put it in an attribute of the class."
            )
        if not (self._is_whole or _has_dict(kind)):
            raise UsageError(
                f"Entity {self.name} has __slots__; make it a @dataclass(slots=True), or leave "
                "them out: its attributes are its state."
            )
        if callable(getattr(kind, "to_json", None)) and not _has_codec(kind):
            raise UsageError(f"Entity {self.name} has to_json but no from_json(data).")
        try:
            inspect.signature(kind).bind()
        except ValueError:  # a callable without a signature
            return
        except TypeError as error:
            raise UsageError(
                f"A new {self.name} cannot be made without arguments ({error}): every entity of "
                "that name begins as one. Give them defaults."
            ) from error

    @property
    def _is_whole(self) -> bool:
        """Whether payloads are made of its objects, and objects of payloads, as everywhere."""
        kind = self._kind
        return (
            dataclasses.is_dataclass(kind)
            or callable(getattr(kind, "model_validate", None))
            or _has_codec(kind)
        )

    def _fresh(self) -> object:
        made: object = self._kind()
        if not self._is_whole:
            for name, value in self._declared().items():
                # Its own copy: what the class holds is shared by all entities.
                if name not in vars(made):
                    setattr(made, name, copy.deepcopy(value))
        return made

    def _declared(self) -> Mapping[str, object]:
        """The values that annotated attributes of the class begin with."""
        return {
            name: inspect.getattr_static(self._kind, name)
            for name, annotation in self._hints.items()
            if is_public(name)
            and typing.get_origin(annotation) is not typing.ClassVar
            and annotation is not typing.ClassVar
            and hasattr(self._kind, name)
        }

    def _filled(self, text: str, known: Known) -> object:
        made = self._fresh()
        for name, value in self._values(text, known).items():
            setattr(made, name, value)
        return made

    def _values(self, text: str, known: Known) -> Mapping[str, object]:
        found = self._object(payloads.decode(text, known=known))
        return {name: self._typed(value, name) for name, value in found.items() if is_public(name)}

    def _fill_in(self, made: object, data: object) -> None:
        """Set the fields that no argument sets."""
        found = self._object(data)
        for each in dataclasses.fields(made):  # type: ignore[arg-type]  # it is a dataclass
            if not each.init and each.name in found:
                object.__setattr__(made, each.name, self._typed(found[each.name], each.name))

    def _typed(self, value: object, name: str) -> object:
        expected = self._hints.get(name)
        return value if expected is None else convert(value, expected, [name])

    def _object(self, data: object) -> Mapping[str, object]:
        if not isinstance(data, dict):
            raise TypeError(f"At $: the attributes of {self.name} expected, but found no object.")
        return data


@lru_cache(maxsize=256)
def entity_class(kind: type) -> EntityClass:
    """`kind` as an entity.

    Raises:
        UsageError: the class breaks a rule.
    """
    return EntityClass(kind)


def check_entity(definition: EntityDefinition) -> None:
    """Refuse what cannot be an entity.

    Raises:
        UsageError: with the rule it breaks.
    """
    function = definition.function
    if isinstance(function, type):
        entity_class(function)
    elif inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise UsageError(
            f"Entity {definition.name!r} yields: an entity's operation runs at once and waits for "
            "nothing durable. Write def or async def with return; to wait, signal an entity or "
            "start an orchestration."
        )


def types_in(definition: EntityDefinition) -> Iterator[object]:
    """The types that an entity's annotations name."""
    function = definition.function
    if isinstance(function, type):
        yield from entity_class(function).types
    else:
        yield hints_of(function).get("return")


def result_type(definition: EntityDefinition, operation: str) -> object:
    """The annotated type of an operation's result; None when there is none."""
    if not isinstance(definition.function, type):
        return None
    method = entity_class(definition.function).find(operation)
    found = None if method is None else method.return_type
    return None if found is type(None) else found


def _attributes(made: object) -> Mapping[str, object]:
    return {name: value for name, value in vars(made).items() if is_public(name)}


def _has_codec(kind: type) -> bool:
    return callable(getattr(kind, "from_json", None)) and callable(getattr(kind, "to_json", None))


def _has_dict(kind: type) -> bool:
    return any("__dict__" in vars(base) for base in kind.__mro__)
