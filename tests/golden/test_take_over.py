"""Take-over: what a real azure-functions-durable app left half-done is finished by durable.

The app is the recorded one with its import line changed. Each hub is loaded into an account that
knows nothing of it, as the original left it or as it was after any of its turns (`taken_over.py`),
and must come to the end that the original came to, or would have come to.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from durable.api import schema
from durable.client.json_text import dump
from durable.client.looking import history_of
from durable.wire.keys import SENTINEL
from tests.golden.successor import APPROVAL, CITIES, ENDS, Successor, in_memory, on_azurite
from tests.golden.taken_over import Recording, Scene, earlier_generation, registry_of, the_app

#: Scenarios that the original finished, and those that it left in the middle.
FINISHED = (
    "hello_sequence",
    "fan_out_10",
    "wait_event_done",
    "activity_failed",
    "activity_failed_caught",
    "retry_ok",
    "continue_as_new",
    "timer",
    "sub_orchestration_status",
    "terminated",
)
HALF_DONE = ("wait_event_inflight", "fan_out_half", "suspended")
WITH_ENTITIES = ("entity_call",)


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setenv("AzureWebJobsScriptRoot", str(tmp_path))
    return the_app(tmp_path)


# What the original left half-done


async def finish(ours: Successor, scenario: str) -> None:
    scene = ours.recording.scene()
    instance_id = ours.recording.root.instance_id
    await ours.take_over(scene)
    await ours.engine.sweep()
    await ours.drain()
    if scenario == "suspended":
        assert await ours.end(instance_id) == ("Suspended", "hold")
        await ours.client.raise_event(instance_id, "approval", APPROVAL)
        await ours.drain()
        assert await ours.end(instance_id) == ("Suspended", "hold")
        await ours.client.resume(instance_id, "go on")
    elif scenario == "wait_event_inflight":
        assert await ours.end(instance_id) == ("Running", None)
        await ours.client.raise_event(instance_id, "Approval", APPROVAL)
    await ours.drain()
    await ours.check_end(scenario, scene)


@pytest.mark.parametrize("scenario", HALF_DONE)
def test_what_the_original_left_half_done_is_finished(scenario: str, app: ModuleType) -> None:
    in_memory(Recording(scenario), app, lambda ours: finish(ours, scenario))


@pytest.mark.azurite
@pytest.mark.slow
@pytest.mark.parametrize("scenario", HALF_DONE)
async def test_what_the_original_left_half_done_is_finished_on_azurite(
    scenario: str, app: ModuleType, azurite_connection_string: str
) -> None:
    async with on_azurite(azurite_connection_string, Recording(scenario), app) as ours:
        await finish(ours, scenario)


# What the original finished, cut between any two of its turns


def _answers_of(name: str) -> Callable[[int], bool]:
    return {
        "asked": lambda number: False,
        "answered": lambda number: True,
        "half": lambda number: number % 2 == 1,
    }[name]


def cuts() -> Iterator[Any]:
    for scenario in FINISHED:
        recording = Recording(scenario)
        for turns in recording.cuts():
            scenes = {
                name: recording.cut(turns, answered=_answers_of(name))
                for name in ("asked", "answered", "half")
            }
            scenes["undeleted"] = recording.cut(turns, undeleted=True)
            moment = "-".join(str(count) for count in turns.values())
            seen: list[Scene] = []
            for name, scene in scenes.items():
                if scene not in seen:
                    seen.append(scene)
                    yield pytest.param(scenario, scene, id=f"{scenario}-{moment}-{name}")
    recording = Recording("continue_as_new")
    for generation in (1, 2):
        for answered in (False, True):
            yield pytest.param(
                "continue_as_new",
                earlier_generation(recording, generation, answered=answered),
                id=f"continue_as_new-generation-{generation}-{'answered' if answered else 'asked'}",
            )


async def finish_cut(ours: Successor, scenario: str, scene: Scene) -> None:
    await ours.take_over(scene)
    await ours.drain()
    for message in scene.left:
        await ours.send(message)
        await ours.drain()
    await ours.check_end(scenario, scene)
    if scenario == "sub_orchestration_status":
        assert (await ours.row("rec-parent")).custom_status == '{"step":2}'
        (child,) = scene_children(ours)
        assert await ours.end(child) == ("Completed", CITIES)


def scene_children(ours: Successor) -> list[str]:
    root = ours.recording.root.instance_id
    return [name for name in ours.recording.stories if name != root]


@pytest.mark.parametrize(("scenario", "scene"), list(cuts()))
def test_after_any_turn_of_the_original_ours_goes_on(
    scenario: str, scene: Scene, app: ModuleType
) -> None:
    in_memory(Recording(scenario), app, lambda ours: finish_cut(ours, scenario, scene))


#: A few of them on a real account: (scenario, turns of its instances, what is on its way).
ON_AZURITE = [
    ("retry_ok", (2,), "answered"),  # the retry's timer
    ("retry_ok", (3,), "asked"),  # the second try
    ("retry_ok", (3,), "answered"),  # its failure
    ("timer", (1,), "asked"),
    ("fan_out_10", (1,), "half"),
    ("wait_event_done", (2,), "answered"),  # the event before the wait
    ("sub_orchestration_status", (1, 0), "asked"),  # the child's start
    ("sub_orchestration_status", (1, 2), "asked"),
    ("hello_sequence", (0,), "asked"),
]


@pytest.mark.azurite
@pytest.mark.slow
@pytest.mark.parametrize(
    ("scenario", "counts", "answers"),
    ON_AZURITE,
    ids=[
        "-".join(map(str, [scenario, *counts, answers])) for scenario, counts, answers in ON_AZURITE
    ],
)
async def test_in_the_middle_ours_goes_on_on_azurite(
    scenario: str,
    counts: tuple[int, ...],
    answers: str,
    app: ModuleType,
    azurite_connection_string: str,
) -> None:
    recording = Recording(scenario)
    (turns,) = [each for each in recording.cuts() if tuple(each.values()) == counts]
    scene = recording.cut(turns, answered=_answers_of(answers))
    async with on_azurite(azurite_connection_string, recording, app) as ours:
        await finish_cut(ours, scenario, scene)


# What the original finished, and what has entities


async def look_only(ours: Successor) -> None:
    recording = ours.recording
    await ours.take_over(recording.scene())
    before = await ours.tables()
    await ours.hub.clock.sleep(3600)
    await ours.engine.sweep()
    for name in recording.stories:
        assert await ours.client.get_status(name)
    assert await ours.tables() == before
    await ours.check_rest()
    recorded = recording.http
    for event in recorded["with_history"]["historyEvents"]:
        if "ScheduledTime" in event:  # local time with its offset there (recorded.md section 2)
            event["ScheduledTime"] = event["ScheduledTime"].replace("+00:00", "Z")
    row = await ours.row(recording.root.instance_id)
    texts = await ours.hub.instances.texts(row)
    history = await history_of(ours.hub, row, show_input=True, show_output=True)
    assert json.loads(dump(schema.status_payload(row, texts))) == recorded["status"]
    shown = json.loads(dump(schema.status_payload(row, texts, history)))
    assert shown == recorded["with_history"]


@pytest.mark.parametrize("scenario", FINISHED + WITH_ENTITIES)
def test_what_the_original_finished_stays_as_it_is_and_reads_the_same(
    scenario: str, app: ModuleType
) -> None:
    in_memory(Recording(scenario), app, look_only)


async def restart_and_purge(ours: Successor, scenario: str) -> None:
    recording = ours.recording
    instance_id = recording.root.instance_id
    await ours.take_over(recording.scene())
    for in_place in (False, True):
        again = await ours.client.restart(instance_id, not in_place)
        assert (again == instance_id) is in_place
        ours.forget_tries(again)
        await ours.drain()
        for message in recording.sent_by_clients(recording.root):
            await ours.send(replace(message, target={"InstanceId": again}))
            await ours.drain()
        assert await ours.end(again) == ENDS[scenario]
    everything = [each.instance_id for each in await ours.client.get_status_all()]
    for each in everything:
        assert (await ours.client.purge_instance_history(str(each))).instances_deleted == 1
    assert await ours.client.get_status_all() == []
    assert {row.row_key for row in (await ours.tables())["History"]} <= {SENTINEL}
    await ours.check_rest()


@pytest.mark.parametrize("scenario", FINISHED)
def test_what_the_original_finished_is_restarted_and_purged(scenario: str, app: ModuleType) -> None:
    in_memory(Recording(scenario), app, lambda ours: restart_and_purge(ours, scenario))


def test_the_app_is_indexed_with_nothing_changed_but_its_import(app: ModuleType) -> None:
    names = [str(each.get_function_name()) for each in app.app.get_functions()]
    assert {"http_start", "ping", "signal"} <= set(names)
    registry = registry_of(app)
    assert set(registry.activity_names) == {"hello", "slow", "fail", "flaky"}
    assert {"hello_sequence", "entity_call"} <= set(registry.orchestrator_names)
    assert registry.entity_names == ("counter",)
