"""JSON that is passed on as text: what a user stored comes out as it is, digit by digit."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from durable.errors import CorruptRecord
from durable.wire.text import from_json

# Runs of plain characters in one step: a payload may have millions of them.
_STRING_OR_BLANKS = re.compile(r'("[^"\\]*(?:\\.[^"\\]*)*")|[ \t\r\n]+')


class JsonText(str):
    """A text that is JSON already: it is written into other JSON as it is."""

    __slots__ = ()

    def value(self) -> object:
        """The value it stands for."""
        return from_json(self, "a stored text")


NULL = JsonText("null")


def compact(text: str, what: str) -> JsonText:
    """`text` without blanks between its parts; numbers and strings keep their spelling.

    Raises:
        CorruptRecord: it is not JSON.
    """
    from_json(text, what)
    return JsonText(_STRING_OR_BLANKS.sub(lambda found: found[1] or "", text))


def embedded(text: str | None) -> JsonText:
    """A stored payload as a JSON value. A text that isn't JSON becomes a string."""
    if text is None:
        return NULL
    try:
        return compact(text, "a stored text")
    except CorruptRecord:
        return JsonText(json.dumps(text, ensure_ascii=False))


def dump(value: object) -> str:
    """`value` as compact JSON, each `JsonText` in it as it is."""
    if isinstance(value, JsonText):
        return value
    if isinstance(value, Mapping):
        members = (f"{json.dumps(str(k), ensure_ascii=False)}:{dump(v)}" for k, v in value.items())
        return f"{{{','.join(members)}}}"
    if isinstance(value, list):
        return f"[{','.join(dump(item) for item in value)}]"
    return json.dumps(value, ensure_ascii=False)


def opened(value: object) -> object:
    """`value` with each `JsonText` in it replaced by the value it stands for."""
    if isinstance(value, JsonText):
        return value.value()
    if isinstance(value, Mapping):
        return {name: opened(member) for name, member in value.items()}
    if isinstance(value, list):
        return [opened(item) for item in value]
    return value
