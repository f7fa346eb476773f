"""What the fuzzing has found, once each; and what it should not have to find by luck."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from durable.storage.values import Row, Value
from durable.wire.keys import SENTINEL
from tests.fuzz.corpus import ODD_EXTRAS, Sample
from tests.fuzz.ours import ours
from tests.fuzz.ward import Damage, examine
from tests.simulation.simloop import run_simulation

POINTERS = (
    # No instance can have such an id: the look whether it was purged failed again and again.
    f"{'y' * 700}/message.json.gz",
    "\ud800/message.json.gz",
    "../other-largemessages/secret.json.gz",
    "http://evil.example/other-largemessages/secret.json.gz",
    # Of another instance.
    "sick-large/message-8f999ddc20b34ecdea22b572b6c2605f-ExecutionStarted.json.gz",
)


@pytest.fixture(autouse=True, scope="module")
def warm() -> None:
    """Made before a loop runs: it takes one of its own."""
    ours()


def sick(*ids: str) -> Sample:
    sample = ours()
    return replace(
        sample,
        history=tuple(row for row in sample.history if row.partition_key in ids),
        instances=tuple(row for row in sample.instances if row.partition_key in ids),
    )


def changed(sample: Sample, row_key: str, columns: Mapping[str, Value]) -> Sample:
    """With columns changed in a row of each history."""
    assert any(row.row_key == row_key for row in sample.history)
    return replace(
        sample,
        history=tuple(
            replace(row, columns={**row.columns, **columns}) if row.row_key == row_key else row
            for row in sample.history
        ),
    )


def message_of(kind: str, change: Callable[[dict[str, object]], None] = lambda tree: None) -> str:
    """A message of ours, changed."""
    text = next(text for _, text in ours().messages if f"History.{kind}Event" in text)
    tree = json.loads(text)
    change(tree)
    return json.dumps(tree)


def sent_to(sample: Sample) -> list[tuple[bool, str]]:
    """What makes an engine look at each instance of a sample."""

    def addressed(instance_id: str) -> Callable[[dict[str, object]], None]:
        def change(tree: dict[str, object]) -> None:
            task = tree["TaskMessage"]
            assert isinstance(task, dict)
            task["OrchestrationInstance"] = {"InstanceId": instance_id, "ExecutionId": None}

        return change

    return [(False, message_of("EventRaised", addressed(each))) for each in sample.instance_ids]


@pytest.mark.parametrize("pointer", POINTERS)
def test_a_pointer_that_leads_nowhere(pointer: str) -> None:
    text = json.dumps({"CompressedBlobName": pointer})
    damage = Damage(sample=ours(), messages=[(False, text), (True, text)])
    run_simulation(examine(damage))


@pytest.mark.parametrize("extras", ODD_EXTRAS)
def test_odd_extras(extras: dict[str, object]) -> None:
    # A wait that began in the future had no end.
    def change(tree: dict[str, object]) -> None:
        tree["Durable"] = extras
        task = tree["TaskMessage"]
        assert isinstance(task, dict)
        task["OrchestrationInstance"] = {"InstanceId": "nobody", "ExecutionId": None}

    run_simulation(examine(Damage(messages=[(False, message_of("EventRaised", change))])))


def test_an_execution_id_that_has_no_utf8() -> None:
    # The activity ran ten times: its answer's id could not be made.
    def change(tree: dict[str, object]) -> None:
        task = tree["TaskMessage"]
        assert isinstance(task, dict)
        task["OrchestrationInstance"]["ExecutionId"] = "\ud800"

    run_simulation(examine(Damage(messages=[(True, message_of("TaskScheduled", change))])))


def test_a_start_of_another_instance_than_the_one_it_is_for() -> None:
    def change(tree: dict[str, object]) -> None:
        task = tree["TaskMessage"]
        assert isinstance(task, dict)
        task["OrchestrationInstance"]["InstanceId"] = "sick-elsewhere"

    run_simulation(examine(Damage(messages=[(False, message_of("ExecutionStarted", change))])))


@pytest.mark.parametrize(
    ("row_key", "columns"),
    [
        ("0000000000000001", {"EventType": "GenericEvent"}),
        (
            "0000000000000001",
            {"OrchestrationInstance": '{"InstanceId":"healthy","ExecutionId":"e"}'},
        ),
        ("0000000000000002", {"EventId": 2**31 - 1}),
        ("0000000000000002", {"InputBlobName": "sick-large/history-x.json.gz"}),
        (SENTINEL, {"CommittedCount": 0}),
        (SENTINEL, {"CommittedCount": -1}),
        (SENTINEL, {"CommittedCount": 10_000}),
        (SENTINEL, {"CheckpointSequence": 2**31 - 1}),
        (SENTINEL, {"CheckpointSequence": -3}),
        (SENTINEL, {"ExecutionId": "other"}),
        (SENTINEL, {"Purged": True, "IsCheckpointComplete": "yes"}),
        (SENTINEL, {"RecentIdentities": "[" * 900 + "]" * 900}),
    ],
)
@pytest.mark.parametrize("fast", [False, True])
def test_a_damaged_history(row_key: str, columns: dict[str, Value], fast: bool) -> None:
    sample = changed(sick("sick-waits"), row_key, columns)
    run_simulation(examine(Damage(sample=sample, messages=sent_to(sample)), fast_path=fast))


def test_two_histories_with_each_others_rows() -> None:
    both = sick("sick-waits", "sick-held")
    other = {"sick-waits": "sick-held", "sick-held": "sick-waits"}

    def moved(row: Row) -> Row:
        return replace(row, partition_key=other[row.partition_key])

    sample = replace(both, history=tuple(map(moved, both.history)))
    run_simulation(examine(Damage(sample=sample, messages=sent_to(sample))))


def test_a_crowd_of_messages_for_a_damaged_history() -> None:
    # Each of them read it for three seconds, in one of the few places for turns.
    sample = changed(sick("sick-waits"), SENTINEL, {"CommittedCount": 10_000})
    crowd = sent_to(sample) * 60
    ward = run_simulation(examine(Damage(sample=sample, messages=crowd)))
    assert len(run_simulation(ward.lab.quarantined())) == len(crowd)
    # Ten failures of all of them together, and the sweeper's looks; each reads it sixty times.
    assert ward.queries < 60 * 20
