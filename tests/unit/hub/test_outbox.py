"""Messages on their way: addressed, numbered, spilled, delayed."""

from __future__ import annotations

import base64
import json
from datetime import timedelta

import pytest

from durable.errors import Unavailable
from durable.hub.outbox import MAX_DELAY_SECONDS
from durable.hub.settings import HubSettings
from durable.hub.taskhub import TaskHub
from durable.model.events import EventRaised, TaskScheduled
from durable.model.messages import Outbound
from durable.wire.envelopes import QueueEncoding, decode_message, json_text
from durable.wire.keys import partition_of
from tests.hub_lab import Lab, in_virtual_time


@in_virtual_time
async def test_a_message_goes_to_its_target_s_queue_or_to_the_workers() -> None:
    lab = Lab(partition_count=4)
    await lab.hub.ensure()
    ids = [f"i{n}" for n in range(20)]
    for each in ids:
        event = EventRaised(timestamp=lab.clock.now(), name="E", input="1")
        await lab.hub.outbox.send(Outbound(message=lab.event(event, instance_id=each)))
    for index, queue in enumerate(lab.hub.names.control_queues):
        found = [m.target.instance_id for m, _ in await lab.queued(queue)]
        assert found == [each for each in ids if partition_of(each, 4) == index]
    call = TaskScheduled(timestamp=lab.clock.now(), event_id=0, name="greet")
    await lab.hub.outbox.send(Outbound(message=lab.event(call), to_workers=True))
    assert len(await lab.queued(lab.hub.names.work_items)) == 1


@pytest.mark.parametrize(
    ("seconds", "delay"),
    [(-5, 0), (0, 0), (0.001, 1), (1.0, 1), (59.2, 60), (10**8, MAX_DELAY_SECONDS)],
)
@in_virtual_time
async def test_delays_are_whole_seconds_rounded_up_and_bounded(seconds: float, delay: int) -> None:
    lab = Lab()
    await lab.hub.ensure()
    due = lab.clock.now() + timedelta(seconds=seconds)
    await lab.hub.outbox.send(Outbound(message=lab.raised("E", 1), due=due))
    [(_, visible)] = await lab.queued()
    assert lab.in_seconds(visible) == delay


@in_virtual_time
async def test_messages_of_a_turn_are_numbered_in_the_order_they_were_decided() -> None:
    lab = Lab()
    await lab.hub.ensure()
    await lab.hub.outbox.send(Outbound(message=lab.raised("E", -1)))
    await lab.hub.outbox.send_all([Outbound(message=lab.raised("E", n)) for n in range(40)])
    await lab.hub.outbox.send_all([Outbound(message=lab.raised("E", 40))])
    await lab.hub.outbox.send_all([])
    numbered = sorted((m.sequence_number, m.event) for m, _ in await lab.queued())
    assert [number for number, _ in numbered] == list(range(1, 43))
    inputs = [event.input for _, event in numbered if isinstance(event, EventRaised)]
    assert inputs == [str(n) for n in range(-1, 41)]


@in_virtual_time
async def test_one_that_cannot_be_put_is_raised() -> None:
    lab = Lab()
    actor = await lab.actor()
    actor.failing["Put Message"] = Unavailable("away")
    with pytest.raises(Unavailable):
        await actor.hub.outbox.send_all([Outbound(message=lab.raised("E", n)) for n in range(4)])


@in_virtual_time
async def test_a_large_message_leaves_a_pointer() -> None:
    lab = Lab()
    await lab.hub.ensure()
    await lab.hub.outbox.send(Outbound(message=lab.raised("E", "x" * 50_000)))
    [raw] = await lab.account.queues.peek(lab.queue)
    pointer = json.loads(raw.text)["CompressedBlobName"]
    assert pointer == "i1/message-0123456789abcdef0123456789abcdef-EventRaised.json.gz"
    assert list(await lab.blobs()) == [pointer]


@in_virtual_time
async def test_the_hub_s_encoding_is_used() -> None:
    lab = Lab()
    settings = HubSettings(name="Lab", partition_count=1, queue_encoding=QueueEncoding.BASE64)
    hub = TaskHub(lab.account, settings, lab.clock)
    await hub.ensure()
    await hub.outbox.send(Outbound(message=lab.raised("E", 1)))
    [raw] = await lab.account.queues.peek(lab.queue)
    assert base64.b64decode(raw.text).startswith(b"{")
    assert decode_message(json_text(raw.text)).event == lab.raised("E", 1).event  # type: ignore[union-attr]
