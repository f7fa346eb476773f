"""Who we are, put on each request: account key, shared access signature, or token.

The account key's two algorithms are those of "Authorize with Shared Key" in the services'
reference (version 2015-02-21 and later). They sign the path as it goes over the wire; `Call` holds
it in that form.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from email.utils import format_datetime
from typing import Any, Protocol, assert_never

from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import (
    AsyncBearerTokenCredentialPolicy,
    AsyncHTTPPolicy,
    AzureSasCredentialPolicy,
    SansIOHTTPPolicy,
)
from azure.core.pipeline.transport import HttpRequest

from durable.clock import Clock

VERSION = "2019-02-02"
_SCOPE = "https://storage.azure.com/.default"

SdkCredential = AzureNamedKeyCredential | AzureSasCredential | AsyncTokenCredential
Policy = AsyncHTTPPolicy[Any, Any] | SansIOHTTPPolicy[Any, Any]


class Call(HttpRequest):
    """A request, with the parts of its address that a signature covers.

    Attributes:
        path: as it goes over the wire, the account's own path included.
        query: names and values, not encoded, in the order they are sent.
    """

    def __init__(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        *,
        path: str,
        query: Sequence[tuple[str, str]],
    ) -> None:
        # Not the base's own __init__: its case-insensitive dict of headers costs more than the rest
        # of a request together. Ours are spelled in one way.
        self.method = method
        self.url = url
        self.headers = dict(headers)
        self.files = None
        self.data = body
        self.multipart_mixed_info = None
        self.path = path
        self.query_parts = query


class Signer(Protocol):
    """Makes the signature of one attempt, sent at `date`."""

    def __call__(self, call: Call, date: str) -> str: ...


def queue_signer(account: str, key: str) -> Signer:
    """The signature of the queue (and blob) service: method, headers, resource, parameters."""
    secret = base64.b64decode(key)

    def sign(call: Call, date: str) -> str:
        headers = call.headers
        length = headers.get("Content-Length", "")
        kind = headers.get("Content-Type", "")
        parameters = "".join(f"\n{name}:{value}" for name, value in sorted(call.query_parts))
        text = (
            # Encoding, language, length, MD5, type, date, four conditions, range.
            f"{call.method}\n\n\n{length}\n\n{kind}\n\n\n\n\n\n\n"
            f"x-ms-date:{date}\nx-ms-version:{VERSION}\n"
            f"/{account}{call.path}{parameters}"
        )
        return _authorization(account, secret, text)

    return sign


def table_signer(account: str, key: str) -> Signer:
    """The signature of the table service: method, content type, date, resource."""
    secret = base64.b64decode(key)

    def sign(call: Call, date: str) -> str:
        kind = call.headers.get("Content-Type", "")
        return _authorization(
            account, secret, f"{call.method}\n\n{kind}\n{date}\n/{account}{call.path}"
        )

    return sign


class Stamp(AsyncHTTPPolicy[Any, Any]):
    """Dates each attempt, and signs it when there is a signer."""

    def __init__(self, clock: Clock, signer: Signer | None) -> None:
        super().__init__()
        self._clock = clock
        self._signer = signer
        self._second: datetime | None = None
        self._text = ""

    async def send(self, request: PipelineRequest[Any]) -> PipelineResponse[Any, Any]:
        call, date = request.http_request, self._date()
        call.headers["x-ms-date"] = date
        if self._signer is not None:
            call.headers["Authorization"] = self._signer(call, date)
        return await self.next.send(request)

    def _date(self) -> str:
        second = self._clock.now().replace(microsecond=0)
        if second != self._second:
            self._second, self._text = second, format_datetime(second, usegmt=True)
        return self._text


class Token(AsyncBearerTokenCredentialPolicy[Any, Any]):
    """azure-core's token policy, which also asks in the tenant that the service names.

    An account may live in another tenant than the credential's own; the SDK's clients follow the
    service's challenge in the same way.
    """

    async def on_challenge(
        self, request: PipelineRequest[Any], response: PipelineResponse[Any, Any]
    ) -> bool:
        tenant = tenant_in(response.http_response.headers.get("WWW-Authenticate") or "")
        if tenant is None:
            return await super().on_challenge(request, response)
        await self.authorize_request(request, _SCOPE, tenant_id=tenant)
        return True


def tenant_in(challenge: str) -> str | None:
    """The tenant of ``Bearer authorization_uri=https://login.../{tenant}/...``, if that it is."""
    scheme, _, rest = challenge.strip().partition(" ")
    if scheme.lower() != "bearer":
        return None
    for part in rest.replace(",", " ").split():
        name, _, value = part.partition("=")
        if name in {"authorization_uri", "authorization"}:
            path = value.strip('"').partition("://")[2].partition("/")[2]
            return path.partition("/")[0] or None
    return None


def policies(credential: SdkCredential, service: str, clock: Clock) -> list[Policy]:
    """What a service's requests pass, after the retries, to be let in."""
    match credential:
        case AzureNamedKeyCredential():
            account, key = credential.named_key
            signer = queue_signer if service == "queue" else table_signer
            return [Stamp(clock, signer(account, key))]
        case AzureSasCredential():
            return [Stamp(clock, None), AzureSasCredentialPolicy(credential)]
        case AsyncTokenCredential():
            return [Stamp(clock, None), Token(credential, _SCOPE)]
        case _:
            assert_never(credential)


def _authorization(account: str, secret: bytes, text: str) -> str:
    signature = base64.b64encode(hmac.digest(secret, text.encode(), "sha256")).decode()
    return f"SharedKey {account}:{signature}"
