"""The sweeper (R9): finish what a crash left half done. Bounded work, constant when idle.

Recovery within a minute rests on messages becoming visible again; the sweeper is for what no
message will wake: starts whose message was lost, rows behind their history, messages in poison
queues and in queues that nobody reads, tombstones and payloads that outlived their instance.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

from durable.clock import Clock
from durable.engine.owing import names_lineage
from durable.errors import CorruptRecord, DurableError, NotFound, PreconditionFailed, TooLarge
from durable.hub.instances import InstanceQuery
from durable.hub.sentinels import read_sentinels
from durable.hub.starting import put_start_again
from durable.hub.sweeping import SweepState, read_sweep_state, write_sweep_state
from durable.hub.taskhub import TaskHub
from durable.model.history import Sentinel
from durable.model.ids import is_entity_id
from durable.model.status import InstanceRow, RuntimeStatus
from durable.runtime.orphans import Orphans
from durable.runtime.repeats import Repeats
from durable.runtime.sessions import Session, Sessions
from durable.runtime.settings import EngineSettings
from durable.runtime.settling import Settling
from durable.runtime.stranded import Stranded
from durable.runtime.suspects import suspected_text
from durable.runtime.tombstones import remove_old_tombstones
from durable.storage.values import QueueMessage
from durable.wire.envelopes import json_text, queue_text

log = logging.getLogger("durable.sweeper")

_UNFINISHED = (
    RuntimeStatus.PENDING,
    RuntimeStatus.RUNNING,
    RuntimeStatus.SUSPENDED,
    RuntimeStatus.CONTINUED_AS_NEW,
)
_POISON_AT_ONCE = 32
#: Looks that are remembered.
_REMEMBERED = 100_000
_POISON_LEASE_SECONDS = 60
#: A start is put again after such pauses: its message may be there all the same, hidden or behind
#: others, and a second one only adds to what waits.
_START_PAUSE_SECONDS, _LONGEST_START_PAUSE_SECONDS = 120.0, 3600.0
#: Nobody may have repaired what could not be understood.
_DAMAGED_PAUSE_SECONDS, _LONGEST_DAMAGED_PAUSE_SECONDS = 120.0, 3600.0
#: A start's message follows its row within so long, by whichever clock.
_PUT_WITHIN = timedelta(seconds=10)


class Sweeper:
    """One pass at a time, each from where the last one stopped."""

    def __init__(
        self,
        hub: TaskHub,
        look: Callable[[str], Awaitable[bool]],
        sessions: Sessions,
        settings: EngineSettings,
        clock: Clock,
    ) -> None:
        self._hub = hub
        self._look = look
        self._sessions = sessions
        self._settings = settings
        self._clock = clock
        self._orphans = Orphans(hub, settings, clock)
        self._stranded = Stranded(hub)
        self._settling = Settling(hub, settings)
        #: Rows and histories that a look of this process found in order, the last seen last.
        self._in_order: OrderedDict[int, None] = OrderedDict()
        self._starts = Repeats(
            clock,
            first_seconds=_START_PAUSE_SECONDS,
            longest_seconds=_LONGEST_START_PAUSE_SECONDS,
            remembered=_REMEMBERED,
        )
        #: Whose rows could not be understood: to find that out takes seconds, and many requests.
        self._damaged = Repeats(
            clock,
            first_seconds=_DAMAGED_PAUSE_SECONDS,
            longest_seconds=_LONGEST_DAMAGED_PAUSE_SECONDS,
            remembered=_REMEMBERED,
        )
        #: What each queue will show next, as far as this pass has looked.
        self._heads: dict[str, datetime | None] = {}

    async def sweep(self) -> None:
        """Look at a bounded number of rows, poison messages, tombstones and payloads."""
        state = await read_sweep_state(self._hub)
        rows = await self._rows(state.instances)
        tombstones = await remove_old_tombstones(
            self._hub,
            state.tombstones,
            older_than=self._clock.now() - timedelta(seconds=self._settings.tombstone_seconds),
        )
        orphans = await self._orphans.remove(state.orphans)
        await self._look_at_queues()
        after = SweepState(instances=rows, tombstones=tombstones, orphans=orphans)
        if after != state:
            await write_sweep_state(self._hub, after)

    async def _rows(self, cursor: str | None) -> str | None:
        before = self._clock.now() - timedelta(seconds=self._settings.sweep_age_seconds)
        query = InstanceQuery(statuses=_UNFINISHED, unchanged_since=before)
        try:
            page = await self._hub.instances.page(
                query, size=self._settings.sweep_rows, continuation=cursor
            )
        except CorruptRecord:
            return None  # a cursor of another time: begin anew
        rows = [row for row in page.rows if not is_entity_id(row.instance_id)]
        sentinels = await read_sentinels(self._hub, [row.instance_id for row in rows])
        self._heads.clear()
        for row in rows:
            if self._damaged.is_due(row.instance_id):
                await self._look_after(row, sentinels, before)
        return page.continuation

    async def _look_after(
        self, row: InstanceRow, sentinels: dict[str, Sentinel | None], before: datetime
    ) -> None:
        instance_id = row.instance_id
        try:
            if instance_id not in sentinels:
                sentinels[instance_id] = await self._hub.history.read_sentinel(instance_id)
            await self._row(row, sentinels[instance_id], before)
        except DurableError as error:
            # One bad instance stops only itself.
            log.warning(
                "could not look after instance %r: %s",
                instance_id,
                error,
                extra={"instance_id": instance_id},
            )
            if isinstance(error, CorruptRecord):
                self._damaged.note(instance_id)
        else:
            self._damaged.forget(instance_id)

    async def _row(self, row: InstanceRow, sentinel: Sentinel | None, before: datetime) -> None:
        known = names_lineage(sentinel, row.execution_id)
        if sentinel is not None and sentinel.purged and (known or not row.is_unstarted):
            await self._delete(row)  # a purge that stopped before its last step
            return
        if row.is_unstarted and not known:
            # A start of another version is deferred again and again: one message of it is enough,
            # and a process that runs it looks after it.
            if (row.scheduled_start_time or before) <= before and not self._leaves(row):
                await self._start_again(row)
            return
        if sentinel is None:
            return
        # What only the history and a replay tell is looked for once, until row or history change.
        pair = hash((row.instance_id, row.etag, sentinel.etag))
        if pair in self._in_order:
            # What changed meanwhile is never seen again: it is forgotten before what waits.
            self._in_order.move_to_end(pair)
            return
        session = self._sessions.look(row.instance_id)
        if session is not None and not _is_current(session, row, sentinel):
            # A look would believe it, and see nothing of what storage says.
            self._sessions.drop(row.instance_id)
        if not await self._look(row.instance_id):
            return
        # One that is behind may only have been left to its process for a while (R11).
        if not _is_behind(row, sentinel):
            self._in_order[pair] = None
            if len(self._in_order) > _REMEMBERED:
                self._in_order.popitem(last=False)

    def _leaves(self, row: InstanceRow) -> bool:
        return self._settings.versions.leaves(row.version)

    async def _delete(self, row: InstanceRow) -> None:
        try:
            await self._hub.instances.delete(row)
        except PreconditionFailed:
            return

    async def _start_again(self, row: InstanceRow) -> None:
        """Its message may be lost, or only late: a second one is a duplicate by its execution."""
        start = (row.instance_id, row.execution_id)
        if not self._starts.is_due(start) or await self._waits_behind_others(row):
            return
        log.info("the start of instance %r is put again", row.instance_id)
        await put_start_again(self._hub, row)
        self._starts.note(start)

    async def _waits_behind_others(self, row: InstanceRow) -> bool:
        """Whether its queue has not come to what was put when the start was.

        Under overload all starts wait so; to put them again would double the load, pass by pass.
        """
        put_at = row.scheduled_start_time or row.created_time
        head = await self._head(self._hub.names.control_queue_of(row.instance_id))
        return head is not None and put_at is not None and head <= put_at + _PUT_WITHIN

    async def _head(self, queue: str) -> datetime | None:
        """Since when the message has been in `queue` that it will show next; None: it is empty."""
        if queue not in self._heads:
            found = await self._hub.account.queues.peek(queue, count=1)
            self._heads[queue] = found[0].inserted if found else None
        return self._heads[queue]

    async def _look_at_queues(self) -> None:
        """Those of the hub that nobody reads."""
        prefix = self._hub.names.work_items.removesuffix("workitems")
        listed = await self._hub.account.queues.list_queues(prefix)
        await self._unpoison(listed)
        await self._stranded.send_on(listed)

    async def _unpoison(self, listed: Sequence[str]) -> None:
        """Put back what the host moved away; only the engine's own failures condemn a message."""
        names = self._hub.names
        ours = {
            names.poison_queue(queue): queue for queue in (*names.control_queues, names.work_items)
        }
        for poison in listed:
            if poison in ours:
                await self._empty(poison, ours[poison])

    async def _empty(self, poison: str, queue: str) -> None:
        queues = self._hub.account.queues
        try:
            found = await queues.get(
                poison, count=_POISON_AT_ONCE, lease_seconds=_POISON_LEASE_SECONDS
            )
        except NotFound:
            return
        for message in found:
            await self._put_back(poison, queue, message)
            try:
                await queues.delete(poison, message.id, message.pop_receipt)
            except (NotFound, PreconditionFailed):
                continue

    async def _put_back(self, poison: str, queue: str, message: QueueMessage) -> None:
        """As the host can decode it; what it never can would go round for ever."""
        where = {"queue": queue, "message_id": message.id}
        try:
            found = json_text(message.text)
            if queue == self._hub.names.work_items:
                # Processes died of it, perhaps: a message put anew would look innocent again.
                found = suspected_text(found)
            text = queue_text(found, self._hub.settings.queue_encoding)
            await self._hub.account.queues.put(queue, text)
        except (CorruptRecord, TooLarge, ValueError) as bad:
            reason = f"The Functions host gave it up, and it can't be put back: {bad} Discard it."
        else:
            log.warning("message %s put back from %s", message.id, poison, extra=where)
            return
        await self._settling.keep(queue, message, reason)


def _is_behind(row: InstanceRow, sentinel: Sentinel) -> bool:
    """Whether the row doesn't say that all of our checkpoints were sent (as `owed_from` has it)."""
    if not sentinel.sequence or sentinel.committed_execution_id != sentinel.execution_id:
        return False  # R10: nothing here, or an execution of the original, which sends before
    shown = row.checkpoint_sequence or 0
    return row.execution_id != sentinel.execution_id or shown < sentinel.sequence


def _is_current(session: Session, row: InstanceRow, sentinel: Sentinel) -> bool:
    """Whether a session holds row and history as they are in storage."""
    held = session.state
    return (
        held.row is not None
        and held.sentinel is not None
        and (held.row.etag, held.sentinel.etag) == (row.etag, sentinel.etag)
    )
