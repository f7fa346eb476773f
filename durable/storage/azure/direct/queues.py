"""Queues: messages by hand; creating, listing, counting through the SDK."""

from __future__ import annotations

from urllib.parse import quote

from azure.storage.queue.aio import QueueServiceClient

from durable.errors import CorruptRecord
from durable.storage.azure.direct.door import PLAIN_IN_PATHS, Door
from durable.storage.azure.direct.messages import message_xml, peeked, put_receipt, received
from durable.storage.azure.direct.refusals import accepted
from durable.storage.azure.direct.signing import VERSION
from durable.storage.azure.errors import translated
from durable.storage.azure.queues import AzureQueues
from durable.storage.rules import (
    MAX_RECEIVED,
    check_between,
    check_message,
    check_queue_name,
    check_seconds,
)
from durable.storage.values import PutReceipt, QueueMessage

_HEADERS = {"x-ms-version": VERSION}
_READ = {**_HEADERS, "Accept": "application/xml"}
_FOREVER = ("messagettl", "-1")


class DirectQueues(AzureQueues):
    """A `QueueStore` whose messages cost little CPU."""

    def __init__(self, service: QueueServiceClient, door: Door) -> None:
        super().__init__(service)
        self._door = door
        self._paths: dict[str, str] = {}

    async def put(self, queue: str, text: str, *, delay_seconds: int = 0) -> PutReceipt:
        check_message(queue, text)
        check_seconds("delay_seconds", delay_seconds)
        path = self._path(queue)
        body = message_xml(text)
        query = (
            [("visibilitytimeout", str(delay_seconds)), _FOREVER] if delay_seconds else [_FOREVER]
        )
        with translated("Put Message", queue):
            answer = await self._door.send(
                "Put Message", "POST", path, {**_READ, **_sized(body)}, query=query, body=body
            )
            return put_receipt(accepted(answer).body, queue)

    async def get(self, queue: str, *, count: int, lease_seconds: int) -> list[QueueMessage]:
        check_between("count", count, MAX_RECEIVED)
        check_seconds("lease_seconds", lease_seconds, least=1)
        path = self._path(queue)
        query = [("numofmessages", str(count)), ("visibilitytimeout", str(lease_seconds))]
        with translated("Get Messages", queue):
            answer = await self._door.send("Get Messages", "GET", path, _READ, query=query)
            return received(accepted(answer).body, queue)

    async def peek(self, queue: str, *, count: int = MAX_RECEIVED) -> list[QueueMessage]:
        check_between("count", count, MAX_RECEIVED)
        path = self._path(queue)
        query = [("numofmessages", str(count)), ("peekonly", "true")]
        with translated("Peek Messages", queue):
            answer = await self._door.send("Peek Messages", "GET", path, _READ, query=query)
            return peeked(accepted(answer).body, queue)

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
        path = f"{self._path(queue)}/{quote(message_id, safe=PLAIN_IN_PATHS)}"
        query = [("popreceipt", pop_receipt), ("visibilitytimeout", str(visible_in_seconds))]
        # Without a text, no body: the service would take an empty one as the new text.
        body = None if text is None else message_xml(text)
        headers = _HEADERS if body is None else {**_HEADERS, **_sized(body)}
        with translated("Update Message", queue):
            answer = accepted(
                await self._door.send(
                    "Update Message", "PUT", path, headers, query=query, body=body
                )
            )
        receipt = answer.headers.get("x-ms-popreceipt")
        if receipt is None:
            raise CorruptRecord(f"Queue {queue!r} answered without a pop receipt.", resource=queue)
        return receipt

    async def delete(self, queue: str, message_id: str, pop_receipt: str) -> None:
        path = f"{self._path(queue)}/{quote(message_id, safe=PLAIN_IN_PATHS)}"
        query = [("popreceipt", pop_receipt)]
        with translated("Delete Message", queue):
            accepted(await self._door.send("Delete Message", "DELETE", path, _HEADERS, query=query))

    def _path(self, queue: str) -> str:
        path = self._paths.get(queue)
        if path is None:
            path = self._paths[queue] = f"/{check_queue_name(queue)}/messages"
        return path


def _sized(body: bytes) -> dict[str, str]:
    return {"Content-Type": "application/xml", "Content-Length": str(len(body))}
