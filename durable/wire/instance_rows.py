"""Rows of the Instances table. The partition key is the escaped id, the row key is empty."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from durable.model.status import InstanceRow, RuntimeStatus
from durable.wire.fields import Column, ColumnFields
from durable.wire.keys import unescape_partition_key
from durable.wire.nested import read_tags, to_object
from durable.wire.spill import blob_column
from durable.wire.text import to_json, well_formed
from durable.wire.times import to_column

#: Columns that queries filter by or select.
EXECUTION_ID = "ExecutionId"
NAME = "Name"
VERSION = "Version"
INPUT = "Input"
INPUT_BLOB = blob_column(INPUT)
OUTPUT = "Output"
CUSTOM_STATUS = "CustomStatus"
CREATED_TIME = "CreatedTime"
LAST_UPDATED_TIME = "LastUpdatedTime"
COMPLETED_TIME = "CompletedTime"
RUNTIME_STATUS = "RuntimeStatus"
SCHEDULED_START_TIME = "ScheduledStartTime"
GENERATION = "Generation"
TAGS = "Tags"
TASK_HUB_NAME = "TaskHubName"
#: *Ours* (commit.md).
CHECKPOINT_SEQUENCE = "CheckpointSequence"

_STATUSES = {status.value: status for status in RuntimeStatus}


def encode_instance(row: InstanceRow) -> dict[str, Column]:
    """The columns of what is set, without the keys.

    A row with a `created_time` is a whole one (a creation, or a checkpoint with the start): its
    tags are written even when there are none. Without, absent tags mean "as they were".
    """
    columns: dict[str, Column | datetime | None] = {
        INPUT: row.input,
        CREATED_TIME: row.created_time,
        NAME: row.name,
        VERSION: row.version,
        RUNTIME_STATUS: None if row.status is None else row.status.value,
        LAST_UPDATED_TIME: row.last_updated_time,
        TASK_HUB_NAME: row.task_hub_name,
        SCHEDULED_START_TIME: row.scheduled_start_time,
        EXECUTION_ID: row.execution_id,
        GENERATION: row.generation,
        TAGS: _tags(row),
        INPUT_BLOB: row.input_blob,
        CUSTOM_STATUS: row.custom_status,
        COMPLETED_TIME: row.completed_time,
        OUTPUT: row.output,
        CHECKPOINT_SEQUENCE: row.checkpoint_sequence,
    }
    return {name: _storable(value) for name, value in columns.items() if value is not None}


def _tags(row: InstanceRow) -> str | None:
    if row.tags is not None:
        return to_json(to_object(row.tags, typed=False))
    return None if row.created_time is None else "null"


def _storable(value: Column) -> Column:
    if isinstance(value, str):
        return well_formed(value)
    return to_column(value) if isinstance(value, datetime) else value


def decode_instance(
    partition_key: str,
    columns: Mapping[str, Column],
    etag: str | None,
    timestamp: datetime | None,
) -> InstanceRow:
    """The row as read. A status that nobody knows reads as None, as the original reads it as -1.

    Raises:
        CorruptRecord: a column that can't be understood.
    """
    fields = ColumnFields(columns, f"Instances row {partition_key!r}")
    return InstanceRow(
        instance_id=unescape_partition_key(partition_key),
        execution_id=fields.text(EXECUTION_ID),
        name=fields.text(NAME),
        version=fields.text(VERSION),
        input=fields.text(INPUT),
        input_blob=fields.text(INPUT_BLOB),
        output=fields.text(OUTPUT),
        custom_status=fields.text(CUSTOM_STATUS),
        created_time=fields.optional_moment(CREATED_TIME),
        last_updated_time=fields.optional_moment(LAST_UPDATED_TIME),
        completed_time=fields.optional_moment(COMPLETED_TIME),
        status=_STATUSES.get(fields.text(RUNTIME_STATUS) or ""),
        scheduled_start_time=fields.optional_moment(SCHEDULED_START_TIME),
        generation=fields.optional_integer(GENERATION),
        tags=read_tags(fields.nested(TAGS)),
        task_hub_name=fields.text(TASK_HUB_NAME),
        checkpoint_sequence=fields.optional_integer(CHECKPOINT_SEQUENCE),
        etag=etag,
        timestamp=timestamp,
    )
