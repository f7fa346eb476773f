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
_STATUS = "The history says all that an Instances row shows, so that a lost row can be made again."
_ROUNDED = "Delays are rounded up, so that nothing is early (recorded.md 1, delayed messages)."
_TRACE = "A Python traceback."
STRUCTURED = (
    "Failures are structured data; the recorded app had the original's serialised exceptions "
    "(design.md 4, failures)."
)
_CHAIN = (
    "A failed call is an error of its own that says which function failed, with the function's "
    "error as its cause (design.md 4, failures)."
)
NEW_EXECUTION = (
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
    ("History", "OrchestratorCompleted", "CustomStatus", "ours only"): _STATUS,
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


def both(event: str, columns: Iterable[str], reason: str) -> dict[Difference, str]:
    """Another value in the row and in the message."""
    return {
        difference: reason
        for column in columns
        for difference in (
            ("History", event, column, "another value"),
            ("text", f"{event}Event", f"TaskMessage.Event.{column}", "another value"),
        )
    }


def serialised(event: str) -> dict[Difference, str]:
    """Details there, FailureDetails here."""
    return {
        **both(event, ["FailureDetails"], STRUCTURED),
        ("History", event, "Details", "not ours"): STRUCTURED,
        ("text", f"{event}Event", "TaskMessage.Event.Details", "another value"): STRUCTURED,
    }


WITH_FUNCTION = both("TaskFailed", ["Reason"], STRUCTURED)
FAILED_OTHERWISE: dict[Difference, str] = {
    ("History", "ExecutionCompleted", "FailureDetails", "another value"): STRUCTURED,
    ("History", "ExecutionCompleted", "Result", "another value"): STRUCTURED,
    ("Instances", "", "Output", "another value"): STRUCTURED,
}
_CONTINUED: dict[Difference, str] = {
    ("History", "OrchestratorCompleted", "", "not ours"): NEW_EXECUTION,
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

_REWIND = "The rewind is journaled in the sentinel, so that a crash in its middle is finished."
_OF_BEFORE = "So that a late delivery of what a child reported before it was rewound is told apart."
_CURRENT = (
    "The current generation is rewound, where the original searches a stale one and changes "
    "nothing (recorded.md 1, rewind): what failed is called again, and goes well."
)
_REWOUND: dict[Difference, str] = {
    **{
        ("History", "sentinel", f"Rewind.{name}", "ours only"): _REWIND
        for name in ("Token", "ExecutionId", "Sequence", "Cut", "Reason", "Rows", "IsDone")
    },
    ("text", "GenericEvent", "Durable.Mark", "ours only"): _MARK,
    ("text", "TaskFailedEvent", "TaskMessage.Event.Details", "another value"): STRUCTURED,
    ("text", "TaskFailedEvent", "TaskMessage.Event.FailureDetails", "another value"): STRUCTURED,
}
_REWOUND_ROWS: dict[Difference, str] = {
    **_REWOUND,
    ("History", "GenericEvent", "Input", "ours only"): _INPUT,
    ("History", "GenericEvent", "Details", "not ours"): STRUCTURED,
    ("History", "GenericEvent", "FailureDetails", "another value"): STRUCTURED,
    ("History", "GenericEvent", "Result", "another value"): STRUCTURED,
}
_REASON = ("text", "TaskFailedEvent", "TaskMessage.Event.Reason", "another value")

#: In single scenarios, each of them exactly there.
OWN_DIFFERENCES: dict[str, dict[Difference, str]] = {
    "dtfx/06_sub_fails_details": {
        **both("SubOrchestrationInstanceFailed", ["FailureDetails.StackTrace"], _TRACE),
        _ENDED_TRACE: _TRACE,
    },
    "dtfx/07_retry": serialised("TaskFailed"),
    "dtfx/08_act_fail_details": {
        **both("TaskFailed", ["FailureDetails.StackTrace"], _TRACE),
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
    "dtfx/13_rewind": _REWOUND_ROWS,
    "dtfx/13_rewind_stale": {
        **_REWOUND,
        ("History", "ExecutionCompleted", "", "not ours"): _CURRENT,
        ("History", "ExecutionCompleted", "", "ours only"): _CURRENT,
        ("History", "GenericEvent", "", "ours only"): _CURRENT,
        ("History", "OrchestratorStarted", "", "ours only"): _CURRENT,
        ("History", "OrchestratorCompleted", "", "not ours"): NEW_EXECUTION,
        ("History", "TaskCompleted", "", "not ours"): _CURRENT,
        ("History", "TaskCompleted", "Result", "another value"): _CURRENT,
        ("History", "TaskCompleted", "TaskScheduledId", "another value"): _CURRENT,
        ("History", "TaskFailed", "", "not ours"): _CURRENT,
        ("History", "TaskScheduled", "", "not ours"): _CURRENT,
        ("History", "TaskScheduled", "EventId", "another value"): _CURRENT,
        ("History", "TaskScheduled", "Name", "another value"): _CURRENT,
        ("Instances", "", "Output", "another value"): _CURRENT,
        ("Instances", "", "RuntimeStatus", "another value"): _CURRENT,
        ("put", "TaskScheduledEvent", "", "ours only"): _CURRENT,
        ("put", "TaskCompletedEvent", "", "ours only"): _CURRENT,
        ("text", "TaskScheduledEvent", "Episode", "another value"): _EPISODE,
        ("text", "TaskFailedEvent", "Episode", "another value"): _EPISODE,
    },
    "extension/rewind": {**_REWOUND_ROWS, _REASON: STRUCTURED},
    "extension/rewind_sub_orchestration": {
        **_REWOUND_ROWS,
        _REASON: STRUCTURED,
        ("History", "SubOrchestrationInstanceCreated", "RewoundChild", "ours only"): _OF_BEFORE,
        **{
            (
                "text",
                "SubOrchestrationInstanceFailedEvent",
                f"TaskMessage.Event.{name}",
                "another value",
            ): STRUCTURED
            for name in ("Details", "FailureDetails", "Reason")
        },
    },
    "extension/activity_failing": {
        **serialised("TaskFailed"),
        **WITH_FUNCTION,
        **FAILED_OTHERWISE,
    },
    "extension/continue_as_new": _CONTINUED_WITH_ACTIVITY,
    "extension/orchestrator_throws": FAILED_OTHERWISE,
    "extension/retry": {**serialised("TaskFailed"), **WITH_FUNCTION},
    "extension/sub_orchestration_failing": {
        **serialised("TaskFailed"),
        **WITH_FUNCTION,
        **FAILED_OTHERWISE,
        **serialised("SubOrchestrationInstanceFailed"),
        **both("SubOrchestrationInstanceFailed", ["Reason"], STRUCTURED),
    },
}
