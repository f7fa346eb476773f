"""An orchestrator function as the engine runs it."""

from __future__ import annotations

from collections.abc import Coroutine
from datetime import timedelta

from durable.authoring.context import DurableOrchestrationContext
from durable.authoring.definitions import OrchestratorDefinition
from durable.authoring.http_calls import DEFAULT_POLL_DELAY
from durable.authoring.registry import Registry
from durable.authoring.unattached import Unattached
from durable.engine.replay import Orchestration
from durable.wire import payloads


class OrchestratorProgram:
    """`definition` with the app's other functions around it; implements the engine's Program."""

    def __init__(
        self,
        definition: OrchestratorDefinition,
        registry: Registry,
        *,
        poll_delay: timedelta = DEFAULT_POLL_DELAY,
    ) -> None:
        self._definition = definition
        self._registry = registry
        self._poll_delay = poll_delay

    def start(self, execution: Orchestration) -> object:
        """Call the function with a context of its own."""
        context = DurableOrchestrationContext(
            execution, self._definition, self._registry, poll_delay=self._poll_delay
        )
        begun: object = self._definition.function(context)
        return Unattached(begun) if isinstance(begun, Coroutine) else begun

    def encode_output(self, value: object) -> str | None:
        """The output as JSON text; None for None, which 1.7 leaves out.

        Raises:
            NotSerializable: it is not JSON.
        """
        if value is None:
            return None
        what = f"the output of orchestrator {self._definition.name!r}"
        return payloads.encode(value, what=what)
