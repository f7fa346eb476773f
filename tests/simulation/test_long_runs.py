"""Instances that live long: a monitor of seven days, a loop of a thousand generations.

What grows with their age would be paid for ever: storage and memory must not, but by what the
history itself holds.
"""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Generator
from datetime import timedelta
from typing import Any

import pytest

from tests.hub_lab import Actor, Lab, in_virtual_time

Steps = Generator[Any, Any, Any]
PAUSE = timedelta(minutes=30)
DAYS = timedelta(days=7)
#: Orchestrator, input, and whether the sweeper runs, which lets idle orchestrators go.
MONITORS: dict[str, tuple[str, Any, bool]] = {
    "kept in memory": ("monitor", None, False),
    "continued as new, loaded at each look": ("monitor_anew", {"looks": 0}, True),
}


def monitor(context: Any) -> Steps:
    """The sample app's Monitor, with a longer breath."""
    end = context.current_utc_datetime + DAYS
    looks = 0
    while context.current_utc_datetime < end:
        looks += 1
        if (yield context.call_activity("greet", "look")) == "done":
            return "done"
        yield context.create_timer(context.current_utc_datetime + PAUSE)
    return looks


def monitor_anew(context: Any) -> Steps:
    """The same as an eternal orchestration: a generation a look."""
    state = context.get_input()
    end = state.get("end") or (context.current_utc_datetime + DAYS).isoformat()
    if context.current_utc_datetime.isoformat() >= end:
        return state["looks"]
    yield context.call_activity("greet", "look")
    yield context.create_timer(context.current_utc_datetime + PAUSE)
    context.continue_as_new({"looks": state["looks"] + 1, "end": end})


def generations(context: Any) -> Steps:
    """One activity a generation. The input is as long at the end as it is at first."""
    left = int(context.get_input())
    yield context.call_activity("echo", "x")
    if left:
        context.continue_as_new(f"{left - 1:04}")
        return None
    return "over"


async def to_the_end(lab: Lab, actor: Actor, *, sweeps: bool) -> None:
    """Deliver what is due, then go straight to the time of the next message."""
    while not await lab.empty():
        if await actor.deliver():
            continue
        waiting = await lab.queued() + await lab.queued(lab.hub.names.work_items)
        await lab.clock.sleep(max(min(lab.in_seconds(at) for _, at in waiting), 0.001))
        if sweeps:  # lets the session go that has been idle: the instance is loaded again
            await actor.sweep()


@in_virtual_time
async def watch_for_seven_days(name: str, value: Any, *, sweeps: bool) -> None:
    lab = Lab(monitor, monitor_anew)
    actor = await lab.actor()
    began = lab.clock.monotonic()
    await lab.start(name, value)
    await to_the_end(lab, actor, sweeps=sweeps)
    assert await lab.output() == 336
    assert lab.counts["greet:look"] == 336
    elapsed = timedelta(seconds=lab.clock.monotonic() - began)
    assert DAYS <= elapsed < DAYS + timedelta(minutes=10)


@pytest.mark.slow
@pytest.mark.sweep  # long, and nothing new for the coverage
@pytest.mark.parametrize(("name", "value", "sweeps"), MONITORS.values(), ids=MONITORS)
def test_a_monitor_of_seven_days_looks_336_times(name: str, value: Any, *, sweeps: bool) -> None:
    watch_for_seven_days(name, value, sweeps=sweeps)


@pytest.mark.slow
@pytest.mark.sweep  # long, and nothing new for the coverage
@pytest.mark.timeout(120)
@in_virtual_time
async def test_a_thousand_generations_hold_storage_and_memory_flat() -> None:
    lab = Lab(generations)
    actor = await lab.actor()
    await lab.start("generations", "1000")
    await generation(lab, actor, 100)
    stored_first, objects_first = await stored(lab), objects()
    await generation(lab, actor, 900)
    tracemalloc.start()  # it slows everything down: a hundred generations show a leak, too
    try:
        await generation(lab, actor, 910)
        gc.collect()
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        await generation(lab, actor, 999)
        gc.collect()
        held_later, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert await stored(lab) == stored_first
    assert objects() - objects_first < 1_000
    assert held_later - held < 50_000
    assert peak - held < 500_000
    await actor.drain()
    assert await lab.output() == "over"
    assert lab.counts["echo"] == 1_001


async def generation(lab: Lab, actor: Actor, number: int) -> None:
    """Go on until so many activities have run and the next generation has asked for its own."""
    while lab.counts["echo"] < number or not await lab.queued(lab.hub.names.work_items):
        await actor.deliver()
        actor.calls.clear()
        actor.batches.clear()


def objects() -> int:
    gc.collect()
    return len(gc.get_objects())


async def stored(lab: Lab) -> dict[str, int]:
    """How much there is of everything."""
    names = lab.hub.names
    found = {}
    for table in (names.history_table, names.instances_table):
        rows = (await lab.account.tables.query(table, None)).rows
        found[f"rows of {table}"] = len(rows)
        found[f"characters of {table}"] = sum(
            len(value) for row in rows for value in row.columns.values() if isinstance(value, str)
        )
    found["blobs"] = len(await lab.blobs())
    found["messages"] = len(await lab.queued()) + len(await lab.queued(names.work_items))
    return found
