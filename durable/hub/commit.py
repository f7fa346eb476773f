"""The order of writes for one turn, and what a crash after each leaves behind.

Queues and tables share no transaction. We therefore write so that a crash may repeat work but
can never lose it, and so that nothing leaves before its reason is recorded:

1. blobs    orphans, unreferenced; purge and the sweeper remove them
2. history  *the checkpoint*: under its ETag; a loser gets Conflict or PreconditionFailed, has sent
            nothing, drops the turn
3. outbox   the Instances row is behind the sentinel: the next look derives the owed messages
            from rows and sends them, under the same identities, again
4. instance stale status row; the same look repairs it
5. inbox    the turn is done; undeleted messages come back and find themselves consumed

Step 5 is the caller's: whoever delivered a message deletes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from durable.clock import Clock
from durable.engine.derive import owed_messages
from durable.engine.ledger import Ledger
from durable.engine.owing import is_superseded, owed_from
from durable.engine.stretches import BatchLimits, split
from durable.engine.turn import Draft
from durable.errors import NotFound, PreconditionFailed
from durable.hub.rows import RowEncoder, size_of, status_row
from durable.hub.taskhub import TaskHub
from durable.model.history import Rewind, Sentinel, StoredEvent
from durable.model.status import InstanceRow
from durable.wire import spill
from durable.wire.keys import escape_partition_key

#: R1: what fits one batch beside the sentinel.
LIMITS = BatchLimits(rows=spill.MAX_BATCH_ROWS, size=spill.MAX_BATCH_BYTES, size_of=size_of)


@dataclass(kw_only=True, slots=True)
class InstanceState:
    """What a process knows of an instance: its rows, its sentinel, its row in Instances.

    `served_at` is the service's clock when it was read; `row` and `sentinel` carry their ETags.
    `row_is_newer`: the row was read after the sentinel, which still stands (R6).
    """

    instance_id: str
    ledger: Ledger
    sentinel: Sentinel | None
    row: InstanceRow | None
    served_at: datetime
    row_is_newer: bool = False

    @property
    def owed_from(self) -> int | None:
        """None when the instance is quiet (R3), else the last stretch known to be sent."""
        return owed_from(self.ledger, self.sentinel, self.row)


@dataclass(frozen=True, kw_only=True, slots=True)
class Committed:
    """What a checkpoint came to.

    Attributes:
        outdated: payload blobs that nothing names any more: of the execution that the new one took
            the place of, and of the sentinel before.
        above: how many stretches were sent before: the instance was quiet (R3).
    """

    outdated: list[str]
    above: int


class Committer:
    """Writes turns down, in order."""

    def __init__(self, hub: TaskHub, clock: Clock) -> None:
        self._hub = hub
        self._clock = clock

    async def checkpoint(
        self, state: InstanceState, draft: Draft, *, in_chain: bool = False
    ) -> Committed:
        """Steps 1 and 2. Updates `state`. `in_chain`: the row is behind, by our own turns alone.

        R1: a turn that doesn't fit one batch is several whole checkpoints, each a stretch of its
        own and one batch; nothing is sent before the last.

        Raises:
            Conflict, PreconditionFailed: another process committed first. Nothing of this turn was
                sent; checkpoints of it that went through before stand, and whoever looks next
                goes on from them.
        """
        replaced: list[StoredEvent] = []
        outdated: list[str] = []
        state.row_is_newer = False
        if draft.is_new_execution:
            replaced = state.ledger.rows
            state.ledger = Ledger()
        elif not in_chain:
            await self._note_sent(state)
        above = state.ledger.stretches
        sentinel = state.sentinel
        kept_together = 1 + draft.carried if draft.is_new_execution else 0
        # An entity's operations can't be replayed: what they decided is written whole, or not.
        tail = len(draft.events) - 1 - draft.fed if draft.is_whole else 0
        encoder = RowEncoder(draft.execution_id)
        limits = replace(LIMITS, size_of=encoder.size_of)
        for part in split(draft.events, kept_together, limits, tail=tail):
            stamp = self._clock.now()
            wanted = Sentinel(
                execution_id=draft.execution_id,
                is_checkpoint_complete=True,
                checkpoint_time=stamp,
                sequence=state.ledger.stretches + 1,
                committed_count=len(state.ledger.rows) + len(part),
                committed_stamp=stamp,
                committed_execution_id=draft.execution_id,
                first_execution_id=draft.first_execution_id,
                identities=draft.identities,
                rewind=_kept_rewind(sentinel, draft),
                etag=sentinel.etag if sentinel is not None else None,
            )
            if sentinel is not None and sentinel.identities_blob:
                outdated.append(sentinel.identities_blob)  # each checkpoint writes one of its own
            stored, sentinel = await self._hub.history.commit(
                state.instance_id, part, len(state.ledger.rows), wanted, encoder
            )
            for row in stored:
                state.ledger.append(row)
            state.sentinel = sentinel
        outdated += _blobs_left(replaced, state.ledger.rows)
        return Committed(outdated=outdated, above=above)

    async def _note_sent(self, state: InstanceState) -> None:
        """R10: let the row say that what another worker's stretches caused has been sent.

        The original sends before it writes. A row that doesn't say so would, once our checkpoint
        is there and its messages are owed, have them all sent again: from rows without inputs, and
        with other execution ids for children that are under way. Of our own, the row says it.

        Raises: as `show`.
        """
        row, sent = state.row, state.ledger.stretches
        execution_id = state.sentinel.execution_id if state.sentinel is not None else None
        if (
            row is not None
            and row.execution_id == execution_id
            and (row.checkpoint_sequence or 0) >= sent
        ):
            return
        try:
            wanted = await self._wanted(state, known=row)
            state.row = await self._hub.instances.show(
                replace(wanted, checkpoint_sequence=sent), row
            )
        except NotFound as gone:
            raise PreconditionFailed(str(gone), operation="show") from gone

    async def send(self, state: InstanceState, above: int) -> None:
        """Step 3: what the stretches after the first `above` caused, from rows alone (R12).

        Up to our last checkpoint only: a .NET process that wrote rows since has sent their
        messages before (R10).
        """
        if state.sentinel is None:
            return
        owed = owed_messages(state.ledger, above, up_to=state.sentinel.sequence)
        await self._hub.outbox.send_all(owed)

    async def show(self, state: InstanceState, *, by_start: bool = False) -> None:
        """Step 4: the row says that everything up to the sentinel's sequence has been sent.

        A row is always written from the whole current history. `by_start` says that this turn
        began the very execution that the row waits for.

        Raises:
            Conflict, PreconditionFailed, NotFound: the row changed: reload.
            PreconditionFailed: a newer start waits in it: the old execution's row is never
                written (R5).
        """
        if not by_start and is_superseded(state.sentinel, state.row):
            raise PreconditionFailed(
                f"A newer start of instance {state.instance_id!r} waits.", operation="show"
            )
        if state.sentinel is None:
            return
        if by_start and state.row is not None and not state.row.is_unstarted:
            # A child begun anew under its old id: nothing of the old row may show through.
            wanted = await self._wanted(state, known=None)
            state.row = await self._hub.instances.replace_row(replace(wanted, etag=state.row.etag))
            return
        wanted = await self._wanted(state, known=state.row)
        state.row = await self._hub.instances.show(wanted, state.row)

    async def repair(self, state: InstanceState) -> bool:
        """R9: correct a quiet instance's row when it differs from its history.

        Raises: as `show`.
        """
        if state.sentinel is None or state.row is None or state.ledger.started is None:
            return False
        wanted = await self._wanted(state, known=state.row)
        row = state.row
        if (row.execution_id, row.status, row.output) == (
            wanted.execution_id,
            wanted.status,
            wanted.output,
        ):
            return False
        # History and row are read side by side: a row that is ahead of an older history must not
        # be set back. Only a sentinel that still stands makes the history the current one.
        sentinel = await self._hub.history.read_sentinel(state.instance_id)
        if sentinel is None or sentinel.etag != state.sentinel.etag:
            return False
        if state.ledger.is_finished and not (row.status and row.status.is_terminal):
            # Perhaps a client is about to rewind it, and has shown that in the row already: with
            # this its journal is refused, or this row is.
            await self.touch(state)
        await self.show(state)
        return True

    async def _wanted(self, state: InstanceState, *, known: InstanceRow | None) -> InstanceRow:
        if state.sentinel is None:
            raise AssertionError("a row is only made from a history")
        row = status_row(
            state.instance_id, state.ledger, state.sentinel, known, self._hub.payloads.url
        )
        return await self._spill_output(row)

    async def _spill_output(self, row: InstanceRow) -> InstanceRow:
        """An output that no history row holds as it is (a failure's text) may be large too."""
        if row.output is None or not spill.oversized({"Output": row.output}):
            return row
        token = spill.blob_token(f"{row.execution_id}:{row.checkpoint_sequence}")
        name = spill.instance_blob_name(escape_partition_key(row.instance_id), "Output", token)
        await self._hub.payloads.write(name, row.output)
        return replace(row, output=self._hub.payloads.url(name))

    async def forget(self, outdated: Sequence[str]) -> None:
        """Delete the blobs that nothing names any more; a crash before leaves orphans."""
        await self._hub.payloads.delete(outdated)

    async def touch(self, state: InstanceState) -> None:
        """R11: move the sentinel's ETag before sending for another process.

        Raises:
            Conflict, PreconditionFailed, NotFound: it changed: somebody is at work.
        """
        if state.sentinel is None:
            return
        touched = await self._hub.history.touch(
            state.instance_id, state.sentinel, self._clock.new_id()
        )
        state.sentinel = replace(touched, timestamp=state.sentinel.timestamp)


def _blobs_left(replaced: Sequence[StoredEvent], rows: Sequence[StoredEvent]) -> list[str]:
    """The blobs of rows that were written over which no row names any more."""
    names = [name for row in replaced for name in row.blobs.values()]
    if not names:
        return names
    kept = {name for row in rows for name in row.blobs.values()}
    return [name for name in names if name not in kept]


def _kept_rewind(sentinel: Sentinel | None, draft: Draft) -> Rewind | None:
    """The execution's last rewind is remembered for as long as it lasts."""
    if sentinel is None or draft.is_new_execution:
        return None
    return sentinel.rewind
