"""Keys in the service's order."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from durable.storage.memory.sorted_keys import SortedKeys
from durable.storage.rules import ordinal

KEYS = st.text(alphabet="ab\uff5e\U0001f600", max_size=3)


@given(st.lists(KEYS, unique=True), st.sets(KEYS), KEYS, st.none() | KEYS)
def test_keys_between_two_come_in_utf_16_order(
    added: list[str], removed: set[str], least: str, greatest: str | None
) -> None:
    keys = SortedKeys()
    for key in added:
        keys.add(key)
    for key in removed.intersection(added):
        keys.remove(key)
    assert list(keys.between(least, greatest)) == sorted(
        (
            key
            for key in set(added) - removed
            if ordinal(key) >= ordinal(least)
            and (greatest is None or ordinal(key) <= ordinal(greatest))
        ),
        key=ordinal,
    )
