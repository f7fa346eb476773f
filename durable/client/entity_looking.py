"""Reading entities: one, or pages of them, from their rows."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime

from durable.client.looking import page_of
from durable.errors import CorruptRecord, NotFound, TooLarge
from durable.hub.instances import InstanceQuery
from durable.hub.taskhub import TaskHub
from durable.model.entities import EntityStatus, SchedulerState
from durable.model.status import InstanceRow
from durable.together import run_together
from durable.wire.entity_json import decode_state, decode_status

log = logging.getLogger("durable.client")

#: What the custom status of an entity that exists begins with, whoever wrote it.
_EXISTING = '{"entityExists":true'
#: How many large states are fetched at the same time.
_AT_ONCE = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class EntityQuery:
    """Which entities: every condition that is given holds. Times are inclusive.

    Attributes:
        name: only those of that name.
        modified_from, modified_to: when their last operations ended.
        with_absent: those that don't exist, too: deleted, or only locked or signalled yet.
        with_state: read their states.
    """

    name: str | None = None
    modified_from: datetime | None = None
    modified_to: datetime | None = None
    with_absent: bool = False
    with_state: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Entity:
    """An entity as its row shows it. `state` is JSON text, None when it wasn't asked for."""

    name: str
    key: str
    status: EntityStatus
    last_modified: datetime | None
    state: str | None = field(default=None, repr=False)


def instance_of(name: str, key: str) -> str | None:
    """The instance id of an entity, whatever its key; None when no entity can have that name."""
    return None if "@" in name else f"@{name.lower()}@{key}"


async def state_of(hub: TaskHub, instance_id: str) -> str | None:
    """An entity's state as JSON text; None when it doesn't exist.

    Raises:
        CorruptRecord: the row holds what is no entity's.
    """
    row = await hub.instances.read(instance_id)
    if row is None or not status_of(row).exists:
        return None
    scheduler = await scheduler_state(hub, row)
    return None if scheduler is None else scheduler.state


async def scheduler_state(hub: TaskHub, row: InstanceRow) -> SchedulerState | None:
    """What an entity remembers, from its row or a newer one; None when that is gone.

    Raises:
        CorruptRecord: the row holds what is no entity's.
    """
    try:
        _, texts = await hub.instances.current(row)
    except NotFound:
        if await hub.instances.read(row.instance_id) is None:
            return None
        raise CorruptRecord(
            f"The state of entity {row.instance_id!r} is missing.", operation="read"
        ) from None
    return decode_state(texts.input, f"the state of entity {row.instance_id!r}")


def status_of(row: InstanceRow) -> EntityStatus:
    """What an entity's row shows of it.

    Raises:
        CorruptRecord: the row holds what is no entity's.
    """
    return decode_status(row.custom_status, f"the status of entity {row.instance_id!r}")


async def entities_of(
    hub: TaskHub, query: EntityQuery, *, size: int, continuation: str | None = None
) -> tuple[list[Entity], str | None]:
    """One page of entities by instance id, and how to ask for the next one.

    One that can't be understood is left out: it must not hide the others.

    Raises:
        CorruptRecord: the continuation is none of this hub's.
    """
    asked = InstanceQuery(
        updated_from=query.modified_from,
        updated_to=query.modified_to,
        id_prefix="@" if query.name is None else f"@{query.name.lower()}@",
        # So that storage itself fills the page, however many were deleted.
        custom_status_prefix=None if query.with_absent else _EXISTING,
        with_input=query.with_state,
    )
    page = await page_of(hub, asked, size=size, continuation=continuation)
    found = await run_together((_shown(hub, row, query) for row in page.rows), at_once=_AT_ONCE)
    return [each for each in found if each is not None], page.continuation


async def _shown(hub: TaskHub, row: InstanceRow, query: EntityQuery) -> Entity | None:
    """What a list tells of a row; None when it is none that was asked for."""
    name, found, key = row.instance_id[1:].partition("@")
    if not found or (query.name is not None and name != query.name.lower()):
        return None
    try:
        status = status_of(row)
        scheduler = None
        if query.with_state and status.exists:
            scheduler = await scheduler_state(hub, row)
    except (CorruptRecord, TooLarge) as error:
        log.warning("entity %r left out: %s", row.instance_id, error)
        return None
    return Entity(
        name=name,
        key=key,
        status=status,
        last_modified=row.last_updated_time,
        state=None if scheduler is None else scheduler.state,
    )
