"""A message in quarantine, and the JSON document it is kept as."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

#: No reason, id or kind that a message makes up is told at greater length.
_MAX_TOLD = 2000
_NO_RECORD = "The record in the quarantine can't be read; discard it."


@dataclass(frozen=True, kw_only=True, slots=True)
class QuarantinedMessage:
    """A message that nobody could deal with, as it was kept.

    Attributes:
        id: what to replay or discard it by: its queue, a slash, and the queue message's id.
        queue: the queue it was taken from.
        message_id: the id that it had there.
        reason: what was wrong, and what can be done.
        quarantined_at, inserted_at: when it was put here, and into its queue; UTC. None where the
            record doesn't tell.
        dequeue_count: how often its queue had given it out.
        failures: how often the engine had failed on it.
        instance_id, kind: whom it is for, and which event it brings, as far as can be told.
        is_damaged: its record can't be read in whole; it can only be discarded.
        text: the message as it was in its queue, or in the blob it pointed to; None when it was
            not asked for.
    """

    id: str
    queue: str
    message_id: str
    reason: str
    quarantined_at: datetime | None
    inserted_at: datetime | None
    dequeue_count: int
    failures: int
    instance_id: str | None
    kind: str | None
    is_damaged: bool = False
    text: str | None = field(default=None, repr=False)


def told(text: str) -> str:
    """`text`, cut where it becomes too long to tell: what it quotes may come from anybody."""
    return text if len(text) <= _MAX_TOLD else f"{text[:_MAX_TOLD]}..."


def encode_record(kept: QuarantinedMessage) -> bytes:
    """The document of `kept`; any text can stand in it, lone surrogates too."""
    record = {
        "queue": kept.queue,
        "messageId": kept.message_id,
        "reason": kept.reason,
        "quarantinedAt": _written(kept.quarantined_at),
        "insertedAt": _written(kept.inserted_at),
        "dequeueCount": kept.dequeue_count,
        "failures": kept.failures,
        "instanceId": kept.instance_id,
        "kind": kept.kind,
        "text": kept.text,
    }
    return json.dumps(record, ensure_ascii=True, indent=1).encode()


def decode_record(id_: str, data: bytes) -> QuarantinedMessage:
    """What a document tells, which anybody may have written; `id_` is where it was found."""
    queue, _, message_id = id_.partition("/")
    values = _values(data)
    text = values.get("text")
    # Where it was found says which queue it belongs to, whatever it says itself.
    is_damaged = not isinstance(text, str) or values.get("queue") != queue
    return QuarantinedMessage(
        id=id_,
        queue=queue,
        message_id=_text(values, "messageId") or message_id,
        reason=_text(values, "reason") or _NO_RECORD,
        quarantined_at=_moment(values, "quarantinedAt"),
        inserted_at=_moment(values, "insertedAt"),
        dequeue_count=_count(values, "dequeueCount"),
        failures=_count(values, "failures"),
        instance_id=_text(values, "instanceId"),
        kind=_text(values, "kind"),
        is_damaged=is_damaged,
        text=text if isinstance(text, str) else None,
    )


def unreadable(id_: str, why: str) -> QuarantinedMessage:
    """What can be told of a record that can't even be fetched."""
    queue, _, message_id = id_.partition("/")
    return QuarantinedMessage(
        id=id_,
        queue=queue,
        message_id=message_id,
        reason=f"{_NO_RECORD} {why}",
        quarantined_at=None,
        inserted_at=None,
        dequeue_count=0,
        failures=0,
        instance_id=None,
        kind=None,
        is_damaged=True,
    )


def _values(data: bytes) -> Mapping[str, object]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _text(values: Mapping[str, object], name: str) -> str | None:
    found = values.get(name)
    return told(found) if isinstance(found, str) else None


def _count(values: Mapping[str, object], name: str) -> int:
    found = values.get(name)
    return found if type(found) is int and found >= 0 else 0


def _moment(values: Mapping[str, object], name: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(_text(values, name) or "")
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _written(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
