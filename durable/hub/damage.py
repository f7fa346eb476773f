"""Errors about damaged data name the instance whose data they are: that is what can be repaired."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from durable.errors import CorruptRecord, InvalidName, TooLarge


@contextmanager
def damage_told_of(instance_id: str, what: str, *, operation: str, resource: str) -> Iterator[None]:
    """Whatever can't be understood in here is a CorruptRecord that names the instance.

    `what` says what is read: "The history". An InvalidName is one, too, where stored data name
    what can't exist; a payload over the limit stays a TooLarge.
    """

    def told(error: Exception) -> str:
        text = str(error)
        if repr(instance_id) in text:
            return text
        return f"{what} of instance {instance_id!r} can't be understood: {text}"

    try:
        yield
    except (CorruptRecord, InvalidName) as error:
        raise CorruptRecord(told(error), operation=operation, resource=resource) from error
    except TooLarge as error:
        raise TooLarge(told(error), operation=operation, resource=resource) from error
