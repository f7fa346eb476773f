"""Runs a case on the simulated hub, and says what was wrong."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from durable.model.ids import is_entity_id
from durable.model.status import InstanceRow
from durable.runtime.settings import EngineSettings
from durable.testing.simulator.faults import NO_FAULTS, Faults
from durable.testing.simulator.invariants import check_at_rest, check_gone, rows_of
from durable.testing.simulator.simulation import Simulation
from durable.testing.simulator.virtual_time import run_in_virtual_time
from durable.testing.simulator.watcher import Watcher
from durable.wire.entity_json import decode_state
from tests.simulation.workflows.app import OPENING_BALANCE, App
from tests.simulation.workflows.clients import Clients
from tests.simulation.workflows.interpreter import account_id, entity_id
from tests.simulation.workflows.making import make_case
from tests.simulation.workflows.model import Ending, Expected, Wanted, matches, predict
from tests.simulation.workflows.plan import Case, Next
from tests.simulation.workflows.script import tell_story


@dataclass(frozen=True, kw_only=True, slots=True)
class Setup:
    """How the hub is served, and what befalls it."""

    hosts: int
    workers: int
    partitions: int
    batch_size: int
    lease_seconds: int
    own_lease_seconds: int | None
    faults: Faults
    settings: EngineSettings


@dataclass(kw_only=True)
class Result:
    """What a run came to."""

    seed: int
    wrong: list[str]
    world: Simulation
    acts: Counter[str] = field(default_factory=Counter)
    instances: int = 0
    executions: int = 0
    virtual_seconds: float = 0.0


def make_setup(seed: int) -> Setup:
    """The setup of a seed: others for the next one."""
    dice = random.Random(f"setup {seed}")
    hosts, workers = dice.choice(((1, 0), (2, 0), (2, 0), (3, 0), (0, 1), (0, 2), (1, 1)))
    lease, own = dice.choice(((10, None), (10, None), (45, None), (45, None), (600, 45)))
    faults = Faults.of_seed(seed, clients=True)
    if dice.random() < 0.15:
        faults = replace(NO_FAULTS, latency=faults.latency)
    return Setup(
        hosts=hosts,
        workers=workers,
        partitions=dice.choice((1, 2, 2, 3)),
        batch_size=dice.choice((1, 2, 4, 16, 32)),
        lease_seconds=lease,
        own_lease_seconds=own,
        faults=faults,
        settings=EngineSettings(
            fast_path=dice.random() < 0.6,
            gather_limit=dice.choice((1, 3, 1000, 1000)),
            entity_batch=dice.choice((1, 2, 5000, 5000)),
        ),
    )


def run_seed(seed: int) -> Result:
    """One seed, from case to verdict."""
    return run_case(make_case(seed), make_setup(seed))


def run_case(case: Case, setup: Setup) -> Result:
    """One case under one setup, in virtual time, to the end."""
    app = App()
    world = Simulation(
        registry=app.registry(),
        seed=case.seed,
        faults=setup.faults,
        partition_count=setup.partitions,
        batch_size=setup.batch_size,
        engine_settings=setup.settings,
        lease_seconds=setup.lease_seconds,
        own_lease_seconds=setup.own_lease_seconds,
    )
    return run_in_virtual_time(_run(case, setup, world, app))


async def _run(case: Case, setup: Setup, world: Simulation, app: App) -> Result:
    watcher = Watcher(world)
    world.watch = watcher.attach
    clients = Clients(case, world, watcher, app)
    world.patience_seconds = 2 * clients.patience_seconds
    finished = False

    async def script() -> None:
        nonlocal finished
        await clients.run(tell_story)
        finished = True

    async def settled() -> bool:
        return finished and await world.queues_empty() and await _all_ended(world)

    async with asyncio.TaskGroup() as group:
        scripted = group.create_task(script())
        await world.serve_until(settled, processes=setup.hosts, workers=setup.workers)
        scripted.cancel()
    ended_at = world.clock.monotonic()
    wrong = [*watcher.violations, *clients.wrong]
    if not await settled():
        wrong.append("(5) the hub never came to rest")
    wrong += await _excused(await check_at_rest(world.hub), world, clients)
    if not wrong:
        stories = [
            replace(story, runs=tuple(clients.performed[story.instance_id]))
            for story in case.stories
        ]
        expected = predict(replace(case, stories=tuple(stories)))
        wrong += await Comparison(expected, clients, world, app, setup).compare()
    return Result(
        seed=case.seed,
        wrong=wrong,
        world=world,
        acts=clients.done,
        instances=len(await rows_of(world.hub)),
        executions=len(watcher.begun),
        virtual_seconds=ended_at,
    )


class Comparison:
    """What is there at the end against what must be there."""

    def __init__(
        self, expected: Expected, clients: Clients, world: Simulation, app: App, setup: Setup
    ) -> None:
        self.setup = setup
        self.expected = expected
        self.clients = clients
        self.world = world
        self.app = app

    @property
    def is_calm(self) -> bool:
        """Nothing happened that may bring a message twice: no lease ended while work went on."""
        world = self.world
        faults = world.faults
        return not (world.struck or faults.reorder or faults.skew) and world.lease_seconds > 10

    async def compare(self) -> list[str]:
        rows = {row.instance_id: row for row in await rows_of(self.world.hub)}
        wrong: list[str] = []
        for instance_id, wanted in self.expected.instances.items():
            wrong += await self._instance(instance_id, wanted, rows.get(instance_id))
        for instance_id in self.expected.gone:
            wrong += await check_gone(self.world.hub, instance_id)
        for key, runs in self.expected.activities.items():
            if self.app.ran[key] < runs.least and not self.app.ran[key]:
                wrong.append(f"(7) {key} never ran")
            elif self.is_calm and not runs.holds(self.app.ran[key]):
                wrong.append(f"(7) {key} ran {self.app.ran[key]} times, not {runs}")
        return wrong + await self._entities()

    async def _instance(
        self, instance_id: str, wanted: Wanted, row: InstanceRow | None
    ) -> list[str]:
        if row is None:
            return [f"(3) {instance_id} is missing"] if wanted.certain else []
        texts = await self.world.hub.instances.texts(row)
        custom = json.loads(row.custom_status or "null")
        for ending in wanted.endings:
            if (
                row.status == ending.status
                and _is_right(ending, texts.output)
                and ending.custom in (custom, "?")
            ):
                return self._order(row, texts.output)
        seen = " or ".join(
            f"{each.status} {str(each.output)[:300]} ({each.custom})" for each in wanted.endings
        )
        found = (texts.output or "")[:300]
        return [f"(3) {instance_id} is {row.status} {found} ({custom}), not {seen}"]

    def _order(self, row: InstanceRow, output: str | None) -> list[str]:
        """What one client said, one process heard in that order, if it could take it at once."""
        runs = self.clients.performed.get(row.instance_id)
        alone = self.setup.hosts + self.setup.workers == 1
        if not (alone and self.is_calm and row.status == "Completed" and runs):
            return []
        if runs[-1].delay or runs[-1].size:
            return []  # what comes too early is put off; blobs take their time
        return [
            f"(3) {row.instance_id} took {name} in the order {numbers}"
            for name, numbers in json.loads(output or "null")["events"].items()
            if numbers != sorted(numbers)
        ]

    async def _entities(self) -> list[str]:
        wrong: list[str] = []
        told = {(each.entity, each.token): each for each in self.clients.case.told}
        for (entity, token), tries in self.clients.tries.items():
            # A client that says it again may be heard again.
            extra = (tries - 1) * told[entity, token].amount
            if entity.startswith("log"):
                self.expected.tokens[entity, token].most += tries - 1
            else:
                self.expected.sums[entity].most += extra
        for name, total in self.expected.sums.items():
            found = await self._state(name) or 0
            if not total.holds(found):
                wrong.append(f"(9) {name} holds {found}, not {total}")
        for number, change in self.expected.accounts.items():
            state = await self._state(str(account_id(number)))
            balance = (OPENING_BALANCE if state is None else state) - OPENING_BALANCE
            if not change.holds(balance):
                wrong.append(f"(9) account {number} has {balance} more, not {change}")
        return wrong + await self._logs()

    async def _logs(self) -> list[str]:
        wrong: list[str] = []
        state = await self._state("log0") or {}
        state.pop("text", None)
        for (_, token), times in self.expected.tokens.items():
            if not times.holds(state.pop(token, 0)):
                wrong.append(f"(9) {token} is in the log not {times} times")
        return wrong + [f"(9) {token} is in the log, and nobody sent it" for token in state]

    async def _state(self, name: str) -> Any:
        instance_id = name if name.startswith("@") else str(entity_id(name))
        started = (await self.world.hub.history.read(instance_id)).ledger.started
        state = None if started is None else decode_state(started.input, instance_id).state
        return None if state is None else json.loads(state)


def _is_right(ending: Ending, output: str | None) -> bool:
    match ending.status:
        case "Completed":
            return matches(ending.output, json.loads(output or "null"))
        case "Failed":
            return ending.output in (output or "")  # somewhere in what was raised
        case _:
            return bool(output == ending.output)


async def _excused(wrong: list[str], world: Simulation, clients: Clients) -> list[str]:
    """Without those in quarantine whose payload went with an instance that was purged.

    They were said to that one; when it was started anew since, nothing says so.
    """
    purged = {
        instance_id
        for instance_id, runs in clients.performed.items()
        if any(run.then is Next.PURGE for run in runs)
    }
    found = []
    for each in wrong:
        if each.endswith(" is in quarantine"):
            name = each.removeprefix("(9) ").removesuffix(" is in quarantine")
            kept = await world.account.blobs.get_blob(
                world.hub.names.quarantine, name, max_bytes=1 << 20
            )
            text = kept.decode()
            if any(f"blob '{who}/" in text and " is missing" in text for who in purged):
                continue
        found.append(each)
    return found


async def _all_ended(world: Simulation) -> bool:
    return all(
        is_entity_id(row.instance_id) or (row.status is not None and row.status.is_terminal)
        for row in await rows_of(world.hub)
    )
