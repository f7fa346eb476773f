"""Messages for one instance -> replay -> commit: the orchestration processor.

A port of `handle` in the protocol's model (shared/model/procs.py); commit.md is the law.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager

from durable.clock import Clock
from durable.engine.execution import Execution
from durable.engine.judgement import Judgement, Standing, judge
from durable.engine.ledger import Ledger
from durable.engine.limits import weight
from durable.engine.owing import is_superseded
from durable.engine.turn import Draft, TurnInput, compose, failed_draft
from durable.errors import (
    Conflict,
    PreconditionFailed,
    UnknownFunction,
    VersionMismatch,
)
from durable.hub.commit import LIMITS, Committer, InstanceState
from durable.hub.starting import start_of_row
from durable.hub.taskhub import TaskHub
from durable.model.events import ExecutionStarted, ExecutionTerminated, answered_task
from durable.model.ids import is_entity_id
from durable.runtime.at_work import AtWork
from durable.runtime.chains import Chain, Chains
from durable.runtime.delivery import (
    Deferred,
    Delivery,
    InstanceUnusable,
    LeaseOver,
    as_it_waits,
)
from durable.runtime.entities import Entities, EntityQueueFull
from durable.runtime.entity_turn import EntityExecution
from durable.runtime.limits import Limits
from durable.runtime.mailboxes import Inbox
from durable.runtime.patience import Patience
from durable.runtime.programs import Programs, failure_outcome
from durable.runtime.quiet import Quieter
from durable.runtime.replaying import replay
from durable.runtime.served import Served
from durable.runtime.sessions import Session, Sessions
from durable.runtime.settings import EngineSettings
from durable.runtime.troubles import CODE_TROUBLE, Troubles, blaming_the_instance
from durable.runtime.turn import Turn
from durable.runtime.turn_gate import TurnGate

log = logging.getLogger("durable.orchestrations")

#: How long messages are put off that a locked entity can't keep.
_FULL_SECONDS = 5.0
#: A wait that short is none: the clock's numbers may not tell its end from its beginning.
_SOON_SECONDS = 0.001


class Orchestrations:
    """Runs turns. One at a time for an instance: the mailbox sees to that."""

    def __init__(
        self,
        hub: TaskHub,
        programs: Programs,
        settings: EngineSettings,
        clock: Clock,
        sessions: Sessions,
        served: Served,
        entities: Entities,
        committer: Committer,
        chains: Chains,
    ) -> None:
        self._hub = hub
        self._programs = programs
        self._settings = settings
        self._clock = clock
        self._sessions = sessions
        self._served = served
        self._entities = entities
        limit = settings.max_concurrent_orchestrators
        self._gate = TurnGate(min(limit, settings.turns_at_once))
        self._entity_gate = TurnGate(limit)
        self._committer = committer
        self._chains = chains
        self._patience = Patience(hub.settings, settings, clock)
        self.troubles = Troubles(clock)
        self._limits = Limits(settings, payload_bytes=hub.settings.payload_limit_bytes)
        self.quieter = Quieter(
            hub, self._committer, clock, in_place_seconds=settings.in_place_seconds
        )

    async def handle(self, instance_id: str, batch: Sequence[Delivery], inbox: Inbox) -> None:
        """Deal with `batch`; sets the outcome of each. May be empty: a look (R9).

        While a chain waits for activities in place, what arrives in `inbox` joins it.

        Raises:
            StorageError: storage failed; nothing may be deleted.
        """
        turn = Turn(instance_id=instance_id, batch=list(batch), inbox=inbox)
        await self._gather(turn, batch, self._sessions.look(instance_id))
        tries = self.troubles.tries(instance_id)
        while turn.tries < tries:
            try:
                async with self._place(turn):
                    done = await self._try(turn)
            except InstanceUnusable:
                self.troubles.note(instance_id)
                raise
            if done:
                self.troubles.forget(instance_id)
                return
            if turn.chain is None:
                turn.tries += 1
            elif not turn.chain.is_half_done:
                await self._wait(turn, turn.chain)
        pause = self.troubles.note(instance_id)
        for delivery in turn.batch:
            delivery.outcome = delivery.outcome or as_it_waits(delivery, pause)

    def _place(self, turn: Turn) -> AbstractAsyncContextManager[None]:
        """An entity's turn runs the user's operations, which may take their time."""
        if is_entity_id(turn.instance_id):
            return self._entity_gate.turn(goes_on=turn.chain is not None)
        return self._gate.turn(goes_on=turn.chain is not None)

    async def _wait(self, turn: Turn, chain: Chain) -> None:
        """Until something arrives, or the chain must be flushed."""
        left = self._chains.time_left(chain)
        if left <= 0 or not await turn.inbox.arrival(left):
            # Calls that had no place when the wait began may have one by now.
            turn.is_due = self._chains.time_left(chain) < _SOON_SECONDS
        fresh = turn.take()
        if not turn.is_due:
            await self._gather(turn, fresh, chain.session)

    async def _gather(self, turn: Turn, fresh: Sequence[Delivery], session: Session | None) -> None:
        """Of many answers on their way, those that come in together enter one turn."""
        if session is None or not self._settings.fast_path:
            return
        if not fresh or any(answered_task(each.message.event) is None for each in fresh):
            return
        if session.state.ledger.unanswered > len(fresh):
            await turn.inbox.gather(self._settings.gather_seconds)
        turn.take()

    async def _try(self, turn: Turn) -> bool:
        """One attempt; True when every message has its outcome."""
        chain = turn.chain
        session = self._sessions.take(turn.instance_id) if chain is None else chain.session
        try:
            # Half of a hand-over is no place to rest: its messages lead to the other half.
            if chain is not None and turn.is_due and turn.is_judged and not chain.is_half_done:
                await self._flush(turn, chain)
                self._keep(chain.session)
                return self._finish(turn, chain.session)
            cached = session is not None
            turn.had_session = turn.had_session or cached
            if session is None:
                with blaming_the_instance():
                    session = await self._open(turn)
                if session is None:
                    return True
            return await self._advance(turn, session, cached=cached)
        except (Conflict, PreconditionFailed) as lost:
            # R7: verdicts made before a lost race are void; only what was committed stands.
            log.debug("instance %r: a race was lost: %s", turn.instance_id, lost)
            turn.verdicts = {k: v for k, v in turn.verdicts.items() if k in turn.consumed}
            turn.known = session.state if session is not None else None
            turn.chain, turn.is_due = None, False
            if session is not None:
                session.close()
            # A little while, at random, so that more messages gather into the next turn.
            await self._clock.sleep(self._clock.jitter(0.0, self._settings.race_pause_seconds))
            return False
        except BaseException:
            turn.chain = None
            if session is not None:
                session.close()
            raise

    async def _flush(self, turn: Turn, chain: Chain) -> None:
        """Send what the chain owes, and show it."""
        await self._chains.flush(chain, turn.inbox.scope)
        turn.chain, turn.is_due = None, False

    async def _open(self, turn: Turn) -> Session | None:
        """Load, quiet and replay; None when it has to be put off (outcomes are set)."""
        known, turn.known = turn.known, None
        if not turn.tries and self._settings.fast_path:
            state = await self.quieter.new_instance(turn.instance_id, turn.batch)
            if state is not None:
                return Session(state=state, live=None)
        state = await self.quieter.load(turn.instance_id, known, row_last=_replaces(turn.batch))
        state, wait = await self.quieter.quiet(state)
        if wait > 0:
            # R3: not even what was consumed may be deleted, but copies may be put.
            for delivery in turn.batch:
                delivery.outcome = Deferred(wait)
            return None
        self._drop_expired(turn)
        return Session(state=state, live=None, size=_size(state.ledger))

    def _drop_expired(self, turn: Turn) -> None:
        """R7: after a load, a message whose lease is over is neither applied nor deleted."""
        now = self._clock.monotonic()
        kept: list[Delivery] = []
        for delivery in turn.batch:
            if delivery.key in turn.consumed or now < delivery.lease.until:
                kept.append(delivery)
            else:
                delivery.outcome = LeaseOver()
        turn.keep_only(kept)

    async def _advance(self, turn: Turn, session: Session, *, cached: bool) -> bool:
        state = session.state
        judgement = await self._judge(turn, session, cached=cached)
        if judgement.look_afresh:
            if turn.chain is not None:
                await self._flush(turn, turn.chain)
            session.close()
            return False
        turn.verdicts.update(judgement.verdicts)
        begins = judgement.start is not None or judgement.finish_hand_over
        try:
            if not begins and session.live is None and _runs(state):
                session.live = await self._replay(state)
            if not (judgement.applied or begins or (not cached and _undone(session))):
                return await self._rest(turn, session)
            if await self._replaced_meanwhile(judgement, state):
                session.close()
                return False
            prepared = await self._prepared(turn, judgement, session)
            with AtWork("orchestrator", _name(state, judgement), turn.instance_id):
                draft = compose(prepared)
        except CODE_TROUBLE as trouble:
            return await self._code_trouble(turn, session, judgement, trouble)
        except EntityQueueFull as full:
            return await self._put_off(turn, session, full)
        refusal = self._limits.refusal(session, draft)
        if refusal is not None:
            return await self._fail(turn, session, judgement, refusal, dropped=draft)
        await self._commit(turn, session, judgement, draft)
        if turn.chain is not None or draft.is_hand_over:
            return False
        return self._finish(turn, session)

    async def _judge(self, turn: Turn, session: Session, *, cached: bool) -> Judgement:
        state = session.state
        fresh = [delivery.waiting for delivery in turn.waiting]
        row_start: ExecutionStarted | None = None
        if fresh and not cached and state.row is not None and state.row.is_unstarted:
            row_start = await start_of_row(self._hub, state.row)
        standing = Standing(
            ledger=state.ledger,
            sentinel=state.sentinel,
            row=state.row,
            from_memory=cached,
            row_start=row_start,
            entity_start=self._entities.start_of(state.instance_id)
            if is_entity_id(state.instance_id)
            else None,
        )
        return judge(standing, fresh, self._clock.now())

    async def _replaced_meanwhile(self, judgement: Judgement, state: InstanceState) -> bool:
        """R6: a start that replaces an execution is decided by a row read after the sentinel."""
        start = judgement.start
        if start is None or start.is_child or state.sentinel is None or state.row_is_newer:
            return False
        row = await self._hub.instances.read(state.instance_id)
        before = state.row.etag if state.row is not None else None
        return (row.etag if row is not None else None) != before

    async def _replay(self, state: InstanceState) -> Execution:
        slice_rows = self._settings.replay_slice
        with blaming_the_instance():
            return await replay(state.ledger, self._programs, self._clock, slice_rows=slice_rows)

    async def _prepared(self, turn: Turn, judgement: Judgement, session: Session) -> TurnInput:
        start = self._input(judgement, session)
        if not is_entity_id(turn.instance_id):
            return start
        return await self._entities.prepare(start, turn.unknown_entity)

    def _input(self, judgement: Judgement, session: Session) -> TurnInput:
        return TurnInput(
            ledger=session.state.ledger,
            sentinel=session.state.sentinel,
            live=session.live,
            start=judgement.start,
            finish_hand_over=judgement.finish_hand_over,
            applied=judgement.applied,
            now=self._clock.now(),
            served_since=self._served.note(),
            keep_identities_seconds=self._hub.settings.identity_seconds,
            limits=LIMITS,
            open=self._programs.open,
            default_version=self._settings.versions.version,
            entities=self._programs.entities,
        )

    async def _commit(
        self, turn: Turn, session: Session, judgement: Judgement, draft: Draft
    ) -> None:
        """Steps 1 to 4, or the first two and the chain goes on; step 5 is the deliverers'."""
        state, chain = session.state, turn.chain
        if chain is not None and (draft.is_hand_over or draft.is_new_execution):
            # (e): rows that still owe something must not be written over.
            tasks = {answered_task(each.message.event) for each in judgement.applied}
            if not self._chains.begin_anew(chain, tasks, draft):
                await self._flush(turn, chain)
                chain = None
        if session.live is not None and session.live is not draft.live:
            session.live.close()
        session.live = draft.live
        at = 0 if draft.is_new_execution else len(state.ledger.rows)
        committed = await self._committer.checkpoint(state, draft, in_chain=chain is not None)
        if draft.is_new_execution:
            session.runs.clear()  # its task numbers begin anew
            session.size = 0  # and so do its rows
        if chain is None:
            chain = turn.chain = self._chains.begin(session, committed.above, turn.since)
            turn.since = chain.since
        for waiting in judgement.applied:
            answered = answered_task(waiting.message.event)
            if answered is not None:
                session.runs.pop(answered, None)
        turn.note_consumed(judgement.verdicts)
        _acknowledge(draft, state.ledger, at)
        session.size += sum(weight(event) for event in draft.events)
        chain.by_start = chain.by_start or judgement.start is not None
        chain.outdated += committed.outdated
        if draft.is_hand_over:
            # What the old execution caused leaves before its rows are written over; the row
            # follows with the new one.
            await self._chains.send(chain, turn.inbox.scope)
            session.close()
        elif self._chains.goes_on(chain, turn.inbox, turn.batch):
            turn.is_due = False
        else:
            await self._flush(turn, chain)
            self._keep(session)

    def _keep(self, session: Session) -> None:
        if session.live is None or session.state.ledger.is_finished:
            session.close()
        else:
            self._sessions.put(session)

    async def _rest(self, turn: Turn, session: Session) -> bool:
        """Nothing to commit. A look without messages also corrects the row (R9)."""
        state = session.state
        if turn.chain is not None:
            return False  # it waits on
        if not turn.batch and not is_superseded(state.sentinel, state.row):
            await self._committer.repair(state)
        if turn.batch or turn.had_session:
            self._keep(session)
        else:
            session.close()  # a mere look: nobody has spoken to the instance lately
        return self._finish(turn, session)

    def _finish(self, turn: Turn, session: Session) -> bool:
        """Give every message its outcome; False when some has no verdict yet."""
        if not turn.is_judged:
            return False
        for delivery in turn.batch:
            delivery.outcome = self._patience.outcome(
                turn.verdicts[delivery.key], delivery, session.state
            )
        return True

    async def _code_trouble(
        self, turn: Turn, session: Session, judgement: Judgement, trouble: Exception
    ) -> bool:
        """No code here that knows the orchestrator, or agrees with its history.

        A rolling deployment may bring it: messages wait two minutes for a process with other code
        before the instance fails; for one of their version without end, unless host.json says no.
        Terminating takes no code.
        """
        if isinstance(trouble, VersionMismatch):
            if not (judgement.applied or judgement.start or judgement.finish_hand_over):
                return await self._rest(turn, session)
            wait = self._patience.for_version(turn.batch, trouble.version)
        else:
            wait = self._patience.for_code(turn.batch)
        if turn.chain is not None:
            await self._flush(turn, turn.chain)
        session.close()
        if wait is not None and not _terminates(judgement):
            log.warning("instance %r waits for other code: %s", turn.instance_id, trouble)
            for delivery in turn.batch:
                delivery.outcome = wait
            return True
        if is_entity_id(turn.instance_id) and isinstance(trouble, UnknownFunction):
            # An entity has no end: its callers are told instead.
            turn.unknown_entity = trouble
            return False
        return await self._fail(turn, session, judgement, trouble)

    async def _put_off(self, turn: Turn, session: Session, full: EntityQueueFull) -> bool:
        """Leave what can't be kept to its queue; what frees the entity doesn't come this way."""
        log.warning("messages are put off: %s", full, extra={"instance_id": turn.instance_id})
        if turn.chain is not None:
            await self._flush(turn, turn.chain)
        self._keep(session)
        for delivery in turn.batch:
            delivery.outcome = as_it_waits(delivery, _FULL_SECONDS)
        return True

    async def _fail(
        self,
        turn: Turn,
        session: Session,
        judgement: Judgement,
        why: Exception,
        *,
        dropped: Draft | None = None,
    ) -> bool:
        """End the instance by no decision of its code: record what arrived, and the failure."""
        log.error("instance %r ends without its code: %s", turn.instance_id, why)
        if dropped is not None and dropped.live is not None:
            dropped.live.close()  # of another generation than the session's, perhaps
        session.close()
        draft = failed_draft(
            self._input(judgement, session), lambda task_id: failure_outcome(why, task_id)
        )
        await self._commit(turn, session, judgement, draft)
        return self._finish(turn, session)


def _replaces(batch: Sequence[Delivery]) -> bool:
    """A client that starts over an older execution counts it (R6): the row will be needed last."""
    events = (delivery.message.event for delivery in batch)
    return any(isinstance(event, ExecutionStarted) and event.generation for event in events)


def _runs(state: InstanceState) -> bool:
    """The execution is under way, so its orchestrator is needed."""
    return (
        state.ledger.started is not None
        and state.ledger.completed is None
        and not is_superseded(state.sentinel, state.row)
    )


def _name(state: InstanceState, judgement: Judgement) -> str | None:
    started = state.ledger.started if judgement.start is None else judgement.start.event
    return None if started is None else started.name


def _terminates(judgement: Judgement) -> bool:
    return any(isinstance(each.message.event, ExecutionTerminated) for each in judgement.applied)


def _undone(session: Session) -> bool:
    """R1: the replay decides something that no row records: there is a turn to make."""
    live = session.live
    if isinstance(live, EntityExecution):
        return live.is_behind
    return live is not None and (bool(live.undecided) or live.outcome is not None)


def _acknowledge(draft: Draft, ledger: Ledger, at: int) -> None:
    """Show the live orchestrator the rows that record what it decided."""
    if draft.live is None:
        return
    fed = {id(event) for event in draft.events[: draft.fed]}
    for row in ledger.rows[at:]:
        if id(row.event) not in fed:
            draft.live.feed(row.event, replaying=True)


def _size(ledger: Ledger) -> int:
    return sum(weight(row.event) for row in ledger.rows)
