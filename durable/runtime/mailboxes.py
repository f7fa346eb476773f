"""A mailbox for each instance: what waits is gathered, one turn runs at a time.

A turn runs inside one of the waiting deliveries, its leader; no task of our own is needed, and a
host that counts, drains and logs its invocations sees all work. When the leader's own message is
dealt with and others wait, one of those becomes the leader.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from durable.errors import EngineBug, Throttled, Unavailable
from durable.runtime.delivery import Deferred, Delivery, Failed

Handler = Callable[[str, Sequence[Delivery]], Awaitable[None]]
#: How long a message is put off whose instance was busy all the time.
_BUSY_DELAY_SECONDS = 1.0


class _Box:
    """One instance's waiting deliveries. An entry's event wakes its own invocation."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Delivery, asyncio.Event]] = []
        self.is_led = False


class Mailboxes:
    """Hands deliveries to `handler`, instance by instance, gathered."""

    def __init__(self, handler: Handler, *, gather_limit: int, patience_seconds: float) -> None:
        self._handler = handler
        self._gather_limit = gather_limit
        self._patience_seconds = patience_seconds
        self._boxes: dict[str, _Box] = {}

    def __len__(self) -> int:
        return len(self._boxes)

    async def deliver(self, instance_id: str, delivery: Delivery) -> None:
        """Wait until `delivery` has an outcome. Never raises for what the handler does."""
        box = self._boxes.setdefault(instance_id, _Box())
        entry = (delivery, asyncio.Event())
        box.waiting.append(entry)
        follows = box.is_led
        if follows:
            await self._follow(instance_id, box, entry)
            if delivery.outcome is not None:
                return
        box.is_led = True
        try:
            if not follows:
                # What the host received together enters one turn: let the others come in first.
                await asyncio.sleep(0)
            while delivery.outcome is None:
                await self._turn(instance_id, box)
        finally:
            if entry in box.waiting:  # cancelled before its turn came
                box.waiting.remove(entry)
            self._hand_on(instance_id, box)

    async def look(self, instance_id: str) -> bool:
        """Run a turn without a message, unless one is running; returns whether it ran."""
        box = self._boxes.setdefault(instance_id, _Box())
        if box.is_led:
            return False
        box.is_led = True
        try:
            await self._handler(instance_id, [])
        finally:
            self._hand_on(instance_id, box)
        return True

    async def _turn(self, instance_id: str, box: _Box) -> None:
        taken = box.waiting[: self._gather_limit]
        del box.waiting[: len(taken)]
        deliveries = [delivery for delivery, _ in taken]
        try:
            await self._handle(instance_id, deliveries)
        except BaseException:
            # The leader is being cancelled: its followers' messages come back soon.
            for delivery in deliveries:
                delivery.outcome = delivery.outcome or Deferred(_BUSY_DELAY_SECONDS)
            raise
        finally:
            for delivery, event in taken:
                # Whoever is woken without an outcome would take itself for the leader.
                delivery.outcome = delivery.outcome or Failed(
                    EngineBug(f"A turn of instance {instance_id!r} left a message undecided.")
                )
                event.set()

    async def _handle(self, instance_id: str, deliveries: Sequence[Delivery]) -> None:
        """Hand `deliveries` over; one that the handler fails on stops only itself."""
        try:
            await self._handler(instance_id, deliveries)
        except (Throttled, Unavailable) as error:
            _fail(deliveries, error)  # no message's fault
        except Exception as error:  # noqa: BLE001 - becomes the outcome of each message
            left = [delivery for delivery in deliveries if delivery.outcome is None]
            if len(deliveries) == 1:
                _fail(left, error)
                return
            for delivery in left:
                await self._handle(instance_id, [delivery])

    async def _follow(
        self, instance_id: str, box: _Box, entry: tuple[Delivery, asyncio.Event]
    ) -> None:
        """Wait for an outcome, or to be made the leader; patience ends while nobody took it."""
        delivery, event = entry
        try:
            async with asyncio.timeout(self._patience_seconds):
                await event.wait()
        except TimeoutError:
            if entry in box.waiting and not event.is_set():
                box.waiting.remove(entry)
                delivery.outcome = Deferred(_BUSY_DELAY_SECONDS)
                return
            await event.wait()  # it is in a turn: its outcome is near
        except BaseException:
            if entry in box.waiting:
                box.waiting.remove(entry)
                if event.is_set():  # it had just been made the leader
                    self._hand_on(instance_id, box)
            raise

    def _hand_on(self, instance_id: str, box: _Box) -> None:
        box.is_led = False
        if not box.waiting:
            if self._boxes.get(instance_id) is box:
                del self._boxes[instance_id]
            return
        # Reserved for the one that is woken: a newcomer in between must not lead beside it.
        box.is_led = True
        box.waiting[0][1].set()


def _fail(deliveries: Sequence[Delivery], error: Exception) -> None:
    for delivery in deliveries:
        if delivery.outcome is None:
            delivery.outcome = Failed(error)
