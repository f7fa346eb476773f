"""Where azure-functions-durable 1.7 has a row of ``context.histories``."""

from __future__ import annotations

from durable.authoring.history_items import HistoryEvent

__all__ = ["HistoryEvent"]
