"""Reading instances: pages, all of them, their histories and payloads."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from dataclasses import replace

from durable.client.history_view import Entry, history_view
from durable.client.json_text import embedded, opened
from durable.client.status import DurableOrchestrationStatus
from durable.errors import CorruptRecord, NotFound, TooLarge
from durable.hub.instances import InstancePage, InstanceQuery, InstanceTexts
from durable.hub.taskhub import TaskHub
from durable.model.status import InstanceRow, RuntimeStatus

log = logging.getLogger("durable.client")

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
    return _status(*await shown(hub, row), history)


async def status_in_list(hub: TaskHub, row: InstanceRow) -> DurableOrchestrationStatus:
    """`status_of`, in a list: see `listed`."""
    return _status(*await listed(hub, row), None)


def _status(
    row: InstanceRow, texts: InstanceTexts, history: list[Entry] | None
) -> DurableOrchestrationStatus:
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
        version=row.version,
        tags=row.tags,
        scheduled_start_time=row.scheduled_start_time,
    )


async def shown(
    hub: TaskHub, row: InstanceRow, *, with_input: bool = True
) -> tuple[InstanceRow, InstanceTexts]:
    """What whoever looks at a row is shown: large payloads fetched, or their addresses (settings).

    Without the input, none is fetched. The row is a newer one when its payloads were replaced.
    """
    if hub.settings.shows_large_payloads:
        return await hub.instances.current(row, with_input=with_input)
    seen = row if with_input else replace(row, input=None, input_blob=None)
    return row, InstanceTexts(input=seen.input or seen.input_blob, output=seen.output)


async def listed(
    hub: TaskHub, row: InstanceRow, *, with_input: bool = True
) -> tuple[InstanceRow, InstanceTexts]:
    """`shown`, in a list: an instance whose payloads are gone or damaged must not hide the others.

    It was purged meanwhile, or somebody deleted or changed its blobs; it is shown without them.
    """
    try:
        return await shown(hub, row, with_input=with_input)
    except (NotFound, CorruptRecord, TooLarge) as error:
        log.warning("the payloads of instance %r can't be shown: %s", row.instance_id, error)
        return row, InstanceTexts(input=None, output=None)
