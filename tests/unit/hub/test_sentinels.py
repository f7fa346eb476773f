"""The sentinels of many instances: one query where that is worth while."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from durable.clock import SystemClock
from durable.hub.sentinels import SENTINELS_EACH, read_sentinels
from durable.hub.settings import HubSettings
from durable.hub.taskhub import TaskHub
from durable.storage.azure.account import account_config, open_account
from durable.storage.values import Operation, Page, Row, Write
from durable.wire.keys import escape_partition_key
from tests.hub_lab import Actor, Lab, in_virtual_time


async def stored(lab: Lab, instance_ids: Sequence[str], **columns: Any) -> Actor:
    """Histories of which only the sentinel matters; a process that looks at them."""
    actor = await lab.actor()
    await insert(lab.hub, instance_ids, **columns)
    return actor


async def insert(hub: TaskHub, instance_ids: Sequence[str], **columns: Any) -> None:
    for each in instance_ids:
        row = Row(
            partition_key=escape_partition_key(each),
            row_key="sentinel",
            columns={"ExecutionId": f"of {each}", "CheckpointSequence": 1, **columns},
        )
        operation = Operation(write=Write.INSERT, row=row)
        await hub.account.tables.write(hub.names.history_table, operation)


def queries(actor: Actor) -> int:
    return actor.account.requests["table", "Query Entities"]


@pytest.mark.parametrize("count", [0, 3, 4, 1000])
@in_virtual_time
async def test_one_query_tells_of_all_from_four_on(count: int) -> None:
    lab = Lab()
    ids = [f"i{n:04}" for n in range(count)]
    actor = await stored(lab, ids)
    found = await read_sentinels(actor.hub, ids)
    assert queries(actor) == (1 if count >= 4 else 0)
    assert list(found) == (ids if count >= 4 else [])
    assert all(each is not None and each.execution_id == f"of {n}" for n, each in found.items())


@in_virtual_time
async def test_none_stands_for_an_instance_without_history() -> None:
    lab = Lab()
    actor = await stored(lab, ["a", "d", "other"])
    found = await read_sentinels(actor.hub, ["a", "b", "c", "d", "z"])
    assert [key for key, each in found.items() if each is not None] == ["a", "d"]
    assert sorted(found) == ["a", "b", "c", "d", "z"]


@in_virtual_time
async def test_ids_are_in_the_services_order_and_escaped() -> None:
    """Between U+FFFF and the code points above it, the order of Python's texts is another."""
    lab = Lab()
    ids = ["a", "b/1", "c#", "d\uff5e", "d\U0001f600"]
    actor = await stored(lab, ids)
    found = await read_sentinels(actor.hub, ids)
    assert all(found[each] is not None for each in ids)


@in_virtual_time
async def test_identities_stay_where_they_are() -> None:
    lab = Lab()
    actor = await stored(lab, list("abcd"), RecentIdentities='[["x", 1]]')
    alone = await lab.hub.history.read_sentinel("a")
    assert alone is not None
    assert alone.identities
    found = (await read_sentinels(actor.hub, list("abcd")))["a"]
    assert found == replace(alone, identities=())


@in_virtual_time
async def test_one_that_cannot_be_understood_hides_no_other() -> None:
    lab = Lab()
    await stored(lab, ["bad"], CommittedCount="many")
    actor = await stored(lab, list("abcd"))
    assert sorted(await read_sentinels(actor.hub, [*"abcd", "bad"])) == list("abcd")


@in_virtual_time
async def test_a_thousand_others_in_between_are_read_over_while_many_are_found() -> None:
    lab = Lab()
    ids = [f"i{n:04}" for n in range(1_300)]
    actor = await stored(lab, ids)
    asked = ids[::13]
    assert sorted(await read_sentinels(actor.hub, asked)) == asked
    assert queries(actor) == 2


@pytest.mark.slow
@pytest.mark.sweep  # long, and nothing new for the coverage
@in_virtual_time
async def test_a_thousand_with_eighteen_others_between_each_two_are_read_by_queries_alone() -> None:
    lab = Lab()
    ids = [f"i{n:05}" for n in range(19_000)]
    actor = await stored(lab, ids)
    asked = ids[::19]
    assert sorted(await read_sentinels(actor.hub, asked)) == asked
    assert queries(actor) == 19


@in_virtual_time
async def test_where_few_lie_among_many_the_rest_is_left_to_single_reads() -> None:
    lab = Lab()
    ids = [f"i{n:04}" for n in range(1_300)]
    actor = await stored(lab, ids)
    asked = ids[::300]
    found = await read_sentinels(actor.hub, asked)
    assert queries(actor) == 1
    # No more sentinels come over than are worth it.
    assert sorted(found) == [each for each in asked if each < f"i{SENTINELS_EACH * len(asked):04}"]


@in_virtual_time
async def test_a_service_that_gives_up_on_queries_is_not_asked_again() -> None:
    lab = Lab()
    ids = [f"i{n}" for n in range(8)]
    actor = await stored(lab, ids)
    query = actor.account.tables.query

    async def giving_up(*arguments: Any, **options: Any) -> Page:
        return replace(await query(*arguments, **options), rows=(), continuation="later")

    actor.account.tables.query = giving_up  # type: ignore[method-assign]
    assert await read_sentinels(actor.hub, ids) == {}
    assert queries(actor) == 1


@in_virtual_time
async def test_nothing_before_the_first_or_behind_the_last_comes_over() -> None:
    lab = Lab()
    ids = [f"i{n:02}" for n in range(30)]
    actor = await stored(lab, ids)
    query = actor.account.tables.query
    came: list[str] = []

    async def watched(*arguments: Any, **options: Any) -> Page:
        page = await query(*arguments, **options)
        came.extend(row.partition_key for row in page.rows)
        return page

    actor.account.tables.query = watched  # type: ignore[method-assign]
    assert sorted(await read_sentinels(actor.hub, ids[10:15])) == ids[10:15]
    assert came == ids[10:15]


@pytest.mark.azurite
@pytest.mark.slow
async def test_a_page_that_is_cut_short_denies_no_sentinel_on_azurite(
    azurite_connection_string: str,
) -> None:
    account = open_account(account_config({"Store": azurite_connection_string}, "Store"))
    hub = TaskHub(account, HubSettings(name=f"Sent{uuid.uuid4().hex[:8]}"), SystemClock())
    await hub.ensure()
    ids = ["a'1", "b/1", "d\uff5e", "d\U0001f600"]
    await insert(hub, ids, RecentIdentities='[["x", 1]]')
    found = await read_sentinels(hub, [*ids, "c"])
    assert found.pop("c") is None
    for each in ids:
        alone = await hub.history.read_sentinel(each)
        assert alone is not None
        # The ETag is the one that a single read gives, and that a commit is under.
        assert found[each] == replace(alone, identities=())
    await insert(hub, [f"c{n:03}" for n in range(SENTINELS_EACH * len(ids))])
    assert sorted(await read_sentinels(hub, ids)) == ids[:2]
    await hub.delete()
    await account.close()
