"""What a program asks of a task hub: start, look, wait, raise, terminate, purge."""

from __future__ import annotations

from durable.client.core import Client, Links
from durable.client.entity_views import (
    CleanEntityStorageResult,
    EntityMetadata,
    EntityPage,
    EntityStateResponse,
)
from durable.client.status import (
    DurableOrchestrationStatus,
    OrchestrationRuntimeStatus,
    PurgeHistoryResult,
)
from durable.hub.quarantine import QuarantinePage
from durable.hub.quarantine_records import QuarantinedMessage

__all__ = [
    "CleanEntityStorageResult",
    "Client",
    "DurableOrchestrationStatus",
    "EntityMetadata",
    "EntityPage",
    "EntityStateResponse",
    "Links",
    "OrchestrationRuntimeStatus",
    "PurgeHistoryResult",
    "QuarantinePage",
    "QuarantinedMessage",
]
