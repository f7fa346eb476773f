"""The sentinels of many instances at once, for whoever only looks at them (R9).

A query reads over whatever lies between the instances that are asked for: hundreds that have
ended, perhaps, for each that waits. It goes on only while that is cheaper than reading one by one.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence

from durable.errors import CorruptRecord
from durable.hub.taskhub import TaskHub
from durable.model.history import Sentinel
from durable.storage.rules import MAX_PAGE, ordinal
from durable.storage.values import All, Comparison, Page, Where
from durable.wire.keys import SENTINEL, escape_partition_key
from durable.wire.sentinel_rows import WITHOUT_IDENTITIES, decode_sentinel

log = logging.getLogger("durable.sentinels")

#: So many instances are worth a query; fewer are read one by one.
WORTH_A_QUERY = 4
#: A query must find one that was asked for among so many sentinels, or it is the last. So there
#: are 20 for a thousand instances at most, and few where the service gives up with little found.
SENTINELS_EACH = 20


async def read_sentinels(hub: TaskHub, instance_ids: Collection[str]) -> dict[str, Sentinel | None]:
    """The sentinels of some of the instances, without their identities: nothing is committed on.

    None stands for an instance without history. Those that are left out are to be read one by
    one: too few of them lie together, or their sentinel can't be understood.
    """
    by_key = {escape_partition_key(each): each for each in instance_ids}
    keys = sorted(by_key, key=ordinal)
    found: dict[str, Sentinel | None] = {}
    while len(keys) >= WORTH_A_QUERY:
        size = min(MAX_PAGE, SENTINELS_EACH * len(keys))
        page = await _between(hub, keys[0], keys[-1], size)
        covered = _covered(keys, page)
        found |= _sentinels(by_key, page, covered)
        keys = keys[len(covered) :]
        if SENTINELS_EACH * len(covered) < size:
            break
    return found


async def _between(hub: TaskHub, first: str, last: str, size: int) -> Page:
    condition = All(
        (
            Where("RowKey", Comparison.EQ, SENTINEL),
            Where("PartitionKey", Comparison.GE, first),
            Where("PartitionKey", Comparison.LE, last),
        )
    )
    return await hub.account.tables.query(
        hub.names.history_table, condition, page_size=size, select=WITHOUT_IDENTITIES
    )


def _covered(keys: Sequence[str], page: Page) -> Sequence[str]:
    """Those of `keys`, from the first on, of which the page tells."""
    if page.continuation is None:
        return keys
    if not page.rows:
        return ()
    last = ordinal(page.rows[-1].partition_key)
    return [key for key in keys if ordinal(key) <= last]


def _sentinels(
    by_key: dict[str, str], page: Page, covered: Sequence[str]
) -> dict[str, Sentinel | None]:
    found: dict[str, Sentinel | None] = {by_key[key]: None for key in covered}
    for row in page.rows:
        instance_id = by_key.get(row.partition_key)
        if instance_id is None:
            continue
        try:
            found[instance_id] = decode_sentinel(row.columns, row.etag, row.timestamp)
        except CorruptRecord as error:
            log.debug("sentinel of instance %r left out: %s", instance_id, error)
            del found[instance_id]
    return found
