"""HTTP requests on aiohttp, by the rules of .NET's HttpClient, on which the original stands.

No cookies are kept, since calls of different orchestrations have nothing to do with each other,
and secrets go to nobody but the origin they were given for.
"""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import io
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Protocol
from urllib.parse import urlsplit, urlunsplit

import aiohttp
from yarl import URL

from durable.errors import BadConfig, HttpCallFailed
from durable.model.http import (
    ACCEPTED,
    DurableHttpResponse,
    HttpRequest,
    ManagedIdentityTokenSource,
)
from durable.model.http_polling import joined, shown, split_uri
from durable.runtime.http_headers import request_headers, response_headers
from durable.runtime.http_redirects import Hop, next_hop
from durable.wire.http_json import time_span

#: The extension's client waits as long.
DEFAULT_TIMEOUT = timedelta(seconds=240)
#: .NET's HttpClientHandler.MaxAutomaticRedirections.
MAX_REDIRECTS = 50
#: An answer becomes a row's property, or a blob, and is held in memory several times over.
MAX_CONTENT_BYTES = 64 * 1024 * 1024

# Added by aiohttp; .NET adds none of them.
_NOT_ADDED = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


class Tokens(Protocol):
    """Where bearer tokens come from."""

    async def token(self, source: ManagedIdentityTokenSource) -> str:
        """A token for `source`; it is neither stored nor logged.

        Raises:
            DurableError: there is none.
        """
        ...

    async def close(self) -> None:
        """Give back what was opened."""
        ...


class HttpClient:
    """Sends requests; its connections are opened on first use.

    Args:
        tokens: where bearer tokens come from; None: requests with a token source fail.
        proxy_of: the address of the proxy for a request's address; None for no proxy.
        max_content_bytes: larger answers are failures.
    """

    def __init__(
        self,
        *,
        tokens: Tokens | None = None,
        proxy_of: Callable[[str], str | None] = lambda _uri: None,
        max_content_bytes: int = MAX_CONTENT_BYTES,
    ) -> None:
        self._tokens = tokens
        self._proxy_of = proxy_of
        self._max_content_bytes = max_content_bytes
        self._opened: aiohttp.ClientSession | None = None

    async def send(self, request: HttpRequest) -> DurableHttpResponse:
        """The answer, after redirects and whatever its status.

        Raises:
            HttpCallFailed: there is none, or it is too large.
            TimeoutError: there was none in time.
            BadConfig: no token can be had here.
            ValueError: it is no request that can be sent.
        """
        split_uri(request.uri)
        asked = f"{request.method} {shown(request.uri)}"
        limit = request.timeout or DEFAULT_TIMEOUT
        try:
            async with asyncio.timeout(limit.total_seconds()):
                return await self._followed(request, asked)
        except TimeoutError:
            raise TimeoutError(
                f"{asked} was not answered in time. Reached user specified timeout: "
                f"{time_span(limit)}."
                if request.timeout
                else f"{asked} was not answered within {time_span(limit)}."
            ) from None
        except (aiohttp.ClientError, OSError) as error:
            # Not the error itself: its text may hold the whole address.
            raise HttpCallFailed(f"{asked} got no answer: {_reason(error)}.") from None

    async def close(self) -> None:
        """Give back the connections, and what the tokens come from."""
        session, self._opened = self._opened, None
        if session is not None:
            await session.close()
        if self._tokens is not None:
            await self._tokens.close()

    @property
    def _session(self) -> aiohttp.ClientSession:
        if self._opened is None:
            self._opened = aiohttp.ClientSession(
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=_NOT_ADDED,
                timeout=aiohttp.ClientTimeout(total=None),
            )
        return self._opened

    async def _followed(self, request: HttpRequest, asked: str) -> DurableHttpResponse:
        headers = request_headers(request)
        if request.token_source is not None:
            token = await self._token(request.token_source)
            headers = {n: v for n, v in headers.items() if n.lower() != "authorization"}
            headers["Authorization"] = f"Bearer {token}"
        hop = Hop(method=request.method, uri=request.uri, headers=headers, content=request.content)
        redirects = 0
        while True:
            async with self._request(hop) as answer:
                following = next_hop(hop, answer.status, answer.headers.get("Location"))
                if following is None or redirects == MAX_REDIRECTS:
                    return await self._read(answer, hop, asked)
            hop = following
            redirects += 1

    def _request(self, hop: Hop) -> contextlib.AbstractAsyncContextManager[aiohttp.ClientResponse]:
        # A file, since aiohttp warns of large bytes.
        content = (
            None if hop.content is None else io.BytesIO(hop.content.encode("utf-8", "replace"))
        )
        return self._session.request(
            hop.method,
            _address(hop.uri),
            headers=list(_lines(hop)),
            data=content,
            allow_redirects=False,
            proxy=self._proxy_of(hop.uri),
        )

    async def _token(self, source: ManagedIdentityTokenSource) -> str:
        if self._tokens is None:
            raise BadConfig("call_http: token_source can't be used here: no tokens are provided.")
        return await self._tokens.token(source)

    async def _read(
        self, answer: aiohttp.ClientResponse, hop: Hop, asked: str
    ) -> DurableHttpResponse:
        content = bytearray()
        async for chunk in answer.content.iter_any():
            content += chunk
            if len(content) > self._max_content_bytes:
                raise HttpCallFailed(
                    f"{asked} was answered with more than {self._max_content_bytes} bytes."
                )
        headers = response_headers(answer.headers.items())
        response = DurableHttpResponse.of(answer.status, headers, _text(bytes(content), answer))
        if answer.status == ACCEPTED:
            _make_absolute(response, hop.uri)
        return response


def _lines(hop: Hop) -> Iterator[tuple[str, str]]:
    for name, value in hop.headers.items():
        for each in [value] if isinstance(value, str) else value:
            yield name, each


def _address(uri: str) -> URL:
    """As it was given: a signature in a query must not be encoded anew. No user's name, as .NET."""
    parts = urlsplit(uri)
    bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    return URL(bare, encoded=bare.isascii() and bare.isprintable() and " " not in bare)


def _make_absolute(response: DurableHttpResponse, uri: str) -> None:
    """Its reader doesn't know where redirects led to."""
    headers = dict(response.headers)
    location = headers.get("Location")
    if isinstance(location, str):
        with contextlib.suppress(ValueError):  # its reader will say what is wrong with it
            response["headers"] = headers | {"Location": joined(uri, location)}


def _text(content: bytes, answer: aiohttp.ClientResponse) -> str:
    if content.startswith(codecs.BOM_UTF8):
        return content.removeprefix(codecs.BOM_UTF8).decode("utf-8", "replace")
    try:
        return content.decode(answer.charset or "utf-8", "replace")
    except (LookupError, ValueError):  # no charset that Python knows, or none of texts
        return content.decode("utf-8", "replace")


def _reason(error: Exception) -> str:
    for kind, text in _REASONS:
        if isinstance(error, kind):
            return text
    if isinstance(error, OSError) and error.strerror:
        return f"the connection failed ({error.strerror})"
    return f"the connection failed ({type(error).__name__})"


_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (aiohttp.ClientConnectorDNSError, "its host's name was not found"),
    (aiohttp.ClientConnectorCertificateError, "its host's certificate is not trusted"),
    (aiohttp.ClientSSLError, "no TLS connection could be made"),
    (aiohttp.ClientHttpProxyError, "the proxy refused"),
    (aiohttp.ServerDisconnectedError, "the server closed the connection"),
    (aiohttp.ClientPayloadError, "it broke off"),
    (aiohttp.ClientResponseError, "what came is not HTTP"),
)
