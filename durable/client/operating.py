"""What operators do to instances: who may be sent what, and purging many.

Each looks at the instance's row first. What happens to the instance between the look and the
message's arrival is the engine's to judge: a message that comes too late is dropped.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from contextlib import suppress
from datetime import datetime

from durable.client.looking import all_rows
from durable.errors import (
    CorruptRecord,
    InstanceError,
    InstanceFinished,
    InstanceNotFound,
    InvalidName,
    TooLarge,
)
from durable.hub import raising
from durable.hub.descendants import descendants
from durable.hub.instances import InstanceQuery, can_exist
from durable.hub.purging import purge_instance
from durable.hub.rewinding import Rewinder
from durable.hub.taskhub import TaskHub
from durable.model.ids import is_entity_id
from durable.model.status import TERMINAL, InstanceRow, RuntimeStatus
from durable.together import run_together

log = logging.getLogger("durable.client")

#: How many instances are purged at the same time.
_AT_ONCE = 8
#: How many are found before they are purged, so that memory stays flat.
_CHUNK = 200


async def existing(hub: TaskHub, instance_id: str) -> InstanceRow:
    """The row of an instance.

    Raises:
        InstanceNotFound: no such instance.
    """
    row = await hub.instances.read(instance_id)
    if row is None:
        raise InstanceNotFound(
            f"No instance with ID '{instance_id}' found.", instance_id=instance_id
        )
    return row


async def restartable(hub: TaskHub, instance_id: str) -> InstanceRow:
    """The row of an instance that can be started once more.

    Raises:
        InstanceNotFound: no such instance.
        InvalidName: it is an entity.
    """
    if is_entity_id(instance_id):
        raise InvalidName(f"{instance_id!r} is an entity: nobody starts it, so nobody restarts it.")
    return await existing(hub, instance_id)


async def unfinished(hub: TaskHub, instance_id: str) -> InstanceRow:
    """The row of an instance that can still be sent something.

    Raises:
        InstanceNotFound: no such instance.
        InstanceFinished: it has ended.
    """
    row = await existing(hub, instance_id)
    if has_ended(row):
        raise InstanceFinished(
            f"Instance with ID {instance_id} is gone: either completed or failed "
            f"(it is {row.status}), so nothing was sent to it.",
            instance_id=instance_id,
        )
    return row


async def line_of(hub: TaskHub, row: InstanceRow) -> str | None:
    """The execution that began the instance in `row` (R5), for messages that mean no later one.

    None when it is not known: an execution that a .NET worker runs.
    """
    if is_entity_id(row.instance_id):
        return None  # it has no runs that could be told apart
    if row.is_unstarted:
        return row.execution_id
    sentinel = await hub.history.read_sentinel(row.instance_id)
    return sentinel.first_execution_id if sentinel is not None and sentinel.is_ours else None


async def raise_event(hub: TaskHub, row: InstanceRow, name: str, input_text: str | None) -> None:
    """Send an event to the instance that the caller has just seen as `row`.

    A start that replaces a running instance is accepted with its row; what follows is for the new
    run, even where the old one, live in some process, hears of it first.
    """
    line = row.execution_id if row.is_unstarted else None
    await raising.raise_event(hub, row.instance_id, name, input_text, line=line)


async def terminate(hub: TaskHub, instance_id: str, reason: str | None) -> None:
    """End an instance.

    Raises:
        InstanceNotFound, InstanceFinished: as `unfinished`.
    """
    row = await unfinished(hub, instance_id)
    await raising.terminate(hub, instance_id, reason, line=await line_of(hub, row))


async def terminate_children(hub: TaskHub, instance_id: str, reason: str | None) -> None:
    """End the children of an instance, whether it has ended or not, and theirs."""
    for child in await descendants(hub, instance_id):
        with suppress(InstanceNotFound, InstanceFinished):
            await terminate(hub, child, reason)


async def suspend(hub: TaskHub, instance_id: str, reason: str | None) -> None:
    """Let an instance stand still until it is resumed.

    Raises:
        InstanceNotFound, InstanceFinished: as `unfinished`.
        InstanceError: it is suspended already.
    """
    row = await unfinished(hub, instance_id)
    if row.status is RuntimeStatus.SUSPENDED:
        raise _wrong_state("suspend", row)
    await raising.suspend(hub, instance_id, reason, line=await line_of(hub, row))


async def resume(hub: TaskHub, instance_id: str, reason: str | None) -> None:
    """Let a suspended instance go on.

    Raises:
        InstanceNotFound, InstanceFinished: as `unfinished`.
        InstanceError: it is not suspended.
    """
    row = await unfinished(hub, instance_id)
    if row.status is not RuntimeStatus.SUSPENDED:
        raise _wrong_state("resume", row)
    await raising.resume(hub, instance_id, reason, line=await line_of(hub, row))


async def rewind(hub: TaskHub, instance_id: str, reason: str | None) -> None:
    """Let a failed instance go on from where it failed.

    Raises:
        InstanceNotFound: no such instance.
        InstanceFinished: it has ended otherwise.
        InstanceError: it has not ended.
    """
    await Rewinder(hub).rewind(instance_id, reason)


async def purge_one(hub: TaskHub, instance_id: str) -> int:
    """Remove a finished instance, or an entity; how many were there (0 or 1).

    An entity never ends: it is removed with its state, its lock and what waits for its turn.

    Raises:
        InstanceError: it has not ended.
    """
    if not can_exist(instance_id):
        return 0
    is_entity = is_entity_id(instance_id)
    if await purge_instance(hub, instance_id, force=is_entity):
        return 1
    row = await hub.instances.read(instance_id)
    if row is None:
        return 0
    if is_entity or has_ended(row):
        raise InstanceError(
            f"Instance {instance_id!r} was changed by others at the same time and is still there. "
            "Purge it again.",
            instance_id=instance_id,
        )
    raise _unfinished(row)


async def purge_family(hub: TaskHub, instance_id: str) -> int:
    """Remove a finished instance with its children and theirs; how many were there.

    The instance itself goes last: it is what says who its children are.

    Raises:
        InstanceError: one of them has not ended; nothing is removed then.
    """
    family = [instance_id]
    if not is_entity_id(instance_id):
        family += await descendants(hub, instance_id)
    for each in family:
        row = await hub.instances.read(each)
        if row is not None and not (has_ended(row) or is_entity_id(each)):
            raise _unfinished(row)
    return sum([await purge_one(hub, each) for each in reversed(family)])


async def purge_many(
    hub: TaskHub,
    *,
    created_from: datetime,
    created_to: datetime | None = None,
    statuses: Collection[RuntimeStatus] = (),
    force: bool = False,
) -> int:
    """Remove every finished instance that was created in that time; how many those were.

    Args:
        hub: the task hub.
        created_from: created then or later.
        created_to: created then or earlier; now, when it is left out.
        statuses: only those with one of these. One that isn't finished fits none, not every
            instance as in the original.
        force: those that have not ended, too.
    """
    if not force:
        statuses = [each for each in statuses or TERMINAL if each in TERMINAL]
        if not statuses:
            return 0
    query = InstanceQuery(
        created_from=created_from,
        created_to=created_to or hub.clock.now(),
        statuses=tuple(statuses),
        with_input=False,
    )
    removed = 0
    chunk: list[InstanceRow] = []
    async for row in all_rows(hub, query):
        chunk.append(row)
        if len(chunk) == _CHUNK:
            removed += await _purge_all(hub, chunk, force=force)
            chunk = []
    return removed + await _purge_all(hub, chunk, force=force)


def has_ended(row: InstanceRow) -> bool:
    """Whether the instance is finished."""
    return row.status is not None and row.status.is_terminal


async def _purge_all(hub: TaskHub, rows: list[InstanceRow], *, force: bool) -> int:
    """Purge each as what it was found to be: one that was started anew meanwhile stays.

    So does one whose sentinel or row is damaged, which must not keep the others.
    """

    async def purged(row: InstanceRow) -> bool:
        try:
            return await purge_instance(hub, row.instance_id, force=force and not has_ended(row))
        except (CorruptRecord, TooLarge) as error:
            log.warning("instance %r is not purged: %s", row.instance_id, error)
            return False

    return sum(await run_together((purged(row) for row in rows), at_once=_AT_ONCE))


def _unfinished(row: InstanceRow) -> InstanceError:
    return InstanceError(
        f"Instance {row.instance_id!r} is {row.status or 'of unknown status'}: only finished "
        "instances can be purged. Terminate it first, or wait for its end.",
        instance_id=row.instance_id,
    )


def _wrong_state(verb: str, row: InstanceRow) -> InstanceError:
    return InstanceError(
        f"Cannot {verb} the orchestration instance {row.instance_id} because instance is in the "
        f"{row.status or 'unknown'} state.",
        instance_id=row.instance_id,
    )
