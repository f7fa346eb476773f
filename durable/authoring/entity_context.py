"""What an entity's code is given. Names and parameters are azure-functions-durable's.

Beyond 1.7: `entity_id`, `current_utc_datetime`, `signal_entity` and `start_new_orchestration`; and
the base of classes that are entities.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import Any, NoReturn

from durable.authoring.entity_operation import EntityOperation
from durable.errors import UsageError
from durable.model.ids import EntityId


class DurableEntityContext:
    """One operation of an entity: what is asked for, and the state to do it on.

    What it changes counts when the operation returns. When it raises, the entity keeps the state
    it had, nothing is sent, and the caller gets the exception.
    """

    def __init__(self, operation: EntityOperation) -> None:
        self._operation = operation

    @classmethod
    def from_json(cls, json_str: str) -> NoReturn:  # noqa: ARG003 - the name is 1.7's
        """1.7's way to make a context of what the Durable extension sends.

        Raises:
            UsageError: always: nothing is sent here. It says what to do in a unit test.
        """
        raise UsageError(
            f"{cls.__name__}.from_json reads what the Durable extension sends, and there is none "
            "here. In a unit test run the operation with durable.testing.execute_entity, or pass "
            "the entity function unittest.mock.Mock(spec=df.DurableEntityContext)."
        )

    @property
    def entity_name(self) -> str:
        """The entity's name, in lower case."""
        return self._operation.entity.name

    @property
    def entity_key(self) -> str:
        """The entity's key."""
        return self._operation.entity.key

    @property
    def entity_id(self) -> EntityId:
        """The entity's name and key."""
        return self._operation.entity

    @property
    def operation_name(self) -> str:
        """The name of the operation to do, as the caller wrote it."""
        return self._operation.name

    @property
    def is_newly_constructed(self) -> bool:
        """The entity had no state when the operation began."""
        return self._operation.is_new

    @property
    def current_utc_datetime(self) -> datetime:
        """The time of the entity's turn; operations that run in one turn share it."""
        return self._operation.now

    def get_input(self, expected_type: Any = None) -> Any:
        """The operation's input, as `expected_type`; None when there is none.

        Raises:
            ValueError: it cannot be made into that.
            TypeError: it is of another type.
        """
        return self._operation.decode_input(expected_type)

    def get_state(
        self, initializer: Callable[[], Any] | None = None, expected_type: Any = None
    ) -> Any:
        """The state, as `expected_type`; what `initializer` returns when there is none.

        It is a copy: a change counts when `set_state` says so.

        Raises:
            UsageError: `initializer` cannot be called, or an object keeps the state.
            ValueError: the state cannot be made into that type.
            TypeError: the state is of another type.
        """
        self._check_free()
        if initializer is not None and not callable(initializer):
            raise UsageError(
                "get_state takes a function that makes the first state (lambda: 0), not a "
                f"{type(initializer).__name__}."
            )
        state = self._operation.decode_state(None)
        if state is None:  # nothing, or null: as 1.7
            return None if initializer is None else initializer()
        return state if expected_type is None else self._operation.decode_state(expected_type)

    def set_state(self, state: Any) -> None:
        """Leave `state`; from then on the entity exists.

        Raises:
            NotSerializable: it is not JSON.
            UsageError: an object keeps the state.
        """
        self._check_free()
        self._operation.encode_state(state)

    def set_result(self, result: Any) -> None:
        """Answer the caller with `result`, in place of what the function returns."""
        self._operation.set_result(result)

    def destruct_on_exit(self) -> None:
        """Delete the entity's state when the operation returns."""
        self._operation.delete()

    def signal_entity(
        self,
        entity_id: EntityId,
        operation: str,
        input_: Any = None,
        scheduled_time: datetime | None = None,
    ) -> None:
        """Tell another entity, or this one, to do something, and don't wait for it.

        It is sent when the operation has succeeded. Signals to one entity arrive in order, but for
        those with a `scheduled_time` (without a time zone that is UTC), which arrive at that time.

        Raises:
            InvalidName: it is no entity's id, or no operation's name.
            UnknownFunction: no entity of this app has that name.
            NotSerializable: the input is not JSON.
        """
        self._operation.signal(entity_id, operation, input_, scheduled_time)

    def start_new_orchestration(
        self,
        name: Any,
        input_: Any = None,
        instance_id: str | None = None,
        version: str | None = None,
    ) -> str:
        """Start an orchestration, and don't wait for it; returns the id it will have.

        It is started when the operation has succeeded.

        Raises:
            UnknownFunction: no orchestrator has that name.
            InvalidName: the instance id breaks a rule.
            NotSerializable: the input is not JSON.
        """
        return self._operation.start(name, input_, instance_id, version)

    def _check_free(self) -> None:
        kind = self._operation.kept_by
        if kind is not None:
            raise UsageError(
                f"The state of entity {str(self._operation.entity)!r} is what its {kind} object "
                "holds: use its attributes in place of get_state and set_state."
            )


_ACTING: ContextVar[DurableEntityContext] = ContextVar("durable_entity_context")


class EntityBase:
    """A base for classes that are entities, for those that need their context."""

    __slots__ = ()

    @property
    def context(self) -> DurableEntityContext:
        """The operation that is running.

        Raises:
            UsageError: none is.
        """
        acting = _ACTING.get(None)
        if acting is None:
            raise UsageError(
                f"{type(self).__name__}.context was used outside of an operation. In a unit test "
                "run the operation with durable.testing.execute_entity."
            )
        return acting


@contextmanager
def acting(context: DurableEntityContext) -> Iterator[None]:
    """Let the entity's object find `context`."""
    token = _ACTING.set(context)
    try:
        yield
    finally:
        _ACTING.reset(token)
