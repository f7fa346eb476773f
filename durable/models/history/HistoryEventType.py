"""Where azure-functions-durable 1.7 has the kinds of rows of ``context.histories``."""

from __future__ import annotations

from durable.authoring.history_items import HistoryEventType

__all__ = ["HistoryEventType"]
