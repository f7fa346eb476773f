"""Scenarios: what a client starts, and the results that are right."""

from __future__ import annotations

import asyncio
import json
import math
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from durable.errors import InstanceExists, NotFound, StorageError
from durable.hub.raising import raise_event, terminate
from durable.hub.rewinding import Rewinder
from durable.hub.starting import StartRequest, start_instance
from durable.hub.taskhub import TaskHub
from durable.model.ids import is_entity_id
from durable.model.status import InstanceRow
from durable.runtime.settings import EngineSettings
from tests.simulation.apps import make_registry
from tests.simulation.invariants import Watcher, check_at_rest, check_gone, is_ended
from tests.simulation.simloop import run_simulation
from tests.simulation.world import LEASE_SECONDS, Crash, Plan, Process, World

ClientScript = Callable[[TaskHub, World], Awaitable[None]]


@dataclass(kw_only=True)
class Scenario:
    """A client's script, and the outputs by instance id that must come out of it.

    `last` is what an operator does after the client died; then `gone` have left nothing.
    `patches` are constants made smaller for the run: module, name, value. A long run that mostly
    waits is struck in its first seconds only (`strike_until`); one whose first seconds are those of
    others, after them (`strike_from`). With `rewinds`, what is rewound ends well, and only that.
    `check` says what is wrong at the end beyond that.
    """

    name: str
    client: ClientScript
    outputs: dict[str, object]
    activities: dict[str, int] = field(default_factory=dict)
    statuses: dict[str, str] = field(default_factory=dict)
    needs_client: bool = False
    if_late: tuple[str, object] | None = None
    last: Callable[[TaskHub], Awaitable[object]] | None = None
    gone: tuple[str, ...] = ()
    patches: tuple[tuple[object, str, object], ...] = ()
    strike_until: float = math.inf
    strike_from: float = 0.0
    rewinds: bool = False
    check: Callable[[World], Awaitable[list[str]]] | None = None
    settings: EngineSettings = field(default_factory=EngineSettings)


async def start(hub: TaskHub, name: str, instance_id: str, value: Any = None) -> None:
    await hub.ensure()
    text = None if value is None else json.dumps(value)
    await start_instance(hub, StartRequest(name=name, instance_id=instance_id, input=text))


def starting(name: str, value: Any = None) -> ClientScript:
    async def script(hub: TaskHub, world: World) -> None:
        await start(hub, name, "i1", value)

    return script


def greeting(*names: str) -> list[str]:
    return [f"Hello {name}!" for name in names]


LARGE = "x" * 200_000

HELLO = Scenario(
    name="hello-3",
    client=starting("hello"),
    outputs={"i1": greeting("Tokyo", "Seattle", "London")},
    activities={"greet:Tokyo": 1, "greet:Seattle": 1, "greet:London": 1},
)
FAN_OUT = Scenario(
    name="fan-out-20",
    client=starting("fan_out", 20),
    outputs={"i1": sorted(greeting(*map(str, range(20))))},
    activities={f"greet:{n}": 1 for n in range(20)},
)
#: More than one batch holds: several whole checkpoints (R1).
WIDE = Scenario(
    name="fan-out-120",
    client=starting("fan_out", 120),
    outputs={"i1": sorted(greeting(*map(str, range(120))))},
)
LARGE_PAYLOAD = Scenario(
    name="large-payload",
    client=starting("large", LARGE),
    outputs={"i1": {"same": True, "text": LARGE}},
    activities={"echo": 1},
)
COUNTDOWN = Scenario(
    name="continue-as-new",
    client=starting("countdown", 3),
    outputs={"i1": "over"},
    activities={"greet:3": 1, "greet:2": 1, "greet:1": 1},
)
SPIN = Scenario(
    name="continue-as-new-at-once",
    client=starting("spin", 4),
    outputs={"i1": "spun"},
    activities={"greet:end": 1},
)
PARENT = Scenario(
    name="child",
    client=starting("parent"),
    outputs={
        "i1": [*greeting("Tokyo", "Seattle", "London"), "Hello 3!"],
        "i1-child": greeting("Tokyo", "Seattle", "London"),
    },
)
PARENT_OF_COUNTDOWN = Scenario(
    name="child-that-continues-as-new",
    client=starting("parent_of_countdown"),
    outputs={"i1": "over"},
)
NAP = Scenario(name="timer", client=starting("nap"), outputs={"i1": "Hello b!"})
BROKEN = Scenario(
    name="failure",
    client=starting("broken"),
    outputs={"i1": "RuntimeError: after"},
    statuses={"i1": "Failed"},
)


async def _collecting(hub: TaskHub, world: World) -> None:
    await start(hub, "collect", "i1", {"got": [], "want": 3})
    for n in range(3):
        await world.clock.sleep(0.7)
        await raise_event(hub, "i1", "E", json.dumps(n))


COLLECT = Scenario(name="events", client=_collecting, outputs={"i1": [0, 1, 2]}, needs_client=True)


async def _collecting_late(hub: TaskHub, world: World) -> None:
    """The last event comes when a lost delivery of the first one has come back."""
    await start(hub, "collect", "i1", {"got": [], "want": 3})
    for n, pause in enumerate((0.7, 0.7, 1500.0)):
        await world.clock.sleep(pause)
        await raise_event(hub, "i1", "E", json.dumps(n))


COLLECT_LATE = Scenario(
    name="events-late", client=_collecting_late, outputs={"i1": [0, 1, 2]}, needs_client=True
)


async def _restarting(hub: TaskHub, world: World) -> None:
    """A second start under the id of an instance that has ended."""
    await start(hub, "hello", "i1")
    for _ in range(400):
        try:
            await start(hub, "spin", "i1", 1)
        except InstanceExists:
            await world.clock.sleep(5.0)
            continue
        return


RESTART = Scenario(name="restart", client=_restarting, outputs={"i1": "spun"})


async def _terminating(hub: TaskHub, world: World) -> None:
    await start(hub, "nap", "i1")
    await world.clock.sleep(0.5)
    await terminate(hub, "i1", "enough")


TERMINATE = Scenario(
    name="terminate",
    client=_terminating,
    outputs={"i1": "enough"},
    statuses={"i1": "Terminated"},
    # A crash holds the termination up for a lease, and the nap is over before.
    if_late=("Completed", "Hello b!"),
)


def rewinding(name: str) -> ClientScript:
    """Rewind an instance that failed, once what it failed on is fixed."""

    async def script(hub: TaskHub, world: World) -> None:
        await start(hub, name, "i1")
        while True:
            row = await hub.instances.read("i1")
            if row is not None and row.status == "Failed":
                break
            await world.clock.sleep(1.0)
        world.activities["fixed"] = 1
        await Rewinder(hub).rewind("i1", "again")
        row = await hub.instances.read("i1")
        assert row is not None
        assert row.status != "Failed"

    return script


REWIND = Scenario(
    name="rewind",
    client=rewinding("fragile"),
    outputs={"i1": ["Hello before!", "fixed x"]},
    activities={"greet:before": 1, "fixable:x": 2},
    rewinds=True,
)
REWIND_RETRIES = Scenario(
    name="rewind-after-retries",
    client=rewinding("stubborn"),
    outputs={"i1": ["fixed x", "Hello after!"]},
    activities={"fixable:x": 3, "greet:after": 1},
    rewinds=True,
    strike_from=2.5,
)
REWIND_CHILDREN = Scenario(
    name="rewind-children",
    client=rewinding("fragile_parent"),
    outputs={
        "i1": [["Hello before!", "fixed x"], "fixed y", "Hello z!"],
        "i1-middle": ["Hello before!", "fixed x"],
        "i1-leaf": ["Hello before!", "fixed x"],
    },
    activities={"greet:before": 1, "greet:z": 1, "fixable:x": 2, "fixable:y": 2},
    rewinds=True,
    strike_from=1.0,
)

ALL = (
    HELLO,
    FAN_OUT,
    LARGE_PAYLOAD,
    COUNTDOWN,
    SPIN,
    PARENT,
    PARENT_OF_COUNTDOWN,
    NAP,
    BROKEN,
    COLLECT,
    RESTART,
    TERMINATE,
    REWIND,
    REWIND_RETRIES,
    REWIND_CHILDREN,
)


@dataclass(kw_only=True)
class Result:
    """What a run came to."""

    wrong: list[str]
    calls: int
    crashed: list[str]
    world: World
    sends: Counter[tuple[str, str]]
    settled_at: float


def moments(scenario: Scenario, *, fast: bool = True) -> list[int]:
    """The calls to strike: every one that does something, and one in eight idle looks."""
    calls = run(scenario, fast=fast).world.calls
    return [
        call.number
        for call in calls
        if scenario.strike_from <= call.at <= scenario.strike_until
        and (not call.idle or call.number % 8 == 0)
    ]


def run(
    scenario: Scenario,
    *,
    plan: Plan | None = None,
    processes: int = 1,
    seed: int = 0,
    latency: float = 0.0,
    batch_size: int = 16,
    fault_rate: float = 0.0,
    faults: int = 0,
    fast: bool = True,
    lease_seconds: int = LEASE_SECONDS,
) -> Result:
    """One run of `scenario` in virtual time, to the end, and everything that is wrong then.

    `fast`: with the fast path (commit.md), or every message through its queue.
    """
    counts: Counter[str] = Counter()
    world = World(
        registry=make_registry(counts),
        seed=seed,
        plan=plan,
        fault_rate=fault_rate,
        faults_left=faults,
        latency=latency,
        batch_size=batch_size,
        activities=counts,
        engine_settings=replace(scenario.settings, fast_path=fast),
        lease_seconds=lease_seconds,
    )
    with pytest.MonkeyPatch.context() as patch:
        for module, name, value in scenario.patches:
            patch.setattr(module, name, value)
        return run_simulation(_run(scenario, world, processes))


async def _run(scenario: Scenario, world: World, processes: int) -> Result:
    watcher = Watcher(world)
    make = world.process

    def watched(name: str) -> Process:
        process = make(name)
        watcher.attach(process)
        return process

    world.process = watched  # type: ignore[method-assign]
    client = watched("client")
    finished = False

    async def script() -> None:
        nonlocal finished
        try:
            await scenario.client(client.hub, world)
        except Crash:
            pass
        except StorageError:
            world.crashed.append("client")  # it gave up: the rest of its script never happens
        finished = True

    def left_waiting() -> bool:
        """The client died before it sent what the instance waits for."""
        return scenario.needs_client and "client" in world.crashed

    async def settled() -> bool:
        if not (finished and await world.queues_empty()):
            return False
        return left_waiting() or await _all_ended(world)

    async with asyncio.TaskGroup() as group:
        group.create_task(script())
        await world.serve_until(settled, processes=processes)
        settled_at = world.clock.monotonic()
    if not await settled():
        watcher.violations.append("(5) the hub never came to rest")
    if scenario.last is not None and "client" in world.crashed:
        await world.hub.ensure()
        await scenario.last(world.hub)
    at_rest = [] if left_waiting() else await check_at_rest(world)
    at_rest += [what for gone in scenario.gone for what in await check_gone(world, gone)]
    wrong = [*watcher.violations, *at_rest]
    wrong += await _check_outcome(scenario, world, client_died="client" in world.crashed)
    if scenario.check is not None and not left_waiting():
        wrong += await scenario.check(world)
    return Result(
        wrong=wrong,
        calls=len(world.calls),
        crashed=list(world.crashed),
        world=world,
        sends=watcher.sends,
        settled_at=settled_at,
    )


async def _rows(world: World) -> list[InstanceRow]:
    try:
        page = await world.account.tables.query(world.hub.names.instances_table, None)
    except NotFound:
        return []
    rows = [await world.hub.instances.read(row.partition_key) for row in page.rows]
    return [row for row in rows if row is not None]


async def _all_ended(world: World) -> bool:
    return all(is_ended(row) or is_entity_id(row.instance_id) for row in await _rows(world))


async def _check_outcome(scenario: Scenario, world: World, *, client_died: bool) -> list[str]:
    wrong: list[str] = []
    rows = {row.instance_id: row for row in await _rows(world)}
    for instance_id, expected in scenario.outputs.items():
        row = rows.get(instance_id)
        if row is None:
            if not client_died:
                wrong.append(f"(3) {instance_id} is missing")
            continue
        wrong += await _check_row(scenario, world, row, expected, client_died=client_died)
        if scenario.rewinds:
            wrong += await _check_rewind(world, row)
    if not world.struck and not wrong:
        for name, count in scenario.activities.items():
            if world.activities[name] != count:
                wrong.append(f"(7) {name} ran {world.activities[name]} times, not {count}")
    for name in scenario.activities:
        if scenario.activities[name] and not client_died and not world.activities[name]:
            wrong.append(f"(7) {name} never ran")
    return wrong


async def _check_row(
    scenario: Scenario, world: World, row: InstanceRow, expected: object, *, client_died: bool
) -> list[str]:
    status = scenario.statuses.get(row.instance_id, "Completed")
    output = (await world.hub.instances.texts(row)).output or "null"
    found: object = output
    if row.status == "Completed":
        found = json.loads(output)
    elif isinstance(expected, str):
        found = output[: len(expected)]
    if (row.status, found) == (status, expected):
        return []
    if client_died or (world.struck and (row.status, found) == scenario.if_late):
        return []  # a part of the script never happened: what it left is checked by invariants
    return [f"(3) {row.instance_id} is {row.status} {str(found)[:80]}, not {str(expected)[:80]}"]


async def _check_rewind(world: World, row: InstanceRow) -> list[str]:
    """An accepted rewind makes good what failed; without one it stays failed."""
    sentinel = await world.hub.history.read_sentinel(row.instance_id)
    accepted = sentinel is not None and sentinel.rewind is not None
    if accepted is (row.status == "Failed"):
        return [f"(3) {row.instance_id} is {row.status}, rewound: {accepted}"]
    return []
