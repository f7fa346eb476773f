"""A recorded scenario's clients and one Functions host, each storage request counted.

The host is the real queue listener with its real generated functions, on the account in memory
and in virtual time. It starts with the first look at the queues, as the recorded worker did where
the clients were first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import datetime
from typing import Any

from durable.authoring.registry import Registry
from durable.client import Client
from durable.errors import InstanceError, InstanceExists
from durable.hub import raising
from durable.hub.rewinding import Rewinder
from durable.hub.starting import StartRequest, start_instance
from durable.wire.payloads import encode
from tests.functions_lab import IDLE_POLL, FunctionsLab, FunctionsProcess
from tests.golden.golden_stage import Stage

#: An idle host looks once a second; what it finds is dealt with in a few milliseconds.
_TURN_SECONDS = 1.5
_LONGEST_SECONDS = 3600.0
Requests = Counter[str]


class HostedStage(Stage):
    """The stage of the recorded scenarios, with a host in place of a loop that empties queues.

    Its clients send what the recorded ones sent: without a look at the instance's row. `looks`
    says how many of those durable's client would have made.
    """

    def __init__(self, registry: Registry, **settings: object) -> None:
        self.lab = FunctionsLab(**settings)
        self.lab.registry = registry
        self.clock = self.lab.clock
        self.hub = self.lab.hub
        self._process = FunctionsProcess(self.lab)
        self._serving = AsyncExitStack()
        self._serves = False
        self.looks = 0

    async def __aenter__(self) -> HostedStage:
        """The hub exists afterwards; what that took is not counted."""
        await (await self.client()).prepare()
        self._process.requests.clear()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._serving.aclose()

    async def client(self) -> Client:
        """The app's client."""
        return await self._process.client()

    @property
    def requests(self) -> Requests:
        """What was asked of storage, but for gets that returned nothing."""
        return Counter(
            {
                f"{service} {operation}": count
                for (service, operation), count in self._process.requests.items()
                if operation != IDLE_POLL
            }
        )

    # What clients do.

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
        client = await self.client()
        text = None if value is None else encode(value, what="the input")
        await start_instance(
            client.hub,
            StartRequest(
                name=name,
                instance_id=instance_id,
                input=text,
                scheduled_start_time=at,
                override_running=override,
                tags=tags,
            ),
        )

    async def raise_event(self, instance_id: str, name: str, value: Any) -> None:
        self.looks += 1
        text = encode(value, what="the event's data")
        await raising.raise_event((await self.client()).hub, instance_id, name, text)

    async def signal(
        self, entity: str, op: str, value: Any = None, *, at: datetime | None = None
    ) -> None:
        text = None if value is None else encode(value, what="the input")
        await raising.signal((await self.client()).hub, entity, op, text, at)

    async def terminate(self, instance_id: str, reason: str) -> None:
        self.looks += 1
        await raising.terminate((await self.client()).hub, instance_id, reason)

    async def suspend(self, instance_id: str, reason: str) -> None:
        self.looks += 1
        await raising.suspend((await self.client()).hub, instance_id, reason)

    async def resume(self, instance_id: str, reason: str) -> None:
        self.looks += 1
        await raising.resume((await self.client()).hub, instance_id, reason)

    async def rewind(self, instance_id: str, reason: str) -> None:
        await Rewinder((await self.client()).hub).rewind(instance_id, reason)

    async def start_refused(self, name: str, instance_id: str) -> None:
        """Start what runs already."""
        try:
            await self.start(name, instance_id)
        except InstanceExists:
            return
        raise AssertionError(f"{instance_id} was started twice")

    async def refused(self, instance_id: str, name: str, value: Any) -> None:
        """Raise an event that durable's client refuses: nobody waits for it."""
        try:
            await (await self.client()).raise_event(instance_id, name, value)
        except InstanceError:
            return
        raise AssertionError(f"{instance_id} was sent an event")

    # What the host does.

    async def turn(self) -> bool:
        """Let the host do what there is to do now."""
        await self._serve()
        await self.clock.sleep(_TURN_SECONDS)
        return True

    async def drain(self) -> None:
        """Let the host work until nothing is queued, hidden messages included."""
        await self._serve()
        end = self.clock.monotonic() + _LONGEST_SECONDS
        while sum([await self.lab.account.queues.count(queue) for queue in self.lab.queues]):
            assert self.clock.monotonic() < end
            await self.clock.sleep(0.25)

    async def _serve(self) -> None:
        if not self._serves:
            self._serves = True
            await self._serving.enter_async_context(self._process.running())
