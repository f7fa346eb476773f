"""Messages that are in memory only, or were put already leased by the process that takes them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

from durable.clock import Clock
from durable.hub.taskhub import TaskHub
from durable.model.messages import Outbound, TaskMessage
from durable.model.status import InstanceRow
from durable.runtime.delivery import Anchor, Delivery, Lease, Scope
from durable.runtime.own_lease import HeldMessage
from durable.storage.values import QueueMessage

_numbers: Iterator[int] = itertools.count(1)


def in_memory(
    message: TaskMessage, queue: str, anchor: Anchor, scope: Scope | None, clock: Clock
) -> Delivery:
    """The delivery of a result that no queue holds; `queue` is where it would be put."""
    now = clock.now()
    raw = QueueMessage(
        id=f"memory-{next(_numbers)}",
        pop_receipt="",
        text="",
        dequeue_count=1,
        inserted=now,
        next_visible=now,
    )
    # A result may always be offered: its task takes one answer, whoever brings it (R7).
    lease = Lease(math.inf)
    return Delivery(queue=queue, raw=raw, message=message, lease=lease, anchor=anchor, scope=scope)


async def put_leased(
    hub: TaskHub,
    outbound: Outbound,
    seconds: int,
    clock: Clock,
    scope: Scope,
    *,
    row: InstanceRow | None = None,
) -> tuple[Delivery, HeldMessage]:
    """Put a message that nobody else sees for `seconds`: its delivery, and what holds it."""
    lease = Lease(clock.monotonic() + seconds)
    receipt = await hub.outbox.send(outbound, hidden_seconds=seconds)
    queue = hub.outbox.queue_for(outbound)
    now = clock.now()
    raw = QueueMessage(
        id=receipt.id,
        pop_receipt=receipt.pop_receipt,
        text="",
        dequeue_count=1,
        inserted=now,
        next_visible=now,
    )
    delivery = Delivery(
        queue=queue, raw=raw, message=outbound.message, lease=lease, scope=scope, row=row
    )
    return delivery, HeldMessage(hub.account.queues, queue, raw, seconds, clock, lease)


class WorkItemHeld:
    """The anchor of a result whose work item came out of the queue: that message is held."""

    def __init__(self, lease: Lease, clock: Clock) -> None:
        self._lease = lease
        self._clock = clock

    @property
    def is_set(self) -> bool:
        return self._lease.until > self._clock.monotonic()
