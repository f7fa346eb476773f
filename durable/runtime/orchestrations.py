"""Messages for one instance -> replay -> commit: the orchestration processor.

A port of `handle` in the protocol's model (shared/model/procs.py); commit.md is the law.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from durable.clock import Clock
from durable.engine.execution import Execution
from durable.engine.judgement import Judgement, Standing, Verdict, judge
from durable.engine.ledger import Ledger
from durable.engine.owing import is_superseded
from durable.engine.turn import Draft, TurnInput, compose, failed_draft
from durable.errors import (
    Conflict,
    NonDeterminismError,
    NotFound,
    PreconditionFailed,
    UnknownFunction,
    VersionMismatch,
)
from durable.hub.commit import LIMITS, Committer, InstanceState
from durable.hub.starting import start_of_row
from durable.hub.taskhub import TaskHub
from durable.model.events import ExecutionStarted, ExecutionTerminated
from durable.model.ids import is_entity_id
from durable.runtime.delivery import Deferred, Delivery, LeaseOver
from durable.runtime.entities import Entities
from durable.runtime.entity_turn import EntityExecution
from durable.runtime.patience import Patience
from durable.runtime.programs import Programs, failure_outcome
from durable.runtime.quiet import Quieter
from durable.runtime.served import Served
from durable.runtime.sessions import Session, Sessions, weight
from durable.runtime.settings import EngineSettings

log = logging.getLogger("durable.orchestrations")

#: Lost races and fresh looks in one turn before the messages are put off.
_TRIES = 60
#: What the user's code, or the lack of it, can do to a turn.
_CODE_TROUBLE = (NonDeterminismError, UnknownFunction, VersionMismatch)


@dataclass(kw_only=True, slots=True)
class _Turn:
    """What one call of `handle` keeps between its tries."""

    instance_id: str
    batch: list[Delivery]
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    consumed: set[str] = field(default_factory=set)
    known: InstanceState | None = None
    unknown_entity: UnknownFunction | None = None


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
    ) -> None:
        self._hub = hub
        self._programs = programs
        self._settings = settings
        self._clock = clock
        self._sessions = sessions
        self._served = served
        self._entities = entities
        self._gate = asyncio.Semaphore(settings.max_concurrent_orchestrators)
        self._committer = Committer(hub, clock)
        self._patience = Patience(hub.settings, settings, clock)
        self.quieter = Quieter(
            hub, self._committer, clock, in_place_seconds=settings.in_place_seconds
        )

    async def handle(self, instance_id: str, batch: Sequence[Delivery]) -> None:
        """Deal with `batch`; sets the outcome of each. May be empty: a look (R9).

        Raises:
            StorageError: storage failed; nothing may be deleted.
        """
        turn = _Turn(instance_id=instance_id, batch=list(batch))
        for _ in range(_TRIES):
            async with self._gate:
                done = await self._try(turn)
            if done:
                return
        for delivery in turn.batch:
            delivery.outcome = delivery.outcome or Deferred(1.0)

    async def _try(self, turn: _Turn) -> bool:
        """One attempt; True when every message has its outcome."""
        session = self._sessions.take(turn.instance_id)
        try:
            cached = session is not None
            if session is None:
                session = await self._open(turn)
                if session is None:
                    return True
            return await self._advance(turn, session, cached=cached)
        except (Conflict, PreconditionFailed) as lost:
            # R7: verdicts made before a lost race are void; only what was committed stands.
            log.debug("instance %r: a race was lost: %s", turn.instance_id, lost)
            turn.verdicts = {k: v for k, v in turn.verdicts.items() if k in turn.consumed}
            turn.known = session.state if session is not None else None
            if session is not None:
                session.close()
            # A little while, at random, so that more messages gather into the next turn.
            await self._clock.sleep(self._clock.jitter(0.0, self._settings.race_pause_seconds))
            return False
        except BaseException:
            if session is not None:
                session.close()
            raise

    async def _open(self, turn: _Turn) -> Session | None:
        """Load, quiet and replay; None when it has to be put off (outcomes are set)."""
        known, turn.known = turn.known, None
        state = await self.quieter.load(turn.instance_id, known, row_last=_replaces(turn.batch))
        state, wait = await self.quieter.quiet(state)
        if wait > 0:
            # R3: not even what was consumed may be deleted, but copies may be put.
            for delivery in turn.batch:
                delivery.outcome = Deferred(wait)
            return None
        self._drop_expired(turn)
        return Session(state=state, live=None, size=_size(state.ledger))

    def _drop_expired(self, turn: _Turn) -> None:
        """R7: after a load, a message whose lease is over is neither applied nor deleted."""
        now = self._clock.monotonic()
        kept: list[Delivery] = []
        for delivery in turn.batch:
            if delivery.key in turn.consumed or now < delivery.lease.until:
                kept.append(delivery)
            else:
                delivery.outcome = LeaseOver()
        turn.batch = kept

    async def _advance(self, turn: _Turn, session: Session, *, cached: bool) -> bool:
        state = session.state
        judgement = await self._judge(turn, session, cached=cached)
        if judgement.look_afresh:
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
            draft = compose(await self._prepared(turn, judgement, session))
        except _CODE_TROUBLE as trouble:
            return await self._code_trouble(turn, session, judgement, trouble)
        await self._commit(turn, session, judgement, draft)
        return not draft.is_hand_over and self._finish(turn, session)

    async def _judge(self, turn: _Turn, session: Session, *, cached: bool) -> Judgement:
        state = session.state
        fresh = [d.waiting for d in turn.batch if d.key not in turn.consumed]
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
        """The orchestrator, run through its history; the loop gets its turn in between."""
        started = state.ledger.started
        if started is None:
            raise AssertionError("only a started execution is replayed")
        live = self._programs.open(started)
        try:
            for index, row in enumerate(state.ledger.rows, 1):
                live.feed(row.event, replaying=True)
                if index % self._settings.replay_slice == 0:
                    await self._clock.sleep(0)
        except BaseException:
            live.close()
            raise
        return live

    async def _prepared(self, turn: _Turn, judgement: Judgement, session: Session) -> TurnInput:
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
        self, turn: _Turn, session: Session, judgement: Judgement, draft: Draft
    ) -> None:
        """Steps 1 to 4; step 5 is the deliverers'."""
        state = session.state
        if session.live is not None and session.live is not draft.live:
            session.live.close()
        session.live = draft.live
        at = 0 if draft.is_new_execution else len(state.ledger.rows)
        committed = await self._committer.checkpoint(state, draft)
        turn.consumed.update(
            key for key, verdict in judgement.verdicts.items() if verdict is Verdict.APPLY
        )
        _acknowledge(draft, state.ledger, at)
        session.size += sum(weight(event) for event in draft.events)
        await self._committer.send(state, committed.above)
        try:
            await self._committer.show(state, by_start=judgement.start is not None)
        except NotFound as gone:
            raise PreconditionFailed(str(gone), operation="show") from gone
        await self._committer.forget(committed)
        if draft.is_hand_over:
            session.close()
            self._sessions.put(session)
        else:
            self._keep(session)

    def _keep(self, session: Session) -> None:
        if session.live is None or session.state.ledger.is_finished:
            session.close()
        else:
            self._sessions.put(session)

    async def _rest(self, turn: _Turn, session: Session) -> bool:
        """Nothing to commit. A look without messages also corrects the row (R9)."""
        state = session.state
        if not turn.batch and not is_superseded(state.sentinel, state.row):
            await self._committer.repair(state)
        self._keep(session)
        return self._finish(turn, session)

    def _finish(self, turn: _Turn, session: Session) -> bool:
        """Give every message its outcome; False when some has no verdict yet."""
        if any(delivery.key not in turn.verdicts for delivery in turn.batch):
            return False
        for delivery in turn.batch:
            delivery.outcome = self._patience.outcome(
                turn.verdicts[delivery.key], delivery, session.state
            )
        return True

    async def _code_trouble(
        self, turn: _Turn, session: Session, judgement: Judgement, trouble: Exception
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
        log.error("instance %r ends without its code: %s", turn.instance_id, trouble)
        draft = failed_draft(
            self._input(judgement, session), lambda task_id: failure_outcome(trouble, task_id)
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
