"""Tombstones of purged instances go after a day (R8, R9)."""

from __future__ import annotations

from collections.abc import Generator
from datetime import timedelta
from typing import Any

import pytest

from durable.hub.purging import purge_instance
from durable.runtime.tombstones import remove_old_tombstones
from tests.hub_lab import Actor, Lab, in_virtual_time, once

Steps = Generator[Any, Any, Any]


def ending(context: Any) -> Steps:
    yield context.call_activity("greet", 1)


async def purged(lab: Lab, *ids: str) -> Actor:
    actor = await lab.actor()
    for each in ids:
        await lab.start("ending", instance_id=each)
    await actor.drain()
    for each in ids:
        assert await purge_instance(lab.hub, each)
    return actor


async def tombstones(lab: Lab) -> list[str]:
    page = await lab.account.tables.query(lab.hub.names.history_table, None)
    return [row.partition_key for row in page.rows if row.columns.get("Purged") is True]


@in_virtual_time
async def test_r8_r9_a_tombstone_is_removed_after_a_day_and_not_before() -> None:
    lab = Lab(ending)
    actor = await purged(lab, "i1")
    await lab.start("ending", instance_id="alive")
    await actor.drain()
    await lab.clock.sleep(24 * 3600 - 60)
    await actor.sweep()
    assert await tombstones(lab) == ["i1"]
    await lab.clock.sleep(120)
    await actor.sweep()
    assert await tombstones(lab) == []
    assert await lab.hub.history.read_sentinel("i1") is None
    assert len(await lab.events("alive")) > 0


@pytest.mark.parametrize(
    "columns",
    [
        {"CommittedCount": 5},
        {"IsCheckpointComplete": "Pending"},
        # What .NET merges when it starts an instance under the id of a purged one.
        {"IsCheckpointComplete": True, "ExecutionId": "e2"},
    ],
)
@in_virtual_time
async def test_not_every_sentinel_that_says_purged_is_a_tombstone(
    columns: dict[str, int | str],
) -> None:
    lab = Lab(ending)
    await purged(lab, "i1", "i2")
    await lab.merge_sentinel("i1", **columns)
    before = lab.clock.now() + timedelta(seconds=1)
    assert await remove_old_tombstones(lab.hub, None, older_than=before) is None
    assert await tombstones(lab) == ["i1"]


@in_virtual_time
async def test_r9_tombstones_are_removed_a_page_at_a_time() -> None:
    lab = Lab(ending)
    await purged(lab, *(f"i{n:03}" for n in range(130)))
    before = lab.clock.now() + timedelta(seconds=1)
    cursor = await remove_old_tombstones(lab.hub, None, older_than=before)
    assert cursor is not None
    assert len(await tombstones(lab)) == 30
    assert await remove_old_tombstones(lab.hub, cursor, older_than=before) is None
    assert await tombstones(lab) == []


@in_virtual_time
async def test_r8_an_instance_that_began_over_its_tombstone_keeps_its_history() -> None:
    lab = Lab(ending)
    actor = await purged(lab, "i1")

    async def begin() -> None:
        await lab.start("ending")
        await actor.deliver()

    remover = await lab.actor()
    remover.before = once(begin, "Delete Entity")
    before = lab.clock.now() + timedelta(seconds=1)
    assert await remove_old_tombstones(remover.hub, None, older_than=before) is None
    assert len(await lab.events()) > 0
    await actor.drain()
    assert await lab.output() is None


@in_virtual_time
async def test_r9_a_cursor_of_another_time_begins_anew() -> None:
    lab = Lab(ending)
    await purged(lab, "i1")
    older = lab.clock.now() + timedelta(seconds=1)
    assert await remove_old_tombstones(lab.hub, "nonsense", older_than=older) is None
    assert await tombstones(lab) == ["i1"]
