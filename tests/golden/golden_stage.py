"""One process and a client under recorded names: in memory and virtual time, or on Azurite."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from durable.authoring.registry import Registry
from durable.client import Client
from durable.clock import Clock
from durable.hub.purging import purge_instance
from durable.hub.raising import raise_event, resume, signal, suspend, terminate
from durable.hub.rewinding import Rewinder
from durable.hub.settings import HubSettings
from durable.hub.starting import StartRequest, start_instance
from durable.hub.taskhub import TaskHub
from durable.runtime.engine import Engine
from durable.runtime.http_activity import HttpSender
from durable.runtime.settings import EngineSettings
from durable.storage.memory import MemoryAccount
from durable.storage.ports import Account
from durable.storage.values import PutReceipt, QueueMessage
from durable.together import run_together
from durable.wire.envelopes import QueueEncoding
from tests.golden.account_runs import process
from tests.simulation.simloop import SimClock

_LONGEST_SECONDS = 120.0
#: As the original does it: its recordings show every message on its way.
THROUGH_QUEUES = EngineSettings(fast_path=False)


@dataclass(frozen=True, kw_only=True)
class Put:
    """A message put: where, what, hidden for how long."""

    queue: str
    text: str
    delay_seconds: int


class TickingClock(SimClock):
    """No two looks at it give the same time."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._looks = 0

    def now(self) -> datetime:
        self._looks += 1
        return super().now() + timedelta(microseconds=self._looks)


class Stage:
    """A hub of the recorded name, one process, and the clients' side of the recording.

    Without an account and its clock: in memory, in virtual time.
    """

    def __init__(
        self,
        hub_name: str,
        registry: Registry,
        *,
        http: HttpSender | None = None,
        account: Account | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.clock: Clock = clock or TickingClock(11)
        self.account: Account = account or MemoryAccount(self.clock)
        self.hub = TaskHub(self.account, HubSettings(name=hub_name), self.clock)
        self._registry = registry
        self._http = http
        self.engine = Engine(self.hub, registry, self.clock, THROUGH_QUEUES, http=http)
        self.puts: list[Put] = []
        put = self.account.queues.put

        async def noted(queue: str, text: str, *, delay_seconds: int = 0) -> PutReceipt:
            self.puts.append(Put(queue=queue, text=text, delay_seconds=delay_seconds))
            return await put(queue, text, delay_seconds=delay_seconds)

        self.account.queues.put = noted  # type: ignore[method-assign]

    async def start(
        self,
        name: str,
        instance_id: str,
        value: Any = None,
        *,
        at: datetime | None = None,
        override: bool = False,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        await self.hub.ensure()
        request = StartRequest(
            name=name,
            instance_id=instance_id,
            input=None if value is None else json.dumps(value),
            scheduled_start_time=at,
            override_running=override,
            tags=tags,
        )
        await start_instance(self.hub, request)

    async def raise_event(self, instance_id: str, name: str, value: Any) -> None:
        await raise_event(self.hub, instance_id, name, json.dumps(value, separators=(",", ":")))

    async def signal(
        self, entity: str, op: str, value: Any = None, *, at: datetime | None = None
    ) -> None:
        await self.hub.ensure()
        text = None if value is None else json.dumps(value, separators=(",", ":"))
        await signal(self.hub, entity, op, text, at)

    async def client(self) -> Client:
        return Client(self.hub)

    async def terminate(self, instance_id: str, reason: str) -> None:
        await terminate(self.hub, instance_id, reason)

    async def suspend(self, instance_id: str, reason: str) -> None:
        await suspend(self.hub, instance_id, reason)

    async def resume(self, instance_id: str, reason: str) -> None:
        await resume(self.hub, instance_id, reason)

    async def rewind(self, instance_id: str, reason: str) -> None:
        await Rewinder(self.hub).rewind(instance_id, reason)

    async def purge(self, instance_id: str) -> bool:
        return await purge_instance(self.hub, instance_id)

    async def restart(self, encoding: QueueEncoding = QueueEncoding.UTF8) -> None:
        """Let another process take over, which writes messages in `encoding`."""
        await self.engine.close()
        self.engine = Engine(
            self._hub_in(encoding), self._registry, self.clock, THROUGH_QUEUES, http=self._http
        )

    def clients_write(self, encoding: QueueEncoding) -> None:
        """From now on, clients write messages in `encoding`."""
        self.hub = self._hub_in(encoding)

    def _hub_in(self, encoding: QueueEncoding) -> TaskHub:
        settings = replace(self.hub.settings, queue_encoding=encoding)
        return TaskHub(self.account, settings, self.clock)

    async def turn(self) -> bool:
        """Process what is visible in the control queues, and no activity."""
        return await self._deliver(self.hub.names.control_queues)

    async def drain(self) -> None:
        """Process everything, what is hidden for now too."""
        queues = (*self.hub.names.control_queues, self.hub.names.work_items)
        end = self.clock.monotonic() + _LONGEST_SECONDS
        while await self._deliver(queues) or await self._holds_any(queues):
            assert self.clock.monotonic() < end

    async def _holds_any(self, queues: tuple[str, ...]) -> bool:
        """Whether there are messages, hidden ones for now; if so, a moment passes."""
        if not any([await self.account.queues.count(queue) for queue in queues]):
            return False
        await self.clock.sleep(0.25)
        return True

    async def _deliver(self, queues: tuple[str, ...]) -> bool:
        received: list[tuple[str, QueueMessage]] = []
        for queue in queues:
            messages = await self.account.queues.get(queue, count=32, lease_seconds=600)
            received += [(queue, message) for message in messages]
        await run_together(process(self.engine, queue, message) for queue, message in received)
        return bool(received)
