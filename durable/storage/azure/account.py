"""Open a storage account: three services on one pool of connections, one request counter."""

from __future__ import annotations

import enum
import logging
from collections import Counter
from typing import Any, assert_never

from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.pipeline.policies import AsyncRetryPolicy
from azure.data.tables.aio import TableServiceClient
from azure.storage.blob.aio import BlobServiceClient
from azure.storage.queue.aio import QueueServiceClient

from durable.clock import Clock, SystemClock
from durable.errors import BadConfig
from durable.storage.azure.blobs import MAX_SINGLE_GET, MAX_SINGLE_PUT, AzureBlobs
from durable.storage.azure.config import (
    AccountConfig,
    Credential,
    Identity,
    SharedAccessSignature,
    SharedKey,
    account_config,
)
from durable.storage.azure.direct.door import Door
from durable.storage.azure.direct.queues import DirectQueues
from durable.storage.azure.direct.signing import SdkCredential, policies
from durable.storage.azure.direct.tables import DirectTables
from durable.storage.azure.queues import AzureQueues
from durable.storage.azure.tables import AzureTables
from durable.storage.azure.transport import (
    RETRY_ALL,
    TABLE_RETRIES,
    Pool,
    QuickRetries,
    ServiceTransport,
)

__all__ = ["AccountConfig", "Adapter", "AzureAccount", "account_config", "open_account"]


class Adapter(enum.Enum):
    """Who makes the hot queue and table calls."""

    DIRECT = "direct"  # azure-core's pipeline, by hand
    SDK = "sdk"  # the official clients: slower; what the other is measured against


class AzureAccount:
    """An `Account` on Azure or Azurite."""

    def __init__(
        self,
        config: AccountConfig,
        clock: Clock,
        credential: AsyncTokenCredential | None = None,
        adapter: Adapter = Adapter.DIRECT,
    ) -> None:
        self._pool = Pool(tls=config.queue_uri.startswith("https:"))
        # One that was passed in is its owner's to close.
        self._own_credential = credential is None
        self._credential = credential or _sdk_credential(config.credential)

        def common(service: str, uri: str) -> dict[str, Any]:
            return {
                "credential": self._credential,
                "transport": ServiceTransport(service, uri, self._pool),
                "logger": _quiet_logger(),
                # The services never redirect; a payload is not for whoever one would name.
                "permit_redirects": False,
            }

        queues = QueueServiceClient(
            config.queue_uri, **common("queue", config.queue_uri), retry_policy=QuickRetries(clock)
        )
        tables = TableServiceClient(
            config.table_uri, **common("table", config.table_uri), **TABLE_RETRIES
        )
        self._queues: AzureQueues
        self._tables: AzureTables
        match adapter:
            case Adapter.SDK:
                self._queues = AzureQueues(queues)
                self._tables = AzureTables(tables)
            case Adapter.DIRECT:
                self._queues = DirectQueues(queues, self._door("queue", config.queue_uri, clock))
                self._tables = DirectTables(
                    tables, self._door("table", config.table_uri, clock), clock.new_id()
                )
            case _:
                assert_never(adapter)
        self._blobs = AzureBlobs(
            BlobServiceClient(
                config.blob_uri,
                **common("blob", config.blob_uri),
                retry_policy=QuickRetries(clock),
                max_single_put_size=MAX_SINGLE_PUT,
                max_single_get_size=MAX_SINGLE_GET,
            ),
            config.blob_uri,
        )

    @property
    def queues(self) -> AzureQueues:
        return self._queues

    @property
    def tables(self) -> AzureTables:
        return self._tables

    @property
    def blobs(self) -> AzureBlobs:
        return self._blobs

    @property
    def requests(self) -> Counter[tuple[str, str]]:
        """How many HTTP requests were sent, retries among them, by (service, operation)."""
        return self._pool.requests

    def _door(self, service: str, uri: str, clock: Clock) -> Door:
        tables = service == "table"
        return Door(
            uri,
            ServiceTransport(service, uri, self._pool),
            AsyncRetryPolicy(**TABLE_RETRIES) if tables else QuickRetries(clock),
            policies(self._credential, service, clock),
            RETRY_ALL if tables else {},
        )

    async def close(self) -> None:
        """Give back the connections. A second call does nothing."""
        await self._pool.close()
        if self._own_credential and isinstance(self._credential, AsyncTokenCredential):
            await self._credential.close()


def open_account(
    config: AccountConfig,
    *,
    clock: Clock | None = None,
    credential: AsyncTokenCredential | None = None,
    adapter: Adapter = Adapter.DIRECT,
) -> AzureAccount:
    """The account that `config` names. No request is made, and no loop needed, until it is used.

    `credential` lets us in instead of the one that `config` names, and stays its owner's.

    Raises:
        BadConfig: an identity is asked for, and azure-identity is not installed or refuses it.
    """
    return AzureAccount(config, clock or SystemClock(), credential, adapter)


def _quiet_logger() -> logging.Logger:
    # The SDK logs each request at INFO, and a Functions worker's root logger is at INFO: that would
    # be several log lines a request in the user's telemetry. Set this logger to INFO to see them.
    logger = logging.getLogger("durable.storage.azure.http")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.WARNING)
    return logger


def _sdk_credential(credential: Credential) -> SdkCredential:
    match credential:
        case SharedKey(account, key):
            return AzureNamedKeyCredential(account, key)
        case SharedAccessSignature(token):
            return AzureSasCredential(token)
        case Identity():
            return _identity(credential)
        case _:
            assert_never(credential)


def _identity(identity: Identity) -> AsyncTokenCredential:
    # An optional extra, imported only by those who ask for it.
    try:
        from azure.identity.aio import DefaultAzureCredential, ManagedIdentityCredential
    except ImportError as error:
        raise BadConfig(
            "Identity-based storage settings need the package azure-identity: install "
            "'durable[identity]', or add 'azure-identity' to requirements.txt."
        ) from error
    if identity.managed:
        return ManagedIdentityCredential(client_id=identity.client_id)
    if identity.client_id is None:
        return DefaultAzureCredential()
    return DefaultAzureCredential(managed_identity_client_id=identity.client_id)
