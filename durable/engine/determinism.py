"""Whether what the code asks for is what history recorded; if not, both sides in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from durable.errors import NonDeterminismError
from durable.model.actions import (
    AnyAction,
    CreateTimer,
    Outcome,
    ScheduleActivity,
    SendEvent,
    StartChild,
    TellEntity,
)
from durable.model.entities import Continue, EntityMessage, OperationRequest, Release
from durable.model.events import (
    EventSent,
    ExecutionCompleted,
    SubOrchestrationCreated,
    TaskScheduled,
    TimerCreated,
)

RecordedAction = TaskScheduled | SubOrchestrationCreated | TimerCreated | EventSent

#: DTFx FrameworkConstants.FakeTimerIdToSplitDecision: a timer of the framework's own.
FAKE_TIMER_ID = -100


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a check is made: the history row, and the user's line that waits meanwhile."""

    instance_id: str
    row: int
    location: str | None = None
    has_ended: bool = False


def check_action(event: RecordedAction, action: AnyAction | None, place: Place) -> None:
    """Whether `action`, which the code asks for under the event's number, is what it records.

    Inputs, versions, times and addressees are not compared, nor does case matter in names: as in
    the original (DTFx TaskOrchestrationContext.cs).

    Raises:
        NonDeterminismError: it is not.
    """
    recorded = _recorded(event)
    if action is None:
        raise _violation(recorded, _not_asked(place), place, place.location)
    asked = _asked(action)
    if (asked.kind, asked.name.lower()) != (recorded.kind, recorded.name.lower()):
        raise _violation(recorded, f"asks for {asked} there", place, action.location)


def check_message(
    event: EventSent, message: EntityMessage, action: TellEntity, place: Place
) -> None:
    """Whether `action` is what the event tells an entity, which is `message`.

    Addressee, kind and operation are compared; neither inputs nor texts, of which there are
    dialects, nor ids, labels and times, which count as recorded.

    Raises:
        NonDeterminismError: it is not.
    """
    recorded = _message(message, event.instance_id or "", event.event_id)
    asked = _message(action.message, action.target, action.task_id)
    if (asked.kind, asked.name.lower()) != (recorded.kind, recorded.name.lower()):
        raise _violation(recorded, f"asks for {asked} there", place, action.location)


def check_completion(
    event: ExecutionCompleted, ending: Outcome | None, open_actions: int, place: Place
) -> None:
    """Whether the code has ended as `event` records, and under its number.

    Raises:
        NonDeterminismError: it has not.
    """
    recorded = _Asked("the end", str(event.status), event.event_id)
    if ending is None:
        raise _violation(recorded, "has not ended", place, place.location)
    if open_actions or (ending.status, ending.task_id) != (event.status, event.event_id):
        asked = _Asked("the end", str(ending.status), ending.task_id)
        more = f" and {open_actions} action(s) more than recorded" if open_actions else ""
        raise _violation(recorded, f"asks for {asked}{more}", place, place.location)


@dataclass(frozen=True, slots=True)
class _Asked:
    kind: str
    name: str
    task_id: int

    def __str__(self) -> str:
        return f"{self.kind}{f' {self.name!r}' if self.name else ''} (number {self.task_id})"


def _recorded(event: RecordedAction) -> _Asked:
    match event:
        case TaskScheduled():
            return _Asked("activity", event.name or "", event.event_id)
        case SubOrchestrationCreated():
            return _Asked("child orchestration", event.name or "", event.event_id)
        case TimerCreated():
            return _Asked("a timer", "", event.event_id)
        case EventSent():
            return _Asked("sending event", event.name or "", event.event_id)
        case _:
            assert_never(event)


def _asked(action: AnyAction) -> _Asked:
    match action:
        case ScheduleActivity():
            return _Asked("activity", action.name, action.task_id)
        case StartChild():
            return _Asked("child orchestration", action.name, action.task_id)
        case CreateTimer():
            return _Asked("a timer", "", action.task_id)
        case SendEvent():
            return _Asked("sending event", action.name, action.task_id)
        case TellEntity():
            return _message(action.message, action.target, action.task_id)
        case _:
            assert_never(action)


def _message(message: EntityMessage, target: str, task_id: int) -> _Asked:
    match message:
        case OperationRequest() if message.is_lock:
            return _Asked("locks from entity", target, task_id)
        case OperationRequest():
            kind = "a signal to entity" if message.is_signal else "a call of entity"
            return _Asked(kind, f"{target} {message.op}", task_id)
        case Release():
            return _Asked("release of entity", target, task_id)
        case Continue():
            return _Asked("a wake-up of entity", target, task_id)
        case _:
            assert_never(message)


def _not_asked(place: Place) -> str:
    return "has ended without it" if place.has_ended else "does not ask for it"


def _violation(
    recorded: _Asked, asked: str, place: Place, location: str | None
) -> NonDeterminismError:
    where = f" ({location})" if location else ""
    return NonDeterminismError(
        "Non-Deterministic workflow detected: "
        f"history row {place.row} of instance {place.instance_id!r} records {recorded}, but the "
        f"orchestrator's code {asked}{where}. Was the code changed after this instance started, "
        "or does it decide by something else than its input, its context and its tasks?",
        instance_id=place.instance_id,
        row=place.row,
        recorded=str(recorded),
        asked=asked,
        location=location,
    )
