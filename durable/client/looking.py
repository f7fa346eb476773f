"""Reading instances: pages, all of them, their histories and payloads."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from datetime import UTC, datetime

from durable.client.history_view import Entry, history_view
from durable.client.json_text import embedded, opened
from durable.client.status import DurableOrchestrationStatus, OrchestrationRuntimeStatus
from durable.hub.instances import InstancePage, InstanceQuery
from durable.hub.taskhub import TaskHub
from durable.model.status import InstanceRow, RuntimeStatus

#: How many rows a query asks storage for at once; its own limit.
MAX_PAGE = 1000


async def page_of(
    hub: TaskHub, query: InstanceQuery, *, size: int, continuation: str | None = None
) -> InstancePage:
    """One page of instances: `size` of them (1,000 at most), or the last ones.

    Raises:
        CorruptRecord: the continuation is none of this hub's.
    """
    size = min(size, MAX_PAGE)
    rows: tuple[InstanceRow, ...] = ()
    while True:
        page = await hub.instances.page(query, size=size - len(rows), continuation=continuation)
        rows, continuation = rows + page.rows, page.continuation
        # Storage may answer with less than a page, even nothing, and have more.
        if continuation is None or len(rows) >= size:
            return InstancePage(rows=rows, continuation=continuation)


async def all_rows(hub: TaskHub, query: InstanceQuery) -> AsyncIterator[InstanceRow]:
    """Every instance that fits `query`, by id."""
    continuation: str | None = None
    while True:
        page = await hub.instances.page(query, size=MAX_PAGE, continuation=continuation)
        for row in page.rows:
            yield row
        continuation = page.continuation
        if continuation is None:
            return


async def history_of(
    hub: TaskHub, row: InstanceRow, *, show_input: bool, show_output: bool
) -> list[Entry] | None:
    """The history entries of an instance; None while it is Pending."""
    if row.status is RuntimeStatus.PENDING:
        return None
    history = await hub.history.load(row.instance_id)
    events = [stored.event for stored in history.events]
    return history_view(events, show_input=show_input, show_output=show_output)


async def status_of(
    hub: TaskHub, row: InstanceRow, history: list[Entry] | None = None
) -> DurableOrchestrationStatus:
    """The row as users see it, its payloads fetched and decoded."""
    texts = await hub.instances.texts(row)
    return DurableOrchestrationStatus(
        name=row.name,
        instanceId=row.instance_id,
        createdTime=row.created_time,
        lastUpdatedTime=row.last_updated_time,
        input=embedded(texts.input).value(),
        output=embedded(texts.output).value(),
        runtimeStatus=None if row.status is None else row.status.value,
        customStatus=embedded(row.custom_status).value(),
        historyEvents=opened(history),
    )


def without_input(row: InstanceRow) -> InstanceRow:
    """`row` as if it had no input, so that none is fetched."""
    return replace(row, input=None, input_blob=None)


def utc(moment: datetime | None) -> datetime | None:
    """A user's time in UTC; a naive one is UTC already."""
    if moment is None:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def statuses_of(
    asked: Iterable[OrchestrationRuntimeStatus] | None,
) -> tuple[RuntimeStatus, ...]:
    """A user's statuses as the hub's."""
    return tuple(RuntimeStatus(status.value) for status in asked or ())
