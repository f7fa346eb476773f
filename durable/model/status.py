"""What is known about one instance: its status, and its row in the Instances table."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


class RuntimeStatus(enum.StrEnum):
    """Where an instance stands. The texts are the ones in the Instances table."""

    RUNNING = "Running"
    COMPLETED = "Completed"
    CONTINUED_AS_NEW = "ContinuedAsNew"
    FAILED = "Failed"
    CANCELED = "Canceled"
    TERMINATED = "Terminated"
    PENDING = "Pending"
    SUSPENDED = "Suspended"

    @property
    def is_terminal(self) -> bool:
        return self in TERMINAL


#: An instance with one of these never changes again, except by rewind, restart or purge.
TERMINAL = frozenset(
    {
        RuntimeStatus.COMPLETED,
        RuntimeStatus.FAILED,
        RuntimeStatus.CANCELED,
        RuntimeStatus.TERMINATED,
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class InstanceRow:
    """One row of the Instances table, as stored.

    Payload columns (`input`, `output`, `custom_status`) are JSON texts or, when large, blob URLs;
    None is an absent column. `checkpoint_sequence` is ours (commit.md): everything up to that
    checkpoint of `execution_id` has been sent; None on a row that no checkpoint of ours wrote.
    """

    instance_id: str
    execution_id: str | None
    name: str | None = None
    version: str | None = None
    input: str | None = None
    input_blob: str | None = None
    output: str | None = None
    custom_status: str | None = None
    created_time: datetime | None = None
    last_updated_time: datetime | None = None
    completed_time: datetime | None = None
    status: RuntimeStatus | None = None
    scheduled_start_time: datetime | None = None
    generation: int | None = None
    tags: Mapping[str, str] | None = None
    task_hub_name: str | None = None
    checkpoint_sequence: int | None = None
    etag: str | None = None
    timestamp: datetime | None = None

    @property
    def is_unstarted(self) -> bool:
        """An accepted start that no checkpoint of ours has answered yet (R5)."""
        return self.status is RuntimeStatus.PENDING and self.checkpoint_sequence is None
