"""Medians, and how far the rounds lay apart."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any


def spread(values: Sequence[float]) -> dict[str, float]:
    """The median round, the lowest and the highest."""
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` (0 to 1) of `values` don't exceed."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def versus(ours: Sequence[float], floor: Sequence[float]) -> dict[str, Any]:
    """Two measures taken in turns; their ratio is one of neighbours, so that noise hits both."""
    return {
        "ours": spread(ours),
        "floor": spread(floor),
        "ratio": spread([a / b for a, b in zip(ours, floor, strict=True)]),
    }
