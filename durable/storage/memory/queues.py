"""Queues in memory: visibility by the clock, pop receipts, dequeue counts."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from datetime import datetime, timedelta

from durable.errors import PreconditionFailed
from durable.storage.memory.door import Door, not_found
from durable.storage.rules import (
    MAX_RECEIVED,
    check_between,
    check_message,
    check_queue_name,
    check_seconds,
    starting_with,
)
from durable.storage.values import PutReceipt, QueueMessage


@dataclass(slots=True)
class _Message:
    number: int
    body: bytes
    inserted: datetime
    next_visible: datetime
    receipt: str
    dequeue_count: int = 0

    @property
    def id(self) -> str:
        return f"00000000-0000-4000-8000-{self.number:012x}"


class _State:
    def __init__(self) -> None:
        self.queues: dict[str, dict[str, _Message]] = {}
        self.messages = 0
        self.receipts = 0


class MemoryQueues:
    """A `QueueStore`.

    Visible messages come in the order they became visible, then of putting. The service promises
    no order; this one is there to make simulations repeatable.
    """

    def __init__(self, door: Door, state: _State | None = None) -> None:
        self._door = door
        self._state = state or _State()

    def through(self, door: Door) -> MemoryQueues:
        """The same queues through another door."""
        return MemoryQueues(door, self._state)

    async def create_queue(self, queue: str) -> None:
        check_queue_name(queue)

        def call() -> None:
            self._state.queues.setdefault(queue, {})

        await self._door.run("queue", "Create Queue", queue, call)

    async def delete_queue(self, queue: str) -> None:
        check_queue_name(queue)

        def call() -> None:
            self._state.queues.pop(queue, None)

        await self._door.run("queue", "Delete Queue", queue, call)

    async def list_queues(self, prefix: str) -> list[str]:
        def call() -> list[str]:
            return starting_with(prefix, self._state.queues)

        return await self._door.run("queue", "List Queues", prefix, call)

    async def put(self, queue: str, text: str, *, delay_seconds: int = 0) -> PutReceipt:
        check_queue_name(queue)
        check_message(queue, text)
        check_seconds("delay_seconds", delay_seconds)

        def call() -> PutReceipt:
            messages = self._messages(queue, "Put Message")
            now = self._door.now()
            self._state.messages += 1
            message = _Message(
                number=self._state.messages,
                body=text.encode(),
                inserted=now,
                next_visible=now + timedelta(seconds=delay_seconds),
                receipt=self._new_receipt(),
            )
            messages[message.id] = message
            return PutReceipt(id=message.id, pop_receipt=message.receipt)

        return await self._door.run("queue", "Put Message", queue, call)

    async def get(self, queue: str, *, count: int, lease_seconds: int) -> list[QueueMessage]:
        check_queue_name(queue)
        check_between("count", count, MAX_RECEIVED)
        check_seconds("lease_seconds", lease_seconds, least=1)

        def call() -> list[QueueMessage]:
            until = self._door.now() + timedelta(seconds=lease_seconds)
            received = []
            for message in self._visible(queue, count, "Get Messages"):
                message.next_visible = until
                message.dequeue_count += 1
                message.receipt = self._new_receipt()
                received.append(_shown(message, message.receipt, until))
            return received

        return await self._door.run("queue", "Get Messages", queue, call)

    async def peek(self, queue: str, *, count: int = MAX_RECEIVED) -> list[QueueMessage]:
        check_queue_name(queue)
        check_between("count", count, MAX_RECEIVED)

        def call() -> list[QueueMessage]:
            # The service doesn't say when a peeked message became visible; it is by now.
            return [
                _shown(message, "", message.inserted)
                for message in self._visible(queue, count, "Peek Messages")
            ]

        return await self._door.run("queue", "Peek Messages", queue, call)

    async def update(
        self,
        queue: str,
        message_id: str,
        pop_receipt: str,
        *,
        visible_in_seconds: int,
        text: str | None = None,
    ) -> str:
        check_queue_name(queue)
        check_seconds("visible_in_seconds", visible_in_seconds)
        if text is not None:
            check_message(queue, text)

        def call() -> str:
            message = self._held(queue, message_id, pop_receipt, "Update Message")
            message.next_visible = self._door.now() + timedelta(seconds=visible_in_seconds)
            message.receipt = self._new_receipt()
            if text is not None:
                message.body = text.encode()
            return message.receipt

        return await self._door.run("queue", "Update Message", queue, call)

    async def delete(self, queue: str, message_id: str, pop_receipt: str) -> None:
        check_queue_name(queue)

        def call() -> None:
            self._held(queue, message_id, pop_receipt, "Delete Message")
            del self._state.queues[queue][message_id]

        await self._door.run("queue", "Delete Message", queue, call)

    async def count(self, queue: str) -> int:
        check_queue_name(queue)

        def call() -> int:
            return len(self._messages(queue, "Get Queue Metadata"))

        return await self._door.run("queue", "Get Queue Metadata", queue, call)

    def _messages(self, queue: str, operation: str) -> dict[str, _Message]:
        messages = self._state.queues.get(queue)
        if messages is None:
            raise not_found(f"queue {queue!r}", operation, queue)
        return messages

    def _visible(self, queue: str, count: int, operation: str) -> list[_Message]:
        now = self._door.now()
        visible = (m for m in self._messages(queue, operation).values() if m.next_visible <= now)
        return heapq.nsmallest(count, visible, key=lambda m: (m.next_visible, m.number))

    def _held(self, queue: str, message_id: str, pop_receipt: str, operation: str) -> _Message:
        message = self._messages(queue, operation).get(message_id)
        if message is None:
            raise not_found(f"message {message_id} of queue {queue!r}", operation, queue)
        if message.receipt != pop_receipt:
            raise PreconditionFailed(
                f"{operation}: the pop receipt of message {message_id} of queue {queue!r} is "
                "stale; it was received or updated by somebody else.",
                operation=operation,
                resource=queue,
                status=400,
            )
        return message

    def _new_receipt(self) -> str:
        self._state.receipts += 1
        return f"receipt-{self._state.receipts}"


def _shown(message: _Message, receipt: str, next_visible: datetime) -> QueueMessage:
    # The service answers in whole seconds.
    return QueueMessage(
        id=message.id,
        pop_receipt=receipt,
        text=message.body.decode(),
        dequeue_count=message.dequeue_count,
        inserted=message.inserted.replace(microsecond=0),
        next_visible=next_visible.replace(microsecond=0),
    )
