"""Who owns what: rows of the Partitions table, the app lease, and the hub's own description."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from durable.wire.fields import Column, ColumnFields, Fields, as_object
from durable.wire.keys import fnv1a32
from durable.wire.text import from_json, to_json
from durable.wire.times import format_time, to_column


@dataclass(frozen=True, kw_only=True, slots=True)
class PartitionLease:
    """A row of the Partitions table: partition key empty, row key the control queue's name.

    Every update replaces the row, so what is None is gone.
    """

    queue: str
    current_owner: str | None = None
    next_owner: str | None = None
    owned_since: datetime | None = None
    last_renewal: datetime | None = None
    expires_at: datetime | None = None
    is_draining: bool = False
    etag: str | None = None


def encode_lease(lease: PartitionLease) -> dict[str, Column]:
    """The columns of what is set, without the keys."""
    columns: dict[str, Column | None] = {
        "CurrentOwner": lease.current_owner,
        "NextOwner": lease.next_owner,
        "OwnedSince": _moment(lease.owned_since),
        "LastRenewal": _moment(lease.last_renewal),
        "ExpiresAt": _moment(lease.expires_at),
        "IsDraining": lease.is_draining,
    }
    return {name: value for name, value in columns.items() if value is not None}


def _moment(moment: datetime | None) -> datetime | None:
    return None if moment is None else to_column(moment)


def decode_lease(row_key: str, columns: Mapping[str, Column], etag: str | None) -> PartitionLease:
    """The lease of a row.

    Raises:
        CorruptRecord: a column that can't be understood.
    """
    fields = ColumnFields(columns, f"Partitions row {row_key!r}")
    return PartitionLease(
        queue=row_key,
        current_owner=fields.text("CurrentOwner"),
        next_owner=fields.text("NextOwner"),
        owned_since=fields.optional_moment("OwnedSince"),
        last_renewal=fields.optional_moment("LastRenewal"),
        expires_at=fields.optional_moment("ExpiresAt"),
        is_draining=fields.flag("IsDraining"),
        etag=etag,
    )


def app_lease_id(app_name: str) -> str:
    """The lease id under which the workers of one app hold the hub."""
    return f"{fnv1a32(app_name):08x}-0000-0000-0000-000000000000"


@dataclass(frozen=True, kw_only=True, slots=True)
class AppLeaseInfo:
    """Which app holds the hub, and which one asked for it; both are lease ids."""

    owner_id: str | None = None
    desired_swap_id: str | None = None


def encode_app_lease_info(info: AppLeaseInfo) -> str:
    """The text of the app lease's blob; ``{}`` before anybody held it."""
    if info == AppLeaseInfo():
        return "{}"
    return to_json({"OwnerId": info.owner_id, "DesiredSwapId": info.desired_swap_id})


def decode_app_lease_info(text: str) -> AppLeaseInfo:
    """The inverse of `encode_app_lease_info`.

    Raises:
        CorruptRecord: it can't be understood.
    """
    fields = _object(text, "App lease info")
    return AppLeaseInfo(
        owner_id=fields.text("OwnerId"), desired_swap_id=fields.text("DesiredSwapId")
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskHubInfo:
    """What ``taskhub.json`` says; only .NET's blob partition managers write it."""

    name: str
    created_at: datetime
    partition_count: int


def encode_task_hub_info(info: TaskHubInfo) -> str:
    """The text of ``taskhub.json``."""
    return to_json(
        {
            "TaskHubName": info.name,
            "CreatedAt": format_time(info.created_at),
            "PartitionCount": info.partition_count,
        }
    )


def decode_task_hub_info(text: str) -> TaskHubInfo:
    """The inverse of `encode_task_hub_info`.

    Raises:
        CorruptRecord: it can't be understood.
    """
    fields = _object(text, "taskhub.json")
    return TaskHubInfo(
        name=fields.required_text("TaskHubName"),
        created_at=fields.moment("CreatedAt"),
        partition_count=fields.integer("PartitionCount"),
    )


def _object(text: str, what: str) -> Fields:
    return Fields(as_object(from_json(text, what), what), what)
