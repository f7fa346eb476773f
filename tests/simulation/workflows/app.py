"""The app that random cases run: its activity, its entities, and what they note."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from durable.authoring.definitions import (
    ActivityDefinition,
    EntityDefinition,
    OrchestratorDefinition,
)
from durable.authoring.registry import Registry
from tests.simulation.workflows.interpreter import entity_id, interpret, interpret_async
from tests.simulation.workflows.steps import (
    Mode,
)

OPENING_BALANCE = 100


async def counter(context: Any) -> Any:
    """A sum."""
    told = context.get_input()
    context.set_state(context.get_state(lambda: 0) + told["amount"])
    if context.operation_name == "spoil":
        context.signal_entity(entity_id("log0"), "add", {"token": "spoilt", "amount": 1})
        raise ValueError("spoilt")
    return told["token"]


async def log(context: Any) -> Any:
    """Who told it how often."""
    told = context.get_input()
    known = context.get_state(dict)
    if told["text"]:
        known["text"] = told["text"]
    known[told["token"]] = known.get(told["token"], 0) + 1
    context.set_state(known)
    if context.operation_name == "spoil":
        raise ValueError("spoilt")
    return told["token"]


async def account(context: Any) -> Any:
    """A balance. Who reads before it writes needs a lock."""
    if context.operation_name == "write":
        context.set_state(context.get_input())
    return context.get_state(lambda: OPENING_BALANCE)


async def relay(context: Any) -> None:
    """Has others do things."""
    told = context.get_input()
    context.set_state(context.get_state(lambda: 0) + 1)
    if context.operation_name == "begin":
        context.start_new_orchestration(told["name"], told["input"], told["id"])
    elif told["hops"] > 1:
        context.signal_entity(context.entity_id, "pass_on", {**told, "hops": told["hops"] - 1})
    else:
        context.signal_entity(entity_id(told["entity"]), "add", told)


_ENTITIES: tuple[Callable[[Any], Awaitable[Any]], ...] = (counter, log, account, relay)


@dataclass(kw_only=True)
class App:
    """The registry of one run, what its activities noted, and what has been fixed for them."""

    ran: Counter[str] = field(default_factory=Counter)
    fixed: set[str] = field(default_factory=set)

    async def work(self, value: dict[str, Any]) -> str:
        if value["slow"]:
            await asyncio.sleep(value["slow"])
        key, mode = value["key"], value["mode"]
        self.ran[key] += 1
        fails = {
            Mode.HOPELESS: True,
            Mode.FIXABLE: key not in self.fixed,
            Mode.FLAKY: self.ran[key] <= value["fails"],
            Mode.ONCE: self.ran[key] <= value["fails"],
        }
        if fails.get(mode, False):
            raise ValueError(f"{key} is {mode}")
        return str(key + value["text"])

    def registry(self) -> Registry:
        registry = Registry()
        for function in (interpret, interpret_async):
            registry.add_orchestrator(
                OrchestratorDefinition(
                    name=function.__name__, function=function, context_name="context"
                )
            )
        for each in _ENTITIES:
            registry.add_entity(EntityDefinition(name=each.__name__, function=each))
        registry.add_activity(
            ActivityDefinition(name="work", function=self.work, input_name="value")
        )
        return registry
