"""The import paths of azure-functions-durable 1.7 below ``azure.durable_functions.models``.

Nothing lives here: each module names what is defined elsewhere, under 1.7's module name, so that
an app needs no other change than ``durable`` for ``azure.durable_functions``. New code imports
from ``durable`` itself. (`durable.model`, without the s, is the engine's own vocabulary.)
"""

from __future__ import annotations

# By way of the submodules: imported later, they would put themselves in the classes' place.
from durable.models.DurableEntityContext import DurableEntityContext
from durable.models.DurableOrchestrationClient import DurableOrchestrationClient
from durable.models.DurableOrchestrationContext import DurableOrchestrationContext
from durable.models.OrchestrationRuntimeStatus import OrchestrationRuntimeStatus
from durable.models.PurgeHistoryResult import PurgeHistoryResult
from durable.models.RetryOptions import RetryOptions
from durable.models.Task import TaskBase
from durable.models.TokenSource import ManagedIdentityTokenSource

__all__ = [
    "DurableEntityContext",
    "DurableOrchestrationClient",
    "DurableOrchestrationContext",
    "ManagedIdentityTokenSource",
    "OrchestrationRuntimeStatus",
    "PurgeHistoryResult",
    "RetryOptions",
    "TaskBase",
]
