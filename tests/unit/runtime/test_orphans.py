"""Payload blobs that nothing points to any more (R9)."""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import Any

import pytest

from durable.hub.starting import StartRequest, start_instance
from durable.hub.sweeping import read_sweep_state
from durable.runtime.orphans import Orphans
from durable.runtime.settings import EngineSettings
from tests.hub_lab import Actor, Lab, in_virtual_time

Steps = Generator[Any, Any, Any]
LARGE = "x" * 50_000
DAY = 24 * 3600.0


def echoing(context: Any) -> Steps:
    """Keeps a large argument and a large result in its history; waits for an event between."""
    echoed = yield context.call_activity("echo", context.get_input())
    yield context.wait_for_external_event("E")
    return echoed


def again(context: Any) -> Steps:
    while True:
        if (yield context.wait_for_external_event("E")) == "again":
            context.continue_as_new(None)
            return


async def running(lab: Lab, *ids: str) -> Actor:
    actor = await lab.actor()
    for each in ids:
        await lab.start("echoing", LARGE, instance_id=each)
    await actor.drain()
    return actor


@in_virtual_time
async def test_r9_orphaned_blobs_are_removed_and_referenced_ones_are_kept() -> None:
    lab = Lab(echoing)
    actor = await running(lab, "i1")
    kept = set(await lab.blobs())
    history = {name for name in kept if "/history-" in name}
    assert len(history) >= 2
    for name in (
        "i1/history-0000000000000099-TaskCompleted-00000001-Result.json.gz",
        *(
            "gone/history-0000000000000001-TaskCompleted-00000001-Result.json.gz",
            "gone/message-00000000000000000000000000000001-EventRaised.json.gz",
        ),
    ):
        await lab.hub.payloads.write(name, "orphan")
    await lab.clock.sleep(DAY - 60)
    await actor.sweep()
    assert len(await lab.blobs()) == len(kept) + 3  # too young: their writer may be on its way
    await lab.clock.sleep(120)
    await actor.sweep()
    assert set(await lab.blobs()) == kept  # the messages' too: the instance runs
    await lab.raise_event("E", 1)
    await actor.drain()
    assert await lab.output() == LARGE


@in_virtual_time
async def test_r9_when_an_instance_has_ended_its_messages_go_and_its_payloads_stay() -> None:
    lab = Lab(echoing)
    actor = await running(lab, "i1")
    await lab.raise_event("E", 1)
    await actor.drain()
    before = set(await lab.blobs())
    await lab.clock.sleep(DAY + 60)
    await actor.sweep()
    left = set(await lab.blobs())
    assert left < before
    assert {name for name in before if "/history-" in name} <= left
    # Of the messages, the start's stays while the row's input points to it.
    assert all("message" in name for name in before - left)
    assert await lab.output() == LARGE
    texts = await lab.hub.instances.texts(await lab.row())
    assert json.loads(texts.input or "") == LARGE


@in_virtual_time
async def test_r9_a_start_that_waits_keeps_its_input() -> None:
    lab = Lab(echoing)
    actor = await lab.actor()
    due = lab.clock.now().replace(year=2027)
    request = StartRequest(
        name="echoing", instance_id="i1", input=json.dumps(LARGE), scheduled_start_time=due
    )
    await start_instance(lab.hub, request)
    before = set(await lab.blobs())
    assert len(before) == 1
    await lab.clock.sleep(DAY + 60)
    await actor.sweep()
    assert set(await lab.blobs()) == before


@in_virtual_time
async def test_r9_an_input_blob_column_of_dotnet_is_a_reference() -> None:
    lab = Lab(echoing)
    actor = await running(lab, "i1")
    name = "i1/history-0000000000000001-ExecutionStarted-00000001-Input.json.gz"
    await lab.hub.payloads.write(name, "the input")
    await lab.merge_row(InputBlobName=name)
    await lab.clock.sleep(DAY + 60)
    await actor.sweep()
    assert name in await lab.blobs()


@in_virtual_time
async def test_r9_a_sentinel_s_own_blob_is_a_reference() -> None:
    lab = Lab(again)
    actor = await lab.actor()
    await lab.start("again")
    await actor.deliver()
    for n in range(900):
        await lab.put(lab.raised("E", n, identity=f"c:{n:060}"))
    await actor.deliver()
    await lab.raise_event("E", "again")
    await actor.deliver()
    sentinel = await lab.hub.history.read_sentinel("i1")
    assert sentinel is not None
    assert sentinel.identities_blob in await lab.blobs()
    await lab.clock.sleep(DAY + 60)
    await actor.sweep()
    assert sentinel.identities_blob in await lab.blobs()


@in_virtual_time
async def test_r9_a_pass_looks_at_a_bounded_number_of_instances() -> None:
    lab = Lab(echoing)
    actor = await lab.actor()
    for n in range(250):
        await lab.hub.payloads.write(f"gone{n:03}/message-{n:032x}-EventRaised.json.gz", "x")
    await lab.clock.sleep(DAY + 60)
    left: list[int] = []
    for _ in range(3):
        calls = len(actor.calls)
        await actor.sweep()
        left.append(len(await lab.blobs()))
        assert sum(operation == "Get Entity" for operation, _ in actor.calls[calls:]) <= 100
    assert left == sorted(left, reverse=True)
    assert left[0] == 150
    assert (await read_sweep_state(lab.hub)).orphans is None or left[-1] < 150


@pytest.mark.parametrize(
    "cursor", ["{", "7", "[1, 2, 3]", '["nonsense", 0]', "[null, -5]", "[" * 50_000]
)
@in_virtual_time
async def test_r9_a_cursor_of_another_time_begins_anew(cursor: str) -> None:
    lab = Lab(echoing)
    actor = await running(lab, "i1")
    orphans = Orphans(actor.hub, EngineSettings(), lab.clock)
    assert await orphans.remove(cursor) is None
    empty = Lab(echoing)
    await empty.actor()
    assert await Orphans(empty.hub, EngineSettings(), empty.clock).remove(None) is None


@in_virtual_time
async def test_r9_what_is_no_payload_of_an_instance_is_left_alone() -> None:
    lab = Lab(echoing)
    actor = await running(lab, "i1")
    for name in ("loose", "bad^/history-0000000000000001-X-00000001-Y.json.gz"):
        await lab.hub.payloads.write(name, "kept")
    await lab.clock.sleep(DAY + 60)
    await actor.sweep()
    assert {"loose", "bad^/history-0000000000000001-X-00000001-Y.json.gz"} <= set(await lab.blobs())


@in_virtual_time
async def test_r9_a_bad_instance_s_payloads_stop_only_themselves() -> None:
    lab = Lab(echoing)
    actor = await running(lab, "i1", "i2")
    await lab.merge_sentinel(FirstExecutionId=7)
    orphan = "i2/history-0000000000000099-TaskCompleted-00000001-Result.json.gz"
    await lab.hub.payloads.write(orphan, "orphan")
    before = set(await lab.blobs())
    await lab.clock.sleep(DAY + 60)
    await actor.sweep()
    assert set(await lab.blobs()) == before - {orphan}
