from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

import durable as df
from durable.model.entities import OrchestrationStart, Signal
from durable.testing import execute_entity

app = df.DFApp()


@app.entity_trigger()
@dataclass
class Account(df.EntityBase):
    balance: int = 0

    def deposit(self, amount: int) -> int:
        self.balance += amount
        return self.balance

    async def withdraw(self, amount: int) -> datetime:
        await asyncio.sleep(0)
        if amount > self.balance:
            raise ValueError("too little")
        self.balance -= amount
        self.context.signal_entity(df.EntityId("ledger", self.context.entity_key), "add", amount)
        self.context.start_new_orchestration("report", instance_id="r")
        self.context.start_new_orchestration(report, instance_id="r")
        return self.context.current_utc_datetime


@app.orchestration_trigger(context_name="context")
def report(context: Any) -> None: ...


@app.entity_trigger(context_name="context", entity_name="Visits")
def visits(context: df.DurableEntityContext) -> None:
    seen = context.get_state(list)
    if context.operation_name == "forget":
        context.destruct_on_exit()
        return
    seen.append(context.get_input())
    context.set_state(seen)
    context.set_result([context.entity_name, len(seen)])


def test_a_classs_operation_is_run_on_its_object() -> None:
    first = execute_entity(Account, "deposit", 5)
    assert (first.result, first.state, first.effects) == (5, Account(5), ())
    second = execute_entity(Account, "deposit", 5, state=first.state)
    assert second.state == Account(10)
    assert execute_entity(Account, "deposit", 5, state={"balance": 1}).result == 6
    assert execute_entity(Account, "delete", state=first.state).state is None


def test_what_an_operation_sends_can_be_looked_at() -> None:
    now = datetime(2024, 1, 1, tzinfo=UTC)
    done = execute_entity(Account, "withdraw", 5, state=Account(5), key="a", now=now)
    assert done.result == now.isoformat()
    assert done.effects == (
        Signal(target=df.EntityId("ledger", "a"), op="add", input="5"),
        OrchestrationStart(name="report", instance_id="r"),
        OrchestrationStart(name="report", instance_id="r"),
    )


async def test_what_an_operation_raises_is_raised_also_on_a_loop() -> None:
    with pytest.raises(ValueError, match="too little"):
        execute_entity(Account, "withdraw", 5)
    with pytest.raises(df.UnknownOperation, match="Did you mean 'withdraw'"):
        execute_entity(Account, "withdra", 5)


def test_a_functions_operation_is_run_on_its_state() -> None:
    first = execute_entity(visits, "add", "x")
    assert (first.result, first.state) == (["visits", 1], ["x"])
    built: Any = visits.build()
    bare = built.get_user_function().entity_function
    assert execute_entity(bare, "add", "y", state=first.state).state == ["x", "y"]
    assert execute_entity(visits, "forget", state=first.state).state is None
