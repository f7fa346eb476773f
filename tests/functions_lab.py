"""A Functions app on a memory account in virtual time: real generated functions and listeners.

Each process has its own doors to the account, one for its host and one for its engine, so that a
test sees who asks storage for what, and can end a process without a word.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

import azure.functions as func

from durable.authoring.definitions import ActivityDefinition, OrchestratorDefinition
from durable.authoring.registry import Registry
from durable.client import Client
from durable.errors import StorageError, Unavailable
from durable.functions import triggers
from durable.functions.config import AppConfig, config_from
from durable.functions.opening import HubOpening
from durable.functions.owner import Owner
from durable.host.config import QueueSettings
from durable.host.index import index_function
from durable.host.invoke import Invoker
from durable.host.queues import QueueListener
from durable.hostjson import parse_host_json
from durable.hub.taskhub import TaskHub
from durable.model.status import InstanceRow
from durable.storage.memory import MemoryAccount
from tests.simulation.simloop import SimClock, run_simulation

T = TypeVar("T")
P = ParamSpec("P")

HOST_LEASE_SECONDS = 600
#: A get that returned nothing.
IDLE_POLL = "Idle Poll"
#: Storage takes a moment, as it does everywhere: messages gather while a turn commits.
_LATENCY_SECONDS = 0.002
_PATIENCE_SECONDS = 4 * 3600


def in_virtual_time(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run an asynchronous test on a loop whose time jumps."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        run_simulation(test(*args, **kwargs))

    return run


class FunctionsLab:
    """One app, one account; `settings` are those below ``extensions.durableTask`` in host.json."""

    def __init__(self, **settings: object) -> None:
        self.clock = SimClock(3)
        self.account = MemoryAccount(self.clock)
        self.config = _config(settings)
        self.registry = Registry()
        self.processes: list[FunctionsProcess] = []
        # The observer's own door: not counted.
        self.hub = TaskHub(self.account, self.config.hub, self.clock)

    def orchestrator(self, function: Callable[..., Any]) -> None:
        self.registry.add_orchestrator(
            OrchestratorDefinition(
                name=function.__name__, function=function, context_name="context", input_type=None
            )
        )

    def activity(self, function: Callable[..., Any]) -> None:
        self.registry.add_activity(
            ActivityDefinition(name=function.__name__, function=function, input_name="value")
        )

    @property
    def queues(self) -> tuple[str, ...]:
        return (*self.hub.names.control_queues, self.hub.names.work_items)

    async def ended(self, instance_id: str) -> InstanceRow:
        """The instance's row once it is terminal and nothing is queued."""
        while self.clock.monotonic() < _PATIENCE_SECONDS:
            await self.clock.sleep(0.5)
            row = await self.hub.instances.read(instance_id)
            if row is None or row.status is None or not row.status.is_terminal:
                continue
            if not sum([await self.account.queues.count(queue) for queue in self.queues]):
                return row
        raise AssertionError(f"{instance_id} never came to rest")


class FunctionsProcess:
    """One Functions host with its worker. `requests` counts both, idle polls under their name.

    `refused` holds what storage refused the host and the engine, by operation.
    """

    def __init__(self, lab: FunctionsLab) -> None:
        self.lab = lab
        lab.processes.append(self)
        self.dead = False
        self.requests: Counter[tuple[str, str]] = Counter()
        self.refused: list[tuple[str, str, StorageError]] = []
        self._host = lab.account.opened_by(self._door("host"))
        engine = lab.account.opened_by(self._door("engine"))
        self._owner = Owner(lab.registry, HubOpening({}, lab.clock, lambda *_: engine))
        self._owner.configure(lab.config, ())
        app = func.FunctionApp()
        triggers.generate(app, self._owner, lab.config, runs_work=True)
        self._functions = [index_function(each) for each in app.get_functions()]
        self._invoker = Invoker(lab.clock, ".", None)
        self._settings = QueueSettings(
            base64=False, poll_max_seconds=1.0, lease_seconds=HOST_LEASE_SECONDS, max_deliveries=10
        )

    async def client(self) -> Client:
        """The app's client, whose requests are counted as the engine's are."""
        return await self._owner.client(None, None)

    async def start(self, name: str, instance_id: str, value: object = None) -> None:
        """Start an instance as the app's client does; what the hub's creation took is not counted.

        (Listeners look at the queues while there are none yet.)
        """
        client = await self.client()
        await self.lab.clock.sleep(2.0)
        for process in self.lab.processes:
            process.requests.clear()
            process.refused.clear()
        await client.start_new(name, instance_id, value)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[FunctionsProcess]:
        """Serve the queues for the block, as the host does. The sweeper's timer doesn't run."""
        async with asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(self._listen())
            try:
                yield self
            finally:
                listening.cancel()

    def kill(self) -> None:
        """End it here and now: nothing it does from now on reaches storage."""
        self.dead = True

    async def _listen(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                for function in self._functions:
                    if function.trigger_type == "queueTrigger":
                        listener = QueueListener(
                            self._host.queues,
                            str(function.trigger["queueName"]),
                            functools.partial(self._invoker.call, function),
                            self._settings,
                            self.lab.clock,
                        )
                        tasks.create_task(listener.run())
        finally:
            await self._owner.close()
            self._invoker.close()

    def _door(self, who: str) -> _Door:
        return _Door(self, who)


class _Door:
    """Counts what one side of a process asks for; shut once the process is dead."""

    def __init__(self, process: FunctionsProcess, who: str) -> None:
        self._process = process
        self._who = who

    async def __call__(
        self, service: str, operation: str, resource: str, call: Callable[[], T]
    ) -> T:
        await self._process.lab.clock.sleep(_LATENCY_SECONDS)
        if self._process.dead:
            raise Unavailable("The process is dead.", operation=operation, resource=resource)
        try:
            answer = call()
        except StorageError as error:
            self._process.requests[service, operation] += 1
            self._process.refused.append((self._who, operation, error))
            raise
        idle = operation == "Get Messages" and not answer
        self._process.requests[service, IDLE_POLL if idle else operation] += 1
        return answer


def _config(settings: dict[str, object]) -> AppConfig:
    host = {
        "version": "2.0",
        "extensions": {
            "queues": {"messageEncoding": "none", "visibilityTimeout": "00:00:05"},
            "durableTask": {"hubName": "Lab", **settings},
        },
    }
    return config_from(parse_host_json(json.dumps(host), {}))
