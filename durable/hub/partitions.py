"""How many control queues a hub really has, for those who didn't make it.

A message in the wrong control queue may never be seen: the count is a fact of the hub, not a
setting of whoever sends to it.
"""

from __future__ import annotations

from dataclasses import replace

from durable.errors import BadConfig, NotFound
from durable.hub.taskhub import TaskHub
from durable.model.ids import MAX_PARTITIONS
from durable.wire.lease_rows import decode_task_hub_info
from durable.wire.names import TASK_HUB_INFO

_MAX_INFO_BYTES = 65_536


async def recorded_partition_count(hub: TaskHub) -> int | None:
    """The count that the hub was made with; None when there is no such hub yet.

    It is in the Partitions table, whose last row comes first when a hub is made; or in the
    ``taskhub.json`` of a .NET app that keeps its leases in blobs.

    Raises:
        CorruptRecord: ``taskhub.json`` can't be understood.
    """
    try:
        page = await hub.account.tables.query(hub.names.partitions_table, None)
    except NotFound:
        return await _count_of_blob(hub)
    rows = {row.row_key for row in page.rows}
    for index in reversed(range(MAX_PARTITIONS)):
        if hub.names.control_queue(index) in rows:
            return index + 1
    return await _count_of_blob(hub)


async def as_recorded(hub: TaskHub, *, insist: bool) -> TaskHub:
    """`hub` with the partition count it was made with; `hub` itself when it is new.

    Args:
        hub: the task hub.
        insist: its setting was given by somebody, who is told when it is wrong.

    Raises:
        BadConfig: the setting differs, and was insisted on.
    """
    recorded = await recorded_partition_count(hub)
    wanted = hub.settings.partition_count
    if recorded is None or recorded == wanted:
        return hub
    if insist:
        raise BadConfig(
            f"Task hub {hub.settings.name!r} has {recorded} partitions, but partition_count is "
            f"{wanted}: leave it out, or give {recorded}. The count of a hub can't be changed."
        )
    return TaskHub(hub.account, replace(hub.settings, partition_count=recorded), hub.clock)


async def _count_of_blob(hub: TaskHub) -> int | None:
    try:
        data = await hub.account.blobs.get_blob(
            hub.names.leases, TASK_HUB_INFO, max_bytes=_MAX_INFO_BYTES
        )
    except NotFound:
        return None
    return decode_task_hub_info(data.decode("utf-8-sig", "replace")).partition_count
