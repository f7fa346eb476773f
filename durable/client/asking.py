"""What callers pass to a client, checked at the call: each error names the parameter.

Annotations promise nothing at run time, and a wrong value that gets into storage is found by
somebody else, later.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, datetime

from durable.client.status import OrchestrationRuntimeStatus
from durable.errors import InvalidName, UsageError
from durable.hub.instances import can_exist
from durable.model.ids import EntityId, check_entity_id
from durable.model.status import RuntimeStatus

_SHOWN = 64


def instance(instance_id: object, name: str = "instance_id") -> str:
    """An id that an instance may have, entities and those of other SDKs included.

    Raises:
        InvalidName: no text, or none that storage could hold.
    """
    known = required(instance_id, name)
    if not can_exist(known):
        raise InvalidName(
            f"{name} {known[:_SHOWN]!r}... has {len(known)} characters: too long for storage, so "
            "no instance has it."
        )
    if any("\ud800" <= each <= "\udfff" for each in known):
        raise InvalidName(f"{name} {known[:_SHOWN]!r} holds half of a surrogate pair.")
    return known


def required(value: object, name: str) -> str:
    """A text that is not empty.

    Raises:
        InvalidName: it is empty or no text.
    """
    if value is None or value == "":
        raise InvalidName(f"{name} must not be empty.")
    if not isinstance(value, str):
        raise InvalidName(f"{name} must be a text, not {_kind(value)}.")
    return value


def entity(entity_id: object, name: str = "entityId") -> EntityId:
    """An entity that can be sent something.

    Raises:
        InvalidName: no `EntityId`, or one that storage or the engine could not hold.
    """
    return check_entity_id(_entity_id(entity_id, name))


def known_entity(entity_id: object, name: str = "entityId") -> str:
    """The instance id of an entity that may be there, those of other SDKs included.

    Raises:
        InvalidName: no `EntityId`, or no entity has it.
    """
    found = _entity_id(entity_id, name)
    entity_name(found.name, name)
    return instance(str(found), name)


def entity_name(value: object, name: str) -> str | None:
    """An entity's name or None.

    Raises:
        InvalidName: no text, or no entity has it.
    """
    text = optional(value, name)
    if text is not None and (not text or "@" in text):
        raise InvalidName(f"{name} names no entity: a name is not empty and has no '@'.")
    return text


def optional(value: object, name: str) -> str | None:
    """A text or None.

    Raises:
        InvalidName: something else.
    """
    if value is not None and not isinstance(value, str):
        raise InvalidName(f"{name} must be a text or None, not {_kind(value)}.")
    return value


def moment(value: object, name: str) -> datetime | None:
    """A time in UTC; a naive one is UTC already, as in azure-functions-durable.

    Raises:
        UsageError: it is no datetime.
        InvalidName: it is out of range in UTC.
    """
    if value is None:
        return None
    if not isinstance(value, datetime):
        raise UsageError(f"{name} must be a datetime or None, not {_kind(value)}.")
    if value.tzinfo is None:
        return value.replace(tzinfo=UTC)
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise InvalidName(f"{name} is out of range: {value.isoformat()} has no UTC time.") from None


def statuses(asked: object, name: str = "runtime_status") -> tuple[RuntimeStatus, ...]:
    """A user's statuses as the hub's; none of them when None.

    Raises:
        UsageError: not a list of statuses.
    """
    if asked is None:
        return ()
    rule = f"{name} must be a list of OrchestrationRuntimeStatus"
    if isinstance(asked, str | OrchestrationRuntimeStatus) or not isinstance(asked, Iterable):
        raise UsageError(f"{rule}, not {_kind(asked)}: write [OrchestrationRuntimeStatus.Failed].")
    found = []
    for status in asked:
        if not isinstance(status, OrchestrationRuntimeStatus):
            raise UsageError(f"{rule}; {_kind(status)} is in it.")
        found.append(RuntimeStatus(status.value))
    return tuple(found)


def page_size(value: object, name: str) -> int:
    """How much of a list is wanted at once.

    Raises:
        UsageError: no whole number, or less than 1.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise UsageError(f"{name} must be a whole number, not {_kind(value)}.")
    if value < 1:
        raise UsageError(f"{name} is {value}; it must be 1 or more.")
    return value


def span(value: object, name: str) -> float:
    """A time span that one can wait, in the unit of the parameter.

    Raises:
        UsageError: no number, negative, or no finite one.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UsageError(f"{name} must be a number, not {_kind(value)}.")
    if value < 0 or not math.isfinite(value):
        raise UsageError(f"{name} is {value}; it must be a finite number, 0 or more.")
    return value


def _entity_id(value: object, name: str) -> EntityId:
    if not isinstance(value, EntityId):
        raise InvalidName(
            f"{name} must be an EntityId, not {_kind(value)}: write df.EntityId('name', 'key')."
        )
    return value


def _kind(value: object) -> str:
    """What a wrong value is. Not the value itself: it may be a payload."""
    return f"a {type(value).__name__}"
