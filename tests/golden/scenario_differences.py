"""Where a scenario's rows and messages differ from the recording, and why."""

from __future__ import annotations

from collections.abc import Iterable

from tests.golden.account_compare import Difference

_SENTINEL = (
    "The commit's own columns; a .NET worker merges the row without knowing them (commit.md)."
)
_INPUT = "Messages are derived from rows, so a row holds what its message needs (commit.md R12)."
_MARK = "Ours alone, so that a reader knows who sent it; .NET ignores it (commit.md R6, R7)."
_IDENTITY = "An event's identity is made by its raiser and travels with it (commit.md R7)."
_ROUNDED = "Delays are rounded up, so that nothing is early (recorded.md 1, delayed messages)."
_TRACE = "A Python traceback."
_STRUCTURED = (
    "Failures are structured data; the recorded app had the original's serialised exceptions "
    "(design.md 4, failures)."
)
_CHAIN = (
    "A failed call is an error of its own that says which function failed, with the function's "
    "error as its cause (design.md 4, failures)."
)
_NEW_EXECUTION = (
    "A row is part of a stretch, OrchestratorStarted to OrchestratorCompleted (commit.md); a new "
    "execution is the original's second loop of an episode, which completes it twice."
)
_EPISODE = "The number of the stretch that sent it, and so of the same extra row."
_NOTHING_RUNS = "Terminated stays terminated, nothing runs (recorded.md 1, terminate; W5)."

#: In any scenario.
DIFFERENCES: dict[Difference, str] = {
    ("History", "sentinel", "CheckpointSequence", "ours only"): _SENTINEL,
    ("History", "sentinel", "CommittedCount", "ours only"): _SENTINEL,
    ("History", "sentinel", "CommittedStamp", "ours only"): _SENTINEL,
    ("History", "sentinel", "CommittedExecutionId", "ours only"): _SENTINEL,
    ("History", "sentinel", "FirstExecutionId", "ours only"): _SENTINEL,
    ("History", "sentinel", "SentBy", "ours only"): _SENTINEL,
    ("History", "sentinel", "Purged", "ours only"): _SENTINEL,
    ("History", "sentinel", "RecentIdentities", "ours only"): _SENTINEL,
    ("History", "sentinel", "RecentIdentitiesBlobName", "ours only"): _SENTINEL,
    ("History", "TaskScheduled", "Input", "ours only"): _INPUT,
    ("History", "SubOrchestrationInstanceCreated", "Input", "ours only"): _INPUT,
    ("History", "EventRaised", "Identity", "ours only"): _IDENTITY,
    ("Instances", "", "CheckpointSequence", "ours only"): (
        "How a row behind its history is found (design.md 3, step 4)."
    ),
    ("text", "EventRaisedEvent", "Durable.Identity", "ours only"): _IDENTITY,
    ("text", "EventRaisedEvent", "Durable.Mark", "ours only"): _MARK,
    ("text", "ExecutionResumedEvent", "Durable.Mark", "ours only"): _MARK,
    ("text", "ExecutionStartedEvent", "Durable.Mark", "ours only"): _MARK,
    ("text", "ExecutionSuspendedEvent", "Durable.Mark", "ours only"): _MARK,
    ("text", "ExecutionTerminatedEvent", "Durable.Mark", "ours only"): _MARK,
    ("text", "SubOrchestrationInstanceCompletedEvent", "Durable.Mark", "ours only"): _MARK,
    ("text", "SubOrchestrationInstanceFailedEvent", "Durable.Mark", "ours only"): _MARK,
    ("text", "TaskCompletedEvent", "Durable.Mark", "ours only"): _MARK,
    ("text", "TaskFailedEvent", "Durable.Mark", "ours only"): _MARK,
    ("text", "TaskScheduledEvent", "Durable.Mark", "ours only"): _MARK,
    ("text", "TimerFiredEvent", "Durable.Mark", "ours only"): _MARK,
    ("put", "ExecutionStartedEvent", "visibilitytimeout", "rounded up"): _ROUNDED,
    ("put", "TimerFiredEvent", "visibilitytimeout", "rounded up"): _ROUNDED,
}


def _both(event: str, columns: Iterable[str], reason: str) -> dict[Difference, str]:
    """Another value in the row and in the message."""
    return {
        difference: reason
        for column in columns
        for difference in (
            ("History", event, column, "another value"),
            ("text", f"{event}Event", f"TaskMessage.Event.{column}", "another value"),
        )
    }


def _serialised(event: str) -> dict[Difference, str]:
    """Details there, FailureDetails here."""
    return {
        **_both(event, ["FailureDetails"], _STRUCTURED),
        ("History", event, "Details", "not ours"): _STRUCTURED,
        ("text", f"{event}Event", "TaskMessage.Event.Details", "another value"): _STRUCTURED,
    }


_WITH_FUNCTION = _both("TaskFailed", ["Reason"], _STRUCTURED)
_FAILED_OTHERWISE: dict[Difference, str] = {
    ("History", "ExecutionCompleted", "FailureDetails", "another value"): _STRUCTURED,
    ("History", "ExecutionCompleted", "Result", "another value"): _STRUCTURED,
    ("Instances", "", "Output", "another value"): _STRUCTURED,
}
_CONTINUED: dict[Difference, str] = {
    ("History", "OrchestratorCompleted", "", "not ours"): _NEW_EXECUTION,
}
_CONTINUED_WITH_ACTIVITY: dict[Difference, str] = {
    **_CONTINUED,
    ("text", "TaskScheduledEvent", "Episode", "another value"): _EPISODE,
    ("text", "TaskCompletedEvent", "Episode", "another value"): _EPISODE,
}
_ENDED_TRACE: Difference = (
    "History",
    "ExecutionCompleted",
    "FailureDetails.StackTrace",
    "another value",
)

#: In single scenarios, each of them exactly there.
OWN_DIFFERENCES: dict[str, dict[Difference, str]] = {
    "dtfx/06_sub_fails_details": {
        **_both("SubOrchestrationInstanceFailed", ["FailureDetails.StackTrace"], _TRACE),
        _ENDED_TRACE: _TRACE,
    },
    "dtfx/07_retry": _serialised("TaskFailed"),
    "dtfx/08_act_fail_details": {
        **_both("TaskFailed", ["FailureDetails.StackTrace"], _TRACE),
        _ENDED_TRACE: _TRACE,
        ("History", "ExecutionCompleted", "FailureDetails.ErrorMessage", "another value"): _CHAIN,
        ("History", "ExecutionCompleted", "FailureDetails.ErrorType", "another value"): _CHAIN,
        ("History", "ExecutionCompleted", "FailureDetails.InnerFailure", "another value"): _CHAIN,
        ("History", "ExecutionCompleted", "Result", "another value"): _CHAIN,
        ("Instances", "", "Output", "another value"): _CHAIN,
    },
    "dtfx/09_orch_fail_details": {_ENDED_TRACE: _TRACE},
    "dtfx/10_can_activity": _CONTINUED_WITH_ACTIVITY,
    "dtfx/10_can_carry": _CONTINUED,
    "dtfx/11_terminate_pending": {
        ("History", "TaskScheduled", "", "not ours"): _NOTHING_RUNS,
        ("History", "ExecutionCompleted", "EventId", "another value"): _NOTHING_RUNS,
        ("put", "TaskScheduledEvent", "", "not ours"): _NOTHING_RUNS,
        ("put", "TaskCompletedEvent", "", "not ours"): _NOTHING_RUNS,
    },
    "dtfx/11_terminate_scheduled": {
        ("History", "ExecutionTerminated", "", "ours only"): _NOTHING_RUNS,
        ("History", "OrchestratorStarted", "", "not ours"): _NOTHING_RUNS,
        ("History", "OrchestratorCompleted", "", "not ours"): _NOTHING_RUNS,
        ("History", "TaskScheduled", "", "not ours"): _NOTHING_RUNS,
        ("History", "TaskCompleted", "", "not ours"): _NOTHING_RUNS,
        ("History", "ExecutionCompleted", "EventId", "another value"): _NOTHING_RUNS,
        ("History", "ExecutionCompleted", "OrchestrationStatus", "another value"): _NOTHING_RUNS,
        ("History", "ExecutionCompleted", "Result", "another value"): _NOTHING_RUNS,
        ("Instances", "", "Output", "another value"): _NOTHING_RUNS,
        ("Instances", "", "RuntimeStatus", "another value"): _NOTHING_RUNS,
        ("put", "TaskScheduledEvent", "", "not ours"): _NOTHING_RUNS,
        ("put", "TaskCompletedEvent", "", "not ours"): _NOTHING_RUNS,
    },
    "extension/activity_failing": {
        **_serialised("TaskFailed"),
        **_WITH_FUNCTION,
        **_FAILED_OTHERWISE,
    },
    "extension/continue_as_new": _CONTINUED_WITH_ACTIVITY,
    "extension/orchestrator_throws": _FAILED_OTHERWISE,
    "extension/retry": {**_serialised("TaskFailed"), **_WITH_FUNCTION},
    "extension/sub_orchestration_failing": {
        **_serialised("TaskFailed"),
        **_WITH_FUNCTION,
        **_FAILED_OTHERWISE,
        **_serialised("SubOrchestrationInstanceFailed"),
        **_both("SubOrchestrationInstanceFailed", ["Reason"], _STRUCTURED),
    },
}
