"""Where azure-functions-durable 1.7 has what a purge answers."""

from __future__ import annotations

from durable.client.status import PurgeHistoryResult

__all__ = ["PurgeHistoryResult"]
