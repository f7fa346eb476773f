"""Where azure-functions-durable 1.7 has what reading an entity's state answers."""

from __future__ import annotations

from durable.client.entity_views import EntityStateResponse

__all__ = ["EntityStateResponse"]
