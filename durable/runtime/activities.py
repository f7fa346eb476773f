"""A work item -> call -> reply: the activity processor.

Activities run at least once: a crash between the reply and the deletion of the work item runs
them again, and the second reply is dropped by its task id.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from durable.authoring.activity import ActivityCodec
from durable.authoring.definitions import ActivityDefinition, FunctionKind
from durable.authoring.registry import Registry
from durable.authoring.threads import in_thread
from durable.clock import Clock
from durable.engine.failures import details_of
from durable.engine.limits import check_payload
from durable.errors import ActivityCrashed, NotSerializable, PayloadTooLarge
from durable.hub.taskhub import TaskHub
from durable.model.events import HistoryEvent, TaskCompleted, TaskFailed, TaskScheduled
from durable.model.ids import derived_activity_id
from durable.model.messages import Extras, Outbound, TaskMessage
from durable.runtime.at_work import AtWork
from durable.runtime.delivery import Delivery, Done, Quarantined
from durable.runtime.patience import Patience
from durable.runtime.settings import EngineSettings
from durable.runtime.slots import Slots
from durable.runtime.suspects import Suspects

log = logging.getLogger("durable.activities")

#: The Episode of a reply whose work item had none (storage-format.md 3.2).
_NO_EPISODE = -1


class Activities:
    """Calls activities: asynchronous ones on the loop, synchronous ones in a pool of threads.

    `built_in` are the engine's own, by lower-case name; the app's come after them. `offer` takes
    an answer straight to its instance, when that lives in this process.
    """

    def __init__(
        self,
        hub: TaskHub,
        registry: Registry,
        settings: EngineSettings,
        clock: Clock,
        built_in: Mapping[str, ActivityDefinition],
        offer: Callable[[Delivery, TaskMessage], Awaitable[bool]],
    ) -> None:
        self._hub = hub
        self._registry = registry
        self._built_in = built_in
        self._clock = clock
        self._patience = Patience(hub.settings, settings, clock)
        self._offer = offer
        self._durations: dict[str, float] = {}
        self._working: Counter[str] = Counter()
        self.slots = Slots(settings.max_concurrent_activities)
        self._suspects = Suspects(hub, self.slots)
        self._threads = ThreadPoolExecutor(
            max_workers=settings.max_concurrent_activities, thread_name_prefix="durable-activity"
        )

    def close(self) -> None:
        """Let running threads end; start no more."""
        self._threads.shutdown(wait=False)

    async def handle(self, delivery: Delivery) -> None:
        """Run the activity that `delivery` asks for and send its answer; sets the outcome.

        Raises:
            StorageError: the answer could not be sent.
        """
        event = delivery.message.event
        if not isinstance(event, TaskScheduled):
            delivery.outcome = Quarantined(
                f"The work-item queue holds a {type(event).__name__}, which is no activity call. "
                "Discard it."
            )
            return
        definition = self._find(event.name or "")
        if definition is None:
            wait = self._patience.for_code([delivery])
            if wait is not None:
                delivery.outcome = wait
                return
        instance_id = delivery.message.target.instance_id
        self._working[instance_id] += 1
        try:
            answer = await self._answer_of(delivery, event)
        finally:
            self._working[instance_id] -= 1
            if not self._working[instance_id]:
                del self._working[instance_id]
        if answer is None:
            return
        if not await self._offer(delivery, answer):
            await self._hub.outbox.send(Outbound(message=answer))
        if self._suspects.concerns(delivery):
            await self._suspects.acquit(delivery, event)
        delivery.outcome = Done()

    async def _answer_of(self, delivery: Delivery, event: TaskScheduled) -> TaskMessage | None:
        """Run it in a place; None when it is put off."""
        asked = delivery.message
        if not self._suspects.concerns(delivery):
            async with self.slots:
                return await self.reply(asked, event)

        def refuse(crash: ActivityCrashed) -> TaskMessage:
            return _reply(asked, event, self._failed(event, crash, asked.target.instance_id))

        return await self._suspects.answer(
            delivery, event, lambda: self.reply(asked, event), refuse
        )

    async def reply(self, asked: TaskMessage, event: TaskScheduled) -> TaskMessage:
        """Run the activity that `asked` asks for, inside the gate: its answer, or its failure."""
        definition = self._find(event.name or "")
        began = self._clock.monotonic()
        with AtWork("activity", event.name, asked.target.instance_id):
            answer = await self._answer(event, definition, asked.target.instance_id)
        if definition is not None:  # names that nobody knows are without number
            self._note(event.name or "", self._clock.monotonic() - began)
        return _reply(asked, event, answer)

    def works_for(self, instance_id: str) -> bool:
        """Whether an activity runs, or is about to, that the instance called through the queue."""
        return instance_id in self._working

    def knows(self, name: str) -> bool:
        """Whether this process has code for the activity."""
        return self._find(name) is not None

    def is_slow(self, name: str, seconds: float) -> bool:
        """Whether the activity has lately taken longer than `seconds`; False for a new one."""
        return self._durations.get(name.lower(), 0.0) > seconds

    def is_quick(self, name: str, seconds: float) -> bool:
        """Whether the activity has lately taken no longer than `seconds`; False for a new one."""
        return self._durations.get(name.lower(), math.inf) <= seconds

    def note_still_running(self, name: str, seconds: float) -> None:
        """Keep in mind that a call has taken so long, and has not ended."""
        key = name.lower()
        self._durations[key] = max(self._durations.get(key, 0.0), seconds)

    def _note(self, name: str, seconds: float) -> None:
        """Keep in mind how long activities take: half of it is the last time."""
        key = name.lower()
        self._durations[key] = (self._durations.get(key, seconds) + seconds) / 2

    def _find(self, name: str) -> ActivityDefinition | None:
        return self._built_in.get(name.lower()) or self._registry.find_activity(name)

    async def _answer(
        self, event: TaskScheduled, definition: ActivityDefinition | None, instance_id: str
    ) -> HistoryEvent:
        try:
            if definition is None:
                raise self._registry.unknown(FunctionKind.ACTIVITY, event.name or "")
            codec = ActivityCodec(definition, self._registry)
            result = await self._call(definition, codec.argument(event.input))
            text = codec.encode_result(result)
            what = f"the result of activity {definition.name!r}"
            check_payload(text, self._hub.settings.payload_limit_bytes, what)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise  # this process lets go; somebody else will run it
            return self._failed(event, error, instance_id)  # raised by the user's code
        except (Exception, SystemExit, GeneratorExit) as error:  # noqa: BLE001
            # The user's code failed, in whatever way: that is the activity's answer.
            return self._failed(event, error, instance_id)
        return TaskCompleted(timestamp=self._clock.now(), task_id=event.event_id, result=text)

    async def _call(self, definition: ActivityDefinition, argument: object) -> object:
        if definition.is_async:
            return await definition.call(argument)
        return await in_thread(
            self._threads, lambda: definition.call(argument), what="The activity"
        )

    def _failed(self, event: TaskScheduled, error: BaseException, instance_id: str) -> TaskFailed:
        failure = details_of(error)
        if isinstance(error, ActivityCrashed | NotSerializable | PayloadTooLarge):
            failure = replace(failure, is_non_retriable=True)
        log.info(
            "activity %r (task %d of instance %r) failed with %s",
            event.name,
            event.event_id,
            instance_id,
            failure.error_type,
        )
        return TaskFailed(
            timestamp=self._clock.now(),
            task_id=event.event_id,
            reason=failure.message,
            failure=failure,
        )


def _reply(asked: TaskMessage, event: TaskScheduled, answer: HistoryEvent) -> TaskMessage:
    """The answer, as from the orchestration itself (storage-format.md 3.2: Sender)."""
    seed = f"{asked.target.execution_id}:answer:{event.event_id}:{asked.activity_id}"
    return TaskMessage(
        event=answer,
        target=asked.target,
        activity_id=derived_activity_id(seed),
        sender=asked.target,
        episode=asked.episode if asked.episode is not None else _NO_EPISODE,
        extras=Extras(mark=True),
    )
