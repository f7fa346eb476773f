"""A worker in this process: the app's orchestrations run here, without a Functions host.

``python -m durable worker`` is this and signals; a web server or a test may have one beside its
own work.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace

from durable.client import Client
from durable.clock import Clock, SystemClock
from durable.errors import BadConfig, UsageError
from durable.functions.app import DFApp, DurableParts
from durable.functions.config import AppConfig, config_from, read_host_json
from durable.functions.host_settings import HostSettings
from durable.functions.opening import HubOpening
from durable.functions.owner import Owner, Services
from durable.functions.worker_config import worker_settings
from durable.hostjson import HostJson, parse_host_json
from durable.hub.partitions import as_recorded
from durable.hub.taskhub import TaskHub
from durable.runtime.engine import Engine
from durable.runtime.partitions import PartitionOwner
from durable.runtime.worker import Worker
from durable.runtime.worker_settings import WorkerSettings
from durable.storage.azure.account import account_config, open_account
from durable.storage.ports import Account
from durable.together import first_of

log = logging.getLogger("durable.worker")


@dataclass(frozen=True, kw_only=True, slots=True)
class RunningWorker:
    """A worker that serves its hub.

    Attributes:
        client: starts and asks; what it starts is taken up at once, without a queue.
        worker: reads the queues.
        engine: deals with the messages.
        account: the storage account; closed with the worker.
        config: the app's settings.
        worker_id: the name it owns partitions under.
    """

    client: Client
    worker: Worker
    engine: Engine
    account: Account
    config: AppConfig
    worker_id: str


@contextlib.asynccontextmanager
async def running_worker(
    app: DFApp,
    *,
    environ: Mapping[str, str] | None = None,
    host_json: Mapping[str, object] | None = None,
    account: Account | None = None,
    clock: Clock | None = None,
    drain_seconds: float | None = None,
) -> AsyncIterator[RunningWorker]:
    """Serve the app's hub for the block, then finish what is under way and give the queues back.

    Args:
        app: its orchestrators, activities and entities run; its HTTP, queue and timer functions
            do not.
        environ: the app settings; the environment when left out.
        host_json: what host.json says; read from the app's folder when left out.
        account: the storage account, closed at the end; the one of the settings when left out.
        clock: the process's clock.
        drain_seconds: what is under way at the end may take so long; 30 when left out.

    Raises:
        BadConfig: a setting breaks a rule, or differs from what the hub was made with.
        UsageError: the app has nothing to run.
        StorageError: the hub cannot be made sure of.
    """
    environ = os.environ if environ is None else environ
    clock = clock or SystemClock()
    parts = app.durable_parts()
    if not parts.runs_work:
        raise UsageError(
            "The app has no orchestrator, activity or entity: there is nothing for a worker to run."
        )
    host = _host_json(host_json, environ, parts)
    settings = worker_settings(host)
    if drain_seconds is not None:
        settings = replace(settings, drain_seconds=drain_seconds)
    config = _config(host, settings)
    owner = Owner(app.registry, HubOpening(environ, clock, _opener(account)))
    owner.configure(config, parts.clients)
    try:
        services = owner.services()
        owner.watch()
        await _make_sure_of(services.engine.hub)
        async with _serving(services, settings, config) as running:
            yield running
    finally:
        await owner.close()


def _host_json(
    given: Mapping[str, object] | None, environ: Mapping[str, str], parts: DurableParts
) -> HostJson:
    if given is None:
        return read_host_json(environ, parts.folders)
    return parse_host_json(json.dumps(given), environ)


def _config(host: HostJson, settings: WorkerSettings) -> AppConfig:
    config = config_from(host, in_worker=True)
    for remark in config.remarks:
        log.warning("%s", remark)
    # Half of what may be in flight, as in a host (commit.md, fast path b); all queues share it.
    queues = max(1, config.hub.partition_count)
    return replace(
        config,
        held_limit=max(1, settings.control_limit // (2 * queues)),
        own_lease_seconds=_own_lease(host, config, settings),
    )


def _own_lease(host: HostJson, config: AppConfig, settings: WorkerSettings) -> int:
    """That of messages which it puts leased: as those it reads, unless somebody set it."""
    is_set = HostSettings(host).is_set("ownLeaseSeconds")
    return (config.own_lease_seconds if is_set else None) or settings.control_lease_seconds


def _opener(account: Account | None) -> Callable[[Mapping[str, str], str], Account]:
    """Opens what is asked for; always `account` when one was given."""

    def opened(environ: Mapping[str, str], connection_name: str) -> Account:
        return account or open_account(account_config(environ, connection_name))

    return opened


async def _make_sure_of(hub: TaskHub) -> None:
    """Create what the hub lacks.

    Raises:
        BadConfig: it exists, with another number of control queues.
    """
    try:
        await as_recorded(hub, insist=True)
    except BadConfig as error:
        raise BadConfig(
            f"host.json: extensions.durableTask.storageProvider.partitionCount: {error}"
        ) from None
    await hub.ensure()


@contextlib.asynccontextmanager
async def _serving(
    services: Services, settings: WorkerSettings, config: AppConfig
) -> AsyncIterator[RunningWorker]:
    worker_id = _worker_id(services.clock)
    hub = services.engine.hub

    def drained(queue: str) -> bool:
        return worker.drained(queue)

    partitions = PartitionOwner(hub, services.clock, worker_id=worker_id, drained=drained)
    worker = Worker(
        services.engine,
        hub,
        services.clock,
        partitions,
        settings,
        free_slots=lambda: services.engine.free_activity_slots,
    )
    failure: Exception | None = None
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(worker.run())
            try:
                yield RunningWorker(
                    client=services.client,
                    worker=worker,
                    engine=services.engine,
                    account=services.account,
                    config=config,
                    worker_id=worker_id,
                )
            except Exception as error:  # noqa: BLE001 - raised below, outside the group's wrapping
                failure = error
            finally:
                await worker.stop()
    except BaseExceptionGroup as several:
        raise first_of(several) from None
    if failure is not None:
        raise failure


def _worker_id(clock: Clock) -> str:
    """Who owns: one process. The original has the machine's name alone, so two would share."""
    return f"{socket.gethostname()}-{os.getpid()}-{clock.new_id()[:8]}"
