"""A mailbox for each instance: what waits is gathered, one turn runs at a time.

A turn runs inside one of the waiting deliveries, its leader; no task of our own is needed, and a
host that counts, drains and logs its invocations sees all work. When the leader's own message is
dealt with and others wait, one of those becomes the leader. A handler that waits for more may take
what arrives meanwhile out of its inbox.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

from durable.clock import Clock
from durable.errors import EngineBug, Throttled, Unavailable
from durable.runtime.delivery import Deferred, Delivery, Failed, InstanceUnusable, Scope

#: How long a message is put off whose instance was busy all the time.
_BUSY_DELAY_SECONDS = 1.0
#: Results in memory wait longer than messages: putting them costs what holding them saved.
_MEMORY_PATIENCE = 12


class _Box:
    """One instance's waiting deliveries. An entry's event wakes its own invocation."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Delivery, asyncio.Event]] = []
        self.arrived = asyncio.Event()
        self.is_led = False


class Inbox:
    """What a handler may take of its instance's mailbox while it works."""

    def __init__(
        self, box: _Box, held: Counter[str], clock: Clock, *, limit: int, scope: Scope | None
    ) -> None:
        self.scope = scope
        self._box = box
        self._held = held
        self._clock = clock
        self._limit = limit
        self._taken: dict[str, tuple[Delivery, asyncio.Event]] = {}
        self._queues: set[str] = set()

    @property
    def taken(self) -> list[tuple[Delivery, asyncio.Event]]:
        """What was taken and not let go, with what wakes each."""
        return list(self._taken.values())

    def take(self) -> list[Delivery]:
        """What waits, up to the limit; it is the handler's to decide on from now on."""
        box = self._box
        found = box.waiting[: self._limit]
        del box.waiting[: len(found)]
        if not box.waiting:
            box.arrived.clear()
        for entry in found:
            delivery = entry[0]
            self._taken[delivery.key] = entry
            if delivery.anchor is None:
                self._queues.add(delivery.queue)
        return [delivery for delivery, _ in found]

    def let_go(self, delivery: Delivery) -> None:
        """Wake whoever waits for `delivery`, which has its outcome, before the turn ends."""
        self._taken.pop(delivery.key)[1].set()

    @property
    def has_results(self) -> bool:
        """Whether the result of an activity waits that has no message of its own."""
        return any(not delivery.holds for delivery, _ in self._box.waiting)

    async def arrival(self, seconds: float) -> bool:
        """Wait until something waits, at most `seconds`; whether it does."""
        try:
            async with asyncio.timeout(max(seconds, 0.0)):
                await self._box.arrived.wait()
        except TimeoutError:
            return bool(self._box.waiting)
        return True

    async def gather(self, seconds: float) -> None:
        """Let come in what is arriving right now, for some times `seconds` at most."""
        for _ in range(4):
            before = len(self._box.waiting)
            await self._clock.sleep(seconds)
            if len(self._box.waiting) == before:
                return

    def is_crowded(self, limit: int) -> bool:
        """Whether this process holds as many messages of one of our queues as `limit`."""
        return any(self._held[queue] >= limit for queue in self._queues)


Handler = Callable[[str, Sequence[Delivery], Inbox], Awaitable[None]]


class Mailboxes:
    """Hands deliveries to `handler`, instance by instance, gathered."""

    def __init__(
        self, handler: Handler, clock: Clock, *, gather_limit: int, patience_seconds: float
    ) -> None:
        self._handler = handler
        self._clock = clock
        self._gather_limit = gather_limit
        self._patience_seconds = patience_seconds
        self._boxes: dict[str, _Box] = {}
        self._held: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._boxes)

    def __contains__(self, instance_id: object) -> bool:
        """Whether a turn of the instance is under way, or about to be."""
        return instance_id in self._boxes

    async def deliver(self, instance_id: str, delivery: Delivery) -> None:
        """Wait until `delivery` has an outcome. Never raises for what the handler does."""
        if delivery.anchor is not None:
            await self._deliver(instance_id, delivery)
            return
        self._held[delivery.queue] += 1
        try:
            await self._deliver(instance_id, delivery)
        finally:
            self._held[delivery.queue] -= 1

    async def _deliver(self, instance_id: str, delivery: Delivery) -> None:
        box = self._boxes.setdefault(instance_id, _Box())
        entry = (delivery, asyncio.Event())
        box.waiting.append(entry)
        box.arrived.set()
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
                await self._turn(instance_id, box, delivery.scope)
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
            await self._handler(instance_id, [], self._inbox(box, None))
        except InstanceUnusable as broken:
            raise broken.error from None
        finally:
            self._hand_on(instance_id, box)
        return True

    def _inbox(self, box: _Box, scope: Scope | None) -> Inbox:
        return Inbox(box, self._held, self._clock, limit=self._gather_limit, scope=scope)

    async def _turn(self, instance_id: str, box: _Box, scope: Scope | None) -> None:
        inbox = self._inbox(box, scope)
        deliveries = inbox.take()
        try:
            await self._handle(instance_id, deliveries, inbox)
        except BaseException:
            # The leader is being cancelled: its followers' messages come back soon.
            for delivery, _ in inbox.taken:
                delivery.outcome = delivery.outcome or Deferred(_BUSY_DELAY_SECONDS)
            raise
        finally:
            for delivery, event in inbox.taken:
                # Whoever is woken without an outcome would take itself for the leader.
                delivery.outcome = delivery.outcome or Failed(
                    EngineBug(f"A turn of instance {instance_id!r} left a message undecided.")
                )
                event.set()

    async def _handle(self, instance_id: str, deliveries: Sequence[Delivery], inbox: Inbox) -> None:
        """Hand `deliveries` over; one that the handler fails on stops only itself."""
        earlier = {delivery.key for delivery, _ in inbox.taken}
        try:
            await self._handler(instance_id, deliveries, inbox)
        except InstanceUnusable as broken:
            # One by one they would fare no better, and each would cost a load.
            _fail([delivery for delivery, _ in inbox.taken], broken.error)
        except Exception as error:  # noqa: BLE001 - becomes the outcome of each message
            later = [each for each, _ in inbox.taken if each.key not in earlier]
            concerned = [*deliveries, *later]
            left = [delivery for delivery in concerned if delivery.outcome is None]
            if len(left) <= 1 or isinstance(error, Throttled | Unavailable):  # no message's fault
                _fail(left, error)
                return
            for delivery in left:
                await self._handle(instance_id, [delivery], inbox)

    async def _follow(
        self, instance_id: str, box: _Box, entry: tuple[Delivery, asyncio.Event]
    ) -> None:
        """Wait for an outcome, or to be made the leader; patience ends while nobody took it."""
        delivery, event = entry
        patience = self._patience_seconds
        if delivery.anchor is not None:
            patience *= _MEMORY_PATIENCE
        try:
            async with asyncio.timeout(patience):
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
