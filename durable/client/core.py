"""The client of one task hub."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Protocol, Unpack

from durable.authoring.definitions import FunctionKind
from durable.authoring.registry import Registry
from durable.client import asking, operating, waiting
from durable.client.entity_operations import EntityOperations
from durable.client.looking import all_rows, history_of, status_in_list, status_of
from durable.client.quarantine_operations import QuarantineOperations
from durable.client.starting import StartOptions, StartRules
from durable.client.status import DurableOrchestrationStatus, OrchestrationRuntimeStatus
from durable.errors import UsageError
from durable.hub.instances import InstanceQuery
from durable.hub.starting import start_instance
from durable.hub.taskhub import TaskHub
from durable.model.ids import check_event_name, check_instance_id
from durable.model.status import InstanceRow
from durable.wire.payloads import encode, encode_input


class Links(Protocol):
    """Who makes the links to an instance; `durable.api.links` does."""

    async def prepare(self) -> None:
        """Load what links need, once."""
        ...

    def payload(self, instance_id: str, base_url: str | None = None) -> dict[str, str]:
        """The links by their names in the management payload, below `base_url`."""
        ...


class Client(EntityOperations, QuarantineOperations):
    """Starts, looks at, waits for and ends the instances of a task hub.

    Args:
        hub: the task hub.
        registry: the app's functions; with it a start of an unknown orchestrator and a signal to
            an unknown entity fail at once.
        links: who makes management links, when there is a management API.
        sibling: the client of another hub or connection, for calls that name one.
        rules: what host.json says about starts.
        settle: finds out, before the first call, what a hub that others made is really like.
        entity_window: for how long entities remember senders.
    """

    def __init__(
        self,
        hub: TaskHub,
        *,
        registry: Registry | None = None,
        links: Links | None = None,
        sibling: Callable[[str | None, str | None], Awaitable[Client]] | None = None,
        rules: StartRules | None = None,
        settle: Callable[[TaskHub], Awaitable[TaskHub]] | None = None,
        entity_window: timedelta | None = None,
    ) -> None:
        super().__init__(hub, registry=registry, entity_window=entity_window)
        self._settle = settle
        self._rules = rules or StartRules()
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
        if self._settle is not None:
            self.hub = await self._settle(self.hub)
            self._settle = None
        await self.hub.ensure()
        if self._links is not None:
            await self._links.prepare()

    async def start_new(
        self,
        orchestration_function_name: str,
        instance_id: str | None = None,
        client_input: object = None,
        version: str | None = None,
        *,
        scheduled_start_time: datetime | None = None,
        tags: Mapping[str, str] | None = None,
        override_running: bool | None = None,
    ) -> str:
        """Start an orchestration; returns its instance id: `instance_id`, or a fresh one.

        Args:
            orchestration_function_name: the orchestrator.
            instance_id: an id of your own.
            client_input: its input; any JSON value.
            version: what `context.version` shall say; None: host.json's defaultVersion, ``""``:
                none at all.
            scheduled_start_time: not to begin before; without a time zone it is UTC.
            tags: texts by name, kept with the instance and passed on to its children.
            override_running: replace an instance of that id that has not ended; None: as
                overridableExistingInstanceStates of host.json says.

        Raises:
            UnknownFunction: no such orchestrator in this app; names near ones.
            InvalidName: the id breaks a rule.
            InstanceExists: an instance with that id has not ended yet.
            NotSerializable: the input is not JSON, and where in it.
            UsageError: a tag that is no text, or too much of them; no time.
        """
        asking.required(orchestration_function_name, "orchestration_function_name")
        asking.optional(instance_id, "instance_id")
        text = None
        if client_input is not None:
            text = encode_input(client_input, what=f"the input of {orchestration_function_name!r}")
        return await self.start(
            orchestration_function_name,
            instance_id=instance_id,
            input_text=text,
            version=version,
            scheduled_start_time=scheduled_start_time,
            tags=tags,
            override_running=override_running,
        )

    async def start(
        self,
        name: str,
        *,
        instance_id: str | None = None,
        input_text: str | None = None,
        **options: Unpack[StartOptions],
    ) -> str:
        """`start_new` with an input that is JSON text already."""
        registry = self._registry
        if registry is not None and registry.find_orchestrator(name) is None:
            raise registry.unknown(FunctionKind.ORCHESTRATOR, name)
        chosen = check_instance_id(instance_id) if instance_id else self.hub.clock.new_id()
        request = self._rules.request(name, chosen, input_text, options)
        await self.prepare()
        row = await start_instance(self.hub, request)
        if registry is not None:
            self._rules.warn_of(chosen, row.version)
        return chosen

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
        asking.instance(instance_id)
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
        """The status of every instance of the hub, entities included.

        A damaged instance doesn't stop the list: it is left out, or shown without its payloads,
        and logged. Asked for alone, it raises CorruptRecord.
        """
        return await self.get_status_by()

    async def get_status_by(
        self,
        created_time_from: datetime | None = None,
        created_time_to: datetime | None = None,
        runtime_status: Iterable[OrchestrationRuntimeStatus] | None = None,
        instance_id_prefix: str | None = None,
    ) -> list[DurableOrchestrationStatus]:
        """The status of every instance that fits all of what is given. Naive times are UTC.

        As to damaged instances see `get_status_all`.
        """
        query = InstanceQuery(
            created_from=asking.moment(created_time_from, "created_time_from"),
            created_to=asking.moment(created_time_to, "created_time_to"),
            statuses=asking.statuses(runtime_status),
            id_prefix=asking.optional(instance_id_prefix, "instance_id_prefix"),
        )
        await self.prepare()
        return [await status_in_list(self.hub, row) async for row in all_rows(self.hub, query)]

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
            InvalidName: no event name, or one that is too long (a ValueError, as in 1.7).
        """
        asking.instance(instance_id)
        check_event_name(event_name, "raise_event")
        other = await self._other(task_hub_name, connection_name)
        if other is not None:
            await other.raise_event(instance_id, event_name, event_data)
            return
        text = encode(event_data, what=f"the data of event {event_name!r}")
        await self.prepare()
        row = await operating.unfinished(self.hub, instance_id)
        await operating.raise_event(self.hub, row, event_name, text)

    async def rewind(
        self,
        instance_id: str,
        reason: str | None = None,
        task_hub_name: str | None = None,
        connection_name: str | None = None,
    ) -> None:
        """Let a failed instance go on from where it failed: what failed is called again.

        Children that failed are rewound with it. When this returns it does not show as failed
        any more.

        Raises:
            InstanceNotFound: no such instance.
            InstanceFinished: it has ended otherwise than by a failure.
            InstanceError: it has not ended.
        """
        asking.instance(instance_id)
        asking.optional(reason, "reason")
        other = await self._other(task_hub_name, connection_name)
        if other is not None:
            await other.rewind(instance_id, reason)
            return
        await self.prepare()
        await operating.rewind(self.hub, instance_id, reason)

    async def restart(self, instance_id: str, restart_with_new_instance_id: bool = True) -> str:
        """Start what an instance ran once more, with the same input; returns the id it runs under.

        Args:
            instance_id: the instance. Under a new id it may still run.
            restart_with_new_instance_id: under a fresh id; else in place of the old one.

        Raises:
            InstanceNotFound: no such instance.
            InstanceExists: it has not ended, and its own id was asked for.
            UnknownFunction: this app has no such orchestrator any more.
            InvalidName: it is an entity.
        """
        asking.instance(instance_id)
        await self.prepare()
        row = await operating.restartable(self.hub, instance_id)
        _, texts = await self.hub.instances.current(row)
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
        waiting.check_wait(timeout, interval)
        await self.prepare()
        row, ended = await waiting.row_when(
            self.hub,
            waiting.Wait(instance_id=instance_id, timeout=timeout, interval=interval),
            lambda row: row is not None and operating.has_ended(row),
        )
        return row if ended else None

    async def wait_for_orchestration_completion(
        self, instance_id: str, *, timeout: float = 60, interval: float = 1
    ) -> DurableOrchestrationStatus:
        """The status of an instance once it has ended, whichever way.

        Args:
            instance_id: the instance.
            timeout: how many seconds to wait.
            interval: how many seconds between two looks.

        Raises:
            InstanceNotFound: no such instance, or it was purged meanwhile.
            WaitTimeout: it had not ended in time (a TimeoutError). It goes on running.
        """
        wait = waiting.wait_of(instance_id, timeout, interval)
        await self.prepare()
        return await status_of(self.hub, await waiting.completion(self.hub, wait))

    async def wait_for_orchestration_start(
        self, instance_id: str, *, timeout: float = 60, interval: float = 1
    ) -> DurableOrchestrationStatus:
        """As `wait_for_orchestration_completion`, once it is no longer Pending."""
        wait = waiting.wait_of(instance_id, timeout, interval)
        await self.prepare()
        return await status_of(self.hub, await waiting.beginning(self.hub, wait))

    def create_http_management_payload(
        self, instance_id: str, base_url: str | None = None
    ) -> dict[str, str]:
        """The links that manage an instance, below `base_url` (default: the app's own address).

        Raises:
            UsageError: this client has no management API.
        """
        asking.instance(instance_id)
        if self._links is None:
            raise UsageError(
                "This client was made without links: it knows of no management API. Outside a "
                "Functions app give df.Client an api_base_url."
            )
        return self._links.payload(instance_id, base_url)

    async def _other(self, task_hub: str | None, connection: str | None) -> Client | None:
        """The client a call is for; None for this one."""
        asking.optional(task_hub, "task_hub_name")
        asking.optional(connection, "connection_name")
        if not connection and (not task_hub or task_hub.lower() == self.task_hub_name.lower()):
            return None
        if self._sibling is None:
            raise UsageError(
                f"This client serves hub {self.task_hub_name!r} only: leave out task_hub_name and "
                "connection_name, or make a client of that hub."
            )
        found = await self._sibling(task_hub, connection)
        return None if found is self else found
