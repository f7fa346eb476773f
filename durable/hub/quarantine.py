"""Messages that can't be dealt with, kept whole: what was in the queue, from where, and why."""

from __future__ import annotations

import json

from durable.errors import NotFound
from durable.hub.taskhub import TaskHub
from durable.storage.values import QueueMessage


async def quarantine(hub: TaskHub, queue: str, message: QueueMessage, reason: str) -> str:
    """Keep `message` in the hub's quarantine; returns the blob's name.

    The container is made on first need. The message may be deleted once this returned; putting it
    here twice (a crash in between) overwrites the first copy.
    """
    now = hub.clock.now()
    name = f"{queue}/{message.id}.json"
    record = {
        "queue": queue,
        "messageId": message.id,
        "reason": reason,
        "quarantinedAt": now.isoformat(),
        "insertedAt": message.inserted.isoformat(),
        "dequeueCount": message.dequeue_count,
        "text": message.text,
    }
    data = json.dumps(record, ensure_ascii=True, indent=1).encode()
    container = hub.names.quarantine
    try:
        await hub.account.blobs.put_blob(container, name, data)
    except NotFound:
        await hub.account.blobs.create_container(container)
        await hub.account.blobs.put_blob(container, name, data)
    return name
