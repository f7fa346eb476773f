"""Queue messages: MessageData JSON, the pointer left behind by a large one, queue encodings."""

from __future__ import annotations

import base64
import binascii
import enum
import re
from dataclasses import dataclass, replace
from datetime import datetime

from durable.errors import CorruptRecord
from durable.model.events import EventRaised, ExecutionStarted, HistoryEvent, InstanceRef
from durable.model.messages import Cause, Extras, TaskMessage
from durable.model.times import NO_TIME
from durable.wire.event_json import decode_event_json, encode_event_json
from durable.wire.event_shapes import event_type_name
from durable.wire.fields import Fields, as_object
from durable.wire.nested import read_instance, read_tags, to_object
from durable.wire.text import from_json, to_json
from durable.wire.times import format_time

__all__ = [
    "BlobPointer",
    "QueueEncoding",
    "decode_message",
    "encode_message",
    "encode_pointer",
    "event_type_name",
    "json_text",
    "message_blob_name",
    "queue_text",
]

_WHERE = "Queue message"
_MESSAGE_DATA = "DurableTask.AzureStorage.MessageData"
# It becomes a column, which can't spill, and part of a list.
_MAX_IDENTITY = 512
_CAUSES = {cause.value: cause for cause in Cause}
_GUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")


class QueueEncoding(enum.Enum):
    """How a message's JSON is put in a queue. Both are always read."""

    UTF8 = "UTF8"
    BASE64 = "Base64"


@dataclass(frozen=True, slots=True)
class BlobPointer:
    """The message itself is in a blob of the hub's `large_messages` container."""

    blob_name: str


def encode_message(message: TaskMessage) -> str:
    """`message` as JSON text. Its identity is the extras', or else the raised event's."""
    envelope: dict[str, object] = {
        "$type": _MESSAGE_DATA,
        "ActivityId": message.activity_id,
        "TaskMessage": {
            "$type": "DurableTask.Core.TaskMessage",
            "Event": encode_event_json(message.event),
            "SequenceNumber": 0,
            "OrchestrationInstance": to_object(message.target, typed=True),
            "OrchestrationExecutionContext": _encode_context(message),
        },
        "CompressedBlobName": None,
        "SequenceNumber": message.sequence_number,
    }
    if message.episode is not None:
        envelope["Episode"] = message.episode
    sender = message.sender
    envelope["Sender"] = None if sender is None else to_object(sender, typed=False)
    envelope["SerializableTraceContext"] = message.trace_context
    extras = _encode_extras(message)
    if extras:
        envelope["Durable"] = extras
    return to_json(envelope)


def _encode_context(message: TaskMessage) -> dict[str, object] | None:
    if message.context_tags is None:
        return None
    return {
        "$type": "DurableTask.Core.OrchestrationExecutionContext",
        "OrchestrationTags": to_object(message.context_tags, typed=True),
    }


def _encode_extras(message: TaskMessage) -> dict[str, object]:
    extras, event = message.extras, message.event
    identity = extras.identity
    if identity is None and isinstance(event, EventRaised):
        identity = event.identity
    made: dict[str, object] = {}
    if extras.mark:
        made["Mark"] = 1
    if identity is not None:
        made["Identity"] = identity
    if extras.failures:
        made["Failures"] = extras.failures
    if extras.since is not None:
        made["Since"] = format_time(extras.since)
    if extras.cause is not None:
        made["For"] = extras.cause.value
    if extras.line is not None:
        made["Line"] = extras.line
    return made


def decode_message(text: str, *, received: datetime = NO_TIME) -> TaskMessage | BlobPointer:
    """The message of a JSON text, or where to find it.

    `received` stands in for an event time that the sender left out. A raised event gets the
    message's identity.

    Raises:
        CorruptRecord: it can't be understood; the text says what and where.
    """
    envelope = Fields(as_object(from_json(text, _WHERE), _WHERE), _WHERE)
    blob_name = envelope.text("CompressedBlobName")
    if blob_name:
        return BlobPointer(blob_name)
    activity_id = envelope.required_text("ActivityId")
    if not _GUID.fullmatch(activity_id):
        raise envelope.corrupt("ActivityId", "a GUID with dashes")
    task = envelope.required("TaskMessage")
    extras = _decode_extras(envelope.nested("Durable"))
    context = task.nested("OrchestrationExecutionContext")
    sender = envelope.nested("Sender")
    event = _decode_event(task, extras, received)
    target = read_instance(task.required("OrchestrationInstance"))
    if isinstance(event, ExecutionStarted) and event.instance.instance_id != target.instance_id:
        # Its history would be one of another instance, and nobody could read it again.
        raise CorruptRecord(f"{_WHERE} starts another instance than the one it is for.")
    return TaskMessage(
        event=event,
        target=target,
        activity_id=activity_id,
        sender=None if sender is None else _read_sender(sender),
        sequence_number=envelope.optional_integer("SequenceNumber", bits=64) or 0,
        episode=envelope.optional_integer("Episode"),
        context_tags=None if context is None else read_tags(context.nested("OrchestrationTags")),
        trace_context=envelope.text("SerializableTraceContext"),
        extras=extras,
    )


def _decode_event(task: Fields, extras: Extras, received: datetime) -> HistoryEvent:
    where = task.path("Event")
    event = decode_event_json(as_object(task.value("Event"), where), where, received)
    if isinstance(event, EventRaised):
        return replace(event, identity=extras.identity)
    return event


def _read_sender(fields: Fields) -> InstanceRef:
    return InstanceRef(
        instance_id=fields.text("InstanceId") or "", execution_id=fields.text("ExecutionId")
    )


def _decode_extras(fields: Fields | None) -> Extras:
    if fields is None:
        return Extras()
    failures = fields.optional_integer("Failures") or 0
    if failures < 0:
        raise fields.corrupt("Failures", "no negative number")
    identity = fields.text("Identity")
    if identity is not None and len(identity) > _MAX_IDENTITY:
        raise fields.corrupt("Identity", f"a text of at most {_MAX_IDENTITY} characters")
    return Extras(
        mark=bool(fields.optional_integer("Mark")),
        identity=identity,
        failures=failures,
        since=fields.optional_moment("Since"),
        cause=_CAUSES.get(fields.text("For") or ""),
        line=fields.text("Line"),
    )


def encode_pointer(blob_name: str) -> str:
    """What is left in the queue of a message that went to a blob."""
    return to_json(
        {
            "$type": _MESSAGE_DATA,
            "ActivityId": "00000000-0000-0000-0000-000000000000",
            "TaskMessage": None,
            "CompressedBlobName": blob_name,
            "SequenceNumber": 0,
            "Sender": None,
            "SerializableTraceContext": None,
        }
    )


def message_blob_name(message: TaskMessage) -> str:
    """The blob of a large message. Unlike in history blobs, the target's id is not escaped."""
    activity_id = message.activity_id.replace("-", "")
    event_type = event_type_name(message.event)
    return f"{message.target.instance_id}/message-{activity_id}-{event_type}.json.gz"


def queue_text(json_text: str, encoding: QueueEncoding) -> str:
    """A message's JSON as it is put in a queue."""
    if encoding is QueueEncoding.UTF8:
        return json_text
    return base64.b64encode(json_text.encode()).decode("ascii")


def json_text(queue_text: str) -> str:
    """The JSON of a message as it was found in a queue: JSON, or else Base64 of it.

    Raises:
        CorruptRecord: it is neither.
    """
    if queue_text.lstrip().startswith("{"):
        return queue_text
    try:
        return base64.b64decode(queue_text, validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise CorruptRecord(f"{_WHERE} is neither a JSON object nor Base64 of UTF-8 text.") from (
            None if isinstance(error, UnicodeError) else error
        )
