"""What can be told of a queue message, and changed in it, without understanding all of it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from durable.errors import CorruptRecord
from durable.wire.envelopes import QueueEncoding, json_text, queue_text
from durable.wire.event_shapes import BY_NAME, BY_TYPE
from durable.wire.text import from_json, to_json

_WHERE = "Queue message"
_EXTRAS, _IDENTITY = "Durable", "Identity"
#: What our extra property says of the past: failures, and since when it waits for what.
_PAST = frozenset({"Failures", "Since", "For"})
_MESSAGE_BLOB = re.compile(r"(.+)/message-[0-9A-Za-z]+-([A-Za-z]+)\.json\.gz")


@dataclass(frozen=True, kw_only=True, slots=True)
class Glimpse:
    """What a text shows at first sight; each None (no failures) when it doesn't.

    Attributes:
        instance_id: whom the message is for.
        kind: which event it brings, by the name it has in rows.
        failures: how often an engine of ours has failed on it.
        blob_name: the blob that holds the message, when the text only points to it.
    """

    instance_id: str | None = None
    kind: str | None = None
    failures: int = 0
    blob_name: str | None = None


def glimpse(text: str) -> Glimpse:
    """What can be told of a message as it was found in a queue, however odd. It never raises."""
    envelope = _envelope(text)
    blob_name = envelope.get("CompressedBlobName")
    if isinstance(blob_name, str) and blob_name:
        return _of_blob(blob_name)
    task = _object(envelope, "TaskMessage")
    instance_id = _object(task, "OrchestrationInstance").get("InstanceId")
    failures = _object(envelope, _EXTRAS).get("Failures")
    return Glimpse(
        instance_id=instance_id if isinstance(instance_id, str) else None,
        kind=_kind(_object(task, "Event").get("$type")),
        failures=failures if type(failures) is int else 0,
    )


def restamped(text: str, identity: str) -> str:
    """`text` for another delivery: under `identity` if it has none, its past forgotten (R7).

    What is no envelope of a message stays as it is.

    Raises:
        RecursionError: it can just be read, and is nested too deeply to be written.
    """
    envelope = _envelope(text)
    if not isinstance(envelope.get("TaskMessage"), dict):
        return text
    extras = envelope.get(_EXTRAS)
    if extras is not None and not isinstance(extras, dict):
        return text
    made = {name: value for name, value in (extras or {}).items() if name not in _PAST}
    if made.get(_IDENTITY) is None:
        made[_IDENTITY] = identity
    is_json = text.lstrip().startswith("{")
    encoding = QueueEncoding.UTF8 if is_json else QueueEncoding.BASE64
    return queue_text(to_json({**envelope, _EXTRAS: made}), encoding)


def _of_blob(blob_name: str) -> Glimpse:
    found = _MESSAGE_BLOB.fullmatch(blob_name)
    if found is None:
        return Glimpse(blob_name=blob_name)
    kind = found[2] if found[2] in BY_NAME else None
    return Glimpse(instance_id=found[1], kind=kind, blob_name=blob_name)


def _kind(type_name: object) -> str | None:
    # As .NET reads it: the name of the class, what follows a comma names its assembly.
    shape = BY_TYPE.get(type_name.split(",")[0].rstrip()) if isinstance(type_name, str) else None
    return None if shape is None else shape.name


def _envelope(text: str) -> dict[str, object]:
    """The object a text holds; an empty one when it holds none."""
    try:
        found = from_json(json_text(text), _WHERE)
    except CorruptRecord:
        return {}
    return found if isinstance(found, dict) else {}


def _object(values: dict[str, object], name: str) -> dict[str, object]:
    found = values.get(name)
    return found if isinstance(found, dict) else {}
