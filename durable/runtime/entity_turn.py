"""An entity's turn: from what history and messages bring to what the turn decides, and back.

What the operations did is known before the turn is composed; `EntityExecution` then stands where an
orchestrator stands in another instance's turn. Each turn that ran something ends its execution:
the scheduler state is the input of the next one (continue-as-new). So an entity's history between
turns is three rows, and what is in it beyond them has not been dealt with yet.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress

from durable.engine.entity_batch import Conclusion
from durable.errors import CorruptRecord
from durable.model.actions import Outcome, Recordable, SendEvent, StartChild
from durable.model.entities import EntityMessage, OrchestrationStart, SchedulerState, Send
from durable.model.events import (
    EventRaised,
    ExecutionCompleted,
    ExecutionStarted,
    ExecutionTerminated,
    HistoryEvent,
)
from durable.model.status import RuntimeStatus
from durable.wire.entity_json import (
    decode_message,
    decode_state,
    encode_state,
    encode_status,
    event_of,
)


def remembered(started: ExecutionStarted) -> SchedulerState:
    """What the execution that `started` begins remembers.

    Raises:
        CorruptRecord: its input can't be understood.
    """
    return decode_state(started.input, f"the state of {started.instance.instance_id}")


def arrived(events: Iterable[HistoryEvent], instance_id: str) -> list[EntityMessage]:
    """What `events` tell the entity.

    Whoever receives messages keeps out what can't be understood (`check_message`), so such a row is
    .NET's, which takes no notice of it either.
    """
    messages: list[EntityMessage] = []
    for event in events:
        if isinstance(event, EventRaised):
            with suppress(CorruptRecord):
                messages.append(_message(event, instance_id))
    return messages


def check_message(event: EventRaised, instance_id: str) -> None:
    """Nothing, when the entity can be told so.

    Raises:
        CorruptRecord: it can't be understood.
    """
    _message(event, instance_id)


def _message(event: EventRaised, instance_id: str) -> EntityMessage:
    where = f"Event {event.name!r} for entity {instance_id}"
    return decode_message(event.name, event.input, where)


class EntityExecution:
    """One execution of an entity, as a turn and a session see it.

    Without a `conclusion` it waits: for messages, or for somebody to run those it was fed.
    """

    def __init__(self, conclusion: Conclusion | None = None) -> None:
        self._conclusion = conclusion
        self._actions = [] if conclusion is None else _actions(conclusion.sends)
        self._recorded: set[int] = set()
        self._waiting = 0
        self._terminated: ExecutionTerminated | None = None
        self._is_over = False

    @property
    def is_behind(self) -> bool:
        """It was fed messages that no turn has dealt with."""
        return self._conclusion is None and self._waiting > 0 and not self._is_over

    @property
    def undecided(self) -> Sequence[Recordable]:
        """What it sends, as far as no row records it yet."""
        return [each for each in self._actions if each.task_id not in self._recorded]

    @property
    def outcome(self) -> Outcome | None:
        """Its end, and the next execution's input; None while it waits."""
        if self._terminated is not None and not self._is_over:
            return Outcome(
                task_id=len(self._actions),
                status=RuntimeStatus.TERMINATED,
                result=self._terminated.reason,
            )
        if self._conclusion is None:
            return None
        return Outcome(
            task_id=len(self._actions),
            status=RuntimeStatus.CONTINUED_AS_NEW,
            result=encode_state(self._conclusion.state),
        )

    @property
    def custom_status(self) -> str | None:
        """What the entity shows of itself; JSON text."""
        return None if self._conclusion is None else encode_status(self._conclusion.status)

    @property
    def unconsumed_events(self) -> Sequence[EventRaised]:
        """None: what it couldn't do yet is in its state."""
        return ()

    def feed(self, event: HistoryEvent, *, replaying: bool) -> None:  # noqa: ARG002 - as others
        """Take the next row of history."""
        match event:
            case EventRaised():
                self._waiting += 1
            case ExecutionTerminated():
                self._terminated = event
            case ExecutionCompleted():
                self._is_over = True
            case _ if event.event_id >= 0:
                self._recorded.add(event.event_id)
            case _:
                pass

    def close(self) -> None:
        """Nothing is held."""


def _actions(sends: Iterable[Send]) -> list[Recordable]:
    return [_action(task_id, send) for task_id, send in enumerate(sends)]


def _action(task_id: int, send: Send) -> Recordable:
    if isinstance(send, OrchestrationStart):
        return StartChild(
            task_id=task_id,
            name=send.name,
            instance_id=send.instance_id,
            input=send.input,
            version=send.version,
            fire_and_forget=True,
        )
    name, text = event_of(send)
    return SendEvent(
        task_id=task_id,
        instance_id=send.target,
        name=name,
        input=text,
        deliver_at=send.deliver_at,
        execution_id=send.execution_id,
    )
