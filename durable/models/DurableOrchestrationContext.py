"""Where azure-functions-durable 1.7 has the orchestrator's context."""

from __future__ import annotations

from durable.authoring.context import DurableOrchestrationContext

__all__ = ["DurableOrchestrationContext"]
