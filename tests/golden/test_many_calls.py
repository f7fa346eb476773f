"""An orchestration that calls more activities at once than a transaction of the table holds rows.

The original writes what one turn decided in several transactions; ours divides it into stretches,
each of them whole (commit.md, R1). How many results a turn takes is chance, there and here. So
rows and messages are compared by their kind and task, not in order.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from tests.golden.account_compare import compared, kind, text_differences
from tests.golden.account_dump import Columns, in_memory, recorded
from tests.golden.account_runs import fan_out_fan_in
from tests.golden.golden_stage import Put, Stage
from tests.golden.scenario_differences import DIFFERENCES
from tests.golden.scenario_runs import Scenario, only_start
from tests.golden.test_scenarios import put_name, recorded_puts, table_differences
from tests.simulation.simloop import run_simulation

RECORDING = "dtfx/28_multibatch"
#: The number of the stretch, of which ours are more.
EPISODES = {
    ("text", "TaskScheduledEvent", "Episode", "another value"),
    ("text", "TaskCompletedEvent", "Episode", "another value"),
}
_STRETCH = {"OrchestratorStarted", "OrchestratorCompleted"}
#: A transaction's 100 operations, less the sentinel's.
_LARGEST = 99
Row = tuple[str, str, Columns]


def test_120_calls_leave_what_was_recorded() -> None:
    run_simulation(compare())


async def compare() -> None:
    recording = recorded(RECORDING)
    stage = Stage(
        recording.hub,
        Scenario(
            orchestrators={"fan_out_fan_in": fan_out_fan_in},
            activities={"echo": lambda value: value},
            client=only_start("fan_out_fan_in", "mb-1", 120),
        ).registry(),
    )
    await only_start("fan_out_fan_in", "mb-1", 120)(stage)
    await stage.engine.close()
    ours = (await in_memory(stage.account, recording.hub)).tables
    instances, history = f"{recording.hub}Instances", f"{recording.hub}History"
    found = table_differences("Instances", recording.dump.tables[instances], ours[instances])
    before, after = by_task(recording.dump.tables[history]), by_task(ours[history])
    assert before.keys() == after.keys()
    assert len(before) == 2 * 120 + 3
    for key, columns in before.items():
        found |= set(compared("History", key[0], columns, after[key]))
    theirs = messages([put for _, put in recorded_puts(RECORDING)])
    assert theirs.keys() == messages(stage.puts).keys()
    for name, text in messages(stage.puts).items():
        found |= text_differences(theirs[name], text)
    assert found - DIFFERENCES.keys() == EPISODES
    assert max(stretches(ours[history])) == _LARGEST


def by_task(rows: Sequence[Row]) -> dict[tuple[str, object], Columns]:
    """Rows but for those that turns begin and end with."""
    found = {}
    for row in rows:
        name = kind("History", row)
        if name not in _STRETCH:
            task = row[2].get("TaskScheduledId") or row[2].get("EventId") or (None, None)
            found[name, task[1]] = row[2]
    return found


def messages(puts: Sequence[Put]) -> dict[tuple[str, int], str]:
    found = {}
    for put in puts:
        event = json.loads(put.text)["TaskMessage"]["Event"]
        found[put_name(put), event.get("TaskScheduledId", event["EventId"])] = put.text
    return found


def stretches(rows: Sequence[Row]) -> list[int]:
    """How many rows each has."""
    found = [0]
    for row in rows:
        if kind("History", row) == "OrchestratorStarted":
            found.append(0)
        found[-1] += kind("History", row) != "sentinel"
    return found
