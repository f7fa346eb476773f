"""Orchestrators that fail until `fixable` is fixed."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from durable.model.retry import RetryOptions

Steps = Generator[Any, Any, Any]


def fragile(context: Any) -> Steps:
    """An activity that fails until it is fixed."""
    before = yield context.call_activity("greet", "before")
    return [before, (yield context.call_activity("fixable", "x"))]


def stubborn(context: Any) -> Steps:
    """The same, tried twice, and more to do after it."""
    options = RetryOptions(1000, 2)
    found = yield context.call_activity_with_retry("fixable", options, "x")
    return [found, (yield context.call_activity("greet", "after"))]


def fragile_parent(context: Any) -> Steps:
    """A child whose child fails, beside an activity that fails and one that does not."""
    if context.get_input() == "inner":
        return (yield context.call_sub_orchestrator("fragile", None, "i1-leaf"))
    return (
        yield context.task_all(
            [
                context.call_sub_orchestrator("fragile_parent", "inner", "i1-middle"),
                context.call_activity("fixable", "y"),
                context.call_activity("greet", "z"),
            ]
        )
    )


ORCHESTRATORS = (fragile, stubborn, fragile_parent)
