"""Quarantine: the whole text, its queue, the reason, the times."""

from __future__ import annotations

from durable.hub.quarantine import quarantine
from tests.hub_lab import Lab, in_virtual_time


@in_virtual_time
async def test_a_message_is_kept_whole_with_where_why_and_when() -> None:
    lab = Lab()
    await lab.hub.ensure()
    text = '{"odd": "\u00e4", "a": ' + "1" * 5000
    await lab.account.queues.put(lab.queue, text)
    inserted = lab.clock.now()
    await lab.clock.sleep(30)
    [message] = await lab.account.queues.get(lab.queue, count=1, lease_seconds=60)
    assert lab.hub.names.quarantine not in await lab.account.blobs.list_containers("")
    name = await quarantine(lab.hub, lab.queue, message, "because")
    assert name == f"{lab.queue}/{message.id}.json"
    assert await quarantine(lab.hub, lab.queue, message, "because of that") == name
    assert await lab.quarantined() == [
        {
            "queue": lab.queue,
            "messageId": message.id,
            "reason": "because of that",
            "quarantinedAt": lab.clock.now().isoformat(),
            "insertedAt": inserted.isoformat(),
            "dequeueCount": 1,
            "text": text,
        }
    ]
