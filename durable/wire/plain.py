"""Python values as what JSON knows: texts, numbers, booleans, null, lists and objects."""

from __future__ import annotations

import base64
import dataclasses
import enum
import json
import math
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import date, time, timedelta
from decimal import Decimal
from types import NoneType
from typing import TypeVar
from uuid import UUID

from durable.wire.durations import duration_text

#: azure-functions-durable's envelope for objects with to_json and from_json.
CLASS, MODULE, DATA = "__class__", "__module__", "__data__"

Path = list[str | int]
#: Makes of a value what JSON knows, or says that it is no value of its kind.
Rule = Callable[[object, Path], object]
Kind = TypeVar("Kind")

_NOT_MINE = object()


class Unfit(Exception):
    """A value has no place in JSON; the path that was handed in leads to it."""


def plain(value: object, path: Path) -> object:
    """`value` in JSON's own terms. When it raises, `path` says where.

    Raises:
        Unfit: some value in it has no place in JSON.
    """
    kind = type(value)
    if kind in _AS_THEY_ARE:
        return value
    if kind is dict:
        return _object(value, path)  # type: ignore[arg-type]  # its type was just looked at
    if kind is list or kind is tuple:
        return _array(value, path)  # type: ignore[arg-type]  # its type was just looked at
    for rule in _RULES:
        made = rule(value, path)
        if made is not _NOT_MINE:
            return made
    if isinstance(value, Awaitable):
        raise Unfit(
            f"a {kind.__qualname__} is not JSON: wait for it, with 'yield' or 'await', and pass on "
            "what it gives"
        )
    raise Unfit(f"a value of type {kind.__qualname__} is not JSON")


_AS_THEY_ARE = frozenset({str, int, bool, NoneType})


def path_text(path: Path) -> str:
    """``$.items[2].when``."""
    return "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)


def _object(value: Mapping[object, object], path: Path) -> object:
    made: dict[str, object] = {}
    for key, item in value.items():
        if not isinstance(key, str):
            raise Unfit(f"an object's keys must be str, not {type(key).__qualname__} ({key!r:.40})")
        path.append(str.__str__(key))
        made[str.__str__(key)] = plain(item, path)
        path.pop()
    return made


def _array(value: Sequence[object], path: Path) -> list[object]:
    made: list[object] = []
    for index, item in enumerate(value):
        path.append(index)
        made.append(plain(item, path))
        path.pop()
    return made


def _unordered(value: Collection[object], path: Path) -> object:
    # In a stable order: a set's own differs from process to process.
    items = _array(list(value), path)
    return sorted(items, key=lambda item: json.dumps(item, sort_keys=True))


def _float(value: float, _path: Path) -> object:
    if not math.isfinite(value):
        raise Unfit(f"{value} is not JSON")
    return float(value)


def _decimal(value: Decimal, _path: Path) -> object:
    if not value.is_finite():
        raise Unfit(f"{value} is not JSON")
    return str(value)


def _envelope(value: object, path: Path) -> object:
    kind = type(value)
    to_json: Callable[[object], object] | None = getattr(kind, "to_json", None)
    if not callable(to_json):
        return _NOT_MINE
    data = _called(f"{kind.__qualname__}.to_json", lambda: to_json(value))
    path.append(DATA)
    made = {CLASS: kind.__name__, MODULE: kind.__module__, DATA: plain(data, path)}
    path.pop()
    return made


def _pydantic(value: object, path: Path) -> object:
    kind = type(value)
    dump: Callable[[object], str] | None = getattr(kind, "model_dump_json", None)
    if not callable(dump):
        return _NOT_MINE
    tree = _called(f"{kind.__qualname__}.model_dump_json", lambda: json.loads(dump(value)))
    return plain(tree, path)


def _dataclass(value: object, path: Path) -> object:
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return _NOT_MINE
    return _object({f.name: getattr(value, f.name) for f in dataclasses.fields(value)}, path)


def _called(name: str, call: Callable[[], object]) -> object:
    try:
        return call()
    except Exception as error:
        raise Unfit(f"{name} raised {type(error).__qualname__}: {error}") from error


def _of(kind: type[Kind], write: Callable[[Kind, Path], object]) -> Rule:
    def rule(value: object, path: Path) -> object:
        return write(value, path) if isinstance(value, kind) else _NOT_MINE

    return rule


# In this order: an enum may be an int, a datetime is a date, a model may be a mapping.
_RULES: tuple[Rule, ...] = (
    _of(enum.Enum, lambda value, path: plain(value.value, path)),
    _of(str, lambda value, _path: str.__str__(value)),
    _of(int, lambda value, _path: int(value)),
    _of(float, _float),
    _of(list, _array),
    _of(tuple, _array),
    _of(dict, _object),
    _envelope,
    _pydantic,
    _dataclass,
    _of(date, lambda value, _path: value.isoformat()),  # a datetime, too
    _of(time, lambda value, _path: value.isoformat()),
    _of(timedelta, lambda value, _path: duration_text(value)),
    _of(UUID, lambda value, _path: str(value)),
    _of(Decimal, _decimal),
    _of(bytes, lambda value, _path: base64.b64encode(value).decode("ascii")),
    _of(bytearray, lambda value, _path: base64.b64encode(value).decode("ascii")),
    _of(set, _unordered),
    _of(frozenset, _unordered),
    _of(Mapping, _object),  # type: ignore[type-abstract]  # only asked for by isinstance
)
