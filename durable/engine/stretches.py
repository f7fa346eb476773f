"""What fits one batch: a big turn becomes several whole checkpoints, each a stretch (R1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from durable.model.events import HistoryEvent, OrchestratorCompleted


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchLimits:
    """One batch's room: rows beside the sentinel, and their bytes as `size_of` estimates them."""

    rows: int
    size: int
    size_of: Callable[[HistoryEvent], int]


def carried_that_fit(events: Sequence[HistoryEvent], limits: BatchLimits) -> int:
    """How many of `events` after the first (the start) fit the first checkpoint with it."""
    room = limits.rows - 2  # OrchestratorStarted and OrchestratorCompleted
    used = 0
    for index, event in enumerate(events):
        used += limits.size_of(event)
        if index >= room or (index > 0 and used > limits.size):
            return index - 1
    return len(events) - 1


def split(
    events: Sequence[HistoryEvent], kept_together: int, limits: BatchLimits, *, tail: int = 0
) -> list[list[HistoryEvent]]:
    """`events`, one stretch, as stretches that each fit a batch.

    The first `kept_together` events after OrchestratorStarted stay in the first one, and the last
    `tail` before OrchestratorCompleted in the last one.
    """
    opening, *body, closing = events
    parts: list[list[HistoryEvent]] = [[]]
    used = 0
    sizes = [limits.size_of(event) for event in body]
    last = len(body) - tail
    for index, (event, size) in enumerate(zip(body, sizes, strict=True)):
        part = parts[-1]
        count, room = (tail, sum(sizes[last:])) if tail and index == last else (1, size)
        full = len(part) + count > limits.rows - 2 or used + room > limits.size
        if part and full and (index >= kept_together) and not (tail and index > last):
            parts.append([])
            used = 0
        parts[-1].append(event)
        used += size
    return [[opening, *part, closing if part is parts[-1] else _plain(closing)] for part in parts]


def _plain(closing: HistoryEvent) -> HistoryEvent:
    """A custom status belongs to the end of the turn, so to its last stretch."""
    if isinstance(closing, OrchestratorCompleted) and closing.custom_status is not None:
        return replace(closing, custom_status=None)
    return closing
