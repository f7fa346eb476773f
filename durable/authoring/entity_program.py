"""An entity's function or class as the engine runs it: one operation, state text in and out."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import Executor
from dataclasses import replace
from datetime import datetime
from typing import Any

from durable.authoring.definitions import EntityDefinition
from durable.authoring.entity_class import DELETE, EntityClass, entity_class
from durable.authoring.entity_context import DurableEntityContext, acting
from durable.authoring.entity_methods import EntityMethod
from durable.authoring.entity_operation import EntityOperation
from durable.authoring.registry import Registry
from durable.authoring.threads import in_thread
from durable.clock import Clock
from durable.engine.failures import details_of
from durable.errors import NotSerializable
from durable.model.entities import OperationRequest, OperationResult
from durable.model.ids import EntityId

log = logging.getLogger("durable.entities")


class EntityProgram:
    """Runs operations of the entities of one name.

    Asynchronous code runs on the loop, synchronous code in one of `threads`.
    """

    def __init__(
        self, definition: EntityDefinition, registry: Registry, *, threads: Executor, clock: Clock
    ) -> None:
        self._definition = definition
        self._registry = registry
        self._threads = threads
        self._clock = clock
        function = definition.function
        self._class = entity_class(function) if isinstance(function, type) else None

    async def run(
        self, request: OperationRequest, state: str | None, *, entity: EntityId, now: datetime
    ) -> OperationResult:
        """Run one operation. Whatever the user's code raises is its result.

        Args:
            request: the operation; no lock request.
            state: what the operation before it left, JSON text; None for nothing.
            entity: whose operation it is.
            now: the time of the turn.
        """
        operation = EntityOperation(
            entity=entity,
            request=request,
            state=state,
            now=now,
            registry=self._registry,
            new_id=self._clock.new_id,
            kept_by=None if self._class is None else self._class.name,
        )
        try:
            result = await self.attempt(operation)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise  # this process lets go; somebody else will run it
            return _failed(operation, error, state)  # raised by the user's code
        except (Exception, SystemExit, GeneratorExit) as error:  # noqa: BLE001
            # The user's code failed, in whatever way: that is the operation's result.
            return _failed(operation, error, state)
        return OperationResult(
            state=operation.state, result=result, effects=tuple(operation.effects)
        )

    async def attempt(self, operation: EntityOperation) -> str | None:
        """Let the user's code do an operation, and raise what it raises; the result's text."""
        try:
            if self._class is None:
                return await self._run_function(operation)
            return await self._run_method(self._class, operation)
        finally:
            operation.is_over = True

    async def _run_function(self, operation: EntityOperation) -> str | None:
        context = DurableEntityContext(operation)
        if self._definition.is_async:
            returned: object = await self._definition.function(context)
        else:
            returned = await in_thread(
                self._threads,
                lambda: self._definition.function(context),
                what=f"Entity {self._definition.name!r}",
            )
        return operation.encode_result(returned)

    async def _run_method(self, kind: EntityClass, operation: EntityOperation) -> str | None:
        method = kind.find(operation.name)
        if method is None:
            if operation.name.lower() != DELETE:
                raise kind.unknown(operation.name, str(operation.entity))
            operation.delete()
            return None
        call = _Call(kind, method, operation)
        if not method.is_async:
            text: str | None = await in_thread(self._threads, call.run, what=call.name)
            return text
        with acting(call.context):
            call.begin()
            return call.end(await call.perform())


class _Call:
    """A method's call on the object that the state makes."""

    def __init__(self, kind: EntityClass, method: EntityMethod, operation: EntityOperation) -> None:
        self._kind = kind
        self._method = method
        self._operation = operation
        self._known = operation.registry.known_types
        self._target: object = None
        self._arguments: tuple[object, ...] = ()
        self.context = DurableEntityContext(operation)

    @property
    def name(self) -> str:
        return f"{self._kind.name}.{self._method.name}"

    def run(self) -> str | None:
        """Do all of it, where nothing is to be awaited."""
        with acting(self.context):
            self.begin()
            return self.end(self.perform())

    def begin(self) -> None:
        """Make the object, and what the method is called with."""
        self._arguments = self._read_input()
        state = self._operation.state
        try:
            self._target = self._kind.restore(state, self._known)
        except (TypeError, ValueError) as error:
            if state is None:
                raise  # its own __init__
            raise _told(
                error,
                f"The state of entity {str(self._operation.entity)!r} cannot be read as "
                f"{self._kind.name}; let the class read what is stored, or signal {DELETE!r}",
            ) from error

    def perform(self) -> Any:
        """Call the method; a coroutine when it is asynchronous."""
        return self._method.call(self._target, self._arguments)

    def end(self, returned: object) -> str | None:
        """Leave the object's state; the result's text."""
        operation = self._operation
        result = operation.encode_result(returned)
        if not operation.is_deleted:
            operation.state = self._left()
        return result

    def _read_input(self) -> tuple[object, ...]:
        method = self._method
        try:
            given = None
            if method.parameter is not None:
                given = self._operation.decode_input(method.input_type)
            return method.arguments(given)
        except (TypeError, ValueError) as error:
            raise _told(
                error,
                f"The input of {self._operation} does not fit {self.name}({method.parameter})",
            ) from error

    def _left(self) -> str:
        what = f"the state that {self._operation} leaves"
        text = self._kind.state_of(self._target, what)
        if text == self._operation.state:
            return text
        try:
            self._kind.check(text, self._known)
        except (TypeError, ValueError) as error:
            # It would be the last operation this entity ever did.
            raise NotSerializable(
                f"T{what[1:]} could not be read as {self._kind.name} again, so it was not stored: "
                f"{error} Correct the annotation, or what the operation sets."
            ) from error
        return text


def _told(error: TypeError | ValueError, what: str) -> TypeError | ValueError:
    kind = TypeError if isinstance(error, TypeError) else ValueError
    return kind(f"{what}. {error}")


def _failed(operation: EntityOperation, error: BaseException, state: str | None) -> OperationResult:
    failure = details_of(error)
    if isinstance(error, NotSerializable):
        failure = replace(failure, is_non_retriable=True)
    # Its text alone: a record keeps its arguments, and an operation holds input and state.
    what = str(operation)
    if operation.request.is_signal:
        # Nobody waits for it: this is where it can be seen. The trace holds code, no values.
        log.warning(
            "%s failed with %s; it was a signal, its sender is not told\n%s",
            what,
            failure.error_type,
            failure.stack_trace or "",
        )
    else:
        log.info("%s failed with %s", what, failure.error_type)
    return OperationResult(state=state, failure=failure)
