"""Removing entities that have nothing to remember, and locks whose holder is gone.

The original's rules (DurableClient.cs:CleanEntityStorageAsync), made safe: an entity is removed
only as it was looked at, and a release names the lock it is for, so neither can hit what an entity
became meanwhile.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

from durable.client.entity_looking import scheduler_state, status_of
from durable.client.entity_views import CleanEntityStorageResult
from durable.client.looking import all_rows
from durable.client.operating import has_ended
from durable.engine.entity_batch import is_forgettable
from durable.errors import CorruptRecord, TooLarge
from durable.hub.instances import InstanceQuery
from durable.hub.purging import purge_instance
from durable.hub.raising import tell_entity
from durable.hub.taskhub import TaskHub
from durable.model.entities import ORPHAN_REPAIR, EntityStatus, Outgoing, Release
from durable.model.status import InstanceRow
from durable.together import run_together

log = logging.getLogger("durable.client")

#: How many entities are looked after at the same time.
_AT_ONCE = 8
#: How many are found before they are looked after, so that memory stays flat.
_CHUNK = 200


class Cleaner:
    """One pass over the entities of a hub.

    Args:
        hub: the task hub.
        window: for how long entities remember senders (entityMessageReorderWindowInMinutes).
        empty: remove those with nothing to remember.
        orphaned: release the locks whose holder is gone.
    """

    def __init__(self, hub: TaskHub, *, window: timedelta, empty: bool, orphaned: bool) -> None:
        self._hub = hub
        self._window = window
        self._empty = empty
        self._orphaned = orphaned

    async def clean(self) -> CleanEntityStorageResult:
        """Look at every entity once."""
        removed = released = 0
        async for chunk in _chunks(self._hub):
            found = [(row, status) for row in chunk if (status := _status(row)) is not None]
            if self._empty:
                old = [row for row, status in found if self._may_be_removed(row, status)]
                removed += await self._each(old, self._remove)
            if self._orphaned:
                locked = [row for row, status in found if status.locked_by is not None]
                released += await self._each(locked, self._release)
        return CleanEntityStorageResult(
            empty_entities_removed=removed, orphaned_locks_released=released
        )

    async def _each(
        self, rows: list[InstanceRow], do: Callable[[InstanceRow], Awaitable[bool]]
    ) -> int:
        async def one(listed: InstanceRow) -> bool:
            # Without its input it was listed; and it may have changed since.
            try:
                row = await self._hub.instances.read(listed.instance_id)
                return row is not None and await do(row)
            except (CorruptRecord, TooLarge) as error:
                log.warning("entity %r is left alone: %s", listed.instance_id, error)
                return False

        return sum(await run_together((one(row) for row in rows), at_once=_AT_ONCE))

    def _may_be_removed(self, row: InstanceRow, status: EntityStatus) -> bool:
        if status.exists or status.queue_size or status.locked_by is not None:
            return False
        # The original's own trouble hides what there is.
        return status.error is None and self._unchanged_for(row, self._window)

    def _unchanged_for(self, row: InstanceRow, span: timedelta) -> bool:
        changed = row.last_updated_time
        return changed is not None and changed + span < self._hub.clock.now()

    async def _remove(self, row: InstanceRow) -> bool:
        state = await scheduler_state(self._hub, row)
        if state is None or not self._may_be_removed(row, status_of(row)):
            return False
        if not is_forgettable(state, now=self._hub.clock.now(), window=self._window):
            return False
        return await purge_instance(self._hub, row.instance_id, force=True, known=row)

    async def _release(self, row: InstanceRow) -> bool:
        state = await scheduler_state(self._hub, row)
        if state is None or state.locked_by is None:
            return False
        if not await self._is_gone(state.locked_by, row):
            return False
        log.info("lock of entity %r released: its holder is gone", row.instance_id)
        release = Release(parent=state.locked_by, id=state.lock_id or ORPHAN_REPAIR)
        await tell_entity(self._hub, Outgoing(target=row.instance_id, message=release))
        return True

    async def _is_gone(self, holder: str, locked: InstanceRow) -> bool:
        """Whether the instance that holds a lock is finished, or was purged."""
        row = await self._hub.instances.read(holder)
        if row is not None:
            return has_ended(row)
        # A child's row comes after the messages of its first turn.
        sentinel = await self._hub.history.read_sentinel(holder)
        if sentinel is not None:
            return sentinel.purged
        # .NET sends before it writes anything.
        return self._unchanged_for(locked, timedelta(seconds=self._hub.settings.grace_seconds))


async def _chunks(hub: TaskHub) -> AsyncIterator[list[InstanceRow]]:
    chunk: list[InstanceRow] = []
    async for row in all_rows(hub, InstanceQuery(id_prefix="@", with_input=False)):
        chunk.append(row)
        if len(chunk) == _CHUNK:
            yield chunk
            chunk = []
    yield chunk


def _status(row: InstanceRow) -> EntityStatus | None:
    """What a row shows of an entity; None when that can't be understood."""
    try:
        return status_of(row)
    except CorruptRecord as error:
        log.warning("entity %r is left alone: %s", row.instance_id, error)
        return None
