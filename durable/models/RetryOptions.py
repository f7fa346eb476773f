"""Where azure-functions-durable 1.7 has the retry options."""

from __future__ import annotations

from durable.model.retry import RetryOptions

__all__ = ["RetryOptions"]
