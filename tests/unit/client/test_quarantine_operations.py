"""Messages in quarantine through the client: list, look, replay, discard."""

from __future__ import annotations

from dataclasses import replace

import pytest

import durable as df
from durable.client import Client
from durable.errors import CorruptRecord, InvalidName
from durable.hub.quarantine import Quarantine
from durable.hub.quarantine_records import QuarantinedMessage
from durable.hub.taskhub import TaskHub


async def kept(hub: TaskHub, text: str = "nonsense") -> QuarantinedMessage:
    await hub.ensure()
    queue = hub.names.control_queues[0]
    await hub.account.queues.put(queue, text)
    [message] = await hub.account.queues.get(queue, count=1, lease_seconds=60)
    found = await Quarantine(hub).keep(queue, message, "because")
    await hub.account.queues.delete(queue, message.id, message.pop_receipt)
    return replace(found, text=None)


def test_its_values_are_public() -> None:
    assert df.QuarantinedMessage is QuarantinedMessage
    assert "QuarantinePage" in df.__all__


async def test_a_list_comes_in_pages(hub: TaskHub) -> None:
    client = Client(hub)
    assert (await client.list_quarantined()).messages == ()  # it makes the hub, as every call
    wanted = sorted([await kept(hub) for _ in range(3)], key=lambda each: each.id)
    first = await client.list_quarantined(page_size=2)
    assert list(first.messages) == wanted[:2]
    second = await client.list_quarantined(
        page_size=2, continuation_token=first.continuation_token, include_text=True
    )
    assert second.continuation_token is None
    assert [each.text for each in second.messages] == ["nonsense"]
    queue = hub.names.control_queues[0]
    assert len((await client.list_quarantined(queue, page_size=5000)).messages) == 3
    assert (await client.list_quarantined(queue, "i1")).messages == ()


async def test_one_is_looked_at_replayed_and_discarded(hub: TaskHub) -> None:
    client = Client(hub)
    one, other = await kept(hub), await kept(hub)
    assert await client.get_quarantined(one.id) == one
    shown = await client.get_quarantined(one.id, include_text=True)
    assert shown == replace(one, text="nonsense")
    assert await client.replay_quarantined(one.id)
    assert await client.get_quarantined(one.id) is None
    assert not await client.replay_quarantined(one.id)
    assert await client.discard_quarantined(other.id)
    assert not await client.discard_quarantined(other.id)
    [back] = await hub.account.queues.peek(one.queue)
    assert back.text == "nonsense"


async def test_what_cannot_be_put_back_is_refused(hub: TaskHub) -> None:
    client = Client(hub)
    one = await kept(hub)
    await hub.account.blobs.put_blob(hub.names.quarantine, f"{one.id}.json", b"{}")
    with pytest.raises(CorruptRecord, match="Discard it"):
        await client.replay_quarantined(one.id)


async def test_a_token_of_another_list_is_refused(hub: TaskHub) -> None:
    with pytest.raises(InvalidName, match="continuation_token is none that list_quarantined"):
        await Client(hub).list_quarantined(continuation_token="other")
