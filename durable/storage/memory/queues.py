"""Queues in memory: visibility by the clock, pop receipts, dequeue counts."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
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

#: Stale entries that a line may hold beside as many as it has messages.
_MOST_STALE = 64


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


class _Line:
    """The messages of a queue in the order in which they become visible.

    An entry tells when its message became, or becomes, visible when it was made. Those whose
    message has another time by now, or is gone, are stale: they are dropped when they come up.
    """

    def __init__(self, messages: Mapping[str, _Message]) -> None:
        self._messages = messages
        self._heap: list[tuple[datetime, int, str]] = []

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, message: _Message) -> None:
        """`message` becomes visible at another time."""
        heapq.heappush(self._heap, (message.next_visible, message.number, message.id))
        if len(self._heap) > 2 * len(self._messages) + _MOST_STALE:
            self._heap = [entry for entry in self._heap if not self._is_stale(entry)]
            heapq.heapify(self._heap)

    def take(self, count: int, now: datetime) -> list[_Message]:
        """The first visible ones, out of the line: `add` each again."""
        found: list[_Message] = []
        last: tuple[datetime, int, str] | None = None
        while self._heap and len(found) < count and self._heap[0][0] <= now:
            entry = heapq.heappop(self._heap)
            # A message that was given the same time twice has two entries, next to each other.
            if entry != last and not self._is_stale(entry):
                found.append(self._messages[entry[2]])
            last = entry
        return found

    def _is_stale(self, entry: tuple[datetime, int, str]) -> bool:
        message = self._messages.get(entry[2])
        return message is None or message.next_visible != entry[0]


class _State:
    def __init__(self, late: Callable[[], float] | None) -> None:
        self.late = late
        self.queues: dict[str, dict[str, _Message]] = {}
        self.lines: dict[str, _Line] = {}
        self.messages = 0
        self.receipts = 0


class MemoryQueues:
    """A `QueueStore`.

    Visible messages come in the order they became visible, then of putting. The service promises
    no order; this one is there to make simulations repeatable. `late` gives seconds by which a
    message that is put becomes visible later than asked, and so another order.
    """

    def __init__(
        self,
        door: Door,
        state: _State | None = None,
        *,
        late: Callable[[], float] | None = None,
    ) -> None:
        self._door = door
        self._state = state or _State(late)

    def through(self, door: Door) -> MemoryQueues:
        """The same queues through another door."""
        return MemoryQueues(door, self._state)

    async def create_queue(self, queue: str) -> None:
        check_queue_name(queue)

        def call() -> None:
            if queue not in self._state.queues:
                messages: dict[str, _Message] = {}
                self._state.queues[queue] = messages
                self._state.lines[queue] = _Line(messages)

        await self._door.run("queue", "Create Queue", queue, call)

    async def delete_queue(self, queue: str) -> None:
        check_queue_name(queue)

        def call() -> None:
            self._state.queues.pop(queue, None)
            self._state.lines.pop(queue, None)

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
            late = self._state.late
            delay = delay_seconds + (late() if late is not None else 0.0)
            self._state.messages += 1
            message = _Message(
                number=self._state.messages,
                body=text.encode(),
                inserted=now,
                next_visible=now + timedelta(seconds=delay),
                receipt=self._new_receipt(),
            )
            messages[message.id] = message
            self._state.lines[queue].add(message)
            return PutReceipt(id=message.id, pop_receipt=message.receipt)

        return await self._door.run("queue", "Put Message", queue, call)

    async def get(self, queue: str, *, count: int, lease_seconds: int) -> list[QueueMessage]:
        check_queue_name(queue)
        check_between("count", count, MAX_RECEIVED)
        check_seconds("lease_seconds", lease_seconds, least=1)

        def call() -> list[QueueMessage]:
            until = self._door.now() + timedelta(seconds=lease_seconds)
            received = []
            for message in self._taken(queue, count, "Get Messages"):
                message.next_visible = until
                message.dequeue_count += 1
                message.receipt = self._new_receipt()
                self._state.lines[queue].add(message)
                received.append(_shown(message, message.receipt, until))
            return received

        return await self._door.run("queue", "Get Messages", queue, call)

    async def peek(self, queue: str, *, count: int = MAX_RECEIVED) -> list[QueueMessage]:
        check_queue_name(queue)
        check_between("count", count, MAX_RECEIVED)

        def call() -> list[QueueMessage]:
            found = self._taken(queue, count, "Peek Messages")
            for message in found:
                self._state.lines[queue].add(message)  # it stays where it was
            # The service doesn't say when a peeked message became visible; it is by now.
            return [_shown(message, "", message.inserted) for message in found]

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
            self._state.lines[queue].add(message)
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

    def _taken(self, queue: str, count: int, operation: str) -> list[_Message]:
        """The first visible messages, out of their line until they are added again."""
        self._messages(queue, operation)
        return self._state.lines[queue].take(count, self._door.now())

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
