"""Drives an orchestrator through its history, row by row, and says what it asks for.

The code is run as far as each row lets it go, whether the row is an old one (replay) or new. The
rules are DurableTask.Core's (TaskOrchestrationExecutor.cs, TaskOrchestrationContext.cs).
"""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Sequence
from typing import Protocol

from durable.engine.agenda import DEFAULT_MAX_ACTIONS, Agenda
from durable.engine.determinism import (
    FAKE_TIMER_ID,
    Place,
    RecordedAction,
    check_action,
    check_completion,
    check_message,
)
from durable.engine.entity_rows import EntityWire, is_sent_to_entity
from durable.engine.entity_traffic import EntityTraffic
from durable.engine.failures import details_of, message_of
from durable.engine.foreign import refusal
from durable.engine.routine import Routine
from durable.engine.task_base import FinishedTask, TaskBase
from durable.errors import EngineBug, NotATask
from durable.model.actions import Outcome, Recordable, TellEntity
from durable.model.events import (
    EventRaised,
    EventSent,
    ExecutionCompleted,
    ExecutionResumed,
    ExecutionStarted,
    ExecutionSuspended,
    ExecutionTerminated,
    GenericEvent,
    HistoryEvent,
    OrchestratorStarted,
    SubOrchestrationCompleted,
    SubOrchestrationCreated,
    SubOrchestrationFailed,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TimerCreated,
    TimerFired,
)
from durable.model.status import RuntimeStatus

#: What befalls the process, not the code: an instance must not fail for it. It propagates, the
#: orchestration is spent, and the turn is made again elsewhere.
_NOT_THE_CODES = (KeyboardInterrupt, MemoryError)
_CHECKED = frozenset({RuntimeStatus.COMPLETED, RuntimeStatus.CONTINUED_AS_NEW})


class Program(Protocol):
    """An orchestrator function, and how its result becomes JSON."""

    def start(self, execution: Orchestration) -> object:
        """Begin: a generator, an awaitable, or the output itself."""
        ...

    def encode_output(self, value: object) -> str | None:
        """The output as JSON text.

        Raises:
            NotSerializable: with the type and the path; the instance fails with it.
        """
        ...


class Orchestration:
    """One execution of an orchestrator: live user code, and what it has asked for.

    For the context: `agenda`, `traffic`, `started`, `history` and `instance_id`.
    """

    def __init__(
        self,
        program: Program,
        *,
        instance_id: str,
        max_actions: int = DEFAULT_MAX_ACTIONS,
        entities: EntityWire | None = None,
    ) -> None:
        self.instance_id = instance_id
        self.agenda = Agenda(max_actions)
        self._program = program
        self._entities = entities
        self._traffic: EntityTraffic | None = None
        self._history: list[HistoryEvent] = []
        self._started: ExecutionStarted | None = None
        self._routine: Routine | None = None
        self._awaited: TaskBase | None = None
        self._ending: Outcome | None = None
        self._terminated: Outcome | None = None
        self._recorded: ExecutionCompleted | None = None
        self._is_suspended = False
        self._held: deque[tuple[HistoryEvent, int]] = deque()

    @property
    def started(self) -> ExecutionStarted:
        """How this execution began.

        Raises:
            EngineBug: it has not.
        """
        if self._started is None:
            raise EngineBug(f"Instance {self.instance_id!r} has not been started yet.")
        return self._started

    @property
    def traffic(self) -> EntityTraffic:
        """What it sends to entities.

        Raises:
            EngineBug: it has not been started, or not been told how entities are reached.
        """
        if self._traffic is None:
            raise EngineBug(f"Instance {self.instance_id!r} was opened without entities.")
        return self._traffic

    @property
    def history(self) -> Sequence[HistoryEvent]:
        """The rows fed so far."""
        return self._history

    @property
    def event_count(self) -> int:
        """How many rows were fed."""
        return len(self._history)

    @property
    def undecided(self) -> tuple[Recordable, ...]:
        """The actions that no row records yet, in order; none while it is suspended."""
        if self._is_suspended:
            return ()
        actions = self.agenda.undecided
        if self._traffic is not None:
            return self._traffic.recordable(actions)
        return tuple(action for action in actions if not isinstance(action, TellEntity))

    @property
    def outcome(self) -> Outcome | None:
        """How the execution ends; None while it runs, or has open tasks, or is suspended."""
        if self._recorded is not None:
            row = self._recorded
            return Outcome(
                task_id=row.event_id,
                status=row.status,
                result=row.result,
                failure=row.failure,
                next_version=row.next_version,
            )
        if self._terminated is not None:
            return self._terminated
        # DTFx HasOpenTasks: a finished orchestrator waits for what it began. While suspended,
        # decisions are held back, and an end would lose them.
        if self._is_suspended or self.agenda.has_open_tasks:
            return None
        return self._numbered_ending()

    @property
    def is_recorded_complete(self) -> bool:
        """The row of its end was fed."""
        return self._recorded is not None

    @property
    def is_suspended(self) -> bool:
        """It was told to hold, and not to go on."""
        return self._is_suspended

    @property
    def unconsumed_events(self) -> tuple[EventRaised, ...]:
        """External events nobody waited for, in order of arrival."""
        return self.agenda.events.unconsumed

    @property
    def custom_status(self) -> str | None:
        """JSON text; None when it was never set."""
        return self.agenda.custom_status

    def feed(self, event: HistoryEvent, *, replaying: bool) -> None:
        """Take the next row of history, and run the code as far as it goes.

        `replaying` says that the row was committed before; decision rows mark their action as
        recorded, in whichever stretch they are (R1).

        Raises:
            NonDeterminismError: the row records something else than the code asks for. The
                orchestration is of no use afterwards.
        """
        row = len(self._history)
        self._history.append(event)
        self.agenda.is_replaying = replaying
        if self._recorded is None:
            self._take(event, row)

    def close(self) -> None:
        """Drop it. What the code still does in ``finally`` or ``__exit__`` is not heard."""
        self.agenda.is_deaf = True
        routine, self._routine, self._awaited = self._routine, None, None
        if routine is not None:
            routine.close()

    def _take(self, event: HistoryEvent, row: int) -> None:
        match event:
            case ExecutionCompleted():
                self._complete(event, row)
            case _ if self._terminated is not None:
                pass  # rows of what it did before may follow; nothing of it counts any more
            case ExecutionTerminated():
                self._terminate(event)
            case OrchestratorStarted():
                self.agenda.advance(event.timestamp)
            case ExecutionSuspended():
                self._is_suspended = True
            case ExecutionResumed():
                self._resume()
            case GenericEvent(is_rewound=True) if self._traffic is not None:
                self._traffic.taken_back(event.event_id, row)
            case _ if self._is_suspended and not self._is_decided_before(event):
                self._held.append((event, row))
            case _:
                self._process(event, row)

    def _is_decided_before(self, event: HistoryEvent) -> bool:
        """Whether it records what the code asked for before it was suspended."""
        return isinstance(event, RecordedAction) and self.agenda.has_undecided(event.event_id)

    def _process(self, event: HistoryEvent, row: int) -> None:
        match event:
            case ExecutionStarted():
                self._start(event)
            case TaskScheduled() | TimerCreated() | SubOrchestrationCreated() | EventSent():
                self._decided(event, row)
            case EventRaised():
                self.agenda.events.arrive(event, self._awaited)
            case (
                TaskCompleted()
                | TaskFailed()
                | SubOrchestrationCompleted()
                | SubOrchestrationFailed()
                | TimerFired()
            ):
                self.agenda.answer(event)
            case _:
                return
        self._run()
        if self.agenda.is_over_limit:
            self._stop_over_limit()

    def _stop_over_limit(self) -> None:
        """Fail, even if the code caught what it was told: it would only ask again."""
        if self._ending is None or self._ending.status is not RuntimeStatus.FAILED:
            self.close()
            self._raised(self.agenda.too_many_actions())

    def _start(self, event: ExecutionStarted) -> None:
        if self._started is not None:
            return
        self._started = event
        if self._entities is not None:
            self._traffic = EntityTraffic(self.agenda, event, self._entities)
        try:
            begun = self._program.start(self)
        except _NOT_THE_CODES:
            raise
        except BaseException as error:  # noqa: BLE001 - a user's exception is a value here
            self._raised(error)
            return
        if inspect.isasyncgen(begun):
            self._raised(NotATask("An 'async def' orchestrator waits with 'await', not 'yield'."))
            return
        self._routine = Routine.of(begun)
        if self._routine is None:
            self._returned(begun)
        else:
            self._awaited = FinishedTask()

    def _run(self) -> None:
        """Resume the code for as long as what it waits for is done."""
        while (routine := self._routine) is not None and not self.agenda.is_over_limit:
            task = self._awaited
            if task is None or not task.is_completed:
                return
            try:
                asked = routine.resume(task)
            except StopIteration as stop:
                self._returned(stop.value)
            except _NOT_THE_CODES:
                raise
            except BaseException as error:  # noqa: BLE001 - a user's exception is a value here
                self._raised(error)
            else:
                self._wait_for(asked, routine)

    def _wait_for(self, asked: object, routine: Routine) -> None:
        if not isinstance(asked, TaskBase) or not asked.belongs_to(self.agenda):
            self._awaited = FinishedTask(is_error=True, value=NotATask(refusal(asked)))
            return
        never = None if asked.is_completed else asked.why_never
        if never is not None:
            error = NotATask(f"The orchestrator waits for {never}.")
            self._awaited = FinishedTask(is_error=True, value=error)
            return
        self._awaited = asked
        asked.issue(routine.location())
        if self.agenda.will_continue_as_new and not asked.is_completed:
            # As 1.7: nothing that is asked for now will be done, so waiting would never end.
            self.agenda.is_deaf = True
            routine.close()
            self._end(self._continued())

    def _returned(self, value: object) -> None:
        if self.agenda.will_continue_as_new:
            self._end(self._continued())
            return
        try:
            result = self._program.encode_output(value)
        except Exception as error:  # noqa: BLE001 - converters are user code
            self._raised(error)
        else:
            self._end(Outcome(task_id=-1, status=RuntimeStatus.COMPLETED, result=result))

    def _raised(self, error: BaseException) -> None:
        self._end(
            Outcome(
                task_id=-1,
                status=RuntimeStatus.FAILED,
                result=message_of(error),
                failure=details_of(error),
            )
        )

    def _continued(self) -> Outcome:
        return Outcome(
            task_id=-1,
            status=RuntimeStatus.CONTINUED_AS_NEW,
            result=self.agenda.next_input,
            next_version=self.agenda.next_version,
        )

    def _end(self, ending: Outcome) -> None:
        self._ending = ending
        self._routine = self._awaited = None
        self.agenda.events.abandon()
        if self._traffic is not None:
            self._traffic.end()

    def _terminate(self, event: ExecutionTerminated) -> None:
        self._terminated = Outcome(
            task_id=self.agenda.next_id, status=RuntimeStatus.TERMINATED, result=event.reason
        )
        self.agenda.drop()
        self._held.clear()
        self._is_suspended = False
        self.close()

    def _resume(self) -> None:
        self._is_suspended = False
        while self._held:
            self._process(*self._held.popleft())

    def _decided(self, event: RecordedAction, row: int) -> None:
        if event.event_id == FAKE_TIMER_ID:
            return
        # What lies beyond the limit was recorded when the limit was higher.
        if not self.agenda.is_over_limit or self.agenda.has_undecided(event.event_id):
            action = self.agenda.recorded(event.event_id)
            if isinstance(action, TellEntity) and is_sent_to_entity(event):
                message = self.traffic.read(event)
                check_message(event, message, action, self._place(row))
                self.traffic.recorded(event, message)
            else:
                check_action(event, action, self._place(row))

    def _complete(self, event: ExecutionCompleted, row: int) -> None:
        # A failure or termination may be the engine's own doing; these two are the code's.
        if self._terminated is None and event.status in _CHECKED:
            left = len(self.agenda.undecided)
            check_completion(event, self._numbered_ending(), left, self._place(row))
        self._recorded = event

    def _numbered_ending(self) -> Outcome | None:
        """The ending, under the number of the completing action: the next one."""
        ending = self._ending
        if ending is None:
            return None
        return Outcome(
            task_id=self.agenda.next_id,
            status=ending.status,
            result=ending.result,
            failure=ending.failure,
            next_version=ending.next_version,
        )

    def _place(self, row: int) -> Place:
        return Place(
            instance_id=self.instance_id,
            row=row,
            location=None if self._routine is None else self._routine.location(),
            has_ended=self._ending is not None,
        )
