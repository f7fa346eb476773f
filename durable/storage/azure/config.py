"""Which storage account, and who we are there: from the settings that Azure Functions knows.

A connection is a connection string, ``UseDevelopmentStorage=true``, or identity settings
(``{name}__accountName``, ``{name}__queueServiceUri`` ...). Secrets are kept out of every repr and
of every message.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from durable.errors import BadConfig

DEFAULT_CONNECTION = "AzureWebJobsStorage"

# The emulator's account: the same everywhere, and published, so no secret.
_EMULATOR_ACCOUNT = "devstoreaccount1"
_EMULATOR_KEY = (
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)
_EMULATOR_PORTS = {"blob": 10000, "queue": 10001, "table": 10002}
_SERVICES = ("queue", "table", "blob")


@dataclass(frozen=True, slots=True)
class SharedKey:
    """An account key."""

    account: str
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SharedAccessSignature:
    """A SAS token for the three services."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Identity:
    """A token from Microsoft Entra ID.

    `managed` takes the managed identity only; otherwise whatever DefaultAzureCredential finds.
    `client_id` chooses among several user-assigned identities.
    """

    managed: bool = False
    client_id: str | None = None


Credential = SharedKey | SharedAccessSignature | Identity


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountConfig:
    """The three services' addresses (no query, no slash at the end) and how to be let in."""

    queue_uri: str
    table_uri: str
    blob_uri: str
    credential: Credential

    @classmethod
    def from_connection_string(cls, text: str, *, setting: str) -> AccountConfig:
        """What a connection string says; `setting` names it in errors.

        Raises:
            BadConfig: it cannot be understood. The message never quotes it.
        """
        parts = _parts(text, setting)
        if parts.get("usedevelopmentstorage", "").lower() == "true":
            return _emulator(parts.get("developmentstorageproxyuri"), setting)
        uris = {service: _endpoint(parts, service, setting) for service in _SERVICES}
        return cls(
            queue_uri=uris["queue"],
            table_uri=uris["table"],
            blob_uri=uris["blob"],
            credential=_secret(parts, setting),
        )


def account_config(
    settings: Mapping[str, str], connection_name: str = DEFAULT_CONNECTION
) -> AccountConfig:
    """The account that the connection `connection_name` names, by the Functions host's rules.

    Names are found whatever their case, with ``__`` or ``:``, and with or without the prefix
    ``AzureWebJobs``.

    Raises:
        BadConfig: nothing is configured under that name, or something that cannot mean anything.
    """
    known = {_normal(name): value.strip() for name, value in settings.items()}
    for name in (f"AzureWebJobs{connection_name}", connection_name):
        for key in (name, f"ConnectionStrings:{name}"):
            if text := known.get(_normal(key)):
                return AccountConfig.from_connection_string(text, setting=name)
        prefix = _normal(name) + ":"
        section = {k.removeprefix(prefix): v for k, v in known.items() if k.startswith(prefix) if v}
        if section:
            return _by_identity(section, name)
    raise BadConfig(
        f"No storage account is configured: set {connection_name!r} to a connection string or to "
        f"'UseDevelopmentStorage=true', or set '{connection_name}__accountName' for an identity."
    )


def _normal(name: str) -> str:
    return name.replace("__", ":").lower()


def _parts(text: str, setting: str) -> dict[str, str]:
    parts: dict[str, str] = {}
    for part in filter(None, (piece.strip() for piece in text.split(";"))):
        name, equals, value = part.partition("=")
        if not equals:
            raise BadConfig(
                f"Setting {setting!r} is not a connection string: 'Name=value' pairs with ';' "
                "between them are expected."
            )
        parts[name.strip().lower()] = value.strip()
    return parts


def _emulator(proxy: str | None, setting: str) -> AccountConfig:
    base = "http://127.0.0.1"
    if proxy:
        address = urlsplit(proxy)
        if not (address.scheme and address.hostname):
            raise BadConfig(
                f"Setting {setting!r}: DevelopmentStorageProxyUri must be like 'http://host'."
            )
        base = f"{address.scheme}://{address.hostname}"
    uris = {s: f"{base}:{port}/{_EMULATOR_ACCOUNT}" for s, port in _EMULATOR_PORTS.items()}
    return AccountConfig(
        queue_uri=uris["queue"],
        table_uri=uris["table"],
        blob_uri=uris["blob"],
        credential=SharedKey(_EMULATOR_ACCOUNT, _EMULATOR_KEY),
    )


def _endpoint(parts: Mapping[str, str], service: str, setting: str) -> str:
    if explicit := parts.get(f"{service}endpoint"):
        return _address(explicit, f"{setting}: {service.capitalize()}Endpoint")
    if account := parts.get("accountname"):
        scheme = parts.get("defaultendpointsprotocol", "https")
        return f"{scheme}://{account}.{service}.{parts.get('endpointsuffix', 'core.windows.net')}"
    raise BadConfig(
        f"Setting {setting!r}: the connection string has neither AccountName nor "
        f"{service.capitalize()}Endpoint."
    )


def _address(uri: str, name: str) -> str:
    address = urlsplit(uri)
    if address.scheme not in {"http", "https"} or not address.hostname or address.query:
        raise BadConfig(f"Setting {name!r} must be an http(s) address without a query.")
    return uri.rstrip("/")


def _secret(parts: Mapping[str, str], setting: str) -> Credential:
    if token := parts.get("sharedaccesssignature"):
        return SharedAccessSignature(token.lstrip("?"))
    account, key = parts.get("accountname"), parts.get("accountkey")
    if not (account and key):
        raise BadConfig(
            f"Setting {setting!r}: the connection string has neither AccountName and AccountKey "
            "nor SharedAccessSignature."
        )
    try:
        base64.b64decode(key, validate=True)
    except binascii.Error as error:
        raise BadConfig(f"Setting {setting!r}: AccountKey is not base64.") from error
    return SharedKey(account, key)


def _by_identity(section: Mapping[str, str], name: str) -> AccountConfig:
    kind = section.get("credential")
    if kind is not None and kind.lower() not in {"managedidentity", "managedidentitycredential"}:
        raise BadConfig(
            f"Setting '{name}__credential' is {kind!r}; only 'managedidentity' is understood. "
            "Leave it out to use the environment's own credential."
        )
    uris = {service: _service_uri(section, service, name) for service in _SERVICES}
    return AccountConfig(
        queue_uri=uris["queue"],
        table_uri=uris["table"],
        blob_uri=uris["blob"],
        credential=Identity(managed=kind is not None, client_id=section.get("clientid")),
    )


def _service_uri(section: Mapping[str, str], service: str, name: str) -> str:
    setting = f"{name}__{service}ServiceUri"
    if explicit := section.get(f"{service}serviceuri"):
        if not explicit.startswith("https://"):
            raise BadConfig(f"Setting {setting!r} must begin with 'https://': it gets a token.")
        return _address(explicit, setting)
    if account := section.get("accountname"):
        return f"https://{account}.{service}.core.windows.net"
    raise BadConfig(f"Set {setting!r}, or '{name}__accountName' for all three services.")
