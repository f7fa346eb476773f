"""Every recorded row decodes, and encodes again to the same columns of the same EDM types."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from durable.wire.fields import Column
from durable.wire.history_rows import decode_event, encode_event, execution_of
from durable.wire.instance_rows import decode_instance, encode_instance
from durable.wire.keys import SENTINEL, escape_partition_key, row_index, row_key
from durable.wire.lease_rows import (
    app_lease_id,
    decode_app_lease_info,
    decode_lease,
    decode_task_hub_info,
    encode_app_lease_info,
    encode_lease,
    encode_task_hub_info,
)
from durable.wire.names import TASK_HUB_INFO, HubNames
from durable.wire.sentinel_rows import decode_sentinel, encode_sentinel
from durable.wire.spill import (
    blobs_of,
    compress,
    container_blob,
    decompress,
    history_blob_name,
    instance_blob_name,
    oversized,
    with_blob,
    with_text,
)
from durable.wire.times import format_exact, parse_time

DATA = Path(__file__).parent / "data"
SCENARIOS = sorted(
    folder.relative_to(DATA).as_posix()
    for part in ("dtfx", "extension", "python")
    for folder in (DATA / part).iterdir()
)
Keys = tuple[str, str]

# Where a row comes back different, and why. (table, event type or "", column): reason.
_LEFT_BEHIND = (
    "A rewound row is a GenericEvent with the columns of what it was; the event hasn't them."
)
DIFFERENCES: dict[tuple[str, str, str], str] = {
    ("History", "GenericEvent", "Name"): _LEFT_BEHIND,
    ("History", "GenericEvent", "Version"): _LEFT_BEHIND,
    ("History", "GenericEvent", "ParentTraceContext"): _LEFT_BEHIND,
    ("History", "GenericEvent", "Tags"): _LEFT_BEHIND,
    ("History", "GenericEvent", "TaskScheduledId"): _LEFT_BEHIND,
    ("History", "GenericEvent", "Details"): _LEFT_BEHIND,
    ("History", "GenericEvent", "FailureDetails"): _LEFT_BEHIND,
    ("History", "GenericEvent", "OrchestrationStatus"): _LEFT_BEHIND,
    ("History", "GenericEvent", "Result"): _LEFT_BEHIND,
    ("History", "SubOrchestrationInstanceCreated", "Reason"): (
        "Rewind keeps the type of a child's creation and only adds a reason, which the event "
        "type doesn't have, in the original either."
    ),
    ("Instances", "", "TagsBlobName"): (
        "Only creation writes it; no reader of the original looks at it, and a row keeps it "
        "after the first checkpoint has written the tags inline."
    ),
}


def final(scenario: str) -> dict[str, dict[str, object]]:
    read: dict[str, dict[str, object]] = json.loads(
        (DATA / scenario / "final.json").read_text(encoding="utf-8")
    )
    return read


def rows(scenario: str, table: str) -> list[tuple[Keys, dict[str, Column]]]:
    """The keys and columns of the rows of one table."""
    found: list[tuple[Keys, dict[str, Column]]] = []
    for name, listed in final(scenario)["tables"].items():
        if not name.endswith(table):
            continue
        assert isinstance(listed, list)
        for row in listed:
            columns: dict[str, Column] = {
                column: parse_time(value)
                if row.get(f"{column}@odata.type") == "Edm.DateTime"
                else value
                for column, value in row.items()
                if "odata." not in column and column not in {"PartitionKey", "RowKey", "Timestamp"}
            }
            found.append(((row["PartitionKey"], row["RowKey"]), columns))
    return found


def typed(columns: dict[str, Column]) -> dict[str, tuple[str, object]]:
    """Columns with their EDM types, times to the tick."""
    kinds = {str: "Edm.String", bool: "Edm.Boolean", int: "Edm.Int32"}
    return {
        name: ("Edm.DateTime", format_exact(value))
        if isinstance(value, datetime)
        else (kinds[type(value)], value)
        for name, value in columns.items()
    }


def blobs(scenario: str) -> dict[str, str]:
    """The texts of the blobs whose bytes were recorded, by name."""
    listed = [
        blob
        for container in final(scenario)["blobs"].values()
        if isinstance(container, dict) and isinstance(container.get("blobs"), list)
        for blob in container["blobs"]
    ]
    return {
        it["name"]: decompress(base64.b64decode(it["base64"]), max_bytes=10**6)
        for it in listed
        if "base64" in it
    }


def placeholders(columns: dict[str, Column]) -> dict[str, str]:
    """The blobs that stand for a column; not the stale names that Instances rows keep."""
    return {prop: name for prop, name in blobs_of(columns).items() if columns[prop] == ""}


def loaded(columns: dict[str, Column], texts: dict[str, str]) -> dict[str, Column]:
    for prop, name in placeholders(columns).items():
        if name in texts:
            columns = with_text(columns, prop, texts[name])
    return columns


def stored(columns: dict[str, Column], original: dict[str, Column]) -> dict[str, Column]:
    for prop, name in placeholders(original).items():
        columns = with_blob(columns, prop, name)
    return columns


def event_again(columns: dict[str, Column]) -> dict[str, Column]:
    return encode_event(decode_event(columns), execution_id=execution_of(columns) or "")


def dropped(
    table: str, kind: str, before: dict[str, Column], after: dict[str, Column]
) -> set[tuple[str, str, str]]:
    """The columns that didn't come back. Everything else must be the same."""
    gone = before.keys() - after.keys()
    kept = {name: value for name, value in before.items() if name not in gone}
    assert typed(after) == typed(kept)
    return {(table, kind, name) for name in gone}


def differences(scenario: str) -> set[tuple[str, str, str]]:
    """Where the rows of a scenario come back different."""
    texts = blobs(scenario)
    found: set[tuple[str, str, str]] = set()
    for (_, row), columns in rows(scenario, "History"):
        if row != SENTINEL:
            after = stored(event_again(loaded(columns, texts)), columns)
            found |= dropped("History", str(columns["EventType"]), columns, after)
    for (partition_key, _), columns in rows(scenario, "Instances"):
        whole = loaded(columns, texts)
        after = encode_instance(decode_instance(partition_key, whole, None, None))
        found |= dropped("Instances", "", columns, stored(after, columns))
    return found


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_rows_come_back_the_same_but_for_the_listed_differences(scenario: str) -> None:
    assert differences(scenario) <= DIFFERENCES.keys()


def test_the_list_of_differences_is_exact() -> None:
    found = set().union(*(differences(scenario) for scenario in SCENARIOS))
    assert found == DIFFERENCES.keys()


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_sentinel_comes_back_the_same(scenario: str) -> None:
    for (_, row), columns in rows(scenario, "History"):
        if row == SENTINEL:
            sentinel = decode_sentinel(columns, None, None)
            assert typed(encode_sentinel(sentinel)) == typed(columns)
            assert not sentinel.is_ours


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_partitions_row_comes_back_the_same(scenario: str) -> None:
    names = final(scenario)
    for (partition_key, row), columns in rows(scenario, "Partitions"):
        assert partition_key == ""
        assert row in HubNames(str(names["hub"]), 16).control_queues
        assert typed(encode_lease(decode_lease(row, columns, None))) == typed(columns)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_keys_come_back_the_same(scenario: str) -> None:
    for (_, row), _columns in rows(scenario, "History"):
        assert row == SENTINEL or row_key(row_index(row)) == row
    for (partition_key, row), columns in rows(scenario, "Instances"):
        assert row == ""
        instance = decode_instance(partition_key, columns, "etag", datetime(2024, 1, 1, tzinfo=UTC))
        assert escape_partition_key(instance.instance_id) == partition_key


def test_as_many_rows_were_compared_as_there_are() -> None:
    counts = {
        table: sum(len(rows(scenario, table)) for scenario in SCENARIOS)
        for table in ("History", "Instances", "Partitions")
    }
    assert counts == {"History": 1795, "Instances": 145, "Partitions": 428}


def test_resources_are_named_as_recorded() -> None:
    for scenario in SCENARIOS:
        recorded = final(scenario)
        names = HubNames(str(recorded["hub"]), 4)
        assert set(recorded["queues"]) <= {*names.control_queues, names.work_items}
        assert set(recorded["tables"]) <= {
            names.history_table,
            names.instances_table,
            names.partitions_table,
        }
        assert set(recorded["blobs"]) <= {names.large_messages, names.leases, names.app_lease}


def blob_texts(scenario: str, name: str) -> list[str]:
    """The texts of small blobs with that name; two recorders, two layouts."""
    found: list[str] = []
    for container in final(scenario)["blobs"].values():
        assert isinstance(container, dict)
        listed = container.get("blobs")
        if isinstance(listed, list):
            found += [blob["text"] for blob in listed if blob["name"] == name]
        elif name in container:
            found.append(container[name]["text"])
    return found


def test_the_app_lease_info_comes_back_the_same() -> None:
    texts = [
        text
        for scenario in SCENARIOS
        for text in blob_texts(scenario, HubNames(str(final(scenario)["hub"]), 4).app_lease_info)
    ]
    assert len(texts) == len(SCENARIOS) - 1  # 20_bootstrap_delete deletes the hub
    assert [encode_app_lease_info(decode_app_lease_info(text)) for text in texts] == texts
    owners = {decode_app_lease_info(text).owner_id for text in texts}
    assert app_lease_id("") in owners


def test_the_task_hub_info_comes_back_the_same() -> None:
    texts = [text for scenario in SCENARIOS for text in blob_texts(scenario, TASK_HUB_INFO)]
    assert texts
    assert [encode_task_hub_info(decode_task_hub_info(text)) for text in texts] == texts


def test_a_property_of_30720_units_stays_and_one_more_goes() -> None:
    inline = [columns for _, columns in rows("dtfx/03_prop_30720", "History")]
    assert not any(blobs_of(columns) or oversized(columns) for columns in inline)
    texts = blobs("dtfx/03_prop_30721")
    spilled = [columns for _, columns in rows("dtfx/03_prop_30721", "History") if blobs_of(columns)]
    assert [oversized(loaded(columns, texts)) for columns in spilled] == [("Result",), ("Result",)]


def test_blobs_are_named_as_recorded() -> None:
    checked = 0
    for scenario in SCENARIOS:
        for (partition_key, row), columns in rows(scenario, "History"):
            for prop, name in blobs_of(columns).items():
                token = name.split("-")[-2]
                kind = str(columns["EventType"])
                assert history_blob_name(partition_key, row, kind, token, prop) == name
                checked += 1
        for (partition_key, _), columns in rows(scenario, "Instances"):
            for prop, name in blobs_of(columns).items():
                assert instance_blob_name(partition_key, prop, name.split("-")[-2]) == name
                checked += 1
    assert checked == 22


def test_blob_urls_of_instances_refer_to_blobs_of_their_container() -> None:
    checked = 0
    for scenario in SCENARIOS:
        names = HubNames(str(final(scenario)["hub"]), 4)
        for (partition_key, _), columns in rows(scenario, "Instances"):
            for value in (columns.get("Input"), columns.get("Output")):
                if isinstance(value, str) and value.startswith("http"):
                    name = container_blob(value, names.large_messages)
                    assert name is not None
                    assert name.startswith(f"{partition_key}/")
                    assert container_blob(value, f"{names.large_messages}x") is None
                    checked += 1
    assert checked == 13


def test_recorded_blobs_hold_what_ours_would() -> None:
    texts = [text for scenario in SCENARIOS for text in blobs(scenario).values()]
    assert len(texts) == 24
    assert [decompress(compress(text), max_bytes=10**6) for text in texts] == texts
