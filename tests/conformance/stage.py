"""A task hub with hosts that run real apps on it: in memory and virtual time, or on Azurite.

A scenario is written once, against `Stage` and `Host`, and runs in both. Activities of its apps
are `async def`: virtual time has no threads.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit

import durable as df
from durable.api.app import ManagementApi
from durable.api.http import Request, Response
from durable.authoring.registry import Registry
from durable.client.status import DurableOrchestrationStatus
from durable.clock import Clock
from durable.errors import DurableError, NotFound, PreconditionFailed
from durable.functions.app import _register
from durable.functions.builder import DurableFunctionBuilder
from durable.functions.client import DurableOrchestrationClient
from durable.functions.config import AppConfig, config_from
from durable.functions.opening import HubOpening
from durable.functions.owner import Owner
from durable.hostjson import parse_host_json
from durable.hub.history import Loaded
from durable.hub.settings import HubSettings
from durable.hub.taskhub import TaskHub
from durable.model.events import HistoryEvent
from durable.model.status import InstanceRow
from durable.runtime.engine import Engine
from durable.storage.ports import Account
from durable.storage.values import All, Comparison, QueueMessage, Row, Where
from durable.wire.keys import escape_partition_key

Where_ = Literal["memory", "cold", "azurite"]

_LEASE_SECONDS = 600
_POLL_SECONDS = 0.03
#: The longest pause between looks at idle queues: in virtual time a look costs, waiting does not.
_IDLE_SECONDS = {"memory": 1.0, "cold": 1.0, "azurite": 0.06}
_SWEEP_SECONDS = 30.0
#: How long a scenario waits for something, on its own clock.
_PATIENCE_SECONDS = {"memory": 3_000.0, "cold": 3_000.0, "azurite": 40.0}


class Stage:
    """One hub. Everything here looks at it from outside, through a door of its own.

    Attributes:
        where: "memory", "cold" (in memory, no session outlives its turn, and no step goes
            without its queue) or "azurite".
        account, clock, hub: the storage, the time and the hub, as an observer sees them.
        short: a delay that is waited for; long: one that never ends within a scenario.
    """

    def __init__(self, where: Where_, account: Account, clock: Clock, hub_name: str) -> None:
        self.where = where
        self.account = account
        self.clock = clock
        self.hub_name = hub_name
        self.hub = TaskHub(account, HubSettings(name=hub_name), clock)
        self.short = timedelta(seconds=1 if where == "azurite" else 5)
        self.long = timedelta(hours=1) if where == "azurite" else timedelta(days=300)

    @contextlib.asynccontextmanager
    async def host(
        self,
        app: df.DFApp,
        *,
        hub_name: str | None = None,
        environ: Mapping[str, str] | None = None,
        **settings: object,
    ) -> AsyncIterator[Host]:
        """A process that serves `app` for the block.

        Args:
            app: its orchestrators and activities; each app serves one host at a time.
            hub_name: another hub than the stage's.
            environ: app settings.
            settings: those below ``extensions.durableTask`` in host.json. A scenario that looks
                at messages, or at turns apart, says ``fastPath=False``.
        """
        host = self.client_host(app, hub_name=hub_name, environ=environ, **settings)
        await host.client.prepare()
        try:
            async with asyncio.TaskGroup() as tasks:
                running = tasks.create_task(host.serve())
                try:
                    yield host
                finally:
                    running.cancel()
        except ExceptionGroup as group:
            if len(group.exceptions) > 1:
                raise
            raise group.exceptions[0] from None  # what the scenario asserted, as pytest shows it

    def client_host(
        self,
        app: df.DFApp | None = None,
        *,
        hub_name: str | None = None,
        environ: Mapping[str, str] | None = None,
        **settings: object,
    ) -> Host:
        """A process that only has a client and the management API: it takes no messages."""
        return Host(self, app, hub_name or self.hub_name, environ or {}, settings)

    async def row(self, instance_id: str) -> InstanceRow | None:
        """The instance's row."""
        return await self.hub.instances.read(instance_id)

    async def loaded(self, instance_id: str) -> Loaded:
        """The history, its ledger and its sentinel."""
        return await self.hub.history.read(instance_id)

    async def events(self, instance_id: str) -> list[HistoryEvent]:
        """The history that counts."""
        return [row.event for row in (await self.loaded(instance_id)).ledger.rows]

    async def history_rows(self, instance_id: str) -> list[Row]:
        """Every row of the history partition, the sentinel included."""
        where = Where("PartitionKey", Comparison.EQ, escape_partition_key(instance_id))
        rows: list[Row] = []
        continuation: str | None = None
        while True:
            page = await self.account.tables.query(
                self.hub.names.history_table, All((where,)), continuation=continuation
            )
            rows += page.rows
            continuation = page.continuation
            if continuation is None:
                return rows

    async def blobs(self, prefix: str = "") -> list[str]:
        """The names of the payload blobs that begin with `prefix`."""
        names: list[str] = []
        marker: str | None = None
        while True:
            try:
                found, marker = await self.account.blobs.list_blobs(
                    self.hub.names.large_messages, prefix, continuation=marker
                )
            except NotFound:
                return names
            names += [blob.name for blob in found]
            if not marker:
                return names

    async def until(self, what: Callable[[], Any], *, seconds: float | None = None) -> Any:
        """The first true value that `what` (an asynchronous function) returns."""
        end = self.clock.monotonic() + (seconds or _PATIENCE_SECONDS[self.where])
        pause = _POLL_SECONDS
        while True:
            found = await what()
            if found:
                return found
            assert self.clock.monotonic() < end, "it never happened"
            await self.clock.sleep(pause)
            pause = min(pause * 1.2, _IDLE_SECONDS[self.where])

    async def row_until(
        self, instance_id: str, fits: Callable[[InstanceRow], object]
    ) -> InstanceRow:
        """The instance's row once there is one that `fits`."""

        async def look() -> InstanceRow | None:
            row = await self.row(instance_id)
            return row if row is not None and fits(row) else None

        found: InstanceRow = await self.until(look)
        return found

    async def ended(self, instance_id: str) -> InstanceRow:
        """The instance's row once it is terminal."""
        return await self.row_until(instance_id, lambda row: row.status and row.status.is_terminal)

    async def at_rest(self) -> None:
        """All queues of the hub are empty: nothing waits, and nothing is in work."""
        names = self.hub.names

        async def empty() -> bool:
            queues = (*names.control_queues, names.work_items)
            return not any([await self.account.queues.count(queue) for queue in queues])

        await self.until(empty)

    async def gone(self, instance_id: str) -> bool:
        """Nothing but a tombstone is left: no row, no history that counts, no blobs."""
        rows = [row for row in await self.history_rows(instance_id) if row.row_key != "sentinel"]
        blobs = await self.blobs(escape_partition_key(instance_id) + "/")
        return await self.row(instance_id) is None and not rows and not blobs


class Host:
    """A process with an app.

    Attributes:
        client: what durable_client_input passes to a function of the app.
        engine, api: what runs it, and its management API.
    """

    def __init__(
        self,
        stage: Stage,
        app: df.DFApp | None,
        hub_name: str,
        environ: Mapping[str, str],
        settings: Mapping[str, object],
    ) -> None:
        self.stage = stage
        registry = Registry() if app is None else registry_of(app)
        if stage.where == "cold":
            # As cold as can be: every step through its queue, and read and replayed.
            settings = {"fastPath": False, **settings}
        self.config = _config(hub_name, settings, environ)
        environ = {"AZURE_FUNCTIONS_ENVIRONMENT": "Development", **environ}
        owner = Owner(registry, HubOpening(environ, stage.clock, lambda *_: stage.account))
        owner.configure(self.config, ())
        services = owner.services()
        if stage.where == "cold":
            services.engine.sessions._limit = 0
        self.owner = owner
        self.engine: Engine = services.engine
        self.api: ManagementApi = services.api
        client = services.client
        assert isinstance(client, DurableOrchestrationClient)
        self.client: DurableOrchestrationClient = client
        #: What the engine raised: storage that failed, races that were lost.
        self.refused: list[DurableError] = []

    async def run(
        self, orchestrator: str, value: object = None, instance_id: str | None = None, **more: Any
    ) -> DurableOrchestrationStatus:
        """Start an instance, wait for its end and give its status."""
        started = await self.client.start_new(orchestrator, instance_id, value, **more)
        return await self.status_at_end(started)

    async def status_at_end(self, instance_id: str) -> DurableOrchestrationStatus:
        """The instance's status once it has ended."""
        await self.stage.ended(instance_id)
        return await self.client.get_status(instance_id)

    async def status_is(self, instance_id: str, name: str) -> DurableOrchestrationStatus:
        """The instance's status once its runtime status has that name."""
        return await self.status_until(instance_id, lambda status: outcome(status)[0] == name)

    async def status_until(
        self, instance_id: str, fits: Callable[[DurableOrchestrationStatus], object]
    ) -> DurableOrchestrationStatus:
        """The instance's status once it `fits`."""

        async def look() -> DurableOrchestrationStatus | None:
            status = await self.client.get_status(instance_id)
            return status if status and fits(status) else None

        found: DurableOrchestrationStatus = await self.stage.until(look)
        return found

    async def entity_state_is(self, entity: df.EntityId, state: object) -> None:
        """Wait until the entity exists in that state.

        Real queues tell nothing of it: what looks again after an entity's requests came in another
        order may lie in them for half an hour.
        """

        async def is_so() -> bool:
            found = await self.client.read_entity_state(entity)
            return found.entity_exists and found.entity_state == state

        await self.stage.until(is_so)

    async def http(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> tuple[Response, Any]:
        """Ask the management API, `path` below its base; the answer, and its body as JSON.

        A `body` that is bytes is sent as it is, anything else as JSON.
        """
        parts = urlsplit(path)
        raw = (
            body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        )
        response = await self.api.handle(
            Request(
                method=method,
                path=parts.path,
                base_url=f"http://localhost:7071/{self.config.api_base}",
                query=dict(parse_qsl(parts.query, keep_blank_values=True)),
                headers={"content-type": "application/json", **(headers or {})},
                body=raw,
            )
        )
        return response, json.loads(response.body) if response.body else None

    async def serve(self) -> None:
        """Take messages from every queue of the hub, as a host's listeners do, until cancelled."""
        clock = self.stage.clock
        swept_at = clock.monotonic()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.engine.keep_time())
            pause = _POLL_SECONDS
            while True:
                received = await self._received()
                for queue, message in received:
                    tasks.create_task(self._process(queue, message))
                longest = _IDLE_SECONDS[self.stage.where]
                pause = _POLL_SECONDS if received else min(pause * 1.5, longest)
                if clock.monotonic() - swept_at > _SWEEP_SECONDS:
                    await self.engine.sweep()
                    swept_at = clock.monotonic()
                await clock.sleep(pause)

    async def _received(self) -> Sequence[tuple[str, QueueMessage]]:
        names = self.engine.hub.names
        found: list[tuple[str, QueueMessage]] = []
        for queue in (*names.control_queues, names.work_items):
            messages = await self.stage.account.queues.get(
                queue, count=32, lease_seconds=_LEASE_SECONDS
            )
            found += [(queue, message) for message in messages]
        return found

    async def _process(self, queue: str, message: QueueMessage) -> None:
        try:
            if queue == self.engine.hub.names.work_items:
                await self.engine.process_work_item(message)
            else:
                await self.engine.process_control_message(queue, message)
        except DurableError as error:
            self.refused.append(error)
            return
        with contextlib.suppress(NotFound, PreconditionFailed):
            await self.stage.account.queues.delete(queue, message.id, message.pop_receipt)


def outcome(status: DurableOrchestrationStatus) -> tuple[str | None, Any]:
    """The runtime status's name, and the output."""
    runtime = status.runtime_status
    return (None if runtime is None else runtime.name, status.output)


def registry_of(app: df.DFApp) -> Registry:
    """The durable functions of an app, as indexing it would register them."""
    registry = Registry()
    for builder in app._function_builders:
        if isinstance(builder, DurableFunctionBuilder):
            _register(registry, builder)
    return registry


def _config(hub_name: str, settings: Mapping[str, object], environ: Mapping[str, str]) -> AppConfig:
    host = {
        "version": "2.0",
        "extensions": {
            "queues": {"messageEncoding": "none", "visibilityTimeout": "00:00:05"},
            "durableTask": {"hubName": hub_name, **settings},
        },
    }
    return config_from(parse_host_json(json.dumps(host), environ))
