"""Blobs of messages that are gone, of instances that run on (W11)."""

from __future__ import annotations

from typing import Any

import pytest

from durable.runtime.message_blobs import MessageBlobs
from durable.storage.values import BlobInfo
from tests.hub_lab import Actor, Crash, Lab, in_virtual_time, once

LARGE = "x" * 50_000
DAY = 24 * 3600.0


def eternal(context: Any) -> Any:
    """Takes events for ever, a generation each; with an activity for some."""
    event = yield context.wait_for_external_event("E")
    if event.startswith("work"):
        yield context.call_activity("echo", event)
    context.continue_as_new(None)


async def begun() -> tuple[Lab, Actor]:
    lab = Lab(eternal)
    actor = await lab.actor()
    await lab.start("eternal")
    await actor.drain()
    return lab, actor


async def swept_for_an_hour(lab: Lab, actor: Actor) -> None:
    for _ in range(7):
        await actor.sweep()
        await lab.clock.sleep(600)


async def messages(lab: Lab) -> set[str]:
    return {name.split("-")[-1] for name in await lab.blobs() if "/message-" in name}


@in_virtual_time
async def test_they_go_after_a_month_however_long_the_instance_runs() -> None:
    lab, actor = await begun()
    for number in range(3):
        await lab.raise_event("E", f"work {number} {LARGE}")
        await actor.drain()
    assert len([name for name in await lab.blobs() if "/message-" in name]) == 9
    await lab.clock.sleep(29 * DAY)
    await swept_for_an_hour(lab, actor)
    kinds = {"EventRaised.json.gz", "TaskScheduled.json.gz", "TaskCompleted.json.gz"}
    assert await messages(lab) == kinds
    await lab.clock.sleep(2 * DAY)
    await actor.sweep()
    assert await messages(lab) == kinds  # nobody knows what others hold hidden
    await swept_for_an_hour(lab, actor)
    assert await messages(lab) == set()
    await lab.raise_event("E", f"work {LARGE}")
    await actor.drain()
    assert lab.counts["echo"] == 4


@in_virtual_time
async def test_what_waits_in_an_app_that_stood_still_is_kept_whole() -> None:
    """For two months nobody came: neither what is delayed nor what lies behind others is lost."""
    lab, actor = await begun()
    await lab.raise_event("E", f"visible {LARGE}")
    late = lab.raised("E", f"delayed {LARGE}", identity="c:late")
    await lab.hub.outbox.put(lab.queue, late, delay_seconds=int(6 * DAY))
    for number in range(40):  # what the queue shows at its head was put later than it
        await lab.clock.sleep(DAY / 10)
        await lab.raise_event("E", f"{number} {LARGE}")
    await lab.clock.sleep(60 * DAY)
    await swept_for_an_hour(lab, actor)
    assert len([name for name in await lab.blobs() if "/message-" in name]) == 42
    actor.before = once(_death_of(actor), "Entity Group Transaction")
    with pytest.raises(Crash):  # a process takes them all, and dies
        await actor.deliver()
    other = await lab.actor()
    for _ in range(5):
        await other.sweep()
        await lab.clock.sleep(60)
    await other.drain()
    assert await lab.quarantined() == []
    assert await lab.empty()


@in_virtual_time
async def test_a_queue_is_asked_once_a_pass_and_one_that_is_gone_shows_nothing() -> None:
    lab, actor = await begun()
    old = lab.clock.now()
    await lab.clock.sleep(40 * DAY)
    blobs = [
        BlobInfo(name=f"i1/message-{n}-{kind}.json.gz", size=1, last_modified=old)
        for n in range(3)
        for kind in ("EventRaised", "TaskScheduled")
    ]
    found = MessageBlobs(actor.hub, lab.clock)
    calls = len(actor.calls)
    assert await found.of_the_past(blobs, "i1") == set()
    assert len(actor.calls) == calls + 2
    await lab.clock.sleep(3600)
    assert await found.of_the_past(blobs, "i1") == set()
    assert len(actor.calls) == calls + 2
    await lab.account.queues.delete_queue(lab.queue)
    found.begin_pass()
    assert await found.of_the_past(blobs, "i1") == {blob.name for blob in blobs}


@in_virtual_time
async def test_a_process_that_stood_still_begins_anew() -> None:
    lab, actor = await begun()
    old = lab.clock.now()
    await lab.clock.sleep(40 * DAY)
    blobs = [BlobInfo(name="i1/message-1-EventRaised.json.gz", size=1, last_modified=old)]
    found = MessageBlobs(actor.hub, lab.clock)
    assert await found.of_the_past(blobs, "i1") == set()
    for pause in (3 * 3600, 1800):
        await lab.clock.sleep(pause)
        found.begin_pass()
        assert await found.of_the_past(blobs, "i1") == set()
    await lab.clock.sleep(1800)
    found.begin_pass()
    assert len(await found.of_the_past(blobs, "i1")) == 1


def _death_of(actor: Actor) -> Any:
    async def die() -> None:
        actor.crash()

    return die
