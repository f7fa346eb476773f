"""Tags that nearly fill a column of the Instances table, and tags that don't fit (recorded.md 1).

The original keeps the larger ones in blobs, but a checkpoint writes them inline: over the column's
limit it fails for ever, after history was written. Ours refuse such a start.
"""

from __future__ import annotations

import json

import pytest

from durable.errors import UsageError
from tests.golden.account_dump import in_memory, recorded, same
from tests.golden.golden_stage import Stage
from tests.golden.scenario_apps import echo_input
from tests.golden.scenario_differences import DIFFERENCES
from tests.golden.scenario_runs import Scenario, only_start
from tests.golden.test_scenarios import put_differences, recorded_puts, table_differences, target_of
from tests.simulation.simloop import run_simulation

RECORDING = "dtfx/15_tags_big"
FITS, TOO_LARGE = "tagbig-31000", "tagbig-33000"
APP = Scenario(orchestrators={"echo_orch": echo_input}, client=only_start("echo_orch", FITS))
#: The original's first row has its tags in a blob; each checkpoint has them inline.
OWN_DIFFERENCES = {("Instances", "", "TagsBlobName", "not ours")}
#: The recorder cut the middle out of the column's text, so that its member is no whole one.
CUT = {("Instances", "", "Tags.k", "another value")}


def test_large_tags_leave_what_was_recorded() -> None:
    run_simulation(compare())


async def compare() -> None:
    recording = recorded(RECORDING)
    stage = Stage(recording.hub, APP.registry())
    await stage.start("echo_orch", FITS, 1, tags={"k": "t" * 31_000})
    await stage.drain()
    await stage.engine.close()
    ours = (await in_memory(stage.account, recording.hub)).tables
    found = set()
    for table in ("Instances", "History"):
        name = f"{recording.hub}{table}"
        theirs = [row for row in recording.dump.tables[name] if row[0] == FITS]
        found |= table_differences(table, theirs, ours[name])
        if table == "Instances":
            [(_, _, before)], [(_, _, after)] = theirs, ours[name]
            assert same(before["Tags"], after["Tags"])
    puts = [put for put in recorded_puts(RECORDING) if target_of(put[1]) == FITS]
    found |= put_differences(puts, stage.puts)
    assert found - DIFFERENCES.keys() == OWN_DIFFERENCES | CUT


def test_tags_that_stranded_the_recorded_instance_are_refused() -> None:
    [row] = [r for r in recorded(RECORDING).rows("Instances") if r["PartitionKey"] == TOO_LARGE]
    assert row["RuntimeStatus"] == "Pending"  # and so for ever: its history was complete
    run_simulation(refuse())


async def refuse() -> None:
    stage = Stage(recorded(RECORDING).hub, APP.registry())
    with pytest.raises(UsageError, match="tag 'k' with 33000; at most 32768 fit"):
        await stage.start("echo_orch", TOO_LARGE, 1, tags={"k": "t" * 33_000})
    assert stage.puts == []
    assert await stage.hub.instances.read(TOO_LARGE) is None
    overhead = len(json.dumps({"k": ""}, separators=(",", ":")))
    await stage.start("echo_orch", "most", 1, tags={"k": "t" * (32_768 - overhead)})
    await stage.drain()
    row = await stage.hub.instances.read("most")
    assert row is not None
    assert row.status is not None
    assert row.status.is_terminal
