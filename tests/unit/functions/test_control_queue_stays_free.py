"""Slow activities in place take no places from the control queue's other messages."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from tests.functions_lab import FunctionsLab, FunctionsProcess, in_virtual_time


def slowly(context: Any) -> Generator[Any, Any, Any]:
    return (yield context.call_activity("work", "it"))


def quick(context: Any) -> int:
    return 1


@in_virtual_time
async def test_slow_activities_do_not_keep_a_control_queue_from_others() -> None:
    lab = FunctionsLab(storageProvider={"partitionCount": 1})

    async def work(value: str) -> str:
        await lab.clock.sleep(100)
        return value

    lab.orchestrator(slowly)
    lab.orchestrator(quick)
    lab.activity(work)
    async with FunctionsProcess(lab).running() as process:
        client = await process.client()
        for number in range(40):
            await client.start_new("slowly", f"i{number}", None)
        await lab.clock.sleep(5)
        await client.start_new("quick", "q", None)
        await lab.clock.sleep(5)
        row = await lab.hub.instances.read("q")
        assert row is not None
        assert row.status is not None
        assert row.status.is_terminal
        for number in range(40):
            await lab.ended(f"i{number}")
