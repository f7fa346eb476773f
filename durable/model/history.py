"""A history as stored: the events that count, and the sentinel that guards them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from durable.model.events import HistoryEvent


@dataclass(frozen=True, kw_only=True, slots=True)
class RecentIdentity:
    """An event's identity that an earlier execution consumed, and when it was consumed (R7)."""

    identity: str
    consumed_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Rewind:
    """An execution's last rewind, as journaled in the sentinel (commit.md, "Rewind").

    Attributes:
        token: whose rewind it is; its children's rewinds bear the same.
        reason: what the client said.
        execution_id: the execution it is about; for another one it means nothing.
        sequence: how many stretches the execution had when it was accepted.
        cut: the row from which on failures are made good, as it was found then.
        rows: how many rows of the execution are rewound by now, so that a read of several pages
            that a rewind overtook is noticed.
        is_done: every row that is to change has been changed.
    """

    token: str
    execution_id: str
    sequence: int
    cut: int
    reason: str | None = None
    rows: int = 0
    is_done: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Sentinel:
    """The last row of a history partition. Its ETag decides every race.

    The first three columns are the original's; the rest is ours (commit.md, "The sentinel's
    columns") and holds only while `is_ours`.

    Attributes:
        sequence: how many stretches (checkpoints) this execution has.
        committed_count: how many rows count.
        committed_stamp: a copy of `checkpoint_time`; differs once a .NET worker merged the row.
        committed_execution_id: the execution our columns speak of.
        first_execution_id: the execution the start message named, through continue-as-new.
        sent_by: who moved the sentinel last: a commit's own mark, or whoever sends for another
            process (R11).
        purged: a tombstone (R8).
        identities: recent identities of earlier executions (R7).
        identities_blob: the blob they are in when they outgrow the column.
        rewind: the last rewind of this execution; holds whoever wrote the sentinel last.
    """

    execution_id: str | None
    is_checkpoint_complete: bool | None = None
    checkpoint_time: datetime | None = None
    sequence: int | None = None
    committed_count: int | None = None
    committed_stamp: datetime | None = None
    committed_execution_id: str | None = None
    first_execution_id: str | None = None
    sent_by: str | None = None
    purged: bool = False
    identities: tuple[RecentIdentity, ...] = ()
    identities_blob: str | None = None
    rewind: Rewind | None = None
    etag: str | None = None
    timestamp: datetime | None = None

    @property
    def is_ours(self) -> bool:
        """Our columns still hold: no .NET worker merged the sentinel since."""
        return (
            self.committed_stamp is not None
            and self.committed_stamp == self.checkpoint_time
            and self.committed_execution_id == self.execution_id
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredEvent:
    """An event of a history, and the blobs its large properties live in, by column name."""

    event: HistoryEvent
    blobs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class History:
    """The events that count (R2), in order, and the sentinel; both empty when there is none."""

    events: tuple[StoredEvent, ...] = ()
    sentinel: Sentinel | None = None
