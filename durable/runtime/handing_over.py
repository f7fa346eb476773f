"""Messages for an instance that lives in this process: put already leased, and taken at once.

What is put is what would be put anyway, so nothing depends on the hand-over: a process that dies
lets the message become visible when its lease ends. What is saved is the time in the queue, and
the request that would fetch it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from durable.clock import Clock
from durable.errors import DurableError
from durable.hub.taskhub import TaskHub
from durable.model.events import ExecutionStarted
from durable.model.messages import Outbound
from durable.model.status import InstanceRow
from durable.runtime.delivery import Delivery, Scope
from durable.runtime.in_place import DealWith
from durable.runtime.memory import put_leased
from durable.runtime.own_lease import HeldMessage
from durable.runtime.settings import EngineSettings

log = logging.getLogger("durable.engine")


class HandOver:
    """Gives messages to this process's own mailboxes.

    `lives_here` tells whether an instance has a session or a turn in this process.
    """

    def __init__(
        self,
        hub: TaskHub,
        settings: EngineSettings,
        clock: Clock,
        lives_here: Callable[[str], bool],
        deal_with: DealWith,
    ) -> None:
        self._hub = hub
        self._settings = settings
        self._clock = clock
        self._lives_here = lives_here
        self._deal_with = deal_with
        self._under_way = 0

    def wants(self, scope: Scope | None, outbound: Outbound) -> bool:
        """Whether this process would take the message itself.

        A new instance may live anywhere; one that exists goes on where its session is. Of many,
        most are put for whoever has places: memory is no queue.
        """
        if not self._settings.fast_path or scope is None or outbound.to_workers:
            return False
        if self._under_way >= self._settings.hand_over_limit:
            return False
        if outbound.due is not None and outbound.due > self._clock.now():
            return False
        target = outbound.message.target.instance_id
        begins = isinstance(outbound.message.event, ExecutionStarted)
        return (begins or self._lives_here(target)) and scope.serves(
            self._hub.outbox.queue_for(outbound)
        )

    async def send(self, outbound: Outbound, scope: Scope, row: InstanceRow | None = None) -> None:
        """Put the message leased, and take it. `row` is the one that was just inserted for it.

        A turn that sends thousands asked whether each was wanted before it sent the first: the
        later ones no longer are, and are put as ever.
        """
        if not self.wants(scope, outbound):
            await self._hub.outbox.send(outbound)
            return
        self._under_way += 1
        try:
            delivery, held = await put_leased(
                self._hub, outbound, self._settings.own_lease_seconds, self._clock, scope, row=row
            )
        except BaseException:
            self._under_way -= 1
            raise
        scope.spawn(self._take(delivery, held, scope), queue=delivery.queue)

    async def _take(self, delivery: Delivery, held: HeldMessage, scope: Scope) -> None:
        over = asyncio.Event()
        scope.spawn(held.keep_until(over))
        try:
            await self._deal_with(delivery)
        except DurableError as error:
            # It comes back when its lease ends.
            log.warning("message %s of %s waits: %s", delivery.key, delivery.queue, error)
            return
        finally:
            self._under_way -= 1
            over.set()
        await held.let_go()
