"""The ids that this process started last."""

from __future__ import annotations

_KEPT = 1_000


class RecentIds:
    """A hint, no knowledge: an instance under such an id is most likely there still."""

    def __init__(self) -> None:
        self._ids: dict[str, None] = {}  # in the order in which they were added

    def add(self, instance_id: str) -> None:
        """Keep it; the oldest goes when there are too many."""
        self._ids.pop(instance_id, None)
        self._ids[instance_id] = None
        if len(self._ids) > _KEPT:
            del self._ids[next(iter(self._ids))]

    def __contains__(self, instance_id: str) -> bool:
        return instance_id in self._ids
