"""Durable orchestrations for Python, living entirely in Azure Storage.

``import durable as df`` in place of ``import azure.durable_functions as df``; nothing else changes.
"""

from durable.authoring.context import DurableOrchestrationContext
from durable.authoring.entity_context import DurableEntityContext, EntityBase
from durable.authoring.legacy import DurableFunctionsCompatibilityWarning, Entity, Orchestrator
from durable.client import (
    CleanEntityStorageResult,
    DurableOrchestrationStatus,
    EntityMetadata,
    EntityPage,
    EntityStateResponse,
    OrchestrationRuntimeStatus,
    PurgeHistoryResult,
)
from durable.engine.entity_tasks import EntityLock
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
    EntityFailed,
    HttpCallFailed,
    InstanceError,
    InstanceExists,
    InstanceFinished,
    InstanceNotFound,
    InvalidName,
    LockingRulesViolation,
    NonDeterminismError,
    NotATask,
    NotFound,
    NotSerializable,
    PreconditionFailed,
    StorageError,
    TaskFailed,
    Throttled,
    TooLarge,
    TooManyActions,
    Unavailable,
    UnknownFunction,
    UnknownOperation,
    UsageError,
    VersionMismatch,
    WaitTimeout,
    WorkflowError,
)
from durable.functions.anywhere import Client
from durable.functions.app import Blueprint, DFApp
from durable.functions.client import DurableOrchestrationClient
from durable.functions.working import running_worker
from durable.model.http import DurableHttpResponse, ManagedIdentityTokenSource, TokenSource
from durable.model.ids import EntityId
from durable.model.retry import RetryOptions

__all__ = [
    "AccessDenied",
    "ActivityFailed",
    "AlreadyRegistered",
    "BadConfig",
    "Blueprint",
    "ChildFailed",
    "CleanEntityStorageResult",
    "Client",
    "Conflict",
    "CorruptRecord",
    "DFApp",
    "DurableEntityContext",
    "DurableError",
    "DurableFunctionsCompatibilityWarning",
    "DurableHttpResponse",
    "DurableOrchestrationClient",
    "DurableOrchestrationContext",
    "DurableOrchestrationStatus",
    "EngineBug",
    "Entity",
    "EntityBase",
    "EntityFailed",
    "EntityId",
    "EntityLock",
    "EntityMetadata",
    "EntityPage",
    "EntityStateResponse",
    "HttpCallFailed",
    "InstanceError",
    "InstanceExists",
    "InstanceFinished",
    "InstanceNotFound",
    "InvalidName",
    "LockingRulesViolation",
    "ManagedIdentityTokenSource",
    "NonDeterminismError",
    "NotATask",
    "NotFound",
    "NotSerializable",
    "OrchestrationRuntimeStatus",
    "Orchestrator",
    "PreconditionFailed",
    "PurgeHistoryResult",
    "RetryOptions",
    "StorageError",
    "TaskBase",
    "TaskFailed",
    "Throttled",
    "TokenSource",
    "TooLarge",
    "TooManyActions",
    "Unavailable",
    "UnknownFunction",
    "UnknownOperation",
    "UsageError",
    "VersionMismatch",
    "WaitTimeout",
    "WorkflowError",
    "running_worker",
]
