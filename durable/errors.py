"""Every exception durable raises, in one tree, by whom the blame falls on.

DurableError
├── UsageError            you called it wrongly
│   ├── InvalidName           a hub, instance, event or function name that breaks a rule
│   ├── UnknownFunction       no orchestrator, activity or entity has that name
│   ├── UnknownOperation      the entity has no operation of that name
│   ├── AlreadyRegistered     two functions of one kind under one name
│   ├── BadConfig             a setting that cannot mean anything
│   ├── NotSerializable       a value that is not JSON, and where in it
│   ├── PayloadTooLarge       a value whose JSON is over maxPayloadBytes
│   ├── LockingRulesViolation an orchestrator broke a rule of critical sections
│   └── NotATask              an orchestrator waited for something that is no task of its own
├── WorkflowError         the outcome of your own workflow
│   ├── TaskFailed            an activity, a child or an entity raised; its failure as data
│   │   ├── ActivityFailed
│   │   ├── ChildFailed
│   │   └── EntityFailed
│   ├── ActivityCrashed       each time an activity was begun, its process died before it ended
│   ├── HttpCallFailed        a request of call_http got no answer, or one that counts as none
│   ├── NonDeterminismError   the code asked for something else than history recorded
│   ├── VersionMismatch       the instance is of a version that this process does not run
│   ├── TooManyActions        the orchestrator asked for more than maxOrchestrationActions
│   └── HistoryTooLarge       its history would be over maxHistoryEvents or maxHistoryBytes
├── InstanceError         about one instance
│   ├── InstanceNotFound · InstanceExists · InstanceFinished · WaitTimeout
├── StorageError          the world
│   ├── NotFound · Conflict · PreconditionFailed · TooLarge
│   ├── Throttled · Unavailable
│   ├── AccessDenied
│   └── CorruptRecord         a row, message or blob that cannot be understood
└── EngineBug             ours: please report
"""

from __future__ import annotations

from typing import Protocol


class DurableError(Exception):
    """The root: catch it to catch everything durable raises on purpose."""


class UsageError(DurableError):
    """The caller's mistake. Repeating the call unchanged cannot help."""


class InvalidName(UsageError, ValueError):
    """A name breaks a rule of the storage or of the API; the message says which rule."""


class UnknownFunction(UsageError, LookupError):
    """No function of that kind is registered under that name; the message names near ones."""


class UnknownOperation(UsageError, LookupError):
    """An entity's class has no operation of that name; the message names those it has."""


class AlreadyRegistered(UsageError):
    """Two functions of the same kind claim one name."""


class BadConfig(UsageError, ValueError):
    """A setting's value cannot mean anything; the message names the setting and the rule."""


class NotSerializable(UsageError, TypeError):
    """A value cannot be written as JSON. `path` says where in the value, e.g. ``$.items[2]``."""

    def __init__(self, message: str, *, path: str = "$") -> None:
        super().__init__(message)
        self.path = path


class PayloadTooLarge(UsageError, ValueError):
    """A value's JSON is larger than maxPayloadBytes; the message says what, and how large."""


class LockingRulesViolation(UsageError, RuntimeError):
    """An orchestrator asked for what a critical section forbids; raised at the call.

    `rule` names the rule: ``nested-lock``, ``nothing-to-lock``, ``child-inside``,
    ``signal-to-locked``, ``call-to-unlocked``, ``call-pending``, ``lock-pending`` or
    ``locks-lost``.
    """

    def __init__(self, message: str, *, rule: str = "") -> None:
        super().__init__(message)
        self.rule = rule


class NotATask(UsageError, TypeError):
    """An orchestrator yielded or awaited something else than a task of its own context.

    Raised inside the orchestrator, where it did so. The message says what to use instead.
    """


class WorkflowError(DurableError):
    """How a workflow itself ended. Not a fault of the engine."""


class Failure(Protocol):
    """What is known of an exception in another process (`durable.model.failure`)."""

    @property
    def error_type(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def stack_trace(self) -> str | None: ...
    @property
    def inner(self) -> Failure | None: ...


class TaskFailed(WorkflowError):
    """An activity, a child or an entity raised; raised where its task is waited for.

    It is also an instance of the exception class that was raised there, when that is a builtin or
    a class of a module this process has imported. Fields: `name` (the function; of an entity its
    id, like ``@counter@a``), `task_id`, `failure` (type, message, traceback and cause, as data).
    """

    def __init__(self, message: str, *, name: str, task_id: int, failure: Failure) -> None:
        super().__init__(message)
        # Properties over the instance's dict: a class mixed in may have its own `name`.
        self.__dict__.update(name=name, task_id=task_id, failure=failure)

    @property
    def name(self) -> str:
        return str(self.__dict__["name"])

    @property
    def task_id(self) -> int:
        return int(self.__dict__["task_id"])

    @property
    def failure(self) -> Failure:
        failure: Failure = self.__dict__["failure"]
        return failure

    def __str__(self) -> str:
        return str(self.args[0])


class ActivityFailed(TaskFailed):
    """An activity raised."""


class ChildFailed(TaskFailed):
    """A child orchestration failed, or was terminated."""


class EntityFailed(TaskFailed):
    """An operation that an orchestrator called failed; the entity's state is as before it."""


class HttpCallFailed(WorkflowError):
    """A request of `call_http` got no answer, or one that its retry options refuse.

    The message names method, host and path; never headers, contents or a query.
    """


class NonDeterminismError(WorkflowError):
    """Replay asked for something else than history recorded.

    Fields: `instance_id`, `row` (the history row's number), `recorded` and `asked` (readable
    texts), `location` (``file:line`` of the user's code, when known).
    """

    def __init__(
        self,
        message: str,
        *,
        instance_id: str = "",
        row: int | None = None,
        recorded: str = "",
        asked: str = "",
        location: str | None = None,
    ) -> None:
        super().__init__(message)
        self.instance_id = instance_id
        self.row = row
        self.recorded = recorded
        self.asked = asked
        self.location = location


class VersionMismatch(WorkflowError):
    """The instance is of a version that this process does not run. `version` is the instance's.

    What becomes of it then is said by host.json's versionFailureStrategy.
    """

    def __init__(self, message: str, *, version: str = "") -> None:
        super().__init__(message)
        self.version = version


class ActivityCrashed(WorkflowError):
    """Each time the activity was begun, its process died before it ended.

    It is what an orchestrator sees as the failure of that activity, and is not retried.
    """


class TooManyActions(WorkflowError):
    """The orchestrator asked for more than an execution may (maxOrchestrationActions)."""


class HistoryTooLarge(WorkflowError):
    """The history would be larger than an execution's may (maxHistoryEvents, maxHistoryBytes)."""


class InstanceError(DurableError):
    """Something about one instance. `instance_id` names it."""

    def __init__(self, message: str, *, instance_id: str = "") -> None:
        super().__init__(message)
        self.instance_id = instance_id


class InstanceNotFound(InstanceError, LookupError):
    """The hub has no such instance."""


class InstanceExists(InstanceError):
    """A start named an instance that is still running. Nothing was changed."""


class InstanceFinished(InstanceError):
    """The instance has ended and accepts no more messages."""


class WaitTimeout(InstanceError, TimeoutError):
    """The instance had not ended within the time given. It goes on running."""


class StorageError(DurableError):
    """Storage answered something else than success. Fields: `operation`, `resource`, `status`."""

    def __init__(
        self, message: str, *, operation: str = "", resource: str = "", status: int | None = None
    ) -> None:
        super().__init__(message)
        self.operation = operation
        self.resource = resource
        self.status = status


class NotFound(StorageError):
    """The queue, table, container, message, row or blob does not exist (404)."""


class Conflict(StorageError):
    """It exists already (409), or is being deleted."""


class PreconditionFailed(StorageError):
    """Somebody else changed it since it was read (412), or a message's pop receipt is stale."""


class TooLarge(StorageError):
    """A limit of the service: message, property, row or batch (400, 413)."""


class AccessDenied(StorageError):
    """Storage refused the credentials (401, 403)."""


class Throttled(StorageError):
    """The service asks for patience (429, 503). Retried by the adapter before it is raised."""


class Unavailable(StorageError):
    """No answer, or a 5xx. Whether the call took effect is not known."""


class CorruptRecord(StorageError):
    """A row, message or blob that cannot be understood. Never retried; quarantined or reported."""


class EngineBug(DurableError):
    """Durable broke its own promise. Please report it with the whole text."""
