"""A hub of ours with an instance in every state: what the damage is done to, beside recordings."""

from __future__ import annotations

from collections.abc import Generator
from datetime import timedelta
from functools import cache
from typing import Any

from durable.authoring.definitions import EntityDefinition
from durable.client import Client
from durable.errors import DurableError
from durable.model.ids import EntityId
from durable.runtime.settings import EngineSettings
from durable.storage.memory import MemoryAccount
from durable.storage.values import PutReceipt
from tests.fuzz.corpus import Sample
from tests.hub_lab import Lab
from tests.simulation.simloop import run_simulation

Steps = Generator[Any, Any, Any]

COUNTER = EntityId("counter", "a")
LARGE = "L" * 70_000


def healthy(context: Any) -> Steps:
    """Must come out right whatever lies beside it."""
    first = yield context.call_activity("greet", "one")
    told = yield context.wait_for_external_event("go")
    both = yield context.task_all([context.call_activity("greet", str(n)) for n in range(2)])
    leaf_said = yield context.call_sub_orchestrator("leaf", 3, "healthy-leaf")
    return [first, told, both, leaf_said]


HEALTHY_OUTPUT = ["Hello one!", {"to": 1}, ["Hello 0!", "Hello 1!"], 4]


def leaf(context: Any) -> Steps:
    yield context.create_timer(context.current_utc_datetime + timedelta(seconds=1))
    return context.get_input() + 1


def waits(context: Any) -> Steps:
    yield context.call_activity("greet", "a")
    context.set_custom_status({"step": 1})
    told = yield context.wait_for_external_event("go")
    yield context.call_activity("greet", "b")
    return told


def large(context: Any) -> Steps:
    back = yield context.call_activity("echo", context.get_input())
    told = yield context.wait_for_external_event("go")
    return [len(back), told]


def timer(context: Any) -> Steps:
    yield context.create_timer(context.current_utc_datetime + timedelta(days=3))
    return "late"


def again(context: Any) -> Steps:
    told = yield context.wait_for_external_event("go")
    context.continue_as_new(told)


def parent(context: Any) -> Steps:
    first = yield context.call_sub_orchestrator("leaf", 1, "sick-child-1")
    second = yield context.call_sub_orchestrator("waits", None, "sick-child-2")
    return [first, second]


def fails(context: Any) -> Steps:
    yield context.call_activity("fail", "x")


def calls(context: Any) -> Steps:
    value = yield context.call_entity(COUNTER, "add", 5)
    with (yield context.lock([COUNTER])):
        told = yield context.wait_for_external_event("go")
        yield context.call_entity(COUNTER, "add", 1)
    return [value, told]


async def fail(value: Any) -> Any:
    raise ValueError(f"no {value}")


async def counter(context: Any) -> Any:
    state = context.get_state(lambda: 0)
    if context.operation_name == "add":
        state += context.get_input()
        context.set_state(state)
    return state


#: Instances by the orchestrator they run.
STARTED = ("waits", "large", "timer", "again", "parent", "fails", "calls")
#: What each process has: all of `healthy` and the sick ones.
ORCHESTRATORS = (healthy, leaf, waits, large, timer, again, parent, fails, calls)


def make_lab(*, fast_path: bool = False) -> Lab:
    """A lab whose processes know all of these functions."""
    lab = Lab(*ORCHESTRATORS, activities=[fail], settings=EngineSettings(fast_path=fast_path))
    lab.registry.add_entity(EntityDefinition(name="counter", function=counter))
    return lab


@cache
def ours() -> Sample:
    """Rows, blobs and messages of a hub in which much is under way."""
    lab = make_lab()
    put: list[tuple[bool, str]] = []
    run_simulation(_play(lab, put))
    return run_simulation(sample_of(lab, "ours", tuple(put)))


async def _play(lab: Lab, put: list[tuple[bool, str]]) -> None:
    actor = await lab.actor()
    _note_puts(lab, actor.account, put)
    client = Client(actor.hub)
    for name in STARTED:
        value = LARGE if name == "large" else None
        await client.start(name, instance_id=f"sick-{name}", input_text=_json(value))
    await client.signal_entity(COUNTER, "add", 1)
    await client.signal_entity(EntityId("counter", "b"), "add", 2)
    for _ in range(12):
        await actor.deliver()
        await lab.clock.sleep(1)
    # Purged, done by events, suspended.
    for name in ("done", "gone", "held"):
        await client.start("waits", instance_id=f"sick-{name}")
    await client.start("again", instance_id="sick-ever")
    for _ in range(5):
        await actor.deliver()
        await lab.clock.sleep(1)
    for name in ("sick-done", "sick-gone", "sick-ever"):
        await client.raise_event(name, "go", {"x": 1})
    await client.suspend("sick-held", "hold")
    await client.terminate("sick-timer", "enough")
    for _ in range(8):
        await actor.deliver()
        await lab.clock.sleep(1)
    await client.raise_event("sick-ever", "go", LARGE)
    await client.purge_instance_history("sick-gone")
    await client.start("waits", instance_id="sick-new")
    await client.start(
        "waits",
        instance_id="sick-later",
        scheduled_start_time=lab.clock.now() + timedelta(days=1),
    )
    # What was sent last lies unread; nothing owes anything.
    assert actor.refused == []


def _json(value: Any) -> str | None:
    return None if value is None else f'"{value}"'


def _note_puts(lab: Lab, account: MemoryAccount, put: list[tuple[bool, str]]) -> None:
    original = account.queues.put

    async def noted(queue: str, text: str, *, delay_seconds: int = 0) -> PutReceipt:
        put.append((queue == lab.hub.names.work_items, text))
        return await original(queue, text, delay_seconds=delay_seconds)

    account.queues.put = noted  # type: ignore[method-assign]


async def sample_of(lab: Lab, name: str, messages: tuple[tuple[bool, str], ...]) -> Sample:
    """What a lab's account holds."""
    names = lab.hub.names
    tables = {
        table: (await lab.account.tables.query(table, None)).rows
        for table in (names.history_table, names.instances_table, names.partitions_table)
    }
    try:
        blobs = tuple((await lab.blobs()).items())
    except DurableError:
        blobs = ()
    return Sample(
        name=name,
        history=tables[names.history_table],
        instances=tables[names.instances_table],
        partitions=tables[names.partitions_table],
        blobs=blobs,
        messages=messages,
    )
