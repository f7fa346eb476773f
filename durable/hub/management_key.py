"""The hub's management key: configured, or made once and kept in the hub's own account."""

from __future__ import annotations

from durable.errors import Conflict, NotFound
from durable.hub.taskhub import TaskHub
from durable.wire.names import MANAGEMENT_KEY

_MAX_BYTES = 4096


async def management_key(hub: TaskHub, configured: str | None) -> str:
    """The key that opens the management API.

    `configured` is the app setting DURABLE_API_KEY. Without it, the key is in the blob
    `{lhub}-keys/management`, made by whichever process needs it first.
    """
    if configured:
        return configured
    blobs, container = hub.account.blobs, hub.names.keys
    for _ in range(2):
        try:
            data = await blobs.get_blob(container, MANAGEMENT_KEY, max_bytes=_MAX_BYTES)
            return data.decode("ascii").strip()
        except NotFound:
            await blobs.create_container(container)
        fresh = hub.clock.new_id() + hub.clock.new_id()
        try:
            await blobs.put_blob(container, MANAGEMENT_KEY, fresh.encode(), only_if_absent=True)
        except Conflict:
            continue  # another process made it first: read that one
        return fresh
    raise Conflict(
        f"The management key in container {container!r} can neither be read nor made.",
        operation="management key",
        resource=container,
    )
