"""Keys in the service's order, found without looking at all of them."""

from __future__ import annotations

import bisect
from collections.abc import Iterator

from durable.storage.rules import ordinal


class SortedKeys:
    """Texts, each once, in the order of their UTF-16 units."""

    __slots__ = ("_keys",)

    def __init__(self) -> None:
        self._keys: list[tuple[bytes, str]] = []

    def add(self, key: str) -> None:
        """Take in a key that is not there yet."""
        entry = (ordinal(key), key)
        if self._keys and entry < self._keys[-1]:
            bisect.insort(self._keys, entry)
        else:
            self._keys.append(entry)

    def remove(self, key: str) -> None:
        """Let go of a key that is there."""
        del self._keys[bisect.bisect_left(self._keys, (ordinal(key), key))]

    def between(self, least: str, greatest: str | None) -> Iterator[str]:
        """The keys from `least` to `greatest`, or to the last one, in order."""
        keys = self._keys
        index = bisect.bisect_left(keys, (ordinal(least), least))
        end = None if greatest is None else (ordinal(greatest), greatest)
        while index < len(keys) and (end is None or keys[index] <= end):
            yield keys[index][1]
            index += 1
