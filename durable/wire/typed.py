"""JSON values as the types a program expects them to have.

Which type that is comes from the program (an annotation, an argument), never from the value.
Classes that nothing here knows how to make are not made: the value is handed out as it is.
"""

from __future__ import annotations

import base64
import dataclasses
import enum
import types
import typing
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence, Set as AbstractSet
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from uuid import UUID

from durable.wire.durations import parse_duration
from durable.wire.plain import Path, path_text


def convert(value: object, expected: object, path: Path, *, lenient: bool = False) -> object:
    """`value`, a JSON value found at `path`, as `expected`.

    With `lenient`, a value stays what it is where JSON's own types differ (a number for a str).

    Raises:
        TypeError: it is of another type.
        ValueError: it cannot be made into what is expected; both name the path.
    """
    return _Reader(path, lenient).read(value, expected)


def from_json(kind: type, data: object, path: Path) -> object:
    """An object of `kind` from the data its ``to_json`` wrote.

    Raises:
        ValueError: its ``from_json`` raised.
    """
    make: Callable[[object], object] = getattr(kind, "from_json")  # noqa: B009 - duck-typed
    return _made(path, kind, lambda: make(data))


class _Reader:
    def __init__(self, path: Path, lenient: bool) -> None:
        self._path = path
        self._lenient = lenient

    def read(self, value: object, expected: object) -> object:
        expected = _bare(expected)
        origin = typing.get_origin(expected)
        if origin in (typing.Union, types.UnionType):
            return self._union(value, expected)
        if origin is typing.Literal:
            fits = value in typing.get_args(expected)
            return value if fits else self._other_type(value, expected)
        if origin is not None:
            return self._generic(value, expected, origin, typing.get_args(expected))
        if expected is None:
            return None if value is None else self._other_type(value, types.NoneType)
        if isinstance(expected, type):
            return self._class(value, expected)
        return value

    def _union(self, value: object, expected: object) -> object:
        arms = [_bare(arm) for arm in typing.get_args(expected)]
        if any(type(value) is arm for arm in arms):
            return value
        strict = _Reader(list(self._path), lenient=False)
        for arm in arms:
            try:
                return strict.read(value, arm)
            except (TypeError, ValueError):
                strict = _Reader(list(self._path), lenient=False)
        return self._other_type(value, expected)

    def _generic(
        self, value: object, expected: object, origin: object, args: tuple[object, ...]
    ) -> object:
        if origin in _LISTS:
            return self._items(value, expected, args)
        if origin in _SETS:
            items = self._items(value, expected, args)
            make = frozenset if origin is frozenset else set
            if not isinstance(items, list):
                return items
            return _made(self._path, expected, lambda: make(items))
        if origin is tuple:
            return self._tuple(value, expected, args)
        if origin in _MAPPINGS:
            return self._mapping(value, expected, args)
        return self._class(value, origin) if isinstance(origin, type) else value

    def _items(self, value: object, expected: object, args: tuple[object, ...]) -> object:
        if not isinstance(value, list):
            return self._other_type(value, expected)
        return self._each(value, [args[0]] * len(value)) if args else value

    def _each(self, values: Sequence[object], kinds: Sequence[object]) -> list[object]:
        made: list[object] = []
        for index, (value, kind) in enumerate(zip(values, kinds, strict=True)):
            self._path.append(index)
            made.append(self.read(value, kind))
            self._path.pop()
        return made

    def _tuple(self, value: object, expected: object, args: tuple[object, ...]) -> object:
        if not isinstance(value, list):
            return self._other_type(value, expected)
        if not args:
            return tuple(value)
        if args[-1] is Ellipsis:
            return tuple(self._each(value, [args[0]] * len(value)))
        if len(args) != len(value):
            raise ValueError(
                f"At {path_text(self._path)}: {_name(expected)} expected, "
                f"but found {len(value)} item(s)."
            )
        return tuple(self._each(value, args))

    def _mapping(self, value: object, expected: object, args: tuple[object, ...]) -> object:
        if not isinstance(value, dict):
            return self._other_type(value, expected)
        if not args:
            return value
        made: dict[object, object] = {}
        for key, item in value.items():
            self._path.append(key)
            made[self._key(key, args[0])] = self.read(item, args[1])
            self._path.pop()
        return made

    def _key(self, key: str, expected: object) -> object:
        if expected is int:
            return _made(self._path, expected, lambda: int(key))
        return self.read(key, expected)

    def _class(self, value: object, expected: type) -> object:
        if expected in _NATIVE:
            return self._native(value, expected)
        if typing.is_typeddict(expected):
            return value if isinstance(value, dict) else self._other_type(value, expected)
        if getattr(expected, "_is_protocol", False) or isinstance(value, expected):
            return value
        parse = _TEXTS.get(expected)
        if parse is not None:
            return self._text(value, expected, parse)
        for fits, make in _MAKERS:
            if fits(expected):
                return make(self, value, expected)
        return value

    def _native(self, value: object, expected: type) -> object:
        if expected is object or type(value) is expected:
            return value
        if expected is float and type(value) is int:
            return _made(self._path, expected, lambda: float(value))
        if expected in (list, tuple, set, frozenset, dict):
            return self._generic(value, expected, expected, ())
        return self._other_type(value, expected)

    def _text(self, value: object, expected: type, parse: Callable[[str], object]) -> object:
        if expected is Decimal and type(value) in (int, float):
            value = str(value)
        if not isinstance(value, str):
            raise self._wrong(value, expected)
        text = value
        return _made(self._path, expected, lambda: parse(text))

    def enum(self, value: object, expected: type) -> object:
        return _made(self._path, expected, lambda: expected(value))

    def own_codec(self, value: object, expected: type) -> object:
        return from_json(expected, value, self._path)

    def pydantic(self, value: object, expected: type) -> object:
        validate: Callable[[object], object] = getattr(expected, "model_validate")  # noqa: B009
        return _made(self._path, expected, lambda: validate(value))

    def dataclass(self, value: object, expected: type) -> object:
        if not isinstance(value, dict):
            raise self._wrong(value, expected)
        hints = _hints(expected)
        found: dict[str, object] = {}
        for field in dataclasses.fields(expected):
            self._path.append(field.name)
            if field.init and field.name in value:
                found[field.name] = self.read(value[field.name], hints.get(field.name, object))
            elif field.init and _is_required(field):
                raise ValueError(
                    f"At {path_text(self._path)}: nothing there, but {_name(expected)} needs it."
                )
            self._path.pop()
        return _made(self._path, expected, lambda: expected(**found))

    def named_tuple(self, value: object, expected: type) -> object:
        if not isinstance(value, list):
            raise self._wrong(value, expected)
        hints = _hints(expected)
        names: tuple[str, ...] = getattr(expected, "_fields")  # noqa: B009 - as namedtuple has it
        kinds = [hints.get(name, object) for name in names]
        items = self._each(value[: len(names)], kinds[: len(value)])
        return _made(self._path, expected, lambda: expected(*items))

    def _other_type(self, value: object, expected: object) -> object:
        if self._lenient:
            return value
        raise self._wrong(value, expected)

    def _wrong(self, value: object, expected: object) -> TypeError:
        found = _FOUND.get(type(value), f"a {type(value).__qualname__}")
        return TypeError(
            f"At {path_text(self._path)}: {_name(expected)} expected, but found {found}."
        )


def _made(path: Path, expected: object, make: Callable[[], object]) -> object:
    try:
        return make()
    except Exception as error:  # user code: enums, dataclasses, models; always told as one kind
        raise ValueError(
            f"At {path_text(path)}: no {_name(expected)} can be made of the value: "
            f"{type(error).__name__}: {error}"
        ) from error


def _bare(expected: object) -> object:
    """Without Annotated, Required, NewType and aliases around it."""
    while True:
        origin = typing.get_origin(expected)
        if origin in _WRAPPERS:
            expected = typing.get_args(expected)[0]
        elif isinstance(expected, typing.NewType):
            expected = expected.__supertype__
        elif type(expected).__name__ == "TypeAliasType":
            expected = getattr(expected, "__value__")  # noqa: B009 - Python 3.12's `type X = ...`
        elif expected is types.NoneType:
            return None
        elif expected is typing.Any:
            return object
        else:
            return expected


@lru_cache(maxsize=512)
def _hints(kind: type) -> Mapping[str, object]:
    try:
        return typing.get_type_hints(kind)
    except Exception:  # noqa: BLE001 - names that cannot be resolved: nothing is known of the types
        return {}


def _is_required(field: dataclasses.Field[object]) -> bool:
    missing = dataclasses.MISSING
    return field.default is missing and field.default_factory is missing


def _name(expected: object) -> str:
    return expected.__qualname__ if isinstance(expected, type) else str(expected)


def _has(method: str) -> Callable[[type], bool]:
    return lambda kind: callable(getattr(kind, method, None))


_WRAPPERS = (typing.Annotated, typing.Required, typing.NotRequired, typing.Final, typing.ClassVar)
_LISTS = (list, Sequence, Iterable, Collection)
_SETS = (set, frozenset, AbstractSet)
_MAPPINGS = (dict, Mapping)
_NATIVE = frozenset({object, str, int, float, bool, list, tuple, set, frozenset, dict})
_FOUND: Mapping[type, str] = {
    dict: "an object",
    list: "a list",
    str: "a text",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    types.NoneType: "null",
}
_TEXTS: Mapping[type, Callable[[str], object]] = {
    datetime: datetime.fromisoformat,
    date: date.fromisoformat,
    time: time.fromisoformat,
    timedelta: parse_duration,
    UUID: UUID,
    Decimal: Decimal,
    bytes: lambda text: base64.b64decode(text, validate=True),
}
_MAKERS: tuple[tuple[Callable[[type], bool], Callable[[_Reader, object, type], object]], ...] = (
    (lambda kind: issubclass(kind, enum.Enum), _Reader.enum),
    (_has("from_json"), _Reader.own_codec),
    (_has("model_validate"), _Reader.pydantic),
    (dataclasses.is_dataclass, _Reader.dataclass),
    (lambda kind: issubclass(kind, tuple) and hasattr(kind, "_fields"), _Reader.named_tuple),
)
