"""The links that manage an instance."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from durable.api.keys import HubKeys
from durable.errors import UsageError
from durable.hub.taskhub import TaskHub

#: The name the Durable extension gives its default connection in links.
DEFAULT_CONNECTION = "Storage"

#: Member of the payload: the path below the instance, and the parameter a caller fills in.
#: The braces are literal.
_LINKS = {
    "statusQueryGetUri": ("", ""),
    "sendEventPostUri": ("/raiseEvent/{eventName}", ""),
    "terminatePostUri": ("/terminate", "reason={text}&"),
    "rewindPostUri": ("/rewind", "reason={text}&"),
    "purgeHistoryDeleteUri": ("", ""),
    "restartPostUri": ("/restart", ""),
    "suspendPostUri": ("/suspend", "reason={text}&"),
    "resumePostUri": ("/resume", "reason={text}&"),
}
#: The links of the payload, beside the id.
MEMBERS = tuple(_LINKS)


def encoded(text: str) -> str:
    """`text` percent-encoded for one path segment or query value: no blank, no line end."""
    return quote(text, safe="", errors="surrogatepass")


def instance_url(base_url: str, instance_id: str) -> str:
    """The address of an instance."""
    return f"{base_url.rstrip('/')}/instances/{encoded(instance_id)}"


def own_url(base_url: str, instance_id: str, query: Mapping[str, str]) -> str:
    """The address a status request came to, made anew so that nothing can be smuggled in."""
    arguments = "&".join(f"{encoded(name)}={encoded(value)}" for name, value in query.items())
    return instance_url(base_url, instance_id) + (f"?{arguments}" if arguments else "")


class LinkBuilder:
    """Makes the links to instances of one hub.

    Args:
        hub: the task hub.
        keys: its keys; links carry a token when keys are required.
        base_url: the API's absolute address, for links that no request asks for.
        connection: the name of the hub's storage connection.
    """

    def __init__(
        self,
        hub: TaskHub,
        keys: HubKeys,
        *,
        base_url: str | None = None,
        connection: str = DEFAULT_CONNECTION,
    ) -> None:
        self._hub_name = hub.settings.name
        self._base_url = base_url
        self._connection = connection
        self.keys = keys

    async def prepare(self) -> None:
        """Load the hub's key."""
        await self.keys.load()

    def payload(self, instance_id: str, base_url: str | None = None) -> dict[str, str]:
        """The management payload: the id and every link, below `base_url`.

        Raises:
            UsageError: no address is known, or `prepare` was not called.
        """
        base = base_url or self._base_url
        if base is None:
            raise UsageError(
                "The app's own address is not known, so no links can be made without a request: "
                "pass the request, or set extensions.durableTask.notificationUrl in host.json."
            )
        instance = instance_url(base, instance_id)
        query = f"taskHub={encoded(self._hub_name)}&connection={encoded(self._connection)}"
        if self.keys.required:
            query += f"&code={self.keys.token(instance_id)}"
        links = {
            member: f"{instance}{path}?{argument}{query}"
            for member, (path, argument) in _LINKS.items()
        }
        return {"id": instance_id, **links}


class ManagementAccess:
    """How the management API of an app is reached and opened, the same for all its hubs.

    Args:
        configured_key: the app setting DURABLE_API_KEY.
        require_key: whether callers are asked for a key (not in the Development environment).
        base_url: the API's absolute address, where the app knows it.
    """

    def __init__(
        self, *, configured_key: str | None, require_key: bool, base_url: str | None = None
    ) -> None:
        self._configured = configured_key
        self._required = require_key
        self._base_url = base_url
        self._keys: dict[TaskHub, HubKeys] = {}

    @property
    def asks_for_key(self) -> bool:
        """Whether callers are asked for a key."""
        return self._required

    def keys(self, hub: TaskHub) -> HubKeys:
        """The keys of `hub`, loaded once a process."""
        if hub not in self._keys:
            self._keys[hub] = HubKeys(hub, configured=self._configured, required=self._required)
        return self._keys[hub]

    def links(self, hub: TaskHub, connection: str = DEFAULT_CONNECTION) -> LinkBuilder:
        """Who makes the links of `hub`, which lives under `connection`."""
        return LinkBuilder(hub, self.keys(hub), base_url=self._base_url, connection=connection)
