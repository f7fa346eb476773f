"""Take-over of entities: what calls, signals and locks of the original left half-done is finished.

The recorded Python app signals an entity, calls it and calls it again. Of the entity's turns only
the last was recorded: the one before was the same but for the last request it had heard of.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from durable.hub.purging import purge_instance
from durable.storage.values import Operation, Row, Value, Write
from durable.wire.keys import SENTINEL
from tests.golden.account_dump import DATA
from tests.golden.entity_runs import entity_scenarios
from tests.golden.golden_stage import Stage
from tests.golden.successor import LEASE, Successor, after_a_crash, in_memory, on_azurite
from tests.golden.taken_over import Message, Recording, Scene, row_of, the_app
from tests.simulation.simloop import run_simulation

ROOT = "rec-entity_call"
ENTITY = f"@counter@{ROOT}"
RECORDED = DATA / "extension" / "entity_locked_signal_waits"


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setenv("AzureWebJobsScriptRoot", str(tmp_path))
    return the_app(tmp_path)


def sent_to(recording: Recording, instance_id: str) -> list[Message]:
    return [
        each
        for each in recording.messages
        if each.kind == "EventRaised" and each.target["InstanceId"] == instance_id
    ]


def label_of(message: Message) -> str:
    return str(json.loads(message.event["Input"])["Timestamp"])


def scene_of(turns: int, heard: int, on_their_way: Sequence[Message]) -> Scene:
    """After so many turns of the orchestration, and so many of the entity."""
    recording = Recording("entity_call")
    scene = recording.cut({ROOT: turns})
    starts = [each for each in scene.messages if each.kind == "ExecutionStarted"]
    history, instances = list(scene.history), list(scene.instances)
    if heard:
        _, call, last = map(label_of, sent_to(recording, ENTITY))
        label = (call, last)[heard - 1]
        story = recording.stories[ENTITY]
        rows = [*story.events, story.sentinel]
        history += [replace(row, columns=_renamed(row.columns, last, label)) for row in rows]
        instances.append(replace(story.row, columns=_renamed(story.row.columns, last, label)))
    return replace(
        scene,
        history=history,
        instances=instances,
        messages=[*starts, *on_their_way],
        left=[],
    )


def _renamed(columns: Any, before: str, after: str) -> dict[str, Value]:
    return {
        name: value.replace(before, after) if isinstance(value, str) else value
        for name, value in columns.items()
    }


def moments() -> dict[str, Scene]:
    """Every moment between two turns, and those at which turns are half done."""
    recording = Recording("entity_call")
    signal, call, get = sent_to(recording, ENTITY)
    called, got = sent_to(recording, ROOT)
    return {
        "started": scene_of(0, 0, []),
        "asked": scene_of(1, 0, [signal, call]),
        "asked, in another order": scene_of(1, 0, [call, signal]),
        # An entity sends before it writes, and a message that is dealt with is deleted last. (An
        # orchestration that sent but did not write asks anew, in the original too.)
        "answered, but not written": scene_of(1, 0, [signal, call, called]),
        "answered, but not deleted": scene_of(1, 1, [signal, call, called]),
        "answered": scene_of(1, 1, [called]),
        "asked again": scene_of(2, 1, [get]),
        "asked again, but not deleted": scene_of(2, 1, [called, get]),
        "answered again, but not written": scene_of(2, 1, [get, got]),
        "answered again, but not deleted": scene_of(2, 2, [get, got]),
        "answered again": scene_of(2, 2, [got]),
    }


async def finish(ours: Successor, scene: Scene) -> None:
    await ours.take_over(scene)
    await ours.engine.sweep()
    await ours.drain()
    await check(ours, scene)


async def check(ours: Successor, scene: Scene) -> None:
    assert await ours.end(ROOT) == ("Completed", 7)
    rows, _ = await ours.history(ROOT)
    theirs = [
        (row.row_key, dict(row.columns))
        for row in scene.history
        if row.partition_key == ROOT and row.row_key != SENTINEL
    ]
    assert [(row.row_key, dict(row.columns)) for row in rows][: len(theirs)] == theirs
    asked = [row for row in rows if row.columns["EventType"] == "EventSent"]
    assert [row.columns["EventId"] for row in asked] == [0, 1, 2]
    (entity,) = await ours.client.get_all_entities("counter")
    assert (str(entity.id), entity.get_state()) == (ENTITY, 7)
    assert (entity.locked_by, entity.backlog_queue_size) == (None, 0)
    await ours.check_rest()


@pytest.mark.parametrize("moment", moments())
def test_at_any_moment_of_the_original_ours_goes_on(moment: str, app: ModuleType) -> None:
    scene = moments()[moment]
    in_memory(Recording("entity_call"), app, lambda ours: finish(ours, scene))


@pytest.mark.azurite
@pytest.mark.slow
@pytest.mark.parametrize("moment", ["asked", "answered, but not written", "asked again"])
async def test_in_the_middle_ours_goes_on_on_azurite(
    moment: str, app: ModuleType, azurite_connection_string: str
) -> None:
    recording = Recording("entity_call")
    async with on_azurite(azurite_connection_string, recording, app) as ours:
        await finish(ours, moments()[moment])


async def nothing(_: Successor) -> None:
    """Clients do nothing."""


@pytest.mark.sweep
@pytest.mark.slow
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("moment", ["asked", "answered", "asked again"])
def test_a_crash_at_any_storage_call_of_a_take_over_changes_nothing(
    moment: str, before: bool, app: ModuleType
) -> None:
    scene = moments()[moment]

    async def then(ours: Successor) -> None:
        await ours.hub.clock.sleep(LEASE / 2)
        await ours.engine.sweep()
        await ours.drain()
        await check(ours, scene)

    recording = Recording("entity_call")
    for at in itertools.count():
        if not after_a_crash(recording, scene, app, at, before=before, first=nothing, then=then):
            break
    assert at > 10


# What the Durable extension's app left while a lock was held.

_HOLDER, _HELD = "hold1", "@counter@held"


def locked_rows() -> dict[str, list[Row]]:
    """The recorded rows: one holds the lock, and a signal waits for its end."""
    final = json.loads((RECORDED / "final.json").read_text(encoding="utf-8"))
    tables = final["answers"]["mid-tables"]
    return {name: [row_of(row) for row in rows] for name, rows in tables.items()}


async def load_locked(stage: Stage) -> None:
    await stage.hub.ensure()
    for table, rows in locked_rows().items():
        for row in rows:
            operation = Operation(write=Write.UPSERT_REPLACE, row=row)
            await stage.account.tables.write(table, operation)


async def released(stage: Stage) -> None:
    await stage.raise_event(_HOLDER, "release", 1)
    await stage.drain()
    row = await stage.hub.instances.read(_HOLDER)
    assert row is not None
    assert (str(row.status), row.output) == ("Completed", '"released"')


async def terminated(stage: Stage) -> None:
    await stage.terminate(_HOLDER, "enough")
    await stage.drain()
    row = await stage.hub.instances.read(_HOLDER)
    assert row is not None
    assert (str(row.status), row.output) == ("Terminated", "enough")


async def purged_and_cleaned(stage: Stage) -> None:
    assert await purge_instance(stage.hub, _HOLDER, force=True)
    cleaned = await (await stage.client()).clean_entity_storage()
    assert (cleaned.empty_entities_removed, cleaned.orphaned_locks_released) == (0, 1)
    await stage.drain()


@pytest.mark.parametrize("end", [released, terminated, purged_and_cleaned])
def test_a_lock_that_the_original_granted_is_released(end: Callable[[Stage], Any]) -> None:
    async def run() -> None:
        scenario = entity_scenarios()["extension/entity_locked_signal_waits"]
        stage = Stage("EEntityLockedSignalWaitsB", scenario.registry())
        await load_locked(stage)
        (entity,) = await (await stage.client()).get_all_entities(include_transient=True)
        assert (entity.locked_by, entity.backlog_queue_size) == (_HOLDER, 1)
        await end(stage)
        await stage.engine.close()
        (entity,) = await (await stage.client()).get_all_entities()
        assert (str(entity.id), entity.get_state()) == (_HELD, 1)
        assert (entity.locked_by, entity.backlog_queue_size) == (None, 0)

    run_simulation(run())
