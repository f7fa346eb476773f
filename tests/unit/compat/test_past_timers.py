"""A timer in the past, through storage and back."""

from __future__ import annotations

from collections.abc import Generator
from datetime import datetime, timedelta
from typing import Any

import durable as df
from tests.functions_lab import FunctionsLab, FunctionsProcess, in_virtual_time


@in_virtual_time
async def test_timers_in_the_past_fire_at_once() -> None:
    lab = FunctionsLab()

    def late(context: df.DurableOrchestrationContext) -> Generator[Any, Any, float]:
        began = context.current_utc_datetime
        yield context.create_timer(began - timedelta(days=400))
        yield context.create_timer(datetime(1, 1, 1))  # noqa: DTZ001 - before all that tables keep
        return (context.current_utc_datetime - began).total_seconds()

    lab.orchestrator(late)
    process = FunctionsProcess(lab)
    await process.start("late", "i")
    async with process.running():
        row = await lab.ended("i")
    assert row.status == "Completed"
    assert float(row.output or "nan") < 5
