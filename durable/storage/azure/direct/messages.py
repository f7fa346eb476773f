"""Queue messages as the service's XML, written and read."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from xml.etree import ElementTree as ET

from durable.errors import CorruptRecord
from durable.storage.values import PutReceipt, QueueMessage

_MONTHS = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), 1
    )
}
_HEAD = "<?xml version='1.0' encoding='utf-8'?>\n<QueueMessage>"
_TAIL = "</QueueMessage>"


def message_xml(text: str) -> bytes:
    """The body that carries `text`."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    element = f"<MessageText>{escaped}</MessageText>" if escaped else "<MessageText />"
    return f"{_HEAD}{element}{_TAIL}".encode()


def put_receipt(body: bytes, queue: str) -> PutReceipt:
    """What a put was answered.

    Raises:
        CorruptRecord: it has no id or no receipt.
    """
    match _messages(body):
        case [{"MessageId": str(message_id), "PopReceipt": str(receipt)}]:
            return PutReceipt(id=message_id, pop_receipt=receipt)
        case _:
            raise CorruptRecord(f"Queue {queue!r} answered without a pop receipt.", resource=queue)


def received(body: bytes, queue: str) -> list[QueueMessage]:
    """The messages that a get brought.

    Raises:
        CorruptRecord: something is missing in one.
    """
    return [
        QueueMessage(
            id=_present(found, "MessageId", queue),
            pop_receipt=_present(found, "PopReceipt", queue),
            text=found.get("MessageText") or "",
            dequeue_count=_count(found, queue),
            inserted=_time(found, "InsertionTime", queue),
            next_visible=_time(found, "TimeNextVisible", queue),
        )
        for found in _messages(body)
    ]


def peeked(body: bytes, queue: str) -> list[QueueMessage]:
    """The messages that a peek showed. The service doesn't say since when they are visible.

    Raises:
        CorruptRecord: something is missing in one.
    """
    messages = []
    for found in _messages(body):
        inserted = _time(found, "InsertionTime", queue)
        messages.append(
            QueueMessage(
                id=_present(found, "MessageId", queue),
                pop_receipt="",
                text=found.get("MessageText") or "",
                dequeue_count=_count(found, queue),
                inserted=inserted,
                next_visible=inserted,
            )
        )
    return messages


def time_of(text: str) -> datetime:
    """A time as HTTP writes it: ``Mon, 06 May 2024 07:08:09 GMT``.

    Raises:
        ValueError: it is none.
    """
    try:
        _, day, month, year, clock, _ = text.split(" ")
        hour, minute, second = clock.split(":")
        return datetime(
            int(year), _MONTHS[month], int(day), int(hour), int(minute), int(second), tzinfo=UTC
        )
    except (ValueError, KeyError):
        return parsedate_to_datetime(text)


def _messages(body: bytes) -> list[dict[str, str | None]]:
    # ParseError is among the errors that the caller translates.
    root = ET.fromstring(body)  # noqa: S314 - the storage service's own answer
    return [{field.tag: field.text for field in message} for message in root]


def _present(found: dict[str, str | None], name: str, queue: str) -> str:
    value = found.get(name)
    if value is None:
        raise CorruptRecord(f"Queue {queue!r} answered without a {name}.", resource=queue)
    return value


def _count(found: dict[str, str | None], queue: str) -> int:
    text = found.get("DequeueCount") or "0"
    try:
        return int(text)
    except ValueError as error:
        raise CorruptRecord(
            f"Queue {queue!r} answered with a DequeueCount that is no number.", resource=queue
        ) from error


def _time(found: dict[str, str | None], name: str, queue: str) -> datetime:
    text = _present(found, name, queue)
    try:
        return time_of(text)
    except ValueError as error:
        raise CorruptRecord(
            f"Queue {queue!r} answered with a {name} that is no time: {text[:40]!r}.",
            resource=queue,
        ) from error
