"""A decorated name leads to the user's function, by every road tests take."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

import pytest

import durable as df


def gen_orchestrator(context: Any) -> Any:
    yield context.call_activity("x")


async def async_orchestrator(context: Any) -> Any:
    return await context.call_activity("x")


def activity(value: Any) -> Any:
    return value


async def async_activity(value: Any) -> Any:
    return value


def entity(context: Any) -> None: ...


def client(req: Any, client: Any) -> Any:
    return (req, client)


async def async_client(req: Any, client: Any) -> Any:
    return (req, client)


def decorated(function: Callable[..., Any], kind: str) -> Any:
    app = df.DFApp()
    match kind:
        case "orchestrator":
            return app.orchestration_trigger(context_name="context")(function)
        case "activity":
            return app.activity_trigger(input_name="value")(function)
        case "entity":
            return app.entity_trigger(context_name="context")(function)
        case _:
            return app.route(route="x")(app.durable_client_input(client_name="client")(function))


@pytest.mark.parametrize(
    ("function", "kind"),
    [
        (gen_orchestrator, "orchestrator"),
        (async_orchestrator, "orchestrator"),
        (entity, "entity"),
        (client, "client"),
        (async_client, "client"),
    ],
)
def test_1_7s_roads_to_the_users_function(function: Callable[..., Any], kind: str) -> None:
    handle = decorated(function, kind)
    attribute = f"{kind}_function"
    assert getattr(handle.build().get_user_function(), attribute) is function
    assert getattr(handle.build().get_user_function(), attribute) is function, "a second time"
    assert getattr(handle._function._func, attribute) is function
    assert getattr(handle, attribute) is function


@pytest.mark.parametrize("function", [activity, async_activity])
def test_an_activitys_user_function_is_the_function(function: Callable[..., Any]) -> None:
    handle = decorated(function, "activity")
    assert handle.build().get_user_function() is function
    assert handle._function._func is function


def test_calling_a_decorated_name_calls_the_function() -> None:
    assert decorated(activity, "activity")(5) == 5
    assert asyncio.run(decorated(async_activity, "activity")(value=5)) == 5
    assert inspect.isgenerator(decorated(gen_orchestrator, "orchestrator")(None))
    assert decorated(client, "client")("r", "c") == ("r", "c")
    assert asyncio.run(decorated(async_client, "client")(req="r", client="c")) == ("r", "c")
