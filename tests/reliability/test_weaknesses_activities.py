"""W26: activities that run longer than their message's lease."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from durable.errors import Unavailable
from durable.model.events import TaskCompleted
from durable.model.status import RuntimeStatus
from durable.runtime.settings import EngineSettings
from durable.runtime.worker_settings import WorkerSettings
from tests.hub_lab import LEASE_SECONDS, in_virtual_time
from tests.reliability.stories import Steps
from tests.unit.runtime.worker_lab import WorkerLab

_RENEW = "Update Message"


def long_work(context: Any) -> Steps:
    return (yield context.call_activity("work", 400))


class LongLab(WorkerLab):
    """Workers that run an activity of 400 s; leases are those of the settings."""

    def __init__(self, *, fast_path: bool) -> None:
        super().__init__(
            long_work, activities=[self.work], settings=EngineSettings(fast_path=fast_path)
        )
        self.runs: list[float] = []
        #: Renewals that storage does not answer, by number.
        self.lost: set[int] = set()
        self.renewals = 0

    async def work(self, value: Any) -> str:
        self.runs.append(self.clock.monotonic())
        await self.clock.sleep(value)
        return f"run {len(self.runs)}"

    async def intercept(self, service: str, operation: str, resource: str, call: Any) -> Any:
        if operation == _RENEW:
            self.renewals += 1
            if self.renewals in self.lost:
                raise Unavailable("away")
        return call()


@pytest.mark.parametrize("fast_path", [True, False], ids=["in place", "from the queue"])
@in_virtual_time
async def test_w26_a_renewal_that_fails_is_made_again_and_the_activity_runs_once(
    *, fast_path: bool
) -> None:
    """Every third renewal gets no answer; two workers wait for the message to come back."""
    lab = LongLab(fast_path=fast_path)
    lab.lost = set(range(1, 1000, 3))
    settings = WorkerSettings(control_lease_seconds=45, work_item_lease_seconds=45)
    workers = [
        lab.process(account=lab.account.opened_by(lab.intercept), settings=settings)
        for _ in range(2)
    ]
    async with lab.running(*workers):
        await lab.begin("long_work", "i1")
        await lab.ended("i1", seconds=1500)
    assert len(lab.runs) == 1
    assert lab.renewals > 10
    assert await lab.output() == "run 1"


@in_virtual_time
async def test_w26_of_two_runs_one_result_counts() -> None:
    """The lease is lost all the same: another process runs it too. Both answer."""
    lab = LongLab(fast_path=False)
    one, other = await lab.actor(), await lab.actor()
    await lab.start("long_work")
    for queue in lab.control_queues:
        for message in await lab.account.queues.get(queue, count=1, lease_seconds=LEASE_SECONDS):
            await one.process(queue, message)
    queue = lab.hub.names.work_items
    (first,) = await lab.account.queues.get(queue, count=1, lease_seconds=30)
    async with asyncio.TaskGroup() as group:
        group.create_task(one.process(queue, first))  # for 400 s, and nobody renews it
        await lab.clock.sleep(31)
        (second,) = await lab.account.queues.get(queue, count=1, lease_seconds=LEASE_SECONDS)
        await other.process(queue, second)
    assert len(lab.runs) == 2
    await one.drain()
    answers = [each for each in await lab.events() if isinstance(each, TaskCompleted)]
    assert [each.result for each in answers] == [json.dumps(await lab.output())]
    assert (await lab.row()).status is RuntimeStatus.COMPLETED
