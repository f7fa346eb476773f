"""What an orchestrator function is given. Names and parameters are azure-functions-durable's."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import partial
from types import GenericAlias, SimpleNamespace
from typing import Any, NoReturn
from uuid import UUID

from durable.authoring.activity import encode_argument
from durable.authoring.definitions import OrchestratorDefinition
from durable.authoring.entity_calls import EntityCalls
from durable.authoring.guids import Guids
from durable.authoring.history_items import HistoryEvent, history_items
from durable.authoring.http_calls import DEFAULT_POLL_DELAY, HttpCalls
from durable.authoring.moments import in_utc
from durable.authoring.registry import Registry
from durable.authoring.replay_log import ReplaySafeLogger
from durable.engine.atomic_tasks import ActivityTask, ChildTask, Decode, EventTask, TimerTask
from durable.engine.compound_tasks import (
    MAX_TIMER,
    LongTimerTask,
    RetryAbleTask,
    WhenAllTask,
    WhenAnyTask,
)
from durable.engine.replay import Orchestration
from durable.engine.task_base import TaskBase
from durable.errors import BadConfig, InvalidName, NotATask, UsageError
from durable.model.actions import ScheduleActivity, StartChild
from durable.model.ids import check_event_name, check_instance_id
from durable.model.retry import RetryOptions
from durable.wire import payloads
from durable.wire.text import utf16_bytes

#: The extension's limit for a custom status, in UTF-16.
MAX_CUSTOM_STATUS_BYTES = 16 * 1024


class DurableOrchestrationContext(HttpCalls, EntityCalls):
    """An orchestrator's only way to the world, which makes it replayable.

    A task begins when it is yielded or awaited, alone or in a `task_all` or `task_any`.
    """

    def __init__(
        self,
        execution: Orchestration,
        definition: OrchestratorDefinition,
        registry: Registry,
        *,
        poll_delay: timedelta = DEFAULT_POLL_DELAY,
    ) -> None:
        self._execution = execution
        self._agenda = execution.agenda
        self._definition = definition
        self._registry = registry
        self._guids = Guids(execution.instance_id)
        self._poll_delay = poll_delay
        self._custom_status: object = None
        self._function_context = SimpleNamespace()

    def __class_getitem__(cls, input_type: object) -> GenericAlias:
        """``context: DurableOrchestrationContext[Order]`` says what `get_input` returns."""
        return GenericAlias(cls, input_type)

    @classmethod
    def from_json(cls, json_string: str) -> NoReturn:  # noqa: ARG003 - the name is 1.7's
        """1.7's way to make a context of what the Durable extension sends.

        Raises:
            UsageError: always: nothing is sent here. It says what to do in a unit test.
        """
        raise UsageError(
            f"{cls.__name__}.from_json reads what the Durable extension sends, and there is none "
            "here. In a unit test pass the orchestrator unittest.mock.Mock(spec=df."
            "DurableOrchestrationContext) and drive it with durable.testing."
            "orchestrator_generator_wrapper."
        )

    # What it knows.

    @property
    def instance_id(self) -> str:
        """The id of this instance."""
        return self._execution.instance_id

    @property
    def parent_instance_id(self) -> str | None:
        """The id of the orchestration that started this one; None when a client did."""
        parent = self._execution.started.parent
        return None if parent is None else parent.instance.instance_id

    @property
    def current_utc_datetime(self) -> datetime:
        """The time, the same on every replay: use it instead of the clock."""
        return self._agenda.now

    @property
    def is_replaying(self) -> bool:
        """The code is running through what it did before."""
        return self._agenda.is_replaying or self._agenda.is_deaf

    @property
    def version(self) -> str | None:
        """The version this instance was started as."""
        return self._execution.started.version

    @property
    def custom_status(self) -> Any:
        """The value last set with `set_custom_status`."""
        return self._custom_status

    @property
    def histories(self) -> list[HistoryEvent]:
        """The history so far."""
        return history_items(self._execution.history)

    @property
    def function_context(self) -> SimpleNamespace:
        """Attributes of the invocation; there are none here."""
        return self._function_context

    @property
    def will_continue_as_new(self) -> bool:
        """`continue_as_new` was called."""
        return self._agenda.will_continue_as_new

    @property
    def logger(self) -> ReplaySafeLogger:
        """The logger of the orchestrator's module, silent while replaying."""
        return self.create_replay_safe_logger(
            logging.getLogger(getattr(self._definition.function, "__module__", None))
        )

    def create_replay_safe_logger(self, logger: logging.Logger) -> ReplaySafeLogger:
        """`logger`, silent while replaying."""
        return ReplaySafeLogger(logger, lambda: self.is_replaying)

    def get_input(self, expected_type: Any = None) -> Any:
        """The input, as `expected_type`, else as the decorator's or the annotation's type.

        Raises:
            ValueError: it cannot be made into that.
            TypeError: it is of another type.
        """
        explicit = self._definition.input_type if expected_type is None else expected_type
        return payloads.decode_input(
            self._execution.started.input,
            self._definition.annotated_input if explicit is None else explicit,
            known=self._registry.known_types,
            lenient=explicit is None,
        )

    # What it can wait for.

    def call_activity(self, name: Any, input_: Any = None, expected_type: Any = None) -> TaskBase:
        """Call an activity, by its name or as it was decorated; done with its result.

        Raises:
            UnknownFunction: no activity has that name.
            NotSerializable: the input is not JSON.
        """
        return self._activity(name, input_, expected_type)()

    def call_activity_with_retry(
        self,
        name: Any,
        retry_options: RetryOptions | None,
        input_: Any = None,
        expected_type: Any = None,
    ) -> TaskBase:
        """As `call_activity`; tried again as `retry_options` say when it fails.

        Raises:
            UnknownFunction: no activity has that name.
            NotSerializable: the input is not JSON.
        """
        return self._retried(retry_options, self._activity(name, input_, expected_type))

    def call_sub_orchestrator(
        self,
        name: Any,
        input_: Any = None,
        instance_id: str | None = None,
        version: str | None = None,
        expected_type: Any = None,
    ) -> TaskBase:
        """Run another orchestrator as a child; done with its output.

        Raises:
            UnknownFunction: no orchestrator has that name.
            InvalidName: the instance id breaks a rule.
            NotSerializable: the input is not JSON.
            LockingRulesViolation: the code is in a critical section.
        """
        return self._child(name, input_, instance_id, version, expected_type)()

    def call_sub_orchestrator_with_retry(
        self,
        name: Any,
        retry_options: RetryOptions | None,
        input_: Any = None,
        instance_id: str | None = None,
        version: str | None = None,
        expected_type: Any = None,
    ) -> TaskBase:
        """As `call_sub_orchestrator`; tried again as `retry_options` say when it fails.

        Raises:
            UnknownFunction: no orchestrator has that name.
            InvalidName: the instance id breaks a rule.
            NotSerializable: the input is not JSON.
            LockingRulesViolation: the code is in a critical section.
        """
        attempt = self._child(name, input_, instance_id, version, expected_type)
        return self._retried(retry_options, attempt)

    def create_timer(self, fire_at: datetime) -> TimerTask:
        """A timer that is done at `fire_at`; without a time zone that is UTC.

        One that is due already is done with the next turn.

        Raises:
            TypeError: it is no datetime.
            UsageError: it is outside the years 1 to 9999 in UTC.
        """
        aware = in_utc(fire_at, "create_timer's fire_at")
        is_long = aware - self._agenda.now > MAX_TIMER
        return (LongTimerTask if is_long else TimerTask)(self._agenda, aware)

    def wait_for_external_event(self, name: str, expected_type: Any = None) -> TaskBase:
        """Done with the payload of the next event of that name; case does not matter.

        Raises:
            InvalidName: it is no name, or longer than an event's can be.
        """
        checked = check_event_name(name, "wait_for_external_event")
        return EventTask(self._agenda, checked, self._decoder(expected_type, None))

    def task_all(self, activities: Iterable[TaskBase]) -> WhenAllTask:
        """Done with the list of their results when all are; fails with the first that fails."""
        return WhenAllTask(_tasks("task_all", activities))

    def task_any(self, activities: Iterable[TaskBase]) -> WhenAnyTask:
        """Done when one of them is, with that task (not its result) as the result."""
        return WhenAnyTask(_tasks("task_any", activities))

    # What it can do at once.

    def continue_as_new(self, input_: Any) -> None:
        """Begin again with another input and an empty history, once this run ends.

        Return right after it: what is asked for later is dropped.

        Raises:
            NotSerializable: the input is not JSON.
        """
        what = f"the next input of orchestrator {self._definition.name!r}"
        self._agenda.continue_as_new(payloads.encode_input(input_, what=what))

    def set_custom_status(self, status: Any) -> None:
        """Show a JSON value of up to 16 KB in the instance's status.

        Raises:
            NotSerializable: it is not JSON.
            UsageError: it is larger.
        """
        text = payloads.encode(status, what="the custom status")
        size = utf16_bytes(text)
        if size > MAX_CUSTOM_STATUS_BYTES:
            raise UsageError(
                f"The custom status of {self.instance_id!r} is {size} bytes of UTF-16 JSON; at "
                f"most {MAX_CUSTOM_STATUS_BYTES} are allowed."
            )
        self._agenda.set_custom_status(text)
        self._custom_status = status

    def new_uuid(self) -> str:
        """A fresh id as text, the same on every replay."""
        return self._guids.new_uuid(self._agenda.now)

    def new_guid(self) -> UUID:
        """A fresh UUID, the same on every replay."""
        return self._guids.new_guid(self._agenda.now)

    # How tasks are made.

    def _activity(self, name: Any, input_: Any, expected_type: Any) -> Callable[[], TaskBase]:
        definition = self._registry.activity(name)
        action = partial(
            ScheduleActivity,
            name=definition.name,
            input=encode_argument(definition.name, input_),
        )
        decode = self._decoder(expected_type, definition.return_type)
        return lambda: ActivityTask(self._agenda, definition.name, action, decode)

    def _child(
        self,
        name: Any,
        input_: Any,
        instance_id: str | None,
        version: str | None,
        expected_type: Any,
    ) -> Callable[[], TaskBase]:
        definition = self._registry.orchestrator(name)
        self._execution.traffic.section.start_child(definition.name)
        if instance_id is not None:
            self._check_child_id(instance_id)
        what = f"the input of orchestrator {definition.name!r}"
        action = partial(
            StartChild,
            name=definition.name,
            instance_id=instance_id,
            input=None if input_ is None else payloads.encode_input(input_, what=what),
            version=version,
        )
        decode = self._decoder(expected_type, definition.return_type)
        return lambda: ChildTask(self._agenda, definition.name, action, decode)

    def _check_child_id(self, instance_id: str) -> None:
        check_instance_id(instance_id)
        if instance_id in (self.instance_id, self.parent_instance_id):
            raise InvalidName(
                f"A child of {self.instance_id!r} cannot have the id {instance_id!r}: it is its "
                "own or its parent's, and would replace that instance."
            )

    def _retried(
        self, retry_options: RetryOptions | None, attempt: Callable[[], TaskBase]
    ) -> TaskBase:
        if retry_options is None:  # as 1.7
            return attempt()
        if not isinstance(retry_options, RetryOptions):
            raise BadConfig(
                f"retry_options is a {type(retry_options).__name__}; it must be RetryOptions("
                "first_retry_interval_in_milliseconds, max_number_of_attempts)."
            )
        return RetryAbleTask(self._agenda, retry_options, attempt)

    def _decoder(self, expected_type: Any, annotated: object) -> Decode:
        known = self._registry.known_types
        if expected_type is not None or annotated is None:
            return partial(payloads.decode, expected=expected_type, known=known)
        return partial(payloads.decode_annotated, annotated=annotated, known=known)


def _tasks(method: str, given: Iterable[TaskBase]) -> list[TaskBase]:
    if not isinstance(given, Iterable):
        raise NotATask(f"{method} takes a list of tasks, not a {type(given).__name__}.")
    tasks = list(given)
    for index, task in enumerate(tasks):
        if not isinstance(task, TaskBase):
            raise NotATask(
                f"{method} takes a list of tasks; item {index} is a {type(task).__name__}."
            )
    return tasks
