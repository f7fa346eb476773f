"""Puts an app's services together on its storage account: hub, engine, clients, management API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from durable.api.app import ManagementApi
from durable.api.links import DEFAULT_CONNECTION, ManagementAccess
from durable.authoring.registry import Registry
from durable.client import Client
from durable.clock import Clock
from durable.errors import BadConfig
from durable.functions import adapt
from durable.functions.client import DurableOrchestrationClient
from durable.functions.config import AppConfig
from durable.functions.identity import IdentityTokens
from durable.functions.injection import ClientInput
from durable.functions.owner import ClientFor, Services
from durable.hostjson import resolve
from durable.hub.partitions import as_recorded
from durable.hub.settings import HubSettings
from durable.hub.taskhub import TaskHub
from durable.runtime.engine import Engine
from durable.runtime.http_client import HttpClient
from durable.runtime.http_proxies import proxies_of
from durable.runtime.settings import EngineSettings
from durable.storage.ports import Account
from durable.storage.split import SplitAccount

_OWN_CONNECTION = "AzureWebJobsStorage"
_KEY = "DURABLE_API_KEY"
_SETTLE = partial(as_recorded, insist=False)


class HubOpening:
    """Opens hubs and what stands on them.

    Args:
        environ: the app settings.
        clock: the process's clock.
        open_account: the storage account of a connection name; it makes no request.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        clock: Clock,
        open_account: Callable[[Mapping[str, str], str], Account],
    ) -> None:
        self._environ = environ
        self._clock = clock
        self._open_account = open_account

    def services(
        self,
        config: AppConfig,
        registry: Registry,
        others: tuple[ClientInput, ...],
        sibling: ClientFor,
    ) -> Services:
        """Everything that runs the app. No request is made yet."""
        account = self._account(config)
        hub = TaskHub(account, config.hub, self._clock)
        access = self._access(config)
        client = DurableOrchestrationClient(
            hub,
            base_url_of=lambda request: adapt.base_url(request, config),
            # An app of clients only is a front end of the app that runs the hub.
            registry=registry if _has_functions(registry) else None,
            settle=None if _has_functions(registry) else _SETTLE,
            links=access.links(hub, _shown(config.connection_name)),
            sibling=sibling,
            rules=config.rules,
            entity_window=config.entity_window,
        )
        return Services(
            clock=self._clock,
            account=account,
            engine=Engine(
                hub,
                registry,
                self._clock,
                _engine_settings(config),
                http=HttpClient(tokens=IdentityTokens(), proxy_of=proxies_of(self._environ)),
            ),
            api=ManagementApi(self._served_only(config, others, sibling), access),
            client=client,
            access=access,
        )

    def client(
        self,
        services: Services,
        config: AppConfig,
        wanted: tuple[str | None, str | None],
        sibling: ClientFor,
    ) -> tuple[Client, Account | None]:
        """The client of another hub, and the account opened for it; None when it is the app's own.

        Raises:
            BadConfig: a name breaks a rule, or nothing is configured under it.
        """
        task_hub, connection = self._resolved(config, *wanted)
        own = same_connection(connection, config)
        if own and task_hub.lower() == config.hub.name.lower():
            return services.client, None
        name = config.connection_name if own else connection
        opened = None if own else self._open_account(self._environ, name)
        settings = HubSettings(
            name=task_hub,
            partition_count=config.hub.partition_count,
            queue_encoding=config.hub.queue_encoding,
            tracking_prefix=config.hub.tracking_prefix if own else None,
            shows_large_payloads=config.hub.shows_large_payloads,
        )
        hub = TaskHub(opened or services.account, settings, self._clock)
        # What runs on another hub is another app's business: no registry to check names with.
        made = DurableOrchestrationClient(
            hub,
            base_url_of=lambda request: adapt.base_url(request, config),
            links=services.access.links(hub, _shown(name)),
            sibling=sibling,
            rules=config.rules,
            # Its app's host.json may say otherwise than ours.
            settle=_SETTLE,
            entity_window=config.entity_window,
        )
        return made, opened

    def _account(self, config: AppConfig) -> Account:
        """The app's account, with History and Instances in one of their own where that is set."""
        own = self._open_account(self._environ, config.connection_name)
        if config.tracking_connection is None:
            return own
        names = config.hub.names
        return SplitAccount(
            own,
            self._open_account(self._environ, config.tracking_connection),
            (names.history_table, names.instances_table),
        )

    def _resolved(
        self, config: AppConfig, task_hub: str | None, connection: str | None
    ) -> tuple[str, str]:
        """The hub and connection that are meant, settings in the names replaced."""
        if task_hub:
            task_hub = resolve(task_hub, self._environ, "task_hub")
        if connection:
            connection = resolve(connection, self._environ, "connection_name")
        return task_hub or config.hub.name, connection or config.connection_name

    def _served_only(
        self, config: AppConfig, others: tuple[ClientInput, ...], sibling: ClientFor
    ) -> ClientFor:
        """Clients for the management API: of hubs that the app itself uses, and no others.

        Its callers are not known yet when the hub is opened; any name in a query string would
        otherwise make queues, tables and a key.
        """

        async def client_for(task_hub: str | None, connection: str | None) -> Client:
            asked = _same(task_hub or config.hub.name, connection or config.connection_name)
            if asked == _same(config.hub.name, config.connection_name):
                return await sibling(None, None)
            for other in others:
                named = self._resolved(config, other.task_hub, other.connection_name)
                if asked == _same(*named):
                    return await sibling(other.task_hub, other.connection_name)
            raise BadConfig(
                f"This app does not serve taskHub {task_hub!r} on connection {connection!r}: its "
                f"own is {config.hub.name!r} on {_shown(config.connection_name)!r}."
            )

        return client_for

    def _access(self, config: AppConfig) -> ManagementAccess:
        key = self._environ.get(_KEY) or None
        development = self._environ.get("AZURE_FUNCTIONS_ENVIRONMENT", "").lower() == "development"
        return ManagementAccess(
            configured_key=key,
            # As with func start, no key is asked for on a developer's machine, unless one is set.
            require_key=key is not None or not development,
            base_url=self._own_address(config),
        )

    def _own_address(self, config: AppConfig) -> str | None:
        """Where the app lives when no request tells it: the platform names the host."""
        if config.links_base is not None:
            return config.links_base
        host = self._environ.get("WEBSITE_HOSTNAME")
        if not host:
            return None
        local = host.split(":", 1)[0].lower() in {"localhost", "127.0.0.1"}
        return f"{'http' if local else 'https'}://{host}/{config.api_base}"


def same_connection(name: str | None, config: AppConfig) -> bool:
    """Whether `name` is the app's own connection, whose default links call "Storage"."""
    return _full(name or config.connection_name) == _full(config.connection_name)


def _full(name: str) -> str:
    # The host finds "Storage" under "AzureWebJobsStorage", too.
    return name.lower().removeprefix("azurewebjobs")


def _has_functions(registry: Registry) -> bool:
    return bool(registry.orchestrator_names or registry.activity_names or registry.entity_names)


def _same(task_hub: str, connection: str) -> tuple[str, str]:
    """The same for all spellings of a hub and a connection."""
    return task_hub.lower(), _full(connection)


def _shown(connection_name: str) -> str:
    return DEFAULT_CONNECTION if connection_name == _OWN_CONNECTION else connection_name


def _engine_settings(config: AppConfig) -> EngineSettings:
    defaults = EngineSettings()
    return EngineSettings(
        max_concurrent_activities=config.max_activities or defaults.max_concurrent_activities,
        max_concurrent_orchestrators=(
            config.max_orchestrators or defaults.max_concurrent_orchestrators
        ),
        max_concurrent_entities=config.max_entities or defaults.max_concurrent_entities,
        entity_batch=config.entity_batch or defaults.entity_batch,
        entity_window_seconds=defaults.entity_window_seconds
        if config.entity_window is None
        else config.entity_window.total_seconds(),
        max_actions=config.max_actions or defaults.max_actions,
        max_history_events=config.max_history_events or defaults.max_history_events,
        max_history_bytes=config.max_history_bytes or defaults.max_history_bytes,
        http_poll_seconds=config.http_poll_seconds or defaults.http_poll_seconds,
        fast_path=config.fast_path,
        max_in_place=config.max_in_place or defaults.max_in_place,
        held_limit=config.held_limit,
        linger_limit=config.linger_limit,
        own_lease_seconds=config.own_lease_seconds or defaults.own_lease_seconds,
        session_limit=0 if config.session_seconds == 0 else defaults.session_limit,
        session_idle_seconds=config.session_seconds or defaults.session_idle_seconds,
        versions=config.rules.versions,
    )
