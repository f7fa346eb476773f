"""8.1, rows 12 and 31 to 33: orchestrations that continue as new."""

from __future__ import annotations

from collections.abc import Generator
from datetime import timedelta
from functools import partial
from typing import Any

import durable as df
from durable.model.status import InstanceRow, RuntimeStatus
from tests.conformance.conformance import conforms
from tests.conformance.stage import Stage, outcome

Steps = Generator[Any, Any, Any]

app = df.DFApp()


@app.orchestration_trigger(context_name="context")
def counter(context: df.DurableOrchestrationContext) -> Steps:
    value = context.get_input()
    operation = yield context.wait_for_external_event("operation")
    if operation == "end":
        return value
    value += 1 if operation == "incr" else -1
    context.continue_as_new(value)
    return value


@app.orchestration_trigger(context_name="context")
def grow(context: df.DurableOrchestrationContext) -> Steps:
    text = context.get_input()
    operation = yield context.wait_for_external_event("operation")
    if operation == "end":
        return text
    context.continue_as_new(text + text)
    return None


@app.orchestration_trigger(context_name="context")
def timer_after_continuing(context: df.DurableOrchestrationContext) -> Steps:
    runs, seconds = context.get_input()
    if runs == 0:
        context.continue_as_new([1, seconds])
        return None
    yield context.create_timer(context.current_utc_datetime + timedelta(seconds=seconds))
    return "OK"


def has_input(text: str, row: InstanceRow) -> bool:
    return row.input == text


def has_input_(value: str, status: df.DurableOrchestrationStatus) -> bool:
    return bool(status.input_ == value)


@conforms("dtfx-8.1-12", "dtfx-8.7-102")
async def test_a_timer_after_continuing_as_new_fires(stage: Stage) -> None:
    async with stage.host(app) as host:
        status = await host.run("timer_after_continuing", [0, stage.short.total_seconds()])
    assert status.output == "OK"


@conforms("dtfx-8.1-31", "dtfx-8.7-25")
async def test_an_actor_keeps_count(stage: Stage) -> None:
    async with stage.host(app) as host:
        await host.client.start_new("counter", "i1", 0)
        value = 0
        for operation in ("incr", "incr", "incr", "decr", "incr"):
            await host.client.raise_event("i1", "operation", operation)
            value += 1 if operation == "incr" else -1
            row = await stage.row_until("i1", partial(has_input, str(value)))
            assert row.status in {RuntimeStatus.RUNNING, RuntimeStatus.CONTINUED_AS_NEW}
        await host.client.raise_event("i1", "operation", "end")
        status = await host.status_at_end("i1")
    assert outcome(status) == ("Completed", 3)
    assert status.input_ == 3


@conforms("dtfx-8.1-32")
async def test_an_actor_with_a_large_and_growing_state(stage: Stage) -> None:
    async with stage.host(app) as host:
        text = "x" * 30_000
        await host.client.start_new("grow", "i1", text)
        for _ in range(3):
            await host.client.raise_event("i1", "operation", "double")
            text += text
            await host.status_until("i1", partial(has_input_, text))
        await host.client.raise_event("i1", "operation", "end")
        status = await host.status_at_end("i1")
    assert status.input_ == text
    assert status.output == text
    assert len(text) == 240_000


@conforms("dtfx-8.1-33")
async def test_old_generations_leave_no_payloads(stage: Stage) -> None:
    async with stage.host(app) as host:
        await host.client.start_new("grow", "i1", "x" * 100_000)
        text = "x" * 100_000
        kept: set[int] = set()
        for _ in range(4):
            await host.client.raise_event("i1", "operation", "double")
            text += text
            await host.status_until("i1", partial(has_input_, text))
            await stage.at_rest()
            kept.add(len(await stage.blobs("i1/")))
        await host.client.raise_event("i1", "operation", "end")
        await host.status_at_end("i1")
        await stage.at_rest()
        assert await stage.blobs("i1/")
        await host.client.purge_instance_history("i1")
        assert await stage.blobs("i1/") == []
    # However many generations there were, as many blobs are kept: the last one's.
    assert len(kept) == 1
