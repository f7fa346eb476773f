"""Activities whose process dies while they run, again and again: found out, and failed.

Each death of a process brings back all that it held, the culprit's message and innocent ones
alike. A work item that came back often is under suspicion: it runs alone for a while, one such at
a time, with a mark in storage. So each death is put down to one activity at most, and after a few
of those the activity is answered with a failure instead of being begun once more.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace

from durable.errors import ActivityCrashed, CorruptRecord, InvalidName, StorageError
from durable.hub.suspicions import Suspicions
from durable.hub.taskhub import TaskHub
from durable.model.events import TaskScheduled
from durable.model.messages import TaskMessage
from durable.runtime.delivery import Deferred, Delivery
from durable.runtime.slots import Slots
from durable.wire.envelopes import BlobPointer, decode_message, encode_message

log = logging.getLogger("durable.activities")

#: Delivered more often, a work item is under suspicion: the processes that had it before died, or
#: lost its lease.
UNSUSPECTED_DELIVERIES = 2
#: Begun so often under suspicion, an activity isn't begun again.
MOST_DEATHS = 5
#: What runs has so long to end before a suspect begins; what comes waits for so long after that.
_SETTLE_SECONDS, _ALONE_SECONDS = 1.0, 2.0
#: So many wait for their turn, for so long; others are put off, and another process may have them.
_LINE, _LINE_SECONDS, _BUSY_SECONDS = 8, 5.0, 10.0


class Suspects:
    """Runs what is under suspicion; all else passes by it without a request."""

    def __init__(self, hub: TaskHub, slots: Slots) -> None:
        self._marks = Suspicions(hub)
        self._slots = slots
        self._turn = asyncio.Lock()
        self._waiting = 0

    @staticmethod
    def concerns(delivery: Delivery) -> bool:
        """Whether a work item came back so often that it may be what its processes died of."""
        failed = delivery.message.extras.failures > 0
        return failed or delivery.raw.dequeue_count > UNSUSPECTED_DELIVERIES

    async def answer(
        self,
        delivery: Delivery,
        event: TaskScheduled,
        run: Callable[[], Awaitable[TaskMessage]],
        refuse: Callable[[ActivityCrashed], TaskMessage],
    ) -> TaskMessage | None:
        """The answer of `run`, or of `refuse` when its processes died too often.

        None: other suspects run here; the outcome of `delivery` says to come back. Once the answer
        was sent, `acquit` is to be called.
        """
        if not await self._has_turn():
            # A copy is a new message, whose deliveries count from one.
            delivery.message = suspected(delivery.message)
            delivery.outcome = Deferred(_BUSY_SECONDS)
            return None
        try:
            return await self._alone(delivery, event, run, refuse)
        finally:
            self._turn.release()

    async def _has_turn(self) -> bool:
        """Whether it is this one's turn, after a wait at most; `_turn` is to be released then.

        Most are innocent and quick: to put all but one of them off would cost the others minutes.
        """
        if self._waiting >= _LINE:
            return False
        self._waiting += 1
        try:
            async with asyncio.timeout(_LINE_SECONDS):
                await self._turn.acquire()
        except TimeoutError:
            return False
        finally:
            self._waiting -= 1
        return True

    async def _alone(
        self,
        delivery: Delivery,
        event: TaskScheduled,
        run: Callable[[], Awaitable[TaskMessage]],
        refuse: Callable[[ActivityCrashed], TaskMessage],
    ) -> TaskMessage:
        async with self._slots.alone(settle_seconds=_SETTLE_SECONDS, alone_seconds=_ALONE_SECONDS):
            target = delivery.message.target
            deaths = await self._marks.deaths(target, event.event_id)
            if deaths >= MOST_DEATHS:
                log.error(
                    "activity %r (task %d of instance %r) is not begun again: it was %d times, and "
                    "its process died each time",
                    event.name,
                    event.event_id,
                    target.instance_id,
                    deaths,
                    extra={"instance_id": target.instance_id},
                )
                return refuse(_crashed(event, deaths))
            await self._marks.mark(target, event.event_id, deaths + 1)
            try:
                return await run()
            except asyncio.CancelledError:
                # Let go by a process that ends in good order, which tells nothing about it.
                await self._marks.mark(target, event.event_id, deaths)
                raise

    async def acquit(self, delivery: Delivery, event: TaskScheduled) -> None:
        """It has ended, one way or the other, and its answer is sent: the mark goes."""
        try:
            await self._marks.mark(delivery.message.target, event.event_id, 0)
        except StorageError as error:
            # Its message goes all the same: nothing will ask for the mark but a rewind.
            log.warning("the mark of activity %r stays: %s", event.name, error)


def suspected(message: TaskMessage) -> TaskMessage:
    """`message`, so that it stays under suspicion though it is put anew."""
    if message.extras.failures:
        return message
    return replace(message, extras=replace(message.extras, failures=1))


def suspected_text(text: str) -> str:
    """The same with a message's text; one that only points to its blob stays as it is."""
    try:
        found = decode_message(text)
    except (CorruptRecord, InvalidName):
        return text  # whoever receives it puts it into quarantine, whole
    return text if isinstance(found, BlobPointer) else encode_message(suspected(found))


def _crashed(event: TaskScheduled, deaths: int) -> ActivityCrashed:
    return ActivityCrashed(
        f"Activity {event.name!r} was begun {deaths} times with no other beside it, and each time "
        "its process died before it ended: it ended the process, ran out of memory or of "
        "functionTimeout, or the process was killed. It is not begun again; see the log of the "
        "processes for what they died of."
    )
