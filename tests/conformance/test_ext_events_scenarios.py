"""8.7, rows 26 to 30, 36, 37 and 54: orchestrators that wait for several events."""

from __future__ import annotations

from collections.abc import Generator
from datetime import timedelta
from typing import Any

import durable as df
from durable.model.events import EventRaised, TimerFired
from tests.conformance.conformance import conforms
from tests.conformance.stage import Host, Stage, outcome

Steps = Generator[Any, Any, Any]

app = df.DFApp()
ITEMS = ["item1", "item2", "item3", "item4", "item5"]


@app.orchestration_trigger(context_name="context")
def counter(context: df.DurableOrchestrationContext) -> Steps:
    value = context.get_input()
    operation = yield context.wait_for_external_event("operation")
    if operation == "end":
        return value
    context.continue_as_new(value + {"incr": 1, "decr": -1}[operation])


@app.orchestration_trigger(context_name="context")
def collects(context: df.DurableOrchestrationContext) -> Steps:
    left = list(ITEMS)
    while left:
        left.remove((yield context.wait_for_external_event("newItem")))
    return "Threshold hit"


@app.orchestration_trigger(context_name="context")
def drops(context: df.DurableOrchestrationContext) -> Steps:
    left = list(ITEMS)
    while left:
        yield context.wait_for_external_event("deleteItem")
        left.pop()
        context.set_custom_status(len(left))
    return "All dropped"


@app.orchestration_trigger(context_name="context")
def waits_at_once(context: df.DurableOrchestrationContext) -> Steps:
    waits = [context.wait_for_external_event("newItem") for _ in range(4)]
    return (yield context.task_all(waits))


@app.orchestration_trigger(context_name="context")
def counts_until_done(context: df.DurableOrchestrationContext) -> Steps:
    count = 0
    done = context.wait_for_external_event("done")
    while True:
        more = context.wait_for_external_event("incr")
        if (yield context.task_any([more, done])) is done:
            return count
        count += 1


@app.orchestration_trigger(context_name="context")
def waits_at_most(context: df.DurableOrchestrationContext) -> Steps:
    seconds, default = context.get_input()
    approval = context.wait_for_external_event("Approval")
    timer = context.create_timer(context.current_utc_datetime + timedelta(seconds=seconds))
    if (yield context.task_any([approval, timer])) is approval:
        timer.cancel()
        return approval.result
    if default is None:
        raise TimeoutError("Event Approval was not received in time.")
    return default


@app.orchestration_trigger(context_name="context")
def gives_up_waiting(context: df.DurableOrchestrationContext) -> Steps:
    approval = context.wait_for_external_event("Approval")
    timer = context.create_timer(context.current_utc_datetime + timedelta(days=1))
    call = context.call_activity("plus", [1, 2])
    winner = yield context.task_any([approval, timer, call])
    timer.cancel()
    return winner is call


@app.orchestration_trigger(context_name="context")
def sums(context: df.DurableOrchestrationContext) -> Steps:
    total = 0
    for _ in range(5):
        number = yield context.wait_for_external_event("add")
        # Each is counted twice: the order shows in the sum.
        total += yield context.call_activity("plus", [total, number])
    return total


@app.activity_trigger(input_name="numbers")
async def plus(numbers: list[int]) -> int:
    return sum(numbers)


async def raised(stage: Stage, host: Host, name: str, values: list[object]) -> None:
    """Send events of one name to i1, and wait until its history has them all."""
    had = await arrived(stage)
    for value in values:
        await host.client.raise_event("i1", name, value)

    async def all_there() -> bool:
        return await arrived(stage) == had + len(values)

    await stage.until(all_there)


async def arrived(stage: Stage) -> int:
    """How many events i1's history has."""
    return sum(isinstance(event, EventRaised) for event in await stage.events("i1"))


@conforms("dtfx-8.7-26")
async def test_an_actor_loses_no_event_that_comes_between_generations(stage: Stage) -> None:
    async with stage.host(app) as host:
        await host.client.start_new("counter", "i1", 0)
        for operation in ("incr", "incr", "incr", "decr", "incr", "end"):
            await host.client.raise_event("i1", "operation", operation)
        status = await host.status_at_end("i1")
    assert outcome(status) == ("Completed", 3)
    assert status.input_ == 3


@conforms("dtfx-8.7-27")
async def test_waiting_in_a_loop_until_all_have_come(stage: Stage) -> None:
    async with stage.host(app) as host:
        await host.client.start_new("collects", "i1")
        await raised(stage, host, "newItem", list(ITEMS[:4]))
        assert outcome(await host.client.get_status("i1"))[0] == "Running"
        await host.client.raise_event("i1", "newItem", ITEMS[4])
        status = await host.status_at_end("i1")
    assert outcome(status) == ("Completed", "Threshold hit")


@conforms("dtfx-8.7-28")
async def test_a_wait_uses_up_one_event_whatever_it_says(stage: Stage) -> None:
    async with stage.host(app) as host:
        await host.client.start_new("drops", "i1")
        await raised(stage, host, "deleteItem", ["item5", None, {"no": "item"}, 4])
        status = await host.status_until("i1", lambda found: found.custom_status == 1)
        assert outcome(status)[0] == "Running"
        await host.client.raise_event("i1", "deleteItem")
        status = await host.status_at_end("i1")
    assert outcome(status) == ("Completed", "All dropped")


@conforms("dtfx-8.7-29")
async def test_four_waits_at_once_for_one_name_need_four_events(stage: Stage) -> None:
    async with stage.host(app) as host:
        await host.client.start_new("waits_at_once", "i1")
        await raised(stage, host, "newItem", ["item1", "item2", "item3"])
        assert outcome(await host.client.get_status("i1"))[0] == "Running"
        await host.client.raise_event("i1", "newItem", "item4")
        status = await host.status_at_end("i1")
    assert outcome(status) == ("Completed", ["item1", "item2", "item3", "item4"])


@conforms("dtfx-8.7-30")
async def test_whichever_of_two_events_comes_first(stage: Stage) -> None:
    async with stage.host(app) as host:
        await host.client.start_new("counts_until_done", "i1")
        await raised(stage, host, "incr", [None])
        await raised(stage, host, "incr", [None])
        await host.client.raise_event("i1", "done")
        status = await host.status_at_end("i1")
    assert outcome(status) == ("Completed", 2)


@conforms("dtfx-8.7-36")
async def test_waiting_for_an_event_no_longer_than_so_long(stage: Stage) -> None:
    short, long = stage.short.total_seconds(), stage.long.total_seconds()
    found = []
    async with stage.host(app) as host:
        for number, (default, is_sent) in enumerate(
            ((None, False), (None, True), ("default", True), ("default", False))
        ):
            instance_id = f"i{number}"
            given = [long if is_sent else short, default]
            await host.client.start_new("waits_at_most", instance_id, given)
            if is_sent:
                await host.client.raise_event(instance_id, "Approval", "ApprovalValue")
            found.append(outcome(await host.status_at_end(instance_id)))
    name, output = found[0]
    assert name == "Failed"
    assert "TimeoutError: Event Approval was not received in time." in output
    assert found[1:] == [
        ("Completed", "ApprovalValue"),
        ("Completed", "ApprovalValue"),
        ("Completed", "default"),
    ]


@conforms("dtfx-8.7-37")
async def test_an_end_does_not_wait_for_an_event_and_a_timer_that_were_given_up(
    stage: Stage,
) -> None:
    async with stage.host(app) as host:
        began = stage.clock.monotonic()
        assert outcome(await host.run("gives_up_waiting", None, "i1")) == ("Completed", True)
        assert stage.clock.monotonic() - began < 10
        assert not any(isinstance(event, TimerFired) for event in await stage.events("i1"))


@conforms("dtfx-8.7-54")
async def test_events_that_come_early_are_taken_in_their_order(stage: Stage) -> None:
    async with stage.host(app) as host:
        await host.client.start_new("sums", "i1")
        for number in range(5):
            await host.client.raise_event("i1", "add", number)
        status = await host.status_at_end("i1")
    assert outcome(status) == ("Completed", 26)
    assert await arrived(stage) == 5
