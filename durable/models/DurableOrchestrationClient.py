"""Where azure-functions-durable 1.7 has the client."""

from __future__ import annotations

from durable.functions.client import DurableOrchestrationClient

__all__ = ["DurableOrchestrationClient"]
