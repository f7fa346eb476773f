"""How a worker reads its queues. Frozen, units in the names."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerSettings:
    """One worker's settings; workers of one hub may differ.

    Attributes:
        control_batch: messages fetched at once from a control queue.
        control_limit: control messages in flight; with as many, nothing more is fetched, and
            nothing is handed over in memory.
        work_item_batch: activities fetched at once, never more than may run.
        control_lease_seconds, work_item_lease_seconds: the lease of a message, renewed at half
            time; so long after a process died its messages come back. With the time that it takes
            to claim its control queues, and the longest wait, that is within a minute.
        longest_wait_seconds: between two looks at an empty queue.
        sweep_seconds: between two sweeps.
        drain_seconds: what is in flight when the worker stops may take so long.
    """

    control_batch: int = 32
    control_limit: int = 256
    work_item_batch: int = 16
    control_lease_seconds: int = 30
    work_item_lease_seconds: int = 30
    longest_wait_seconds: float = 12.0
    sweep_seconds: float = 60.0
    drain_seconds: float = 30.0
