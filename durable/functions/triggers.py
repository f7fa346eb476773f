"""The functions an app gets from us: queue, HTTP and timer triggers, each a few lines.

Their names are stable: they stand in logs, in metrics and in per-function scaling settings.
Each is an ``async def`` of its own, which the worker requires (functions-host.md 2.3).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import azure.functions as func
from azure.functions.decorators.core import AuthLevel, DataType
from azure.functions.decorators.function_app import TriggerApi
from azure.functions.decorators.http import HttpMethod

from durable.errors import StorageError
from durable.functions import adapt
from durable.functions.config import AppConfig
from durable.functions.contained import contained
from durable.functions.owner import Owner
from durable.runtime.delivery import Lease
from durable.runtime.own_lease import own_lease
from durable.storage.values import QueueMessage

#: What the management API answers; anything else is the host's 404, as the extension's.
_METHODS = (HttpMethod.GET, HttpMethod.POST, HttpMethod.PUT, HttpMethod.DELETE, HttpMethod.OPTIONS)
#: Every minute: R9's work is bounded, and recovery within a minute doesn't wait for it.
_SWEEPS = "0 */1 * * * *"

Processor = Callable[[QueueMessage], Awaitable[None]]
QueueFunction = Callable[[func.QueueMessage], Awaitable[None]]


def generate(app: TriggerApi, owner: Owner, config: AppConfig, *, runs_work: bool) -> None:
    """Add the engine's functions to `app`.

    Args:
        app: where they are registered.
        owner: what they call.
        config: the hub, and where the API lives.
        runs_work: whether this app runs orchestrators and activities, or has only clients.
    """
    if runs_work:
        names = config.hub.names
        for partition in range(config.hub.partition_count):
            queue = names.control_queue(partition)
            _add_queue(app, config, f"durable_control_{partition:02d}", queue, owner)
        _add_queue(app, config, "durable_workitems", names.work_items, owner)
        _add_sweeper(app, owner)
    _add_api(app, config, owner)


def _add_queue(app: TriggerApi, config: AppConfig, name: str, queue: str, owner: Owner) -> None:
    work_items = queue == config.hub.names.work_items

    async def receive(msg: func.QueueMessage) -> None:
        with contained(name):
            services = owner.working()
            message = adapt.queue_message(msg, services.clock)
            engine = services.engine
            seconds = config.own_lease_seconds
            lease = None if seconds is None else Lease(services.clock.monotonic() + seconds)
            async with own_lease(
                services.account.queues,
                queue,
                message,
                lease_seconds=seconds,
                retry_seconds=config.retry_seconds,
                clock=services.clock,
                lease=lease,
            ) as leased:
                if work_items:
                    await engine.process_work_item(leased, lease)
                else:
                    await engine.process_control_message(queue, leased, lease)

    receive.__name__ = name
    # Binary: otherwise the host reads the body's own properties into the message's id and
    # dequeue count (recorded.md 4, JSON trap).
    trigger = app.queue_trigger(
        arg_name="msg",
        queue_name=queue,
        connection=config.connection_name,
        data_type=DataType.BINARY,
    )
    trigger(receive)


def _add_api(app: TriggerApi, config: AppConfig, owner: Owner) -> None:
    async def durable_api(req: func.HttpRequest) -> func.HttpResponse:
        with contained("durable_api"):
            services = owner.services()
            answer = await services.api.handle(adapt.api_request(req, config))
            return adapt.http_response(answer)

    # Anonymous to the host: the API checks its own keys and link tokens (design.md 4).
    route = app.route(
        route=f"{config.api_route}/{{*path}}", methods=_METHODS, auth_level=AuthLevel.ANONYMOUS
    )
    route(durable_api)


def _add_sweeper(app: TriggerApi, owner: Owner) -> None:
    async def durable_sweeper(timer: func.TimerRequest) -> None:  # noqa: ARG001 - a binding
        with contained("durable_sweeper"):
            try:
                await owner.working().engine.sweep()
            except StorageError as error:
                # One line in the host's log instead of the SDK's stack; the next run tries again.
                raise RuntimeError(f"The sweep waits for its next run: {error}") from None

    # The host's schedule monitor would keep the last run in a blob, to make up for missed runs;
    # a missed sweep needs no making up.
    trigger = app.timer_trigger(
        arg_name="timer", schedule=_SWEEPS, run_on_startup=True, use_monitor=False
    )
    trigger(durable_sweeper)
