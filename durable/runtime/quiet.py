"""Making an instance quiet: wait for the process that sends, or send for it (R3, R11)."""

from __future__ import annotations

from collections.abc import Sequence

from durable.clock import Clock
from durable.engine.derive import owed_messages
from durable.engine.ledger import Ledger
from durable.engine.owing import pending_rewind
from durable.errors import Conflict, NotFound, PreconditionFailed
from durable.hub.commit import Committer, InstanceState
from durable.hub.history import Loaded
from durable.hub.rewinding import Rewinder
from durable.hub.taskhub import TaskHub
from durable.model.events import ExecutionStarted
from durable.model.history import Sentinel
from durable.model.status import InstanceRow
from durable.runtime.delivery import Delivery
from durable.together import run_together

_POLL_SECONDS = 0.2
_SHORTEST_SECONDS = 0.001


class Quieter:
    """Loads instances, and sees to it that nothing is owed before anything is decided."""

    def __init__(
        self, hub: TaskHub, committer: Committer, clock: Clock, *, in_place_seconds: float
    ) -> None:
        self._hub = hub
        self._committer = committer
        self._rewinder = Rewinder(hub, committer)
        self._clock = clock
        self._in_place_seconds = in_place_seconds

    async def load(
        self, instance_id: str, known: InstanceState | None = None, *, row_last: bool = False
    ) -> InstanceState:
        """The history partition and the Instances row, read together, or one after the other."""
        row: InstanceRow | None = None

        async def read_row() -> None:
            nonlocal row
            row = await self._hub.instances.read(instance_id)

        loaded: list[Loaded] = []

        async def read_history() -> None:
            ledger = known.ledger if known is not None else None
            loaded.append(await self._hub.history.read(instance_id, ledger))

        if row_last:
            await read_history()
            await read_row()
        else:
            await run_together([read_row(), read_history()])
        if _is_ahead(row, loaded[-1].sentinel):
            # An execution began between the two looks. What is for it would be taken for a message
            # to nobody, or to the one before, and be dropped.
            await read_history()
            if row_last:
                await read_row()
        return InstanceState(
            instance_id=instance_id,
            ledger=loaded[-1].ledger,
            sentinel=loaded[-1].sentinel,
            row=row,
            served_at=loaded[-1].served_at,
            row_is_newer=row_last,
        )

    async def new_instance(
        self, instance_id: str, batch: Sequence[Delivery]
    ) -> InstanceState | None:
        """The state of an instance that most likely has no history, though none was read.

        A start that is delivered for the first time is judged by the row alone, which this process
        may just have written. The sentinel is then *inserted*: were there a history, or a
        tombstone, the first commit is refused, and everything is read.
        """
        for delivery in batch:
            event = delivery.message.event
            if not isinstance(event, ExecutionStarted) or not _is_first(delivery, event):
                continue
            row = delivery.row
            if row is None:
                row = await self._hub.instances.read(instance_id)
            if not _begins(event, row):
                return None
            return InstanceState(
                instance_id=instance_id,
                ledger=Ledger(),
                sentinel=None,
                row=row,
                served_at=self._clock.now(),
            )
        return None

    async def quiet(self, state: InstanceState) -> tuple[InstanceState, float]:
        """The state once nothing is owed, and 0; or how many seconds to come back after.

        A rewind that the sentinel records is applied first: what was judged before would be void.

        R11: if the row is behind a checkpoint younger than the grace, its process is most likely
        sending right now. Past the grace the sentinel's ETag is moved and everything owed is sent.
        """
        looked_at = self._clock.monotonic()
        waited = 0.0
        looked_again = False
        while True:
            owed_from = state.owed_from
            sentinel = state.sentinel
            if owed_from is None or sentinel is None:
                if pending_rewind(state.ledger, sentinel, state.row) is None:
                    return state, 0.0
                await self._rewinder.finish(state.instance_id)
                state = await self.load(state.instance_id)
                looked_at, looked_again = self._clock.monotonic(), False
                continue
            owed = owed_messages(state.ledger, owed_from, up_to=sentinel.sequence)
            grace = self._hub.settings.grace_for(len(owed))
            left = grace - self._age(state, looked_at)
            if left > 0 and waited >= self._in_place_seconds:
                return state, left
            if left > 0 or not looked_again:
                # A pause too small for the clock's numbers would never let `left` come to its end.
                pause = min(max(left, _SHORTEST_SECONDS), _POLL_SECONDS) if left > 0 else 0.0
                await self._clock.sleep(pause)
                waited += pause
                looked_again = True
                fresh = await self._look_again(state)
                if fresh is not state:
                    state, looked_at = fresh, self._clock.monotonic()
                    looked_again = False
                continue
            try:
                await self._committer.touch(state)
                await self._committer.send(state, owed_from)
                await self._committer.show(state)
            except (Conflict, PreconditionFailed, NotFound):
                state = await self.load(state.instance_id)
                looked_at, looked_again = self._clock.monotonic(), False

    def _age(self, state: InstanceState, looked_at: float) -> float:
        """How old the checkpoint is, by the service's clock (its last answer, and our seconds)."""
        stamp = state.sentinel.timestamp if state.sentinel is not None else None
        if stamp is None:
            return 0.0
        since = self._clock.monotonic() - looked_at
        return (state.served_at - stamp).total_seconds() + since

    async def _look_again(self, state: InstanceState) -> InstanceState:
        """The same state with a fresh row; another one when somebody committed meanwhile."""
        state.row = await self._hub.instances.read(state.instance_id)
        sentinel = await self._hub.history.read_sentinel(state.instance_id)
        known = state.sentinel
        if sentinel is None or known is None or sentinel.etag != known.etag:
            return await self.load(state.instance_id)
        return state


def _is_ahead(row: InstanceRow | None, sentinel: Sentinel | None) -> bool:
    """Whether the row may show an execution that had not begun when the history was read.

    Or it is behind the history, which then says the same again.
    """
    if row is None or row.is_unstarted:
        return False
    return sentinel is None or row.execution_id != sentinel.execution_id


def _is_first(delivery: Delivery, event: ExecutionStarted) -> bool:
    """Whether the start's message was never delivered before, and replaces no instance."""
    is_new = delivery.raw.dequeue_count <= 1 and not delivery.message.extras.failures
    return is_new and delivery.message.extras.mark and not event.generation


def _begins(event: ExecutionStarted, row: InstanceRow | None) -> bool:
    """Whether the row waits for the very execution that `event` begins; a child has none yet."""
    if event.parent is not None:
        return row is None
    return (
        row is not None
        and row.is_unstarted
        and row.execution_id == event.instance.execution_id
        and not row.generation
    )
