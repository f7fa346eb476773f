"""Durable orchestrations for Python, living entirely in Azure Storage.

``import durable as df`` in place of ``import azure.durable_functions as df``; nothing else changes.
"""

from durable.authoring.context import DurableOrchestrationContext
from durable.client import (
    DurableOrchestrationStatus,
    OrchestrationRuntimeStatus,
    PurgeHistoryResult,
)
from durable.engine.tasks import TaskBase
from durable.errors import (
    AccessDenied,
    ActivityFailed,
    AlreadyRegistered,
    BadConfig,
    ChildFailed,
    Conflict,
    CorruptRecord,
    DurableError,
    EngineBug,
    InstanceError,
    InstanceExists,
    InstanceFinished,
    InstanceNotFound,
    InvalidName,
    NonDeterminismError,
    NotATask,
    NotFound,
    NotSerializable,
    PreconditionFailed,
    StorageError,
    TaskFailed,
    Throttled,
    TooLarge,
    Unavailable,
    UnknownFunction,
    UsageError,
    WaitTimeout,
    WorkflowError,
)
from durable.functions.app import Blueprint, DFApp
from durable.functions.client import DurableOrchestrationClient
from durable.model.ids import EntityId
from durable.model.retry import RetryOptions

__all__ = [
    "AccessDenied",
    "ActivityFailed",
    "AlreadyRegistered",
    "BadConfig",
    "Blueprint",
    "ChildFailed",
    "Conflict",
    "CorruptRecord",
    "DFApp",
    "DurableError",
    "DurableOrchestrationClient",
    "DurableOrchestrationContext",
    "DurableOrchestrationStatus",
    "EngineBug",
    "EntityId",
    "InstanceError",
    "InstanceExists",
    "InstanceFinished",
    "InstanceNotFound",
    "InvalidName",
    "NonDeterminismError",
    "NotATask",
    "NotFound",
    "NotSerializable",
    "OrchestrationRuntimeStatus",
    "PreconditionFailed",
    "PurgeHistoryResult",
    "RetryOptions",
    "StorageError",
    "TaskBase",
    "TaskFailed",
    "Throttled",
    "TooLarge",
    "Unavailable",
    "UnknownFunction",
    "UsageError",
    "WaitTimeout",
    "WorkflowError",
]
