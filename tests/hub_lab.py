"""A hub on a memory account in virtual time, with processes that a test steps and disturbs."""

from __future__ import annotations

import functools
import json
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, ParamSpec, TypeVar

from durable.authoring.definitions import ActivityDefinition, OrchestratorDefinition
from durable.authoring.registry import Registry
from durable.errors import DurableError, NotFound, PreconditionFailed
from durable.hub.history import Loaded
from durable.hub.raising import raise_event
from durable.hub.settings import HubSettings
from durable.hub.starting import StartRequest, start_instance
from durable.hub.taskhub import TaskHub
from durable.model.events import EventRaised, HistoryEvent, InstanceRef, OrchestratorCompleted
from durable.model.messages import Extras, TaskMessage
from durable.model.status import InstanceRow
from durable.runtime.engine import Engine
from durable.runtime.settings import EngineSettings
from durable.storage.memory import MemoryAccount
from durable.storage.values import Operation, QueueMessage, Write
from durable.together import run_together
from durable.wire.envelopes import BlobPointer, decode_message, encode_message, json_text
from tests.simulation.simloop import SimClock, run_simulation

T = TypeVar("T")
P = ParamSpec("P")

LEASE_SECONDS = 600
#: A message's id for those that a test makes itself.
ACTIVITY_ID = "01234567-89ab-cdef-0123-456789abcdef"
#: Before or after a storage call: its number, its operation, what it is about.
Hook = Callable[[int, str, str], Awaitable[None]]


def in_virtual_time(
    test: Callable[P, Coroutine[Any, Any, None]],
) -> Callable[P, None]:
    """Run an asynchronous test on a loop whose time jumps."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        run_simulation(test(*args, **kwargs))

    return run


class Crash(BaseException):
    """The process is gone."""


class Lab:
    """One hub. `counts` counts activity runs; `self.hub` is the observer's own door."""

    def __init__(
        self,
        *orchestrators: Callable[..., Any],
        activities: Iterable[Callable[..., Any]] = (),
        partition_count: int = 1,
        settings: EngineSettings | None = None,
    ) -> None:
        self.clock = SimClock(7)
        self.account = MemoryAccount(self.clock)
        self.settings = HubSettings(
            name="Lab", partition_count=partition_count, lease_seconds=LEASE_SECONDS
        )
        # Most tests look at messages on their way; those of the fast path ask for it.
        self.engine_settings = settings or EngineSettings(fast_path=False)
        self.counts: Counter[str] = Counter()
        self.registry = self.make_registry(*orchestrators, activities=activities)
        self.hub = TaskHub(self.account, self.settings, self.clock)
        self.queue = self.hub.names.control_queues[0]

    def make_registry(
        self, *orchestrators: Callable[..., Any], activities: Iterable[Callable[..., Any]] = ()
    ) -> Registry:
        registry = Registry()
        for each in orchestrators:
            registry.add_orchestrator(
                OrchestratorDefinition(
                    name=each.__name__, function=each, context_name="context", input_type=None
                )
            )

        async def greet(value: Any) -> Any:
            self.counts[f"greet:{value}"] += 1
            return f"Hello {value}!"

        async def echo(value: Any) -> Any:
            self.counts["echo"] += 1
            return value

        for activity in (greet, echo, *activities):
            registry.add_activity(
                ActivityDefinition(name=activity.__name__, function=activity, input_name="value")
            )
        return registry

    async def actor(self, registry: Registry | None = None) -> Actor:
        """Another process; the hub exists afterwards."""
        await self.hub.ensure()
        return Actor(self, registry or self.registry)

    async def start(self, name: str, value: Any = None, *, instance_id: str = "i1") -> InstanceRow:
        await self.hub.ensure()
        text = None if value is None else json.dumps(value)
        request = StartRequest(name=name, instance_id=instance_id, input=text)
        return await start_instance(self.hub, request)

    async def raise_event(self, name: str, value: Any, *, instance_id: str = "i1") -> None:
        await raise_event(self.hub, instance_id, name, json.dumps(value))

    async def put(self, message: TaskMessage, *, queue: str | None = None) -> None:
        await self.hub.account.queues.put(queue or self.queue, encode_message(message))

    async def row(self, instance_id: str = "i1") -> InstanceRow:
        row = await self.hub.instances.read(instance_id)
        assert row is not None
        return row

    async def output(self, instance_id: str = "i1") -> Any:
        """The output, decoded; the text itself where it is no JSON."""
        text = (await self.hub.instances.texts(await self.row(instance_id))).output
        try:
            return None if text is None else json.loads(text)
        except ValueError:
            return text

    async def history(self, instance_id: str = "i1") -> Loaded:
        return await self.hub.history.read(instance_id)

    async def events(self, instance_id: str = "i1") -> list[HistoryEvent]:
        return [row.event for row in (await self.history(instance_id)).ledger.rows]

    async def queued(self, queue: str | None = None) -> list[tuple[TaskMessage, datetime]]:
        """Every message of a queue, hidden ones too, with the time it becomes visible."""
        held = self.account._queues._state.queues.get(queue or self.queue, {})
        found: list[tuple[TaskMessage, datetime]] = []
        for each in sorted(held.values(), key=lambda m: m.number):
            message = decode_message(json_text(each.body.decode()))
            if isinstance(message, BlobPointer):
                message = await self.hub.payloads.read_message(message)
            found.append((message, each.next_visible))
        return found

    def in_seconds(self, moment: datetime) -> float:
        return (moment - self.clock.now()).total_seconds()

    async def blobs(self, container: str | None = None) -> dict[str, bytes]:
        container = container or self.hub.names.large_messages
        try:
            listed, _ = await self.account.blobs.list_blobs(container, "")
        except NotFound:
            return {}
        return {
            blob.name: await self.account.blobs.get_blob(container, blob.name, max_bytes=10**9)
            for blob in listed
        }

    async def quarantined(self) -> list[dict[str, Any]]:
        found = await self.blobs(self.hub.names.quarantine)
        return [json.loads(data) for name, data in found.items() if name.endswith(".json")]

    async def empty(self) -> bool:
        names = self.hub.names
        counts = [
            await self.account.queues.count(queue)
            for queue in (*names.control_queues, names.work_items)
        ]
        return not any(counts)

    async def merge_sentinel(self, instance_id: str = "i1", **columns: Any) -> None:
        """What a .NET worker does to the sentinel: merge columns without knowing ours."""
        table = self.hub.names.history_table
        row = await self.account.tables.read(table, instance_id, "sentinel")
        assert row is not None
        row = replace(row, columns=columns, timestamp=None)
        await self.account.tables.write(table, Operation(write=Write.MERGE, row=row))

    async def merge_row(self, instance_id: str = "i1", **columns: Any) -> None:
        """What somebody else writes into the Instances row."""
        table = self.hub.names.instances_table
        row = await self.account.tables.read(table, instance_id, "")
        assert row is not None
        row = replace(row, columns=columns, timestamp=None)
        await self.account.tables.write(table, Operation(write=Write.MERGE, row=row))

    def event(
        self,
        event: HistoryEvent,
        *,
        instance_id: str = "i1",
        execution_id: str | None = None,
        extras: Extras = Extras(),  # noqa: B008 - frozen
    ) -> TaskMessage:
        return TaskMessage(
            event=event,
            target=InstanceRef(instance_id=instance_id, execution_id=execution_id),
            activity_id=ACTIVITY_ID,
            sender=InstanceRef(instance_id="", execution_id=""),
            extras=extras,
        )

    def raised(self, name: str, value: Any, *, identity: str | None = None) -> TaskMessage:
        event = EventRaised(timestamp=self.clock.now(), name=name, input=json.dumps(value))
        return self.event(event, extras=Extras(mark=True, identity=identity))


class Actor:
    """One process: its own door to the account, its engine. `before` and `after` see each call."""

    def __init__(self, lab: Lab, registry: Registry) -> None:
        self.lab = lab
        self.calls: list[tuple[str, str]] = []
        self.batches: list[Sequence[Operation]] = []
        self.refused: list[DurableError] = []
        self.before: Hook | None = None
        self.after: Hook | None = None
        self.dead = False
        #: Operations whose next answer is lost, so that they are made again.
        self.repeated: set[str] = set()
        #: Operations that fail while they are in here.
        self.failing: dict[str, DurableError] = {}
        self.account = lab.account.opened_by(self._intercept)
        self._note_batches()
        self.hub = TaskHub(self.account, lab.settings, lab.clock)
        self.engine = Engine(self.hub, registry, lab.clock, lab.engine_settings)

    async def _intercept(
        self, service: str, operation: str, resource: str, call: Callable[[], T]
    ) -> T:
        if self.dead:
            raise Crash
        number = len(self.calls)
        self.calls.append((operation, resource))
        if self.before is not None:
            await self.before(number, operation, resource)
        if operation in self.failing:
            raise self.failing[operation]
        result = call()
        if operation in self.repeated:
            self.repeated.remove(operation)
            result = call()
        if self.after is not None:
            await self.after(number, operation, resource)
        return result

    def _note_batches(self) -> None:
        batch = self.account.tables.batch

        async def noted(table: str, operations: Sequence[Operation]) -> list[str]:
            self.batches.append(operations)
            return await batch(table, operations)

        self.account.tables.batch = noted  # type: ignore[method-assign]

    def crash(self) -> None:
        """Nothing reaches storage from now on."""
        self.dead = True
        raise Crash

    async def deliver(self, *, together: bool = True) -> int:
        """Receive what is visible in all queues and process it; returns how many that was."""
        names = self.lab.hub.names
        received: list[tuple[str, QueueMessage]] = []
        for queue in (*names.control_queues, names.work_items):
            while found := await self.lab.account.queues.get(
                queue, count=32, lease_seconds=LEASE_SECONDS
            ):
                received += [(queue, message) for message in found]
        if not together:
            for queue, message in received:
                await self.process(queue, message)
            return len(received)
        await self._all(received)
        return len(received)

    async def _all(self, received: Sequence[tuple[str, QueueMessage]]) -> None:
        await run_together([self.process(queue, message) for queue, message in received])

    async def process(self, queue: str, message: QueueMessage) -> None:
        """As a host does it: deleted when the engine returns, left alone when it raises."""
        try:
            if queue == self.hub.names.work_items:
                await self.engine.process_work_item(message)
            else:
                await self.engine.process_control_message(queue, message)
        except DurableError as error:
            self.refused.append(error)
            return
        try:
            await self.lab.account.queues.delete(queue, message.id, message.pop_receipt)
        except (NotFound, PreconditionFailed):
            return

    async def drain(self, *, seconds: float = 3600.0, together: bool = True) -> None:
        """Deliver until the queues are empty, waiting for what is hidden."""
        end = self.lab.clock.monotonic() + seconds
        while not await self.lab.empty():
            assert self.lab.clock.monotonic() < end, await self.lab.queued()
            if not await self.deliver(together=together):
                await self.lab.clock.sleep(0.5)

    async def sweep(self) -> None:
        await self.engine.sweep()


def crash_at(actor: Actor, number: int, *, before: bool) -> None:
    """Let `actor` die at its call number `number` from now."""
    number += len(actor.calls)

    async def hook(current: int, operation: str, resource: str) -> None:
        if current == number:
            actor.crash()

    if before:
        actor.before = hook
    else:
        actor.after = hook


def once(hook: Callable[[], Awaitable[object]], operation: str, resource: str = "") -> Hook:
    """A hook that runs once, at the first `operation` on a resource of that name."""
    pending = deque([hook])

    async def run(number: int, current: str, about: str) -> None:
        if pending and current == operation and resource in about:
            await pending.pop()()

    return run


def stretch_ends(events: Sequence[HistoryEvent]) -> list[int]:
    """The indexes of OrchestratorCompleted."""
    return [n for n, event in enumerate(events) if isinstance(event, OrchestratorCompleted)]
