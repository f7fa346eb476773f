"""What an orchestrator waits for from entities: an operation's result, and locks."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Generator, Iterable
from types import TracebackType
from typing import NoReturn, cast

from durable.engine.atomic_tasks import Decode, EventTask
from durable.engine.entity_traffic import EntityTraffic
from durable.engine.failures import entity_failed
from durable.engine.routine import caller_location
from durable.engine.task_base import Holder, TaskBase, TaskState
from durable.errors import LockingRulesViolation, NotATask
from durable.model.ids import EntityId


class EntityTask(Holder):
    """A request that an event answers, which is named by the request's id."""

    def __init__(self, traffic: EntityTraffic) -> None:
        super().__init__()
        self.traffic = traffic
        self._location: str | None = None
        self._has_begun = False

    def belongs_to(self, issuer: object) -> bool:
        return self.traffic.agenda is issuer

    def issue(self, location: str | None) -> None:
        if self._has_begun:
            return
        self._has_begun = True
        self._location = location
        try:
            self.id = self._ask(location)
        except LockingRulesViolation as error:
            self.set_value(is_error=True, value=error)

    @abstractmethod
    def _ask(self, location: str | None) -> int | None:
        """Send the request; returns its number."""

    def _sent(self, request_id: str) -> None:
        """The request is recorded: now its answer may come."""

        def read(text: str | None) -> object:
            return self._read(request_id, text)

        answer = EventTask(self.traffic.agenda, request_id, read)
        answer.add_parent(self)
        answer.issue(self._location)

    @abstractmethod
    def _read(self, request_id: str, text: str | None) -> object:
        """The value of the answer; raises when it is a failure."""


class CallEntityTask(EntityTask):
    """An operation that an entity runs; done with its result."""

    def __init__(
        self, traffic: EntityTraffic, entity: EntityId, op: str, input_: str | None, decode: Decode
    ) -> None:
        super().__init__(traffic)
        self.entity = entity
        self.operation = op
        self._input = input_
        self._decode = decode
        self._section: str | None = None

    def _ask(self, location: str | None) -> int | None:
        number = self.traffic.request(
            self.entity, self.operation, self._input, self._sent, location
        )
        self._section = self.traffic.section.lock_id
        return number

    def _read(self, request_id: str, text: str | None) -> object:
        response = self.traffic.answer(request_id, text)
        if response.failure is not None:
            number = self.id if isinstance(self.id, int) else -1
            raise entity_failed(str(self.entity), self.operation, response.failure, number)
        return self._decode(response.result)

    def handle_completion(self, child: TaskBase) -> None:
        section = self.traffic.section
        if self._section is not None and section.lock_id == self._section:
            section.answered(self.entity)
        self.settle(child.state is TaskState.FAILED, child.result)


class EntityLock:
    """The locks of a critical section.

    They are released when its ``with`` block is left, by `release`, or at the orchestrator's end.

    Attributes:
        entities: what is locked.
    """

    def __init__(self, task: LockEntitiesTask, entities: tuple[EntityId, ...]) -> None:
        self._task = task
        self.entities = entities

    def release(self) -> None:
        """Leave the critical section. Again is harmless."""
        self._task.release()

    def __enter__(self) -> EntityLock:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    async def __aenter__(self) -> EntityLock:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


class LockEntitiesTask(EntityTask):
    """Locks entities; done with an `EntityLock` once all are locked.

    In ``async def`` it is a context manager itself: ``async with context.lock_entities([...])``.
    """

    def __init__(self, traffic: EntityTraffic, entities: Iterable[EntityId]) -> None:
        super().__init__(traffic)
        self._wanted = tuple(entities)
        self._lock_id: str | None = None
        self._is_released = False

    def __await__(self) -> Generator[TaskBase, object, EntityLock]:
        return cast("EntityLock", (yield self))

    @property
    def why_never(self) -> str | None:
        return "locks that were given up" if self._is_released else None

    def release(self) -> None:
        """Leave the critical section, or no longer wait for it. Again is harmless."""
        if self._lock_id is not None and not self._is_released:
            self._is_released = True
            self.traffic.leave(self._lock_id, caller_location())

    def cancel(self) -> None:
        """No longer wait for the locks: after a `task_any` that something else has won."""
        self.release()

    def _ask(self, location: str | None) -> int | None:
        number = self.traffic.lock(self._wanted, self._sent, location)
        self._lock_id = self.traffic.section.lock_id
        return number

    def _sent(self, request_id: str) -> None:
        self.traffic.enter_as(self._lock_id, request_id)
        self._lock_id = request_id
        super()._sent(request_id)

    def _read(self, request_id: str, text: str | None) -> object:
        response = self.traffic.answer(request_id, text)
        if response.failure is not None:
            locked = ", ".join(str(entity) for entity in self._wanted)
            number = self.id if isinstance(self.id, int) else -1
            raise entity_failed(locked, "lock", response.failure, number)
        return None

    def handle_completion(self, child: TaskBase) -> None:
        section = self.traffic.section
        if child.state is TaskState.FAILED:
            self.settle(is_error=True, value=child.result)
            self.release()  # some may be locked
            return
        if section.lock_id == self._lock_id:
            section.grant()
        entities = section.entities if section.lock_id == self._lock_id else ()
        self.settle(is_error=False, value=EntityLock(self, entities))

    def __enter__(self) -> NoReturn:
        raise NotATask(
            "Locks have to be waited for: write 'with (yield context.lock_entities([...])):', in "
            "an async def orchestrator 'async with context.lock_entities([...]):'."
        )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Never reached; Python looks for it before it enters."""

    async def __aenter__(self) -> EntityLock:
        return await self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()
