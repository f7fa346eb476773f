"""8.7, rows 41, 49, 50, 52, 53, 55, 57, 58 and 60: failures, and functions that there are not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import pytest

import durable as df
from durable.errors import UnknownFunction
from durable.model.events import TaskCompleted, TaskFailed, TimerCreated
from tests.conformance.conformance import conforms
from tests.conformance.stage import Stage, outcome

Steps = Generator[Any, Any, Any]

app = df.DFApp()
#: The same app after a deployment that has forgotten an activity.
later = df.DFApp()
attempts: Counter[str] = Counter()


def with_two_steps(made: df.DFApp) -> df.DFApp:
    """An app with an orchestrator that calls an activity and then waits."""

    @made.orchestration_trigger(context_name="context")
    def two_steps(context: df.DurableOrchestrationContext) -> Steps:
        result = yield context.call_activity("first_step", context.get_input())
        yield context.wait_for_external_event("go")
        return result

    return made


with_two_steps(app)
with_two_steps(later)


@dataclass
class Choosy:
    """An input that cannot be made of everything."""

    x: int

    def __post_init__(self) -> None:
        if self.x < 0:
            raise ValueError("x must not be negative!")


@app.activity_trigger(input_name="value")
async def first_step(value: object) -> object:
    return value


@app.orchestration_trigger(context_name="context")
def throws(context: df.DurableOrchestrationContext) -> None:
    raise ValueError(f"Value cannot be null: {context.get_input()}")


@app.orchestration_trigger(context_name="context")
def throws_in_activity(context: df.DurableOrchestrationContext) -> Steps:
    yield context.call_activity("throw", [context.instance_id, context.get_input()])


@app.orchestration_trigger(context_name="context")
def retries(context: df.DurableOrchestrationContext) -> Steps:
    options = df.RetryOptions(1, 3)
    given = [context.instance_id, context.get_input()]
    yield context.call_activity_with_retry("throw", options, given)


@app.orchestration_trigger(context_name="context")
def retries_as_told(context: df.DurableOrchestrationContext) -> Steps:
    options: Any = context.get_input()
    yield context.call_activity_with_retry("throw", options, [context.instance_id, "message"])


@app.orchestration_trigger(context_name="context")
def retries_child_as_told(context: df.DurableOrchestrationContext) -> Steps:
    options: Any = context.get_input()
    yield context.call_sub_orchestrator_with_retry("throws", options, "message")


@app.orchestration_trigger(context_name="context")
def calls_nothing(context: df.DurableOrchestrationContext) -> Steps:
    yield context.call_activity("thrown", None)


@app.orchestration_trigger(context_name="context")
def is_choosy(context: df.DurableOrchestrationContext) -> int:
    return int(context.get_input(Choosy).x)


@app.activity_trigger(input_name="what")
async def throw(what: list[str]) -> None:
    attempts[what[0]] += 1
    raise RuntimeError(what[1])


@conforms("dtfx-8.7-41")
async def test_the_output_of_an_orchestrator_that_raised(stage: Stage) -> None:
    async with stage.host(app) as host:
        status = await host.run("throws", "message")
    assert outcome(status) == ("Failed", "ValueError: Value cannot be null: message")


@conforms("dtfx-8.7-50")
async def test_the_output_of_an_orchestrator_whose_activity_raised(stage: Stage) -> None:
    async with stage.host(app) as host:
        status = await host.run("throws_in_activity", "Kah-BOOOOM!!!")
    text = "Activity function 'throw' failed: RuntimeError: Kah-BOOOOM!!!"
    assert outcome(status) == ("Failed", f"durable.errors.ActivityFailed: {text}")


@conforms("dtfx-8.7-52")
async def test_after_the_last_attempt_the_output_is_the_same(stage: Stage) -> None:
    attempts.clear()
    async with stage.host(app) as host:
        once = await host.run("throws_in_activity", "Kah-BOOOOM!!!", "once")
        retried = await host.run("retries", "Kah-BOOOOM!!!", "retried")
    assert outcome(retried) == outcome(once)
    assert outcome(retried)[0] == "Failed"
    assert attempts == {"once": 1, "retried": 3}


@conforms("dtfx-8.7-49", "dtfx-8.7-53")
async def test_no_retry_options_are_no_retries_and_wrong_ones_are_refused(stage: Stage) -> None:
    attempts.clear()
    async with stage.host(app) as host:
        for name in ("retries_as_told", "retries_child_as_told"):
            status = await host.run(name, None, f"{name}-none")
            assert outcome(status)[0] == "Failed"
            assert status.output.endswith("message")
            wrong = await host.run(name, {"attempts": 3}, f"{name}-wrong")
            assert outcome(wrong)[0] == "Failed"
            assert "retry_options is a dict; it must be RetryOptions(" in wrong.output
            events = await stage.events(f"{name}-none")
            assert not any(isinstance(event, TimerCreated) for event in events)
    assert attempts == {"retries_as_told-none": 1}


@conforms("dtfx-8.7-55")
async def test_starting_an_orchestrator_that_there_is_not(stage: Stage) -> None:
    text = "No orchestrator function is named 'throwz'. Did you mean 'throws'"
    async with stage.host(app) as host:
        with pytest.raises(UnknownFunction) as raised:
            await host.client.start_new("throwz", "i1")
        assert str(raised.value).startswith(text)
        response, body = await host.http("POST", "/orchestrators/throwz/i1", {})
        assert response.status == 400
        assert text in body["ExceptionMessage"]
        assert await stage.row("i1") is None


# Two minutes pass before the engine gives up that a process with the old code may come.
@conforms("dtfx-8.7-57", on=("memory", "cold"))
async def test_an_activity_that_a_deployment_has_forgotten(stage: Stage) -> None:
    async def answered() -> bool:
        return any(isinstance(event, TaskCompleted) for event in await stage.events("i1"))

    async with stage.host(app) as host:
        await host.client.start_new("two_steps", "i1", "x")
        await stage.until(answered)
    async with stage.host(later) as host:
        await host.client.raise_event("i1", "go")
        status = await host.status_at_end("i1")
    assert outcome(status)[0] == "Failed"
    assert "Non-Deterministic workflow detected" in status.output
    assert "records activity 'first_step'" in status.output


@conforms("dtfx-8.7-58")
async def test_calling_an_activity_that_there_is_not(stage: Stage) -> None:
    async with stage.host(app) as host:
        status = await host.run("calls_nothing", None, "i1")
    text = "No activity function is named 'thrown'. Did you mean 'throw'?"
    assert outcome(status) == ("Failed", f"durable.errors.UnknownFunction: {text}")
    assert not any(isinstance(event, TaskFailed) for event in await stage.events("i1"))


@conforms("dtfx-8.7-60")
async def test_an_orchestrator_whose_input_cannot_be_made(stage: Stage) -> None:
    async with stage.host(app) as host:
        assert outcome(await host.run("is_choosy", {"x": 1})) == ("Completed", 1)
        name, output = outcome(await host.run("is_choosy", {"x": -1}))
    assert name == "Failed"
    assert "x must not be negative!" in output
