"""8.6, row 96, and 8.7, rows 77, 81, 82, 84 to 88: signals, and orchestrations entities start."""

from __future__ import annotations

import itertools
from collections.abc import Generator
from datetime import timedelta, timezone
from typing import Any

import durable as df
from durable.model.events import ExecutionStarted
from tests.conformance.conformance import conforms
from tests.conformance.stage import Host, Stage, outcome

Steps = Generator[Any, Any, Any]
Context = df.DurableOrchestrationContext

app = df.DFApp()
#: Where text_store puts its text when it is unloaded.
elsewhere: dict[str, str] = {}


@app.entity_trigger(context_name="context")
async def batches(context: df.DurableEntityContext) -> None:
    """Notes in which turn which operation ran: operations of a turn share its time."""
    turn = context.current_utc_datetime.isoformat()
    context.set_state([*context.get_state(list), [turn, context.get_input()]])


@app.entity_trigger(context_name="context")
async def notes(context: df.DurableEntityContext) -> int:
    """Notes the operations' names."""
    names = [*context.get_state(list), context.operation_name]
    context.set_state(names)
    return len(names)


@app.entity_trigger(context_name="context")
async def counter(context: df.DurableEntityContext) -> int:
    value: int = context.get_state(int)
    if context.operation_name == "increment":
        value += 1
        context.set_state(value)
    return value


@app.entity_trigger(context_name="context")
async def relay(context: df.DurableEntityContext) -> None:
    name, key, op = context.get_input()
    context.signal_entity(df.EntityId(name, key), op)


@app.entity_trigger(context_name="context")
async def launcher(context: df.DurableEntityContext) -> Any:
    if context.operation_name == "launch":
        context.set_state(context.start_new_orchestration("waits", "from an entity"))
    return context.get_state()


@app.entity_trigger(context_name="context")
async def myself(context: df.DurableEntityContext) -> None:
    """``A`` asks itself for the rest, the last one first."""
    op = context.operation_name
    state = context.get_state(str)
    context.set_state(state + op)
    if op == "A":
        now = context.current_utc_datetime
        for name, part in (("D", 3), ("C", 2), ("B", 1)):
            later = now + timedelta(seconds=context.get_input() * part)
            context.signal_entity(context.entity_id, name, scheduled_time=later)


@app.orchestration_trigger(context_name="context")
def waits(context: Context) -> Steps:
    value = yield context.wait_for_external_event("go")
    return [context.get_input(), value]


@app.orchestration_trigger(context_name="context")
def signals_much(context: Context) -> Steps:
    entity = df.EntityId("batches", "k")
    for number in range(100):
        context.signal_entity(entity, "note", number)
    yield context.create_timer(context.current_utc_datetime)
    return "ok"


@conforms("dtfx-8.7-77")
async def test_signals_are_taken_in_batches(stage: Stage) -> None:
    entity = df.EntityId("batches", "k")
    async with stage.host(app) as host:
        assert outcome(await host.run("signals_much")) == ("Completed", "ok")

        async def all_there() -> Any:
            found = await host.client.read_entity_state(entity)
            return found.entity_state if len(found.entity_state or ()) == 100 else None

        noted = await stage.until(all_there)
    assert [number for _, number in noted] == list(range(100))
    turns = [turn for turn, _ in itertools.groupby(turn for turn, _ in noted)]
    assert turns == sorted(set(turns))  # each turn's operations side by side
    assert len(turns) < 50


@app.orchestration_trigger(context_name="context")
def polls(context: Context) -> Steps:
    while True:
        value = yield context.call_entity(df.EntityId("counter", "c"), "get")
        if value:
            return value
        yield context.create_timer(context.current_utc_datetime + timedelta(seconds=1))


@conforms("dtfx-8.7-81")
async def test_a_signal_that_is_passed_on_counts_once(stage: Stage) -> None:
    async with stage.host(app) as host:
        await host.client.start_new("polls", "i1")
        relayed = ["counter", "c", "increment"]
        await host.client.signal_entity(df.EntityId("relay", "r"), "pass", relayed)
        assert outcome(await host.status_at_end("i1")) == ("Completed", 1)
        await host.entity_state_is(df.EntityId("counter", "c"), 1)


@app.orchestration_trigger(context_name="context")
def launches(context: Context) -> Steps:
    return (yield context.call_entity(df.EntityId("launcher", "k"), "launch"))


@app.orchestration_trigger(context_name="context")
def asks_launcher(context: Context) -> Steps:
    return (yield context.call_entity(df.EntityId("launcher", "k"), "get"))


@conforms("dtfx-8.7-82", "dtfx-8.6-96")
async def test_an_entity_starts_an_orchestration_and_is_not_told_of_its_end(stage: Stage) -> None:
    async with stage.host(app) as host:
        started = (await host.run("launches", None, "i1")).output
        assert outcome(await host.status_is(started, "Running")) == ("Running", None)
        (begun,) = [e for e in await stage.events(started) if isinstance(e, ExecutionStarted)]
        assert begun.tags == {"FireAndForget": ""}
        await host.client.raise_event(started, "go", "on")
        ended = ("Completed", ["from an entity", "on"])
        assert outcome(await host.status_at_end(started)) == ended
        await stage.at_rest()
        assert outcome(await host.run("asks_launcher")) == ("Completed", started)


@app.entity_trigger(context_name="context")
async def text_store(context: df.DurableEntityContext) -> Any:
    """A text that is kept elsewhere when it isn't needed."""
    where = context.entity_key
    text = context.get_state(lambda: elsewhere.get(where, ""), str)
    match context.operation_name:
        case "append":
            context.set_state(text + context.get_input())
        case "deactivate":
            elsewhere[where] = text
            context.destruct_on_exit()
        case _:
            return text
    return None


@app.orchestration_trigger(context_name="context")
def appends(context: Context) -> Steps:
    store = df.EntityId("text_store", context.instance_id)
    for number in range(context.get_input()):
        if number % 3:
            context.signal_entity(store, "append", f"{number},")
        else:
            yield context.call_entity(store, "append", f"{number},")
    return (yield context.call_entity(store, "get"))


@conforms("dtfx-8.7-84")
async def test_an_entity_may_be_unloaded_at_any_time(stage: Stage) -> None:
    count = 30 if stage.where == "azurite" else 100
    instance_id = f"appends-{stage.where}"
    elsewhere.pop(instance_id, None)
    async with stage.host(app) as host:
        await host.client.start_new("appends", instance_id, count)
        while outcome(await host.client.get_status(instance_id))[0] != "Completed":
            entity = df.EntityId("text_store", instance_id)
            await host.client.signal_entity(entity, "deactivate")
            await stage.clock.sleep(0.1)
        status = await host.status_at_end(instance_id)
    assert status.output == "".join(f"{number}," for number in range(count))
    assert instance_id in elsewhere


async def names_noted(host: Host, count: int, key: str) -> list[str]:
    """The operations that `notes` did, once there are that many."""

    async def look() -> Any:
        found = (await host.client.read_entity_state(df.EntityId("notes", key))).entity_state
        return found if len(found or ()) >= count else None

    found: list[str] = await host.stage.until(look)
    return found


@conforms("dtfx-8.7-85")
async def test_many_signals_of_a_client_all_arrive_once(stage: Stage) -> None:
    counts = (1, 20) if stage.where == "azurite" else (1, 2, 20, 200)
    async with stage.host(app) as host:
        for delayed, count in itertools.product((False, True), counts):
            entity = df.EntityId("notes", f"{delayed}-{count}")
            now = stage.clock.now()
            for number in range(count):
                at = now + timedelta(seconds=number * 1.5 / count) if delayed else None
                await host.client.signal_entity(entity, str(number), scheduled_time=at)
        for delayed, count in itertools.product((False, True), counts):
            found = await names_noted(host, count, f"{delayed}-{count}")
            assert sorted(map(int, found)) == list(range(count))


@app.orchestration_trigger(context_name="context")
def calls_three_times(context: Context) -> Steps:
    made = context.get_input()
    count = yield context.call_entity(df.EntityId("notes", "n"), f"call{made}")
    assert count == made + 1
    if count == 3:
        return "ok"
    context.continue_as_new(count)
    return None


@conforms("dtfx-8.7-86")
async def test_every_generation_is_answered(stage: Stage) -> None:
    async with stage.host(app) as host:
        assert outcome(await host.run("calls_three_times", 0, "i1")) == ("Completed", "ok")
        assert await names_noted(host, 3, "n") == ["call0", "call1", "call2"]


@conforms("dtfx-8.7-87")
async def test_what_is_scheduled_comes_later(stage: Stage) -> None:
    """A time is the same in any time zone; one without a zone is UTC."""
    zone = timezone(timedelta(hours=-7))
    async with stage.host(app) as host:
        at = stage.clock.now() + timedelta(seconds=2)
        times = {"utc": at, "elsewhere": at.astimezone(zone), "naive": at.replace(tzinfo=None)}
        for key, time in times.items():
            entity = df.EntityId("notes", key)
            await host.client.signal_entity(entity, "delayed", scheduled_time=time)
            await host.client.signal_entity(entity, "immediate")
        for key in times:
            assert await names_noted(host, 2, key) == ["immediate", "delayed"]
        assert stage.clock.now() >= at


@conforms("dtfx-8.7-88")
async def test_an_entity_schedules_signals_to_itself(stage: Stage) -> None:
    apart = 1 if stage.where == "azurite" else 60
    async with stage.host(app) as host:
        began = stage.clock.now()
        await host.client.signal_entity(df.EntityId("myself", "k"), "A", apart)
        await host.entity_state_is(df.EntityId("myself", "k"), "ABCD")
        assert stage.clock.now() - began >= timedelta(seconds=3 * apart)
