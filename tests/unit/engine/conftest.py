"""A driver that runs an orchestrator as the engine's turns do, writing real history rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import partial

from durable.engine.atomic_tasks import ActivityTask, ChildTask, EventTask, TimerTask
from durable.engine.compound_tasks import LongTimerTask, RetryAbleTask, WhenAllTask, WhenAnyTask
from durable.engine.decisions import completion_row, decision_row
from durable.engine.entity_rows import EntityWire
from durable.engine.entity_tasks import CallEntityTask, LockEntitiesTask
from durable.engine.replay import Orchestration, Program
from durable.engine.task_base import TaskBase
from durable.model.actions import Outcome, Recordable, ScheduleActivity, SendEvent, StartChild
from durable.model.events import (
    EventRaised,
    ExecutionCompleted,
    ExecutionStarted,
    HistoryEvent,
    InstanceRef,
    OrchestratorCompleted,
    OrchestratorStarted,
    SubOrchestrationCompleted,
    SubOrchestrationFailed,
    TaskCompleted,
    TaskFailed,
    TimerFired,
)
from durable.model.failure import FailureDetails
from durable.model.ids import EntityId
from durable.model.retry import RetryOptions
from durable.wire import entity_json

T0 = datetime(2024, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
WIRE = EntityWire(texts=entity_json)


def loads(text: str | None) -> object:
    return None if text is None else json.loads(text)


class Ask:
    """A bare context: what an orchestrator can ask of the engine, without names or types."""

    def __init__(self, execution: Orchestration) -> None:
        self.execution = execution
        self.agenda = execution.agenda

    @property
    def now(self) -> datetime:
        return self.agenda.now

    def activity(self, name: str, value: object = None) -> ActivityTask:
        action = partial(ScheduleActivity, name=name, input=json.dumps([value]))
        return ActivityTask(self.agenda, name, action, loads)

    def child(self, name: str, instance_id: str | None = None) -> ChildTask:
        action = partial(StartChild, name=name, instance_id=instance_id)
        return ChildTask(self.agenda, name, action, loads)

    def timer(self, delay: timedelta) -> TimerTask:
        return TimerTask(self.agenda, self.now + delay)

    def long_timer(self, delay: timedelta) -> LongTimerTask:
        return LongTimerTask(self.agenda, self.now + delay)

    def event(self, name: str) -> EventTask:
        return EventTask(self.agenda, name, loads)

    def retry(self, name: str, options: RetryOptions) -> RetryAbleTask:
        return RetryAbleTask(self.agenda, options, lambda: self.activity(name))

    def all_of(self, tasks: Iterable[TaskBase]) -> WhenAllTask:
        return WhenAllTask(tasks)

    def any_of(self, tasks: Iterable[TaskBase]) -> WhenAnyTask:
        return WhenAnyTask(tasks)

    def send(self, instance_id: str, name: str, value: object = None) -> None:
        self.agenda.act(
            partial(SendEvent, instance_id=instance_id, name=name, input=json.dumps(value))
        )

    def start_detached(self, name: str) -> None:
        self.agenda.act(partial(StartChild, name=name, fire_and_forget=True))

    def call(self, entity: EntityId, op: str, value: object = None) -> CallEntityTask:
        traffic = self.execution.traffic
        traffic.check_call(entity)
        return CallEntityTask(traffic, entity, op, json.dumps(value), loads)

    def signal(self, entity: EntityId, op: str, due: datetime | None = None) -> None:
        self.execution.traffic.signal(entity, op, None, due)

    def lock(self, *entities: EntityId) -> LockEntitiesTask:
        self.execution.traffic.check_lock(entities)
        return LockEntitiesTask(self.execution.traffic, entities)

    def continue_as_new(self, value: object) -> None:
        self.agenda.continue_as_new(json.dumps(value))

    def status(self, value: object) -> None:
        self.agenda.set_custom_status(json.dumps(value))


class Code:
    """A function of an `Ask` as the engine's Program."""

    def __init__(self, function: Callable[[Ask], object]) -> None:
        self._function = function

    def start(self, execution: Orchestration) -> object:
        return self._function(Ask(execution))

    def encode_output(self, value: object) -> str | None:
        return json.dumps(value)


class Driver:
    """One execution: feeds what arrives, records what is decided, and keeps the rows."""

    def __init__(self, program: Program | Callable[[Ask], object], instance_id: str = "i1") -> None:
        self.program: Program = Code(program) if callable(program) else program
        self.instance_id = instance_id
        self.live = Orchestration(self.program, instance_id=instance_id, entities=WIRE)
        self.rows: list[HistoryEvent] = []
        self.now = T0
        self.started: ExecutionStarted | None = None

    def start(self, value: object = None, **fields: object) -> Outcome | None:
        """The first turn."""
        self.started = ExecutionStarted(
            timestamp=self.now,
            instance=InstanceRef(instance_id=self.instance_id, execution_id="e1"),
            name="orchestrator",
            input=json.dumps(value),
            **fields,  # type: ignore[arg-type]  # the test's own
        )
        return self.turn(self.started)

    def turn(self, *arrived: HistoryEvent, at: datetime | None = None) -> Outcome | None:
        """A turn as engine.turn composes it: what arrived, then what was decided."""
        self.now = self.now + SECOND if at is None else at
        self._feed(OrchestratorStarted(timestamp=self.now), *arrived)
        outcome = self.live.outcome
        assert self.started is not None
        rows = [decision_row(action, self.started, self.now) for action in self.live.undecided]
        self._feed(*rows)
        if outcome is not None and not self.live.is_recorded_complete:
            self._feed(completion_row(outcome, self.now))
        self._feed(OrchestratorCompleted(timestamp=self.now))
        return outcome

    def _feed(self, *events: HistoryEvent) -> None:
        for event in events:
            self.live.feed(event, replaying=False)
            self.rows.append(event)

    def completed(self, task_id: int, value: object = None) -> Outcome | None:
        return self.turn(done(task_id, value))

    def failed(self, task_id: int, error_type: str, message: str) -> Outcome | None:
        return self.turn(broken(task_id, error_type, message))

    def fired(self, task_id: int, *, at: datetime | None = None) -> Outcome | None:
        fired = TimerFired(timestamp=self.now, timer_id=task_id, fire_at=self.now)
        return self.turn(fired, at=at)

    def raised(self, name: str, value: object = None) -> Outcome | None:
        return self.turn(event(name, value))

    def replayed(self, count: int | None = None) -> Orchestration:
        """A fresh orchestration, replayed over the first `count` rows."""
        return replay(self.program, self.rows[:count], self.instance_id)

    @property
    def decided(self) -> list[HistoryEvent]:
        """The decision rows so far."""
        return [
            row
            for row in self.rows
            if row.event_id >= 0 and not isinstance(row, ExecutionCompleted)
        ]


def replay(program: Program, rows: Iterable[HistoryEvent], instance_id: str) -> Orchestration:
    fresh = Orchestration(program, instance_id=instance_id, entities=WIRE)
    for row in rows:
        fresh.feed(row, replaying=True)
    return fresh


def state(execution: Orchestration) -> tuple[object, ...]:
    """Everything the runtime can see of an orchestration."""
    undecided: tuple[Recordable, ...] = execution.undecided
    return (
        undecided,
        execution.outcome,
        execution.is_recorded_complete,
        execution.unconsumed_events,
        execution.custom_status,
        execution.event_count,
    )


def done(task_id: int, value: object = None) -> TaskCompleted:
    return TaskCompleted(timestamp=T0, task_id=task_id, result=json.dumps(value))


def broken(task_id: int, error_type: str, message: str) -> TaskFailed:
    failure = FailureDetails(error_type=error_type, message=message)
    return TaskFailed(timestamp=T0, task_id=task_id, reason=message, failure=failure)


def child_done(task_id: int, value: object = None) -> SubOrchestrationCompleted:
    return SubOrchestrationCompleted(timestamp=T0, task_id=task_id, result=json.dumps(value))


def child_broken(task_id: int, reason: str) -> SubOrchestrationFailed:
    return SubOrchestrationFailed(timestamp=T0, task_id=task_id, reason=reason)


def event(name: str, value: object = None) -> EventRaised:
    return EventRaised(timestamp=T0, name=name, input=json.dumps(value), identity=f"{name}:{value}")
