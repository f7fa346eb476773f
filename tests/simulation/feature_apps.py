"""Orchestrators of the feature scenarios, on the activities of `apps`."""

from __future__ import annotations

from collections.abc import Generator
from datetime import timedelta
from typing import Any

from durable.errors import TaskFailed
from durable.model.retry import RetryOptions

Steps = Generator[Any, Any, Any]


def wait_three(context: Any) -> Steps:
    """Three events in one generation, in the order in which they are taken."""
    first = yield context.wait_for_external_event("E")
    second = yield context.wait_for_external_event("E")
    third = yield context.wait_for_external_event("E")
    return sorted([first, second, third])


def vigil(context: Any) -> Steps:
    """One event, and its payload."""
    return (yield context.wait_for_external_event("E"))


def gather(context: Any) -> Steps:
    """One event a generation; every other one sends something, and so hands over in two halves."""
    state = context.get_input()
    event = yield context.wait_for_external_event("E")
    got = [*state["got"], event]
    if len(got) % 2:
        yield context.call_activity("greet", "g")
    if len(got) < state["want"]:
        context.continue_as_new({"got": got, "want": state["want"]})
        return None
    return sorted(got)


def approval(context: Any) -> Steps:
    """An event or a timer, whichever is first; `input` is how long to wait."""
    wait = timedelta(seconds=context.get_input())
    timer = context.create_timer(context.current_utc_datetime + wait)
    event = context.wait_for_external_event("E")
    winner = yield context.task_any([event, timer])
    if winner is timer:
        return (yield context.call_activity("greet", "nobody"))
    timer.cancel()
    return (yield context.call_activity("greet", event.result))


def long_nap(context: Any) -> Steps:
    """A timer of several parts (the scenario makes them short)."""
    yield context.create_timer(context.current_utc_datetime + timedelta(seconds=100))
    return (yield context.call_activity("greet", "morning"))


def unsteady(context: Any) -> Steps:
    return (yield context.call_activity("fails_once", context.get_input()))


def parent_of_unsteady(context: Any) -> Steps:
    """A child that fails at first, tried again."""
    options = RetryOptions(5_000, 3)
    result = yield context.call_sub_orchestrator_with_retry("unsteady", options, "u")
    return (yield context.call_activity("greet", result))


def gives_up(context: Any) -> Steps:
    """An activity that fails however often it is tried."""
    try:
        yield context.call_activity_with_retry("fail", RetryOptions(2_000, 3), "x")
    except TaskFailed:
        return (yield context.call_activity("greet", "after all"))


FEATURES = (
    wait_three,
    vigil,
    gather,
    approval,
    long_nap,
    unsteady,
    parent_of_unsteady,
    gives_up,
)
