"""Instances that nothing can be done for: left alone for a while, ever longer.

One whose history can't be read, whose replay breaks, or whose commits are all lost, costs a load
or many with each attempt. So its messages wait for a time that doubles, and others have the
process. Each process remembers that for itself; messages carry what they themselves have waited.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from durable.clock import Clock
from durable.errors import (
    Conflict,
    NonDeterminismError,
    PreconditionFailed,
    Throttled,
    Unavailable,
    UnknownFunction,
    VersionMismatch,
)
from durable.runtime.delivery import InstanceUnusable
from durable.runtime.repeats import Repeats

#: What the user's code, or the lack of it, can do to a turn.
CODE_TROUBLE = (NonDeterminismError, UnknownFunction, VersionMismatch)

#: The pauses, and of how many instances they are remembered.
_FIRST_SECONDS, _LONGEST_SECONDS, _REMEMBERED = 1.0, 60.0, 10_000
#: Lost races and fresh looks in one turn before its messages are put off, and after that.
_TRIES, _FEWER_TRIES = 60, 8


class Troubles:
    """What one process knows of instances in trouble."""

    def __init__(self, clock: Clock) -> None:
        self._pauses = Repeats(
            clock,
            first_seconds=_FIRST_SECONDS,
            longest_seconds=_LONGEST_SECONDS,
            remembered=_REMEMBERED,
        )

    def tries(self, instance_id: str) -> int:
        """How many attempts one turn may make."""
        return _FEWER_TRIES if instance_id in self._pauses else _TRIES

    def note(self, instance_id: str) -> float:
        """A turn came to nothing; for how many seconds its instance is left alone."""
        self._pauses.note(instance_id)
        return self._pauses.left(instance_id)

    def left(self, instance_id: str) -> float:
        """For how many seconds more the instance is left alone."""
        return self._pauses.left(instance_id)

    def forget(self, instance_id: str) -> None:
        """A turn went through."""
        self._pauses.forget(instance_id)


@contextlib.contextmanager
def blaming_the_instance() -> Iterator[None]:
    """What fails in here, but for storage and the user's code, no message is to blame for.

    Raises:
        InstanceUnusable: something did.
    """
    try:
        yield
    except (*CODE_TROUBLE, Conflict, PreconditionFailed, Throttled, Unavailable):
        raise
    except Exception as error:
        raise InstanceUnusable(error) from error
