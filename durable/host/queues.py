"""One queue, listened to by the host's rules (QueueListener, QueueProcessor).

Messages are fetched in batches while there is room, hidden for a lease that is renewed at half
time, deleted after success. A failed one is hidden for `retry_seconds`, and after
`max_deliveries` goes to ``<queue>-poison``. An empty queue is looked at ever more rarely.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime

from azure.functions.queue import QueueMessage as FunctionMessage

from durable.clock import Clock
from durable.errors import NotFound, PreconditionFailed, StorageError
from durable.host.config import QueueSettings
from durable.host.report import failure_text
from durable.storage.ports import QueueStore
from durable.storage.values import QueueMessage

log = logging.getLogger("durable.host.queues")

_POISON = "-poison"
#: With the suffix a queue name would pass Azure's 63 characters: the host then has no poison queue.
_LONGEST_WITH_POISON = 63 - len(_POISON)
_NEVER = datetime(9999, 12, 31, tzinfo=UTC)
#: RandomizedExponentialBackoffStrategy: each wait is 80 to 120 % of what the exponent says.
_SPREAD = (0.8, 1.2)

Handler = Callable[[FunctionMessage], Awaitable[object]]


class Backoff:
    """Waits between looks at a queue: 100 ms after work, then 200, 300, 500, 900 ... randomised."""

    def __init__(self, settings: QueueSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._exponent = 0

    def reset(self) -> None:
        """There was work."""
        self._exponent = 0

    def next_wait(self) -> float:
        """Seconds until the next look."""
        low, high = self._settings.poll_min_seconds, self._settings.poll_max_seconds
        if self._exponent == 0:
            self._exponent = 1
            return low
        wait = low + self._clock.jitter(*_SPREAD) * low * 2.0 ** (self._exponent - 1)
        if wait >= high:
            return high
        self._exponent += 1
        return wait


class QueueListener:
    """Feeds one function from one queue."""

    def __init__(
        self,
        queues: QueueStore,
        queue: str,
        handler: Handler,
        settings: QueueSettings,
        clock: Clock,
    ) -> None:
        self.queue = queue
        self._queues = queues
        self._handler = handler
        self._settings = settings
        self._clock = clock
        self._backoff = Backoff(settings, clock)
        self._in_flight = 0
        self._room = asyncio.Event()
        self._stopping = False
        self._pause: asyncio.Timeout | None = None
        self._trouble: str | None = None

    async def run(self) -> None:
        """Listen until `stop`; returns when the messages in flight are done."""
        async with asyncio.TaskGroup() as tasks:
            while not self._stopping:
                if self._in_flight > self._settings.new_batch_threshold:
                    self._room.clear()
                    await self._room.wait()
                    continue
                messages = await self._fetch()
                for message in messages:
                    self._in_flight += 1
                    tasks.create_task(self._process(message))
                if messages:
                    self._backoff.reset()
                else:
                    await self._wait(self._backoff.next_wait())

    def stop(self) -> None:
        """Take nothing more."""
        self._stopping = True
        self._room.set()
        if self._pause is not None:
            self._pause.reschedule(asyncio.get_running_loop().time())

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(None) as self._pause:
                await self._clock.sleep(seconds)
        except TimeoutError:
            log.debug("listening to %s ends", self.queue)
        finally:
            self._pause = None

    async def _fetch(self) -> list[QueueMessage]:
        try:
            messages = await self._queues.get(
                self.queue,
                count=self._settings.batch_size,
                lease_seconds=self._settings.lease_seconds,
            )
        except NotFound:
            # Not created yet: the listener does not create it, it looks again.
            return []
        except StorageError as error:
            self._report(str(error))
            return []
        self._report(None)
        return messages

    def _report(self, trouble: str | None) -> None:
        """Tell about storage trouble once, and once when it is over."""
        if trouble is not None and self._trouble is None:
            log.warning("%s cannot be read, trying again: %s", self.queue, trouble)
        elif trouble is None and self._trouble is not None:
            log.info("%s can be read again", self.queue)
        self._trouble = trouble

    async def _process(self, message: QueueMessage) -> None:
        held = _Held(self._queues, self.queue, message, self._settings.lease_seconds, self._clock)
        try:
            if message.dequeue_count > self._settings.max_deliveries:
                # It failed that often in processes that did not live to say so.
                await self._poison(held)
            elif await self._handled(held):
                await held.delete()
            elif message.dequeue_count >= self._settings.max_deliveries:
                await self._poison(held)
            else:
                await held.hide(self._settings.retry_seconds)
        except StorageError as error:
            # It comes back when its lease ends.
            log.warning("message %s of %s: %s", message.id, self.queue, error)
        finally:
            self._in_flight -= 1
            if self._in_flight <= self._settings.new_batch_threshold:
                self._room.set()

    async def _handled(self, held: _Held) -> bool:
        try:
            message = function_message(held.message, base64_text=self._settings.base64)
            async with held.kept():
                await self._handler(message)
        except Exception as error:  # noqa: BLE001 - a failed function is a message to retry
            log.error(  # noqa: TRY400 - the text has the traceback where one helps
                "message %s of %s failed (delivery %d): %s",
                held.message.id,
                self.queue,
                held.message.dequeue_count,
                failure_text(error),
            )
            return False
        return True

    async def _poison(self, held: _Held) -> None:
        if self.queue.endswith(_POISON) or len(self.queue) > _LONGEST_WITH_POISON:
            return
        poison = f"{self.queue}{_POISON}"
        log.error("message %s of %s moved to %s", held.message.id, self.queue, poison)
        await self._queues.create_queue(poison)
        await self._queues.put(poison, held.message.text)
        await held.delete()


class _Held:
    """A message in flight, and the receipt that is good now."""

    def __init__(
        self,
        queues: QueueStore,
        queue: str,
        message: QueueMessage,
        lease_seconds: int,
        clock: Clock,
    ) -> None:
        self.message = message
        self._queues = queues
        self._queue = queue
        self._lease_seconds = lease_seconds
        self._clock = clock
        self._receipt = message.pop_receipt
        self._renewal = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Renew the lease at half time for as long as the block runs."""
        failure: Exception | None = None
        async with asyncio.TaskGroup() as tasks:
            renewing = tasks.create_task(self._renew())
            try:
                yield
            except Exception as error:  # noqa: BLE001 - raised below, outside the group's wrapping
                failure = error
            finally:
                # Not in the middle of a renewal, whose new receipt would be lost.
                async with self._renewal:
                    renewing.cancel()
        if failure is not None:
            raise failure

    async def _renew(self) -> None:
        while True:
            await self._clock.sleep(self._lease_seconds / 2)
            async with self._renewal:
                try:
                    await self._update(self._lease_seconds)
                except (NotFound, PreconditionFailed):
                    # Its function took the lease over, or deleted it: both are allowed.
                    log.debug("message %s of %s is not ours to renew", self.message.id, self._queue)
                    return
                except StorageError as error:
                    log.warning("message %s of %s: %s", self.message.id, self._queue, error)

    async def hide(self, seconds: int) -> None:
        """Let the message come back after `seconds`."""
        with contextlib.suppress(NotFound, PreconditionFailed):
            await self._update(seconds)

    async def delete(self) -> None:
        """Delete it; that its function did so, or holds another receipt, is fine."""
        with contextlib.suppress(NotFound, PreconditionFailed):
            await self._queues.delete(self._queue, self.message.id, self._receipt)

    async def _update(self, seconds: int) -> None:
        self._receipt = await self._queues.update(
            self._queue, self.message.id, self._receipt, visible_in_seconds=seconds
        )


def function_message(message: QueueMessage, *, base64_text: bool) -> FunctionMessage:
    """`message` as the worker hands it to a function.

    Raises:
        ValueError: host.json says the text is base64, and it isn't.
    """
    body = message.text.encode("utf-8")
    if base64_text:
        try:
            body = base64.b64decode(body, validate=True)
        except binascii.Error as error:
            raise ValueError(
                "The message is not base64, as extensions.queues.messageEncoding (host.json) says."
            ) from error
    return FunctionMessage(  # type: ignore[no-untyped-call]
        id=message.id,
        body=body,
        dequeue_count=message.dequeue_count,
        expiration_time=_NEVER,
        insertion_time=message.inserted,
        time_next_visible=message.next_visible,
        pop_receipt=message.pop_receipt,
    )
