"""The children that an instance started, and theirs (W24).

A child is an instance of its own: its parent's end is not its end, as in the original. Who wants
it otherwise asks for it, and the rows say who they are: `SubOrchestrationInstanceCreated` of the
parent, and `ParentInstance` in the child's own start. Both must agree, since an id may have been
taken by somebody else since.
"""

from __future__ import annotations

import contextlib

from durable.errors import CorruptRecord
from durable.hub.taskhub import TaskHub
from durable.model.events import ExecutionStarted, HistoryEvent, SubOrchestrationCreated
from durable.storage.values import All, Comparison, Where
from durable.together import run_together
from durable.wire.history_rows import decode_event
from durable.wire.keys import escape_partition_key

_COLUMNS = ("EventType", "EventId", "IsPlayed", "_Timestamp", "ExecutionId", "Name")
_CREATED = ("SubOrchestrationInstanceCreated", (*_COLUMNS, "InstanceId"))
_STARTED = ("ExecutionStarted", (*_COLUMNS, "OrchestrationInstance", "ParentInstance"))
_AT_ONCE = 8


async def descendants(hub: TaskHub, instance_id: str) -> list[str]:
    """The ids of the children of an instance's current execution, and of theirs: parents first.

    A child whose first turn was not made yet is none, and what was started by an execution before
    (continue-as-new) was its business.
    """
    found: list[str] = []
    seen = {instance_id}
    level = [instance_id]
    while level:
        lists = await run_together((_children(hub, each) for each in level), at_once=_AT_ONCE)
        level = [child for children in lists for child in children if child not in seen]
        level = list(dict.fromkeys(level))
        seen.update(level)
        found += level
    return found


async def _children(hub: TaskHub, instance_id: str) -> list[str]:
    created = await _events(hub, instance_id, *_CREATED)
    ids = {e.instance_id: None for e in created if isinstance(e, SubOrchestrationCreated)}
    named = [each for each in ids if each is not None]
    own = await run_together(
        (_is_child(hub, each, instance_id) for each in named), at_once=_AT_ONCE
    )
    return [child for child, is_own in zip(named, own, strict=True) if is_own]


async def _is_child(hub: TaskHub, instance_id: str, parent: str) -> bool:
    started = await _events(hub, instance_id, *_STARTED)
    return any(
        isinstance(each, ExecutionStarted)
        and each.parent is not None
        and each.parent.instance.instance_id == parent
        for each in started
    )


async def _events(
    hub: TaskHub, instance_id: str, kind: str, columns: tuple[str, ...]
) -> list[HistoryEvent]:
    """The events of one kind of an instance's current execution; large columns are not read."""
    sentinel = await hub.history.read_sentinel(instance_id)
    if sentinel is None or sentinel.purged:
        return []
    where = All(
        (
            Where("PartitionKey", Comparison.EQ, escape_partition_key(instance_id)),
            Where("EventType", Comparison.EQ, kind),
        )
    )
    found: list[HistoryEvent] = []
    continuation: str | None = None
    while True:
        page = await hub.account.tables.query(
            hub.names.history_table, where, select=columns, continuation=continuation
        )
        for row in page.rows:
            if row.columns.get("ExecutionId") != sentinel.execution_id:
                continue  # an older generation's, not written over yet
            with contextlib.suppress(CorruptRecord):  # what can't be read names nobody
                found.append(decode_event(row.columns))
        continuation = page.continuation
        if continuation is None:
            return found
