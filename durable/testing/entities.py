"""One operation of an entity, without a task hub."""

from __future__ import annotations

import asyncio
import contextvars
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from durable.authoring.definitions import EntityDefinition, OrchestratorDefinition
from durable.authoring.entity_class import entity_class
from durable.authoring.entity_context import DurableEntityContext, acting
from durable.authoring.entity_operation import EntityOperation
from durable.authoring.entity_program import EntityProgram
from durable.authoring.registry import Registry
from durable.clock import SystemClock
from durable.model.entities import OperationRequest, OrchestrationStart, Signal
from durable.model.ids import EntityId
from durable.wire import payloads


@dataclass(frozen=True, kw_only=True, slots=True)
class EntityOutcome:
    """What an operation did.

    Attributes:
        result: what its caller gets.
        state: what it left: an object of the entity's class, or what an entity function set; None
            when the entity doesn't exist.
        effects: the signals it sent and the orchestrations it started, in order.
    """

    result: Any
    state: Any
    effects: tuple[Signal | OrchestrationStart, ...]


def execute_entity(
    entity: Any,
    operation: str,
    input_: Any = None,
    *,
    state: Any = None,
    key: str = "key",
    now: datetime | None = None,
) -> EntityOutcome:
    """Run one operation as a task hub would, and raise what it raises.

    Args:
        entity: the class, or the function, decorated or not.
        operation: the operation's name.
        input_: its input.
        state: what is there before it: an object of the class, or a JSON value; None for nothing.
        key: the entity's key.
        now: the time that its context tells.
    """
    function = getattr(entity, "user_function", entity)
    name = getattr(entity, "name", None) or getattr(function, "__name__", "entity")
    definition = EntityDefinition(name=str(name), function=function)
    registry = _AnyName()
    registry.add_entity(definition)
    clock = SystemClock()
    given = None if input_ is None else payloads.encode_input(input_, what="the input")
    run = EntityOperation(
        entity=EntityId(definition.name, key),
        request=OperationRequest(op=operation, id="test", input=given),
        state=_text(definition, state),
        now=now or clock.now(),
        registry=registry,
        new_id=clock.new_id,
        kept_by=definition.function.__name__ if definition.is_class else None,
    )
    with ThreadPoolExecutor(max_workers=1) as own, ThreadPoolExecutor(max_workers=1) as threads:
        program = EntityProgram(definition, registry, threads=threads, clock=clock)
        context = contextvars.copy_context()
        # A loop of its own, in a thread of its own: the test may be running on one.
        text = own.submit(context.run, asyncio.run, program.attempt(run)).result()
    return EntityOutcome(
        result=payloads.decode(text, known=registry.known_types),
        state=_value(definition, run),
        effects=tuple(run.effects),
    )


class _AnyName(Registry):
    """Everything that is signalled or started is known."""

    def entity(self, name_or_function: object) -> EntityDefinition:
        return EntityDefinition(name=str(name_or_function), function=execute_entity)

    def orchestrator(self, name_or_function: object) -> OrchestratorDefinition:
        named = getattr(name_or_function, "user_function", name_or_function)
        name = getattr(name_or_function, "name", getattr(named, "__name__", named))
        return OrchestratorDefinition(
            name=str(name), function=execute_entity, context_name="context"
        )


def _text(definition: EntityDefinition, state: object) -> str | None:
    if state is None:
        return None
    kind = definition.function
    if isinstance(kind, type) and isinstance(state, kind):
        return entity_class(kind).state_of(state, "the state")
    return payloads.encode(state, what="the state")


def _value(definition: EntityDefinition, run: EntityOperation) -> object:
    kind = definition.function
    if isinstance(kind, type) and run.state is not None:
        with acting(DurableEntityContext(run)):
            return entity_class(kind).restore(run.state, run.registry.known_types)
    return run.decode_state(None)
