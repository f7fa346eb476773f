"""A message lease of our own, instead of the host's fixed ten minutes (commit.md).

On receipt the message's invisibility is shortened, renewed at half time while its function runs,
and the message deleted by us; the host's own delete then fails silently (recorded.md 4). A dead
process's messages so return within the lease.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
from collections.abc import AsyncIterator
from datetime import timedelta

from durable.clock import Clock
from durable.errors import NotFound, PreconditionFailed, StorageError
from durable.runtime.delivery import Lease
from durable.storage.ports import QueueStore
from durable.storage.values import QueueMessage

log = logging.getLogger("durable.leases")


@contextlib.asynccontextmanager
async def own_lease(
    queues: QueueStore,
    queue: str,
    message: QueueMessage,
    *,
    lease_seconds: int | None,
    retry_seconds: float,
    clock: Clock,
    lease: Lease | None = None,
) -> AsyncIterator[QueueMessage]:
    """Hold `message` for the block; delete it after success, give it back after failure.

    Yields the message as it is then held; each renewal extends `lease`. With `lease_seconds`
    None nothing is done: the host's lease holds, and the host deletes.

    Raises:
        PreconditionFailed: somebody else has received the message meanwhile.
    """
    if lease_seconds is None:
        yield message
        return
    held = HeldMessage(queues, queue, message, lease_seconds, clock, lease)
    try:
        await held.renew()
    except NotFound:
        # Deleted meanwhile: it has been dealt with, by us or by a reception before.
        raise PreconditionFailed(
            f"Message {message.id} is no longer in {queue}.", operation="update", resource=queue
        ) from None
    failure: Exception | None = None
    async with asyncio.TaskGroup() as tasks:
        renewing = tasks.create_task(held.keep())
        try:
            yield held.message
        except Exception as error:  # noqa: BLE001 - raised below, outside the group's wrapping
            failure = error
        finally:
            # Not in the middle of a renewal, whose new receipt would be lost.
            async with held.renewal:
                renewing.cancel()
    if failure is not None:
        await held.give_back(int(retry_seconds))
        raise failure
    await held.delete()


class HeldMessage:
    """One message, and the receipt that is good now."""

    def __init__(
        self,
        queues: QueueStore,
        queue: str,
        message: QueueMessage,
        lease_seconds: int,
        clock: Clock,
        lease: Lease | None,
    ) -> None:
        self.message = message
        self.renewal = asyncio.Lock()
        self.is_lost = False
        self._queues = queues
        self._queue = queue
        self._lease_seconds = lease_seconds
        self._clock = clock
        self._lease = lease

    async def renew(self) -> None:
        """Hide the message for one more lease."""
        asked_at = self._clock.monotonic()
        receipt = await self._queues.update(
            self._queue,
            self.message.id,
            self.message.pop_receipt,
            visible_in_seconds=self._lease_seconds,
        )
        if self._lease is not None:
            self._lease.until = asked_at + self._lease_seconds
        until = self._clock.now() + timedelta(seconds=self._lease_seconds)
        self.message = dataclasses.replace(self.message, pop_receipt=receipt, next_visible=until)

    async def keep(self) -> None:
        """Renew at half time until cancelled, or until the message is somebody else's."""
        while True:
            await self._clock.sleep(self._lease_seconds / 2)
            if not await self._renewed():
                return

    async def keep_until(self, over: asyncio.Event) -> None:
        """Renew at half time until `over`, or until the message is somebody else's."""
        while not over.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._lease_seconds / 2):
                    await over.wait()
            if over.is_set() or not await self._renewed():
                return

    async def _renewed(self) -> bool:
        """Whether the message is still ours, as far as anybody knows."""
        try:
            async with self.renewal:
                await self.renew()
        except (NotFound, PreconditionFailed):
            log.warning("lost message %s of %s to another reader", self.message.id, self._queue)
            self.is_lost = True
            return False
        except StorageError as error:
            # The lease still has half its time; the next round tries again.
            log.warning("could not renew message %s: %s", self.message.id, error)
        return True

    async def give_back(self, seconds: int) -> None:
        """Let the message come back; if that fails it does when the lease ends."""
        with contextlib.suppress(StorageError):
            await self._queues.update(
                self._queue,
                self.message.id,
                self.message.pop_receipt,
                visible_in_seconds=seconds,
            )

    async def let_go(self) -> None:
        """Delete the message; if that fails it comes back, and is found dealt with."""
        try:
            await self.delete()
        except StorageError as error:
            log.warning("could not delete message %s: %s", self.message.id, error)

    async def delete(self) -> None:
        """Delete the message; one that is gone or somebody else's is not ours to delete."""
        async with self.renewal:  # not between a renewal and its new receipt
            with contextlib.suppress(NotFound, PreconditionFailed):
                await self._queues.delete(self._queue, self.message.id, self.message.pop_receipt)
