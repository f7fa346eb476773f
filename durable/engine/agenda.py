"""What the orchestrator's code has asked for: numbered, and matched with rows and answers.

One counter numbers all actions of an execution in the order they are asked for, from 0, so that
replay gives each the number under which history knows it.
"""

from __future__ import annotations

from datetime import datetime

from durable.engine.atomic_tasks import EventTask, MakeAction, NumberedTask
from durable.engine.external_events import ExternalEvents
from durable.engine.routine import caller_location
from durable.errors import TooManyActions
from durable.model.actions import AnyAction
from durable.model.events import Answer, answered_task
from durable.model.times import NO_TIME

#: How many actions an execution may ask for unless settings say otherwise; the original's number.
DEFAULT_MAX_ACTIONS = 100_000


class Agenda:
    """The actions of one execution, and what else its code says through its context.

    Attributes:
        now: the time of the current episode; never goes back.
        is_replaying: the code runs through what it did before.
        is_deaf: the code was dropped or has ended; what is left of it is not heard.
        custom_status: JSON text; None when it was never set.
        next_input: the input that continue_as_new was last called with, JSON text.
        next_version: the version it named.
        will_continue_as_new: continue_as_new was called.
        max_actions: how many actions it may ask for.
        is_over_limit: it asked for more.
    """

    def __init__(self, max_actions: int = DEFAULT_MAX_ACTIONS) -> None:
        self.now: datetime = NO_TIME
        self.is_replaying = True
        self.is_deaf = False
        self.custom_status: str | None = None
        self.next_input: str | None = None
        self.next_version: str | None = None
        self.will_continue_as_new = False
        self.max_actions = max_actions
        self.is_over_limit = False
        self.events = ExternalEvents()
        self._next_id = 0
        self._undecided: dict[int, AnyAction] = {}
        self._open: dict[int, NumberedTask] = {}

    @property
    def next_id(self) -> int:
        """The number the next action would get."""
        return self._next_id

    @property
    def undecided(self) -> tuple[AnyAction, ...]:
        """The actions that no row records, in order."""
        return tuple(self._undecided.values())

    @property
    def has_open_tasks(self) -> bool:
        """Some activity, child or timer was not answered; cancelled timers do not count."""
        return bool(self._open)

    def advance(self, moment: datetime) -> None:
        """An episode began at `moment`."""
        # A plain datetime: user code shall not meet our subclass with its seventh decimal.
        plain = datetime.combine(moment.date(), moment.timetz())
        self.now = max(self.now, plain)

    # What tasks need.

    def issue(self, task: NumberedTask, location: str | None) -> None:
        """Number the task and put its action among the decisions."""
        task_id = self.take(task.make_action, location)
        if task_id is not None:
            task.id = task_id
            if task.keeps_open:
                self._open[task_id] = task

    def wait(self, task: EventTask) -> None:
        """Deliver an event to the task, at once or when one comes."""
        if not self._is_over:
            self.events.wait(task)

    def forget(self, task: NumberedTask) -> None:
        """Expect no answer to the task any more."""
        if isinstance(task.id, int):
            self._open.pop(task.id, None)

    # What the context says at once, without a task.

    def act(self, make_action: MakeAction) -> None:
        """Ask for something whose outcome nobody waits for.

        Raises:
            TooManyActions: the execution has asked for as much as it may.
        """
        self.take(make_action, None if self._is_over else caller_location())
        if self.is_over_limit and not self.is_deaf:
            raise self.too_many_actions()

    def continue_as_new(self, next_input: str, next_version: str | None = None) -> None:
        """End, when the code next waits or returns, and begin again. The last call wins."""
        if not self.is_deaf:
            self.will_continue_as_new = True
            self.next_input = next_input
            self.next_version = next_version

    def set_custom_status(self, text: str) -> None:
        """Show `text`, JSON, in the instance's status."""
        if not self.is_deaf:
            self.custom_status = text

    def too_many_actions(self) -> TooManyActions:
        """The error of an execution that asks for more than it may; the text is the original's."""
        return TooManyActions(
            f"Maximum amount of orchestration actions ({self.max_actions}) has been reached. This "
            "value can be configured in host.json file as MaxOrchestrationActions."
        )

    # What history says.

    def recorded(self, task_id: int) -> AnyAction | None:
        """The undecided action of that number, now decided; None when there is none."""
        return self._undecided.pop(task_id, None)

    def has_undecided(self, task_id: int) -> bool:
        return task_id in self._undecided

    def answer(self, event: Answer) -> None:
        """Finish the task that `event` answers; an unknown or second answer is ignored."""
        task_id = answered_task(event)
        task = None if task_id is None else self._open.get(task_id)
        if task_id is not None and task is not None and task.answer(event):
            del self._open[task_id]

    def drop(self) -> None:
        """The execution was terminated: nothing is to be done or waited for any more."""
        self.is_deaf = True
        self._undecided.clear()
        self._open.clear()

    @property
    def _is_over(self) -> bool:
        return self.is_deaf or self.will_continue_as_new

    def take(
        self, make_action: MakeAction, location: str | None, *, always: bool = False
    ) -> int | None:
        """Put an action among the decisions; returns its number, None when it is not to be done.

        With `always` neither the code's end nor the limit keeps it from being done.
        """
        if self._is_over and not always:
            return None
        if self._next_id >= self.max_actions and not always:
            self.is_over_limit = True
            return None
        task_id = self._next_id
        self._next_id += 1
        self._undecided[task_id] = make_action(task_id=task_id, location=location)
        return task_id
