"""Messages for an entity -> operations -> what the turn decides: the entity processor.

The operations of a turn are run before it is composed, and again when its commit is lost: user code
runs at least once, while state and messages count once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

from durable.authoring.definitions import FunctionKind
from durable.authoring.entity_program import EntityProgram
from durable.authoring.registry import Registry
from durable.clock import Clock
from durable.engine.entity_batch import BatchLimits, Plan, conclude, plan, sends_of, state_after
from durable.engine.execution import Execution
from durable.engine.failures import details_of
from durable.engine.limits import check_payload
from durable.engine.turn import TurnInput, entering
from durable.errors import PayloadTooLarge, UnknownFunction
from durable.model.entities import OperationRequest, OperationResult
from durable.model.events import (
    ExecutionStarted,
    ExecutionTerminated,
    HistoryEvent,
    InstanceRef,
)
from durable.model.ids import EntityId
from durable.runtime.at_work import AtWork
from durable.runtime.entity_turn import EntityExecution, arrived, remembered
from durable.runtime.settings import EngineSettings

log = logging.getLogger("durable.entities")


class EntityQueueFull(Exception):
    """A locked entity takes no more requests: they wait in the control queue meanwhile."""


class Entities:
    """Runs the operations of entities."""

    def __init__(
        self, registry: Registry, settings: EngineSettings, clock: Clock, *, payload_bytes: int
    ) -> None:
        self._registry = registry
        self._payload_bytes = payload_bytes
        self._queue_limit = settings.entity_queue
        self._clock = clock
        self._gate = asyncio.Semaphore(settings.max_concurrent_entities)
        self._limits = BatchLimits(
            operations=settings.entity_batch,
            window=timedelta(seconds=settings.entity_window_seconds),
        )
        self._threads = ThreadPoolExecutor(
            max_workers=settings.max_concurrent_entities, thread_name_prefix="durable-entity"
        )
        self._programs: dict[str, EntityProgram] = {}

    def close(self) -> None:
        """Let the threads go; what runs in them runs on."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def start_of(self, instance_id: str) -> ExecutionStarted:
        """How an entity begins to live (storage-format.md 6.3: nobody sends this)."""
        return ExecutionStarted(
            timestamp=self._clock.now(),
            instance=InstanceRef(instance_id=instance_id, execution_id=self._clock.new_id()),
            name=instance_id,
            version="",
        )

    async def prepare(self, turn: TurnInput, unknown: UnknownFunction | None) -> TurnInput:
        """`turn`, its operations run: what they decided stands in for an orchestrator.

        Args:
            turn: what the turn starts from.
            unknown: this process was to wait no longer for one that has the entity: all fail so.

        Raises:
            UnknownFunction: this process has no entity of that name, and something is to be run.
            CorruptRecord: what the entity remembers can't be understood.
            EntityQueueFull: what arrived can't be kept now.
        """
        started, rows = entering(turn)
        execution = EntityExecution()
        if not any(isinstance(row, ExecutionTerminated) for row in rows):
            execution = await self._run(turn, started, rows, unknown)
        begins = turn.start is not None or turn.finish_hand_over
        return replace(
            turn,
            live=None if begins else execution,
            open=_first(execution if begins else EntityExecution()),
            is_whole=True,
        )

    async def _run(
        self,
        turn: TurnInput,
        started: ExecutionStarted,
        rows: Sequence[HistoryEvent],
        unknown: UnknownFunction | None,
    ) -> EntityExecution:
        entity = EntityId.get_entity_id(started.instance.instance_id)
        state = remembered(started)
        messages = arrived(rows, str(entity))
        planned = plan(state, messages, now=turn.now, limits=self._limits)
        if not (messages or planned.operations or planned.lock or state.outbox):
            return EntityExecution()
        self._check_queue(entity, len(state.queue), planned)
        async with self._gate:
            results = await self._operate(planned, entity, turn.now, unknown)
        conclusion = conclude(
            planned,
            results,
            entity=entity,
            execution_id=started.instance.execution_id or "",
            now=turn.now,
            limits=self._limits,
        )
        return EntityExecution(conclusion)

    def _check_queue(self, entity: EntityId, before: int, planned: Plan) -> None:
        """Refuse to let a locked entity's queue grow for ever: all of it is written each turn."""
        held_by, waiting = planned.state.locked_by, len(planned.state.queue)
        moves = held_by is None or planned.operations or planned.lock
        if not moves and waiting > max(before, self._queue_limit):
            raise EntityQueueFull(
                f"entity {entity} is locked by {held_by!r}, and {before} requests wait in its "
                f"queue; it would be {waiting}, of at most {self._queue_limit}"
            )

    async def _operate(
        self, planned: Plan, entity: EntityId, now: datetime, unknown: UnknownFunction | None
    ) -> list[OperationResult]:
        results: list[OperationResult] = []
        state = planned.state.state
        if unknown is not None:
            log.error(
                "entity %s has no code in this process; its operations fail: %s",
                entity,
                unknown,
                extra={"instance_id": str(entity)},
            )
        sends = len(planned.state.outbox) + len(planned.early)
        for request in planned.operations:
            if sends >= self._limits.sends:
                break  # the rest has a turn of its own: all that is sent must fit one checkpoint
            if unknown is not None:
                result = OperationResult(state=state, failure=details_of(unknown))
            else:
                program = self._program(entity)
                with AtWork("entity", entity.name, str(entity)):
                    result = await program.run(request, state, entity=entity, now=now)
                result = self._checked(request, result, entity, state)
            results.append(result)
            sends += sends_of(request, result)
            state = state_after(state, result)
        return results

    def _checked(
        self,
        request: OperationRequest,
        result: OperationResult,
        entity: EntityId,
        before: str | None,
    ) -> OperationResult:
        """`result`, or a failure in its place when something of it is too large to be kept."""
        name = f"operation {request.op!r} of entity {str(entity)!r}"
        try:
            check_payload(result.state, self._payload_bytes, f"the state that {name} leaves")
            check_payload(result.result, self._payload_bytes, f"the result of {name}")
            for effect in result.effects:
                check_payload(effect.input, self._payload_bytes, f"an input that {name} sends")
        except PayloadTooLarge as error:
            log.warning("%s", error, extra={"instance_id": str(entity)})
            failure = replace(details_of(error), is_non_retriable=True)
            return OperationResult(state=before, failure=failure)
        return result

    def _program(self, entity: EntityId) -> EntityProgram:
        found = self._programs.get(entity.name)
        if found is None:
            definition = self._registry.find_entity(entity.name)
            if definition is None:
                raise self._registry.unknown(FunctionKind.ENTITY, entity.name)
            found = self._programs[entity.name] = EntityProgram(
                definition, self._registry, threads=self._threads, clock=self._clock
            )
        return found


def _first(execution: Execution) -> Callable[[ExecutionStarted], Execution]:
    """Opens `execution`, and after it entities that wait: those of the next generations."""
    made = [execution]
    return lambda _started: made.pop() if made else EntityExecution()
