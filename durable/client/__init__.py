"""What a program asks of a task hub: start, look, wait, raise, terminate, purge."""

from __future__ import annotations

from durable.client.core import Client, Links
from durable.client.status import (
    DurableOrchestrationStatus,
    OrchestrationRuntimeStatus,
    PurgeHistoryResult,
)

__all__ = [
    "Client",
    "DurableOrchestrationStatus",
    "Links",
    "OrchestrationRuntimeStatus",
    "PurgeHistoryResult",
]
