"""The two entry points, and the sweep. Idempotent, callable from any process at any time.

They return when the message has been dealt with for good, so that the caller may delete it, and
raise only when it must be delivered again as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from durable.authoring.registry import Registry
from durable.clock import Clock
from durable.errors import (
    CorruptRecord,
    EngineBug,
    InvalidName,
    TooLarge,
)
from durable.hub.commit import Committer
from durable.hub.taskhub import TaskHub
from durable.model.events import EventRaised, ExecutionStarted, HistoryEvent, TimerFired
from durable.model.ids import EntityId, is_entity_id
from durable.model.messages import Outbound, TaskMessage
from durable.model.status import InstanceRow
from durable.runtime.activities import Activities
from durable.runtime.chains import Chains
from durable.runtime.delivery import (
    Deferred,
    Delivery,
    Failed,
    Lease,
    Outcome,
    Quarantined,
    Scope,
    as_it_waits,
)
from durable.runtime.entities import Entities
from durable.runtime.entity_turn import check_message
from durable.runtime.handing_over import HandOver
from durable.runtime.http_activity import HttpSender, built_in_activities
from durable.runtime.http_client import HttpClient
from durable.runtime.in_place import InPlace
from durable.runtime.large_messages import LargeMessages
from durable.runtime.mailboxes import Mailboxes
from durable.runtime.memory import WorkItemHeld, in_memory
from durable.runtime.orchestrations import Orchestrations
from durable.runtime.programs import Programs
from durable.runtime.scope import Invocation, Places
from durable.runtime.served import Served
from durable.runtime.sessions import Sessions
from durable.runtime.settings import EngineSettings
from durable.runtime.settling import Settling
from durable.runtime.sweeper import Sweeper
from durable.storage.values import QueueMessage
from durable.wire.envelopes import BlobPointer, decode_message, json_text

_ADVICE = "Replay it once code runs that understands it, or discard it."


class Engine:
    """Runs one hub's orchestrations and activities, whoever brings the messages.

    `http` sends the requests of `call_http`; it is closed with the engine.
    """

    def __init__(
        self,
        hub: TaskHub,
        registry: Registry,
        clock: Clock,
        settings: EngineSettings | None = None,
        *,
        http: HttpSender | None = None,
    ) -> None:
        self.hub = hub
        self._http = http or HttpClient()
        self.settings = settings or EngineSettings()
        #: What work runs inside; None: inside the invocation that brought its message.
        self._scope: Scope | None = None
        self._places = Places(self.settings.linger_limit)
        self._clock = clock
        self._settling = Settling(hub, self.settings)
        self._large = LargeMessages(self.settings.large_message_bytes)
        self._served = Served(clock, gap_seconds=hub.settings.grace_seconds)
        self.sessions = Sessions(
            clock,
            limit=self.settings.session_limit,
            size_limit=self.settings.session_bytes,
            idle_seconds=self.settings.session_idle_seconds,
        )
        self._entities = Entities(
            registry, self.settings, clock, payload_bytes=hub.settings.payload_limit_bytes
        )
        self._activities = Activities(
            hub, registry, self.settings, clock, built_in_activities(self._http), self._offer
        )
        self._hand_over = HandOver(hub, self.settings, clock, self._lives_here, self._deal_with)
        committer = Committer(hub, clock)
        self._orchestrations = Orchestrations(
            hub,
            Programs(registry, self.settings),
            self.settings,
            clock,
            self.sessions,
            self._served,
            self._entities,
            committer,
            Chains(
                hub,
                committer,
                InPlace(hub, self._activities, self.settings, clock, self._deal_with),
                self._hand_over,
                self.settings,
                clock,
            ),
        )
        self._mailboxes = Mailboxes(
            self._orchestrations.handle,
            clock,
            gather_limit=self.settings.gather_limit,
            patience_seconds=self.settings.patience_seconds,
        )
        self._sweeper = Sweeper(hub, self._mailboxes.look, self.sessions, self.settings, clock)

    async def process_control_message(
        self, queue: str, message: QueueMessage, lease: Lease | None = None
    ) -> None:
        """Deal with a message of a control queue.

        `lease` is for whoever renews the message meanwhile; without one it is ours for as long as
        the host gave it to us.

        Raises:
            StorageError: storage failed; the message must be delivered again.
        """
        self._served.note()
        delivery = await self._delivery(queue, message, lease)
        if delivery is not None:
            await self._inside(delivery, self._deal_with)

    async def process_work_item(self, message: QueueMessage, lease: Lease | None = None) -> None:
        """Deal with a message of the work-item queue.

        Raises:
            StorageError: storage failed; the message must be delivered again.
        """
        delivery = await self._delivery(self.hub.names.work_items, message, lease)
        if delivery is not None:
            await self._inside(delivery, self._run_activity)

    async def _inside(self, delivery: Delivery, work: Callable[[Delivery], Any]) -> None:
        """Run `work` in the scope of whoever serves the hub, or in one as long as the work."""
        if self._scope is not None or not self.settings.fast_path:
            delivery.scope = self._scope
            await work(delivery)
            return
        invocation = Invocation(
            self._clock,
            hand_over_seconds=self.settings.hand_over_seconds,
            queue=delivery.queue,
            places=self._places,
        )
        delivery.scope = invocation
        await invocation.run(work(delivery))

    async def _deal_with(self, delivery: Delivery) -> None:
        """See a control message through, wherever it came from."""
        try:
            delivery.outcome = self._at_sight(delivery)
            if delivery.outcome is None:
                await self._mailboxes.deliver(delivery.message.target.instance_id, delivery)
            await self._settling.settle(delivery)
        finally:
            self._large.give_back(delivery.room)

    def _at_sight(self, delivery: Delivery) -> Outcome | None:
        """What becomes of a message that its instance need not see."""
        event, target = delivery.message.event, delivery.message.target
        try:
            early = _early_seconds(event, self._clock.now())
            if early > 0:
                return Deferred(early)  # nothing fires before its time
            pause = self._orchestrations.troubles.left(target.instance_id)
            if pause > 0:
                return as_it_waits(delivery, pause)
            unreadable = _unreadable(event, target.instance_id)
        except Exception as error:  # noqa: BLE001 - becomes the message's outcome
            return Failed(error)
        return None if unreadable is None else Quarantined(unreadable)

    async def _run_activity(self, delivery: Delivery) -> None:
        try:
            await self._activities.handle(delivery)
        except Exception as error:  # noqa: BLE001 - becomes the message's outcome
            delivery.outcome = Failed(error)
        await self._settling.settle(delivery)

    async def _offer(self, asked: Delivery, answer: TaskMessage) -> bool:
        """Take an activity's answer to its instance, if that lives here; the work item is held."""
        scope, outbound = asked.scope, Outbound(message=answer)
        if not self._hand_over.wants(scope, outbound):
            return False
        queue = self.hub.outbox.queue_for(outbound)
        anchor = WorkItemHeld(asked.lease, self._clock)
        await self._deal_with(in_memory(answer, queue, anchor, scope, self._clock))
        return True

    def _lives_here(self, instance_id: str) -> bool:
        return self.sessions.look(instance_id) is not None or instance_id in self._mailboxes

    def work_in(self, scope: Scope) -> None:
        """Run all work in `scope`, a worker, and take the messages of clients beside it at once."""
        self._scope = scope
        self.hub.receiver = self

    def note_acquired(self) -> None:
        """Note that the process serves another queue from now on (R7)."""
        self._served.begin_anew()

    @property
    def free_activity_slots(self) -> int:
        """How many more activities may begin now, those in place counted."""
        return self._activities.slots.free

    def takes(self, outbound: Outbound) -> bool:
        """Whether this process would deal with a client's message without its queue."""
        return self._hand_over.wants(self._scope, outbound)

    async def receive(self, outbound: Outbound, row: InstanceRow | None) -> None:
        """Put a client's message, leased, and deal with it in the worker's own scope."""
        if self._scope is None:
            raise EngineBug("Only an engine in a worker takes messages from clients.")
        await self._hand_over.send(outbound, self._scope, row)

    async def sweep(self) -> None:
        """One pass of the sweeper (R9): bounded, and constant when idle."""
        self._served.note()
        await self.hub.ensure()
        self.sessions.evict()
        await self._sweeper.sweep()

    async def keep_time(self) -> None:
        """Note, for as long as it is awaited, that the process serves without a gap (R7)."""
        while True:
            self._served.note()
            await self._clock.sleep(self.hub.settings.grace_seconds / 2)

    async def close(self) -> None:
        """Let orchestrators, threads and HTTP connections go. Storage stays open: not ours."""
        self.sessions.clear()
        self._activities.close()
        self._entities.close()
        await self._http.close()

    async def _delivery(
        self, queue: str, raw: QueueMessage, lease: Lease | None
    ) -> Delivery | None:
        """The message understood; None when it could not be, and is in quarantine."""
        lease = lease or Lease(self._clock.monotonic() + self.hub.settings.lease_seconds)
        pointer: BlobPointer | None = None
        room = 0
        try:
            found = decode_message(json_text(raw.text), received=self._clock.now())
            if isinstance(found, BlobPointer):
                pointer = found
                found, room = await self._fetched(queue, found)
        except (CorruptRecord, InvalidName, TooLarge) as bad:
            if pointer is None or not await self._was_purged(pointer):
                await self._settling.keep(queue, raw, f"{bad} {_ADVICE}")
            return None
        return Delivery(queue=queue, raw=raw, message=found, lease=lease, room=room)

    async def _fetched(self, queue: str, pointer: BlobPointer) -> tuple[TaskMessage, int]:
        """A large message, and the room that it has. Activities have places, which are few."""
        if queue == self.hub.names.work_items:
            return await self.hub.payloads.read_message(pointer), 0
        return await self._large.read(lambda: self.hub.payloads.read_message(pointer))

    async def _was_purged(self, pointer: BlobPointer) -> bool:
        """Whether the instance is gone that the message is about, its payloads with it (R8)."""
        instance_id = pointer.blob_name.rpartition("/")[0]
        try:
            sentinel = await self.hub.history.read_sentinel(instance_id) if instance_id else None
        except (CorruptRecord, InvalidName):
            # No instance can have that id, or its sentinel is damaged as well: the message must
            # not come back again and again for that.
            return False
        return sentinel is not None and sentinel.purged


def _early_seconds(event: HistoryEvent, now: datetime) -> float:
    """How much too early a timer or a scheduled start is; the queue counts in whole seconds."""
    due: datetime | None = None
    if isinstance(event, TimerFired):
        due = event.fire_at
    elif isinstance(event, ExecutionStarted):
        due = event.scheduled_start_time
    return (due - now).total_seconds() if due is not None else 0.0


def _unreadable(event: HistoryEvent, instance_id: str) -> str | None:
    """Why an entity can't be told so: nobody may wait behind what can't be understood."""
    if not (is_entity_id(instance_id) and isinstance(event, EventRaised)):
        return None
    try:
        EntityId.get_entity_id(instance_id)
        check_message(event, instance_id)
    except (CorruptRecord, InvalidName) as bad:
        return f"{bad} {_ADVICE}"
    return None
