"""Who may use the management API: a hub key for everything, a token for one instance.

The token is derived from the key, so nothing is stored for it, and a link that leaks opens one
instance only. Keys and tokens are never logged.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac

from durable.errors import UsageError
from durable.hub.management_key import management_key
from durable.hub.taskhub import TaskHub


class HubKeys:
    """The keys of one hub.

    Args:
        hub: the task hub.
        configured: the app setting DURABLE_API_KEY; None: the key kept in the hub's account.
        required: whether callers are asked for a key at all.
    """

    def __init__(self, hub: TaskHub, *, configured: str | None, required: bool) -> None:
        self._hub = hub
        self._configured = configured
        self._key: bytes | None = None
        self._loading = asyncio.Lock()
        self.required = required

    async def load(self) -> None:
        """Find the hub's key, once; nothing when no key is asked for."""
        if not self.required or self._key is not None:
            return
        async with self._loading:
            if self._key is None:
                self._key = (await management_key(self._hub, self._configured)).encode()

    def token(self, instance_id: str) -> str:
        """The code that opens the routes of this instance."""
        # With the hub's name: one configured key may open several hubs, and ids repeat in them.
        named = f"instance:{self._hub.settings.name.lower()}:{instance_id}"
        text = named.encode("utf-8", "surrogatepass")
        digest = hmac.new(self._loaded(), text, hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).decode("ascii").rstrip("=")

    def opens(self, offered: str | None, instance_id: str | None) -> bool:
        """Whether `offered` opens the routes of `instance_id` (None: those of the whole hub)."""
        if not self.required:
            return True
        given = (offered or "").encode("utf-8", "surrogatepass")
        right = hmac.compare_digest(given, self._loaded())
        if instance_id is None:
            return right
        return hmac.compare_digest(given, self.token(instance_id).encode()) or right

    def _loaded(self) -> bytes:
        if not self._key:
            raise UsageError(
                "The hub's key is not loaded yet: await client.prepare() before making links."
            )
        return self._key
