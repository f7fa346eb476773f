from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from durable.client.history_view import history_view
from durable.client.json_text import JsonText, opened
from durable.model import events as e
from durable.model.failure import FailureDetails
from durable.model.status import RuntimeStatus

T0 = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
T1 = T0 + timedelta(seconds=1)
AT, LATER = "2024-05-06T07:08:09Z", "2024-05-06T07:08:10Z"
TRACE = e.TraceContext(trace_parent="00-1-2-01")


def view(*events: e.HistoryEvent, show_input: bool = True, show_output: bool = True) -> object:
    return opened(history_view(events, show_input=show_input, show_output=show_output))


def test_an_answered_activity_is_one_entry_at_the_answers_place() -> None:
    scheduled = e.TaskScheduled(timestamp=T0, event_id=0, name="hello", input='["a"]')
    timer = e.TimerCreated(timestamp=T0, event_id=1, fire_at=T1)
    done = e.TaskCompleted(timestamp=T1, task_id=0, result='{"x":1}')
    assert view(scheduled, timer, done) == [
        {"EventType": "TimerCreated", "FireAt": LATER, "Timestamp": AT},
        {
            "EventType": "TaskCompleted",
            "Result": {"x": 1},
            "Timestamp": LATER,
            "ScheduledTime": AT,
            "FunctionName": "hello",
            "Input": '["a"]',
        },
    ]


def test_inputs_and_results_are_left_out_unless_asked_for() -> None:
    history: list[e.HistoryEvent] = [
        e.ExecutionStarted(
            timestamp=T0, instance=e.InstanceRef(instance_id="i"), name="o", input="SECRET"
        ),
        e.TaskScheduled(timestamp=T0, event_id=0, name="a", input="SECRET"),
        e.TaskCompleted(timestamp=T1, task_id=0, result='"SECRET"'),
        e.TaskScheduled(timestamp=T0, event_id=1, name="a", input="SECRET"),
        e.SubOrchestrationCreated(
            timestamp=T0, event_id=2, name="o", instance_id="c", input="SECRET"
        ),
        e.EventSent(timestamp=T0, event_id=3, instance_id="j", name="n", input="SECRET"),
        e.EventRaised(timestamp=T0, name="n", input="SECRET"),
        e.ExecutionCompleted(timestamp=T1, status=RuntimeStatus.COMPLETED, result='"SECRET"'),
    ]
    hidden = view(*history, show_input=False, show_output=False)
    assert "SECRET" not in str(hidden)
    assert str(view(*history)).count("SECRET") == 8


def test_pending_decisions_stay_where_they_are() -> None:
    activity = e.TaskScheduled(
        timestamp=T0, event_id=0, name="a", input="1", tags={"k": "v"}, parent_trace_context=TRACE
    )
    child = e.SubOrchestrationCreated(
        timestamp=T0, event_id=1, name="o", instance_id="c", input="2", client_span_id="s"
    )
    shown = history_view([activity, child], show_input=True, show_output=True)
    assert [list(entry) for entry in shown] == [
        ["EventType", "Name", "Input", "ParentTraceContext", "Tags", "Timestamp"],
        ["EventType", "Name", "InstanceId", "Input", "ClientSpanId", "Tags", "Timestamp"],
    ]
    assert shown[0]["Tags"] == {"k": "v"}
    assert isinstance(shown[0]["ParentTraceContext"], dict)
    assert shown[0]["ParentTraceContext"]["TraceParent"] == "00-1-2-01"


def test_failures_show_their_details() -> None:
    failure = FailureDetails(error_type="ValueError", message="no")
    entry = history_view(
        [e.SubOrchestrationFailed(timestamp=T1, task_id=7, reason="r", failure=failure)],
        show_input=True,
        show_output=True,
    )[0]
    # Its decision isn't there (a rewound history): nothing is said about it.
    assert list(entry) == ["EventType", "Reason", "Details", "FailureDetails", "Timestamp"]
    assert isinstance(entry["FailureDetails"], dict)
    assert entry["FailureDetails"]["ErrorMessage"] == "no"


def test_a_result_that_is_no_json_is_a_string() -> None:
    completed = e.ExecutionCompleted(timestamp=T0, status=RuntimeStatus.FAILED, result="went wrong")
    entry = history_view([completed], show_input=True, show_output=True)[0]
    assert entry["Result"] == JsonText('"went wrong"')
    assert entry["OrchestrationStatus"] == "Failed"


def test_the_start_shows_when_it_was_to_run() -> None:
    started = e.ExecutionStarted(
        timestamp=T0,
        instance=e.InstanceRef(instance_id="i"),
        name="o",
        scheduled_start_time=T1,
        generation=3,
    )
    entry = history_view([started], show_input=False, show_output=False)[0]
    assert (entry["ScheduledStartTime"], entry["Generation"]) == (LATER, 3)


@pytest.mark.parametrize(
    ("event", "entry"),
    [
        (
            e.ContinueAsNew(timestamp=T0, result="1"),
            {
                "EventType": "ContinueAsNew",
                "OrchestrationStatus": "ContinuedAsNew",
                "Result": 1,
                "FailureDetails": None,
                "Timestamp": AT,
            },
        ),
        (
            e.ExecutionTerminated(timestamp=T0, reason="r"),
            {"EventType": "ExecutionTerminated", "Input": "r", "Timestamp": AT},
        ),
        (
            e.ExecutionSuspended(timestamp=T0, reason="r"),
            {"EventType": "ExecutionSuspended", "Reason": "r", "Timestamp": AT},
        ),
        (
            e.ExecutionResumed(timestamp=T0),
            {"EventType": "ExecutionResumed", "Reason": None, "Timestamp": AT},
        ),
        (
            e.ExecutionRewound(timestamp=T0, reason="r"),
            {"EventType": "ExecutionRewound", "Reason": "r", "Timestamp": AT},
        ),
        (
            e.GenericEvent(timestamp=T0, data="d"),
            {"Data": "d", "EventType": "GenericEvent", "Timestamp": AT},
        ),
        (e.HistoryState(timestamp=T0), {"EventType": "HistoryState", "Timestamp": AT}),
        (
            e.TimerFired(timestamp=T0, timer_id=1, fire_at=T1),
            {"EventType": "TimerFired", "FireAt": LATER, "Timestamp": AT},
        ),
    ],
)
def test_other_events(event: e.HistoryEvent, entry: dict[str, object]) -> None:
    assert view(event) == [entry]


def test_episodes_are_left_out() -> None:
    assert view(e.OrchestratorStarted(timestamp=T0), e.OrchestratorCompleted(timestamp=T0)) == []
