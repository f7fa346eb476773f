"""A process that dies while it takes over what the original left: nothing is lost or done anew.

What the original's turns asked for was sent by the original, before it wrote them down. Whoever
makes up for the dead process must not send it once more: the original's rows lack inputs, and its
children have execution ids that no row holds.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from types import ModuleType

import pytest

from tests.golden.successor import LEASE, Successor, after_a_crash
from tests.golden.taken_over import Recording, Scene, earlier_generation, the_app


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setenv("AzureWebJobsScriptRoot", str(tmp_path))
    return the_app(tmp_path)


def scene_of(scenario: str, moment: str) -> Scene:
    recording = Recording(scenario)
    if moment == "as it was left":
        return recording.scene()
    if moment == "first generation":
        return earlier_generation(recording, 1, answered=True)
    counts = dict(zip(recording.stories, map(int, moment.split("-")), strict=True))
    return recording.cut(counts, answered=lambda number: number < 0 or number % 2 == 0)


async def hold_parent(ours: Successor, scenario: str) -> None:
    """So that there is a turn of the parent while its child is under way."""
    if scenario == "sub_orchestration_status":
        await ours.client.suspend("rec-parent", "hold")


async def finish(ours: Successor, scenario: str, scene: Scene) -> None:
    # The sweeper comes by before the dead process's messages come back.
    await ours.hub.clock.sleep(LEASE / 2)
    await ours.engine.sweep()
    await ours.drain()
    if scenario == "sub_orchestration_status":
        await ours.client.resume("rec-parent")
        await ours.drain()
    for message in scene.left:
        await ours.send(message)
        await ours.drain()
    await ours.check_end(scenario, scene)
    if scenario == "fan_out_10":
        rows, _ = await ours.history(ours.recording.root.instance_id)
        results = [row.columns["Result"] for row in rows if "TaskScheduledId" in row.columns]
        assert sorted(map(str, results)) == [f'"Hello {number}!"' for number in range(10)]
    for name, story in ours.recording.stories.items():
        # A child that is begun anew has another execution.
        if scenario != "continue_as_new":
            _, sentinel = await ours.history(name)
            assert sentinel.columns["ExecutionId"] == story.sentinel.columns["ExecutionId"]


@pytest.mark.sweep
@pytest.mark.slow
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize(
    ("scenario", "moment"),
    [
        ("fan_out_half", "as it was left"),
        ("fan_out_10", "1"),
        ("wait_event_done", "3"),
        ("sub_orchestration_status", "2-1"),  # the child's turns, the parent's
        ("continue_as_new", "first generation"),
    ],
)
def test_a_crash_at_any_storage_call_of_a_take_over_changes_nothing(
    scenario: str, moment: str, before: bool, app: ModuleType
) -> None:
    recording, scene = Recording(scenario), scene_of(scenario, moment)
    for at in itertools.count():
        if not after_a_crash(
            recording,
            scene,
            app,
            at,
            before=before,
            first=lambda ours: hold_parent(ours, scenario),
            then=lambda ours: finish(ours, scenario, scene),
        ):
            break
    assert at > 5
