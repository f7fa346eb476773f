"""A queue message, understood: an event on its way to an instance or to an activity worker."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from durable.model.events import HistoryEvent, InstanceRef


class Cause(enum.StrEnum):
    """What a deferred message waits for."""

    INSTANCE = "instance"
    CODE = "code"
    VERSION = "version"


@dataclass(frozen=True, kw_only=True, slots=True)
class Extras:
    """What our messages carry beyond the original's, in one extra property that it ignores.

    Attributes:
        mark: the message was sent by durable (R6: a marked start that no row names is stale).
        identity: made by the raiser before the first put; survives deferral (R7).
        failures: how often the engine failed on it (not deliveries; commit.md, "Deferring").
        since: when it was first deferred for `cause`.
        cause: what it waits for since then.
        line: the execution that began the instance its sender means (R5); nothing of a later start
            under the same id is meant. None: whichever is there.
    """

    mark: bool = False
    identity: str | None = None
    failures: int = 0
    since: datetime | None = None
    cause: Cause | None = None
    line: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskMessage:
    """An event addressed to an instance, with its sender.

    Attributes:
        event: what happened, or for the work-item queue a `TaskScheduled`.
        target: the instance; its execution_id is None for "whichever is current".
        context_tags: the sender's tags (OrchestrationExecutionContext); None when there is none.
        sender: who sent it; both texts empty for a client; None is read from odd messages.
        episode: which of the sender's episodes sent it; None for clients.
        activity_id: a GUID in ``D`` form, new for every message; names its blob when it is large.
        sequence_number: the sender's counter; orders messages of one second.
        trace_context: the original's legacy correlation text; passed on, never used.
        blob_name: the blob it was read from, when only a pointer was in the queue.
        extras: ours.
    """

    event: HistoryEvent
    target: InstanceRef
    activity_id: str
    sender: InstanceRef | None = None
    sequence_number: int = 0
    episode: int | None = None
    context_tags: Mapping[str, str] | None = None
    trace_context: str | None = None
    blob_name: str | None = None
    extras: Extras = field(default_factory=Extras)


@dataclass(frozen=True, kw_only=True, slots=True)
class Outbound:
    """A message a turn decided to send. `due` is when it may be seen, None for at once.

    `to_workers` sends it to the work-item queue instead of the target's control queue.
    """

    message: TaskMessage
    to_workers: bool = False
    due: datetime | None = None
