"""The recorded app on durable, over a hub that was the original's: one process and its client."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from types import ModuleType
from typing import Any

from durable.client import Client
from durable.clock import Clock, SystemClock
from durable.hub.settings import HubSettings
from durable.hub.taskhub import TaskHub
from durable.model.status import InstanceRow
from durable.runtime.engine import Engine
from durable.storage.azure.account import account_config, open_account
from durable.storage.memory import MemoryAccount
from durable.storage.ports import Account
from durable.storage.values import Row
from durable.wire.keys import SENTINEL, row_key
from tests.golden.account_runs import process
from tests.golden.taken_over import Message, Recording, Scene, load, registry_of, without_threads
from tests.simulation.simloop import SimClock, run_simulation

APPROVAL = {"ok": True, "by": "é"}
WAITED = {"a": "Hello one!", "b": "Hello two!", "event": APPROVAL, "c": "Hello three!"}
CITIES = ["Hello Tokyo!", "Hello Seattle!", "Hello London!"]
#: (status, output) of each: as recorded, or, of the half-done, as the recorded twin ends.
ENDS: dict[str, tuple[str, Any]] = {
    "hello_sequence": ("Completed", CITIES),
    "fan_out_10": ("Completed", 10),
    "fan_out_half": ("Completed", sum(2 * n for n in range(24))),
    "wait_event_done": ("Completed", WAITED),
    "wait_event_inflight": ("Completed", WAITED),
    "suspended": ("Completed", WAITED),
    "retry_ok": ("Completed", "ok after 3"),
    "continue_as_new": ("Completed", "Hello gen3!"),
    "timer": ("Completed", "fired"),
    "sub_orchestration_status": ("Completed", CITIES),
    "terminated": ("Terminated", "enough"),
    "entity_call": ("Completed", 7),
    # There 5 kB of serialised .NET exceptions (recorded.md section 5).
    "activity_failed": (
        "Failed",
        "durable.errors.ActivityFailed: Activity function 'fail' failed: ValueError: boom uncaught",
    ),
    "activity_failed_caught": (
        "Completed",
        "ActivityFailed: Activity function 'fail' failed: ValueError: boom caught",
    ),
}
#: The host's lease: a dead process's messages come back after it.
LEASE = 600
_LONGEST_SECONDS = 120.0
_AZURITE_SECONDS = 30.0


class Successor:
    """The app on durable, over a hub that was the original's."""

    def __init__(
        self,
        account: Account,
        recording: Recording,
        app: ModuleType,
        engine: Engine,
        longest: float,
    ) -> None:
        self.account = account
        self.recording = recording
        self.hub = engine.hub
        self.engine = engine
        self.client = Client(engine.hub)
        self._app = app
        self._longest = longest
        self._pause = longest / 30 if isinstance(account, MemoryAccount) else 0.1

    async def take_over(self, scene: Scene) -> None:
        await load(self.account, self.recording, scene)
        # The recorded process counted its tries in memory.
        self._app.TRIES["rec-retry"] = scene.activity_runs

    def forget_tries(self, instance_id: str) -> None:
        """As a new process would."""
        self._app.TRIES.pop(instance_id, None)

    @property
    def queues(self) -> tuple[str, ...]:
        return (*self.hub.names.control_queues, self.hub.names.work_items)

    async def drain(self) -> None:
        """Deliver until the queues are empty, what is hidden for now too."""
        clock = self.hub.clock
        end = clock.monotonic() + self._longest
        while any([await self.account.queues.count(queue) for queue in self.queues]):
            assert clock.monotonic() < end
            received = [
                (queue, message)
                for queue in self.queues
                for message in await self.account.queues.get(queue, count=32, lease_seconds=LEASE)
            ]
            for queue, message in received:
                await process(self.engine, queue, message)
            if not received:
                await clock.sleep(self._pause)

    async def send(self, message: Message) -> None:
        """What a client sent the original, sent by ours."""
        instance_id = message.target["InstanceId"]
        match message.kind:
            case "EventRaised":
                data = json.loads(message.event["Input"])
                await self.client.raise_event(instance_id, message.event["Name"], data)
            case "ExecutionTerminated":
                await self.client.terminate(instance_id, message.event["Input"])
            case other:
                raise AssertionError(other)

    async def tables(self) -> dict[str, list[Row]]:
        """The rows of the hub, whatever their ETags."""
        found = {}
        for table in ("History", "Instances"):
            page = await self.account.tables.query(f"{self.hub.settings.name}{table}", None)
            found[table] = [replace(row, etag=None) for row in page.rows]
        return found

    async def row(self, instance_id: str) -> InstanceRow:
        row = await self.hub.instances.read(instance_id)
        assert row is not None
        return row

    async def end(self, instance_id: str) -> tuple[str, Any]:
        row = await self.row(instance_id)
        assert row.status is not None
        output = (await self.hub.instances.texts(row)).output
        try:
            return str(row.status), json.loads(output or "null")
        except ValueError:
            return str(row.status), output

    async def history(self, instance_id: str) -> tuple[list[Row], Row]:
        """The rows of the current execution, and the sentinel."""
        page = await self.account.tables.query(self.hub.names.history_table, None)
        mine = [row for row in page.rows if row.partition_key == instance_id]
        (sentinel,) = [row for row in mine if row.row_key == SENTINEL]
        current = sentinel.columns["ExecutionId"]
        return [
            row for row in mine if row is not sentinel and row.columns["ExecutionId"] == current
        ], sentinel

    async def check_end(self, scenario: str, scene: Scene) -> None:
        """The instance has come to its end, and the hub to rest."""
        instance_id = self.recording.root.instance_id
        assert await self.end(instance_id) == ENDS[scenario]
        rows, sentinel = await self.history(instance_id)
        assert [row.row_key for row in rows] == [row_key(n) for n in range(len(rows))]
        kinds = [row.columns["EventType"] for row in rows]
        assert kinds.count("ExecutionStarted") == 1
        assert kinds.count("EventRaised") <= 1
        answered = [
            row.columns["TaskScheduledId"] for row in rows if "TaskScheduledId" in row.columns
        ]
        assert len(answered) == len(set(answered))
        assert kinds[-2:] == ["ExecutionCompleted", "OrchestratorCompleted"]
        assert kinds.count("OrchestratorStarted") == len(self.turns_of(rows))
        assert sentinel.columns["CommittedCount"] == len(rows)
        theirs = [
            (row.row_key, dict(row.columns))
            for row in scene.history
            if row.partition_key == instance_id and row.row_key != SENTINEL
        ]
        if theirs and theirs[0][1]["ExecutionId"] == sentinel.columns["ExecutionId"]:
            ours = [(row.row_key, dict(row.columns)) for row in rows]
            assert ours[: len(theirs)] == theirs
        await self.check_rest()

    @staticmethod
    def turns_of(rows: list[Row]) -> list[int]:
        """Where turns end: an OrchestratorCompleted, and then a new turn or nothing."""
        kinds = [*(row.columns["EventType"] for row in rows), "OrchestratorStarted"]
        return [
            n
            for n, kind in enumerate(kinds[:-1])
            if kind == "OrchestratorCompleted" and kinds[n + 1] == "OrchestratorStarted"
        ]

    async def check_rest(self) -> None:
        """Nothing is queued, poisoned or in quarantine."""
        lower = f"{self.hub.settings.name.lower()}-"
        assert sorted(await self.account.queues.list_queues(lower)) == sorted(self.queues)
        assert [await self.account.queues.count(queue) for queue in self.queues] == [0] * 5
        containers = await self.account.blobs.list_containers(lower)
        assert self.hub.names.quarantine not in containers


Act = Callable[[Successor], Awaitable[None]]


def successor(
    account: Account, clock: Clock, recording: Recording, app: ModuleType, *, is_simulated: bool
) -> Successor:
    registry = registry_of(app)
    hub = TaskHub(account, HubSettings(name=recording.hub), clock)
    engine = Engine(hub, without_threads(registry) if is_simulated else registry, clock)
    longest = _LONGEST_SECONDS if is_simulated else _AZURITE_SECONDS
    return Successor(account, recording, app, engine, longest)


def in_memory(recording: Recording, app: ModuleType, act: Act) -> None:
    """`act` in virtual time, a day after the recording."""

    async def run() -> None:
        clock = SimClock(5)
        ours = successor(MemoryAccount(clock), clock, recording, app, is_simulated=True)
        await act(ours)
        await ours.engine.close()

    run_simulation(run())


@asynccontextmanager
async def on_azurite(
    connection_string: str, recording: Recording, app: ModuleType
) -> AsyncIterator[Successor]:
    account = open_account(account_config({"Store": connection_string}, "Store"))
    ours = successor(account, SystemClock(), recording, app, is_simulated=False)
    try:
        yield ours
    finally:
        await ours.engine.close()
        await ours.hub.delete()
        await account.close()


class Crash(BaseException):
    """The process is gone."""


def after_a_crash(
    recording: Recording,
    scene: Scene,
    app: ModuleType,
    at: int,
    *,
    before: bool,
    first: Act,
    then: Act,
) -> bool:
    """Clients do `first`, a process dies at its storage call number `at`, a second does `then`.

    False when the first process came to the end of its work without dying.
    """

    async def run() -> bool:
        clock = SimClock(5)
        account = MemoryAccount(clock)
        calls = 0

        async def door(service: str, operation: str, resource: str, call: Callable[[], Any]) -> Any:
            nonlocal calls
            calls += 1
            if calls - 1 > at or (before and calls - 1 == at):
                raise Crash
            result = call()
            if calls - 1 == at:
                raise Crash
            return result

        registry = without_threads(registry_of(app))

        def process_on(doors: MemoryAccount) -> Successor:
            hub = TaskHub(doors, HubSettings(name=recording.hub), clock)
            return Successor(account, recording, app, Engine(hub, registry, clock), 3 * LEASE)

        second = process_on(account)
        await second.take_over(scene)
        await first(second)
        died = False
        try:
            await process_on(account.opened_by(door)).drain()
        except* Crash:
            died = True
        if died:
            await then(second)
        return died

    return run_simulation(run())
