"""Typed access to what was read, by name; anything unexpected is a `CorruptRecord` that says where.

The messages name fields and kinds, never values: those may be payloads.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from durable.errors import CorruptRecord
from durable.wire.text import from_json, to_json
from durable.wire.times import from_column, parse_time

#: What a column may hold. All our integers are Edm.Int32.
Column = str | bool | int | float | datetime | bytes | UUID

# Newtonsoft stops at 64.
_MAX_LEVELS = 128

_KINDS: dict[type, str] = {
    type(None): "nothing",
    bool: "a boolean",
    str: "a text",
    dict: "an object",
    list: "an array",
    float: "a fraction",
}


def kind_of(value: object) -> str:
    """What `value` is, in words that don't tell it."""
    if isinstance(value, int) and not isinstance(value, bool):
        return "an integer"
    return "a time" if isinstance(value, datetime) else _KINDS.get(type(value), "something else")


def _is_deeper(value: object, levels: int) -> bool:
    inside: list[object] = [value]
    for _ in range(levels):
        held = [each for each in inside if isinstance(each, dict | list)]
        inside = [
            inner for each in held for inner in (each.values() if isinstance(each, dict) else each)
        ]
        if not inside:
            return False
    return True


def as_object(value: object, where: str) -> dict[str, object]:
    """`value`, which must be a JSON object.

    Raises:
        CorruptRecord: it is something else.
    """
    if not isinstance(value, dict):
        raise CorruptRecord(f"{where} should be an object, found {kind_of(value)}.")
    return value


class Fields:
    """A JSON object of a message or of a column. `where` names it in errors."""

    __slots__ = ("_values", "_where")

    def __init__(self, values: Mapping[str, object], where: str) -> None:
        self._values = values
        self._where = where

    def corrupt(self, name: str, wanted: str) -> CorruptRecord:
        """The error for a field that isn't `wanted`."""
        found = kind_of(self._values.get(name))
        return CorruptRecord(f"{self._where}.{name} should be {wanted}, found {found}.")

    def value(self, name: str) -> object:
        """Whatever is there; None when it is absent."""
        return self._values.get(name)

    def path(self, name: str) -> str:
        """How errors call the field."""
        return f"{self._where}.{name}"

    def text(self, name: str) -> str | None:
        value = self._values.get(name)
        if value is None or isinstance(value, str):
            return value
        raise self.corrupt(name, "a text or null")

    def required_text(self, name: str) -> str:
        value = self.text(name)
        if value is None:
            raise self.corrupt(name, "a text")
        return value

    def integer(self, name: str, *, bits: int = 32) -> int:
        value = self.optional_integer(name, bits=bits)
        if value is None:
            raise self.corrupt(name, "an integer")
        return value

    def optional_integer(self, name: str, *, bits: int = 32) -> int | None:
        value = self._values.get(name)
        if value is None:
            return None
        limit = 1 << (bits - 1)
        if isinstance(value, bool) or not isinstance(value, int) or not -limit <= value < limit:
            raise self.corrupt(name, f"an integer of {bits} bits")
        return value

    def flag(self, name: str) -> bool:
        """False when it is absent."""
        return self.optional_flag(name) or False

    def optional_flag(self, name: str) -> bool | None:
        value = self._values.get(name)
        if value is None or isinstance(value, bool):
            return value
        raise self.corrupt(name, "true or false")

    def moment(self, name: str) -> datetime:
        value = self.optional_moment(name)
        if value is None:
            raise self.corrupt(name, "a time")
        return value

    def optional_moment(self, name: str) -> datetime | None:
        text = self.text(name)
        if text is None:
            return None
        try:
            return parse_time(text)
        except ValueError as error:
            raise self.corrupt(name, f"a time ({error})") from None

    def json(self, name: str) -> object:
        """The JSON value under `name`, None when it is null or absent."""
        return self._values.get(name)

    def json_text(self, name: str) -> str | None:
        """The JSON value under `name` as text, None when it is null or absent.

        What is nested deeper than any .NET writer nests is corrupt: it could be read here, and not
        where less of the stack is left.
        """
        value = self.json(name)
        if value is None:
            return None
        if _is_deeper(value, _MAX_LEVELS):
            raise CorruptRecord(f"{self.path(name)} is nested too deeply.")
        return to_json(value)

    def texts(self, name: str) -> tuple[str, ...]:
        """The texts of a JSON array; empty when it is null or absent."""
        value = self.json(name)
        if value is None:
            return ()
        texts = [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
        if not isinstance(value, list) or len(texts) != len(value):
            raise self.corrupt(name, "a JSON array of texts")
        return tuple(texts)

    def nested(self, name: str) -> Fields | None:
        """The object under `name`, None when it is null or absent."""
        value = self.json(name)
        if value is None:
            return None
        where = self.path(name)
        return Fields(as_object(value, where), where)

    def required(self, name: str) -> Fields:
        """The object under `name`."""
        found = self.nested(name)
        if found is None:
            raise self.corrupt(name, "an object")
        return found

    def names(self) -> list[str]:
        """The name of every field but ``$type``."""
        return [name for name in self._values if name != "$type"]


class ColumnFields(Fields):
    """A table row: times are Edm.DateTime, objects are JSON texts (``null`` and "" for none)."""

    __slots__ = ()

    def optional_moment(self, name: str) -> datetime | None:
        value = self._values.get(name)
        if value is None:
            return None
        if not isinstance(value, datetime) or value.tzinfo is None:
            raise self.corrupt(name, "a time in UTC")
        return from_column(value)

    def json(self, name: str) -> object:
        text = self.text(name)
        return from_json(text, self.path(name)) if text else None
