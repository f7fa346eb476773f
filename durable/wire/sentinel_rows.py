"""The sentinel: the last row of a history partition (commit.md, "The sentinel's columns").

It is merged, and a merge can't empty a column. So what may become empty is written as an empty
text, once columns of ours are written at all. Numbers and times have no empty value: a write that
must drop them (a tombstone over a live sentinel) replaces the row.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from durable.errors import CorruptRecord
from durable.model.history import RecentIdentity, Rewind, Sentinel
from durable.wire.fields import Column, ColumnFields, Fields
from durable.wire.spill import IDENTITIES, blob_column
from durable.wire.text import from_json, to_json, well_formed
from durable.wire.times import from_milliseconds, to_column, to_milliseconds

#: *Ours*: the column of the last rewind. It names its execution, so that it needs no emptying.
REWIND = "Rewind"
#: Everything but the list of recent identities, which may be long.
WITHOUT_IDENTITIES = (
    "ExecutionId",
    "IsCheckpointComplete",
    "CheckpointCompletedTimestamp",
    "CheckpointSequence",
    "CommittedCount",
    "CommittedStamp",
    "CommittedExecutionId",
    "FirstExecutionId",
    "SentBy",
    "Purged",
    REWIND,
)

_WHERE = "History row sentinel"
_PAIR = 2


def encode_sentinel(sentinel: Sentinel, *, identities: str | None = None) -> dict[str, Column]:
    """The sentinel's columns, without the keys.

    With an `identities_blob` the list is in that blob already, and only its name is written.
    `identities` is the list as `encode_identities` gives it, when it was encoded before.
    """
    columns: dict[str, Column | None] = {
        "ExecutionId": sentinel.execution_id,
        "IsCheckpointComplete": sentinel.is_checkpoint_complete,
        "CheckpointCompletedTimestamp": _moment(sentinel.checkpoint_time),
    }
    if _has_ours(sentinel):
        if sentinel.identities_blob:
            identities = ""
        elif identities is None:
            identities = encode_identities(sentinel.identities)
        columns |= {
            "CheckpointSequence": sentinel.sequence,
            "CommittedCount": sentinel.committed_count,
            "CommittedStamp": _moment(sentinel.committed_stamp),
            "CommittedExecutionId": sentinel.committed_execution_id or "",
            "FirstExecutionId": sentinel.first_execution_id or "",
            "SentBy": sentinel.sent_by or "",
            "Purged": sentinel.purged,
            IDENTITIES: identities,
            blob_column(IDENTITIES): sentinel.identities_blob or "",
        }
    if sentinel.rewind is not None:
        columns[REWIND] = encode_rewind(sentinel.rewind)
    return {
        name: well_formed(value) if isinstance(value, str) else value
        for name, value in columns.items()
        if value is not None
    }


def encode_rewind(rewind: Rewind) -> str:
    """A rewind as JSON."""
    return to_json(
        {
            "Token": rewind.token,
            "ExecutionId": rewind.execution_id,
            "Sequence": rewind.sequence,
            "Cut": rewind.cut,
            "Reason": rewind.reason,
            "Rows": rewind.rows,
            "IsDone": rewind.is_done,
        }
    )


def _has_ours(sentinel: Sentinel) -> bool:
    ours = (
        sentinel.sequence,
        sentinel.committed_count,
        sentinel.committed_stamp,
        sentinel.committed_execution_id,
        sentinel.first_execution_id,
        sentinel.sent_by,
        sentinel.identities_blob,
    )
    return sentinel.purged or bool(sentinel.identities) or any(value is not None for value in ours)


def _moment(moment: datetime | None) -> datetime | None:
    return None if moment is None else to_column(moment)


def decode_sentinel(
    columns: Mapping[str, Column], etag: str | None, timestamp: datetime | None
) -> Sentinel:
    """The sentinel of a row. Empty texts are None.

    A list of identities that spilled is left empty: fetch `identities_blob`, and read it with
    `decode_identities`.

    Raises:
        CorruptRecord: a column that can't be understood.
    """
    fields = ColumnFields(columns, _WHERE)
    execution_id = fields.text("ExecutionId")
    return Sentinel(
        execution_id=execution_id,
        is_checkpoint_complete=fields.optional_flag("IsCheckpointComplete"),
        checkpoint_time=fields.optional_moment("CheckpointCompletedTimestamp"),
        sequence=fields.optional_integer("CheckpointSequence"),
        committed_count=fields.optional_integer("CommittedCount"),
        committed_stamp=fields.optional_moment("CommittedStamp"),
        committed_execution_id=fields.text("CommittedExecutionId") or None,
        first_execution_id=fields.text("FirstExecutionId") or None,
        sent_by=fields.text("SentBy") or None,
        purged=fields.flag("Purged"),
        identities=_identities(fields, fields.json(IDENTITIES)),
        identities_blob=fields.text(blob_column(IDENTITIES)) or None,
        rewind=_rewind(fields, execution_id),
        etag=etag,
        timestamp=timestamp,
    )


def _rewind(fields: ColumnFields, execution_id: str | None) -> Rewind | None:
    """The execution's last rewind; None when the column speaks of another execution."""
    inner = fields.nested(REWIND)
    if inner is None:
        return None
    rewind = Rewind(
        token=inner.required_text("Token"),
        execution_id=inner.required_text("ExecutionId"),
        sequence=inner.integer("Sequence"),
        cut=inner.integer("Cut"),
        reason=inner.text("Reason"),
        rows=inner.integer("Rows"),
        is_done=inner.flag("IsDone"),
    )
    return rewind if rewind.execution_id == execution_id else None


def encode_identities(identities: tuple[RecentIdentity, ...]) -> str:
    """Recent identities as JSON: pairs of identity and milliseconds since 1970."""
    return to_json([[it.identity, to_milliseconds(it.consumed_at)] for it in identities])


def decode_identities(text: str) -> tuple[RecentIdentity, ...]:
    """The inverse of `encode_identities`; times come back in whole milliseconds.

    Raises:
        CorruptRecord: it is no such list.
    """
    fields = Fields({}, _WHERE)
    return _identities(fields, from_json(text, fields.path(IDENTITIES)))


def _identities(fields: Fields, value: object) -> tuple[RecentIdentity, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise fields.corrupt(IDENTITIES, "a JSON array")
    return tuple(_identity(item) for item in value)


def _identity(item: object) -> RecentIdentity:
    pair = item if isinstance(item, list) and len(item) == _PAIR else [None, None]
    identity, milliseconds = pair
    if isinstance(identity, str) and type(milliseconds) is int:
        try:
            return RecentIdentity(identity=identity, consumed_at=from_milliseconds(milliseconds))
        except ValueError as error:
            raise CorruptRecord(f"{_WHERE}.{IDENTITIES} holds {error}.") from None
    raise CorruptRecord(f"{_WHERE}.{IDENTITIES} should hold pairs of identity and milliseconds.")
