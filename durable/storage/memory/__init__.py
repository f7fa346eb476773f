"""A storage account in memory: the same contract as Azure's, on a clock that the caller owns."""

from __future__ import annotations

from durable.storage.memory.account import MemoryAccount
from durable.storage.memory.door import Intercept

__all__ = ["Intercept", "MemoryAccount"]
