"""How many control queues a hub that others made has."""

from __future__ import annotations

from dataclasses import replace

import pytest

from durable.errors import BadConfig, CorruptRecord
from durable.hub.partitions import as_recorded, recorded_partition_count
from durable.hub.taskhub import TaskHub
from durable.storage.values import Operation, Row, Write
from durable.wire.lease_rows import TaskHubInfo, encode_task_hub_info
from durable.wire.names import TASK_HUB_INFO
from tests.hub_lab import Actor, Lab, in_virtual_time


def seen_by_another(lab: Lab, count: int) -> TaskHub:
    return TaskHub(lab.account, replace(lab.settings, partition_count=count), lab.clock)


@in_virtual_time
async def test_a_new_hub_is_as_its_settings_say() -> None:
    lab = Lab(partition_count=3)
    assert await recorded_partition_count(lab.hub) is None
    assert await as_recorded(lab.hub, insist=True) is lab.hub
    await lab.account.tables.create_table(lab.hub.names.partitions_table)
    assert await recorded_partition_count(lab.hub) is None


@pytest.mark.parametrize(("made_with", "thought"), [(16, 4), (1, 4), (4, 4)])
@in_virtual_time
async def test_a_hub_is_as_it_was_made(made_with: int, thought: int) -> None:
    lab = Lab(partition_count=made_with)
    await lab.hub.ensure()
    found = await as_recorded(seen_by_another(lab, thought), insist=False)
    assert found.settings == lab.settings
    assert found.names.control_queue_of("some") == lab.hub.names.control_queue_of("some")


@in_virtual_time
async def test_who_insists_on_another_count_is_told() -> None:
    lab = Lab(partition_count=2)
    await lab.hub.ensure()
    with pytest.raises(BadConfig, match="'Lab' has 2 partitions, but partition_count is 4"):
        await as_recorded(seen_by_another(lab, 4), insist=True)


@in_virtual_time
async def test_a_hub_that_is_being_made_shows_its_count_from_the_first_row() -> None:
    lab = Lab(partition_count=5)
    actor = Actor(lab, lab.registry)
    seen: list[int | None] = []

    async def look(number: int, operation: str, resource: str) -> None:
        if (operation, resource) == ("Insert Entity", lab.hub.names.partitions_table):
            seen.append(await recorded_partition_count(lab.hub))

    actor.after = look
    await actor.hub.ensure()
    assert seen == [5] * 5


@in_virtual_time
async def test_rows_of_others_do_not_count() -> None:
    lab = Lab(partition_count=2)
    await lab.hub.ensure()
    for key in ("other-control-09", "lab-control-9", "x"):
        row = Row(partition_key="", row_key=key, columns={"A": 1})
        table = lab.hub.names.partitions_table
        await lab.account.tables.write(table, Operation(write=Write.INSERT, row=row))
    assert await recorded_partition_count(lab.hub) == 2


@in_virtual_time
async def test_a_dotnet_app_with_leases_in_blobs_says_it_in_a_blob() -> None:
    lab = Lab(partition_count=1)
    container = lab.hub.names.leases
    info = TaskHubInfo(name="Lab", created_at=lab.clock.now(), partition_count=7)
    await lab.account.blobs.create_container(container)
    assert await recorded_partition_count(lab.hub) is None
    text = encode_task_hub_info(info)
    await lab.account.blobs.put_blob(container, TASK_HUB_INFO, text.encode("utf-8-sig"))
    assert await recorded_partition_count(lab.hub) == 7
    await lab.account.blobs.put_blob(container, TASK_HUB_INFO, b"\xff")
    with pytest.raises(CorruptRecord, match=r"taskhub\.json"):
        await recorded_partition_count(lab.hub)
