"""What every task is: something that is issued, finishes once, and then tells who holds it.

A task does nothing until it is issued, which happens when the orchestrator first waits for it, or
for a task that holds it.
"""

from __future__ import annotations

import enum
from abc import abstractmethod
from collections.abc import Generator


class TaskState(enum.Enum):
    """Where a task stands."""

    RUNNING = 0
    SUCCEEDED = 1
    FAILED = 2


class TaskBase:
    """Something an orchestrator can wait for, with ``yield`` or ``await``.

    Attributes:
        id: the number of its action, or an external event's name; None while it has none.
        state: a TaskState.
        result: its value once it succeeded, its exception once it failed, None before.
    """

    def __init__(self) -> None:
        self.id: int | str | None = None
        self.state = TaskState.RUNNING
        self.result: object = None
        # Ordered, without duplicates, and cheap to leave.
        self._parents: dict[Holder, None] = {}

    def __await__(self) -> Generator[TaskBase, object, object]:
        return (yield self)

    @property
    def is_completed(self) -> bool:
        """It succeeded or failed."""
        return self.state is not TaskState.RUNNING

    @property
    def is_complete(self) -> bool:
        """The same, by its name in azure-functions-durable 2."""
        return self.is_completed

    @property
    def parents(self) -> tuple[Holder, ...]:
        """The unfinished tasks that hold this one."""
        return tuple(self._parents)

    @property
    def parent(self) -> TaskBase | None:
        """The unfinished task that holds this one; of several, the last it was given to."""
        return next(reversed(self._parents), None)

    @property
    def why_never(self) -> str | None:
        """Why waiting for it would never end; None when it may end."""
        return None

    @abstractmethod
    def belongs_to(self, issuer: object) -> bool:
        """Whether it was made by that orchestration."""

    @abstractmethod
    def issue(self, location: str | None) -> None:
        """Begin, unless it has begun; `location` is the user's line that waits for it."""

    def add_parent(self, parent: Holder) -> None:
        self._parents[parent] = None

    def drop_parent(self, parent: Holder) -> None:
        self._parents.pop(parent, None)

    def set_value(self, is_error: bool, value: object) -> None:
        """Finish with a result or an exception, and tell the tasks that hold this one."""
        self.settle(is_error, value)
        finished: list[TaskBase] = [self]
        while finished:  # not by recursion: chains of compounds may be long
            child = finished.pop()
            for parent in child.parents:
                child.drop_parent(parent)
                parent.handle_completion(child)
                if parent.is_completed:
                    finished.append(parent)

    def settle(self, is_error: bool, value: object) -> None:
        """Finish without telling anybody."""
        self.state = TaskState.FAILED if is_error else TaskState.SUCCEEDED
        self.result = value


class Holder(TaskBase):
    """A task that waits for others."""

    @abstractmethod
    def handle_completion(self, child: TaskBase) -> None:
        """A child is done."""


class FinishedTask(TaskBase):
    """Done from the beginning: what the driver resumes with when there was nothing to wait for."""

    def __init__(self, *, is_error: bool = False, value: object = None) -> None:
        super().__init__()
        self.settle(is_error, value)

    def belongs_to(self, issuer: object) -> bool:  # noqa: ARG002 - it belongs to whoever waits
        return True

    def issue(self, location: str | None) -> None:
        """There is nothing to begin."""
