"""Where azure-functions-durable 1.7 has the rows of ``context.histories``."""

from __future__ import annotations

# By way of the submodules: imported later, they would put themselves in the classes' place.
from durable.models.history.HistoryEvent import HistoryEvent
from durable.models.history.HistoryEventType import HistoryEventType

__all__ = ["HistoryEvent", "HistoryEventType"]
