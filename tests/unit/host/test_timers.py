"""Timers fire when the host's would."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from azure.functions.timer import TimerRequest

from durable.errors import BadConfig
from durable.host.index import IndexedFunction
from durable.host.timers import TimerLoop, parse_schedule
from tests.unit.host.host_clock import ManualClock

Index = Callable[[str], tuple[IndexedFunction, ...]]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("schedule", "moment", "due"),
    [
        ("0 */5 * * * *", "2026-01-01T00:00:00", "2026-01-01T00:05:00"),
        ("*/10 * * * * *", "2026-01-01T00:00:03.5", "2026-01-01T00:00:10"),
        ("0 30 9 * * Mon-Fri", "2026-01-02T10:00:00", "2026-01-05T09:30:00"),
        ("*/5 * * * *", "2026-01-01T00:00:00", "2026-01-01T00:05:00"),
        ("00:00:30", "2026-01-01T00:00:07", "2026-01-01T00:00:37"),
        ("1.00:00:00", "2026-01-01T00:00:00", "2026-01-02T00:00:00"),
    ],
)
def test_schedules(schedule: str, moment: str, due: str) -> None:
    assert parse_schedule(schedule).after(at(moment)) == at(due)


@pytest.mark.parametrize("schedule", ["", "often", "0 61 * * * *", "00:00:00", "* * *"])
def test_schedules_that_are_not_understood(schedule: str) -> None:
    with pytest.raises(BadConfig, match="is not understood"):
        parse_schedule(schedule)


def timer(index: Index, schedule: str, *, on_startup: bool = False) -> IndexedFunction:
    (function,) = index(
        "import azure.functions as func\napp = func.FunctionApp()\n"
        f"@app.timer_trigger(arg_name='t', schedule={schedule!r}, run_on_startup={on_startup})\n"
        "async def tick(t: func.TimerRequest) -> None: ...\n"
    )
    return function


async def test_it_fires_when_due_until_stopped(index: Index, clock: ManualClock) -> None:
    seen: list[tuple[float, bool]] = []

    async def handler(request: TimerRequest) -> None:
        seen.append((clock.seconds, request.past_due))

    loop = TimerLoop(timer(index, "%EVERY%"), handler, clock, {"EVERY": "0 * * * * *"})
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(loop.run())
        await clock.advance(150)
        loop.stop()
    assert seen == [(60, False), (120, False)]


async def test_a_run_does_not_overlap_the_next_and_a_late_one_is_past_due(
    index: Index, clock: ManualClock
) -> None:
    seen: list[tuple[float, bool]] = []

    async def handler(request: TimerRequest) -> None:
        seen.append((clock.seconds, request.past_due))
        await clock.sleep(70)

    loop = TimerLoop(timer(index, "0 * * * * *", on_startup=True), handler, clock, {})
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(loop.run())
        await clock.advance(125)
        loop.stop()
        await clock.advance(70)
    assert seen == [(0, False), (120, False)]


async def test_a_failed_run_is_told_and_the_next_one_comes(
    index: Index, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    runs = 0

    async def handler(request: TimerRequest) -> None:
        nonlocal runs
        runs += 1
        assert request.schedule_status["Next"] > request.schedule_status["Last"]
        raise ValueError("broken")

    loop = TimerLoop(timer(index, "00:01:00"), handler, clock, {})
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(loop.run())
        await clock.advance(121)
        loop.stop()
    assert runs == 2
    assert "tick failed" in caplog.text


async def test_stopped_before_it_began_it_runs_nothing(index: Index, clock: ManualClock) -> None:
    async def handler(request: TimerRequest) -> None:
        pytest.fail("it ran")

    loop = TimerLoop(timer(index, "0 * * * * *", on_startup=True), handler, clock, {})
    loop.stop()
    await loop.run()


def test_a_missing_setting_is_named(index: Index, clock: ManualClock) -> None:
    async def handler(request: TimerRequest) -> None: ...

    with pytest.raises(BadConfig, match="no app setting 'EVERY'"):
        TimerLoop(timer(index, "%EVERY%"), handler, clock, {})
