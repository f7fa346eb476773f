"""Bodies that are answered: status payloads, errors."""

from __future__ import annotations

from datetime import datetime

from durable.api.http import Response, json_response
from durable.client.entity_looking import Entity
from durable.client.history_view import Entry
from durable.client.json_text import dump, embedded
from durable.hub.instances import InstanceTexts
from durable.hub.quarantine_records import QuarantinedMessage
from durable.model.status import InstanceRow
from durable.wire.times import format_time

BAD_ARGUMENT = "One or more of the arguments submitted is incorrect"
BAD_JSON = "Invalid JSON content"
BROKEN = "Something went wrong while processing your request"


def status_payload(
    row: InstanceRow, texts: InstanceTexts, history: list[Entry] | None = None
) -> dict[str, object]:
    """One instance as the API shows it. There is no `historyEvents` without a history."""
    payload: dict[str, object] = {
        "name": row.name,
        "instanceId": row.instance_id,
        "runtimeStatus": None if row.status is None else row.status.value,
        "input": embedded(texts.input),
        "customStatus": embedded(row.custom_status),
        "output": embedded(texts.output),
        "createdTime": _whole_seconds(row.created_time),
        "lastUpdatedTime": _whole_seconds(row.last_updated_time),
    }
    return payload if history is None else payload | {"historyEvents": history}


def entity_payload(entity: Entity) -> dict[str, object]:
    """One entity as the API lists it; `state` is null when it was not asked for."""
    return {
        "entityId": {"name": entity.name, "key": entity.key},
        "lastOperationTime": _exact(entity.last_modified),
        "state": embedded(entity.state),
    }


def quarantine_payload(kept: QuarantinedMessage) -> dict[str, object]:
    """A message in quarantine; `text` is null when it was not asked for."""
    return {
        "id": kept.id,
        "queueName": kept.queue,
        "messageId": kept.message_id,
        "reason": kept.reason,
        "quarantinedTime": _exact(kept.quarantined_at),
        "insertedTime": _exact(kept.inserted_at),
        "dequeueCount": kept.dequeue_count,
        "failures": kept.failures,
        "instanceId": kept.instance_id,
        "kind": kept.kind,
        "isDamaged": kept.is_damaged,
        "text": kept.text,
    }


def error_response(
    status: int, message: str, error: Exception, text: str | None = None
) -> Response:
    """An error as the original words it: `message` says the kind, `text` (the error's) what.

    No stack trace leaves the process.
    """
    body = {
        "Message": message,
        "ExceptionMessage": str(error) if text is None else text,
        "ExceptionType": f"{type(error).__module__}.{type(error).__qualname__}",
        "StackTrace": None,
    }
    return json_response(status, dump(body))


def _exact(time: datetime | None) -> str | None:
    return None if time is None else format_time(time)


def _whole_seconds(time: datetime | None) -> str | None:
    return None if time is None else f"{time.replace(tzinfo=None).isoformat(timespec='seconds')}Z"
