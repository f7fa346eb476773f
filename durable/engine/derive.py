"""Messages from history rows alone (R12): what stretches of an execution caused.

Never by running code: it may have been redeployed since. Deriving twice gives the same messages,
under the same identities and in the same blobs, so a receiver drops what it already has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from durable.engine.ledger import Ledger
from durable.model import ids
from durable.model.entities import RELEASE
from durable.model.events import (
    EventRaised,
    EventSent,
    ExecutionCompleted,
    ExecutionStarted,
    HistoryEvent,
    InstanceRef,
    ParentInstance,
    SubOrchestrationCompleted,
    SubOrchestrationCreated,
    SubOrchestrationFailed,
    TaskScheduled,
    TimerCreated,
    TimerFired,
)
from durable.model.messages import Extras, Outbound, TaskMessage
from durable.model.status import RuntimeStatus

#: The tag that frees a child of reporting to its parent (DurableTask.Core OrchestrationTags).
FIRE_AND_FORGET = "FireAndForget"
_MARKED = Extras(mark=True)


def owed_messages(ledger: Ledger, sequence: int, *, up_to: int | None = None) -> list[Outbound]:
    """What the stretches above `sequence` caused, less the tasks already answered (R11).

    With `up_to`, none after that stretch.
    """
    if ledger.started is None:
        return []
    derivation = _Derivation(ledger, ledger.started)
    return [
        outbound
        for stretch, row in ledger.above(sequence)
        if up_to is None or stretch <= up_to
        for outbound in derivation.of(row.event, stretch)
    ]


class _Derivation:
    """One execution's messages: sender and tags are the same for all of them."""

    def __init__(self, ledger: Ledger, started: ExecutionStarted) -> None:
        self._ledger = ledger
        self._started = started
        self._self = started.instance
        self._execution_id = started.instance.execution_id or ""
        self._tags = started.tags or {}

    def _rewound(self, event: HistoryEvent) -> int:
        """The last stretch in which a decision of that number was taken back; 0 for none.

        What is decided anew is another message, whose receiver must not take it for the old one.
        """
        return self._ledger.rewound_ids.get(event.event_id, [0])[-1]

    def _seed(self, kind: str, event: HistoryEvent) -> str:
        rewound = self._rewound(event)
        return f"{kind}:{event.event_id}" + (f":{rewound}" if rewound else "")

    def of(self, event: HistoryEvent, episode: int) -> Iterator[Outbound]:
        match event:
            case TaskScheduled() if event.event_id not in self._ledger.answered:
                yield self._activity(event, episode)
            case TimerCreated() if event.event_id not in self._ledger.answered:
                yield self._timer(event, episode)
            case SubOrchestrationCreated() if event.event_id not in self._ledger.answered:
                yield self._child(event, episode)
            case EventSent():
                yield self._event(event, episode)
            case ExecutionStarted():
                yield from self._freed(event, episode)
            case ExecutionCompleted() if event.status is RuntimeStatus.CONTINUED_AS_NEW:
                yield from self._sent_on(event, episode)
            case ExecutionCompleted():
                yield from self._report(event, episode)
            case _:
                pass

    def _message(
        self,
        event: HistoryEvent,
        target: InstanceRef,
        episode: int,
        seed: str,
        *,
        context_tags: Mapping[str, str] | None = None,
        extras: Extras = _MARKED,
    ) -> TaskMessage:
        return TaskMessage(
            event=event,
            target=target,
            activity_id=ids.derived_activity_id(f"{self._execution_id}:{seed}"),
            sender=self._self,
            episode=episode,
            context_tags=context_tags,
            extras=extras,
        )

    def _activity(self, event: TaskScheduled, episode: int) -> Outbound:
        message = self._message(
            event,
            self._self,
            episode,
            self._seed("task", event),
            context_tags=self._tags,
        )
        return Outbound(message=message, to_workers=True)

    def _timer(self, event: TimerCreated, episode: int) -> Outbound:
        fired = TimerFired(
            timestamp=event.timestamp, timer_id=event.event_id, fire_at=event.fire_at
        )
        message = self._message(fired, self._self, episode, self._seed("timer", event))
        return Outbound(message=message, due=event.fire_at)

    def _child(self, event: SubOrchestrationCreated, episode: int) -> Outbound:
        # R7: a deterministic execution id, so that a second copy of the start is a duplicate.
        child = InstanceRef(
            instance_id=event.instance_id or "",
            execution_id=ids.child_execution_id(
                self._execution_id, event.event_id, rewound=self._rewound(event)
            ),
        )
        start = ExecutionStarted(
            timestamp=event.timestamp,
            instance=child,
            name=event.name,
            version=event.version,
            input=event.input,
            tags=event.tags,
            parent=ParentInstance(
                name=self._started.name,
                instance=self._self,
                task_id=event.event_id,
                version=self._started.version,
            ),
        )
        message = self._message(
            start,
            child,
            episode,
            self._seed("child", event),
            # Of what entities start, the original knows no context.
            context_tags=None if ids.is_entity_id(self._self.instance_id) else self._tags,
        )
        return Outbound(message=message)

    def _event(self, event: EventSent, episode: int) -> Outbound:
        identity = ids.sent_identity(
            self._execution_id, event.event_id, rewound=self._rewound(event)
        )
        raised = EventRaised(timestamp=event.timestamp, name=event.name, input=event.input)
        message = self._message(
            raised,
            InstanceRef(instance_id=event.instance_id or "", execution_id=event.execution_id),
            episode,
            self._seed("event", event),
            extras=Extras(mark=True, identity=identity),
        )
        return Outbound(message=message, due=event.deliver_at)

    def _freed(self, event: ExecutionStarted, episode: int) -> Iterator[Outbound]:
        for number, (target, text) in enumerate(event.frees.items()):
            # Below -1, the id of events that are no decisions.
            identity = ids.sent_identity(self._execution_id, -2 - number)
            raised = EventRaised(timestamp=event.timestamp, name=RELEASE, input=text)
            message = self._message(
                raised,
                InstanceRef(instance_id=target),
                episode,
                f"free:{number}",
                extras=Extras(mark=True, identity=identity),
            )
            yield Outbound(message=message)

    def _sent_on(self, event: ExecutionCompleted, episode: int) -> Iterator[Outbound]:
        # R1: carried events that don't fit the next first checkpoint, under new identities: under
        # the old ones a process that remembers them as consumed would drop them.
        wanted = set(event.sent_on)
        for row in self._ledger.rows:
            raised = row.event
            if isinstance(raised, EventRaised) and raised.identity in wanted:
                identity = ids.carried_identity(self._execution_id, raised.identity)
                again = replace(raised, identity=None, is_played=False)
                message = self._message(
                    again,
                    InstanceRef(instance_id=self._self.instance_id),
                    episode,
                    f"carried:{raised.identity}",
                    extras=Extras(mark=True, identity=identity),
                )
                yield Outbound(message=message)

    def _report(self, event: ExecutionCompleted, episode: int) -> Iterator[Outbound]:
        parent = self._started.parent
        if parent is None or FIRE_AND_FORGET in (self._started.tags or {}):
            return
        report = _report_event(event, parent.task_id, event.timestamp)
        yield Outbound(message=self._message(report, parent.instance, episode, "report"))


def _report_event(event: ExecutionCompleted, task_id: int, timestamp: datetime) -> HistoryEvent:
    if event.status is RuntimeStatus.COMPLETED:
        return SubOrchestrationCompleted(timestamp=timestamp, task_id=task_id, result=event.result)
    # A terminated child reports as failed (engine-semantics 1.4).
    return SubOrchestrationFailed(
        timestamp=timestamp, task_id=task_id, reason=event.result, failure=event.failure
    )
