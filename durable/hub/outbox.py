"""Messages on their way: addressed by hash, large ones spilled, delays rounded up."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from durable.clock import Clock
from durable.hub.payloads import PayloadStore
from durable.model.messages import Outbound, TaskMessage
from durable.storage.ports import QueueStore
from durable.storage.values import PutReceipt
from durable.together import run_together
from durable.wire.envelopes import QueueEncoding, queue_text
from durable.wire.names import HubNames

#: The longest invisibility the queue service takes is 7 days; longer delays are sent in parts.
MAX_DELAY_SECONDS = 6 * 24 * 3600
#: Puts in flight for one turn.
_AT_ONCE = 16


class Outbox:
    """Sends to the hub's control queues and to its work-item queue."""

    def __init__(
        self,
        queues: QueueStore,
        names: HubNames,
        payloads: PayloadStore,
        clock: Clock,
        *,
        encoding: QueueEncoding,
    ) -> None:
        self._queues = queues
        self._names = names
        self._payloads = payloads
        self._clock = clock
        self._encoding = encoding
        #: Told of every message that is put for whoever reads the queue, and its delay in seconds.
        self.tell: Callable[[str, float], None] | None = None
        # Like the original: one counter a process, from 1; it only orders messages of a second.
        self._sequence = itertools.count(1)

    async def send_all(self, messages: Sequence[Outbound]) -> None:
        """Send every message, some at once; raises when one could not be put."""
        if len(messages) == 1:
            await self.send(messages[0])
            return
        # Numbered before they race, so that receivers see them in the order they were decided.
        numbered = [
            replace(each, message=replace(each.message, sequence_number=next(self._sequence)))
            for each in messages
        ]
        await run_together((self._put(each) for each in numbered), at_once=_AT_ONCE)

    async def send(self, outbound: Outbound, *, hidden_seconds: int | None = None) -> PutReceipt:
        """Send one message; `hidden_seconds` keeps it for whoever holds the receipt meanwhile."""
        message = replace(outbound.message, sequence_number=next(self._sequence))
        return await self._put(replace(outbound, message=message), hidden_seconds)

    async def _put(self, outbound: Outbound, hidden_seconds: int | None = None) -> PutReceipt:
        queue = self.queue_for(outbound)
        if hidden_seconds is not None:
            return await self._put_text(queue, outbound.message, hidden_seconds)
        return await self.put(queue, outbound.message, delay_seconds=self._delay(outbound.due))

    async def put(self, queue: str, message: TaskMessage, *, delay_seconds: int) -> PutReceipt:
        """Put `message` into `queue` as it is."""
        receipt = await self._put_text(queue, message, delay_seconds)
        if self.tell is not None:
            self.tell(queue, delay_seconds)
        return receipt

    async def _put_text(self, queue: str, message: TaskMessage, delay_seconds: int) -> PutReceipt:
        text, _ = await self._payloads.spill_message(message)
        return await self._queues.put(
            queue, queue_text(text, self._encoding), delay_seconds=delay_seconds
        )

    def queue_for(self, outbound: Outbound) -> str:
        """Where a message goes."""
        if outbound.to_workers:
            return self._names.work_items
        return self._names.control_queue_of(outbound.message.target.instance_id)

    def _delay(self, due: datetime | None) -> int:
        """Whole seconds, rounded up: nothing arrives before its time (recorded.md section 1)."""
        if due is None:
            return 0
        seconds = math.ceil((due - self._clock.now()).total_seconds())
        return min(max(seconds, 0), MAX_DELAY_SECONDS)
