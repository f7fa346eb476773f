"""What host.json and the app settings say about the engine.

Read once a process, when the app is indexed. Every process of the app must come to the same
answer, or they would listen to different queues: so nothing here asks storage.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from durable.client.starting import StartRules
from durable.engine.limits import DEFAULT_MAX_PAYLOAD
from durable.errors import BadConfig
from durable.functions.host_settings import HostSettings, without_effect
from durable.functions.hub_name import hub_name
from durable.hostjson import HostJson, parse_host_json, places_of_a_queue
from durable.hub.settings import HubSettings
from durable.model.versions import VersionFailure, VersionMatch, VersionPolicy
from durable.wire.envelopes import QueueEncoding

_HUB = "extensions.durableTask"
_STORAGE = "storageProvider"
_API_ROUTE = "httpSettings.route"
#: The host refuses routes that begin so (ScriptHost.ValidateHttpFunction).
_RESERVED_ROUTES = ("admin", "runtime")
_TABLE_PREFIX = re.compile(r"[A-Za-z][A-Za-z0-9]{0,44}")
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
        fast_path, max_in_place: what may go without its queue, and how much at a time.
        held_limit: how many messages of a queue may be held back.
        linger_limit: how many invocations of a queue's function may be kept open.
        max_activities: activities at once in this process; None: the engine's default.
        max_orchestrators: turns at once in this process; None: the engine's default.
        max_entities: entities that run operations at once; None: the engine's default.
        entity_batch: operations an entity runs in a turn; None: the engine's default.
        entity_window: for how long the order of requests to an entity is kept; None: the default.
        max_actions: what an execution may ask for; None: the engine's default.
        max_history_events, max_history_bytes: how large its history may get; None: the same.
        loop_blocked_seconds: a loop that is blocked so long is reported; None: none is.
        http_poll_seconds: between call_http's polls; None: the engine's default.
        session_seconds: how long an idle orchestrator stays in memory; None: the engine's default,
            0: none stays.
        tracking_connection: names the account of History and Instances; None: the hub's account.
        remarks: settings that were made and have no effect, each with the reason.
        rules: the app's version, which instances it runs, which ids a start may take.
    """

    hub: HubSettings
    connection_name: str = "AzureWebJobsStorage"
    route_prefix: str = "api"
    api_route: str = "durabletask"
    links_base: str | None = None
    use_forwarded_host: bool = False
    retry_seconds: float = 0.0
    own_lease_seconds: int | None = 45
    fast_path: bool = True
    max_in_place: int | None = None
    held_limit: int = 12
    linger_limit: int = 4
    max_activities: int | None = None
    max_orchestrators: int | None = None
    max_entities: int | None = None
    entity_batch: int | None = None
    entity_window: timedelta | None = None
    max_actions: int | None = None
    max_history_events: int | None = None
    max_history_bytes: int | None = None
    loop_blocked_seconds: int | None = 1
    http_poll_seconds: float | None = None
    session_seconds: float | None = None
    tracking_connection: str | None = None
    remarks: tuple[str, ...] = ()
    rules: StartRules = field(default_factory=StartRules)

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
    return config_from(read_host_json(environ, folders))


def read_host_json(environ: Mapping[str, str], folders: Iterable[Path]) -> HostJson:
    """The app's host.json; see `read_config`.

    Raises:
        BadConfig: there is none, or it is not JSON.
    """
    root = environ.get(_SCRIPT_ROOT)
    looked = list(dict.fromkeys([*([Path(root)] if root else []), *folders]))
    for folder in looked:
        path = folder / "host.json"
        if path.is_file():
            return parse_host_json(path.read_text(encoding="utf-8-sig"), environ)
    places = ", ".join(str(folder) for folder in looked)
    raise BadConfig(
        f"There is no host.json in {places}. A Functions app has one beside function_app.py; "
        "run from that folder."
    )


def config_from(host: HostJson, *, in_worker: bool = False) -> AppConfig:
    """The settings in `host`, of a Functions app or of a worker.

    Raises:
        BadConfig: a setting that cannot mean anything, with the rule.
    """
    settings = HostSettings(host)
    _refuse_other_providers(settings)
    tracking = _tracking_connection(settings)
    return AppConfig(
        hub=HubSettings(
            name=hub_name(settings.text("hubName"), host.environ),
            partition_count=_partition_count(settings),
            queue_encoding=_encoding(host),
            tracking_prefix=None if tracking is None else _tracking_prefix(settings),
            shows_large_payloads=settings.flag(f"{_STORAGE}.fetchLargeMessagesAutomatically"),
            **_payload_limits(host, settings),
        ),
        connection_name=_connection_name(settings),
        route_prefix=_route_prefix(host),
        api_route=_api_route(settings),
        links_base=_links_base(settings),
        use_forwarded_host=settings.flag("httpSettings.useForwardedHost"),
        retry_seconds=host.seconds("extensions.queues.visibilityTimeout", 0.0, low=0, high=604_800),
        own_lease_seconds=_unless_off(host, settings, "ownLeaseSeconds"),
        fast_path=settings.flag("fastPath"),
        max_in_place=_number(host, settings, "maxInPlaceActivities"),
        held_limit=max(1, sum(places_of_a_queue(host)) // 2),
        linger_limit=places_of_a_queue(host)[1] // 2,
        max_activities=_number(host, settings, "maxConcurrentActivityFunctions"),
        max_orchestrators=_number(host, settings, "maxConcurrentOrchestratorFunctions"),
        max_entities=_number(host, settings, "maxConcurrentEntityFunctions"),
        entity_batch=_number(host, settings, "maxEntityOperationBatchSize"),
        entity_window=_entity_window(settings),
        session_seconds=_session_seconds(host, settings),
        tracking_connection=tracking,
        remarks=(*without_effect(host, in_worker=in_worker), *_lonely_prefix(settings, tracking)),
        max_actions=_number(host, settings, "maxOrchestrationActions"),
        max_history_events=_number(host, settings, "maxHistoryEvents"),
        max_history_bytes=_number(host, settings, "maxHistoryBytes"),
        loop_blocked_seconds=_unless_off(host, settings, "loopBlockedSeconds"),
        http_poll_seconds=_poll_seconds(settings),
        rules=StartRules(
            versions=_versions(host, settings), override_running=_override_running(settings)
        ),
    )


def _refuse_other_providers(settings: HostSettings) -> None:
    try:
        settings.choice(f"{_STORAGE}.type")
    except BadConfig as error:
        raise BadConfig(
            f"{error} durable keeps its state in Azure Storage: remove the setting."
        ) from None


def _connection_name(settings: HostSettings) -> str:
    # The name of a setting, not a text with settings in it, but the extension resolves it.
    for older in ("storageProvider.connectionStringName", "azureStorageConnectionStringName"):
        named = settings.text(older)
        if named and not settings.is_set(f"{_STORAGE}.connectionName"):
            return named
    return settings.text(f"{_STORAGE}.connectionName") or "AzureWebJobsStorage"


def _partition_count(settings: HostSettings) -> int:
    older = settings.integer("partitionCount")
    named = settings.integer(f"{_STORAGE}.partitionCount")
    if older is not None and not settings.is_set(f"{_STORAGE}.partitionCount"):
        return older
    return named or 0


def _tracking_connection(settings: HostSettings) -> str | None:
    newer = settings.text(f"{_STORAGE}.trackingStoreConnectionName")
    return newer or settings.text(f"{_STORAGE}.trackingStoreConnectionStringName") or None


def _tracking_prefix(settings: HostSettings) -> str:
    prefix = settings.text(f"{_STORAGE}.trackingStoreNamePrefix") or ""
    if not _TABLE_PREFIX.fullmatch(prefix):
        raise BadConfig(
            f"host.json: {_HUB}.{_STORAGE}.trackingStoreNamePrefix is {prefix!r}; it must be 1 to "
            "45 ASCII letters and digits, the first a letter: tables are named after it."
        )
    return prefix


def _lonely_prefix(settings: HostSettings, tracking: str | None) -> tuple[str, ...]:
    name = f"{_STORAGE}.trackingStoreNamePrefix"
    if tracking is not None or not settings.is_set(name):
        return ()
    return (f"host.json: {_HUB}.{name} has no effect without trackingStoreConnectionName.",)


def _session_seconds(host: HostJson, settings: HostSettings) -> float | None:
    if not settings.flag("extendedSessionsEnabled"):
        return 0
    return _number(host, settings, "extendedSessionIdleTimeoutInSeconds")


def _poll_seconds(settings: HostSettings) -> float | None:
    name = "httpSettings.defaultAsyncRequestSleepTimeMilliseconds"
    milliseconds = settings.integer(name) if settings.is_set(name) else None
    return None if milliseconds is None else milliseconds / 1000


def _entity_window(settings: HostSettings) -> timedelta | None:
    name = "entityMessageReorderWindowInMinutes"
    minutes = settings.integer(name) if settings.is_set(name) else None
    return None if minutes is None else timedelta(minutes=minutes)


def _encoding(host: HostJson) -> QueueEncoding:
    chosen = host.choice("extensions.queues.messageEncoding", "base64", ("none", "base64"))
    return QueueEncoding.UTF8 if chosen == "none" else QueueEncoding.BASE64


def _route_prefix(host: HostJson) -> str:
    found = host.text("extensions.http.routePrefix", "api", resolved=False)
    return (found or "").strip("/")


def _api_route(settings: HostSettings) -> str:
    route = (settings.text(_API_ROUTE, resolved=False) or "").strip("/")
    if not route or any(c in route for c in "{}?#%") or route.lower().startswith(_RESERVED_ROUTES):
        raise BadConfig(
            f"host.json: {_HUB}.{_API_ROUTE} is {route!r}; it must be a plain path that does not "
            "begin with 'admin' or 'runtime': the Functions host keeps those for itself."
        )
    return route


def _links_base(settings: HostSettings) -> str | None:
    url = settings.text("notificationUrl")
    if not url:
        return None
    if not url.lower().startswith(("http://", "https://")):
        raise BadConfig(
            f"host.json: {_HUB}.notificationUrl is {url!r}; it must begin with http:// or https://."
        )
    return url.split("?", 1)[0].rstrip("/")


def _versions(host: HostJson, settings: HostSettings) -> VersionPolicy:
    path = f"{_HUB}.defaultVersion"
    if isinstance(host.value(path), float):
        # 1.10 and 1.1 are the same number, and two versions.
        raise BadConfig(
            f"host.json: {path} is the number {host.value(path)}; write it in quotes: it is a text."
        )
    return VersionPolicy(
        version=settings.text("defaultVersion") or "",
        match=VersionMatch(settings.choice("versionMatchStrategy")),
        failure=VersionFailure(settings.choice("versionFailureStrategy")),
    )


def _override_running(settings: HostSettings) -> bool:
    return settings.choice("overridableExistingInstanceStates") == "AnyState"


def _unless_off(host: HostJson, settings: HostSettings, name: str) -> int | None:
    """The default counts, unless somebody set it; 0 turns it off."""
    return _number(host, settings, name) if settings.is_set(name) else settings.integer(name)


def _payload_limits(host: HostJson, settings: HostSettings) -> dict[str, int]:
    """What may be written, and what is read: at least what any process with the default writes."""
    most = _number(host, settings, "maxPayloadBytes")
    if most is None:
        return {}
    return {
        "payload_limit_bytes": most,
        "max_payload_bytes": 4 * max(most, DEFAULT_MAX_PAYLOAD),
    }


def _number(host: HostJson, settings: HostSettings, name: str) -> int | None:
    """A number somebody set; None: the default counts. 0 turns it off, as leaving it out does."""
    found = host.value(f"{_HUB}.{name}")
    off = found is None or found == "0" or (found == 0 and not isinstance(found, bool))
    return None if off else settings.integer(name)
