"""Where azure-functions-durable 1.7 has what `call_http` gets tokens from."""

from __future__ import annotations

from durable.model.http import ManagedIdentityTokenSource, TokenSource

__all__ = ["ManagedIdentityTokenSource", "TokenSource"]
