"""Scenarios with entities: who signals, calls and locks them, and what their states must be."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from durable.errors import NotFound
from durable.hub.purging import purge_instance
from durable.hub.raising import raise_event, signal, terminate
from durable.hub.taskhub import TaskHub
from durable.model.entities import SchedulerState
from durable.model.ids import EntityId
from durable.wire.entity_json import decode_state
from tests.simulation.entity_apps import LOG, OPENING_BALANCE, OTHER_LOG, RELAY, account_id
from tests.simulation.scenarios import Scenario, start, starting
from tests.simulation.world import World

Check = Callable[[World], Awaitable[list[str]]]

#: A lease's time, and then some.
_LOOKS = 1400


async def _scheduler(hub: TaskHub, entity: EntityId) -> SchedulerState | None:
    try:
        started = (await hub.history.read(str(entity))).ledger.started
    except NotFound:
        return None  # the client died before it had made the hub
    return None if started is None else decode_state(started.input, str(entity))


async def state_of(hub: TaskHub, entity: EntityId) -> Any:
    """The state of an entity; None when it has none."""
    found = await _scheduler(hub, entity)
    return None if found is None or found.state is None else json.loads(found.state)


def holds(*wanted: tuple[EntityId, object]) -> Check:
    """The states at the end."""

    async def check(world: World) -> list[str]:
        found = [(entity, await state_of(world.hub, entity)) for entity, _ in wanted]
        return [
            f"(9) {entity} holds {str(state)[:200]}, not {str(right)[:80]}"
            for (entity, state), (_, right) in zip(found, wanted, strict=True)
            if state != right and "client" not in world.crashed
        ]

    return check


def holds_told(*wanted: object) -> Check:
    """The log holds, each once, what a client was told had been sent; and `wanted`.

    What a client sent and heard nothing of may be there, too.
    """

    async def check(world: World) -> list[str]:
        told = [json.dumps(each) for each in [*world.told, *wanted]]
        maybe = {json.dumps(each) for each in world.maybe_told}
        state = Counter(json.dumps(each) for each in await state_of(world.hub, LOG) or [])
        if "client" in world.crashed:
            told = [each for each in told if json.loads(each) not in wanted]
            maybe |= {json.dumps(each) for each in wanted}
        wrong = [f"(9) {each} is there {state[each]} times" for each in told if state[each] != 1]
        wrong += [
            f"(9) {each}, which nobody sent, is there {n} times"
            for each, n in state.items()
            if each not in told and (each not in maybe or n > 1)
        ]
        return wrong

    return check


def series(sender: str, count: int) -> list[object]:
    return [[sender, number] for number in range(count)]


async def tell(
    hub: TaskHub, world: World, value: object, after: float | None = None, entity: EntityId = LOG
) -> None:
    """Signal a log, and note that it was done."""
    await hub.ensure()
    due = None if after is None else world.clock.now() + timedelta(seconds=after)
    world.maybe_told.append(value)
    await signal(hub, str(entity), "add", json.dumps(value), due)
    world.told.append(value)


async def _telling(hub: TaskHub, world: World) -> None:
    for number in range(8):
        await tell(hub, world, ["c", number])
        await world.clock.sleep(0.15 * (number % 3))


async def _telling_late(hub: TaskHub, world: World) -> None:
    """What was delivered in vain comes back a lease later; so long an entity must remember."""
    for number, pause in enumerate((0.0, 0.0, 700.0, 700.0)):
        await world.clock.sleep(pause)
        await tell(hub, world, ["c", number])


async def _scheduling(hub: TaskHub, world: World) -> None:
    await tell(hub, world, ["c", "late"], 20.0)
    await tell(hub, world, ["c", "early"])
    await start(hub, "later", "i1")


async def _two(hub: TaskHub, world: World) -> None:
    await start(hub, "rotation", "i1")
    await start(hub, "rotation_async", "i2")
    await start(hub, "transfer", "i3", [1, 2, 3])


async def _until_locked(hub: TaskHub, world: World, *numbers: int) -> None:
    """Wait until the last of the accounts is locked."""
    for number in numbers:
        for _ in range(_LOOKS):
            found = await _scheduler(hub, account_id(number))
            if found is not None and found.locked_by == "i1":
                break
            await world.clock.sleep(1.0)


async def _terminating_holder(hub: TaskHub, world: World) -> None:
    await start(hub, "holder", "i1", [0, 1])
    await _until_locked(hub, world, 0, 1)
    await start(hub, "transfer", "i2", [0, 1, 5])
    await start(hub, "transfer", "i3", [1, 2, 7])
    await terminate(hub, "i1", "enough")


async def _terminating_soon(hub: TaskHub, world: World) -> None:
    """At any moment: while the locks are asked for, too."""
    await start(hub, "holder", "i1", [0, 1, 2])
    await world.clock.sleep(0.3)
    await terminate(hub, "i1", "enough")
    await start(hub, "transfer", "i2", [0, 2, 5])


async def _terminating_waiter(hub: TaskHub, world: World) -> None:
    """i2 holds one account and waits for the other, which i1 holds."""
    await start(hub, "napping_holder", "i1")
    await _until_locked(hub, world, 1)
    await start(hub, "holder", "i2", [0, 1, 2])
    await world.clock.sleep(2.0)
    await start(hub, "transfer", "i3", [0, 1, 5])
    await world.clock.sleep(1.0)
    await terminate(hub, "i2", "enough")


async def _failing_holder(hub: TaskHub, world: World) -> None:
    await start(hub, "failing_holder", "i1")
    await start(hub, "transfer", "i2", [1, 0, 101])
    await start(hub, "endless_holder", "i3", 2)


async def _releasing(hub: TaskHub, world: World) -> None:
    """The holder goes on by itself; a second one waits for it."""
    await start(hub, "holder", "i1", [0, 1])
    await start(hub, "transfer", "i2", [0, 1, 5])
    await world.clock.sleep(1.0)
    await raise_event(hub, "i1", "E", '"go"')


async def _purging(hub: TaskHub, world: World) -> None:
    """What is delivered again must not reach into the entity that comes after."""
    await hub.ensure()
    for number in range(3):
        await tell(hub, world, ["before", number])
    for _ in range(_LOOKS):
        if len(await state_of(hub, LOG) or []) == 3:
            break
        await world.clock.sleep(1.0)
    world.maybe_told += world.told
    world.told.clear()
    while not await purge_instance(hub, str(LOG), force=True):
        await world.clock.sleep(1.0)  # its row comes after its history
    world.maybe_told.clear()
    await world.clock.sleep(0.5)
    for number in range(3):
        await tell(hub, world, ["after", number])
    await world.clock.sleep(700.0)
    await tell(hub, world, ["after", 3])


async def _clearing(hub: TaskHub, world: World) -> None:
    """Deleted by itself, and made anew."""
    await tell(hub, world, ["before", 0])
    for _ in range(_LOOKS):
        if await state_of(hub, LOG):
            break
        await world.clock.sleep(1.0)
    world.told.clear()
    await signal(hub, str(LOG), "clear", None)
    for _ in range(_LOOKS):
        if await state_of(hub, LOG) is None:
            break
        await world.clock.sleep(1.0)
    world.maybe_told.clear()
    await tell(hub, world, ["after", 0])


async def _began(world: World) -> list[str]:
    """Each orchestration that was asked for told the log once, and no other is there."""
    state = sorted(await state_of(world.hub, LOG) or [])
    wanted = [[f"i1-begun-{number}", 0] for number in range(3)]
    if world.hub.names.instances_table not in await world.account.tables.list_tables(""):
        return []
    page = await world.account.tables.query(world.hub.names.instances_table, None)
    there = {row.partition_key for row in page.rows if row.partition_key.startswith("i")}
    wrong = [] if state in (wanted, []) else [f"(9) {LOG} holds {state}"]
    if state == [] and "client" not in world.crashed:
        wrong.append(f"(9) {LOG} was told nothing")
    orphans = there - {"i1", *(f"i1-begun-{number}" for number in range(3))}
    return wrong + [f"(9) nobody asked for {orphan}" for orphan in orphans]


async def _sum_after_failure(world: World) -> list[str]:
    """Each turn of i3 added one, under a lock; the rest only moved."""
    balances = [await state_of(world.hub, entity) for entity in (_A, _B)]
    if "client" in world.crashed or sum(balances) == 2 * OPENING_BALANCE + 3:
        return []
    return [f"(9) the sum is {sum(balances)}: {balances}"]


async def _purge_rest(hub: TaskHub) -> None:
    sentinel = await hub.history.read_sentinel(str(LOG))
    if sentinel is not None and sentinel.purged:
        await purge_instance(hub, str(LOG), force=True)


_A, _B, _C = (account_id(number) for number in range(3))

SIGNALS = Scenario(name="signals", client=_telling, outputs={}, check=holds_told())
SIGNALS_LATE = Scenario(
    name="signals-late", client=_telling_late, outputs={}, check=holds_told(), strike_until=20.0
)
SIGNAL_AND_CALL = Scenario(
    name="signal-and-call",
    client=starting("talker"),
    outputs={"i1": [3, "spoilt", series("i1", 5)]},
    check=holds((LOG, series("i1", 5)), (OTHER_LOG, None)),
)
GENERATIONS = Scenario(
    name="signals-across-generations",
    client=starting("shouter", 0),
    outputs={"i1": 8},
    check=holds((LOG, series("i1", 8))),
)
SCHEDULED_SIGNALS = Scenario(
    name="scheduled-signals",
    client=_scheduling,
    outputs={},
    check=holds_told(["late", 0], ["early", 0]),
    strike_until=60.0,
)
LOCK_OF_THREE = Scenario(
    name="lock-of-three",
    client=_two,
    outputs={"i1": True, "i2": "rotated", "i3": "moved"},
    check=holds((_A, 92), (_B, 103), (_C, 105)),
)
HOLDER_TERMINATED = Scenario(
    name="lock-holder-terminated",
    client=_terminating_holder,
    outputs={"i1": "enough", "i2": "moved", "i3": "moved"},
    statuses={"i1": "Terminated"},
    needs_client=True,
    check=holds((_A, 95), (_B, 98), (_C, 107)),
)
TERMINATED_ON_THE_WAY = Scenario(
    name="lock-holder-terminated-soon",
    client=_terminating_soon,
    outputs={"i1": "enough", "i2": "moved"},
    statuses={"i1": "Terminated"},
    needs_client=True,
    check=holds((_A, 95), (_C, 105)),
)
WAITER_TERMINATED = Scenario(
    name="lock-waiter-terminated",
    client=_terminating_waiter,
    outputs={"i1": "rested", "i2": "enough", "i3": "moved"},
    statuses={"i2": "Terminated"},
    needs_client=True,
    check=holds((_A, 95), (_B, 105)),
)
HOLDER_FAILS = Scenario(
    name="lock-holder-fails",
    client=_failing_holder,
    outputs={"i1": "RuntimeError: inside", "i3": "over"},
    statuses={"i1": "Failed"},
    check=_sum_after_failure,
)
HOLDER_GOES_ON = Scenario(
    name="lock-handed-on",
    client=_releasing,
    outputs={"i1": "go", "i2": "moved"},
    needs_client=True,
    check=holds((_A, 95), (_B, 105)),
)
FORWARDED = Scenario(
    name="entity-signals-entities",
    client=starting("forwarder"),
    outputs={"i1": "Hello forwarder!"},
    check=holds((LOG, series("relay", 6)), (OTHER_LOG, series("relay", 6)), (RELAY, 6)),
)
BEGUN = Scenario(
    name="entity-starts-orchestrations",
    client=starting("patron"),
    outputs={"i1": "Hello patron!", **{f"i1-begun-{n}": f"Hello {n}!" for n in range(3)}},
    check=_began,
)
PURGED = Scenario(
    name="entity-purged",
    client=_purging,
    outputs={},
    check=holds_told(),
    last=_purge_rest,
    strike_until=20.0,
)
CLEARED = Scenario(name="entity-deleted", client=_clearing, outputs={}, check=holds_told())
FLOOD = Scenario(
    name="entity-floods",
    client=starting("flooder", 250),
    outputs={"i1": "Hello flooder!"},
    check=holds((LOG, [*series("relay", 251)]), (OTHER_LOG, [["relay", 250]]), (RELAY, 2)),
)
MANY_CALLS = Scenario(
    name="entity-answers-many",
    client=starting("asker", 130),
    outputs={"i1": True},
)

ENTITIES = (
    SIGNALS,
    SIGNALS_LATE,
    SIGNAL_AND_CALL,
    GENERATIONS,
    SCHEDULED_SIGNALS,
    LOCK_OF_THREE,
    HOLDER_TERMINATED,
    TERMINATED_ON_THE_WAY,
    WAITER_TERMINATED,
    HOLDER_FAILS,
    HOLDER_GOES_ON,
    FORWARDED,
    BEGUN,
    PURGED,
    CLEARED,
    MANY_CALLS,
    FLOOD,
)


def transfers(seed: int, *, count: int = 50, accounts: int = 10) -> Scenario:
    """So many transfers between so many accounts, at random; nothing may get lost or be made."""
    dice = random.Random(seed)
    orders = []
    for _ in range(count):
        source, sink = dice.sample(range(accounts), 2)
        orders.append([source, sink, dice.randrange(1, 60)])

    async def client(hub: TaskHub, world: World) -> None:
        for number, order in enumerate(orders):  # by the door that no fault befalls
            await start(world.hub, "transfer", f"t{number}", order)

    async def check(world: World) -> list[str]:
        balances = [OPENING_BALANCE] * accounts
        for number in range(accounts):
            state = await state_of(world.hub, account_id(number))
            balances[number] = OPENING_BALANCE if state is None else state
        rows = [await world.hub.instances.read(f"t{number}") for number in range(count)]
        ends = Counter(None if row is None else row.output for row in rows)
        wrong = [f"(9) somebody owes: {balances}"] if min(balances) < 0 else []
        if ends['"moved"'] + ends['"too little"'] != count or ends['"moved"'] < count // 3:
            wrong.append(f"(9) the transfers ended so: {ends}")
        if sum(balances) != OPENING_BALANCE * accounts:
            wrong.append(f"(9) the sum is {sum(balances)}: {balances}")
        return wrong

    return Scenario(name="transfers", client=client, outputs={}, check=check)
