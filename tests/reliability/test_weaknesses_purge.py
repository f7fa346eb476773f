"""W11, W24: payloads that outlive their messages or go with others', children left behind."""

from __future__ import annotations

from typing import Any

import pytest

from durable.client import Client
from durable.errors import InstanceError
from durable.hub.purging import purge_instance
from durable.model.status import RuntimeStatus
from durable.wire.keys import escape_partition_key
from tests.hub_lab import Actor, Crash, Lab, in_virtual_time, once
from tests.reliability.stories import BATCH, Steps, begun, collect, parent_of_collect

LARGE = "x" * 70_000


def echoing(context: Any) -> Steps:
    return (yield context.call_activity("echo", context.get_input()))


def renewing(context: Any) -> Steps:
    """An eternal instance with large payloads, for a while."""
    left, _ = context.get_input()
    yield context.call_activity("echo", f"{left}{LARGE}")
    if left:
        context.continue_as_new([left - 1, f"{left}{LARGE}"])


@pytest.mark.parametrize("instance_id", ["a", "a^"])
@in_virtual_time
async def test_w11_a_purge_takes_the_blobs_of_its_instance_all_of_them_and_no_other_s(
    instance_id: str,
) -> None:
    """Of escaped ids as well; and those of "ab" are not those of "a"."""
    lab = Lab(echoing)
    actor = await lab.actor()
    ids = (instance_id, f"{instance_id}b", f"{instance_id}-b")
    for each in ids:
        await lab.start("echoing", LARGE, instance_id=each)
    await actor.drain()
    before = set(await lab.blobs())
    assert await purge_instance(lab.hub, instance_id)
    left = set(await lab.blobs())
    gone = {name.rpartition("/")[0] for name in before - left}
    assert gone == {instance_id, escape_partition_key(instance_id)}
    for other in ids[1:]:
        assert (await lab.row(other)).status is RuntimeStatus.COMPLETED
        assert await lab.output(other) == LARGE
    for prefix in gone:
        assert not any(name.startswith(f"{prefix}/") for name in left)


@in_virtual_time
async def test_w11_blobs_of_messages_and_lost_turns_do_not_pile_up() -> None:
    """An eternal instance with large payloads, and a crash between blobs and history."""
    lab = Lab(renewing)
    actor = await lab.actor()
    await lab.start("renewing", [8, LARGE])
    actor.before = once(_death_of(actor), BATCH)
    with pytest.raises(Crash):
        await actor.deliver()
    actor = await lab.actor()
    await actor.drain()
    named = {name for row in (await lab.history()).ledger.rows for name in row.blobs.values()}
    history = {name for name in await lab.blobs() if "/history-" in name}
    assert len(history - named) <= 2  # of the lost turn alone, not of eight generations
    for _ in range(30):  # a day and more, a pass an hour
        await lab.clock.sleep(3600)
        await actor.sweep()
    left = set(await lab.blobs())
    assert {name for name in left if "/history-" in name} == named
    assert len(left - named) <= 1  # the input of the first start, if the row still names it


def _death_of(actor: Actor) -> Any:
    async def die() -> None:
        actor.crash()

    return die


@in_virtual_time
async def test_w24_children_end_and_go_with_their_parent_where_that_is_asked_for() -> None:
    """By default they live on, as there; nobody is left who could not be found."""
    lab = Lab(parent_of_collect, collect)
    actor = await begun(lab, "parent_of_collect")
    await actor.drain()
    client = Client(lab.hub)
    await client.terminate("i1", "enough")
    await actor.drain()
    assert (await lab.row()).status is RuntimeStatus.TERMINATED
    assert (await lab.row("child")).status is RuntimeStatus.RUNNING
    with pytest.raises(InstanceError, match="'child' is Running"):
        await client.purge_instance_history("i1", recursive=True)
    await client.terminate("i1", "enough", recursive=True)
    await actor.drain()
    assert (await lab.row("child")).status is RuntimeStatus.TERMINATED
    assert (await client.purge_instance_history("i1", recursive=True)).instances_deleted == 2
    assert await lab.hub.instances.read("child") is None


@in_virtual_time
async def test_w24_a_child_that_outlives_its_parent_harms_nothing() -> None:
    """Its result comes to a parent that has ended, or was purged, and is dropped."""
    for purged in (False, True):
        lab = Lab(parent_of_collect, collect)
        actor = await begun(lab, "parent_of_collect")
        await actor.drain()
        await Client(lab.hub).terminate("i1", "enough")
        await actor.drain()
        if purged:
            await purge_instance(lab.hub, "i1")
        await lab.raise_event("E", "end", instance_id="child")
        await actor.drain()
        assert await lab.output("child") == []
        assert await lab.quarantined() == []
        row = await lab.hub.instances.read("i1")
        assert (row is None) if purged else (row and row.status is RuntimeStatus.TERMINATED)
