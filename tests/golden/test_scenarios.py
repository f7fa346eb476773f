"""Recorded orchestrations, run by ours in memory and in virtual time, next to the recording.

History rows (their order, columns, EDM types, values), Instances rows and messages (queue, delay,
text) are the same, but for DIFFERENCES and, in single scenarios, OWN_DIFFERENCES; an entry that
never occurs fails, too.

Not here: dtfx/05_event_from_orch, since an orchestrator of the Python API has no way to send an
event (the message itself is checked with the wire format); the recordings without `details` of
failures, whose texts are .NET's serialised exceptions.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Any

import pytest

from tests.golden.account_compare import Difference, compared, kind, leaves, text_differences
from tests.golden.account_dump import DATA, Columns, in_memory, masked, recorded
from tests.golden.golden_stage import Put, Stage
from tests.golden.scenario_differences import DIFFERENCES, OWN_DIFFERENCES
from tests.golden.scenario_runs import scenarios
from tests.simulation.simloop import run_simulation

SCENARIOS = tuple(scenarios())


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_scenario_leaves_what_was_recorded(scenario: str) -> None:
    found = differences(scenario)
    assert found - DIFFERENCES.keys() == OWN_DIFFERENCES.get(scenario, {}).keys()


def test_every_common_difference_occurs() -> None:
    assert set().union(*map(differences, SCENARIOS)) >= DIFFERENCES.keys()


def differences(scenario: str) -> set[Difference]:
    return run_simulation(run_and_compare(scenario))


async def run_and_compare(scenario: str) -> set[Difference]:
    recording = recorded(scenario)
    played = scenarios()[scenario]
    stage = Stage(recording.hub, played.registry())
    await played.client(stage)
    await stage.engine.close()
    ours = (await in_memory(stage.account, recording.hub)).tables
    found: set[Difference] = set()
    for table in ("Instances", "History"):
        name = f"{recording.hub}{table}"
        found |= table_differences(table, recording.dump.tables[name], ours[name])
    return found | put_differences(recorded_puts(scenario), stage.puts)


Row = tuple[str, str, Columns]


def table_differences(table: str, theirs: Sequence[Row], ours: Sequence[Row]) -> set[Difference]:
    """Rows by partition, in order; a row that has no counterpart is a difference by itself."""
    before, after = by_partition(theirs), by_partition(ours)
    assert before.keys() == after.keys()
    return {
        difference
        for key, rows in before.items()
        for one, other in aligned(
            rows,
            after[key],
            [kind(table, row) for row in rows],
            [kind(table, r) for r in after[key]],
        )
        for difference in row_differences(table, one, other)
    }


def by_partition(rows: Sequence[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(masked(row[0]), []).append(row)
    return found


def aligned(
    theirs: Sequence[Any], ours: Sequence[Any], before: Sequence[str], after: Sequence[str]
) -> Iterator[tuple[Any, Any]]:
    """Pairs of the same kind, in order; None for what only one side has."""
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    for same, one, until, other, end in matcher.get_opcodes():
        if same == "equal":
            yield from zip(theirs[one:until], ours[other:end], strict=True)
            continue
        yield from ((left, None) for left in theirs[one:until])
        yield from ((None, left) for left in ours[other:end])


def row_differences(table: str, theirs: Row | None, ours: Row | None) -> set[Difference]:
    if theirs is None or ours is None:
        row = theirs or ours
        assert row is not None
        return {(table, kind(table, row), "", "not ours" if ours is None else "ours only")}
    name = kind(table, theirs)
    return folded(set(compared(table, name, opened(theirs[2]), opened(ours[2]))))


def folded(found: set[Difference]) -> set[Difference]:
    """An object in place of null is one other value, not as many as it has members."""
    nulls = {each for each in found if each[3] == "not ours" and members(each, found)}
    inside = {member for each in nulls for member in members(each, found)}
    return (found - nulls - inside) | {(*each[:3], "another value") for each in nulls}


def members(outer: Difference, found: set[Difference]) -> set[Difference]:
    return {
        each
        for each in found
        if each[:2] == outer[:2] and each[2].startswith(f"{outer[2]}.") and each[3] == "ours only"
    }


def opened(columns: Columns) -> dict[str, object]:
    """Columns; of one that holds a JSON object, its members."""
    found: dict[str, object] = {}
    for name, (edm, value) in columns.items():
        if isinstance(value, str) and value.startswith('{"') and name != "Details":
            found |= {f"{name}.{path}": leaf for path, leaf in leaves(json.loads(value))}
        else:
            found[name] = (edm, value)
    return found


def recorded_puts(scenario: str) -> list[tuple[int | None, Put]]:
    lines = (DATA / scenario / "messages.ndjson").read_text(encoding="utf-8").splitlines()
    puts = [json.loads(line) for line in lines]
    return [
        (
            None if put["visibilitytimeout"] is None else int(put["visibilitytimeout"]),
            Put(queue=put["queue"], text=put.get("MessageText") or put["text"], delay_seconds=0),
        )
        for put in puts
    ]


def put_differences(
    theirs: Sequence[tuple[int | None, Put]], ours: Sequence[Put]
) -> set[Difference]:
    before = [put_name(put) for _, put in theirs]
    found: set[Difference] = set()
    for recording, put in aligned(theirs, ours, before, [put_name(put) for put in ours]):
        if recording is None or put is None:
            name = put_name(put or recording[1])
            found.add(("put", name, "", "not ours" if put is None else "ours only"))
            continue
        delay, original = recording
        found |= folded(text_differences(original.text, put.text))
        found |= delay_differences(put_name(put), delay, put.delay_seconds)
        if original.queue != put.queue and not has_random_target(put):
            found.add(("put", put_name(put), "queue", "another value"))
    return found


def put_name(put: Put) -> str:
    return str(json.loads(put.text)["TaskMessage"]["Event"]["$type"]).rsplit(".", 1)[-1]


def has_random_target(put: Put) -> bool:
    """Whether chance says which control queue it is: the hash of a random id."""
    target = json.loads(put.text)["TaskMessage"]["OrchestrationInstance"]["InstanceId"]
    return masked(target) != target and "-control-" in put.queue


def delay_differences(name: str, theirs: int | None, ours: int) -> set[Difference]:
    if (theirs or 0) == ours:
        return set()
    how = "rounded up" if theirs is not None and ours == theirs + 1 else "another value"
    return {("put", name, "visibilitytimeout", how)}
