"""Orchestrators and activities of the simulations. Asynchronous: there are no threads in here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Generator
from datetime import timedelta
from typing import Any

from durable.authoring.definitions import ActivityDefinition, OrchestratorDefinition
from durable.authoring.registry import Registry
from tests.simulation import chain_apps, entity_apps, feature_apps, rewind_apps

Steps = Generator[Any, Any, Any]


def hello(context: Any) -> Steps:
    """Three activities, one after the other."""
    tokyo = yield context.call_activity("greet", "Tokyo")
    seattle = yield context.call_activity("greet", "Seattle")
    london = yield context.call_activity("greet", "London")
    return [tokyo, seattle, london]


async def hello_async(context: Any) -> list[str]:
    return [await context.call_activity("greet", city) for city in ("Tokyo", "Seattle", "London")]


def fan_out(context: Any) -> Steps:
    """`input` activities at once."""
    count = context.get_input()
    results = yield context.task_all([context.call_activity("greet", str(n)) for n in range(count)])
    return sorted(results)


def large(context: Any) -> Steps:
    """A payload over every limit, there and back."""
    text = context.get_input()
    echoed = yield context.call_activity("echo", text)
    return {"same": echoed == text, "text": echoed}


def countdown(context: Any) -> Steps:
    """Continues as new after an activity, until nothing is left."""
    left = context.get_input()
    yield context.call_activity("greet", str(left))
    if left > 1:
        context.continue_as_new(left - 1)
        return None
    return "over"


def spin(context: Any) -> Steps:
    """Continues as new at once, sending nothing; ends after an activity."""
    left = context.get_input()
    if left > 0:
        context.continue_as_new(left - 1)
        return None
    yield context.call_activity("greet", "end")
    return "spun"


def collect(context: Any) -> Steps:
    """One event a generation, `want` in all."""
    state = context.get_input()
    yield context.call_activity("greet", "g")
    event = yield context.wait_for_external_event("E")
    got = [*state["got"], event]
    if len(got) < state["want"]:
        context.continue_as_new({"got": got, "want": state["want"]})
        return None
    return sorted(got)


def parent(context: Any) -> Steps:
    """A child with an id of its own, then an activity on its result."""
    child = yield context.call_sub_orchestrator("hello", None, f"{context.instance_id}-child")
    last = yield context.call_activity("greet", str(len(child)))
    return [*child, last]


def parent_of_countdown(context: Any) -> Steps:
    result = yield context.call_sub_orchestrator("countdown", 2)
    return result


def nap(context: Any) -> Steps:
    yield context.call_activity("greet", "a")
    yield context.create_timer(context.current_utc_datetime + timedelta(seconds=90))
    return (yield context.call_activity("greet", "b"))


def broken(context: Any) -> Steps:
    try:
        yield context.call_activity("fail", "x")
    except ValueError as error:
        yield context.call_activity("greet", "caught")
        raise RuntimeError(f"after {error}") from error


def make_registry(counts: Counter[str]) -> Registry:
    """The app; `counts` counts how often each activity call ran."""
    registry = Registry()

    def orchestrator(function: Callable[..., Any]) -> None:
        registry.add_orchestrator(
            OrchestratorDefinition(
                name=function.__name__,
                function=function,
                context_name="context",
                input_type=None,
            )
        )

    def activity(function: Callable[[Any], Awaitable[Any]]) -> None:
        registry.add_activity(
            ActivityDefinition(name=function.__name__, function=function, input_name="value")
        )

    async def greet(value: str) -> str:
        counts[f"greet:{value}"] += 1
        return f"Hello {value}!"

    async def echo(value):  # type: ignore[no-untyped-def]
        counts["echo"] += 1
        return value

    async def fail(value: str) -> str:
        counts["fail"] += 1
        raise ValueError(f"no {value}")

    async def fails_once(value: str) -> str:
        counts["fails_once"] += 1
        if counts["fails_once"] == 1:
            raise ValueError(f"not yet {value}")
        return value

    async def fixable(value: str) -> str:
        counts[f"fixable:{value}"] += 1
        if not counts["fixed"]:
            raise ValueError(f"{value} is not fixed yet")
        return f"fixed {value}"

    for each in (
        hello,
        hello_async,
        fan_out,
        large,
        countdown,
        spin,
        collect,
        parent,
        parent_of_countdown,
        nap,
        broken,
        *feature_apps.FEATURES,
        *rewind_apps.ORCHESTRATORS,
        *entity_apps.ORCHESTRATORS,
        *chain_apps.ORCHESTRATORS,
    ):
        orchestrator(each)
    for entity in entity_apps.ENTITIES:
        registry.add_entity(entity)
    for each_activity in (greet, echo, fail, fails_once, fixable, *chain_apps.activities(counts)):
        activity(each_activity)
    return registry
