"""One service's pipeline: retries, authentication, and the shared transport; nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, urlsplit

from azure.core.pipeline import AsyncPipeline

from durable.storage.azure.direct.signing import Call, Policy
from durable.storage.azure.transport import ServiceTransport

#: What may stand unquoted in a path, and does over the wire: aiohttp would unquote it, and another
#: path would be signed than is sent.
PLAIN_IN_PATHS = "'!$&()*,;=:@~"
_NO_QUERY: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What the service answered, read whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Door:
    """Sends requests to one service; `options` go to the retry policy with each."""

    def __init__(
        self,
        base_uri: str,
        transport: ServiceTransport,
        retries: Any,  # AsyncHTTPPolicy, or the storage SDK's, which doesn't say that it is one
        authentication: Sequence[Policy],
        options: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        address = urlsplit(base_uri)
        self._host = f"{address.scheme}://{address.netloc}"
        self._base_path = address.path
        self._options = options
        self._pipeline = AsyncPipeline[Any, Any](transport, [retries, *authentication])

    @property
    def base_uri(self) -> str:
        """The service's address, which a path follows."""
        return f"{self._host}{self._base_path}"

    async def send(
        self,
        operation: str,
        method: str,
        path: str,
        headers: Mapping[str, str],
        *,
        query: Sequence[tuple[str, str]] = _NO_QUERY,
        body: bytes | None = None,
    ) -> Answer:
        """One request, with its retries; whatever the service answers in the end is returned.

        Args:
            operation: its name, for the counter.
            method: of HTTP.
            path: below the account, as it goes over the wire.
            headers: all but those of authentication.
            query: names and values, not encoded.
            body: what is sent.

        Raises:
            AzureError: there was no answer.
        """
        whole = self._base_path + path
        url = self._host + whole
        if query:
            url += "?" + "&".join([f"{name}={quote(value, safe='')}" for name, value in query])
        call = Call(method, url, headers, body, path=whole, query=query)
        ran = await self._pipeline.run(call, operation=operation, **self._options)
        found = ran.http_response
        return Answer(found.status_code, found.headers, found.body())
