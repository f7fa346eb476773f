"""Instance, execution and entity ids, hub names: their rules, and ids derived from others."""

from __future__ import annotations

import unicodedata
import uuid
from dataclasses import dataclass

from durable.errors import BadConfig, InvalidName

MAX_INSTANCE_ID = 256
#: The original raises events over HTTP, in a request line of 8 KiB: nobody can have longer ones.
MAX_EVENT_NAME = 8192
MIN_HUB_NAME, MAX_HUB_NAME = 3, 45
MIN_PARTITIONS, MAX_PARTITIONS = 1, 16
_FORBIDDEN_IN_IDS = "/\\#?"
_HUB_NAME_IN_HOST_JSON = "host.json, extensions.durableTask.hubName"
_PARTITIONS_IN_HOST_JSON = "host.json, extensions.durableTask.storageProvider.partitionCount"

# Any fixed namespace will do; it must never change, or replays would derive other ids.
_DERIVED = uuid.UUID("6f5a1c52-9f0e-5d0b-9a9d-6c1f3f6f2c11")


def check_instance_id(instance_id: str) -> str:
    """`instance_id`, when an orchestration may be started under it.

    The rules are the Durable extension's (DurableClient.cs:StartNewAsync).

    Raises:
        InvalidName: with the rule it breaks.
    """
    shown = instance_id if len(instance_id) <= 64 else instance_id[:64] + "..."  # noqa: PLR2004
    if not instance_id:
        raise InvalidName("An instance id must not be empty.")
    if instance_id in {".", ".."}:
        raise InvalidName(
            f"Instance id {shown!r} must not be '.' or '..': its payloads' addresses would be "
            "resolved as paths."
        )
    if instance_id.startswith("@"):
        raise InvalidName(
            f"Instance id {shown!r} must not start with '@': such ids belong to entities."
        )
    if len(instance_id) > MAX_INSTANCE_ID:
        raise InvalidName(
            f"Instance id {shown!r} has {len(instance_id)} characters; "
            f"at most {MAX_INSTANCE_ID} are allowed."
        )
    _check_characters(instance_id, f"Instance id {shown!r}")
    return instance_id


def check_event_name(name: object, what: str) -> str:
    """`name`, when an external event can have it; `what` is who says so ("raise_event").

    Raises:
        InvalidName: with the rule it breaks.
    """
    if not isinstance(name, str) or not name:
        raise InvalidName(f"{what} takes the name of an event: a text that is not empty.")
    if len(name) > MAX_EVENT_NAME:
        raise InvalidName(
            f"The event name {name[:64] + '...'!r} that {what} was given has {len(name)} "
            f"characters; at most {MAX_EVENT_NAME} are allowed. What the event says belongs in "
            "its data."
        )
    return name


def check_hub_name(name: str, where: str = _HUB_NAME_IN_HOST_JSON) -> str:
    """`name`, when queues, tables and containers can be named after it; `where` it was set.

    Raises:
        BadConfig: with the rule it breaks.
    """
    fits = MIN_HUB_NAME <= len(name) <= MAX_HUB_NAME
    if not (fits and name.isascii() and name.isalnum() and name[0].isalpha()):
        raise BadConfig(
            f"Hub name {name!r} is not valid: {MIN_HUB_NAME} to {MAX_HUB_NAME} ASCII letters and "
            f"digits, the first one a letter ({where})."
        )
    return name


def check_partition_count(count: int, where: str = _PARTITIONS_IN_HOST_JSON) -> int:
    """`count`, when a hub may have so many control queues; `where` it was set.

    Raises:
        BadConfig: with the rule it breaks.
    """
    if not MIN_PARTITIONS <= count <= MAX_PARTITIONS:
        raise BadConfig(
            f"partitionCount is {count}; it must be {MIN_PARTITIONS} to {MAX_PARTITIONS} ({where})."
        )
    return count


def child_execution_id(parent_execution_id: str, task_id: int, *, rewound: int = 0) -> str:
    """The execution id of a child: the same however often its parent starts it (R7).

    `rewound` tells apart what a rewind made the parent decide anew under the same number.
    """
    return _derived(f"child:{parent_execution_id}:{task_id}{_anew(rewound)}").hex


def next_execution_id(execution_id: str) -> str:
    """The execution id after continue-as-new: the same for whoever finishes the hand-over."""
    return _derived(f"next:{execution_id}").hex


def child_instance_id(parent_execution_id: str, task_id: int) -> str:
    """A child's default instance id, as the framework forms it."""
    return f"{parent_execution_id}:{task_id}"


def sent_identity(execution_id: str, task_id: int, *, rewound: int = 0) -> str:
    """The identity of an event that an orchestration sends (R7)."""
    return f"s:{execution_id}{_anew(rewound)}:{task_id}"


def carried_identity(old_execution_id: str, identity: str) -> str:
    """The identity of a carried event that is sent on to the instance itself (R1)."""
    return f"o:{_derived(f'over:{old_execution_id}:{identity}').hex}"


def derived_activity_id(seed: str) -> str:
    """A message's ActivityId (GUID, ``D`` form) that is the same each time it is derived."""
    return str(_derived(f"message:{seed}"))


def request_id(execution_id: str, number: int, *, rewound: int = 0) -> str:
    """The id (GUID, ``D`` form) of what an execution asks an entity for: the same each time.

    The answer comes as an event of that name.
    """
    return str(_derived(f"request:{execution_id}:{number}{_anew(rewound)}"))


def _derived(name: str) -> uuid.UUID:
    """Of what a damaged message names, too: a lone surrogate has no UTF-8."""
    return uuid.uuid5(_DERIVED, name.encode(errors="backslashreplace").decode())


def is_entity_id(instance_id: str) -> bool:
    """Entities live under ids of the form ``@name@key``."""
    return instance_id.startswith("@")


@dataclass(frozen=True, slots=True)
class EntityId:
    """An entity's address. `name` is lower-cased, as the extension does.

    Raises:
        InvalidName: `name` or `key` is empty (azure-functions-durable 1.7 raises ValueError).
    """

    name: str
    key: str

    def __post_init__(self) -> None:
        if not self.name:
            raise InvalidName("An entity's name must not be empty.")
        if not self.key:
            raise InvalidName("An entity's key must not be empty.")
        object.__setattr__(self, "name", self.name.lower())

    def __str__(self) -> str:
        return f"@{self.name}@{self.key}"

    @staticmethod
    def get_scheduler_id(entity_id: EntityId) -> str:
        """The instance id an entity lives under: ``@name@key``."""
        return str(entity_id)

    @staticmethod
    def get_entity_id(scheduler_id: str) -> EntityId:
        """The entity that lives under an instance id. The key may hold ``@``.

        Raises:
            InvalidName: it is no entity's instance id.
        """
        name, found, key = scheduler_id[1:].partition("@")
        if not (is_entity_id(scheduler_id) and found):
            raise InvalidName(
                f"{scheduler_id!r} is no entity's instance id: those are like '@name@key'."
            )
        return EntityId(name, key)

    @staticmethod
    def get_entity_id_url_path(entity_id: EntityId) -> str:
        """Where an entity is in the management API: ``entities/name/key``."""
        return f"entities/{entity_id.name}/{entity_id.key}"


def check_entity_id(entity: EntityId) -> EntityId:
    """`entity`, when it can be signalled, called or locked.

    The original checks nothing; the rules are those of other instances' ids, which storage, the
    payloads' addresses and the management API's links can all hold.

    Raises:
        InvalidName: with the rule it breaks.
    """
    text = str(entity)
    shown = text if len(text) <= 64 else text[:64] + "..."  # noqa: PLR2004
    if "@" in entity.name:
        raise InvalidName(f"Entity name {entity.name!r} must not contain '@': it ends the name.")
    if len(text) > MAX_INSTANCE_ID:
        raise InvalidName(
            f"Entity id {shown!r} has {len(text)} characters; at most {MAX_INSTANCE_ID} are "
            "allowed for '@name@key' as a whole."
        )
    _check_characters(text, f"Entity id {shown!r}")
    return entity


def _check_characters(text: str, what: str) -> None:
    for character in text:
        if character in _FORBIDDEN_IN_IDS or unicodedata.category(character) in {"Cc", "Cs"}:
            raise InvalidName(
                f"{what} contains {character!r}: "
                r"'/', '\', '#', '?' and control characters are not allowed."
            )


def _anew(rewound: int) -> str:
    """The stretch whose decision a rewind took back; nothing when there is none."""
    return f":{rewound}" if rewound else ""
