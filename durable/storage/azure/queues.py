"""Queues through azure-storage-queue. Texts go as they are; messages never expire."""

from __future__ import annotations

from datetime import datetime

from azure.storage.queue import QueueMessage as SdkMessage
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from durable.errors import Conflict, CorruptRecord, NotFound
from durable.storage.azure.errors import is_being_deleted, translated
from durable.storage.rules import (
    MAX_RECEIVED,
    check_between,
    check_message,
    check_queue_name,
    check_seconds,
    starting_with,
)
from durable.storage.values import PutReceipt, QueueMessage

_FOREVER = -1


class AzureQueues:
    """A `QueueStore`.

    A stale pop receipt is PopReceiptMismatch (400) on Azurite; the real service also answers
    MessageNotFound (404) for one, so treat PreconditionFailed and NotFound alike.
    """

    def __init__(self, service: QueueServiceClient) -> None:
        self._service = service
        self._clients: dict[str, QueueClient] = {}

    async def create_queue(self, queue: str) -> None:
        client = self._client(queue)
        try:
            with translated("Create Queue", queue):
                await client.create_queue()
        except Conflict as error:  # 409 when it exists with other metadata; without: 204
            if is_being_deleted(error):
                raise

    async def delete_queue(self, queue: str) -> None:
        client = self._client(queue)
        try:
            with translated("Delete Queue", queue):
                await client.delete_queue()
        except NotFound:
            return

    async def list_queues(self, prefix: str) -> list[str]:
        with translated("List Queues", prefix):
            found = self._service.list_queues(name_starts_with=prefix or None)
            return starting_with(prefix, [queue.name async for queue in found])

    async def put(self, queue: str, text: str, *, delay_seconds: int = 0) -> PutReceipt:
        check_message(queue, text)
        check_seconds("delay_seconds", delay_seconds)
        client = self._client(queue)
        with translated("Put Message", queue):
            sent = await client.send_message(
                text, visibility_timeout=delay_seconds or None, time_to_live=_FOREVER
            )
        return PutReceipt(id=sent.id, pop_receipt=_present(sent.pop_receipt, queue))

    async def get(self, queue: str, *, count: int, lease_seconds: int) -> list[QueueMessage]:
        check_between("count", count, MAX_RECEIVED)
        check_seconds("lease_seconds", lease_seconds, least=1)
        client = self._client(queue)
        with translated("Get Messages", queue):
            pages = client.receive_messages(
                messages_per_page=count, visibility_timeout=lease_seconds
            ).by_page()
            # One page is one request; an empty answer ends the iteration.
            async for page in pages:
                return [_received(message, queue) async for message in page]
        return []

    async def peek(self, queue: str, *, count: int = MAX_RECEIVED) -> list[QueueMessage]:
        check_between("count", count, MAX_RECEIVED)
        client = self._client(queue)
        with translated("Peek Messages", queue):
            messages = await client.peek_messages(max_messages=count)
        return [_peeked(message, queue) for message in messages]

    async def update(
        self,
        queue: str,
        message_id: str,
        pop_receipt: str,
        *,
        visible_in_seconds: int,
        text: str | None = None,
    ) -> str:
        if text is not None:
            check_message(queue, text)
        check_seconds("visible_in_seconds", visible_in_seconds)
        client = self._client(queue)
        with translated("Update Message", queue):
            # By id, not by message: the SDK would send a message's own text back.
            updated = await client.update_message(
                message_id, pop_receipt, text, visibility_timeout=visible_in_seconds
            )
        return _present(updated.pop_receipt, queue)

    async def delete(self, queue: str, message_id: str, pop_receipt: str) -> None:
        client = self._client(queue)
        with translated("Delete Message", queue):
            await client.delete_message(message_id, pop_receipt)

    async def count(self, queue: str) -> int:
        client = self._client(queue)
        with translated("Get Queue Metadata", queue):
            properties = await client.get_queue_properties()
        return properties.approximate_message_count or 0

    def _client(self, queue: str) -> QueueClient:
        client = self._clients.get(queue)
        if client is None:
            client = self._service.get_queue_client(check_queue_name(queue))
            self._clients[queue] = client
        return client


def _received(message: SdkMessage, queue: str) -> QueueMessage:
    return QueueMessage(
        id=message.id,
        pop_receipt=_present(message.pop_receipt, queue),
        text=_text(message),
        dequeue_count=message.dequeue_count or 0,
        inserted=_present_time(message.inserted_on, queue),
        next_visible=_present_time(message.next_visible_on, queue),
    )


def _peeked(message: SdkMessage, queue: str) -> QueueMessage:
    inserted = _present_time(message.inserted_on, queue)
    # The service doesn't say when a peeked message became visible; it is by now.
    return QueueMessage(
        id=message.id,
        pop_receipt="",
        text=_text(message),
        dequeue_count=message.dequeue_count or 0,
        inserted=inserted,
        next_visible=inserted,
    )


def _text(message: SdkMessage) -> str:
    content: object = message.content
    return "" if content is None else str(content)


def _present(receipt: str | None, queue: str) -> str:
    if receipt is None:
        raise CorruptRecord(f"Queue {queue!r} answered without a pop receipt.", resource=queue)
    return receipt


def _present_time(moment: datetime | None, queue: str) -> datetime:
    if moment is None:
        raise CorruptRecord(f"Queue {queue!r} answered without a time.", resource=queue)
    return moment
