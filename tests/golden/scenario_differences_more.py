"""Differences of the scenarios in scenario_runs_more.py, each of them exactly there."""

from __future__ import annotations

from tests.golden.account_compare import Difference
from tests.golden.scenario_differences import (
    FAILED_OTHERWISE,
    NEW_EXECUTION,
    STRUCTURED,
    WITH_FUNCTION,
    both,
    serialised,
)

_DEFERRED = (
    "An event to an id without a row waits, and is quarantined in the end (recorded.md 1, event "
    "to an instance without history); there it was deleted."
)
_TOMBSTONE = "A purge leaves a tombstone, which drops what is late (commit.md R8)."
_NO_TRACING = "No tracing yet."
_ONCE = "azure-functions-durable 1.x encodes inputs and results twice, ours once (recorded.md 5)."

#: Failures as 3.x of the framework writes them, unless it is told to write FailureDetails.
_ENDED: dict[Difference, str] = {
    ("History", "ExecutionCompleted", "FailureDetails", "another value"): STRUCTURED,
    ("Instances", "", "Output", "another value"): STRUCTURED,
}
_PURGED: dict[Difference, str] = {("History", "sentinel", "", "ours only"): _TOMBSTONE}
_INPUT_ONCE: dict[Difference, str] = {
    ("text", "TaskScheduledEvent", "TaskMessage.Event.Input", "another value"): _ONCE
}
_ACTIVITY_ONCE = {**_INPUT_ONCE, **both("TaskCompleted", ["Result"], _ONCE)}
_CONTEXT = ("ActivityStartTime", "Id", "SpanId", "TraceParent", "TraceState")


def _untraced(event: str) -> dict[Difference, str]:
    """Null there in ours, an object in the recording."""
    row, text = "ParentTraceContext", "TaskMessage.Event.ParentTraceContext"
    return {
        ("History", event, row, "ours only"): _NO_TRACING,
        **{("History", event, f"{row}.{name}", "not ours"): _NO_TRACING for name in _CONTEXT},
        ("text", f"{event}Event", text, "ours only"): _NO_TRACING,
        **{
            ("text", f"{event}Event", f"{text}.{name}", "not ours"): _NO_TRACING
            for name in ("$type", *_CONTEXT)
        },
    }


MORE_DIFFERENCES: dict[str, dict[Difference, str]] = {
    "dtfx/05_event_unknown": {("put", "EventRaisedEvent again", "", "ours only"): _DEFERRED},
    "dtfx/06_sub_fails": {**serialised("SubOrchestrationInstanceFailed"), **_ENDED},
    "dtfx/08_act_fail_ext": {
        **serialised("TaskFailed"),
        **WITH_FUNCTION,
        **FAILED_OTHERWISE,
    },
    "dtfx/08_act_fail_serialize": {**serialised("TaskFailed"), **FAILED_OTHERWISE},
    "dtfx/09_orch_fail_ext": FAILED_OTHERWISE,
    "dtfx/09_orch_fail_serialize": _ENDED,
    "dtfx/16_purge": _PURGED,
    "dtfx/22_queries": _ENDED,
    "dtfx/23_hello_traced": {
        **_untraced("ExecutionStarted"),
        **_untraced("TaskScheduled"),
        ("History", "SubOrchestrationInstanceCreated", "ClientSpanId", "not ours"): _NO_TRACING,
    },
    "extension/purge": _PURGED,
    "extension/sim_oop_activity_fail": {
        **serialised("TaskFailed"),
        **WITH_FUNCTION,
        **FAILED_OTHERWISE,
        **_INPUT_ONCE,
    },
    "extension/sim_oop_event_sub_can": {
        **both("ExecutionStarted", ["Input"], _ONCE),
        **both("SubOrchestrationInstanceCompleted", ["Result"], _ONCE),
        ("History", "ExecutionCompleted", "Result", "another value"): _ONCE,
        ("History", "SubOrchestrationInstanceCreated", "Input.k", "ours only"): (
            "Messages are derived from rows, which hold what they need (commit.md R12)."
        ),
        ("History", "OrchestratorCompleted", "IsPlayed", "another value"): NEW_EXECUTION,
        ("Instances", "", "Input", "another value"): _ONCE,
        ("Instances", "", "Output", "another value"): _ONCE,
    },
    "extension/sim_oop_fail": FAILED_OTHERWISE,
    "extension/sim_oop_hello": _ACTIVITY_ONCE,
    "extension/sim_oop_hello_v1": _ACTIVITY_ONCE,
    "extension/sim_oop_retry": {**serialised("TaskFailed"), **WITH_FUNCTION, **_INPUT_ONCE},
}
