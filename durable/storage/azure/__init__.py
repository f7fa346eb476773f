"""The Azure adapter: the official SDK's clients behind our ports, on one connection pool."""

from __future__ import annotations
