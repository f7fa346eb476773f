"""From a start in history to a live orchestrator: the registry's functions, opened."""

from __future__ import annotations

from durable.authoring.definitions import FunctionKind
from durable.authoring.program import OrchestratorProgram
from durable.authoring.registry import Registry
from durable.engine.failures import details_of
from durable.engine.replay import Orchestration
from durable.model.actions import Outcome
from durable.model.events import ExecutionStarted
from durable.model.status import RuntimeStatus


class Programs:
    """Opens orchestrators by the name their start gives."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def open(self, started: ExecutionStarted) -> Orchestration:
        """A fresh orchestrator for the execution that `started` begins.

        Raises:
            UnknownFunction: this process has no orchestrator of that name.
        """
        definition = self._registry.find_orchestrator(started.name or "")
        if definition is None:
            raise self._registry.unknown(FunctionKind.ORCHESTRATOR, started.name or "")
        return Orchestration(
            OrchestratorProgram(definition, self._registry),
            instance_id=started.instance.instance_id,
        )


def failure_outcome(error: Exception, task_id: int) -> Outcome:
    """How an instance ends that cannot be run."""
    failure = details_of(error)
    return Outcome(
        task_id=task_id,
        status=RuntimeStatus.FAILED,
        result=failure.message,
        failure=failure,
    )
