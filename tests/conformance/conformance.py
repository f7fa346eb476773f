"""What ties tests to the rows of the conformance table (docs/conformance.md).

A row is one upstream test as a behaviour (the rows folder). `conforms` runs a scenario for a row
in memory, in memory without sessions, and on Azurite; `covers` marks any other test.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import uuid
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from durable.clock import SystemClock
from durable.storage.azure.account import account_config, open_account
from durable.storage.memory import MemoryAccount
from tests.conformance.stage import Stage, Where_
from tests.simulation.simloop import SimClock, run_simulation

Scenario = Callable[[Stage], Coroutine[Any, Any, None]]

EVERYWHERE: tuple[Where_, ...] = ("memory", "cold", "azurite")


def conforms(
    *rows: str, on: tuple[Where_, ...] = EVERYWHERE
) -> Callable[[Scenario], Callable[..., None]]:
    """Make a test of a scenario, one for each place it runs in; its id names the rows.

    Args:
        rows: "dtfx-8.1-37", the section and number of the row.
        on: where it runs. Azurite may be left out for what needs much (virtual) time.
    """

    def make(scenario: Scenario) -> Callable[..., None]:
        def run(where: Where_, request: pytest.FixtureRequest) -> None:
            if where == "azurite":
                text = request.getfixturevalue("azurite_connection_string")
                asyncio.run(_on_azurite(scenario, text))
            else:
                run_simulation(_in_memory(scenario, where))

        _dress(run, scenario)
        return pytest.mark.parametrize("where", [_place(rows, where) for where in on])(run)

    return make


def covers(*rows: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Mark a test that shows what rows ask for; its id names them. It needs no stage."""

    def make(test: Callable[..., Any]) -> Callable[..., Any]:
        if inspect.iscoroutinefunction(test):

            @functools.wraps(test)
            async def run(*args: Any, row: str, **kwargs: Any) -> None:
                await test(*args, **kwargs)

        else:

            @functools.wraps(test)
            def run(*args: Any, row: str, **kwargs: Any) -> None:
                test(*args, **kwargs)

        signature = inspect.signature(test)
        added = inspect.Parameter("row", inspect.Parameter.KEYWORD_ONLY)
        run.__signature__ = signature.replace(  # type: ignore[attr-defined]
            parameters=[*signature.parameters.values(), added]
        )
        marked: Callable[..., Any] = pytest.mark.parametrize(
            "row", [pytest.param("", id=_name(rows))]
        )(run)
        return marked

    return make


def _name(rows: tuple[str, ...]) -> str:
    return "+".join(rows)


def _place(rows: tuple[str, ...], where: Where_) -> Any:
    marks = [pytest.mark.azurite] if where == "azurite" else []
    return pytest.param(where, id=f"{_name(rows)}-{where}", marks=marks)


def _dress(run: Callable[..., None], scenario: Scenario) -> None:
    """Let `run` look like `scenario`, but for its parameters."""
    run.__name__ = run.__qualname__ = scenario.__name__
    run.__doc__ = scenario.__doc__
    run.__module__ = scenario.__module__


async def _in_memory(scenario: Scenario, where: Where_) -> None:
    clock = SimClock(5)
    await scenario(Stage(where, MemoryAccount(clock), clock, "Conformance"))


async def _on_azurite(scenario: Scenario, connection_string: str) -> None:
    account = open_account(account_config({"Store": connection_string}, "Store"))
    stage = Stage("azurite", account, SystemClock(), f"Conf{uuid.uuid4().hex[:16]}")
    try:
        await scenario(stage)
    finally:
        await stage.hub.delete()
        await account.close()
