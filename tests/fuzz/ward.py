"""A hub in virtual time with a healthy instance beside damaged ones, and what must hold of it."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, settings

from durable.client import Client
from durable.errors import CorruptRecord, DurableError, HttpCallFailed, TooLarge
from durable.hub.taskhub import TaskHub
from durable.model.events import ExecutionStarted, TimerFired
from durable.model.messages import Cause, TaskMessage
from durable.model.status import RuntimeStatus
from durable.runtime.engine import Engine
from durable.storage.values import Operation, QueueMessage, Row, Write
from durable.wire.envelopes import BlobPointer, decode_message, json_text
from tests.fuzz.corpus import BAIT, Sample
from tests.fuzz.ours import HEALTHY_OUTPUT, make_lab
from tests.hub_lab import LEASE_SECONDS, Actor, Lab

HEALTHY = "healthy"
BAIT_CONTAINER, BAIT_BLOB = "other-largemessages", "secret.json.gz"
#: All that a process may touch in the account.
OWN = ("lab-", "Lab")
#: So long an instance may take that has some activities and a timer of a second, seconds.
HEALTHY_SECONDS = 30.0
#: So long a sweep may take that meets damaged histories, each of which is read for 3 seconds.
SWEEP_SECONDS = 60.0
#: By then whatever can end has ended: patience is 620 s, ten failures take some 5 minutes.
HORIZON_SECONDS = 4 * 3600.0
#: Puts that one message may cause: deferrals, and work of the instance it is for.
PUTS_A_MESSAGE = 60
MAX_PAYLOAD_BYTES = 4 * 1024 * 1024


def examples(count: int) -> settings:
    """So many examples, always the same ones.

    The variable DURABLE_FUZZ_EXAMPLES asks for another number, and then for new ones each time:
    `DURABLE_FUZZ_EXAMPLES=5000 pytest tests/fuzz --timeout=0`. What they find becomes a case of
    test_known.py.
    """
    asked = os.environ.get("DURABLE_FUZZ_EXAMPLES")
    return settings(
        max_examples=int(asked) if asked else count,
        derandomize=not asked,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


class Watch:
    """Notes what a process does outside the account: an audit hook stays, so there is one."""

    #: What a reader of foreign data must never do. Sources are opened for tracebacks, and modules
    #: of the standard library on first need.
    FORBIDDEN = (
        "os.system",
        "os.exec",
        "os.posix_spawn",
        "os.fork",
        "subprocess.Popen",
        "socket.connect",
        "socket.getaddrinfo",
        "pickle.find_class",
        "ctypes.dlopen",
        "shutil.rmtree",
        "os.remove",
        "open",
    )

    def __init__(self) -> None:
        self.watching = False
        self.seen: list[str] = []
        self.hooked = False

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.watching and event in self.FORBIDDEN:
            if event == "open" and str(arguments[0]).endswith((".py", ".pyc")):
                return
            self.seen.append(f"{event} {arguments!r:.200}")

    @contextlib.contextmanager
    def over(self) -> Iterator[None]:
        if not self.hooked:
            self.hooked = True
            sys.addaudithook(self)
        self.seen.clear()
        self.watching = True
        try:
            yield
        finally:
            self.watching = False
        assert not self.seen, self.seen


WATCH = Watch()


@dataclass(kw_only=True)
class Damage:
    """What lies in the hub when the processes begin."""

    sample: Sample = field(default_factory=lambda: Sample(name="nothing"))
    #: (for the work items, text): sound messages for damaged instances, or damaged ones.
    messages: Sequence[tuple[bool, str]] = ()
    #: What may change what the healthy instance does: then it need not come out right.
    for_healthy: Callable[[str | None], Sequence[str]] = lambda execution_id: ()


class Ward:
    """One hub, one process, and an eye on both."""

    def __init__(self, *, fast_path: bool = False) -> None:
        self.lab: Lab = make_lab(fast_path=fast_path)
        self.lab.settings = replace(self.lab.settings, max_payload_bytes=MAX_PAYLOAD_BYTES)
        self.lab.hub = TaskHub(self.lab.account, self.lab.settings, self.lab.clock)
        #: How many queries the process has made.
        self.queries = 0

    async def fill(self, sample: Sample) -> None:
        """Put rows and blobs into the account as they are, past every check but the service's."""
        hub, account = self.lab.hub, self.lab.account
        await hub.ensure()
        names = hub.names
        for container in (names.large_messages, BAIT_CONTAINER):
            await account.blobs.create_container(container)
        await account.blobs.put_blob(BAIT_CONTAINER, BAIT_BLOB, gzip.compress(f'"{BAIT}"'.encode()))
        for name, data in sample.blobs:
            await account.blobs.put_blob(names.large_messages, name, data)
        for table, rows in (
            (names.history_table, sample.history),
            (names.instances_table, sample.instances),
            (names.partitions_table, sample.partitions),
        ):
            for row in rows:
                bare = Row(
                    partition_key=row.partition_key, row_key=row.row_key, columns=row.columns
                )
                with contextlib.suppress(DurableError, ValueError):  # what no service takes
                    await account.tables.write(
                        table, Operation(write=Write.UPSERT_REPLACE, row=bare)
                    )

    async def send(self, messages: Sequence[tuple[bool, str]]) -> list[str]:
        """Put texts into the queues; those that a queue takes."""
        names = self.lab.hub.names
        taken = []
        for to_workers, text in messages:
            queue = names.work_items if to_workers else names.control_queues[0]
            with contextlib.suppress(DurableError, ValueError):
                await self.lab.account.queues.put(queue, text)
                taken.append(text)
        return taken

    async def unreadable(self, instance_ids: Sequence[str]) -> dict[str, DurableError]:
        """Those whose rows can't be read, each with the error, which names it."""
        found: dict[str, DurableError] = {}
        for each in instance_ids:
            try:
                await self.lab.hub.instances.read(each)
                await self.lab.hub.history.read(each)
            except DurableError as error:
                found[each] = error
        return found

    async def rows_of(self, instance_id: str) -> list[tuple[str, str, object]]:
        names = self.lab.hub.names
        return [
            (table, row.row_key, dict(row.columns))
            for table in (names.history_table, names.instances_table)
            for row in (await self.lab.account.tables.query(table, None)).rows
            if row.partition_key == instance_id
        ]

    def next_visible(self) -> datetime | None:
        """When a message comes back next."""
        held = self.lab.account._queues._state.queues
        names = self.lab.hub.names
        times = [
            message.next_visible
            for queue in (*names.control_queues, names.work_items)
            for message in held[queue].values()
        ]
        return min(times, default=None)

    def left(self) -> list[str]:
        held = self.lab.account._queues._state.queues
        names = self.lab.hub.names
        return [
            message.body.decode()
            for queue in (*names.control_queues, names.work_items)
            for message in held[queue].values()
        ]


class NoHttp:
    """Sends nothing."""

    async def send(self, *args: object, **kwargs: object) -> Any:
        raise HttpCallFailed("There is no network here.")

    async def close(self) -> None:
        """Nothing is open."""


class Host:
    """Hands messages to the engine as they come, all at once, as a Functions host does."""

    def __init__(self, ward: Ward, actor: Actor) -> None:
        self.ward = ward
        self.actor = actor
        self.busy = 0
        self.most_deliveries = 0

    async def run(self, *, seconds: float) -> None:
        """Serve for `seconds`."""
        lab = self.ward.lab
        end = lab.clock.monotonic() + seconds
        async with asyncio.TaskGroup() as group:
            while lab.clock.monotonic() < end:
                await self._receive(group)
                await asyncio.sleep(0)
                if self.busy:
                    await lab.clock.sleep(0.1)
                    continue
                following = self.ward.next_visible()
                pause = end - lab.clock.monotonic()
                if following is not None:
                    pause = min(pause, (following - lab.clock.now()).total_seconds())
                await lab.clock.sleep(max(pause, 0.01))

    async def _receive(self, group: asyncio.TaskGroup) -> None:
        names = self.ward.lab.hub.names
        for queue in (*names.control_queues, names.work_items):
            while found := await self.ward.lab.account.queues.get(
                queue, count=32, lease_seconds=LEASE_SECONDS
            ):
                for message in found:
                    self.busy += 1
                    group.create_task(self._process(queue, message))

    async def _process(self, queue: str, message: QueueMessage) -> None:
        self.most_deliveries = max(self.most_deliveries, message.dequeue_count)
        try:
            await self.actor.process(queue, message)
        finally:
            self.busy -= 1


async def examine(damage: Damage, *, fast_path: bool = False) -> Ward:
    """Play it through: the damage, a healthy instance beside it, and the sweeper over all of it."""
    ward = Ward(fast_path=fast_path)
    lab = ward.lab
    await ward.fill(damage.sample)
    await lab.clock.sleep(120)  # so that the sweeper looks at it
    unreadable = await ward.unreadable(damage.sample.instance_ids)
    before = {each: await ward.rows_of(each) for each in unreadable}
    for each, error in unreadable.items():
        assert isinstance(error, CorruptRecord | TooLarge), (each, error)
        assert each in str(error), (each, error)

    actor = await lab.actor()
    # A message may ask for an HTTP request, as an orchestrator does: that is not ours to judge.
    actor.engine = Engine(actor.hub, lab.registry, lab.clock, lab.engine_settings, http=NoHttp())
    host = Host(ward, actor)
    client = Client(actor.hub)
    with WATCH.over():
        await _play(ward, host, client, damage)
    ward.queries = sum(operation == "Query Entities" for operation, _ in actor.calls)
    assert actor.refused == [], "the engine leaves a message to the host"
    assert host.most_deliveries == 1
    for each, rows in before.items():
        assert await ward.rows_of(each) == rows, f"rows of {each} were changed"
    strange = {resource for _, resource in actor.calls if not resource.startswith(OWN)}
    assert not strange, f"touched {strange}"
    return ward


async def _play(ward: Ward, host: Host, client: Client, damage: Damage) -> None:
    lab, actor = ward.lab, host.actor
    await client.start(HEALTHY, instance_id=HEALTHY)
    sent = await ward.send(damage.messages)
    await host.run(seconds=0.5)
    execution_id = (await lab.row(HEALTHY)).execution_id
    own = damage.for_healthy(execution_id)
    sent += await ward.send([(False, text) for text in own])
    await host.run(seconds=0.5)
    began = lab.clock.monotonic()
    await actor.sweep()
    assert lab.clock.monotonic() - began < SWEEP_SECONDS
    with contextlib.suppress(DurableError):  # it may have been told to end
        await client.raise_event(HEALTHY, "go", {"to": 1})
    began = lab.clock.monotonic()
    while await _runs(lab) and lab.clock.monotonic() - began < HEALTHY_SECONDS:
        await host.run(seconds=1.0)
    if not any(could_matter(text, execution_id) for text in own):
        assert (await lab.row(HEALTHY)).status is RuntimeStatus.COMPLETED
        assert await lab.output(HEALTHY) == HEALTHY_OUTPUT
    puts = _puts(actor)
    await host.run(seconds=HORIZON_SECONDS)
    await actor.sweep()
    await host.run(seconds=HORIZON_SECONDS)
    if not any('"For":"version"' in text for text in ward.left()):
        # One for a process of another version is put anew every minute, however long that takes.
        assert _puts(actor) - puts <= PUTS_A_MESSAGE * (len(sent) + 4)
    await _check_ends(ward, sent)


async def _runs(lab: Lab) -> bool:
    status = (await lab.row(HEALTHY)).status
    return status is None or not status.is_terminal


def _puts(actor: Actor) -> int:
    return sum(operation == "Put Message" for operation, _ in actor.calls)


async def _check_ends(ward: Ward, sent: Sequence[str]) -> None:
    """Every message is gone, in quarantine as it was, or waits for a time that it names."""
    for text in ward.left():
        assert await _waits(ward, text), f"stays in the queue: {text[:3000]}"
    kept = await ward.lab.quarantined()
    texts = {record["text"] for record in kept}
    for text in sent:
        if not _is_readable(text):
            assert text in texts, f"neither readable nor in quarantine: {text[:300]!r}"
    reasons = [str(record["reason"]) for record in kept]
    assert all(reasons)
    # An error of ours says what is wrong; of another only its place in the code is told.
    unforeseen = [each for each in reasons if " at /" in each or "EngineBug" in each]
    assert not unforeseen, unforeseen
    assert BAIT not in json.dumps(kept)


def _is_readable(text: str) -> bool:
    try:
        decode_message(json_text(text))
    except CorruptRecord:
        return False
    return True


async def _waits(ward: Ward, text: str) -> bool:
    """Whether a message that is left tells of a time to come."""
    message = decode_message(json_text(text))
    if isinstance(message, BlobPointer):
        message = await ward.lab.hub.payloads.read_message(message)
    event = message.event
    if message.extras.cause is Cause.VERSION:
        return True  # for a process of that version, however long that takes
    horizon = ward.lab.clock.now() - timedelta(seconds=HORIZON_SECONDS)
    if isinstance(event, TimerFired):
        return event.fire_at > horizon
    if isinstance(event, ExecutionStarted) and event.scheduled_start_time is not None:
        return event.scheduled_start_time > horizon
    return False


def could_matter(text: str, execution_id: str | None) -> bool:
    """Whether a damaged message for the healthy instance is one that it must believe."""
    try:
        message = decode_message(json_text(text))
    except CorruptRecord:
        return False
    if not isinstance(message, TaskMessage) or message.target.instance_id != HEALTHY:
        return False
    if isinstance(message.event, ExecutionStarted):
        return True
    name = getattr(message.event, "name", None)
    is_event = type(message.event).__name__ == "EventRaised"
    if is_event and str(name).lower() != "go":
        return False
    return message.target.execution_id in (None, execution_id)


def readdressed(text: str, instance_id: str, execution_id: str | None) -> str:
    """A message's text, for another instance."""
    try:
        tree: Any = json.loads(text)
    except ValueError:
        return text
    task = tree.get("TaskMessage")
    if isinstance(task, dict):
        target = task["OrchestrationInstance"]
        target["InstanceId"], target["ExecutionId"] = instance_id, execution_id
    return json.dumps(tree)
