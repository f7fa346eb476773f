"""Where azure-functions-durable 1.7 has the app's classes."""

from __future__ import annotations

from durable.functions.app import Blueprint, DFApp

__all__ = ["Blueprint", "DFApp"]
