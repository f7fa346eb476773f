"""Whose children instances are, as the rows say it; ending and removing whole families."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from durable.client import Client
from durable.errors import InstanceError
from durable.hub.descendants import descendants
from durable.model.status import RuntimeStatus
from tests.entity_rows import insert_entity
from tests.hub_lab import Actor, Lab, in_virtual_time

Steps = Generator[Any, Any, Any]


def family(context: Any) -> Steps:
    """So many generations, two children each; the youngest wait."""
    depth = context.get_input()
    if not depth:
        return (yield context.wait_for_external_event("E"))
    calls = [
        context.call_sub_orchestrator("family", depth - 1, f"{context.instance_id}.{n}")
        for n in range(2)
    ]
    return len((yield context.task_all(calls)))


def renewing(context: Any) -> Steps:
    """Continues as new after its first child."""
    left = context.get_input()
    yield context.call_sub_orchestrator("family", 0, f"child-{left}")
    if left:
        context.continue_as_new(left - 1)


async def begun(name: str, value: Any) -> tuple[Lab, Actor]:
    lab = Lab(family, renewing)
    actor = await lab.actor()
    await lab.start(name, value)
    await actor.drain()
    return lab, actor


CHILDREN = ["i1.0", "i1.1", "i1.0.0", "i1.0.1", "i1.1.0", "i1.1.1"]


@in_virtual_time
async def test_children_are_found_parents_first() -> None:
    lab, _ = await begun("family", 2)
    assert await descendants(lab.hub, "i1") == CHILDREN
    assert await descendants(lab.hub, "i1.1") == ["i1.1.0", "i1.1.1"]
    assert await descendants(lab.hub, "i1.1.0") == []
    assert await descendants(lab.hub, "nobody") == []


@in_virtual_time
async def test_an_id_that_somebody_else_took_since_is_no_child() -> None:
    lab, actor = await begun("family", 1)
    await Client(lab.hub).terminate("i1.0")
    await actor.drain()
    assert await descendants(lab.hub, "i1") == ["i1.0", "i1.1"]
    await lab.start("family", 0, instance_id="i1.0")
    await actor.drain()
    assert await descendants(lab.hub, "i1") == ["i1.1"]


@in_virtual_time
async def test_children_of_generations_before_are_their_business() -> None:
    lab, actor = await begun("renewing", 1)
    assert await descendants(lab.hub, "i1") == ["child-1"]
    await lab.raise_event("E", 1, instance_id="child-1")
    await actor.drain()
    assert await descendants(lab.hub, "i1") == ["child-0"]


@in_virtual_time
async def test_a_row_that_cannot_be_read_names_nobody() -> None:
    lab, _ = await begun("family", 1)
    rows = lab.account._tables._state.tables[lab.hub.names.history_table.lower()].partitions
    [first, *_] = [
        row
        for row in rows["i1"].rows.values()
        if row.columns.get("EventType") == "SubOrchestrationInstanceCreated"
    ]
    columns: dict[str, Any] = first.columns  # type: ignore[assignment]
    columns["EventId"] = "?"
    assert await descendants(lab.hub, "i1") == ["i1.1"]


@in_virtual_time
async def test_a_family_is_ended_and_removed_as_a_whole() -> None:
    lab, actor = await begun("family", 2)
    client = Client(lab.hub)
    await client.terminate("i1", "enough", recursive=True)
    await actor.drain()
    for each in ["i1", *CHILDREN]:
        row = await lab.row(each)
        assert row.status is not None
        assert row.status.is_terminal, each
    assert (await lab.row("i1.0.0")).output == "enough"
    assert (await client.purge_instance_history("i1", recursive=True)).instances_deleted == 7
    assert (await client.purge_instance_history("i1", recursive=True)).instances_deleted == 0
    assert [await lab.hub.instances.read(each) for each in ["i1", *CHILDREN]] == [None] * 7


@in_virtual_time
async def test_children_that_outlived_their_parent_are_ended_by_calling_it_again() -> None:
    lab, actor = await begun("family", 1)
    client = Client(lab.hub)
    await client.terminate("i1", "enough")
    await actor.drain()
    assert (await lab.row("i1.0")).status is RuntimeStatus.RUNNING
    with pytest.raises(InstanceError, match=r"'i1\.0' is Running"):
        await client.purge_instance_history("i1", recursive=True)
    assert (await lab.row()).status is RuntimeStatus.TERMINATED
    await client.terminate("i1", "enough", recursive=True)
    await actor.drain()
    assert (await client.purge_instance_history("i1", recursive=True)).instances_deleted == 3


@in_virtual_time
async def test_who_has_no_family_is_removed_alone() -> None:
    lab, _ = await begun("family", 0)
    await insert_entity(lab.hub, "@counter@k", "1")
    client = Client(lab.hub)
    for who, count in (("nobody", 0), ("@counter@k", 1)):
        purged = await client.purge_instance_history(who, recursive=True)
        assert purged.instances_deleted == count
