"""The rules, broken on purpose in the real code, are caught by the sweep or by the two processes.

Each test switches one rule of commit.md off (the names are the switches of shared/model) and asks
for the first run in which an invariant falls. A rule whose breach no run notices would be a rule
that nothing here protects.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from durable.engine import judgement, owing, turn
from durable.engine.derive import owed_messages
from durable.engine.judgement import Verdict
from durable.engine.ledger import Ledger
from durable.hub import commit
from durable.hub.commit import Committer, InstanceState
from durable.hub.settings import HubSettings
from durable.model.history import StoredEvent
from durable.runtime.chains import Chains
from durable.runtime.delivery import Done
from durable.runtime.in_place import InPlace
from durable.runtime.orchestrations import Orchestrations
from durable.runtime.quiet import Quieter
from tests.simulation import scenarios
from tests.simulation.chain_scenarios import MIXED
from tests.simulation.scenarios import Scenario
from tests.simulation.world import Fault, Plan

pytestmark = [pytest.mark.slow, pytest.mark.sweep, pytest.mark.timeout(120)]

Patch = pytest.MonkeyPatch
#: A client that dies before its message needs the sweeper.
_AFTER_THE_START = replace(MIXED, strike_from=0.3)


def _sweep(*swept: Scenario, fast: bool = False) -> Iterator[list[str]]:
    """Crashes before and after every call, until the caller has enough.

    Without the fast path, where more is on its way at any moment.
    """
    for scenario in swept:
        for at in scenarios.moments(scenario, fast=fast):
            for fault in (Fault.CRASH_AFTER, Fault.CRASH_BEFORE):
                yield scenarios.run(scenario, plan=Plan(at=at, fault=fault), fast=fast).wrong


def _races(*raced: Scenario) -> Iterator[list[str]]:
    for seed in range(60):
        for scenario in raced:
            yield scenarios.run(
                scenario, processes=2, seed=seed, latency=0.3, batch_size=1, fast=False
            ).wrong


def _first_violation(runs: Iterator[list[str]]) -> list[str]:
    """The first run that goes wrong; one that never comes to rest counts."""
    return next((wrong for wrong in runs if wrong), [])


def test_intact_rules_are_not_caught() -> None:
    """The control: the same runs, nothing broken (the whole sweep is test_crash_sweep)."""
    assert _first_violation(_races(scenarios.HELLO)) == []


def test_history_first(monkeypatch: Patch) -> None:
    """Steps 2 and 3 swapped: messages leave before their history is written (W2)."""
    checkpoint = Committer.checkpoint

    async def send_first(self: Any, state: InstanceState, draft: Any, **more: Any) -> Any:
        rows = [] if draft.is_new_execution else list(state.ledger.rows)
        ahead = Ledger([*rows, *(StoredEvent(event=event) for event in draft.events)])
        sequence = 0 if draft.is_new_execution else Ledger(rows).stretches
        await self._hub.outbox.send_all(owed_messages(ahead, sequence))
        return await checkpoint(self, state, draft, **more)

    monkeypatch.setattr(Committer, "checkpoint", send_first)
    assert _first_violation(_sweep(scenarios.HELLO))


def test_row_before_delete(monkeypatch: Patch) -> None:
    """Step 5 before step 3: the inbox is let go once history is written."""
    handle = Orchestrations.handle
    flush = Chains.flush
    current: dict[str, Any] = {}

    async def note(self: Any, instance_id: str, batch: Any, inbox: Any) -> None:
        current[instance_id] = batch
        await handle(self, instance_id, batch, inbox)

    async def delete_first(self: Any, chain: Any, scope: Any) -> None:
        for delivery in current.get(chain.session.state.instance_id, ()):
            delivery.outcome = Done()
            await self._hub.account.queues.delete(
                delivery.queue, delivery.raw.id, delivery.raw.pop_receipt
            )
        await flush(self, chain, scope)

    monkeypatch.setattr(Orchestrations, "handle", note)
    monkeypatch.setattr(Chains, "flush", delete_first)
    # The sweeper would find such an instance; the rule must hold without it.
    monkeypatch.setattr("durable.runtime.sweeper.Sweeper.sweep", _no_sweep)
    assert _first_violation(_sweep(scenarios.HELLO))


async def _no_sweep(self: Any) -> None:
    return None


def test_r3_quiet_delete(monkeypatch: Patch) -> None:
    """A redelivered message is dropped as a duplicate though its turn's messages never left."""

    async def at_once(self: Any, state: InstanceState) -> Any:
        return state, 0.0

    monkeypatch.setattr(Quieter, "quiet", at_once)
    monkeypatch.setattr("durable.runtime.sweeper.Sweeper.sweep", _no_sweep)
    assert _first_violation(_sweep(scenarios.HELLO))


def test_r4_refresh(monkeypatch: Patch) -> None:
    """Memory refuses without a fresh look."""
    monkeypatch.setattr(judgement._Judge, "_need_fresh_look", lambda self: None)
    assert _first_violation(_races(scenarios.PARENT, scenarios.RESTART, scenarios.COUNTDOWN))


def test_r5_lineage(monkeypatch: Patch) -> None:
    """A start is known by the current execution only, not by the first of its line."""

    def current_only(sentinel: Any, execution_id: str | None) -> bool:
        return sentinel is not None and execution_id == sentinel.execution_id

    for module in (owing, judgement):
        monkeypatch.setattr(module, "names_lineage", current_only)
    runs = _sweep(scenarios.COUNTDOWN, scenarios.SPIN)
    assert _first_violation(runs)


def test_r5_sequences_of_one_execution(monkeypatch: Patch) -> None:
    """Sequences are compared across executions."""

    def owed(ledger: Any, sentinel: Any, row: Any) -> int | None:
        if sentinel is None or sentinel.purged or not ledger.rows or not sentinel.sequence:
            return None
        sent: int = (row.checkpoint_sequence or 0) if row is not None else 0
        return sent if sent < sentinel.sequence else None

    monkeypatch.setattr(commit, "owed_from", owed)
    assert _first_violation(_sweep(scenarios.COUNTDOWN))


def test_r7_identity(monkeypatch: Patch) -> None:
    """Events are told apart by their queue message alone, and nothing survives a generation."""
    monkeypatch.setattr(turn, "kept_identities", lambda *args, **kwargs: ())
    assert _first_violation(_sweep(scenarios.COLLECT_LATE))


def test_r6_stale_start(monkeypatch: Patch) -> None:
    """A marked start that no row names begins an execution all the same."""
    judge_start = judgement._Judge._start_message

    def unmarked(self: Any, waiting: Any, event: Any) -> Verdict:
        row = self._row
        if (
            event.parent is None
            and row is not None
            and row.execution_id != event.instance.execution_id
        ):
            self._row = replace(row, execution_id=event.instance.execution_id)
            try:
                return judge_start(self, waiting, event)
            finally:
                self._row = row
        return judge_start(self, waiting, event)

    monkeypatch.setattr(judgement._Judge, "_start_message", unmarked)
    assert _first_violation(_sweep(scenarios.RESTART))


def test_fast_path_c_held_messages(monkeypatch: Patch) -> None:
    """(c) An activity that takes long is not put: nothing brings it back when its process dies."""

    async def never(self: Any, run: Any) -> None:
        return None

    monkeypatch.setattr(InPlace, "hold", never)
    monkeypatch.setattr("durable.runtime.sweeper.Sweeper.sweep", _no_sweep)
    assert _first_violation(_sweep(_AFTER_THE_START, fast=True))


def test_fast_path_intact(monkeypatch: Patch) -> None:
    """The control of the one above."""
    monkeypatch.setattr("durable.runtime.sweeper.Sweeper.sweep", _no_sweep)
    assert not _first_violation(_sweep(_AFTER_THE_START, fast=True))


def test_r11_wait(monkeypatch: Patch) -> None:
    """No grace: a second process sends at once what the first is just sending (I8, economy)."""
    monkeypatch.setattr(HubSettings, "grace_for", lambda self, owed: 0.0)
    assert _most_sends() > 1


def test_r11_grace_sends_once() -> None:
    assert _most_sends() == 1


def test_rewind_old_answers(monkeypatch: Patch) -> None:
    """What answers a call of before a rewind is taken for the answer to the new one."""
    monkeypatch.setattr(judgement, "is_of_before_rewind", lambda ledger, message: False)
    assert _first_violation(_sweep(scenarios.REWIND_CHILDREN))


def test_rewind_journal_first(monkeypatch: Patch) -> None:
    """Nobody but the client itself goes on with a rewind that the sentinel records."""
    monkeypatch.setattr("durable.runtime.quiet.pending_rewind", lambda *args: None)
    assert _first_violation(_sweep(scenarios.REWIND))


def _most_sends() -> int:
    """How often the most repeated message was sent, in runs without a fault."""
    most = 0
    for seed in range(6):
        result = scenarios.run(
            scenarios.WIDE, processes=2, seed=seed, latency=0.4, batch_size=1, fast=False
        )
        assert result.wrong == []
        most = max(most, *result.sends.values())
    return most
