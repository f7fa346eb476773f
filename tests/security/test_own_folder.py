"""Whatever an instance's id looks like, its payloads stay in its own folder, and only those go."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import example, given

from durable.errors import Conflict, InvalidName
from durable.hub.purging import purge_instance
from durable.model.events import ExecutionStarted, InstanceRef
from durable.model.ids import EntityId, check_entity_id, check_instance_id
from durable.model.status import InstanceRow, RuntimeStatus
from durable.wire import spill
from durable.wire.keys import escape_partition_key
from tests.hub_lab import Lab, in_virtual_time
from tests.security.hostile import any_text

Steps = Generator[Any, Any, Any]
LARGE = "x" * 50_000
#: Ids that no client of ours gives out; .NET, or whoever writes to the queue, may.
HOSTILE_IDS = (
    "..",
    ".",
    "../x",
    "../../lab-keys/management",
    "a/../b",
    "/",
    "//",
    "/a",
    "\\",
    "a\\..\\b",
    "a%2f..%2fb",
    "%2e%2e",
    "%2e%2e/x",
    "a\r\nb",
    "a\0b",
    "\ud800",
    "\u202e",
    "a" * 400,
    "é" * 300,
    "?restype=container",
    "#",
    "^",
    "",
)


def echoing(context: Any) -> Steps:
    return (yield context.call_activity("echo", context.get_input()))


async def _run(lab: Lab, instance_id: str, value: str = LARGE) -> None:
    """Start an instance as somebody does who asks nobody whether its id is right."""
    now = lab.clock.now()
    target = InstanceRef(instance_id=instance_id, execution_id="e1")
    event = ExecutionStarted(
        timestamp=now, name="echoing", input=json.dumps(value), instance=target
    )
    text, _ = await lab.hub.payloads.spill_message(
        lab.event(event, instance_id=instance_id, execution_id="e1")
    )
    row = InstanceRow(
        instance_id=instance_id, execution_id="e1", name="echoing", created_time=now,
        last_updated_time=now, status=RuntimeStatus.PENDING,
    )  # fmt: skip
    await lab.hub.ensure()
    with contextlib.suppress(InvalidName, Conflict):
        await lab.hub.instances.insert(row)
    await lab.account.queues.put(lab.queue, text)


@pytest.mark.parametrize("instance_id", HOSTILE_IDS, ids=range(len(HOSTILE_IDS)))
def test_a_client_starts_nothing_under_such_an_id(instance_id: str) -> None:
    allowed = {"%2e%2e", "a%2f..%2fb", "^", "\u202e"}  # no path to anybody once they are quoted
    if instance_id in allowed:
        assert check_instance_id(instance_id) == instance_id
        return
    with pytest.raises(InvalidName, match="nstance id"):
        check_instance_id(instance_id)


@pytest.mark.parametrize("instance_id", HOSTILE_IDS, ids=range(len(HOSTILE_IDS)))
@in_virtual_time
async def test_a_message_for_such_an_id_harms_nobody(instance_id: str) -> None:
    lab = Lab(echoing)
    actor = await lab.actor()
    await _run(lab, "victim")
    await actor.drain()
    before = await lab.blobs()
    try:
        await _run(lab, instance_id)
    except InvalidName:  # its payload has no place: then it sends a small one
        await _run(lab, instance_id, value="x" * 20_000)
    await actor.drain(together=False)
    after = await lab.blobs()
    mine = {name for name in after if spill.blob_belongs_to(name, instance_id)}
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) == mine
    assert not actor.refused
    assert (await lab.row("victim")).status is RuntimeStatus.COMPLETED


@in_virtual_time
async def test_purging_takes_nothing_of_instances_with_similar_ids() -> None:
    """``a^^b`` is the id of one and the folder of another's rows; ``a/b`` lies in a's folder."""
    ids = ["a", "ab", "a/b", "A", "a^b", "a^^b", "a^0b", "a.", "@x@a", "@x@a/b"]
    for purged in ("a", "a/b", "a^b", "a^^b", "a^0b", "@x@a"):
        lab = Lab(echoing)
        actor = await lab.actor()
        for each in ids:
            if not each.startswith("@"):
                await _run(lab, each)
        await actor.drain()
        for each in ids:
            key = escape_partition_key(each)
            await lab.hub.payloads.write(f"{each}/message-1-EventRaised.json.gz", each)
            await lab.hub.payloads.write(f"{key}/history-sentinel-1-X.json.gz", each)
        before = await lab.blobs()
        own = {name for name in before if spill.blob_belongs_to(name, purged)}
        assert len(own) >= 2
        assert await purge_instance(lab.hub, purged) is not purged.startswith("@")
        if purged.startswith("@"):
            await lab.hub.payloads.delete(await lab.hub.payloads.names_of(purged))
        assert set(await lab.blobs()) == set(before) - own, purged
        for each in ids:
            if each != purged and not each.startswith("@"):
                assert await lab.output(each) == LARGE


@given(any_text.filter(bool), any_text.filter(bool))
@example("a^^b", "a^b")
@example("a", "a/b")
@example("a^0b", "a/b")
@example("a/history-x", "a")
@example("a/message-x", "a")
def test_a_blob_belongs_to_one_instance(one: str, other: str) -> None:
    names = [
        spill.history_blob_name(
            escape_partition_key(one), "0" * 16, "TaskCompleted", "1", "Result"
        ),
        spill.identities_blob_name(escape_partition_key(one), "1"),
        spill.instance_blob_name(escape_partition_key(one), "Input", "1"),
        f"{one}/message-0123-EventRaised.json.gz",
    ]
    for name in names:
        if spill.blob_belongs_to(name, one):
            assert one == other or not spill.blob_belongs_to(name, other)
        else:  # no blob can have that name
            assert any(ord(c) < 32 or 127 <= ord(c) < 160 or c == "\\" for c in one)


@given(any_text, any_text)
def test_two_ids_never_share_a_partition(one: str, other: str) -> None:
    assert (escape_partition_key(one) == escape_partition_key(other)) == (one == other)


@given(any_text.filter(bool), any_text.filter(bool))
@example("a@b", "c")
@example("a", "b@c")
def test_two_entities_never_share_an_id(name: str, key: str) -> None:
    try:
        entity = check_entity_id(EntityId(name, key))
    except InvalidName:
        return
    assert EntityId.get_entity_id(str(entity)) == entity
    assert not set(str(entity)) & set("/\\#?\r\n\0")
