"""Scenarios: what a client starts, and the results that are right."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from durable.errors import InstanceExists, NotFound, StorageError
from durable.hub.raising import raise_event, terminate
from durable.hub.starting import StartRequest, start_instance
from durable.hub.taskhub import TaskHub
from durable.model.status import InstanceRow
from tests.simulation.apps import make_registry
from tests.simulation.invariants import Watcher, check_at_rest, is_ended
from tests.simulation.simloop import run_simulation
from tests.simulation.world import Crash, Plan, Process, World

ClientScript = Callable[[TaskHub, World], Awaitable[None]]


@dataclass(kw_only=True)
class Scenario:
    """A client's script, and the outputs by instance id that must come out of it."""

    name: str
    client: ClientScript
    outputs: dict[str, object]
    activities: dict[str, int] = field(default_factory=dict)
    statuses: dict[str, str] = field(default_factory=dict)
    needs_client: bool = False
    if_late: tuple[str, object] | None = None


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
)


@dataclass(kw_only=True)
class Result:
    """What a run came to."""

    wrong: list[str]
    calls: int
    crashed: list[str]
    world: World
    sends: Counter[tuple[str, str]]


def moments(scenario: Scenario) -> list[int]:
    """The calls to strike: every one that does something, and one in eight idle looks."""
    calls = run(scenario).world.calls
    return [call.number for call in calls if not call.idle or call.number % 8 == 0]


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
) -> Result:
    """One run of `scenario` in virtual time, to the end, and everything that is wrong then."""
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
    )
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
    if not await settled():
        watcher.violations.append("(5) the hub never came to rest")
    at_rest = [] if left_waiting() else await check_at_rest(world)
    wrong = [*watcher.violations, *at_rest]
    wrong += await _check_outcome(scenario, world, client_died="client" in world.crashed)
    return Result(
        wrong=wrong,
        calls=len(world.calls),
        crashed=list(world.crashed),
        world=world,
        sends=watcher.sends,
    )


async def _rows(world: World) -> list[InstanceRow]:
    try:
        page = await world.account.tables.query(world.hub.names.instances_table, None)
    except NotFound:
        return []
    rows = [await world.hub.instances.read(row.partition_key) for row in page.rows]
    return [row for row in rows if row is not None]


async def _all_ended(world: World) -> bool:
    return all(is_ended(row) for row in await _rows(world))


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
    if not world.struck and not wrong:
        for name, count in scenario.activities.items():
            if world.activities[name] != count:
                wrong.append(f"(7) {name} ran {world.activities[name]} times, not {count}")
    for name in scenario.activities:
        if not client_died and not world.activities[name]:
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
