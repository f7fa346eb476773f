"""Tasks of one action or event: activity, child orchestration, timer, external event."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Protocol

from durable.engine.failures import activity_failed, child_failed
from durable.engine.task_base import TaskBase
from durable.model.actions import AnyAction, CreateTimer
from durable.model.events import (
    Answer,
    EventRaised,
    SubOrchestrationCompleted,
    SubOrchestrationFailed,
    TaskCompleted,
    TaskFailed,
    TimerFired,
)

#: Makes a value of the JSON text an answer brought; None when it brought none.
Decode = Callable[[str | None], object]


class MakeAction(Protocol):
    """Makes a task's action once its number is known."""

    def __call__(self, *, task_id: int, location: str | None) -> AnyAction: ...


class Issuer(Protocol):
    """What tasks need of the orchestration they belong to."""

    @property
    def now(self) -> datetime:
        """The orchestration's time."""
        ...

    def issue(self, task: NumberedTask, location: str | None) -> None:
        """Number the task and put its action among the decisions."""
        ...

    def wait(self, task: EventTask) -> None:
        """Deliver an event to the task, at once or when one comes."""
        ...

    def forget(self, task: NumberedTask) -> None:
        """Expect no answer to the task any more."""
        ...


class AtomicTask(TaskBase):
    """A task that one event finishes."""

    def __init__(self, issuer: Issuer, decode: Decode) -> None:
        super().__init__()
        self.issuer = issuer
        self._decode = decode

    def belongs_to(self, issuer: object) -> bool:
        return self.issuer is issuer

    def accept(self, text: str | None) -> None:
        """Finish with a value's JSON text; fail when it cannot be decoded."""
        try:
            value = self._decode(text)
        except Exception as error:  # noqa: BLE001 - converters are user code; raised where awaited
            self.set_value(is_error=True, value=error)
        else:
            self.set_value(is_error=False, value=value)


class EventTask(AtomicTask):
    """Waits for an external event; its id is the event's name."""

    def __init__(self, issuer: Issuer, name: str, decode: Decode) -> None:
        super().__init__(issuer, decode)
        self.id = name
        self.name = name

    def issue(self, location: str | None) -> None:  # noqa: ARG002 - it has no action
        if not self.is_completed:
            self.issuer.wait(self)

    def deliver(self, event: EventRaised) -> None:
        """Finish with the event's payload."""
        self.accept(event.input)


class NumberedTask(AtomicTask):
    """A task whose action has a number, under which history answers it."""

    def __init__(self, issuer: Issuer, make_action: MakeAction, decode: Decode) -> None:
        super().__init__(issuer, decode)
        self.make_action = make_action

    def issue(self, location: str | None) -> None:
        if self.id is None:
            self.issuer.issue(self, location)

    @property
    def keeps_open(self) -> bool:
        """The execution does not end before this task is answered."""
        return True

    @abstractmethod
    def answer(self, event: Answer) -> bool:
        """Take the answer; False when it answers another kind of task."""


class ActivityTask(NumberedTask):
    """A call of an activity."""

    def __init__(self, issuer: Issuer, name: str, make_action: MakeAction, decode: Decode) -> None:
        super().__init__(issuer, make_action, decode)
        self.name = name

    def answer(self, event: Answer) -> bool:
        match event:
            case TaskCompleted():
                self.accept(event.result)
            case TaskFailed():
                self.set_value(is_error=True, value=activity_failed(self.name, event))
            case _:
                return False
        return True


class ChildTask(NumberedTask):
    """A child orchestration."""

    def __init__(self, issuer: Issuer, name: str, make_action: MakeAction, decode: Decode) -> None:
        super().__init__(issuer, make_action, decode)
        self.name = name

    def answer(self, event: Answer) -> bool:
        match event:
            case SubOrchestrationCompleted():
                self.accept(event.result)
            case SubOrchestrationFailed():
                self.set_value(is_error=True, value=child_failed(self.name, event))
            case _:
                return False
        return True


class TimerTask(NumberedTask):
    """A durable timer."""

    def __init__(self, issuer: Issuer, fire_at: datetime) -> None:
        super().__init__(issuer, partial(CreateTimer, fire_at=fire_at), _nothing)
        self.fire_at = fire_at
        self._is_cancelled = False

    @property
    def is_cancelled(self) -> bool:
        """cancel() was called."""
        return self._is_cancelled

    def is_canceled(self) -> bool:
        """cancel() was called; the spelling of 1.7's LongTimerTask."""
        return self._is_cancelled

    def cancel(self) -> None:
        """Stop waiting for it, so that the orchestration may end before it is due.

        Raises:
            ValueError: it has fired.
        """
        if self.is_completed:
            raise ValueError("Cannot cancel a completed task.")
        self._is_cancelled = True
        self.issuer.forget(self)

    @property
    def keeps_open(self) -> bool:
        return not self._is_cancelled

    @property
    def why_never(self) -> str | None:
        return "a timer that was cancelled, and so never fires" if self._is_cancelled else None

    def answer(self, event: Answer) -> bool:
        if not isinstance(event, TimerFired):
            return False
        self.accept(None)
        return True


def _nothing(_text: str | None) -> object:
    return None
