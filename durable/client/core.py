"""The client of one task hub."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import Protocol

from durable.authoring.definitions import FunctionKind
from durable.authoring.registry import Registry
from durable.client import operating
from durable.client.looking import all_rows, history_of, status_of, statuses_of, utc
from durable.client.operations import Operations
from durable.client.status import DurableOrchestrationStatus, OrchestrationRuntimeStatus
from durable.errors import InvalidName, UsageError
from durable.hub.instances import InstanceQuery
from durable.hub.raising import raise_event
from durable.hub.starting import StartRequest, start_instance
from durable.hub.taskhub import TaskHub
from durable.model.ids import check_instance_id
from durable.model.status import InstanceRow
from durable.wire.payloads import encode

#: Looking at a row more often than this tells nothing new.
_SHORTEST_INTERVAL = 0.05


class Links(Protocol):
    """Who makes the links to an instance; `durable.api.links` does."""

    async def prepare(self) -> None:
        """Load what links need, once."""
        ...

    def payload(self, instance_id: str, base_url: str | None = None) -> dict[str, str]:
        """The links by their names in the management payload, below `base_url`."""
        ...


class Client(Operations):
    """Starts, looks at, waits for and ends the instances of a task hub.

    Args:
        hub: the task hub.
        registry: the app's functions; with it a start of an unknown orchestrator fails at once.
        links: who makes management links, when there is a management API.
        sibling: the client of another hub or connection, for calls that name one.
    """

    def __init__(
        self,
        hub: TaskHub,
        *,
        registry: Registry | None = None,
        links: Links | None = None,
        sibling: Callable[[str | None, str | None], Awaitable[Client]] | None = None,
    ) -> None:
        super().__init__(hub)
        self._registry = registry
        self._links = links
        self._sibling = sibling

    @property
    def task_hub_name(self) -> str:
        """The hub's name."""
        return self.hub.settings.name

    async def prepare(self) -> None:
        """Create what the hub lacks and load what links need. Every call does it first.

        Methods that make links are synchronous: whoever hands out a client calls this before.
        """
        await self.hub.ensure()
        if self._links is not None:
            await self._links.prepare()

    async def start_new(
        self,
        orchestration_function_name: str,
        instance_id: str | None = None,
        client_input: object = None,
        version: str | None = None,
    ) -> str:
        """Start an orchestration; returns its instance id: `instance_id`, or a fresh one.

        Raises:
            UnknownFunction: no such orchestrator in this app; names near ones.
            InvalidName: the id breaks a rule.
            InstanceExists: an instance with that id has not ended yet.
            NotSerializable: the input is not JSON, and where in it.
        """
        text = None
        if client_input is not None:
            text = encode(client_input, what=f"the input of {orchestration_function_name!r}")
        return await self.start(
            orchestration_function_name, instance_id=instance_id, input_text=text, version=version
        )

    async def start(
        self,
        name: str,
        *,
        instance_id: str | None = None,
        input_text: str | None = None,
        version: str | None = None,
    ) -> str:
        """`start_new` with an input that is JSON text already."""
        registry = self._registry
        if registry is not None and registry.find_orchestrator(name) is None:
            raise registry.unknown(FunctionKind.ORCHESTRATOR, name)
        chosen = check_instance_id(instance_id) if instance_id else self.hub.clock.new_id()
        await self.prepare()
        request = StartRequest(name=name, instance_id=chosen, input=input_text, version=version)
        return (await start_instance(self.hub, request)).instance_id

    async def get_status(
        self,
        instance_id: str,
        show_history: bool = False,
        show_history_output: bool = False,
        show_input: bool = False,  # noqa: ARG002 - as in 1.7, where the input always comes
    ) -> DurableOrchestrationStatus:
        """The instance's status, with its input; false when there is no such instance.

        Args:
            instance_id: the instance.
            show_history: with its history, in `history` (and `historyEvents`).
            show_history_output: results too, in the history.
            show_input: makes no difference: as in azure-functions-durable 1.x `input_` is always
                there, and inputs are in the history.
        """
        await self.prepare()
        row = await self.hub.instances.read(instance_id)
        if row is None:
            return DurableOrchestrationStatus(message="")
        history = None
        if show_history:
            history = await history_of(
                self.hub, row, show_input=True, show_output=show_history_output
            )
        return await status_of(self.hub, row, history)

    async def get_status_all(self) -> list[DurableOrchestrationStatus]:
        """The status of every instance of the hub, entities included."""
        return await self.get_status_by()

    async def get_status_by(
        self,
        created_time_from: datetime | None = None,
        created_time_to: datetime | None = None,
        runtime_status: Iterable[OrchestrationRuntimeStatus] | None = None,
        instance_id_prefix: str | None = None,
    ) -> list[DurableOrchestrationStatus]:
        """The status of every instance that fits all of what is given. Naive times are UTC."""
        query = InstanceQuery(
            created_from=utc(created_time_from),
            created_to=utc(created_time_to),
            statuses=statuses_of(runtime_status),
            id_prefix=instance_id_prefix,
        )
        await self.prepare()
        return [await status_of(self.hub, row) async for row in all_rows(self.hub, query)]

    async def raise_event(
        self,
        instance_id: str,
        event_name: str,
        event_data: object = None,
        task_hub_name: str | None = None,
        connection_name: str | None = None,
    ) -> None:
        """Send an event to an instance; `event_data` arrives as the JSON value it is.

        Raises:
            InstanceNotFound: no such instance.
            InstanceFinished: it has ended.
            InvalidName: no event name (a ValueError, as in 1.7).
        """
        if not event_name:
            raise InvalidName("event_name must not be empty: it says which wait the event is for.")
        other = await self._other(task_hub_name, connection_name)
        if other is not None:
            await other.raise_event(instance_id, event_name, event_data)
            return
        text = encode(event_data, what=f"the data of event {event_name!r}")
        await self.prepare()
        await operating.unfinished(self.hub, instance_id)
        await raise_event(self.hub, instance_id, event_name, text)

    async def restart(self, instance_id: str, restart_with_new_instance_id: bool = True) -> str:
        """Start what an instance ran once more, with the same input; returns the id it runs under.

        Args:
            instance_id: the instance. Under a new id it may still run.
            restart_with_new_instance_id: under a fresh id; else in place of the old one.

        Raises:
            InstanceNotFound: no such instance.
            InstanceExists: it has not ended, and its own id was asked for.
            UnknownFunction: this app has no such orchestrator any more.
        """
        await self.prepare()
        row = await operating.existing(self.hub, instance_id)
        texts = await self.hub.instances.texts(row)
        return await self.start(
            row.name or "",
            instance_id=None if restart_with_new_instance_id else instance_id,
            input_text=texts.input,
        )

    async def wait(
        self, instance_id: str, *, timeout: float, interval: float
    ) -> InstanceRow | None:
        """The instance's row once it has ended, None when that takes over `timeout` seconds.

        It looks every `interval` seconds, and once at least.

        Raises:
            UsageError: `interval` is longer than `timeout`.
        """
        check_wait(timeout, interval)
        await self.prepare()
        clock = self.hub.clock
        end = clock.monotonic() + timeout
        while True:
            row = await self.hub.instances.read(instance_id)
            if row is not None and row.status is not None and row.status.is_terminal:
                return row
            left = end - clock.monotonic()
            if left <= 0:
                return None
            await clock.sleep(min(left, max(interval, _SHORTEST_INTERVAL)))

    def create_http_management_payload(
        self, instance_id: str, base_url: str | None = None
    ) -> dict[str, str]:
        """The links that manage an instance, below `base_url` (default: the app's own address).

        Raises:
            UsageError: this client has no management API.
        """
        if self._links is None:
            raise UsageError("This client was made without links: it has no management API.")
        return self._links.payload(instance_id, base_url)

    async def _other(self, task_hub: str | None, connection: str | None) -> Client | None:
        """The client a call is for; None for this one."""
        if not connection and (not task_hub or task_hub.lower() == self.task_hub_name.lower()):
            return None
        if self._sibling is None:
            raise UsageError(
                f"This client serves hub {self.task_hub_name!r} only: leave out task_hub_name and "
                "connection_name, or make a client of that hub."
            )
        found = await self._sibling(task_hub, connection)
        return None if found is self else found


def check_wait(timeout: float, interval: float) -> None:
    """Nothing, when one can wait so.

    Raises:
        UsageError: `interval` is longer than `timeout` (both in seconds).
    """
    if interval > timeout:
        raise UsageError(
            f"Total timeout {timeout:g} should be bigger than retry timeout {interval:g} (seconds)."
        )
