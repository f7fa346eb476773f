"""Entities in tests: one registry, operations run one after another as the engine does."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from durable.authoring.definitions import EntityDefinition, OrchestratorDefinition
from durable.authoring.entity_program import EntityProgram
from durable.authoring.registry import Registry
from durable.model.entities import OperationRequest, OperationResult
from durable.model.ids import EntityId
from tests.manual_clock import ManualClock

NOW = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)


class EntityLab:
    """One entity and its state."""

    def __init__(self, function: Any, threads: ThreadPoolExecutor) -> None:
        self.registry = Registry()
        self.registry.add_orchestrator(
            OrchestratorDefinition(name="Report", function=report, context_name="context")
        )
        for definition in (
            EntityDefinition(name="Counter", function=function),
            EntityDefinition(name="Log", function=lambda _: None),
        ):
            self.registry.add_entity(definition)
        self.program = EntityProgram(
            self.registry.entity("counter"), self.registry, threads=threads, clock=ManualClock()
        )
        self.state: str | None = None

    async def run(
        self, operation: str, text: str | None = None, *, is_signal: bool = False
    ) -> OperationResult:
        """Run an operation with the JSON `text`, and keep the state it leaves."""
        result = await self.program.run(
            OperationRequest(op=operation, id="1", input=text, is_signal=is_signal),
            self.state,
            entity=EntityId("Counter", "a"),
            now=NOW,
        )
        self.state = result.state
        return result

    async def result(self, operation: str, text: str | None = None) -> str | None:
        """The result of an operation that succeeds."""
        result = await self.run(operation, text)
        assert result.failure is None, result.failure
        return result.result

    async def failure(self, operation: str, text: str | None = None) -> str:
        """How an operation fails: ``type: message``. It leaves nothing."""
        before = self.state
        result = await self.run(operation, text)
        assert result.failure is not None
        assert (result.state, result.result, result.effects) == (before, None, ())
        return str(result.failure)


def report(context: object) -> None: ...


@contextmanager
def a_lab(function: Any) -> Iterator[EntityLab]:
    """A lab with a thread of its own."""
    with ThreadPoolExecutor(max_workers=1) as threads:
        yield EntityLab(function, threads)
