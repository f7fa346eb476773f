"""8.7, rows 89 to 91 and 118: critical sections, and locks whose holder is gone."""

from __future__ import annotations

from collections.abc import Generator
from datetime import timedelta
from typing import Any

import durable as df
from durable.model.entities import SchedulerState
from tests.conformance.conformance import conforms
from tests.conformance.stage import Stage, outcome
from tests.entity_rows import insert_entity

Steps = Generator[Any, Any, Any]
Context = df.DurableOrchestrationContext

app = df.DFApp()


@app.entity_trigger(context_name="context")
async def counter(context: df.DurableEntityContext) -> int:
    value: int = context.get_state(int)
    match context.operation_name:
        case "add":
            value += context.get_input()
            context.set_state(value)
        case "set":
            value = context.get_input()
            context.set_state(value)
        case "delete":
            context.destruct_on_exit()
        case _:
            pass
    return value


@app.orchestration_trigger(context_name="context")
def increments(context: Context) -> Steps:
    """Reads and writes with nobody in between."""
    entity = df.EntityId("counter", "one")
    with (yield context.lock_entities([entity])):
        value = yield context.call_entity(entity, "get")
        yield context.create_timer(context.current_utc_datetime)
        yield context.call_entity(entity, "set", value + 1)
    return value + 1


@conforms("dtfx-8.7-89")
async def test_who_holds_the_lock_reads_and_writes_alone(stage: Stage) -> None:
    async with stage.host(app) as host:
        ids = ["i1", "i2", "i3"]
        for each in ids:
            await host.client.start_new("increments", each)
        assert {(await host.status_at_end(each)).output for each in ids} == {1, 2, 3}
        await host.entity_state_is(df.EntityId("counter", "one"), 3)


@app.orchestration_trigger(context_name="context")
def transfers(context: Context) -> Steps:
    """One from the first to the second, both asked at once."""
    source, target = (df.EntityId("counter", key) for key in context.get_input())
    with (yield context.lock_entities([source, target])):
        yield context.task_all(
            [context.call_entity(source, "add", -1), context.call_entity(target, "add", 1)]
        )
        return (
            yield context.task_all(
                [context.call_entity(source, "get"), context.call_entity(target, "get")]
            )
        )


@conforms("dtfx-8.7-90")
async def test_calls_side_by_side_to_two_locked_entities(stage: Stage) -> None:
    async with stage.host(app) as host:
        assert outcome(await host.run("transfers", ["a", "b"])) == ("Completed", [-1, 1])
        await host.entity_state_is(df.EntityId("counter", "a"), -1)
        await host.entity_state_is(df.EntityId("counter", "b"), 1)


@conforms("dtfx-8.7-91")
async def test_transfers_in_a_ring_do_not_block_one_another(stage: Stage) -> None:
    keys = "abcde"
    async with stage.host(app) as host:
        pairs = [(key, keys[(at + 1) % len(keys)]) for at, key in enumerate(keys)]
        for source, target in pairs:
            await host.client.start_new("transfers", f"{source}{target}", [source, target])
        for source, target in pairs:
            status = await host.status_at_end(f"{source}{target}")
            assert outcome(status)[0] == "Completed"
        for key in keys:
            await host.entity_state_is(df.EntityId("counter", key), 0)

        async def all_free() -> bool:
            found = await host.client.get_all_entities("counter")
            return all((each.locked_by, each.backlog_queue_size) == (None, 0) for each in found)

        await stage.until(all_free)


@app.orchestration_trigger(context_name="context")
def fills_and_empties(context: Context) -> Steps:
    entity = df.EntityId("counter", "orphaned")
    with (yield context.lock_entities([entity])):
        yield context.call_entity(entity, "add", 7)
        return (yield context.call_entity(entity, "delete"))


@app.orchestration_trigger(context_name="context")
def ends(context: Context) -> str:
    return "done"


@conforms("dtfx-8.7-118")
async def test_cleaning_removes_what_is_empty_and_releases_what_is_orphaned(stage: Stage) -> None:
    """Only .NET leaves orphans: ours release their locks however they end."""
    long_ago = stage.clock.now() - timedelta(hours=2)
    locked = SchedulerState(locked_by="gone")
    await insert_entity(stage.hub, "@counter@empty", at=long_ago)
    await insert_entity(stage.hub, "@counter@orphaned", locked, at=long_ago)

    async def cleaned() -> tuple[int, int]:
        found = await host.client.clean_entity_storage()
        return found.empty_entities_removed, found.orphaned_locks_released

    async with stage.host(app, entityMessageReorderWindowInMinutes=0) as host:
        assert outcome(await host.run("ends", None, "gone")) == ("Completed", "done")
        await host.client.start_new("fills_and_empties", "i1")

        async def is_queued() -> bool:
            row = await stage.row("@counter@orphaned")
            return '"queueSize":1' in ((row and row.custom_status) or "")

        await stage.until(is_queued)
        await stage.at_rest()
        assert outcome(await host.client.get_status("i1")) == ("Running", None)
        assert await cleaned() == (1, 1)
        assert outcome(await host.status_at_end("i1")) == ("Completed", 7)
        await stage.at_rest()
        assert await cleaned() == (1, 0)
        assert await host.client.get_all_entities(include_transient=True) == []
