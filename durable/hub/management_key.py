"""The hub's management key: configured, or made once and kept in the hub's own account."""

from __future__ import annotations

from durable.errors import Conflict, CorruptRecord, NotFound
from durable.hub.taskhub import TaskHub
from durable.wire.names import MANAGEMENT_KEY

_MAX_BYTES = 4096


async def management_key(hub: TaskHub, configured: str | None) -> str:
    """The key that opens the management API.

    `configured` is the app setting DURABLE_API_KEY. Without it, the key is in the blob
    `{lhub}-keys/management`, made by whichever process needs it first.

    Raises:
        CorruptRecord: the blob holds no key. It is not made anew: links are out that name it.
    """
    if configured:
        return configured
    blobs, container = hub.account.blobs, hub.names.keys
    for _ in range(2):
        try:
            data = await blobs.get_blob(container, MANAGEMENT_KEY, max_bytes=_MAX_BYTES)
            return _key_in(data, container)
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


def _key_in(data: bytes, container: str) -> str:
    key = data.decode("ascii", "replace").strip()
    if not key or not key.isascii() or not key.isprintable():
        raise CorruptRecord(
            f"Blob {MANAGEMENT_KEY!r} in container {container!r} should hold the management key, "
            "but doesn't. Delete it, and a new key is made; or set DURABLE_API_KEY.",
            operation="management key",
            resource=container,
        )
    return key
