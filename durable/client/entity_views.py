"""What is told about entities, in the names of azure-functions-durable 1.7 and of durabletask."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from durable.client.json_text import embedded
from durable.errors import UsageError
from durable.model.ids import EntityId
from durable.wire.payloads import Known, decode


class EntityStateResponse:
    """Whether an entity exists, and its state."""

    def __init__(self, entity_exists: bool, entity_state: Any = None) -> None:
        self._entity_exists = entity_exists
        self._entity_state = entity_state

    def __repr__(self) -> str:
        # Without the state: representations end up in logs.
        return f"<EntityStateResponse exists={self._entity_exists}>"

    @property
    def entity_exists(self) -> bool:
        """Whether there is such an entity: it has a state, and was not deleted."""
        return self._entity_exists

    @property
    def entity_state(self) -> Any:
        """Its state, decoded; None when it doesn't exist."""
        return self._entity_state


@dataclass(frozen=True, kw_only=True, slots=True)
class EntityMetadata:
    """One entity as it was when asked.

    Attributes:
        name, key: its name, in lower case, and its key. Only .NET makes keys that are empty.
        exists: false for one that was deleted, or only locked or signalled yet.
        last_modified: when its last operations ended; UTC.
        backlog_queue_size: how many operations wait for a lock's release, or for their turn.
        locked_by: the instance that holds its lock; None when it isn't locked.
        includes_state: whether the state was asked for.
    """

    name: str
    key: str
    exists: bool
    last_modified: datetime | None
    backlog_queue_size: int = 0
    locked_by: str | None = None
    includes_state: bool = False
    state_text: str | None = field(default=None, repr=False)
    known: Known = field(default_factory=dict, repr=False, compare=False)

    @property
    def id(self) -> EntityId:
        """What to call and signal it by.

        Raises:
            InvalidName: its key is empty.
        """
        return EntityId(self.name, self.key)

    def get_state(self, expected_type: Any = None) -> Any:
        """Its state, decoded and made into `expected_type`; None when it doesn't exist.

        Raises:
            UsageError: the state was not asked for.
            TypeError: it is of another type; names where.
            ValueError: it is nothing that can be made into that type; names where.
        """
        if not self.includes_state:
            raise UsageError(
                f"The state of entity @{self.name}@{self.key} was not asked for: "
                "include_state=False."
            )
        return state_value(self.state_text, expected_type, self.known)


@dataclass(frozen=True, kw_only=True, slots=True)
class EntityPage:
    """Some entities, and what to ask for the next ones with (None: there are none)."""

    entities: list[EntityMetadata]
    continuation_token: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class CleanEntityStorageResult:
    """How many entities with nothing to remember were removed, and orphaned locks released."""

    empty_entities_removed: int
    orphaned_locks_released: int


def state_value(text: str | None, expected: object, known: Known) -> object:
    """A stored state as a value; a text that isn't JSON is a string."""
    return None if text is None else decode(embedded(text), expected, known=known)
