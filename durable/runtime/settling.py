"""What becomes of a message by its outcome: put back for later, counted, or kept in quarantine."""

from __future__ import annotations

import logging
import math

from durable.errors import EngineBug, Throttled, TooLarge, Unavailable, UsageError
from durable.hub.quarantine import Quarantine
from durable.hub.taskhub import TaskHub
from durable.model.messages import TaskMessage
from durable.runtime.delivery import (
    Deferred,
    Delivery,
    Done,
    Failed,
    LeaseOver,
    Quarantined,
    as_it_waits,
)
from durable.runtime.settings import EngineSettings
from durable.runtime.telling import told
from durable.storage.values import QueueMessage

log = logging.getLogger("durable.engine")

#: Pauses after a failure of the engine on a message: doubling from one second.
_LONGEST_PAUSE_SECONDS = 60.0
#: How long messages are put off while storage is in trouble.
_STORAGE_PAUSE_SECONDS = 5.0
_LONGEST_DELAY_SECONDS = 6 * 24 * 3600


class Settling:
    """Sees to it that a message may be deleted; raises when it must be delivered again."""

    def __init__(self, hub: TaskHub, settings: EngineSettings) -> None:
        self._hub = hub
        self._settings = settings
        self._quarantine = Quarantine(hub)

    async def settle(self, delivery: Delivery) -> None:
        """Do what the outcome says.

        Raises:
            StorageError: the message must be delivered again.
        """
        match delivery.outcome:
            case Done():
                return
            case Deferred() as deferred:
                await self._put_back(delivery, deferred)
            case Quarantined(reason):
                await self.keep(delivery.queue, delivery.raw, reason, message=delivery.message)
            case Failed(error):
                await self._failed(delivery, error)
            case LeaseOver() | None:
                raise Unavailable(
                    f"The lease of message {delivery.key} ended before its turn came; "
                    "it will be delivered again.",
                    operation="process message",
                    resource=delivery.queue,
                )

    async def _failed(self, delivery: Delivery, error: Exception) -> None:
        instance_id = delivery.message.target.instance_id
        where = {"queue": delivery.queue, "message_id": delivery.key, "instance_id": instance_id}
        if isinstance(error, Throttled | Unavailable):
            log.warning("storage is in trouble: %s", error, extra=where)
            await self._put_back(delivery, as_it_waits(delivery, _STORAGE_PAUSE_SECONDS))
            return
        failures = delivery.message.extras.failures + 1
        reason = told(error)
        log.error(
            "failed on a message of instance %r (%d of %d): %s",
            instance_id,
            failures,
            self._settings.failure_limit,
            reason,
            extra=where,
        )
        if failures >= self._settings.failure_limit:
            reason = (
                f"The engine failed on it {failures} times: {reason.rstrip('.')}. Replay it once "
                "the cause is gone, or discard it."
            )
            await self.keep(
                delivery.queue,
                delivery.raw,
                reason,
                message=delivery.message,
                failures=failures,
            )
            return
        pause = min(2.0 ** (failures - 1), _LONGEST_PAUSE_SECONDS)
        await self._put_back(delivery, as_it_waits(delivery, pause), failures=failures)

    async def _put_back(
        self,
        delivery: Delivery,
        deferred: Deferred,
        *,
        failures: int | None = None,
    ) -> None:
        """Defer by a delayed copy under the same identity (R7); the original may then go (R3)."""
        if failures is None:
            failures = delivery.message.extras.failures
        copy = delivery.copy_for_later(
            failures=failures, since=deferred.since, cause=deferred.cause
        )
        delay = min(max(math.ceil(deferred.delay_seconds), 0), _LONGEST_DELAY_SECONDS)
        try:
            await self._hub.outbox.put(delivery.queue, copy, delay_seconds=delay)
        except (UsageError, EngineBug, TooLarge) as bad:
            # It would come back for ever: it can be read, and never be written.
            reason = f"It can't be put off: {str(bad).rstrip('.')}. Discard it."
            await self.keep(delivery.queue, delivery.raw, reason, message=delivery.message)

    async def keep(
        self,
        queue: str,
        raw: QueueMessage,
        reason: str,
        *,
        message: TaskMessage | None = None,
        failures: int | None = None,
    ) -> None:
        """Put a message into quarantine, and say so in the log."""
        kept = await self._quarantine.keep(queue, raw, reason, message=message, failures=failures)
        log.error(
            "message %s of queue %s is in quarantine (%s): %s",
            raw.id,
            queue,
            kept.id,
            kept.reason,
            extra={"queue": queue, "message_id": raw.id},
        )
