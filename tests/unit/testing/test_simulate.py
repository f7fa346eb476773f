"""`durable.testing.simulate`: users' workflows in a hub where things fail."""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import durable as df
from durable.errors import UsageError
from durable.testing import (
    NO_FAULTS,
    Fault,
    Faults,
    SimulatedClient,
    SimulationFailed,
    simulate,
)

ACCOUNTS = (df.EntityId("account", "a"), df.EntityId("account", "b"))


class Bank:
    """An app, and what its activities did outside of the hub."""

    def __init__(self) -> None:
        self.paid: Counter[str] = Counter()
        app = self.app = df.DFApp()

        @app.activity_trigger(input_name="order")
        def pay(order: str) -> str:
            self.paid[order] += 1
            return f"paid {order}"

        @app.activity_trigger(input_name="seconds")
        async def ship(seconds: float) -> str:
            await asyncio.sleep(seconds)
            return "shipped"

        @app.orchestration_trigger(context_name="context")
        def order(context: df.DurableOrchestrationContext) -> Any:
            paid = yield context.call_activity("pay", context.get_input())
            yield context.wait_for_external_event("approved")
            shipped = yield context.call_activity("ship", 3.0)
            return [paid, shipped]

        @app.orchestration_trigger(context_name="context")
        async def transfer(context: df.DurableOrchestrationContext) -> Any:
            async with context.lock_entities(list(ACCOUNTS)):
                left = await context.call_entity(ACCOUNTS[0], "add", -1)
                await context.call_entity(ACCOUNTS[1], "add", 1)
            return left

        @app.entity_trigger(context_name="context")
        def account(context: df.DurableEntityContext) -> None:
            balance = context.get_state(lambda: 0) + context.get_input()
            context.set_state(balance)
            context.set_result(balance)


async def order_and_approve(client: SimulatedClient) -> Any:
    await client.start_new("order", "o1", "tea")
    await client.raise_event("o1", "approved")
    status = await client.wait_for_orchestration_completion("o1", timeout=12_000)
    return status.output


async def two_transfers(client: SimulatedClient) -> None:
    for number in range(2):
        await client.start_new("transfer", f"t{number}")


async def balances(client: SimulatedClient) -> list[object]:
    return [(await client.read_entity_state(each)).entity_state for each in ACCOUNTS]


def test_without_faults_everything_happens_once_in_no_time() -> None:
    bank = Bank()
    began = time.monotonic()
    run = simulate(bank.app, order_and_approve, faults=NO_FAULTS)
    assert run.value == ["paid tea", "shipped"]
    assert bank.paid == {"tea": 1}
    assert run.crashes == 0
    assert not run.faults
    assert run.seconds >= 3.0
    assert time.monotonic() - began < 3.0


def test_workflows_get_through_whatever_fails() -> None:
    bank = Bank()
    struck: Counter[Fault] = Counter()
    for seed in range(12):
        run = simulate(bank.app, order_and_approve, seed=seed)
        assert run.value == ["paid tea", "shipped"]
        struck += run.faults
    assert len(struck) > 4
    assert bank.paid["tea"] >= 12


@pytest.mark.slow
def test_locks_and_sums_hold() -> None:
    async def right(client: SimulatedClient) -> None:
        assert await balances(client) == [-2, 2]

    for seed in range(8):
        simulate(Bank().app, two_transfers, seed=seed, workers=1, afterwards=right)


@pytest.mark.slow
def test_a_seed_gives_the_same_run_again() -> None:
    first, again = (simulate(Bank().app, order_and_approve, seed=5) for _ in range(2))
    other = simulate(Bank().app, order_and_approve, seed=6)
    assert first.trace == again.trace
    assert first.trace != other.trace
    assert first.faults


@pytest.mark.slow
def test_an_activity_that_counts_on_running_once_is_found() -> None:
    """Activities run at least once: who forgets it, finds out here."""
    bank = Bank()

    async def paid_once(client: SimulatedClient) -> None:
        assert bank.paid["tea"] == 1, f"paid {bank.paid['tea']} times"

    def run(*seeds: int) -> None:
        for seed in seeds:
            bank.paid.clear()
            simulate(bank.app, order_and_approve, seed=seed, afterwards=paid_once)

    with pytest.raises(SimulationFailed, match=r"paid \d times") as caught:
        run(*range(60))
    assert f"seed={caught.value.seed}" in str(caught.value)
    assert any("***" in line for line in caught.value.trace)
    with pytest.raises(SimulationFailed) as same:
        run(caught.value.seed)
    assert same.value.trace == caught.value.trace


def test_who_waits_for_ever_is_told_so() -> None:
    async def unapproved(client: SimulatedClient) -> Any:
        await client.start_new("order", "o1", "tea")
        return await client.wait_for_orchestration_completion("o1", timeout=10_000)

    with pytest.raises(SimulationFailed, match="the script had not ended after"):
        simulate(Bank().app, unapproved, faults=NO_FAULTS, patience_seconds=200.0)


def test_an_instance_may_wait_when_the_script_is_over() -> None:
    async def left(client: SimulatedClient) -> str:
        return await client.start_new("order", "o1", "tea")

    run = simulate(Bank().app, left, faults=NO_FAULTS)
    assert run.value == "o1"
    assert any("shown Running" in line for line in run.trace)


def test_a_script_that_raises_is_reported_with_the_trace() -> None:
    async def wrong(client: SimulatedClient) -> None:
        await client.start_new("ordr", "o1")

    with pytest.raises(SimulationFailed, match="the script: UnknownFunction") as caught:
        simulate(Bank().app, wrong)
    assert isinstance(caught.value.__cause__, df.UnknownFunction)


def test_late_processes_and_wrong_clocks_do_no_harm() -> None:
    kinds = (Fault.PAUSED, Fault.LATE, Fault.ANSWER_LATE)
    faults = Faults(rate=0.1, limit=6, kinds=kinds, latency=0.1, reorder=2.0, skew=20.0)
    for seed in range(8):
        run = simulate(
            Bank().app, order_and_approve, seed=seed, faults=faults, lease_seconds=30, processes=3
        )
        assert run.value == ["paid tea", "shipped"]
        assert run.crashes == 0


def test_an_app_that_breaks_a_rule_is_refused() -> None:
    app = df.DFApp()

    @app.orchestration_trigger(context_name="context")
    def twice(context: df.DurableOrchestrationContext) -> None: ...

    @app.orchestration_trigger(context_name="context", orchestration="twice")
    def again(context: df.DurableOrchestrationContext) -> None: ...

    with pytest.raises(UsageError):
        simulate(app, order_and_approve)


def test_the_page_about_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    page = Path(__file__).parents[3] / "docs/howto/simulation.md"
    (source,) = re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    assert "range(200)" in source
    app = ModuleType("function_app")
    vars(app)["app"] = Bank().app
    monkeypatch.setitem(sys.modules, "function_app", app)
    shown: dict[str, Any] = {}
    exec(source.replace("range(200)", "range(5)"), shown)
    shown["test_an_order_gets_through"]()
