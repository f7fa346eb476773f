"""Deliberate mistakes in the engine. The random workflows must find each."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from durable.engine import entity_batch, judgement, turn
from durable.engine.derive import owed_messages
from durable.engine.ledger import Ledger
from durable.hub.commit import Committer, InstanceState
from durable.model.entities import Release
from durable.model.events import ExecutionCompleted
from durable.model.history import StoredEvent
from durable.runtime.orchestrations import Orchestrations
from durable.runtime.quiet import Quieter
from durable.storage.memory.tables import MemoryTables
from durable.storage.values import Operation, Write
from durable.wire.keys import SENTINEL

Patch = pytest.MonkeyPatch


def messages_before_history(patch: Patch) -> None:
    """Steps 2 and 3 swapped: messages leave before their history is written."""
    checkpoint = Committer.checkpoint

    async def send_first(self: Any, state: InstanceState, draft: Any, **more: Any) -> Any:
        rows = [] if draft.is_new_execution else list(state.ledger.rows)
        ahead = Ledger([*rows, *(StoredEvent(event=event) for event in draft.events)])
        sequence = 0 if draft.is_new_execution else Ledger(rows).stretches
        await self._hub.outbox.send_all(owed_messages(ahead, sequence))
        return await checkpoint(self, state, draft, **more)

    patch.setattr(Committer, "checkpoint", send_first)


def inbox_deleted_first(patch: Patch) -> None:
    """Step 5 before step 2: the messages of a turn are let go before it is committed."""
    handle = Orchestrations.handle

    async def delete_first(self: Any, instance_id: str, batch: Any, inbox: Any) -> None:
        for delivery in batch:
            await self._hub.account.queues.delete(
                delivery.queue, delivery.raw.id, delivery.raw.pop_receipt
            )
        await handle(self, instance_id, batch, inbox)

    patch.setattr(Orchestrations, "handle", delete_first)


def no_etag(patch: Patch) -> None:
    """The sentinel is written whoever wrote it last: two processes commit side by side."""
    batch = MemoryTables.batch

    async def unguarded(self: Any, table: str, operations: Any) -> Any:
        return await batch(self, table, [_unguarded(each) for each in operations])

    patch.setattr(MemoryTables, "batch", unguarded)


def _unguarded(operation: Operation) -> Operation:
    if operation.row.row_key != SENTINEL:
        return operation
    if operation.write is Write.INSERT:
        return replace(operation, write=Write.UPSERT_REPLACE)
    return replace(operation, row=replace(operation.row, etag="*"))


def row_not_repaired(patch: Patch) -> None:
    """Whoever finds a row behind its history takes it for quiet; the sweeper, too."""

    async def at_once(self: Any, state: InstanceState) -> Any:
        return state, 0.0

    patch.setattr(Quieter, "quiet", at_once)


def events_not_told_apart(patch: Patch) -> None:
    """What was consumed is forgotten: an event that is delivered again is taken again."""
    patch.setattr(judgement._Judge, "_was_consumed", lambda self, identity: False)


def locks_not_released(patch: Patch) -> None:
    """An execution that is terminated keeps its locks."""
    patch.setattr(turn, "releases_owed", lambda *args: [])


def releases_do_not_wait(patch: Patch) -> None:
    """A lock is free at once, though calls of its holder are still to come."""
    release = entity_batch._Intake._release

    def at_once(self: Any, message: Release) -> None:
        release(self, replace(message, after=None))

    patch.setattr(entity_batch._Intake, "_release", at_once)


def memory_refuses(patch: Patch) -> None:
    """R4: memory refuses without a look at storage."""
    patch.setattr(judgement._Judge, "_need_fresh_look", lambda self: None)


def frees_forgotten(patch: Patch) -> None:
    """A start that replaces a holder of locks, and continues as new at once, says nothing of it."""

    def sends(generation: Any) -> bool:
        return any(
            event.event_id >= 0 and not isinstance(event, ExecutionCompleted)
            for event in generation.new
        )

    patch.setattr(turn._Composer, "_sends", staticmethod(sends))


def as_it_was(patch: Patch) -> None:
    """Both of what these workflows found first."""
    frees_forgotten(patch)
    child_starts_forgotten(patch)


def child_starts_forgotten(patch: Patch) -> None:
    """The start of a child that was begun again since is taken for a new one."""
    patch.setattr(turn._Composer, "_replaced", lambda self: {})


MUTATIONS: Mapping[str, Callable[[Patch], None]] = {
    each.__name__: each
    for each in (
        messages_before_history,
        inbox_deleted_first,
        no_etag,
        row_not_repaired,
        events_not_told_apart,
        locks_not_released,
        releases_do_not_wait,
        memory_refuses,
        frees_forgotten,
        child_starts_forgotten,
        as_it_was,
    )
}


@contextlib.contextmanager
def mutated(name: str | None) -> Iterator[None]:
    """The engine with that mistake in it; without a name, as it is."""
    with pytest.MonkeyPatch.context() as patch:
        if name is not None:
            MUTATIONS[name](patch)
        yield
