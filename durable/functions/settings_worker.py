"""The settings of ``extensions.durableTask`` that only a worker reads, and its reading of them.

Under the Functions host they have no effect: the host takes the messages, by rules of its own.
"""

from __future__ import annotations

from durable.functions.setting import Kind, Setting

_HOST_POLLS = (
    "only a worker (python -m durable worker) reads it; the Functions host takes the messages: see "
    "extensions.queues.{} of host.json"
)
_HOST_LEASE = (
    "only a worker (python -m durable worker) reads it; the Functions host takes messages with a "
    "lease of ten minutes, which ownLeaseSeconds shortens"
)
_STORAGE = "storageProvider"
_OLD_PLACE = f"The old place of `{_STORAGE}.{{}}`."


def _number(name: str, default: int, high: int, does: str, because: str) -> tuple[Setting, ...]:
    return (
        Setting(
            path=f"{_STORAGE}.{name}",
            kind=Kind.INTEGER,
            default=default,
            low=1,
            high=high,
            does=does,
            because=because,
            worker_only=True,
        ),
    )


def _span(
    name: str, default: str, low: int, high: int, does: str, because: str
) -> tuple[Setting, ...]:
    """A span of time, and its place of version 1."""
    return (
        Setting(
            path=f"{_STORAGE}.{name}",
            kind=Kind.SPAN,
            default=default,
            low=low,
            high=high,
            does=does,
            because=because,
            worker_only=True,
        ),
        Setting(
            path=name,
            kind=Kind.SPAN,
            default=default,
            low=low,
            high=high,
            does=_OLD_PLACE.format(name),
            because=because,
            shown="-",
            worker_only=True,
        ),
    )


#: In the order of the documentation.
WORKER: tuple[Setting, ...] = (
    *_span(
        "maxQueuePollingInterval",
        "00:00:12",
        0,
        86_400,
        "The longest wait between two looks at an empty queue; at least 50 ms.",
        _HOST_POLLS.format("maxPollingInterval"),
    ),
    *_number(
        "controlQueueBatchSize",
        32,
        32,
        "Messages fetched at once from a control queue.",
        _HOST_POLLS.format("batchSize"),
    ),
    Setting(
        path="controlQueueBatchSize",
        kind=Kind.INTEGER,
        low=1,
        high=32,
        does=_OLD_PLACE.format("controlQueueBatchSize"),
        because=_HOST_POLLS.format("batchSize"),
        worker_only=True,
    ),
    *_number(
        "controlQueueBufferThreshold",
        256,
        1000,
        "Control messages in flight in a process; with as many, it fetches no more.",
        _HOST_POLLS.format("newBatchThreshold"),
    ),
    *_span(
        "controlQueueVisibilityTimeout",
        "00:00:30",
        10,
        3600,
        "The lease of a control message, renewed at half time. After a process died its messages "
        "come back when it ends.",
        _HOST_LEASE,
    ),
    *_span(
        "workItemQueueVisibilityTimeout",
        "00:00:30",
        10,
        3600,
        "The same for the messages of activities.",
        _HOST_LEASE,
    ),
)
