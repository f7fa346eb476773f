"""8.7, rows 94, 95, 103, 120, 124 and 138: limits, generations, several hosts, logs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Generator
from datetime import timedelta
from typing import Any

import durable as df
from tests.conformance.conformance import conforms
from tests.conformance.stage import Stage, outcome

Steps = Generator[Any, Any, Any]

app = df.DFApp()
#: An app serves one host at a time, and so each of the others needs one of its own.
HOSTS = 10
DAY = timedelta(days=1)
TOO_LONG = round(7 * DAY / timedelta(milliseconds=1))
REACHED = (
    "Maximum amount of orchestration actions (7) has been reached. This value can be configured "
    "in host.json file as MaxOrchestrationActions."
)


def with_activities(made: df.DFApp) -> df.DFApp:
    """An app with what the many hosts run."""

    @made.orchestration_trigger(context_name="context")
    def fan_out(context: df.DurableOrchestrationContext) -> Steps:
        tasks = [context.call_activity("double", number) for number in range(context.get_input())]
        return sum((yield context.task_all(tasks)))

    @made.activity_trigger(input_name="number")
    async def double(number: int) -> int:
        return 2 * number

    return made


with_activities(app)


class Heard(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@app.orchestration_trigger(context_name="context")
def first_interval_too_long(context: df.DurableOrchestrationContext) -> Steps:
    yield context.call_activity_with_retry("double", df.RetryOptions(TOO_LONG, 3), 1)


@app.orchestration_trigger(context_name="context")
def longest_interval_too_long(context: df.DurableOrchestrationContext) -> Steps:
    options = df.RetryOptions(1000, 3, max_retry_interval_in_milliseconds=TOO_LONG)
    yield context.call_activity_with_retry("double", options, 1)


@app.orchestration_trigger(context_name="context")
def timers_and_events(context: df.DurableOrchestrationContext) -> Steps:
    left = context.get_input()
    if left == 0:
        return "ok"
    timer = context.create_timer(context.current_utc_datetime + DAY)
    signal = context.wait_for_external_event(f"signal{left}")
    if (yield context.task_any([timer, signal])) is timer:
        return "the timer was first"
    timer.cancel()
    context.continue_as_new(left - 1)
    return None


@app.orchestration_trigger(context_name="context")
def asks_for_more_and_more(context: df.DurableOrchestrationContext) -> Steps:
    context.set_custom_status("busy")
    total = 0
    while True:
        total += yield context.call_activity("double", total)


@app.orchestration_trigger(context_name="context")
def logs(context: df.DurableOrchestrationContext) -> Steps:
    logger = context.create_replay_safe_logger(logging.getLogger("conformance.replay"))
    logger.warning("%s begins", context.instance_id)
    for number in range(3):
        yield context.call_activity("double", number)
        logger.warning("%s did %d", context.instance_id, number)


@conforms("dtfx-8.7-94")
async def test_a_first_retry_interval_over_six_days(stage: Stage) -> None:
    async with stage.host(app) as host:
        name, output = outcome(await host.run("first_interval_too_long"))
    assert name == "Failed"
    assert "first_retry_interval_in_milliseconds is 604800000" in output
    assert "at most 518400000 (six days)" in output


@conforms("dtfx-8.7-95")
async def test_a_longest_retry_interval_over_six_days(stage: Stage) -> None:
    async with stage.host(app) as host:
        name, output = outcome(await host.run("longest_interval_too_long"))
    assert name == "Failed"
    assert "max_retry_interval_in_milliseconds is 604800000" in output


@conforms("dtfx-8.7-103")
async def test_generations_that_each_cancel_a_timer_on_an_event(stage: Stage) -> None:
    async with stage.host(app) as host:
        await host.client.start_new("timers_and_events", "i1", 20)
        for left in range(20, 0, -1):
            await host.client.raise_event("i1", f"signal{left}")
        status = await host.status_at_end("i1")
    assert outcome(status) == ("Completed", "ok")
    assert status.input_ == 0


@conforms("dtfx-8.7-120")
async def test_an_orchestrator_that_asks_for_more_than_it_may_fails(stage: Stage) -> None:
    async with stage.host(app, maxOrchestrationActions=7) as host:
        status = await host.run("asks_for_more_and_more")
        assert outcome(status)[0] == "Failed"
        assert status.output.endswith(REACHED)
        assert status.custom_status == "busy"
        # As much as it may is not too much.
        assert outcome(await host.run("fan_out", 7)) == ("Completed", 42)


@conforms("dtfx-8.7-124")
async def test_many_hosts_start_at_once_on_one_hub(stage: Stage) -> None:
    # Nobody leaves before all are done: what a host has in hand is lost with it for a while.
    done = asyncio.Barrier(HOSTS)

    async def one(number: int) -> None:
        async with stage.host(with_activities(df.DFApp())) as host:
            status = await host.run("fan_out", number)
            assert outcome(status) == ("Completed", number * (number - 1))
            await done.wait()

    async with asyncio.TaskGroup() as hosts:
        for number in range(HOSTS):
            hosts.create_task(one(number))


@conforms("dtfx-8.7-138")
async def test_a_replay_logs_nothing_again(stage: Stage) -> None:
    heard = Heard()
    logger = logging.getLogger("conformance.replay")
    logger.addHandler(heard)
    try:
        async with stage.host(app) as host:
            await host.run("logs", None, "i1")
    finally:
        logger.removeHandler(heard)
    assert heard.lines == ["i1 begins", "i1 did 0", "i1 did 1", "i1 did 2"]
