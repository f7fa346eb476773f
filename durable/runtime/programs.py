"""From a start in history to a live orchestrator: the registry's functions, opened."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from durable.authoring.definitions import FunctionKind
from durable.authoring.program import OrchestratorProgram
from durable.authoring.registry import Registry
from durable.engine.entity_rows import EntityWire
from durable.engine.execution import Execution
from durable.engine.failures import details_of
from durable.engine.replay import Orchestration
from durable.errors import VersionMismatch
from durable.model.actions import Outcome
from durable.model.events import ExecutionStarted
from durable.model.ids import is_entity_id
from durable.model.status import RuntimeStatus
from durable.model.versions import VersionPolicy
from durable.runtime.entity_turn import EntityExecution
from durable.runtime.settings import EngineSettings
from durable.wire import entity_json


class Programs:
    """Opens orchestrators by the name their start gives."""

    def __init__(self, registry: Registry, settings: EngineSettings) -> None:
        self._registry = registry
        self._settings = settings
        #: How orchestrators reach entities.
        self.entities = EntityWire(
            texts=entity_json, window=timedelta(seconds=settings.entity_window_seconds)
        )

    def open(self, started: ExecutionStarted) -> Execution:
        """A fresh orchestrator for the execution that `started` begins, or an entity that waits.

        Raises:
            VersionMismatch: it is of a version that this process does not run.
            UnknownFunction: this process has no orchestrator of that name.
        """
        if is_entity_id(started.instance.instance_id):
            return EntityExecution()
        if not self._settings.versions.runs(started.version):
            raise _mismatch(started, self._settings.versions)
        definition = self._registry.find_orchestrator(started.name or "")
        if definition is None:
            raise self._registry.unknown(FunctionKind.ORCHESTRATOR, started.name or "")
        return Orchestration(
            OrchestratorProgram(
                definition,
                self._registry,
                poll_delay=timedelta(seconds=self._settings.http_poll_seconds),
            ),
            instance_id=started.instance.instance_id,
            max_actions=self._settings.max_actions,
            entities=self.entities,
        )


def failure_outcome(error: Exception, task_id: int) -> Outcome:
    """How an instance ends that cannot be run."""
    failure = details_of(error)
    if isinstance(error, VersionMismatch):
        # As the original records it.
        failure = replace(failure, error_type="VersionMismatch", is_non_retriable=True)
    return Outcome(
        task_id=task_id,
        status=RuntimeStatus.FAILED,
        result=failure.message,
        failure=failure,
    )


def _mismatch(started: ExecutionStarted, versions: VersionPolicy) -> VersionMismatch:
    version = started.version or ""
    return VersionMismatch(
        "Orchestration version did not comply with Worker Versioning: instance "
        f"{started.instance.instance_id!r} has version {version!r}; this app has defaultVersion "
        f"{versions.version!r} and versionMatchStrategy {versions.match} (host.json).",
        version=version,
    )
