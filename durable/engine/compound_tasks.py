"""Tasks made of others: all of them, any of them, a call with retries, a timer in hops."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from durable.engine.atomic_tasks import Issuer, TimerTask
from durable.engine.task_base import Holder, TaskBase, TaskState
from durable.errors import TaskFailed
from durable.model.failure import FailureDetails
from durable.model.retry import NO_RETRY, RetryOptions

# DTFx AzureStorageDurabilityProvider: a queue message cannot be hidden for more than 7 days.
#: A timer that is due later is split.
MAX_TIMER = timedelta(days=6)
#: How long each part but the last one is.
LONG_TIMER_HOP = timedelta(days=3)


class CompoundTask(Holder):
    """A task made of others.

    Attributes:
        children: in argument order.
        completed_tasks: in order of completion.
    """

    def __init__(self, children: Iterable[TaskBase]) -> None:
        super().__init__()
        self.children: list[TaskBase] = list(children)
        self.completed_tasks: list[TaskBase] = []

    @property
    def pending_tasks(self) -> set[TaskBase]:
        """The children that are not done yet."""
        return {child for child in self.children if not child.is_completed}

    def belongs_to(self, issuer: object) -> bool:
        return all(task.belongs_to(issuer) for task in _leaves(self))

    def issue(self, location: str | None) -> None:
        for task in _leaves(self):
            task.issue(location)

    def settle(self, is_error: bool, value: object) -> None:
        super().settle(is_error, value)
        for child in self.children:
            child.drop_parent(self)

    def adopt(self) -> None:
        """Hear of those children that are done already, in argument order, and of the rest."""
        pending: list[TaskBase] = []
        for child in dict.fromkeys(self.children):
            if not child.is_completed:
                pending.append(child)
            elif not self.is_completed:
                self.handle_completion(child)
        if not self.is_completed:
            for child in pending:
                child.add_parent(self)


def _leaves(root: CompoundTask) -> list[TaskBase]:
    """What `root` is made of in the end: depth first, in argument order, each once."""
    found: list[TaskBase] = []
    seen: set[TaskBase] = set()
    ahead: list[TaskBase] = [root]
    while ahead:
        task = ahead.pop()
        if task in seen:
            continue
        seen.add(task)
        if isinstance(task, CompoundTask):
            ahead.extend(reversed(task.children))
        else:
            found.append(task)
    return found


class WhenAllTask(CompoundTask):
    """Done when all children are, with their results in order; fails with the first failure."""

    def __init__(self, children: Iterable[TaskBase]) -> None:
        super().__init__(children)
        self._left = len(set(self.children))
        if self._left == 0:
            self.settle(is_error=False, value=[])
        self.adopt()

    def handle_completion(self, child: TaskBase) -> None:
        self.completed_tasks.append(child)
        self._left -= 1
        if child.state is TaskState.FAILED:
            self.settle(is_error=True, value=child.result)
        elif self._left == 0:
            self.settle(is_error=False, value=[each.result for each in self.children])


class WhenAnyTask(CompoundTask):
    """Done when one child is, with that child as its result, even when the child failed."""

    def __init__(self, children: Iterable[TaskBase]) -> None:
        super().__init__(children)
        if not self.children:
            self.settle(is_error=False, value=None)
        self.adopt()

    def handle_completion(self, child: TaskBase) -> None:
        self.completed_tasks.append(child)
        self.settle(is_error=False, value=child)


class RetryAbleTask(Holder):
    """A call that is tried again when it fails. Each attempt and each delay has its own number.

    Attributes:
        retry_options: the rules.
        num_attempts: how many attempts were begun.
    """

    def __init__(
        self, issuer: Issuer, retry_options: RetryOptions, attempt: Callable[[], TaskBase]
    ) -> None:
        super().__init__()
        self.retry_options = retry_options
        self.num_attempts = 0
        self._issuer = issuer
        self._attempt = attempt
        self._location: str | None = None
        self._began: datetime | None = None
        self._error: TaskFailed | None = None

    @property
    def id_(self) -> int | str | None:
        """The number of the attempt or delay under way; `id` by its name in 1.7."""
        return self.id

    @property
    def error(self) -> TaskFailed | None:
        """What the last attempt that failed raised."""
        return self._error

    def belongs_to(self, issuer: object) -> bool:
        return self._issuer is issuer

    def issue(self, location: str | None) -> None:
        if self._began is None:
            self._began = self._issuer.now
            self._location = location
            self._try()

    def _try(self) -> None:
        self.num_attempts += 1
        self._hold(self._attempt())

    def _hold(self, child: TaskBase) -> None:
        child.add_parent(self)
        child.issue(self._location)
        self.id = child.id

    def handle_completion(self, child: TaskBase) -> None:
        if isinstance(child, TimerTask):
            if self.num_attempts < self.retry_options.max_number_of_attempts:
                self._try()
            else:
                self.settle(is_error=True, value=self._error)
        elif isinstance(child.result, TaskFailed) and child.state is TaskState.FAILED:
            self._failed(child.result)
        else:
            self.settle(child.state is TaskState.FAILED, child.result)

    def _failed(self, error: TaskFailed) -> None:
        self._error = error
        now = self._issuer.now
        if isinstance(error.failure, FailureDetails) and error.failure.is_non_retriable:
            self.settle(is_error=True, value=error)
        elif self.num_attempts >= self.retry_options.max_number_of_attempts:
            # RetryInterceptor.cs: a timer that fires now, because histories have one there.
            self._hold(TimerTask(self._issuer, now))
        else:
            elapsed = now - (self._began or now)
            delay = self.retry_options.delay_after(self.num_attempts, elapsed, error)
            if delay == NO_RETRY:
                self.settle(is_error=True, value=error)
            else:
                self._hold(TimerTask(self._issuer, now + delay))


class LongTimerTask(TimerTask, Holder):
    """A timer beyond what a queue message can wait: several timers, one after the other."""

    def __init__(self, issuer: Issuer, fire_at: datetime) -> None:
        super().__init__(issuer, fire_at)
        self._location: str | None = None
        self._hop: TimerTask | None = None

    def issue(self, location: str | None) -> None:
        if self._hop is None:
            self._location = location
            self._begin_hop()

    def _begin_hop(self) -> None:
        now = self.issuer.now
        is_last = self.fire_at - now <= MAX_TIMER
        hop = self._hop = TimerTask(self.issuer, self.fire_at if is_last else now + LONG_TIMER_HOP)
        if self.is_cancelled:
            hop.cancel()
        hop.add_parent(self)
        hop.issue(self._location)
        self.id = hop.id

    def handle_completion(self, child: TaskBase) -> None:
        if isinstance(child, TimerTask) and child.fire_at < self.fire_at:
            self._begin_hop()
        else:
            self.settle(is_error=False, value=None)

    def cancel(self) -> None:
        super().cancel()
        if self._hop is not None:
            self._hop.cancel()
