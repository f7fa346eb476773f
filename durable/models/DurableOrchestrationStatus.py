"""Where azure-functions-durable 1.7 has an instance's status."""

from __future__ import annotations

from durable.client.status import DurableOrchestrationStatus

__all__ = ["DurableOrchestrationStatus"]
