"""Orchestrators whose activities end at once, linger, or outlive the turn that waits for them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Generator
from datetime import timedelta
from typing import Any

Steps = Generator[Any, Any, Any]
#: Longer than a chain may wait, and shorter than a lease.
LINGERS_SECONDS = 3.0


def mixed(context: Any) -> Steps:
    """Quick activities beside lingering ones, then one on what they gave."""
    quick = [context.call_activity("greet", str(n)) for n in range(6)]
    slow = [context.call_activity("linger", n) for n in range(3)]
    results = yield context.task_all([*quick, *slow])
    last = yield context.call_activity("greet", str(len(results)))
    return [*results, last]


def first_of(context: Any) -> Steps:
    """The first of two; the new generation waits for the other, as all ends do."""
    left = context.get_input()
    quick = context.call_activity("greet", str(left))
    slow = context.call_activity("linger", left)
    yield context.task_any([quick, slow])
    if left > 1:
        context.continue_as_new(left - 1)
        return None
    return (yield slow)


def attentive(context: Any) -> Steps:
    """Events that arrive while an activity runs."""
    slow = context.call_activity("linger", 0)
    got = []
    for _ in range(2):
        got.append((yield context.wait_for_external_event("E")))
        yield context.call_activity("greet", str(got[-1]))
    return [*sorted(got), (yield slow)]


def impatient(context: Any) -> Steps:
    """An activity against a timer that is not waited for."""
    timer = context.create_timer(context.current_utc_datetime + timedelta(seconds=40))
    winner = yield context.task_any([context.call_activity("greet", "quick"), timer])
    if winner is not timer:
        timer.cancel()
    return (yield context.call_activity("greet", "late" if winner is timer else "in time"))


def family(context: Any) -> Steps:
    """Children beside an activity; each reports in its own time."""
    children = [context.call_sub_orchestrator("hello", None, f"child-{n}") for n in range(3)]
    beside = context.call_activity("linger", 7)
    results = yield context.task_all([*children, beside])
    return [*(len(each) for each in results[:-1]), results[-1]]


def workload(context: Any) -> Steps:
    """More lingering activities than the process runs at once."""
    results = yield context.task_all([context.call_activity("linger", n) for n in range(9)])
    return sum(results)


ORCHESTRATORS = (mixed, first_of, attentive, impatient, family, workload)


def activities(counts: Counter[str]) -> list[Callable[[Any], Awaitable[Any]]]:
    """Those that are not in `apps`; `counts` counts how often each came to its end."""

    async def linger(value: int) -> int:
        await asyncio.sleep(LINGERS_SECONDS)
        counts[f"linger:{value}"] += 1
        return value

    return [linger]
