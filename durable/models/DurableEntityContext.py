"""Where azure-functions-durable 1.7 has an entity's context."""

from __future__ import annotations

from durable.authoring.entity_context import DurableEntityContext

__all__ = ["DurableEntityContext"]
