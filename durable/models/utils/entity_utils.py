"""Where azure-functions-durable 1.7 has the entity's id."""

from __future__ import annotations

from durable.model.ids import EntityId

__all__ = ["EntityId"]
