"""Messages that nobody can read: kept, told, and nobody else's trouble."""

from __future__ import annotations

import asyncio
import json

import pytest

from durable.errors import NotFound
from durable.hub.taskhub import TaskHub
from tests.acceptance.local_host import Browser, LocalHost

pytestmark = [pytest.mark.azurite, pytest.mark.slow]

#: No JSON, JSON of something else, an envelope of the wrong kind of event, half an envelope.
BAD = ["hello", "[]", '{"$type":"Nothing"}', '{"Event":{"EventType":7}}', "AAAA", "{"]


@pytest.mark.timeout(30)
async def test_undecodable_messages_go_to_quarantine_and_others_go_on(
    host: LocalHost, browser: Browser, hub: TaskHub
) -> None:
    long = await browser.post(f"{host.api}/orchestrators/Long", json=1)
    assert long.status == 202
    wanted: dict[str, tuple[str, str]] = {}
    for queue in (hub.names.control_queues[0], hub.names.work_items):
        for text in BAD:
            receipt = await hub.account.queues.put(queue, text)
            wanted[f"{queue}/{receipt.id}.json"] = (queue, text)
    started = await browser.post(f"{host.api}/orchestrators/Echo", json="fine")

    async with asyncio.timeout(15):
        while await names_in_quarantine(hub) != set(wanted):
            await asyncio.sleep(0.1)
    for name, (queue, text) in wanted.items():
        data = await hub.account.blobs.get_blob(hub.names.quarantine, name, max_bytes=100_000)
        kept = json.loads(data)
        assert (kept["queue"], kept["text"]) == (queue, text)
        assert kept["reason"]
        assert f"message {kept['messageId']} of queue {queue} is in quarantine" in host.log

    for each in (long, started):
        done = await browser.follow(each.json["statusQueryGetUri"])
        assert done.json["runtimeStatus"] == "Completed"
    async with asyncio.timeout(5):  # the deletion follows the blob
        for queue in (hub.names.control_queues[0], hub.names.work_items):
            while await hub.account.queues.count(queue):
                await asyncio.sleep(0.1)


async def names_in_quarantine(hub: TaskHub) -> set[str]:
    try:
        found, continuation = await hub.account.blobs.list_blobs(hub.names.quarantine, "")
    except NotFound:
        return set()
    assert continuation is None
    return {blob.name for blob in found}
