"""Hypothesis strategies for events and messages; tests import them from here."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import settings, strategies as st

from durable.model import events as e
from durable.model.entities import Earlier
from durable.model.failure import FailureDetails
from durable.model.messages import Extras, TaskMessage
from durable.model.status import RuntimeStatus
from durable.model.times import TickTime
from durable.wire.times import TABLE_MIN

# A busy machine is no reason to fail.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

INT32 = st.integers(-(2**31), 2**31 - 1)
TEXTS = st.text(max_size=20)
NAMES = st.text(min_size=1, max_size=10)
OPTIONAL = st.none() | TEXTS
MOMENTS = st.builds(
    TickTime.of,
    st.timedeltas(timedelta(days=1), timedelta(days=3_000_000)).map(TABLE_MIN.__add__),
    st.integers(0, 9),
)
TAGS = st.none() | st.dictionaries(NAMES.filter(lambda name: name != "$type"), TEXTS, max_size=3)
REFS = st.builds(e.InstanceRef, instance_id=TEXTS, execution_id=OPTIONAL)
PARENTS = st.none() | st.builds(
    e.ParentInstance, name=OPTIONAL, instance=REFS, task_id=INT32, version=OPTIONAL
)
TRACES = st.none() | st.builds(
    e.TraceContext,
    trace_parent=OPTIONAL,
    trace_state=OPTIONAL,
    id=OPTIONAL,
    span_id=OPTIONAL,
    activity_start_time=OPTIONAL,
)
JSON_TEXTS = st.sampled_from(["null", "true", "5", "1.5", '"x"', "[1,2]", '{"a":{"b":[]}}'])
FAILURE: st.SearchStrategy[FailureDetails] = st.deferred(
    lambda: st.builds(
        FailureDetails,
        error_type=TEXTS,
        message=TEXTS,
        stack_trace=OPTIONAL,
        inner=st.none() | FAILURE,
        is_non_retriable=st.booleans(),
        properties=st.none()
        | st.dictionaries(NAMES.filter(lambda name: name != "$type"), JSON_TEXTS, max_size=2),
    )
)
FAILURES = st.none() | FAILURE
STATUSES = st.sampled_from(RuntimeStatus)


def event_types(*, ours: bool) -> list[st.SearchStrategy[e.HistoryEvent]]:
    """A strategy for each type; with the properties that only our rows have, or without."""
    common = {"timestamp": MOMENTS, "event_id": INT32, "is_played": st.booleans()}
    own_text = OPTIONAL if ours else st.none()
    own_moment = st.none() | MOMENTS if ours else st.none()
    mark = st.builds(e.RewoundChild, execution_id=TEXTS, sequence=st.integers(0, 2**31 - 1))
    own_mark = st.none() | mark if ours else st.none()
    own_texts = (st.lists(TEXTS, max_size=3) if ours else st.just([])).map(tuple)
    earlier = st.builds(Earlier, execution_id=TEXTS, timestamp=MOMENTS)
    own_earlier = st.dictionaries(NAMES, earlier, max_size=2) if ours else st.just({})
    answer = common | {"task_id": INT32}
    result = answer | {"result": OPTIONAL}
    failed = answer | {"reason": OPTIONAL, "details": OPTIONAL, "failure": FAILURES}
    ended = common | {"status": STATUSES, "result": OPTIONAL, "failure": FAILURES}
    call = {"name": OPTIONAL, "version": OPTIONAL, "input": OPTIONAL, "tags": TAGS}
    traced = {"parent_trace_context": TRACES}
    return [
        st.builds(e.OrchestratorStarted, **common),
        st.builds(e.OrchestratorCompleted, **common, custom_status=own_text),
        st.builds(
            e.ExecutionStarted,
            **common,
            **call,
            **traced,
            instance=REFS,
            parent=PARENTS,
            correlation=OPTIONAL,
            scheduled_start_time=st.none() | MOMENTS,
            generation=st.none() | INT32,
            generate_new_trace=st.booleans(),
            sent_before=own_earlier,
            frees=st.dictionaries(NAMES, TEXTS, max_size=2) if ours else st.just({}),
        ),
        st.builds(
            e.ExecutionCompleted,
            **ended,
            carried=own_texts,
            sent_on=own_texts,
            next_version=own_text,
        ),
        st.builds(e.ContinueAsNew, **ended),
        st.builds(e.ExecutionTerminated, **common, reason=OPTIONAL),
        st.builds(e.ExecutionSuspended, **common, reason=OPTIONAL),
        st.builds(e.ExecutionResumed, **common, reason=OPTIONAL),
        st.builds(
            e.ExecutionRewound,
            **common,
            **traced,
            reason=OPTIONAL,
            parent_execution_id=OPTIONAL,
            instance_id=OPTIONAL,
        ),
        st.builds(e.TaskScheduled, **common, **call, **traced),
        st.builds(e.TaskCompleted, **result),
        st.builds(e.TaskFailed, **failed),
        st.builds(
            e.SubOrchestrationCreated,
            **common,
            **call,
            instance_id=OPTIONAL,
            client_span_id=OPTIONAL,
            rewound_child=own_mark,
        ),
        st.builds(e.SubOrchestrationCompleted, **result),
        st.builds(e.SubOrchestrationFailed, **failed),
        st.builds(e.TimerCreated, **common, fire_at=MOMENTS),
        st.builds(e.TimerFired, **common, timer_id=INT32, fire_at=MOMENTS),
        st.builds(
            e.EventSent,
            **common,
            instance_id=OPTIONAL,
            name=OPTIONAL,
            input=OPTIONAL,
            deliver_at=own_moment,
        ),
        st.builds(
            e.EventRaised, **common, **traced, name=OPTIONAL, input=OPTIONAL, identity=own_text
        ),
        st.builds(e.GenericEvent, **common, data=OPTIONAL, reason=own_text),
        st.builds(e.HistoryState, **common, state=st.none() | JSON_TEXTS.filter("null".__ne__)),
    ]


def events(*, ours: bool) -> st.SearchStrategy[e.HistoryEvent]:
    """Events of any type."""
    return st.one_of(event_types(ours=ours))


@st.composite
def messages(draw: st.DrawFn) -> TaskMessage:
    """Messages with any event; a raised event has the identity that its message carries."""
    event = draw(events(ours=False))
    extras = draw(
        st.builds(
            Extras,
            mark=st.booleans(),
            identity=OPTIONAL,
            failures=st.integers(0, 9),
            since=st.none() | MOMENTS,
        )
    )
    if isinstance(event, e.EventRaised):
        event = e.EventRaised(
            timestamp=event.timestamp,
            event_id=event.event_id,
            is_played=event.is_played,
            name=event.name,
            input=event.input,
            parent_trace_context=event.parent_trace_context,
            identity=extras.identity,
        )
    return TaskMessage(
        event=event,
        # A start is for the instance that it starts.
        target=event.instance if isinstance(event, e.ExecutionStarted) else draw(REFS),
        activity_id=str(draw(st.uuids())),
        sender=draw(st.none() | REFS),
        sequence_number=draw(st.integers(-(2**63), 2**63 - 1)),
        episode=draw(st.none() | INT32),
        context_tags=draw(TAGS),
        trace_context=draw(OPTIONAL),
        extras=extras,
    )
