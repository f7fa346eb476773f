"""Where scenarios with entities differ from the recordings, and why; each of them exactly there."""

from __future__ import annotations

from tests.golden.account_compare import Difference
from tests.golden.scenario_differences import NEW_EXECUTION, STRUCTURED

_LEFT = (
    "A turn is recorded before anything of it is sent, and then ended as continued: the next "
    "execution's rows take its place, and what is longer stays, of no execution that counts. The "
    "original sends first, and records nothing of an entity's turn."
)
_DIALECT = "Texts are written without $type (recorded.md 1, $type in entity texts)."
_FRAMEWORK = "The framework's own members, which the extension lacks, and ours."
_FIRST = (
    "An entity has an execution id from its first turn on: identities of what it sends are made "
    "from it. The original's first messages have none."
)
_EXISTS = "The extension's member, and ours; the framework alone has none."
_AS_IT_CAME = (
    "A lock request is sent on as it came. The framework gives it a label of the entity's own, "
    "which its next signal would then wait for (entity_batch.py)."
)
_DUE = "Messages are derived from rows, so a row holds when its message is due (commit.md R12)."
_EARLY = "What comes early is sent on once, rounded up; there again and again (recorded.md 2)."
_ROUNDED = "Delays are rounded up, so that nothing is early (recorded.md 1, delayed messages)."
_RELEASED = (
    "Whoever holds a lock and is terminated releases it at once (W19); there somebody has to "
    "clean, and that release bears the repair's name and no sender's."
)


def _stale(*events: str) -> dict[Difference, str]:
    """Rows of entities' earlier turns."""
    return {("History", event, "", "ours only"): _LEFT for event in events}


def _member(name: str, how: str, why: str, *, row: str = "EventSent") -> dict[Difference, str]:
    """Of what is told an entity, or answered: in the row, and in the message."""
    return {
        ("History", row, f"Input.{name}", how): why,
        ("text", "EventRaisedEvent", f"TaskMessage.Event.Input.{name}", how): why,
    }


_PLAYED: dict[Difference, str] = {
    ("History", "OrchestratorCompleted", "IsPlayed", "another value"): NEW_EXECUTION
}
_FIRST_ID: dict[Difference, str] = {
    ("text", "EventRaisedEvent", "Sender.ExecutionId", "another value"): _FIRST
}
_TYPED = _member("$type", "not ours", _DIALECT)
_GRANTED = _member("$type", "not ours", _DIALECT, row="EventRaised")
_LOCKED = {**_TYPED, **_GRANTED, **_member("lockset", "another value", _DIALECT)}
_DELAYED: dict[Difference, str] = {
    ("put", "EventRaisedEvent", "visibilitytimeout", "rounded up"): _ROUNDED
}
#: Of entities that answered, and did no more in one turn.
_ANSWERED = _stale("EventSent", "ExecutionCompleted", "OrchestratorCompleted")
_OWN_PLAYED: dict[Difference, str] = {
    ("History", "ExecutionStarted", "IsPlayed", "another value"): NEW_EXECUTION
}

ENTITY_DIFFERENCES: dict[str, dict[Difference, str]] = {
    "dtfx/18_entity_lock": {
        **_ANSWERED,
        **_stale("EventRaised", "OrchestratorStarted"),
        **_member("IsLockRequest", "not ours", _FRAMEWORK),
        **_member("createTrace", "not ours", _FRAMEWORK),
        **_FIRST_ID,
        **_OWN_PLAYED,
        **{
            (table, event, f"Input.sorter.{name}", "not ours"): _AS_IT_CAME
            for table, event in (("History", "ExecutionStarted"), ("Instances", ""))
            for name in ("LastSentToInstance.@counter@b", "SendHorizon")
        },
    },
    "dtfx/18_entity_signal": {
        **_stale("EventRaised", "ExecutionCompleted", "OrchestratorCompleted"),
        **_stale("OrchestratorStarted", "SubOrchestrationInstanceCreated"),
        **{
            ("text", "EventRaisedEvent", f"TaskMessage.Event.Input.{name}", "not ours"): _FRAMEWORK
            for name in ("IsLockRequest", "createTrace")
        },
        ("History", "ExecutionStarted", "Input.exists", "ours only"): _EXISTS,
        ("Instances", "", "Input.exists", "ours only"): _EXISTS,
        **_OWN_PLAYED,
        **_DELAYED,
    },
    "extension/entity_call": {
        **_ANSWERED,
        **_stale("EventRaised", "OrchestratorStarted"),
        **_TYPED,
        **_FIRST_ID,
        **_PLAYED,
    },
    "extension/entity_call_failing": {
        **_ANSWERED,
        **_TYPED,
        **_FIRST_ID,
        **_PLAYED,
        **_member("exceptionType", "another value", STRUCTURED, row="EventRaised"),
        **_member("result", "another value", STRUCTURED, row="EventRaised"),
        **{
            difference: why
            for name in (
                *("ErrorMessage", "ErrorType", "InnerFailure"),
                *("IsNonRetriable", "Properties", "StackTrace"),
            )
            for difference, why in _member(
                f"failureDetails.{name}", "ours only", STRUCTURED, row="EventRaised"
            ).items()
        },
    },
    "extension/entity_delete_and_clean": _PLAYED,
    "extension/entity_lock_two": {
        **_ANSWERED,
        **_stale("EventRaised", "OrchestratorStarted"),
        **_LOCKED,
        **_FIRST_ID,
        **_PLAYED,
    },
    "extension/entity_locked_signal_waits": {**_ANSWERED, **_LOCKED, **_FIRST_ID, **_PLAYED},
    "extension/entity_orphaned_lock_clean": {
        **_ANSWERED,
        **_LOCKED,
        **_FIRST_ID,
        **_PLAYED,
        ("History", "ExecutionCompleted", "EventId", "another value"): _RELEASED,
        ("text", "EventRaisedEvent", "Episode", "ours only"): _RELEASED,
        ("text", "EventRaisedEvent", "Sender.InstanceId", "another value"): _RELEASED,
        ("text", "EventRaisedEvent", "TaskMessage.Event.Input.id", "another value"): _RELEASED,
        (
            "text",
            "EventRaisedEvent",
            "TaskMessage.OrchestrationInstance.ExecutionId",
            "another value",
        ): _RELEASED,
    },
    "extension/entity_signal_client": _PLAYED,
    "extension/entity_signal_client_delayed": {
        **_DELAYED,
        **_PLAYED,
        ("put", "EventRaisedEvent", "", "not ours"): _EARLY,
    },
    "extension/entity_signal_orchestrator_and_scheduled": {
        **_TYPED,
        **_DELAYED,
        **_PLAYED,
        ("History", "EventSent", "DeliverAt", "ours only"): _DUE,
    },
}
