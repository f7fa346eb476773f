"""What a rewind takes back, from rows alone (R12): the plan for one failed execution.

A replay meets the rows in order. So the plan picks one row, the *cut*: the first failure that is to
be made good. Failures from there on are taken back together with the calls they answer, and so is
every decision after the cut, with its answer: it may follow from the failure (a retry's delay, what
an ``except`` did), and after the rewind the code decides from there anew, under the same numbers.
What stands before the cut is replayed as it was. The original takes back all failures and nothing
else, and breaks when code went on after one (its issues 444, 617, 811).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from durable.engine.derive import FIRE_AND_FORGET
from durable.engine.ledger import Ledger
from durable.errors import EngineBug
from durable.model.events import (
    EventSent,
    ExecutionCompleted,
    HistoryEvent,
    SubOrchestrationCreated,
    SubOrchestrationFailed,
    TaskFailed,
    TaskScheduled,
    TimerCreated,
    answered_task,
)
from durable.model.failure import FailureDetails

_Decision = TaskScheduled | SubOrchestrationCreated | TimerCreated | EventSent
_Failure = TaskFailed | SubOrchestrationFailed


@dataclass(frozen=True, kw_only=True, slots=True)
class AwaitedChild:
    """A child without a result: it failed, or what it reported came too late.

    Attributes:
        created: the row that started it.
        failed: the row of its failure, None when it has none.
        event: the decision.
    """

    created: int
    failed: int | None
    event: SubOrchestrationCreated


@dataclass(frozen=True, kw_only=True, slots=True)
class RewindPlan:
    """Rows, by their index.

    Attributes:
        undone: those that record nothing any more.
        children: those whose fate decides about two rows each.
        end: the row of the execution's end; it is undone last.
    """

    undone: tuple[int, ...]
    children: tuple[AwaitedChild, ...]
    end: int


def first_to_make_good(ledger: Ledger) -> int:
    """The cut of a failed execution: a row's index; the number of rows when no failure counts.

    Nothing was decided after a failure that came last: nobody has dealt with it. A failure that
    the execution's own failure names as a cause brought it down, whatever was done after it; of
    several attempts of one call, the last.

    Raises:
        EngineBug: it has not failed.
    """
    rows = _Rows(ledger)
    last = max(rows.decisions.values(), default=-1)
    unanswered = [index for index in rows.failures if index > last]
    named = [index for index, event in rows.failures.items() if _names(rows.ending, event)]
    return min([*unanswered[:1], *named[-1:]], default=len(ledger.rows))


def plan_rewind(ledger: Ledger, cut: int) -> RewindPlan:
    """What is still to become of the rows of a failed execution.

    `cut` must be found before the first row is changed. Rows are changed in order, so a plan that
    was carried out in part is found again from what is left.

    Raises:
        EngineBug: it has not failed.
    """
    rows = _Rows(ledger)
    undone: set[int] = set()
    children: list[AwaitedChild] = []
    for task_id, index in rows.decisions.items():
        answer = rows.answers.get(task_id)
        event = rows.events[index]
        if index <= cut and not rows.is_open(event, answer, cut):
            continue
        if index <= cut and isinstance(event, SubOrchestrationCreated):
            children.append(AwaitedChild(created=index, failed=answer, event=event))
        else:
            undone.update({index} if answer is None else {index, answer})
    # Their decisions were undone already.
    undone.update(index for task, index in rows.answers.items() if task not in rows.decisions)
    return RewindPlan(undone=tuple(sorted(undone)), children=tuple(children), end=rows.end)


class _Rows:
    """The rows of a failed execution, by what they are."""

    def __init__(self, ledger: Ledger) -> None:
        self.events = [row.event for row in ledger.rows]
        self.decisions: dict[int, int] = {}
        self.answers: dict[int, int] = {}
        self.failures: dict[int, _Failure] = {}
        ended: tuple[int, ExecutionCompleted] | None = None
        for index, event in enumerate(self.events):
            if isinstance(event, ExecutionCompleted):
                ended = (index, event)
            else:
                self._note(index, event)
        if ended is None:
            raise EngineBug("Only an execution that has failed is rewound.")
        self.end, self.ending = ended

    def _note(self, index: int, event: HistoryEvent) -> None:
        task_id = answered_task(event)
        if task_id is not None and task_id >= 0:
            self.answers[task_id] = index
        if isinstance(event, _Failure):
            self.failures[index] = event
        elif isinstance(event, _Decision) and event.event_id >= 0:
            self.decisions[event.event_id] = index

    def is_open(self, event: HistoryEvent, answer: int | None, cut: int) -> bool:
        """Its answer is a failure to be made good; or it has none, and none will come.

        What answers a finished instance is dropped. (It has open tasks when the engine failed it.)
        """
        if answer is not None:
            return answer >= cut and answer in self.failures
        match event:
            case EventSent():
                return False
            case SubOrchestrationCreated():
                return FIRE_AND_FORGET not in (event.tags or {})
            case _:
                return True


def _names(ending: ExecutionCompleted, event: _Failure) -> bool:
    """The execution's failure has that one among its causes."""
    if event.failure is None or ending.failure is None:
        # .NET's failures are texts: the ending's quotes the failure's.
        return bool(event.reason) and str(event.reason) in (ending.result or "")
    told = _key(event.failure)
    return any(_key(each) == told for each in _chain(ending.failure))


def _chain(failure: FailureDetails | None) -> Iterator[FailureDetails]:
    while failure is not None:
        yield failure
        failure = failure.inner


def _key(failure: FailureDetails) -> tuple[str, str, str | None]:
    return failure.error_type, failure.message, failure.stack_trace
