"""Entities and the orchestrators that use them, for the simulations.

What they did is counted by their state: code runs again when a commit is lost.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Generator
from datetime import timedelta
from typing import Any

from durable.authoring.definitions import EntityDefinition
from durable.errors import EntityFailed
from durable.model.ids import EntityId

Steps = Generator[Any, Any, Any]

LOG, OTHER_LOG = EntityId("log", "a"), EntityId("log", "b")
RELAY = EntityId("relay", "r")
TALLY = EntityId("tally", "t")
OPENING_BALANCE = 100
_STAMPS = itertools.count()


def account_id(number: int) -> EntityId:
    return EntityId("account", f"n{number}")


async def log(context: Any) -> Any:
    """Its state is what it was told, in order."""
    told = context.get_state(list)
    match context.operation_name:
        case "add":
            context.set_state([*told, context.get_input()])
        case "get":
            return told
        case "stamp":
            # Another one whenever the code runs: an answer must be of the run that counts.
            stamp = next(_STAMPS)
            context.set_state([*told, stamp])
            return stamp
        case "ponder":
            await asyncio.sleep(0.5)  # what comes meanwhile goes into one turn
        case "clear":
            context.destruct_on_exit()
        case "spoil":
            # Neither this state nor this signal may be seen.
            context.set_state(["spoilt"])
            context.signal_entity(OTHER_LOG, "add", "spoilt")
            raise ValueError("spoilt")
        case _:
            raise NotImplementedError
    return len(told)


async def tally(context: Any) -> None:
    """Counts what it is told, by sender, and what comes out of order. Its state stays small."""
    state = context.get_state(lambda: {"count": 0, "out_of_order": 0, "next": {}})
    sender, number = context.get_input()
    state["count"] += 1
    state["out_of_order"] += state["next"].get(sender, 0) != number
    state["next"][sender] = number + 1
    context.set_state(state)


async def account(context: Any) -> Any:
    """A balance. There is no operation that adds: who reads before it writes needs a lock."""
    if context.operation_name == "write":
        context.set_state(context.get_input())
    return context.get_state(lambda: OPENING_BALANCE)


async def relay(context: Any) -> None:
    """Has others do things."""
    value = context.get_input()
    passed = context.get_state(lambda: 0)
    context.set_state(passed + 1)
    match context.operation_name:
        case "pass":
            context.signal_entity(LOG, "add", ["relay", value])
            context.signal_entity(OTHER_LOG, "add", ["relay", value])
        case "flood":
            for number in range(value):
                context.signal_entity(LOG, "add", ["relay", number])
        case "later":
            due = context.current_utc_datetime + timedelta(seconds=20)
            context.signal_entity(LOG, "add", ["relay", value], due)
        case "begin":
            context.start_new_orchestration("reporter", value, f"i1-begun-{value}")
        case _:
            raise NotImplementedError


def talker(context: Any) -> Steps:
    """Signals and calls, in the order in which they are made."""
    for number in range(3):
        context.signal_entity(LOG, "add", ["i1", number])
    length = yield context.call_entity(LOG, "add", ["i1", 3])
    context.signal_entity(LOG, "add", ["i1", 4])
    failure = None
    try:
        yield context.call_entity(LOG, "spoil")
    except EntityFailed as error:
        failure = str(error).rpartition(": ")[2]
    return [length, failure, (yield context.call_entity(LOG, "get"))]


def shouter(context: Any) -> Steps:
    """Two signals a generation; every other one waits for an activity between them."""
    number = context.get_input()
    context.signal_entity(LOG, "add", ["i1", number])
    if number % 4:
        yield context.call_activity("greet", "g")
    context.signal_entity(LOG, "add", ["i1", number + 1])
    if number < 6:
        context.continue_as_new(number + 2)
        return None
    return len((yield context.call_entity(LOG, "get")))


def later(context: Any) -> Steps:
    """A signal that takes its time, one that does not."""
    due = context.current_utc_datetime + timedelta(seconds=20)
    context.signal_entity(LOG, "add", ["late", 0], scheduled_time=due)
    context.signal_entity(LOG, "add", ["early", 0])
    yield context.create_timer(due + timedelta(seconds=1400))
    return (yield context.call_entity(LOG, "get"))


def _move(context: Any, source: EntityId, sink: EntityId, amount: int) -> Steps:
    """Right only while nobody else gets in between."""
    has = yield context.call_entity(source, "read")
    had = yield context.call_entity(sink, "read")
    if has < amount:
        return "too little"
    yield context.task_all(
        [
            context.call_entity(source, "write", has - amount),
            context.call_entity(sink, "write", had + amount),
        ]
    )
    return "moved"


def transfer(context: Any) -> Steps:
    source, sink, amount = context.get_input()
    with (yield context.lock_entities([account_id(source), account_id(sink)])):
        return (yield from _move(context, account_id(source), account_id(sink), amount))


def rotation(context: Any) -> Steps:
    """All of three accounts locked; the first gives to the others."""
    one, two, three = accounts = [account_id(number) for number in range(3)]
    with (yield context.lock_entities(reversed(accounts))):
        yield from _move(context, one, two, 1)
        yield from _move(context, one, three, 2)
    return (yield context.call_entity(three, "read")) > OPENING_BALANCE


async def rotation_async(context: Any) -> str:
    one, two = account_id(0), account_id(1)
    async with context.lock_entities([two, one]):
        balance = await context.call_entity(one, "read")
        await context.call_entity(one, "write", balance - 5)
        balance = await context.call_entity(two, "read")
        await context.call_entity(two, "write", balance + 5)
    return "rotated"


def holder(context: Any) -> Steps:
    """Holds the accounts of its input until it is told to go on."""
    with (yield context.lock_entities([account_id(each) for each in context.get_input()])):
        yield context.call_entity(account_id(context.get_input()[0]), "read")
        return (yield context.wait_for_external_event("E"))


def napping_holder(context: Any) -> Steps:
    """Holds the second account for a while; what else it does, it does outside."""
    with (yield context.lock_entities([account_id(1)])):
        yield context.create_timer(context.current_utc_datetime + timedelta(seconds=45))
    return "rested"


def failing_holder(context: Any) -> Steps:
    """Fails inside."""
    with (yield context.lock_entities([account_id(0), account_id(1)])):
        yield from _move(context, account_id(0), account_id(1), 1)
        raise RuntimeError("inside")


def endless_holder(context: Any) -> Steps:
    """Continues as new from inside; the lock is not taken along."""
    left = context.get_input()
    with (yield context.lock_entities([account_id(0)])):
        balance = yield context.call_entity(account_id(0), "read")
        yield context.call_entity(account_id(0), "write", balance + 1)
        if left:
            context.continue_as_new(left - 1)
            return None
    return "over"


def reporter(context: Any) -> Steps:
    """Started by an entity, it signals another one."""
    context.signal_entity(LOG, "add", [context.instance_id, 0])
    return (yield context.call_activity("greet", str(context.get_input())))


def patron(context: Any) -> Steps:
    """Has an entity start three orchestrations."""
    for number in range(3):
        context.signal_entity(RELAY, "begin", number)
    return (yield context.call_activity("greet", "patron"))


def forwarder(context: Any) -> Steps:
    """Has one entity signal two others."""
    for number in range(6):
        context.signal_entity(RELAY, "pass", number)
    return (yield context.call_activity("greet", "forwarder"))


def flooder(context: Any) -> Steps:
    """Has an entity send more than one checkpoint holds, and then some more."""
    context.signal_entity(RELAY, "flood", context.get_input())
    context.signal_entity(RELAY, "pass", context.get_input())
    return (yield context.call_activity("greet", "flooder"))


def asker(context: Any) -> Steps:
    """So many calls at once that neither they nor their answers fit one checkpoint."""
    context.signal_entity(LOG, "ponder")
    calls = [context.call_entity(LOG, "stamp") for _ in range(context.get_input())]
    answers = yield context.task_all(calls)
    return answers == (yield context.call_entity(LOG, "get"))


def crowd(context: Any) -> Steps:
    """Signals the tally so many times at once."""
    for number in range(context.get_input()):
        context.signal_entity(TALLY, "add", [context.instance_id, number])
    return (yield context.call_activity("greet", "crowd"))


ORCHESTRATORS: tuple[Callable[..., Any], ...] = (
    talker,
    shouter,
    later,
    transfer,
    rotation,
    rotation_async,
    holder,
    napping_holder,
    failing_holder,
    endless_holder,
    reporter,
    patron,
    forwarder,
    flooder,
    asker,
    crowd,
)

_FUNCTIONS: tuple[Callable[[Any], Awaitable[Any]], ...] = (log, tally, account, relay)
ENTITIES = [EntityDefinition(name=each.__name__, function=each) for each in _FUNCTIONS]
