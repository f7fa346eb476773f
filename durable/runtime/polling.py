"""Reading one queue: at once while there are messages, ever more rarely while there are none."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Callable

from durable.clock import Clock
from durable.errors import StorageError
from durable.storage.ports import QueueStore
from durable.storage.values import QueueMessage

log = logging.getLogger("durable.worker")

#: The original's back-off (recorded.md 1): 0, 50, then 50 + 50 * 2^k * (0.8 to 1.2) ms.
_STEP_SECONDS = 0.05
_SPREAD = (0.8, 1.2)
#: The longest wait between looks where messages are expected.
_OFTEN_SECONDS = 1.0
#: Known moments at which a message comes due, one a second at most.
_MOST_DUE = 1000


class Backoff:
    """The waits between looks at a queue; each is `growth` times the one before, about."""

    def __init__(self, longest_seconds: float, clock: Clock, *, growth: float = 2.0) -> None:
        self._longest = longest_seconds
        self._growth = growth
        self._clock = clock
        self._looks = 0

    def reset(self) -> None:
        """There was a message, or there will be one."""
        self._looks = 0

    def next_wait(self) -> float:
        """Seconds until the next look."""
        if self._looks == 0:
            self._looks = 1
            return 0.0
        wait = _STEP_SECONDS
        if self._looks > 1:
            wait += self._clock.jitter(*_SPREAD) * _STEP_SECONDS * self._growth ** (self._looks - 2)
        if wait >= self._longest:
            return self._longest
        self._looks += 1
        return wait


class Room:
    """How many messages may be in flight at once; the readers of several queues may share it.

    `also` is another bound, which nobody tells the changes of.
    """

    def __init__(self, limit: int, also: Callable[[], int] | None = None) -> None:
        self._free = limit
        self._also = also
        self._stirred = asyncio.Event()

    def reserve(self, most: int) -> int:
        """Take up to `most` places; how many it were."""
        bound = self._free if self._also is None else min(self._free, self._also())
        taken = max(0, min(most, bound))
        self._free -= taken
        return taken

    def release(self, count: int) -> None:
        """Give places back."""
        self._free += count
        if count:
            self.stir()

    def stir(self) -> None:
        """Let those who wait look again."""
        self._stirred.set()

    async def wait(self) -> None:
        """Return when it is worth while to look again."""
        self._stirred.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(None if self._also is None else _STEP_SECONDS):
                await self._stirred.wait()


class QueueReader:
    """Takes messages out of one queue while there is room.

    Args:
        queues: where the queue is.
        queue: its name.
        take: is given each message, and when it was asked for, in our monotonic seconds; it gives
            the message's place in `room` back.
        room: bounds what is in flight.
        batch: messages fetched at once.
        lease_seconds: how long they stay hidden.
        longest_wait_seconds: between two looks at an empty queue.
        growth: how much longer than the last one each wait is.
        clock: the process's clock.
    """

    def __init__(
        self,
        queues: QueueStore,
        queue: str,
        take: Callable[[str, QueueMessage, float], None],
        *,
        room: Room,
        batch: int,
        lease_seconds: int,
        longest_wait_seconds: float,
        clock: Clock,
        growth: float = 2.0,
    ) -> None:
        self.queue = queue
        self.is_asking = False
        self._queues = queues
        self._take = take
        self._room = room
        self._batch = batch
        self._lease_seconds = lease_seconds
        self._clock = clock
        self._backoff = Backoff(longest_wait_seconds, clock, growth=growth)
        self._woken = asyncio.Event()
        self._due: dict[int, asyncio.TimerHandle] = {}
        self._often_until = -math.inf
        self._is_stopping = False
        self._trouble = False

    async def run(self) -> None:
        """Read until `stop`."""
        while not self._is_stopping:
            count = self._room.reserve(self._batch)
            if count == 0:
                await self._room.wait()
                continue
            self._woken.clear()
            await self._look(count)
            if not self._is_stopping:
                await self._pause(self._next_wait())

    def stop(self) -> None:
        """Take nothing more. A look under way is finished; what it brings goes back."""
        self._is_stopping = True
        for handle in self._due.values():
            handle.cancel()
        self._due.clear()
        self._woken.set()
        self._room.stir()

    def wake(self) -> None:
        """Look now, and often for a while: there is a message, or will soon be one."""
        self._backoff.reset()
        self._woken.set()

    def look_often(self, seconds: float) -> None:
        """Look now, and every second at least for so long: what others held may come back."""
        self._often_until = self._clock.monotonic() + seconds
        self.wake()

    def wake_after(self, seconds: float) -> None:
        """Look when so many seconds are over: a message comes due then."""
        due = math.ceil(self._clock.monotonic() + seconds)
        if self._is_stopping or due in self._due or len(self._due) >= _MOST_DUE:
            return
        self._due[due] = asyncio.get_running_loop().call_at(due, self._wake_due, due)

    def _wake_due(self, due: int) -> None:
        del self._due[due]
        self.wake()

    def _next_wait(self) -> float:
        wait = self._backoff.next_wait()
        if self._clock.monotonic() < self._often_until:
            return min(wait, _OFTEN_SECONDS)
        return wait

    async def _look(self, count: int) -> None:
        asked_at = self._clock.monotonic()
        messages: list[QueueMessage] = []
        self.is_asking = True
        try:
            messages = await self._fetch(count)
        finally:
            self.is_asking = False
            self._room.release(count - len(messages))
        if self._is_stopping:
            await self._return(messages)
            return
        for message in messages:
            self._take(self.queue, message, asked_at)
        if messages:
            self._backoff.reset()

    async def _fetch(self, count: int) -> list[QueueMessage]:
        try:
            messages = await self._queues.get(
                self.queue, count=count, lease_seconds=self._lease_seconds
            )
        except StorageError as error:
            if not self._trouble:
                log.warning("%s cannot be read, trying again: %s", self.queue, error)
            self._trouble = True
            return []
        if self._trouble:
            log.info("%s can be read again", self.queue)
        self._trouble = False
        return messages

    async def _return(self, messages: list[QueueMessage]) -> None:
        """Let messages that came too late be seen by others at once."""
        self._room.release(len(messages))
        for message in messages:
            with contextlib.suppress(StorageError):
                await self._queues.update(
                    self.queue, message.id, message.pop_receipt, visible_in_seconds=0
                )

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()
