"""How large an execution and a payload may get, and what is said when they would be larger.

A history is read and replayed whole by every process that takes an instance over, and lives in
memory while it runs. One that grows for ever ends as a process that can't load it any more, which
fails nothing and says nothing. So there are limits, and an execution that would pass one fails, as
an orchestrator's own error would make it: its parent is told, its locks are released, and it can be
rewound once the limit is higher.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import get_args

from durable.engine.turn import Draft
from durable.errors import HistoryTooLarge, PayloadTooLarge
from durable.model.events import (
    EventSent,
    ExecutionCompleted,
    ExecutionStarted,
    HistoryEvent,
    SubOrchestrationCreated,
    TaskScheduled,
)
from durable.model.failure import FailureDetails
from durable.model.status import RuntimeStatus

#: A fan-out of as many activities as maxOrchestrationActions allows takes 205,000 rows.
DEFAULT_MAX_EVENTS = 250_000
#: What a process of one gigabyte can hold beside its other work, and as much again to read it.
DEFAULT_MAX_BYTES = 256 * 1024 * 1024
#: As JSON text. In a message it is quoted once more, and what is read is at most four times that.
DEFAULT_MAX_PAYLOAD = 64 * 1024 * 1024
#: Of a limit: then the log says so.
WARN_AT = 0.8

#: What an event takes in memory beside its texts, roughly.
EVENT_BYTES = 500
_TEXTS = ("input", "result", "reason", "details")
_MOST_BYTES_A_CHARACTER = 4


def _shape(kind: type) -> tuple[tuple[str, ...], bool]:
    """Which texts events of a kind have, and whether they may hold a failure."""
    names = {each.name for each in fields(kind)}
    return tuple(name for name in _TEXTS if name in names), "failure" in names


#: Every event of every turn is weighed.
_SHAPES = {kind: _shape(kind) for kind in get_args(HistoryEvent)}


@dataclass(frozen=True, kw_only=True, slots=True)
class ExecutionLimits:
    """What one execution may hold.

    Attributes:
        events: in its history.
        size: their `weight` together.
        payload: bytes of one JSON text.
    """

    events: int = DEFAULT_MAX_EVENTS
    size: int = DEFAULT_MAX_BYTES
    payload: int = DEFAULT_MAX_PAYLOAD


@dataclass(frozen=True, kw_only=True, slots=True)
class Extent:
    """How large a history is: events, and their weight."""

    events: int
    size: int

    def share_of(self, limits: ExecutionLimits) -> float:
        """How much of the limit is used that is nearer."""
        return max(self.events / limits.events, self.size / limits.size)


def weight(event: HistoryEvent) -> int:
    """About how many bytes an event holds: cheap, unlike encoding it, and always the same."""
    size = EVENT_BYTES
    texts, may_fail = _SHAPES[type(event)]
    for name in texts:
        text: str | None = getattr(event, name)
        if text:
            size += len(text)
    failure: FailureDetails | None = getattr(event, "failure") if may_fail else None  # noqa: B009
    while failure is not None:
        size += len(failure.message) + len(failure.stack_trace or "")
        failure = failure.inner
    return size


def extent_after(draft: Draft, before: Extent) -> Extent:
    """How large the history is with `draft` in it."""
    if draft.is_new_execution:
        before = Extent(events=0, size=0)
    return Extent(
        events=before.events + len(draft.events),
        size=before.size + sum(weight(event) for event in draft.events),
    )


def history_excess(
    draft: Draft, after: Extent, limits: ExecutionLimits, instance_id: str
) -> HistoryTooLarge | None:
    """Why `draft` must not be; None when it may. An execution that ends anyway may end."""
    if after.share_of(limits) <= 1 or ends(draft):
        return None
    if after.events > limits.events:
        what = f"{after.events:,} events; at most {limits.events:,} are allowed (maxHistoryEvents"
    else:
        what = f"{after.size:,} bytes; at most {limits.size:,} are allowed (maxHistoryBytes"
    return HistoryTooLarge(
        f"The history of instance {instance_id!r} would have {what} in host.json). Let the "
        "orchestrator begin anew with continue_as_new now and then, let sub-orchestrations do "
        "parts of its work, or raise the limit and rewind the instance."
    )


def ends(draft: Draft) -> bool:
    """Whether `draft` ends its execution, by continue-as-new too."""
    return any(isinstance(event, ExecutionCompleted) for event in draft.events[-2:])


def payload_excess(draft: Draft, limit: int) -> PayloadTooLarge | None:
    """Why what the orchestrator decided can't be written; None when it can.

    What arrived has been read, so it can be written. A start names what it was given: it may come
    from a process with another limit.
    """
    for index, event in enumerate(draft.events):
        if index < draft.fed and not isinstance(event, ExecutionStarted):
            continue
        text = getattr(event, "result" if isinstance(event, ExecutionCompleted) else "input", None)
        size = oversize(text, limit)
        if size is not None:
            return payload_error(_what(event), size, limit)
    return None


def check_payload(text: str | None, limit: int, what: str) -> None:
    """Nothing, when `text` is no larger than `limit`.

    Raises:
        PayloadTooLarge: it is; `what` names it in the error ("the input of activity 'x'").
    """
    size = oversize(text, limit)
    if size is not None:
        raise payload_error(what, size, limit)


def oversize(text: str | None, limit: int) -> int | None:
    """How many bytes `text` has in UTF-8, when that is more than `limit`; else None."""
    if text is None or len(text) * _MOST_BYTES_A_CHARACTER <= limit:
        return None
    size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
    return size if size > limit else None


def payload_error(what: str, size: int, limit: int) -> PayloadTooLarge:
    """What is said about `what`, which has `size` bytes as JSON."""
    return PayloadTooLarge(
        f"{what[:1].upper()}{what[1:]} has {size:,} bytes as JSON; at most {limit:,} are allowed "
        "(maxPayloadBytes in host.json). Keep large data in a blob or a file of your own, and "
        "pass its name."
    )


def _what(event: HistoryEvent) -> str:
    match event:
        case TaskScheduled():
            return f"the input of activity {event.name!r}"
        case SubOrchestrationCreated():
            return f"the input of orchestrator {event.name!r}"
        case EventSent():
            return f"what is sent to instance {event.instance_id!r}"
        case ExecutionCompleted(status=RuntimeStatus.CONTINUED_AS_NEW):
            return "the next input of the orchestrator"
        case ExecutionCompleted():
            return "the output of the orchestrator"
        case ExecutionStarted():
            return f"the input of orchestrator {event.name!r}"
        case _:
            return "the data of a decision"
