"""What may go wrong in a simulated run, and how often."""

from __future__ import annotations

import enum
import random
from collections.abc import Mapping
from dataclasses import dataclass, field


class Crash(BaseException):
    """The process is gone: nothing it does after this reaches storage."""


class Fault(enum.Enum):
    """What befalls one storage call, or the process that makes it."""

    CRASH_BEFORE = "crash before"
    CRASH_AFTER = "crash after"
    #: Of a put, a second message.
    ASKED_TWICE = "the answer is lost, and the adapter asks again"
    ANSWER_LOST = "it took effect, and the caller sees an error"
    UNAVAILABLE = "it never arrived, and the caller sees an error"
    THROTTLED = "the service refuses it, and all that comes in the next seconds (503)"
    LATE = "it arrives late, leases are over by then"
    ANSWER_LATE = "it takes effect, and its answer comes when leases are over"
    PAUSED = "its whole process stands still, and wakes up when its leases are over"


#: Those that need no time.
SUDDEN = (
    Fault.CRASH_BEFORE,
    Fault.CRASH_AFTER,
    Fault.ASKED_TWICE,
    Fault.ANSWER_LOST,
    Fault.UNAVAILABLE,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Faults:
    """What goes wrong in a run.

    Attributes:
        rate: the chance that a fault strikes a storage call.
        limit: how many strike at most.
        kinds: which of them.
        at: those that strike for certain, by the number of the call (over all processes).
        latency: a call takes up to so many seconds.
        reorder: a queue message becomes visible up to so many seconds later than asked.
        skew: each process's wall clock is wrong by up to so many seconds.
        clients: whether they strike the clients' calls, too, not those of processes alone.
    """

    rate: float = 0.0
    limit: int = 0
    kinds: tuple[Fault, ...] = tuple(Fault)
    at: Mapping[int, Fault] = field(default_factory=dict)
    latency: float = 0.0
    reorder: float = 0.0
    skew: float = 0.0
    clients: bool = False

    @classmethod
    def of_seed(cls, seed: int, *, clients: bool = False) -> Faults:
        """Some mix of them, another one for each seed: few or many, of one kind or of all."""
        dice = random.Random(f"faults of {seed}")
        kinds = tuple(Fault)
        if dice.choice([True, False]):
            kinds = tuple(dice.sample(kinds, dice.randint(1, 4)))
        return cls(
            rate=dice.choice([0.005, 0.02, 0.08]),
            limit=dice.choice([2, 5, 20]),
            kinds=kinds,
            latency=dice.choice([0.0, 0.02, 0.2]),
            reorder=dice.choice([0.0, 0.0, 0.5, 8.0]),
            skew=dice.choice([0.0, 0.0, 2.0, 20.0]),
            clients=clients,
        )


#: Nothing does.
NO_FAULTS = Faults()
