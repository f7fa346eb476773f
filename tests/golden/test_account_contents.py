"""The account's contents after a run, next to what the original left there.

The engine runs what was recorded, in memory and on Azurite (whose rows are read over plain HTTP,
with full metadata). Queues, tables, containers, rows, columns, EDM types, blobs and the text of
every message are the same, but for DIFFERENCES; an entry there that never occurs fails, too.

dtfx/03_boundary isn't run: its messages are of the exact size where they go to a blob, and ours
have one property more. The limit itself is checked with the wire format.
"""

from __future__ import annotations

import json

import pytest

from durable.clock import SystemClock
from durable.hub.settings import HubSettings
from durable.hub.taskhub import TaskHub
from durable.storage.azure.account import account_config, open_account
from durable.storage.memory import MemoryAccount
from durable.wire.keys import SENTINEL, row_key
from tests.golden.account_compare import (
    Difference,
    compared,
    kind,
    recorded_puts,
    text_differences,
)
from tests.golden.account_dump import (
    AzuriteReader,
    Blob,
    Columns,
    Dump,
    Recorded,
    in_memory,
    masked,
    recorded,
    same,
)
from tests.golden.account_runs import Puts, run
from tests.manual_clock import ManualClock

#: Activities that run one at a time, and then several at once.
IN_ORDER = (
    "extension/hello_sequence",
    "dtfx/01_hello",
    "extension/large_payload",
    "dtfx/03_large_activity",
    "dtfx/03_large_input",
    "dtfx/03_prop_30720",
    "dtfx/03_prop_30721",
)
SCENARIOS = (*IN_ORDER, "extension/fan_out", "dtfx/02_fanout")
_SENTINEL = (
    "The commit's own columns; a .NET worker merges the row without knowing them (commit.md)."
)
_UNOWNED = "In Functions mode no process owns a partition: the host gives messages to any."
_MARK = "Ours alone, so that a reader knows who sent it; .NET ignores it (commit.md R6, R7)."
_INPUT = "Messages are derived from rows, so a row holds what its message needs (commit.md R12)."
DIFFERENCES: dict[Difference, str] = {
    ("History", "sentinel", "CheckpointSequence", "ours only"): _SENTINEL,
    ("History", "sentinel", "CommittedCount", "ours only"): _SENTINEL,
    ("History", "sentinel", "CommittedStamp", "ours only"): _SENTINEL,
    ("History", "sentinel", "CommittedExecutionId", "ours only"): _SENTINEL,
    ("History", "sentinel", "FirstExecutionId", "ours only"): _SENTINEL,
    ("History", "sentinel", "SentBy", "ours only"): _SENTINEL,
    ("History", "sentinel", "Purged", "ours only"): _SENTINEL,
    ("History", "sentinel", "RecentIdentities", "ours only"): _SENTINEL,
    ("History", "sentinel", "RecentIdentitiesBlobName", "ours only"): _SENTINEL,
    ("History", "TaskScheduled", "Input", "ours only"): _INPUT,
    ("History", "TaskScheduled", "InputBlobName", "ours only"): _INPUT,
    ("blob", "TaskScheduled-{token}-Input.json.gz", "", "ours only"): _INPUT,
    ("container", "keys", "", "ours only"): "The management API's own key (design.md 4).",
    ("Instances", "", "CheckpointSequence", "ours only"): (
        "How a row behind its history is found (design.md 3, step 4)."
    ),
    ("Partitions", "", "CurrentOwner", "not ours"): _UNOWNED,
    ("Partitions", "", "OwnedSince", "not ours"): _UNOWNED,
    ("Partitions", "", "LastRenewal", "not ours"): _UNOWNED,
    ("Partitions", "", "ExpiresAt", "not ours"): _UNOWNED,
    ("text", "appleaseinfo", "OwnerId", "not ours"): _UNOWNED,
    ("text", "appleaseinfo", "DesiredSwapId", "not ours"): _UNOWNED,
    ("text", "ExecutionStartedEvent", "Durable.Mark", "ours only"): _MARK,
    ("text", "TaskScheduledEvent", "Durable.Mark", "ours only"): _MARK,
    ("text", "TaskCompletedEvent", "Durable.Mark", "ours only"): _MARK,
}


@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_an_account_in_memory_holds_what_was_recorded(scenario: str) -> None:
    assert await differences_in_memory(scenario) <= DIFFERENCES.keys()


@pytest.mark.azurite
@pytest.mark.slow
@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_an_account_on_azurite_holds_what_was_recorded(
    scenario: str, azurite_connection_string: str
) -> None:
    account = open_account(account_config({"Store": azurite_connection_string}, "Store"))
    recording = recorded(scenario)
    try:
        puts = await run(scenario, account, SystemClock())
        dump = await AzuriteReader(azurite_connection_string).dump(account, recording.hub)
        found = differences(scenario, recording, dump, puts)
    finally:
        await TaskHub(account, HubSettings(name=recording.hub), SystemClock()).delete()
        await account.close()
    assert found == await differences_in_memory(scenario)


async def test_every_listed_difference_occurs() -> None:
    found = [await differences_in_memory(scenario) for scenario in SCENARIOS]
    assert set().union(*found) == DIFFERENCES.keys()


async def differences_in_memory(scenario: str) -> set[Difference]:
    clock = ManualClock()
    account = MemoryAccount(clock)
    puts = await run(scenario, account, clock)
    recording = recorded(scenario)
    return differences(scenario, recording, await in_memory(account, recording.hub), puts)


def differences(scenario: str, recording: Recorded, ours: Dump, puts: Puts) -> set[Difference]:
    theirs = recording.dump
    assert ours.queues == theirs.queues
    assert ours.tables.keys() == theirs.tables.keys()
    assert ours.containers.keys() >= theirs.containers.keys()
    lower = f"{recording.hub.lower()}-"
    found: set[Difference] = {
        ("container", container.removeprefix(lower), "", "ours only")
        for container in ours.containers.keys() - theirs.containers.keys()
    }
    for table, rows in theirs.tables.items():
        found |= table_differences(table.removeprefix(recording.hub), rows, ours.tables[table])
    for container in theirs.containers:
        found |= blob_differences(theirs.containers[container], ours.containers[container])
    return found | message_differences(scenario, recorded_puts(scenario), puts)


Rows = list[tuple[str, str, Columns]]


def table_differences(table: str, theirs: Rows, ours: Rows) -> set[Difference]:
    if table == "History":
        for rows in (theirs, ours):
            keys = [key for _, key, _ in rows]
            assert keys == [*(row_key(n) for n in range(len(rows) - 1)), SENTINEL]
        theirs, ours = of_one_turn(theirs), of_one_turn(ours)
    else:
        assert [row[:2] for row in ours] == [row[:2] for row in theirs]
    assert [kind(table, row) for row in ours] == [kind(table, row) for row in theirs]
    return {
        difference
        for before, after in zip(theirs, ours, strict=True)
        for difference in compared(table, kind(table, before), before[2], after[2])
    }


def of_one_turn(rows: Rows) -> Rows:
    """Results that turns one after the other took, as if one had taken them, in order of task.

    How many messages a turn takes, and in which order they come, is chance, there and here.
    """
    kinds = [kind("History", row) for row in rows]
    between = ["TaskCompleted", "OrchestratorCompleted", "OrchestratorStarted", "TaskCompleted"]
    left: Rows = []
    for index, row in enumerate(rows):
        if any(kinds[start : start + 4] == between for start in (index - 1, index - 2)):
            continue
        left.append(row)
    results = [row for row in left if kind("History", row) == "TaskCompleted"]
    if len({row[2]["TaskScheduledId"] for row in results}) != len(results):
        return left
    in_order = iter(sorted(results, key=lambda row: int(str(row[2]["TaskScheduledId"][1]))))
    return [next(in_order) if kind("History", row) == "TaskCompleted" else row for row in left]


def blob_differences(theirs: dict[str, Blob], ours: dict[str, Blob]) -> set[Difference]:
    before = {masked(name): blob for name, blob in theirs.items()}
    after = {masked(name): blob for name, blob in ours.items()}
    assert before.keys() <= after.keys()
    found: set[Difference] = set()
    for name, blob in after.items():
        if name not in before:
            found.add(("blob", name.rsplit("/", 1)[1].split("-", 2)[2], "", "ours only"))
            continue
        if blob.headers is not None:
            assert blob.headers == before[name].headers
        if "/history-" in name:
            assert same(before[name].text, blob.text)
        else:
            found |= text_differences(before[name].text, blob.text)
    return found


def message_differences(scenario: str, theirs: Puts, ours: Puts) -> set[Difference]:
    if scenario in IN_ORDER:
        assert [queue for queue, _ in ours] == [queue for queue, _ in theirs]
    else:
        theirs, ours = sorted(theirs, key=by_task), sorted(ours, key=by_task)
    return {
        difference
        for (queue, before), (other, after) in zip(theirs, ours, strict=True)
        for difference in text_differences(before, after) | moved(queue, other)
    }


def moved(theirs: str, ours: str) -> set[Difference]:
    return set() if ours == theirs else {("queue", theirs, ours, "another")}


def by_task(put: tuple[str, str]) -> tuple[str, int]:
    event = json.loads(put[1])["TaskMessage"]["Event"]
    return event["$type"], event.get("TaskScheduledId", event["EventId"])
