"""The part of a client that is about entities: signal, read, list, clean."""

from __future__ import annotations

from abc import abstractmethod
from datetime import datetime, timedelta
from typing import Any

from durable.authoring.definitions import FunctionKind
from durable.authoring.registry import Registry
from durable.client import asking
from durable.client.entity_cleaning import Cleaner
from durable.client.entity_looking import Entity, EntityQuery, entities_of, state_of
from durable.client.entity_views import (
    CleanEntityStorageResult,
    EntityMetadata,
    EntityPage,
    EntityStateResponse,
    state_value,
)
from durable.client.looking import MAX_PAGE
from durable.client.operations import Operations
from durable.engine.entity_sorter import DEFAULT_WINDOW
from durable.errors import CorruptRecord, InvalidName
from durable.hub import raising
from durable.hub.taskhub import TaskHub
from durable.model.ids import EntityId
from durable.wire.payloads import Known, encode_input

_PAGE = 100


class EntityOperations(Operations):
    """What a program asks of the entities of a task hub.

    Args:
        hub: the task hub.
        registry: the app's functions; with it a signal to an unknown entity fails at once.
        entity_window: for how long entities remember senders (host.json's
            entityMessageReorderWindowInMinutes).
    """

    def __init__(
        self,
        hub: TaskHub,
        *,
        registry: Registry | None = None,
        entity_window: timedelta | None = None,
    ) -> None:
        super().__init__(hub)
        self._registry = registry
        self._window = DEFAULT_WINDOW if entity_window is None else entity_window

    @abstractmethod
    async def _other(self, task_hub: str | None, connection: str | None) -> EntityOperations | None:
        """The client a call is for; None for this one."""

    async def signal_entity(
        self,
        entityId: EntityId,  # noqa: N803 - 1.7's name
        operation_name: str,
        operation_input: object = None,
        task_hub_name: str | None = None,
        connection_name: str | None = None,
        *,
        scheduled_time: datetime | None = None,
    ) -> None:
        """Ask an entity for an operation, without waiting for it. The entity need not exist.

        Args:
            entityId: the entity.
            operation_name: the operation.
            operation_input: its input; any JSON value, 0 and "" too.
            task_hub_name: another hub.
            connection_name: the connection of another account.
            scheduled_time: not to run before; without a time zone it is UTC.

        Raises:
            UnknownFunction: no such entity in this app; names near ones.
            InvalidName: the entity's name or key breaks a rule, or the operation's is no text.
            NotSerializable: the input is not JSON, and where in it.
        """
        entity = asking.entity(entityId)
        if not isinstance(operation_name, str):
            raise InvalidName(
                f"operation_name must be a text, not a {type(operation_name).__name__}."
            )
        due = asking.moment(scheduled_time, "scheduled_time")
        text = None
        if operation_input is not None:
            what = f"the input of operation {operation_name!r} of entity {str(entity)!r}"
            text = encode_input(operation_input, what=what)
        other = await self._other(task_hub_name, connection_name)
        await (other or self).signal(entity, operation_name, text, due)

    async def signal(
        self, entity: EntityId, op: str, input_text: str | None, due: datetime | None = None
    ) -> None:
        """`signal_entity` with an input that is JSON text already."""
        asking.entity(entity)
        if self._registry is not None and self._registry.find_entity(entity.name) is None:
            raise self._registry.unknown(FunctionKind.ENTITY, entity.name)
        await self.prepare()
        await raising.signal(self.hub, str(entity), op, input_text, due)

    async def read_entity_state(
        self,
        entityId: EntityId,  # noqa: N803 - 1.7's name
        task_hub_name: str | None = None,
        connection_name: str | None = None,
        *,
        expected_type: Any = None,
    ) -> EntityStateResponse:
        """Whether an entity exists, and the state that its last operations left.

        Args:
            entityId: the entity.
            task_hub_name: another hub.
            connection_name: the connection of another account.
            expected_type: what to make of the state: a dataclass, ``list[datetime]`` ...

        Raises:
            InvalidName: no entity can have that name and key.
            TypeError: the state is of another type than expected; names where.
            ValueError: it is nothing that can be made into that type; names where.
        """
        instance_id = asking.known_entity(entityId)
        other = await self._other(task_hub_name, connection_name)
        if other is not None:
            return await other.read_entity_state(entityId, expected_type=expected_type)
        await self.prepare()
        text = await state_of(self.hub, instance_id)
        return EntityStateResponse(
            text is not None, state_value(text, expected_type, self._known_types)
        )

    async def get_entities(
        self,
        entity_name: str | None = None,
        *,
        last_modified_from: datetime | None = None,
        last_modified_to: datetime | None = None,
        include_state: bool = True,
        include_transient: bool = False,
        page_size: int = _PAGE,
        continuation_token: str | None = None,
    ) -> EntityPage:
        """One page of entities, by name and key.

        Args:
            entity_name: only those of that name.
            last_modified_from: only those whose last operations ended then or later.
            last_modified_to: then or earlier. Naive times are UTC.
            include_state: with their states.
            include_transient: those that don't exist, too: deleted, or only locked or signalled
                yet.
            page_size: how many at most; a page holds no more than 1,000.
            continuation_token: what the page before said, to get the next one.

        Raises:
            InvalidName: no entity can have that name, or the token is none of this list's.
            UsageError: no page size, or no time.
        """
        query = EntityQuery(
            name=asking.entity_name(entity_name, "entity_name"),
            modified_from=asking.moment(last_modified_from, "last_modified_from"),
            modified_to=asking.moment(last_modified_to, "last_modified_to"),
            with_absent=include_transient,
            with_state=include_state,
        )
        size = asking.page_size(page_size, "page_size")
        token = asking.optional(continuation_token, "continuation_token")
        await self.prepare()
        try:
            found, token = await entities_of(self.hub, query, size=size, continuation=token)
        except CorruptRecord as error:
            raise InvalidName(
                f"continuation_token is none that get_entities gave out: {error}"
            ) from None
        shown = [_shown(each, query, self._known_types) for each in found]
        return EntityPage(entities=shown, continuation_token=token)

    async def get_all_entities(
        self,
        entity_name: str | None = None,
        *,
        last_modified_from: datetime | None = None,
        last_modified_to: datetime | None = None,
        include_state: bool = True,
        include_transient: bool = False,
    ) -> list[EntityMetadata]:
        """Every entity, by name and key. The parameters are those of `get_entities`."""
        found: list[EntityMetadata] = []
        token: str | None = None
        while True:
            page = await self.get_entities(
                entity_name,
                last_modified_from=last_modified_from,
                last_modified_to=last_modified_to,
                include_state=include_state,
                include_transient=include_transient,
                page_size=MAX_PAGE,
                continuation_token=token,
            )
            found += page.entities
            token = page.continuation_token
            if token is None:
                return found

    async def clean_entity_storage(
        self, remove_empty_entities: bool = True, release_orphaned_locks: bool = True
    ) -> CleanEntityStorageResult:
        """Remove what entities left behind. It looks at every entity of the hub, once.

        Args:
            remove_empty_entities: those that don't exist, and had nothing to do for so long (30
                minutes) that nothing is lost by forgetting their senders.
            release_orphaned_locks: locks whose holder is finished or purged.
        """
        await self.prepare()
        return await Cleaner(
            self.hub,
            window=self._window,
            empty=remove_empty_entities,
            orphaned=release_orphaned_locks,
        ).clean()

    @property
    def _known_types(self) -> Known:
        return {} if self._registry is None else self._registry.known_types


def _shown(entity: Entity, query: EntityQuery, known: Known) -> EntityMetadata:
    return EntityMetadata(
        name=entity.name,
        key=entity.key,
        exists=entity.status.exists,
        last_modified=entity.last_modified,
        backlog_queue_size=entity.status.queue_size,
        locked_by=entity.status.locked_by,
        includes_state=query.with_state,
        state_text=entity.state,
        known=known,
    )
