"""What an orchestration costs in storage requests: the bill, and the bound on speed (design.md 7).

In Functions mode, the host's own requests included; idle polls, the sweeper and the creation of
the hub are apart. benchmarks/requests.py counts the same on the wire.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from typing import Any

import pytest

from tests.functions_lab import IDLE_POLL, FunctionsLab, FunctionsProcess, in_virtual_time

Steps = Generator[Any, Any, Any]
Requests = dict[tuple[str, str], int]
#: Every step through its queue, under the host's own lease.
THROUGH_QUEUES: dict[str, object] = {"fastPath": False, "ownLeaseSeconds": 0}


async def greet(value: str) -> str:
    return f"Hello {value}!"


def hello(context: Any) -> Steps:
    tokyo = yield context.call_activity("greet", "Tokyo")
    seattle = yield context.call_activity("greet", "Seattle")
    london = yield context.call_activity("greet", "London")
    return [tokyo, seattle, london]


def sequence(context: Any) -> Steps:
    for number in range(context.get_input()):
        yield context.call_activity("greet", str(number))


def fan_out(context: Any) -> Steps:
    calls = [context.call_activity("greet", str(n)) for n in range(context.get_input())]
    return len((yield context.task_all(calls)))


async def requests_of(name: str, value: object = None, **settings: object) -> Requests:
    """What starting and running one instance costs, on an app that has run for a while."""
    lab = FunctionsLab(**settings)
    for orchestrator in (hello, sequence, fan_out):
        lab.orchestrator(orchestrator)
    lab.activity(greet)
    async with FunctionsProcess(lab).running() as process:
        await process.start(name, "i1", value)
        row = await lab.ended("i1")
        assert row.status == "Completed", row
        return _without_idle_polls(process.requests)


def _without_idle_polls(requests: Counter[tuple[str, str]]) -> Requests:
    return {what: count for what, count in requests.items() if what[1] != IDLE_POLL}


def in_place(steps: int) -> Requests:
    """A history batch a step; the start's message is leased and deleted by us, the host's delete
    finds nothing, and the row is written once, at the end.
    """
    return {
        ("table", "Insert Entity"): 1,
        ("table", "Get Entity"): 1,
        ("queue", "Put Message"): 1,
        ("queue", "Get Messages"): 1,
        ("queue", "Update Message"): 1,
        ("queue", "Delete Message"): 2,
        ("table", "Entity Group Transaction"): steps + 1,
        ("table", "Merge Entity"): 1,
    }


def sequential(steps: int, *, own_lease: bool = False) -> Requests:
    """Eight requests a step, and eight around them, two of them the cold load's."""
    messages = 2 * steps + 1
    expected = {
        ("table", "Insert Entity"): 1,
        ("table", "Query Entities"): 1,
        ("table", "Get Entity"): 1,
        ("queue", "Put Message"): messages,
        ("queue", "Get Messages"): messages,
        ("queue", "Delete Message"): messages,
        ("table", "Entity Group Transaction"): steps + 1,
        ("table", "Merge Entity"): steps + 1,
    }
    if own_lease:
        # Ours deletes, and the host tries to afterwards.
        expected["queue", "Delete Message"] += messages
        expected["queue", "Update Message"] = messages
    return expected


@in_virtual_time
async def test_three_activities_cost_12_requests_where_the_original_needs_36() -> None:
    spent = await requests_of("hello")
    assert spent == in_place(3)
    assert sum(spent.values()) == 12


@pytest.mark.slow
@pytest.mark.parametrize("steps", [10, 100])
def test_a_step_costs_one_request_however_long_the_history_is(steps: int) -> None:
    @in_virtual_time
    async def run() -> None:
        spent = await requests_of("sequence", steps)
        assert spent == in_place(steps)
        assert sum(spent.values()) == steps + 9

    run()


@pytest.mark.slow
@pytest.mark.parametrize(("width", "batches"), [(100, 4), (1000, 22)])
def test_a_fan_out_costs_its_history_and_no_more(width: int, batches: int) -> None:
    @in_virtual_time
    async def run() -> None:
        spent = await requests_of("fan_out", width)
        assert spent.pop(("table", "Entity Group Transaction")) == batches
        assert sum(spent.values()) == 8

    run()


@in_virtual_time
async def test_through_queues_three_activities_cost_32_requests() -> None:
    spent = await requests_of("hello", **THROUGH_QUEUES)
    assert spent == sequential(3)
    assert sum(spent.values()) == 32


@pytest.mark.slow
@pytest.mark.parametrize("steps", [10, 100, 300])
def test_through_queues_a_step_costs_eight_requests_however_long_the_history_is(steps: int) -> None:
    @in_virtual_time
    async def run() -> None:
        spent = await requests_of("sequence", steps, **THROUGH_QUEUES)
        assert spent == sequential(steps)
        assert sum(spent.values()) == 8 * steps + 8

    run()


@pytest.mark.parametrize("width", [100, 300])
def test_through_queues_a_fan_out_costs_four_requests_an_activity_and_shares_the_rest(
    width: int,
) -> None:
    @in_virtual_time
    async def run() -> None:
        spent = await requests_of("fan_out", width, **THROUGH_QUEUES)
        messages = 2 * width + 1
        assert spent.pop(("queue", "Put Message")) == messages
        assert spent.pop(("queue", "Delete Message")) == messages
        # The host takes up to 16 messages at once; a turn takes all that wait, two for a get.
        assert sum(spent.values()) <= width / 2 + 30

    run()


@in_virtual_time
async def test_a_lease_of_our_own_costs_two_more_requests_a_message() -> None:
    spent = await requests_of("hello", fastPath=False)
    assert spent == sequential(3, own_lease=True)
    assert sum(spent.values()) == 32 + 2 * 7
