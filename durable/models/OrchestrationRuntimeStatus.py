"""Where azure-functions-durable 1.7 has the statuses' names."""

from __future__ import annotations

from durable.client.status import OrchestrationRuntimeStatus

__all__ = ["OrchestrationRuntimeStatus"]
