"""Ten thousand events, activities or waiting instances: what they cost grows as they do, no more.

Never measured in seconds: requests, rows that queries look at, objects that stay, calls made.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from durable.hub.instances import InstanceQuery
from durable.hub.raising import raise_event
from durable.model.ids import check_instance_id
from durable.model.status import RuntimeStatus
from durable.runtime.settings import EngineSettings
from tests.hub_lab import in_virtual_time
from tests.simulation.growth import (
    FEW_SESSIONS,
    SESSIONS,
    Cost,
    begin,
    calls_of,
    cost_since,
    count_of,
    events,
    fan_out,
    in_memory,
    instance_id,
    waiting_process,
    wake,
)
from tests.simulation.one_process import OneProcess

#: Long, and nothing new for the coverage.
pytestmark = [pytest.mark.slow, pytest.mark.sweep, pytest.mark.timeout(120)]

RUNNING = RuntimeStatus.RUNNING
PAGE = 100

Told = Callable[[int], Awaitable[None]]


async def _waiting(count: int, settings: EngineSettings = FEW_SESSIONS) -> tuple[OneProcess, Cost]:
    process = waiting_process(settings)
    await process.hub.ensure()
    before = cost_since(process, None)
    await begin(process, count)
    assert process.refused == []
    return process, cost_since(process, before)


@in_virtual_time
async def test_instances_that_wait_cost_storage_and_no_memory() -> None:
    already = in_memory()
    few = (await _waiting(200))[1]
    process, many = await _waiting(5_000)
    # A start: row and message; a turn: history and row; the message is deleted. And the row is
    # read, and half of them put a timer.
    assert few == Cost(requests=13 * 100, scanned=0)
    assert many == Cost(requests=13 * 2_500, scanned=0)
    assert len(process.engine.sessions) == SESSIONS
    assert in_memory() == {kind: number + SESSIONS for kind, number in already.items()}
    await _status_queries(process)
    await _sweeps(process)


async def _status_queries(process: OneProcess) -> None:
    """One instance, a page of a list, those of a prefix: never more than what is shown."""
    instances = process.hub.instances
    before = cost_since(process, None)
    assert await instances.read(instance_id(4_000)) is not None
    assert cost_since(process, before) == Cost(requests=1, scanned=0)

    before = cost_since(process, None)
    first = await instances.page(InstanceQuery(statuses=(RUNNING,)), size=PAGE)
    second = await instances.page(
        InstanceQuery(statuses=(RUNNING,)), size=PAGE, continuation=first.continuation
    )
    assert len({row.instance_id for row in first.rows + second.rows}) == 2 * PAGE
    # Each page looks one row further, to know whether there are more.
    assert cost_since(process, before) == Cost(requests=2, scanned=2 * (PAGE + 1))

    before = cost_since(process, None)
    prefix = check_instance_id(instance_id(4_000)[:-2])
    page = await instances.page(InstanceQuery(id_prefix=prefix), size=PAGE)
    assert len(page.rows) == 50
    assert page.continuation is None
    assert cost_since(process, before).scanned <= 51

    before = cost_since(process, None)
    assert await count_of(process, RUNNING) == 5_000
    assert cost_since(process, before) == Cost(requests=5, scanned=5_000 + 4)


async def _sweeps(process: OneProcess) -> None:
    """However many wait, a pass looks after a bounded number of them, and keeps none."""
    await process.clock.sleep(120)
    before = cost_since(process, None)
    await process.engine.sweep()
    cost = cost_since(process, before)
    # Rows of one page and their sentinels, those of all (for tombstones), and each one's history.
    assert cost.scanned <= 201 + 200 + 5_000 + 5 * 200
    assert cost.requests <= 2 * process.engine.settings.sweep_rows + 20
    assert len(process.engine.sessions) <= SESSIONS


@in_virtual_time
async def test_what_wakes_instances_costs_the_same_for_each() -> None:
    costs = []
    # In place, requests are saved by what else happens to be under way: not in this.
    settings = EngineSettings(fast_path=False)
    for count in (200, 400):
        process, _ = await _waiting(count, settings)
        process.engine.sessions.clear()
        before = cost_since(process, None)
        await wake(process, count)
        costs.append(cost_since(process, before))
        assert process.refused == []
        assert await count_of(process, RuntimeStatus.COMPLETED) == count
        assert len(process.engine.sessions) == 0
    few, many = costs
    assert many == Cost(requests=2 * few.requests, scanned=2 * few.scanned)


@in_virtual_time
async def test_one_more_event_costs_the_same_after_ten_thousand() -> None:
    process = OneProcess(events)
    await process.hub.ensure()
    await process.start("events", 20_000)
    await process.settle()

    async def told(count: int) -> None:
        for number in range(count):
            await raise_event(process.hub, "i1", "go", str(number))
        await process.settle()

    await told(1_000)
    early = [await calls_of(lambda: told(1)) for _ in range(3)]
    early_cost = await _cost_of_one(process, told)
    await told(10_000 - 1_004)
    late = [await calls_of(lambda: told(1)) for _ in range(3)]
    assert await _cost_of_one(process, told) == early_cost
    assert max(late) <= 1.05 * max(early)
    await _loaded_again(process, told)


async def _cost_of_one(process: OneProcess, told: Told) -> Cost:
    before = cost_since(process, None)
    await told(1)
    return cost_since(process, before)


async def _loaded_again(process: OneProcess, told: Told) -> None:
    """A cold load reads each row once, a page at a time."""
    process.engine.sessions.clear()
    before = cost_since(process, None)
    await told(1)
    cost = cost_since(process, before)
    rows = 10_000 + 2 * 130
    assert 10_000 < cost.scanned < rows + 20
    assert cost.requests <= rows // 1_000 + 10


async def _fan_out(count: int) -> OneProcess:
    process = OneProcess(fan_out)
    await process.hub.ensure()
    await process.start("fan_out", count)
    return process


@in_virtual_time
async def test_a_fan_out_of_ten_thousand_costs_ten_times_one_of_a_thousand() -> None:
    costs = []
    for count in (1_000, 10_000):
        process = await _fan_out(count)
        before = cost_since(process, None)
        await process.settle()
        costs.append(cost_since(process, before))
        assert await process.output() == count
    few, many = costs
    assert few.requests <= 40
    assert many.requests <= 10 * few.requests
    assert many.scanned == few.scanned == 0


@in_virtual_time
async def test_a_fan_out_takes_as_many_calls_for_each_activity() -> None:
    few, many = [await calls_of((await _fan_out(count)).settle) for count in (500, 2_000)]
    assert many <= 1.05 * 4 * few
