"""The ids started last: the newest thousand."""

from __future__ import annotations

from durable.hub.recent import RecentIds


def test_the_newest_thousand_are_kept() -> None:
    ids = RecentIds()
    for number in range(1_000):
        ids.add(f"i{number}")
    assert "i0" in ids
    ids.add("i0")
    ids.add("new")
    assert "i1" not in ids
    assert [f"i{number}" for number in (0, 2, 999) if f"i{number}" not in ids] == []
    assert "new" in ids
