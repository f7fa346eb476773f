"""The HTTP management API: routes, keys, links, handlers. It knows no web framework."""

from __future__ import annotations
