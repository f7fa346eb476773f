"""What an orchestrator does with entities: call them, signal them, lock them."""

# ruff: noqa: N803 - the names of parameters are 1.7's

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import partial
from typing import Any

from durable.authoring.definitions import FunctionKind
from durable.authoring.moments import in_utc
from durable.authoring.registry import Registry
from durable.engine.critical_section import lock_order
from durable.engine.entity_tasks import CallEntityTask, LockEntitiesTask
from durable.engine.replay import Orchestration
from durable.engine.task_base import FinishedTask, TaskBase
from durable.errors import InvalidName, UsageError
from durable.model.ids import EntityId, check_entity_id
from durable.wire import payloads


class EntityCalls:
    """What an orchestration context offers for entities."""

    _execution: Orchestration
    _registry: Registry

    def call_entity(
        self,
        entityId: EntityId,
        operationName: str,
        operationInput: Any = None,
        expected_type: Any = None,
    ) -> TaskBase:
        """Run an operation of an entity; done with its result.

        Raises:
            UnknownFunction: no entity has that name.
            InvalidName: the entity's id or the operation's name breaks a rule.
            NotSerializable: the input is not JSON.
            LockingRulesViolation: inside a critical section, the entity isn't locked, or is busy.
        """
        entity = self._entity(entityId, "call_entity")
        op = _operation(operationName, "call_entity")
        text = _input(entity, op, operationInput)
        traffic = self._execution.traffic
        traffic.check_call(entity)
        known = self._registry.known_types
        decode = partial(payloads.decode, expected=expected_type, known=known)
        return CallEntityTask(traffic, entity, op, text, decode)

    def signal_entity(
        self,
        entityId: EntityId,
        operationName: str,
        operationInput: Any = None,
        *,
        scheduled_time: datetime | None = None,
    ) -> TaskBase:
        """Have an entity run an operation, and don't wait for it.

        It is sent whether or not what this returns is yielded; that is done at once.

        Args:
            entityId: the entity.
            operationName: the operation.
            operationInput: a JSON value.
            scheduled_time: when to run it; without a time zone that is UTC. Scheduled signals are
                in no order with others.

        Raises:
            UnknownFunction: no entity has that name.
            InvalidName: the entity's id or the operation's name breaks a rule.
            NotSerializable: the input is not JSON.
            LockingRulesViolation: a critical section locks the entity.
        """
        entity = self._entity(entityId, "signal_entity")
        op = _operation(operationName, "signal_entity")
        text = _input(entity, op, operationInput)
        due = None if scheduled_time is None else in_utc(scheduled_time, "scheduled_time")
        self._execution.traffic.signal(entity, op, text, due)
        return FinishedTask()

    def lock_entities(self, entities: Iterable[EntityId]) -> LockEntitiesTask:
        """Lock entities for a critical section; done once all are locked, with an `EntityLock`.

        ``with (yield context.lock_entities([a, b])):``, in an ``async def`` orchestrator ``async
        with context.lock_entities([a, b]):``. Leaving the block releases them, as does any other
        end. Inside only the locked entities can be called, one call to each at a time; they can't
        be signalled, and neither a child nor a second critical section can be started.

        Raises:
            UnknownFunction: no entity has that name.
            InvalidName: an entity's id breaks a rule.
            LockingRulesViolation: there is a critical section already, or nothing to lock.
        """
        given: object = entities
        if isinstance(given, str) or not isinstance(given, Iterable):
            raise UsageError(
                f"lock_entities takes a list of EntityId, not a {type(given).__name__}."
            )
        wanted = lock_order(self._entity(each, "lock_entities") for each in given)
        traffic = self._execution.traffic
        traffic.check_lock(wanted)
        return LockEntitiesTask(traffic, wanted)

    #: The same, shorter.
    lock = lock_entities

    @property
    def is_locked(self) -> bool:
        """The code is in a critical section: it holds locks."""
        return self._execution.traffic.section.is_held

    @property
    def locked_entities(self) -> list[EntityId]:
        """What the critical section has locked, in order; nothing outside one."""
        section = self._execution.traffic.section
        return list(section.entities) if section.is_held else []

    def _entity(self, entity: object, method: str) -> EntityId:
        if not isinstance(entity, EntityId):
            raise UsageError(
                f"{method} takes the entity as EntityId('name', 'key'), not as "
                f"{type(entity).__name__}."
            )
        check_entity_id(entity)
        if self._registry.find_entity(entity.name) is None:
            raise self._registry.unknown(FunctionKind.ENTITY, entity.name)
        return entity


def _operation(name: object, method: str) -> str:
    if not isinstance(name, str) or not name:
        raise InvalidName(f"{method} takes the name of an operation: a text that is not empty.")
    return name


def _input(entity: EntityId, op: str, value: object) -> str | None:
    if value is None:
        return None
    return payloads.encode_input(value, what=f"the input of operation {op!r} of entity {entity}")
