"""Which times are one and the same: what is one in the recording is one in ours.

Rows and messages hold copies of times: a result's row has its message's, LastUpdatedTime in
Instances is the last row's. Ours run on a clock that never shows a time twice, so a time that is
read anew instead of copied shows.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TypeGuard

import pytest

from durable.wire.envelopes import json_text
from tests.golden.account_compare import json_leaves
from tests.golden.account_dump import masked, recorded
from tests.golden.golden_stage import Put, Stage
from tests.golden.scenario_runs import scenarios
from tests.golden.scenario_runs_more import more_scenarios
from tests.golden.test_scenarios import OWN, put_name, recorded_puts
from tests.simulation.simloop import run_simulation

#: Rows that only one side has would put the others in other places, and so do two children with
#: random ids: sim_oop_event_sub_can.
SCENARIOS = [
    scenario
    for scenario in {**scenarios(), **more_scenarios()}
    if scenario != "extension/sim_oop_event_sub_can"
    and not any(column == "" for _, _, column, _ in OWN.get(scenario, {}))
]
#: Where a time is: table or "put", partition, number, name and column or path.
Place = tuple[str, str, int, str]
Row = tuple[str, Mapping[str, object]]
#: The service's, and the commit's (commit.md), which is ours alone.
_NOT_COMPARED = {"Timestamp", "CommittedStamp"}
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[.\d]*Z")


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_times_that_are_one_there_are_one_here(scenario: str) -> None:
    theirs, ours = run_simulation(times_of_both(scenario))
    assert theirs.keys() == ours.keys()
    groups: dict[datetime | str, list[Place]] = {}
    for place, moment in theirs.items():
        groups.setdefault(moment, []).append(place)
    copies = [places for places in groups.values() if len(places) > 1]
    assert len(copies) > 1
    assert [p for p in copies if len({microseconds(ours[place]) for place in p}) > 1] == []


Times = dict[Place, datetime | str]


async def times_of_both(scenario: str) -> tuple[Times, Times]:
    recording = recorded(scenario)
    played = {**scenarios(), **more_scenarios()}[scenario]
    stage = Stage(recording.hub, played.registry())
    await played.client(stage)
    await stage.engine.close()
    theirs, ours = Times(), Times()
    for table in ("Instances", "History"):
        rows = recording.rows(table)
        theirs |= row_times(table, ((row["PartitionKey"], row) for row in rows))
        page = await stage.account.tables.query(f"{recording.hub}{table}", None)
        ours |= row_times(table, ((row.partition_key, row.columns) for row in page.rows))
    theirs |= put_times(put for _, put in recorded_puts(scenario))
    ours |= put_times(stage.puts)
    return theirs, ours


def row_times(table: str, rows: Iterable[Row]) -> Times:
    found = Times()
    count: Counter[str] = Counter()
    for key, columns in rows:
        partition = masked(key)
        name = f"{columns.get('EventType', '')}"
        for column, value in columns.items():
            if is_time(value) and column not in _NOT_COMPARED:
                found[table, partition, count[partition], f"{name}.{column}"] = value
        count[partition] += 1
    return found


def put_times(puts: Iterable[Put]) -> Times:
    return {
        ("put", "", number, f"{put_name(put)}.{path}"): value
        for number, put in enumerate(puts)
        for path, value in json_leaves(json.loads(json_text(put.text)))
        if is_time(value)
    }


def is_time(value: object) -> TypeGuard[datetime | str]:
    return isinstance(value, datetime) or (
        isinstance(value, str) and _TIME.fullmatch(value) is not None
    )


def microseconds(moment: datetime | str) -> str:
    """As text: a row's value and a message's are of different types."""
    parsed = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return parsed.strftime("%Y-%m-%dT%H:%M:%S.%f")
