"""What host.json and the app settings say about the engine.

Read once a process, when the app is indexed. Every process of the app must come to the same
answer, or they would listen to different queues: so nothing here asks storage.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from durable.errors import BadConfig
from durable.hostjson import HostJson, parse_host_json
from durable.hub.settings import HubSettings
from durable.wire.envelopes import QueueEncoding

_HUB = "extensions.durableTask"
_STORAGE = f"{_HUB}.storageProvider"
_API_ROUTE = f"{_HUB}.httpSettings.route"
#: The host refuses routes that begin so (ScriptHost.ValidateHttpFunction).
_RESERVED_ROUTES = ("admin", "runtime")
_SCRIPT_ROOT = "AzureWebJobsScriptRoot"


@dataclass(frozen=True, kw_only=True, slots=True)
class AppConfig:
    """The app's settings that concern the engine; the same in every process of the app.

    Attributes:
        hub: the task hub.
        connection_name: the app setting (or prefix of settings) that names the storage account.
        route_prefix: what the host puts before every route, without slashes; may be empty.
        api_route: the management API's route, without slashes and without the prefix.
        links_base: the address to build links with instead of the request's own; None: its own.
        use_forwarded_host: links are built with X-Forwarded-Host and X-Forwarded-Proto.
        retry_seconds: how long the host hides a message whose function failed.
        own_lease_seconds: the lease the engine gives its messages itself; None: the host's.
        max_activities: activities at once in this process; None: the engine's default.
        max_orchestrators: turns at once in this process; None: the engine's default.
    """

    hub: HubSettings
    connection_name: str = "AzureWebJobsStorage"
    route_prefix: str = "api"
    api_route: str = "durabletask"
    links_base: str | None = None
    use_forwarded_host: bool = False
    retry_seconds: float = 0.0
    own_lease_seconds: int | None = None
    max_activities: int | None = None
    max_orchestrators: int | None = None

    @property
    def api_base(self) -> str:
        """The management API's path: prefix and route, no slash at either end."""
        return "/".join(part for part in (self.route_prefix, self.api_route) if part)


def read_config(environ: Mapping[str, str], folders: Iterable[Path]) -> AppConfig:
    """The settings in the host.json of the app, and of its app settings.

    The host's script root (``AzureWebJobsScriptRoot``) is looked at first, then `folders`.

    Raises:
        BadConfig: no host.json, or a setting that cannot mean anything.
    """
    root = environ.get(_SCRIPT_ROOT)
    looked = list(dict.fromkeys([*([Path(root)] if root else []), *folders]))
    for folder in looked:
        path = folder / "host.json"
        if path.is_file():
            return config_from(parse_host_json(path.read_text(encoding="utf-8-sig"), environ))
    places = ", ".join(str(folder) for folder in looked)
    raise BadConfig(
        f"There is no host.json in {places}. A Functions app has one beside function_app.py; "
        "run from that folder."
    )


def config_from(host: HostJson) -> AppConfig:
    """The settings in `host`.

    Raises:
        BadConfig: a setting that cannot mean anything, with the rule.
    """
    _refuse_other_providers(host)
    return AppConfig(
        hub=HubSettings(
            name=_hub_name(host),
            partition_count=host.integer(f"{_STORAGE}.partitionCount", 4, low=1, high=16),
            queue_encoding=_encoding(host),
        ),
        connection_name=_connection_name(host),
        route_prefix=_route(host, "extensions.http.routePrefix", "api"),
        api_route=_api_route(host),
        links_base=_links_base(host),
        use_forwarded_host=host.flag(f"{_HUB}.httpSettings.useForwardedHost", default=False),
        retry_seconds=host.seconds("extensions.queues.visibilityTimeout", 0.0, low=0, high=604_800),
        own_lease_seconds=_optional(host, f"{_HUB}.ownLeaseSeconds", low=10, high=600),
        max_activities=_optional(
            host, f"{_HUB}.maxConcurrentActivityFunctions", low=1, high=10_000
        ),
        max_orchestrators=_optional(
            host, f"{_HUB}.maxConcurrentOrchestratorFunctions", low=1, high=10_000
        ),
    )


def _refuse_other_providers(host: HostJson) -> None:
    provider = host.text(f"{_STORAGE}.type", "AzureStorage")
    if provider is not None and provider.lower() != "azurestorage":
        raise BadConfig(
            f"host.json: {_STORAGE}.type is {provider!r}; durable keeps its state in Azure "
            'Storage: remove the setting or make it "AzureStorage".'
        )


def _hub_name(host: HostJson) -> str:
    """As the Durable extension: the setting, else the site's name, else a fixed one."""
    named = host.text(f"{_HUB}.hubName")
    if named is not None:
        return named
    site = "".join(c for c in host.environ.get("WEBSITE_SITE_NAME", "") if c.isalnum())
    return site or "TestHubName"


def _connection_name(host: HostJson) -> str:
    for key in ("connectionName", "connectionStringName"):
        # The name of a setting, not a text with settings in it, but the extension resolves it.
        named = host.text(f"{_STORAGE}.{key}")
        if named:
            return named
    return "AzureWebJobsStorage"


def _encoding(host: HostJson) -> QueueEncoding:
    chosen = host.choice("extensions.queues.messageEncoding", "base64", ("none", "base64"))
    return QueueEncoding.UTF8 if chosen == "none" else QueueEncoding.BASE64


def _route(host: HostJson, path: str, default: str) -> str:
    return (host.text(path, default, resolved=False) or "").strip("/")


def _api_route(host: HostJson) -> str:
    route = _route(host, _API_ROUTE, "durabletask")
    if not route or any(c in route for c in "{}?#%") or route.lower().startswith(_RESERVED_ROUTES):
        raise BadConfig(
            f"host.json: {_API_ROUTE} is {route!r}; it must be a plain path that does not begin "
            "with 'admin' or 'runtime': the Functions host keeps those for itself."
        )
    return route


def _links_base(host: HostJson) -> str | None:
    url = host.text(f"{_HUB}.notificationUrl")
    if not url:
        return None
    if not url.lower().startswith(("http://", "https://")):
        raise BadConfig(
            f"host.json: {_HUB}.notificationUrl is {url!r}; it must begin with http:// or https://."
        )
    return url.split("?", 1)[0].rstrip("/")


def _optional(host: HostJson, path: str, *, low: int, high: int) -> int | None:
    # 0 turns it off, and so does leaving it out.
    if host.value(path) in {None, 0, "0"}:
        return None
    return host.integer(path, low, low=low, high=high)
