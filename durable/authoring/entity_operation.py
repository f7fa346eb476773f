"""One operation of an entity while it runs: what it was given, what it leaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from durable.authoring.moments import in_utc
from durable.authoring.registry import Registry
from durable.errors import InvalidName, UsageError
from durable.model.entities import OperationRequest, OrchestrationStart, Signal
from durable.model.ids import EntityId, check_entity_id, check_instance_id
from durable.wire import payloads

_NOT_SET = object()


@dataclass(kw_only=True, slots=True)
class EntityOperation:
    """One operation. Its context changes it, and whoever runs it reads it in the end.

    Attributes:
        entity: whose operation it is.
        request: what is asked for.
        state: the entity's state, JSON text; None when there is none.
        now: the time of the entity's turn.
        registry: the app's functions: what can be signalled and started.
        new_id: makes ids for the orchestrations it starts.
        kept_by: the class whose object keeps the state; None for an entity function.
        is_deleted: the entity is to be gone afterwards.
        effects: what it asked for, in order.
        is_over: it has ended; what is asked for from now on would be lost.
    """

    entity: EntityId
    request: OperationRequest
    state: str | None
    now: datetime
    registry: Registry
    new_id: Callable[[], str]
    kept_by: str | None = None
    is_new: bool = field(init=False)
    is_deleted: bool = False
    effects: list[Signal | OrchestrationStart] = field(default_factory=list)
    is_over: bool = False
    _result: object = _NOT_SET

    def __post_init__(self) -> None:
        self.is_new = self.state is None

    @property
    def name(self) -> str:
        """The operation's name."""
        return self.request.op or ""

    def __str__(self) -> str:
        return f"operation {self.name!r} of entity {str(self.entity)!r}"

    def decode_input(self, expected: object) -> object:
        """The input, as `expected`; None when there is none.

        Raises:
            ValueError: it cannot be made into that.
            TypeError: it is of another type.
        """
        known = self.registry.known_types
        return payloads.decode_input(self.request.input, expected, known=known)

    def decode_state(self, expected: object) -> object:
        """The state as `expected`; None when there is none.

        Raises:
            ValueError: it cannot be made into that.
            TypeError: it is of another type.
        """
        return payloads.decode(self.state, expected, known=self.registry.known_types)

    def encode_state(self, state: object) -> None:
        """Leave `state`.

        Raises:
            NotSerializable: it is not JSON.
        """
        self.check_running()
        self.state = payloads.encode(state, what=f"the state that {self} leaves")
        self.is_deleted = False

    def delete(self) -> None:
        """Leave no state."""
        self.check_running()
        self.state = None
        self.is_deleted = True

    def set_result(self, result: object) -> None:
        """Answer with `result`, whatever the function returns."""
        self.check_running()
        self._result = result

    def encode_result(self, returned: object) -> str | None:
        """The answer, of what was set, else of what the function returned; None for None.

        Raises:
            NotSerializable: it is not JSON.
        """
        result = returned if self._result is _NOT_SET else self._result
        return None if result is None else payloads.encode(result, what=f"the result of {self}")

    def signal(self, entity: object, operation: object, input_: object, due: object) -> None:
        """Tell another entity to do something.

        Raises:
            InvalidName: it is no entity's id, or no operation's name.
            UnknownFunction: no entity of this app has that name.
            NotSerializable: the input is not JSON.
            TypeError: the time is no datetime.
            UsageError: the operation has ended, or the time is outside the years 1 to 9999 in UTC.
        """
        self.check_running()
        target = _entity(entity)
        self.registry.entity(target.name)
        if not isinstance(operation, str) or not operation:
            raise InvalidName("signal_entity takes the name of an operation that is not empty.")
        what = f"the input of operation {operation!r} of entity {str(target)!r}"
        self.effects.append(
            Signal(
                target=target,
                op=operation,
                input=None if input_ is None else payloads.encode_input(input_, what=what),
                due=None if due is None else in_utc(due, "signal_entity's scheduled_time"),
            )
        )

    def start(
        self, name: object, input_: object, instance_id: str | None, version: str | None
    ) -> str:
        """Start an orchestration; the id it will have.

        Raises:
            UnknownFunction: no orchestrator has that name.
            InvalidName: the instance id breaks a rule.
            NotSerializable: the input is not JSON.
            UsageError: the operation has ended.
        """
        self.check_running()
        definition = self.registry.orchestrator(name)
        chosen = self.new_id() if instance_id is None else check_instance_id(instance_id)
        what = f"the input of orchestrator {definition.name!r}"
        self.effects.append(
            OrchestrationStart(
                name=definition.name,
                instance_id=chosen,
                input=None if input_ is None else payloads.encode_input(input_, what=what),
                version=version,
            )
        )
        return chosen

    def check_running(self) -> None:
        """Refuse what would be lost.

        Raises:
            UsageError: the operation has ended.
        """
        if self.is_over:
            raise UsageError(
                f"{self} has ended: what is asked for now would be lost. Wait in the operation "
                "for threads and tasks that use its context."
            )


def _entity(given: object) -> EntityId:
    if not isinstance(given, EntityId):
        raise UsageError(
            "signal_entity takes the entity as EntityId('name', 'key'), not as "
            f"{type(given).__name__}."
        )
    return check_entity_id(given)
