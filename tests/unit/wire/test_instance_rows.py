from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, strategies as st

from durable.errors import CorruptRecord
from durable.model.status import InstanceRow, RuntimeStatus
from durable.model.times import NO_TIME
from durable.wire.fields import Column
from durable.wire.instance_rows import decode_instance, encode_instance
from durable.wire.keys import escape_partition_key
from durable.wire.text import well_formed
from tests.unit.wire.conftest import INT32, MOMENTS, OPTIONAL, STATUSES, TAGS

NOW = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
OPTIONAL_MOMENTS = st.none() | MOMENTS
ROWS = st.builds(
    InstanceRow,
    instance_id=st.text(max_size=10),
    execution_id=OPTIONAL,
    name=OPTIONAL,
    version=OPTIONAL,
    input=OPTIONAL,
    input_blob=OPTIONAL,
    output=OPTIONAL,
    custom_status=OPTIONAL,
    created_time=OPTIONAL_MOMENTS,
    last_updated_time=OPTIONAL_MOMENTS,
    completed_time=OPTIONAL_MOMENTS,
    status=st.none() | STATUSES,
    scheduled_start_time=OPTIONAL_MOMENTS,
    generation=st.none() | INT32,
    tags=TAGS,
    task_hub_name=OPTIONAL,
    checkpoint_sequence=st.none() | INT32,
    etag=OPTIONAL,
    timestamp=OPTIONAL_MOMENTS,
)


@given(ROWS)
def test_rows_come_back(row: InstanceRow) -> None:
    columns = encode_instance(row)
    key = escape_partition_key(row.instance_id)
    assert decode_instance(key, columns, row.etag, row.timestamp) == row


def test_only_what_is_set_is_written() -> None:
    row = InstanceRow(
        instance_id="i",
        execution_id="x",
        status=RuntimeStatus.RUNNING,
        last_updated_time=NOW,
        custom_status="null",
        task_hub_name="MyHub",
        checkpoint_sequence=2,
    )
    assert encode_instance(row) == {
        "ExecutionId": "x",
        "RuntimeStatus": "Running",
        "LastUpdatedTime": NOW,
        "CustomStatus": "null",
        "TaskHubName": "MyHub",
        "CheckpointSequence": 2,
    }


def test_a_row_with_a_creation_time_says_that_it_has_no_tags() -> None:
    row = InstanceRow(instance_id="i", execution_id="x", created_time=NOW)
    assert encode_instance(row)["Tags"] == "null"


def test_tags_are_plain_json() -> None:
    row = InstanceRow(instance_id="i", execution_id="x", tags={"k": "é"})
    assert encode_instance(row)["Tags"] == '{"k":"é"}'


def test_lone_surrogates_and_no_time_do_not_reach_the_table() -> None:
    row = InstanceRow(instance_id="i", execution_id="x", output="\ud800", completed_time=NO_TIME)
    columns = encode_instance(row)
    assert columns["Output"] == well_formed("\ud800")
    assert columns["CompletedTime"] == datetime(1601, 1, 1, tzinfo=UTC)


def test_an_unknown_status_is_none_and_the_id_is_unescaped() -> None:
    row = decode_instance("a^0b", {"RuntimeStatus": "Dreaming"}, "e", NOW)
    assert row == InstanceRow(instance_id="a/b", execution_id=None, etag="e", timestamp=NOW)


@pytest.mark.parametrize(
    "columns",
    [{"Name": 1}, {"RuntimeStatus": 1}, {"CreatedTime": "x"}, {"Generation": "0"}, {"Tags": "x"}],
)
def test_a_malformed_row_is_corrupt(columns: dict[str, Column]) -> None:
    with pytest.raises(CorruptRecord, match="Instances row 'i'"):
        decode_instance("i", columns, None, None)
