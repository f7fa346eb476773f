"""Code that is not there, or not the code of the history: patience first, then a clear failure."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from durable.engine.replay import Orchestration
from durable.errors import NonDeterminismError, UnknownFunction
from durable.model.events import ExecutionCompleted, ExecutionStarted, InstanceRef
from durable.model.status import RuntimeStatus
from durable.model.times import NO_TIME
from durable.runtime.programs import Programs, failure_outcome
from durable.runtime.settings import EngineSettings
from tests.hub_lab import Lab, in_virtual_time

Steps = Generator[Any, Any, Any]


def ordering(context: Any) -> Steps:
    first = yield context.call_activity("greet", 1)
    event = yield context.wait_for_external_event("E")
    return [first, event]


def unserialisable(context: Any) -> Steps:
    yield context.call_activity("greet", 1)
    return {"items": [1, object()]}


def missing_activity(context: Any) -> Steps:
    return (yield context.call_activity("greet", 1))


def changed(context: Any) -> Steps:
    yield context.call_activity("echo", 1)  # THE LINE
    yield context.wait_for_external_event("E")


changed.__name__ = "ordering"


def line_of(marker: str) -> int:
    with open(__file__, encoding="utf-8") as file:
        return next(n for n, line in enumerate(file, 1) if line.rstrip().endswith(marker))


@in_virtual_time
async def test_an_unknown_orchestrator_waits_two_minutes_then_fails_with_near_names() -> None:
    lab = Lab(ordering)
    stranger = await lab.actor()
    began = lab.clock.monotonic()
    await lab.start("orderin")
    await stranger.deliver()
    [(copy, _)] = await lab.queued()
    assert copy.extras.since == lab.clock.now()
    assert (await lab.row()).status is RuntimeStatus.PENDING
    await stranger.drain()
    assert 120 <= lab.clock.monotonic() - began < 200
    row = await lab.row()
    assert row.status is RuntimeStatus.FAILED
    text = str(await lab.output())
    assert "UnknownFunction" in text
    assert "orderin" in text
    assert "'ordering'" in text
    events = await lab.events()
    [ended] = [e for e in events if isinstance(e, ExecutionCompleted)]
    assert ended.failure is not None
    assert ended.failure.error_type == "durable.errors.UnknownFunction"


@in_virtual_time
async def test_a_process_that_knows_the_orchestrator_within_two_minutes_runs_it() -> None:
    lab = Lab(ordering)
    stranger = await lab.actor(lab.make_registry(unserialisable))
    await lab.start("ordering")
    for _ in range(5):
        await stranger.deliver()
        await lab.clock.sleep(10)
    knowing = await lab.actor()
    await lab.raise_event("E", 1)
    await knowing.drain()
    assert await lab.output() == ["Hello 1!", 1]


@in_virtual_time
async def test_a_wait_for_something_else_does_not_use_up_the_patience_with_code() -> None:
    lab = Lab(unserialisable)
    stranger = await lab.actor()
    await lab.raise_event("E", 1)
    for _ in range(20):
        await stranger.deliver()  # for an instance that is not there yet
        await lab.clock.sleep(10)
    await lab.start("ordering")
    await stranger.deliver()
    assert (await lab.row()).status is RuntimeStatus.PENDING


@in_virtual_time
async def test_an_unknown_activity_waits_two_minutes_then_its_task_fails() -> None:
    lab = Lab(missing_activity)
    knowing = await lab.actor()
    await lab.start("missing_activity")
    await knowing.deliver()
    bare = lab.make_registry(missing_activity)
    del bare._activities._by_name["greet"]
    stranger = await lab.actor(bare)
    began = lab.clock.monotonic()
    while await lab.account.queues.count(lab.hub.names.work_items):
        await stranger.deliver()
        await lab.clock.sleep(1)
    assert 120 <= lab.clock.monotonic() - began < 200
    await knowing.drain()
    assert (await lab.row()).status is RuntimeStatus.FAILED
    text = str(await lab.output())
    assert "greet" in text
    assert lab.counts == {}


@in_virtual_time
async def test_a_determinism_mismatch_waits_then_says_row_recorded_asked_and_line() -> None:
    lab = Lab(ordering)
    actor = await lab.actor()
    await lab.start("ordering")
    await actor.deliver()
    redeployed = await lab.actor(lab.make_registry(changed))
    began = lab.clock.monotonic()
    before = await lab.events()
    await lab.raise_event("E", 1)
    await redeployed.deliver()
    assert await lab.events() == before
    [(copy, _)] = [found for found in await lab.queued() if found[0].extras.identity]
    assert copy.extras.since is not None
    await redeployed.drain()
    assert 120 <= lab.clock.monotonic() - began < 200
    assert (await lab.row()).status is RuntimeStatus.FAILED
    text = str(await lab.output())
    assert "history row 2 of instance 'i1'" in text
    assert "records activity 'greet' (number 0)" in text
    assert "asks for activity 'echo' (number 0)" in text
    assert f"{__file__}:{line_of('# THE LINE')}" in text


@in_virtual_time
async def test_a_mismatch_that_an_old_process_does_not_have_harms_nobody() -> None:
    lab = Lab(ordering)
    actor = await lab.actor()
    await lab.start("ordering")
    await actor.deliver()
    redeployed = await lab.actor(lab.make_registry(changed))
    await lab.raise_event("E", 1)
    await redeployed.deliver()
    old = await lab.actor()
    await old.drain()
    assert await lab.output() == ["Hello 1!", 1]


@in_virtual_time
async def test_an_output_that_is_no_json_fails_the_instance_with_type_and_path() -> None:
    lab = Lab(unserialisable)
    actor = await lab.actor()
    await lab.start("unserialisable")
    await actor.drain()
    assert (await lab.row()).status is RuntimeStatus.FAILED
    text = str(await lab.output())
    assert "$.items[1]" in text
    assert "object" in text
    assert "unserialisable" in text


def test_a_program_of_a_known_name_is_opened_whatever_its_case() -> None:
    registry = Lab(ordering).registry
    started = ExecutionStarted(
        timestamp=NO_TIME,
        instance=InstanceRef(instance_id="i1", execution_id="e"),
        name="ORDERING",
    )
    live = Programs(registry, EngineSettings()).open(started)
    assert isinstance(live, Orchestration)
    assert live.instance_id == "i1"


@pytest.mark.parametrize(
    "error", [UnknownFunction("no such"), NonDeterminismError("another", instance_id="i1")]
)
def test_a_failure_ends_the_execution_under_the_next_number(error: Exception) -> None:
    outcome = failure_outcome(error, 7)
    assert (outcome.task_id, outcome.status) == (7, RuntimeStatus.FAILED)
    assert outcome.failure is not None
    assert outcome.result == outcome.failure.message == str(error)
