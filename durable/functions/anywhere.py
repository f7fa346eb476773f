"""The client for programs that are no Functions app: a web server, a script, a test, another app.

It needs the storage account and the hub's name, nothing of the app that runs the orchestrations.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from types import TracebackType
from typing import Literal, Self, TypedDict, Unpack
from urllib.parse import urlsplit

from azure.core.credentials_async import AsyncTokenCredential

from durable.api.keys import HubKeys
from durable.api.links import DEFAULT_CONNECTION, LinkBuilder
from durable.client import core
from durable.clock import Clock, SystemClock
from durable.errors import BadConfig
from durable.hub.partitions import as_recorded
from durable.hub.settings import HubSettings
from durable.hub.taskhub import TaskHub
from durable.model.ids import check_hub_name, check_partition_count
from durable.storage.azure.account import account_config, open_account
from durable.storage.azure.config import DEFAULT_CONNECTION as DEFAULT_SETTING, AccountConfig
from durable.storage.ports import Account
from durable.wire.envelopes import QueueEncoding

_ENCODINGS: Mapping[object, QueueEncoding] = {
    "none": QueueEncoding.UTF8,
    "base64": QueueEncoding.BASE64,
}
_ACCOUNT_NAME = re.compile(r"[a-z0-9]{3,24}")


class ClientOptions(TypedDict, total=False):
    """What can be said about the hub and its app, beside the hub's name.

    Attributes:
        partition_count: the hub's control queues. Left out, it is what the hub was made with, and
            4 for a hub that does not exist yet; given, it must be right.
        message_encoding: as in the app's host.json (extensions.queues.messageEncoding).
        api_base_url: where the app's management API is, for links:
            ``https://app.azurewebsites.net/api/durabletask``.
        api_key: the app setting DURABLE_API_KEY, where the app has one.
        api_connection: what the app calls the account, when that is not AzureWebJobsStorage.
    """

    partition_count: int
    message_encoding: Literal["none", "base64"]
    api_base_url: str
    api_key: str
    api_connection: str


class Client(core.Client):
    """The client of one task hub, outside Azure Functions.

    ``async with Client.from_connection_string(text, hub="MyHub") as client:``, or `close` it.
    It belongs to the event loop it is first used on. What runs on the hub is not known here: a
    start of an orchestrator that no app has is accepted, and fails when an app takes it up.

    Args:
        account: the storage account; closed with the client.
        hub: the hub's name.
        clock: the process's clock.
        options: see `ClientOptions`.

    Raises:
        BadConfig: the hub's name or an option breaks a rule.
    """

    def __init__(
        self,
        account: Account,
        *,
        hub: str,
        clock: Clock | None = None,
        **options: Unpack[ClientOptions],
    ) -> None:
        unknown = sorted(options.keys() - ClientOptions.__annotations__.keys())
        if unknown:
            known = ", ".join(ClientOptions.__annotations__)
            raise TypeError(f"df.Client has no option {unknown[0]!r}; there are: {known}.")
        task_hub = TaskHub(account, _settings(hub, options), clock or SystemClock())
        super().__init__(
            task_hub,
            links=_links(task_hub, options),
            settle=functools.partial(as_recorded, insist="partition_count" in options),
        )
        self._account = account

    @classmethod
    def from_connection_string(
        cls, connection_string: str, *, hub: str, **options: Unpack[ClientOptions]
    ) -> Self:
        """The client of a hub in the account of a connection string.

        Raises:
            BadConfig: the string, the hub's name or an option breaks a rule.
        """
        config = AccountConfig.from_connection_string(
            connection_string, setting="connection_string"
        )
        return cls._opened(config, None, hub, options)

    @classmethod
    def from_account_name(
        cls,
        account_name: str,
        *,
        hub: str,
        credential: AsyncTokenCredential | None = None,
        **options: Unpack[ClientOptions],
    ) -> Self:
        """The client of a hub in an account of Azure's public cloud, with an identity.

        Args:
            account_name: the account's name, not its address.
            hub: the hub's name.
            credential: one of azure.identity.aio; stays open when the client is closed. Left out:
                DefaultAzureCredential (a managed identity, or who is logged in).
            options: see `ClientOptions`.

        Raises:
            BadConfig: a name, the credential or an option breaks a rule.
        """
        if not _ACCOUNT_NAME.fullmatch(account_name):
            raise BadConfig(
                f"account_name is {account_name!r}; it must be the name alone: 3 to 24 lower-case "
                "letters and digits. For another address use from_settings."
            )
        if credential is not None and not isinstance(credential, AsyncTokenCredential):
            raise BadConfig(
                f"credential is a {type(credential).__name__}; take an asynchronous one, of "
                "azure.identity.aio."
            )
        config = account_config({"account__accountName": account_name}, "account")
        return cls._opened(config, credential, hub, options)

    @classmethod
    def from_settings(
        cls,
        connection_name: str = DEFAULT_SETTING,
        *,
        hub: str,
        settings: Mapping[str, str] | None = None,
        **options: Unpack[ClientOptions],
    ) -> Self:
        """The client of a hub in an account that settings name as those of a Functions app do.

        Args:
            connection_name: the setting with a connection string, or the prefix of identity
                settings (``{name}__accountName``, ``{name}__queueServiceUri`` ...).
            hub: the hub's name.
            settings: where to look; the environment when left out.
            options: see `ClientOptions`.

        Raises:
            BadConfig: a setting, the hub's name or an option breaks a rule.
        """
        known = os.environ if settings is None else settings
        return cls._opened(account_config(known, connection_name), None, hub, options)

    async def close(self) -> None:
        """Give back the connections. A second call does nothing."""
        await self._account.close()

    async def __aenter__(self) -> Self:
        try:
            await self.prepare()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    @classmethod
    def _opened(
        cls,
        config: AccountConfig,
        credential: AsyncTokenCredential | None,
        hub: str,
        options: ClientOptions,
    ) -> Self:
        clock = SystemClock()
        account = open_account(config, clock=clock, credential=credential)
        return cls(account, hub=hub, clock=clock, **options)


def _settings(hub: str, options: ClientOptions) -> HubSettings:
    encoding = options.get("message_encoding", "none")
    if encoding not in _ENCODINGS:
        raise BadConfig(f"message_encoding is {encoding!r}; it must be 'none' or 'base64'.")
    settings = HubSettings(
        name=check_hub_name(hub, "the parameter hub"), queue_encoding=_ENCODINGS[encoding]
    )
    if "partition_count" not in options:
        return settings
    count = check_partition_count(options["partition_count"], "the option partition_count")
    return replace(settings, partition_count=count)


def _links(hub: TaskHub, options: ClientOptions) -> LinkBuilder | None:
    """Who makes links; None when nothing is said about a management API."""
    base_url, key = options.get("api_base_url"), options.get("api_key")
    if base_url is None and key is None:
        return None
    if base_url is not None:
        address = urlsplit(base_url)
        if address.scheme not in {"http", "https"} or not address.hostname or address.query:
            raise BadConfig(
                f"api_base_url is {base_url.partition('?')[0]!r}; it must be an http(s) address "
                "without a query, like https://app.azurewebsites.net/api/durabletask."
            )
    return LinkBuilder(
        hub,
        HubKeys(hub, configured=key, required=True),
        base_url=base_url,
        connection=options.get("api_connection", DEFAULT_CONNECTION),
    )
