"""Activities that run where they were decided, without a message of their own, for a while.

The message that started the turn is held meanwhile; should this process die, it comes back, and
what history says is owed is sent then (commit.md, the fast path: a and c). An activity that takes
long is put as a message after all, leased from the start, and that message is held instead.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from durable.clock import Clock
from durable.errors import DurableError
from durable.hub.taskhub import TaskHub
from durable.model.events import TaskScheduled
from durable.model.messages import Outbound
from durable.runtime.activities import Activities
from durable.runtime.delivery import Delivery, Scope
from durable.runtime.memory import in_memory, put_leased
from durable.runtime.own_lease import HeldMessage
from durable.runtime.settings import EngineSettings

log = logging.getLogger("durable.activities")

DealWith = Callable[[Delivery], Awaitable[None]]


class Run:
    """One activity in place; the anchor of its result."""

    def __init__(self, outbound: Outbound, event: TaskScheduled, scope: Scope) -> None:
        self.outbound = outbound
        self.event = event
        self.scope = scope
        self.has_begun = False
        self.began_at = 0.0
        self.is_revoked = False
        self.is_dealt_with = False
        self.held: HeldMessage | None = None
        self.over = asyncio.Event()

    @property
    def task_id(self) -> int:
        return self.event.event_id

    @property
    def name(self) -> str:
        return self.event.name or ""

    @property
    def is_set(self) -> bool:
        """Whether a message of it is in the queue, held by this process."""
        return self.held is not None and not self.held.is_lost


class InPlace:
    """Runs activities in place, and takes their results to `deal_with`."""

    def __init__(
        self,
        hub: TaskHub,
        activities: Activities,
        settings: EngineSettings,
        clock: Clock,
        deal_with: DealWith,
    ) -> None:
        self._hub = hub
        self._activities = activities
        self._settings = settings
        self._clock = clock
        self._deal_with = deal_with
        self._count = 0
        self._quick = settings.flush_seconds / 2

    def runnable(
        self, calls: Sequence[Outbound], scope: Scope
    ) -> list[tuple[Outbound, TaskScheduled]]:
        """Those of `calls` that may run here now, the first ones first.

        An activity that lately took long is for whoever has a free slot; others wait here for one,
        since they are sooner done than sent. What isn't known to be quick may keep its scope open.
        """
        room = self._settings.max_in_place - self._count
        free = self._activities.slots.free
        found: list[tuple[Outbound, TaskScheduled]] = []
        for call in calls:
            event = call.message.event
            if len(found) >= room or not isinstance(event, TaskScheduled):
                continue
            name = event.name or ""
            if not self._activities.knows(name) or (self.is_slow(name) and len(found) >= free):
                continue
            if not self._activities.is_quick(name, self._quick) and not scope.may_linger():
                continue
            found.append((call, event))
        return found

    def is_slow(self, name: str) -> bool:
        """Whether an activity of that name will hardly end before its chain is flushed."""
        return self._activities.is_slow(name, self._settings.flush_seconds)

    def works_for(self, instance_id: str) -> bool:
        """Whether this process runs an activity of the instance that came out of the queue."""
        return self._activities.works_for(instance_id)

    def begin(self, call: Outbound, event: TaskScheduled, scope: Scope) -> Run:
        """Run `call` as soon as there is a slot."""
        run = Run(call, event, scope)
        self._count += 1
        scope.spawn(self._carry_out(run))
        return run

    async def hold(self, run: Run) -> None:
        """Put the message of an activity that runs here, leased from the start."""
        lasts = self._clock.monotonic() - run.began_at
        if lasts > self._quick:
            self._activities.note_still_running(run.name, lasts)
        _, run.held = await put_leased(
            self._hub, run.outbound, self._settings.own_lease_seconds, self._clock, run.scope
        )
        if run.is_dealt_with:
            await run.held.let_go()
        else:
            run.scope.spawn(run.held.keep_until(run.over))

    async def _carry_out(self, run: Run) -> None:
        try:
            delivery = await self._result(run)
        finally:
            self._count -= 1
        if delivery is None:
            return
        try:
            await self._deal_with(delivery)
            run.is_dealt_with = True
        except DurableError as error:
            # Nobody has its result, and nobody deletes its message: it runs again.
            log.warning(
                "the result of activity %r (task %d of instance %r) was lost: %s",
                run.name,
                run.task_id,
                delivery.message.target.instance_id,
                error,
            )
        finally:
            run.over.set()
        if run.is_dealt_with and run.held is not None:
            await run.held.let_go()

    async def _result(self, run: Run) -> Delivery | None:
        async with self._activities.slots:
            if run.is_revoked:
                return None
            run.has_begun = True
            run.began_at = self._clock.monotonic()
            answer = await self._activities.reply(run.outbound.message, run.event)
        queue = self._hub.names.control_queue_of(answer.target.instance_id)
        return in_memory(answer, queue, run, run.scope, self._clock)
