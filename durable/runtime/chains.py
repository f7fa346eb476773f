"""Turns that follow each other in one process, before anything of them is sent or shown.

Correctness needs history, not messages (commit.md, the fast path). So while the message that
started a turn is held, its activities run in place and their results enter the next turn; the row
and the messages that are then still owed follow when the chain comes to rest, at the latest after
`flush_seconds`. A process that dies in a chain leaves a row behind its sentinel, which whoever
receives the held message next makes up for (R11).
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from durable.clock import Clock
from durable.engine.derive import owed_messages
from durable.engine.turn import Draft
from durable.errors import NotFound, PreconditionFailed
from durable.hub.commit import Committer, InstanceState
from durable.hub.taskhub import TaskHub
from durable.model.events import TimerFired
from durable.model.messages import Outbound
from durable.runtime.delivery import Delivery, Scope
from durable.runtime.handing_over import HandOver
from durable.runtime.in_place import InPlace
from durable.runtime.mailboxes import Inbox
from durable.runtime.sessions import Session
from durable.runtime.settings import EngineSettings
from durable.together import run_together

#: With more activities than so many, a chain may last longer.
_MANY = 100
#: Puts in flight for one flush.
_AT_ONCE = 16
#: A chain goes no further on messages whose lease ends within so many seconds.
_LEASE_MARGIN_SECONDS = 1.0


@dataclass(kw_only=True, slots=True)
class Chain:
    """What is committed and not yet sent.

    Attributes:
        session: the instance, as committed last; the chain goes on from it alone.
        above: the last stretch known to be sent.
        since: when its first checkpoint was written, in our monotonic seconds.
        by_start: it began the execution that the row waits for.
        outdated: blobs that nothing names any more, once it is shown.
        moved_at: when it was last known what goes on of it.
        begun: how many activities it has begun.
        looked_at: the last stretch whose messages were looked at.
        is_urgent: it caused what must not wait.
    """

    session: Session
    above: int
    since: float
    by_start: bool = False
    outdated: list[str] = field(default_factory=list)
    moved_at: float = 0.0
    begun: int = 0
    looked_at: int = 0
    is_urgent: bool = False

    @property
    def is_half_done(self) -> bool:
        """Its last checkpoint ended an execution whose next one is still to be committed."""
        return self.session.state.ledger.is_half_done


class Chains:
    """Extends and flushes chains."""

    def __init__(
        self,
        hub: TaskHub,
        committer: Committer,
        in_place: InPlace,
        hand_over: HandOver,
        settings: EngineSettings,
        clock: Clock,
    ) -> None:
        self._hub = hub
        self._committer = committer
        self._in_place = in_place
        self._hand_over = hand_over
        self._settings = settings
        self._clock = clock

    def begin(self, session: Session, above: int, since: float | None) -> Chain:
        """The chain whose first checkpoint `session` has just committed.

        `since` is when the first one of those began that its messages have waited for.
        """
        if since is None:
            since = self._clock.monotonic()
        return Chain(session=session, above=above, since=since, looked_at=above)

    def time_left(self, chain: Chain) -> float:
        """Seconds until it must be flushed.

        While nothing comes back, calls that have no place yet don't wait long for one here: another
        process may have some.
        """
        # A large fan-out takes its time to begin; others wait longer for it, too (R11's grace).
        more = max(0, chain.begun - _MANY) * self._settings.flush_seconds_a_call
        longest = self._settings.catch_up_seconds
        until = chain.since + min(self._settings.flush_seconds + more, longest)
        if any(not run.has_begun for run in chain.session.runs.values()):
            until = min(until, chain.moved_at + self._settings.share_seconds)
        return until - self._clock.monotonic()

    def begin_anew(self, chain: Chain, answered: Collection[int | None], draft: Draft) -> bool:
        """Whether `draft`, which ends this execution, may be written as it is (e).

        Not while anything is to be sent, `answered` apart: tasks whose answers are in `draft`. A
        chain that goes over into a new execution counts from its beginning.
        """
        owed = self._owed(chain.session.state, chain.above)
        if any(outbound.message.event.event_id not in answered for outbound in owed):
            return False
        if draft.is_new_execution:
            chain.above = chain.looked_at = 0
        return True

    def goes_on(self, chain: Chain, inbox: Inbox, batch: Sequence[Delivery]) -> bool:
        """Run in place what the last checkpoint decided; whether the chain may wait for it."""
        session, scope = chain.session, inbox.scope
        ledger = session.state.ledger
        if scope is None or not self._settings.fast_path:
            return False
        self._look(chain, scope)
        chain.moved_at = self._clock.monotonic()
        if chain.is_urgent or ledger.is_finished:
            return False
        if self.time_left(chain) <= 0 and not self._catches_up(chain, inbox):
            return False
        if not self._will_move(session):
            return False
        return not inbox.is_crowded(self._settings.held_limit) and self._is_held(batch)

    def _catches_up(self, chain: Chain, inbox: Inbox) -> bool:
        """Whether results are there already: to record them is less than to put their messages."""
        age = self._clock.monotonic() - chain.since
        return inbox.has_results and age < self._settings.catch_up_seconds

    def _will_move(self, session: Session) -> bool:
        """Whether an activity in this process will soon bring the next turn."""
        runs = session.runs.values()
        if runs and all(self._in_place.is_slow(run.name) for run in runs):
            return False
        return bool(runs) or self._in_place.works_for(session.state.instance_id)

    def _look(self, chain: Chain, scope: Scope) -> None:
        state = chain.session.state
        owed = self._owed(state, chain.looked_at)
        chain.looked_at = state.ledger.stretches
        calls = [outbound for outbound in owed if outbound.to_workers]
        here = []
        if scope.serves(self._hub.names.control_queue_of(state.instance_id)):
            here = self._in_place.runnable(calls, scope)
        for call, event in here:
            run = self._in_place.begin(call, event, scope)
            chain.session.runs[run.task_id] = run
        chain.begun += len(here)
        others = (outbound for outbound in owed if not outbound.to_workers)
        if len(here) < len(calls) or not all(self._is_patient(each) for each in others):
            chain.is_urgent = True

    def _is_patient(self, outbound: Outbound) -> bool:
        """A timer may be sent a little later: its delay is counted from then."""
        if not isinstance(outbound.message.event, TimerFired) or outbound.due is None:
            return False
        soon = self._clock.now() + timedelta(seconds=self._settings.catch_up_seconds + 1)
        return outbound.due > soon

    def _is_held(self, batch: Sequence[Delivery]) -> bool:
        """(a) and (g): a message is held that leads back here, and its lease goes on."""
        now = self._clock.monotonic() + _LEASE_MARGIN_SECONDS
        return any(delivery.holds and delivery.lease.until > now for delivery in batch)

    async def flush(self, chain: Chain, scope: Scope | None) -> None:
        """Steps 3 and 4 for the whole chain.

        Raises:
            Conflict, PreconditionFailed: the row changed: reload.
        """
        await self.send(chain, scope)
        state = chain.session.state
        try:
            await self._committer.show(state, by_start=chain.by_start)
        except NotFound as gone:
            raise PreconditionFailed(str(gone), operation="show") from gone
        self._hub.changes.tell(state.instance_id)
        await self._committer.forget(chain.outdated)

    async def send(self, chain: Chain, scope: Scope | None) -> None:
        """Step 3 alone. The rows may be written over then; whoever sees the old row sends again."""
        session = chain.session
        state, runs = session.state, session.runs
        if any(not run.has_begun for run in runs.values()):
            await asyncio.sleep(0)  # those that have a place begin
        for run in [each for each in runs.values() if not each.has_begun]:
            run.is_revoked = True
            del runs[run.task_id]
        sends: list[Coroutine[Any, Any, object]] = []
        plain: list[Outbound] = []
        for outbound in self._owed(state, chain.above):
            here = runs.get(outbound.message.event.event_id) if outbound.to_workers else None
            if here is not None:
                sends.append(self._in_place.hold(here))
            elif scope is not None and self._hand_over.wants(scope, outbound):
                sends.append(self._hand_over.send(outbound, scope))
            else:
                plain.append(outbound)
        if plain:
            sends.append(self._hub.outbox.send_all(plain))
        await run_together(sends, at_once=_AT_ONCE)
        chain.above = chain.looked_at = state.ledger.stretches

    @staticmethod
    def _owed(state: InstanceState, above: int) -> list[Outbound]:
        if state.sentinel is None:
            return []
        return owed_messages(state.ledger, above, up_to=state.sentinel.sequence)
