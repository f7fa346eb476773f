"""Recorded orchestrations, run by ours next to the recording: in memory and on Azurite.

History rows (their order, columns, EDM types, values), Instances rows and messages (queue, delay,
text) are the same, but for DIFFERENCES and, in single scenarios, OWN_DIFFERENCES; an entry that
never occurs fails, too.

On Azurite, rows are read over plain HTTP, with the types the table service tells. Delays of
messages are compared in virtual time only, as is what waits long, and what differs from another
scenario only in the recording. What isn't here at all is listed, with the reason, in
test_every_recording.py.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Any

import pytest

from durable.clock import SystemClock
from durable.runtime.http_activity import HttpSender
from durable.storage.azure.account import account_config, open_account
from durable.wire.envelopes import json_text
from tests.golden.account_compare import (
    Difference,
    compared,
    kind,
    leaves,
    text_differences,
    text_name,
)
from tests.golden.account_dump import (
    DATA,
    AzuriteReader,
    Columns,
    Dump,
    Recorded,
    in_memory,
    masked,
    recorded,
)
from tests.golden.entity_differences import ENTITY_DIFFERENCES
from tests.golden.entity_runs import entity_scenarios
from tests.golden.golden_stage import Put, Stage
from tests.golden.scenario_differences import DIFFERENCES, OWN_DIFFERENCES
from tests.golden.scenario_differences_more import MORE_DIFFERENCES
from tests.golden.scenario_runs import Scenario, scenarios
from tests.golden.scenario_runs_more import more_scenarios
from tests.simulation.simloop import run_simulation


def all_scenarios() -> dict[str, Scenario]:
    return {**scenarios(), **more_scenarios(), **entity_scenarios()}


SCENARIOS = tuple(all_scenarios())
OWN = {**OWN_DIFFERENCES, **MORE_DIFFERENCES, **ENTITY_DIFFERENCES}
#: They wait three seconds and more.
LONG = {
    "dtfx/04_timer_cancel",
    "dtfx/07_retry",
    "dtfx/11_terminate_scheduled",
    "dtfx/14_scheduled_start",
    "dtfx/18_entity_signal",
    "extension/entity_signal_client_delayed",
    "extension/entity_signal_orchestrator_and_scheduled",
    "extension/retry",
    "extension/timer_10_days",
    "extension/timer_cancelled",
}
#: What ours do is the same as in another one, or in 01_hello (test_account_contents.py).
SAME = {
    "dtfx/06_sub_fails": "dtfx/06_sub_fails_details",
    "dtfx/08_act_fail_ext": "dtfx/08_act_fail_details",
    "dtfx/08_act_fail_serialize": "dtfx/08_act_fail_details",
    "dtfx/09_orch_fail_ext": "dtfx/09_orch_fail_details",
    "dtfx/09_orch_fail_serialize": "dtfx/09_orch_fail_details",
    "dtfx/21_hello_extended": "dtfx/01_hello",
    "dtfx/27_instance_etag": "dtfx/01_hello",
    "extension/entity_lock_two": "dtfx/18_entity_lock",
    "extension/legacy_partition_management": "dtfx/01_hello",
    "extension/sim_oop_hello_v1": "dtfx/01_hello",
    "extension/sim_oop_timer": "dtfx/04_timer",
    "extension/timer_2s": "dtfx/04_timer",
}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: f"{scenario}-memory")
def test_a_scenario_leaves_what_was_recorded(scenario: str) -> None:
    found = differences(scenario)
    assert found - DIFFERENCES.keys() == OWN.get(scenario, {}).keys()


@pytest.mark.azurite
@pytest.mark.slow
@pytest.mark.parametrize(
    "scenario",
    [scenario for scenario in SCENARIOS if scenario not in LONG | SAME.keys()],
    ids=lambda scenario: f"{scenario}-azurite",
)
async def test_a_scenario_leaves_what_was_recorded_on_azurite(
    scenario: str, azurite_connection_string: str
) -> None:
    played = all_scenarios()[scenario]
    found = await run_on_azurite(scenario, played, azurite_connection_string)
    assert found - DIFFERENCES.keys() == OWN.get(scenario, {}).keys()


def test_every_common_difference_occurs() -> None:
    assert set().union(*map(differences, SCENARIOS)) >= DIFFERENCES.keys()


@functools.cache
def differences(scenario: str) -> set[Difference]:
    played = all_scenarios()[scenario]
    return run_simulation(run_in_memory(scenario, played))


async def run_in_memory(
    scenario: str, played: Scenario, http: HttpSender | None = None
) -> set[Difference]:
    recording = recorded(scenario)
    stage = Stage(recording.hub, played.registry(), http=http)
    await played.client(stage)
    await stage.engine.close()
    dump = await in_memory(stage.account, recording.hub)
    return against(scenario, recording, dump, stage.puts)


async def run_on_azurite(
    scenario: str, played: Scenario, connection_string: str, http: HttpSender | None = None
) -> set[Difference]:
    """But for delays: when a message is put, less or more of its time is left."""
    account = open_account(account_config({"Store": connection_string}, "Store"))
    recording, clock = recorded(scenario), SystemClock()
    stage = Stage(recording.hub, played.registry(), http=http, account=account, clock=clock)
    try:
        await played.client(stage)
        await stage.engine.close()
        dump = await AzuriteReader(connection_string).dump(account, recording.hub)
    finally:
        await stage.hub.delete()
        await account.close()
    found = against(scenario, recording, dump, stage.puts)
    return {each for each in found if each[2] != "visibilitytimeout"}


def against(scenario: str, recording: Recorded, dump: Dump, puts: Sequence[Put]) -> set[Difference]:
    found: set[Difference] = set()
    for table in ("Instances", "History"):
        name = f"{recording.hub}{table}"
        found |= table_differences(table, recording.dump.tables[name], dump.tables[name])
    return found | put_differences(recorded_puts(scenario), puts)


Row = tuple[str, str, Columns]


def table_differences(table: str, theirs: Sequence[Row], ours: Sequence[Row]) -> set[Difference]:
    """Rows by partition, in order; a row that has no counterpart is a difference by itself."""
    before, after = by_partition(theirs), by_partition(ours)
    return {
        difference
        for key in before | after
        for one, other in aligned(
            before.get(key, []),
            after.get(key, []),
            [kind(table, row) for row in before.get(key, [])],
            [kind(table, row) for row in after.get(key, [])],
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
        is_whole = name in {"Details", "CustomStatus"}
        if isinstance(value, str) and value.startswith('{"') and not is_whole:
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
        found |= folded(text_differences(json_text(original.text), json_text(put.text)))
        found |= delay_differences(put_name(put), delay, put.delay_seconds)
        if original.text.startswith("{") != put.text.startswith("{"):
            found.add(("put", put_name(put), "encoding", "another value"))
        if original.queue != put.queue and not has_random_target(put):
            found.add(("put", put_name(put), "queue", "another value"))
    return found


def put_name(put: Put) -> str:
    message = json.loads(json_text(put.text))
    again = "Since" in message.get("Durable", {})
    return f"{text_name(message)} again" if again else text_name(message)


def target_of(put: Put) -> str:
    message = json.loads(json_text(put.text))["TaskMessage"]
    return "" if message is None else str(message["OrchestrationInstance"]["InstanceId"])


def has_random_target(put: Put) -> bool:
    """Whether chance says which control queue it is: the hash of a random id."""
    target = target_of(put)
    return masked(target) != target and "-control-" in put.queue


def delay_differences(name: str, theirs: int | None, ours: int) -> set[Difference]:
    if (theirs or 0) == ours:
        return set()
    how = "rounded up" if theirs is not None and ours == theirs + 1 else "another value"
    return {("put", name, "visibilitytimeout", how)}
