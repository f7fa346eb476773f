"""Partition keys, row keys, and the hash that says which control queue an instance belongs to."""

from __future__ import annotations

import functools
import re

from durable.errors import CorruptRecord
from durable.wire.text import well_formed

#: The row key of a history's last row; sorts after every number.
SENTINEL = "sentinel"

_ESCAPE = "^"
_SHIFT = 0xC0
_DIGITS = {"/": "0", "\\": "1", "#": "2", "?": "3", "^": "^"}
_CHARACTERS = {digit: character for character, digit in _DIGITS.items()}
_CONTROLS = (*range(0x20), *range(0x7F, 0xA0))
_ESCAPES = str.maketrans(
    {character: _ESCAPE + digit for character, digit in _DIGITS.items()}
    | {chr(code): _ESCAPE + chr(_SHIFT + code) for code in _CONTROLS}
)
_ESCAPED = re.compile(r"\^(.?)", re.DOTALL)
_ROW_KEY = re.compile(r"[0-9A-F]{16}")


def escape_partition_key(instance_id: str) -> str:
    """An instance id as a partition key: without the characters that keys may not hold."""
    return instance_id.translate(_ESCAPES)


def _unescaped(found: re.Match[str]) -> str:
    character: str = found[1]
    if not character:
        raise CorruptRecord(
            f"Partition key {found.string!r} ends in a lone '^': it is no escaped instance id."
        )
    if character in _CHARACTERS:
        return _CHARACTERS[character]
    # By UTF-16 code unit, as .NET does it: of a pair, only the first half is shifted.
    units = character.encode("utf-16-le", "surrogatepass")
    first = int.from_bytes(units[:2], "little")
    shifted = first if first < _SHIFT else first - _SHIFT
    return (shifted.to_bytes(2, "little") + units[2:]).decode("utf-16-le", "surrogatepass")


def unescape_partition_key(partition_key: str) -> str:
    """The instance id of a partition key.

    Raises:
        CorruptRecord: the key ends in a lone ``^``.
    """
    return _ESCAPED.sub(_unescaped, partition_key)


def row_key(index: int) -> str:
    """The row key of an execution's event number `index`: 16 upper-case hex digits."""
    return f"{index:016X}"


def row_index(row_key: str) -> int:
    """The number of an event by its row key.

    Raises:
        CorruptRecord: it is not 16 upper-case hex digits.
    """
    if not _ROW_KEY.fullmatch(row_key):
        raise CorruptRecord(f"History row key {row_key!r} is not 16 upper-case hex digits.")
    return int(row_key, 16)


def fnv1a32(text: str) -> int:
    """The 32-bit FNV-1a hash of `text` in UTF-8; lone surrogates count as U+FFFD."""
    value = 0x811C9DC5
    for byte in well_formed(text).encode():
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value


@functools.lru_cache(maxsize=4096)
def partition_of(instance_id: str, count: int) -> int:
    """Which of `count` control queues the instance belongs to. The id is hashed unescaped."""
    return fnv1a32(instance_id) % count
