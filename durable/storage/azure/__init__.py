"""The Azure adapters behind our ports, on one connection pool.

The official SDK's clients do all of it; `direct` does the hot queue and table calls for less CPU.
"""

from __future__ import annotations
