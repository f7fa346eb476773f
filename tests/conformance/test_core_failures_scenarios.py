"""8.6, rows 46 to 49 and 95: how the failure of an activity reaches who called it."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import durable as df
from durable.model.events import TaskFailed
from tests.conformance.conformance import conforms
from tests.conformance.stage import Stage, outcome

Steps = Generator[Any, Any, Any]

app = df.DFApp()
#: What the retry handler was given, by instance.
handled: dict[str, list[df.ActivityFailed]] = {}


class NotNow(ValueError):
    """What the activity raises."""


@app.orchestration_trigger(context_name="context")
def catches(context: df.DurableOrchestrationContext) -> Steps:
    try:
        yield context.call_activity("throw", "This is a test exception")
    except NotNow as error:  # the class itself, whatever process raised it
        return told(error)


def told(error: Exception) -> dict[str, object]:
    """What is known of a failed call, by its caller."""
    assert isinstance(error, df.ActivityFailed)
    failure = error.failure
    assert failure.stack_trace is not None
    assert failure.inner is not None
    return {
        "name": error.name,
        "type": failure.error_type,
        "message": failure.message,
        "function": "in throw" in failure.stack_trace,
        "inner": [failure.inner.error_type, failure.inner.message],
    }


@app.orchestration_trigger(context_name="context")
def handles(context: df.DurableOrchestrationContext) -> Steps:
    seen = handled.setdefault(context.instance_id, [])

    def handler(error: Exception) -> bool:
        assert isinstance(error, df.ActivityFailed)
        seen.append(error)
        return False

    options = df.RetryOptions(1, 3, handler=handler)
    try:
        yield context.call_activity_with_retry("throw", options, "once")
    except NotNow:
        return "caught"


@app.orchestration_trigger(context_name="context")
def leaves_it(context: df.DurableOrchestrationContext) -> Steps:
    yield context.call_activity("throw", context.get_input())


@app.activity_trigger(input_name="message")
async def throw(message: str | None) -> None:
    if message is None:
        raise NotNow("no message was given")
    try:
        raise KeyError("the cause")
    except KeyError as error:
        raise NotNow(message) from error


@conforms("dtfx-8.6-46", "dtfx-8.6-95")
async def test_a_failure_is_its_own_class_and_has_name_type_message_trace_and_cause(
    stage: Stage,
) -> None:
    async with stage.host(app) as host:
        status = await host.run("catches")
    assert outcome(status) == (
        "Completed",
        {
            "name": "throw",
            "type": f"{NotNow.__module__}.NotNow",
            "message": "This is a test exception",
            "function": True,
            "inner": ["KeyError", "'the cause'"],
        },
    )


@conforms("dtfx-8.6-47")
async def test_a_retry_handler_sees_the_failure_and_is_asked_once(stage: Stage) -> None:
    handled.clear()
    async with stage.host(app) as host:
        status = await host.run("handles", None, "i1")
    assert outcome(status) == ("Completed", "caught")
    assert len(handled["i1"]) == 1
    [error] = handled["i1"]
    assert (error.failure.error_type, error.failure.message) == (
        f"{NotNow.__module__}.NotNow",
        "once",
    )
    assert len([e for e in await stage.events("i1") if isinstance(e, TaskFailed)]) == 1


@conforms("dtfx-8.6-48")
async def test_an_unhandled_failure_is_the_output(stage: Stage) -> None:
    async with stage.host(app) as host:
        status = await host.run("leaves_it", "This is a test exception")
    name, output = outcome(status)
    assert name == "Failed"
    assert "'throw' failed" in output
    assert "NotNow: This is a test exception" in output


@conforms("dtfx-8.6-49")
async def test_an_activity_that_fails_without_an_argument_says_why(stage: Stage) -> None:
    async with stage.host(app) as host:
        status = await host.run("leaves_it", None, "i1")
    assert outcome(status)[0] == "Failed"
    assert "NotNow: no message was given" in status.output
    [failed] = [event for event in await stage.events("i1") if isinstance(event, TaskFailed)]
    assert failed.reason == "no message was given"
