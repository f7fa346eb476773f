"""One pool of connections for the three services, retries for all alike, and a request counter."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from azure.core.exceptions import ServiceRequestError, ServiceResponseError
from azure.core.pipeline.transport import AioHttpTransport
from azure.storage.blob.aio import ExponentialRetry

from durable.clock import Clock
from durable.storage.azure.errors import without_signatures

# Azurite (and the service, later) closes idle connections; one that we drop first is never half
# closed when the next request wants it. Azurite: 5 s. Over TLS a new connection is dear, and it is
# the service: as long as the SDK keeps one.
_KEEP_ALIVE_SECONDS = 4.0
_TLS_KEEP_ALIVE_SECONDS = 15.0
_CONNECT_SECONDS = 10
_READ_SECONDS = 40  # the services answer or give up within 30 s
_STREAMED_FROM = 1024 * 1024
_UTF8_MOST = 4
_RETRIES = 4
_FIRST_BACKOFF_SECONDS = 0.1
_MOST_BACKOFF_SECONDS = 2.0

#: For the tables SDK's own policy, which by itself would not retry POST and PATCH after a lost
#: connection. A write whose first attempt took effect is then answered 409 or 412: callers know.
TABLE_RETRIES: Mapping[str, Any] = {
    "retry_total": _RETRIES,
    "retry_connect": _RETRIES,
    "retry_read": _RETRIES,
    "retry_status": _RETRIES,
    "retry_backoff_factor": _FIRST_BACKOFF_SECONDS,
    "retry_backoff_max": _MOST_BACKOFF_SECONDS,
}
#: To be given with each call to a table.
RETRY_ALL: Mapping[str, Any] = {
    "retry_on_methods": frozenset({"GET", "PUT", "POST", "PATCH", "DELETE"})
}


class Pool:
    """The connections, opened with the first request: making it needs no running loop.

    `requests` counts what was sent, by (service, operation): each attempt, also those that aiohttp
    itself repeats when a kept connection turns out to be closed.
    """

    def __init__(self, *, tls: bool = False) -> None:
        self._keep_alive = _TLS_KEEP_ALIVE_SECONDS if tls else _KEEP_ALIVE_SECONDS
        self.requests: Counter[tuple[str, str]] = Counter()
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    def session(self) -> aiohttp.ClientSession:
        """The one session.

        Raises:
            RuntimeError: it was closed.
        """
        if self._closed:
            raise RuntimeError("This storage account was closed; open another.")
        if self._session is None:
            traces = aiohttp.TraceConfig()
            traces.on_request_headers_sent.append(self._sent)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(keepalive_timeout=self._keep_alive),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                # Not trust_env: aiohttp would read .netrc and the proxy settings in two threads
                # for each request, twice what all else costs. `proxy_for` reads them once.
                trace_configs=[traces],
            )
        return self._session

    async def close(self) -> None:
        """Give back the connections, for good."""
        self._closed = True
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _sent(self, _session: object, context: Any, _params: object) -> None:
        self.requests[context.trace_request_ctx] += 1


class ServiceTransport(AioHttpTransport):  # type: ignore[misc] # typed as Any: a lazy import
    """One service's door to the pool, which names what it sends for the counter.

    A subclass, not a wrapper: the SDK signs paths as aiohttp will send them only when it sees an
    AioHttpTransport.
    """

    def __init__(self, service: str, base_uri: str, pool: Pool) -> None:
        super().__init__(connection_timeout=_CONNECT_SECONDS, read_timeout=_READ_SECONDS)
        self._service = service
        self._base_path = urlsplit(base_uri).path
        self._proxy = proxy_for(base_uri)
        self._pool = pool

    async def open(self) -> None:
        self.session = self._pool.session()

    async def close(self) -> None:
        """Nothing: the session is the pool's, and clients come and go."""

    # The SDK overloads `send` for two kinds of request; both are passed on as they came.
    # Who knows the operation's name says it; the SDK's clients don't.
    async def send(self, request: Any, *, operation: str | None = None, **config: Any) -> Any:
        if operation is None:
            headers = {name.lower(): value for name, value in request.headers.items()}
            operation = operation_name(
                self._service, request.method, request.url, headers, base_path=self._base_path
            )
        named = (self._service, operation)
        if self._proxy is not None:
            config.setdefault("proxy", self._proxy)
        try:
            return await super().send(request, trace_request_ctx=named, **config)
        except (ServiceRequestError, ServiceResponseError) as error:
            hidden = without_signatures(str(error))
            if hidden == str(error):
                raise
            # Not chained: whoever prints the chain would print the address after all.
            raise type(error)(hidden) from None

    def _get_request_data(self, request: Any) -> Any:
        data = super()._get_request_data(request)
        # aiohttp writes a stream piece by piece, and warns of blocking the loop with large bytes.
        # Made here, for each attempt anew, so that a retry starts at the beginning.
        if not isinstance(data, (str, bytes)) or len(data) * _UTF8_MOST < _STREAMED_FROM:
            return data
        return io.BytesIO(data.encode() if isinstance(data, str) else data)


class QuickRetries(ExponentialRetry):
    """The storage SDK's retries with short waits; its own begin at 15 s.

    The waits double from 0.2 s to 2 s, spread by the clock's jitter. The queue SDK exports no
    asynchronous policy; the blob SDK's is the same code, and serves both.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__(
            retry_total=_RETRIES,
            retry_connect=_RETRIES,
            retry_read=_RETRIES,
            retry_status=_RETRIES,
        )
        self._clock = clock

    def get_backoff_time(self, settings: dict[str, Any]) -> float:
        doubled: float = _FIRST_BACKOFF_SECONDS * 2 ** int(settings["count"])
        most = min(doubled, _MOST_BACKOFF_SECONDS)
        return self._clock.jitter(most / 2, most)


def proxy_for(uri: str) -> str | None:
    """The proxy that the environment names for an address (``HTTPS_PROXY``, ``NO_PROXY`` ...)."""
    address = urlsplit(uri)
    if address.hostname is None or proxy_bypass(address.hostname):
        return None
    return getproxies().get(address.scheme)


def operation_name(
    service: str, method: str, url: str, headers: Mapping[str, str], *, base_path: str
) -> str:
    """The REST operation that a request asks for, by the name the service's reference gives it."""
    address = urlsplit(url)
    path = address.path.removeprefix(base_path).strip("/")
    query = {name: values[0] for name, values in parse_qs(address.query).items()}
    match service:
        case "queue":
            return _queue_operation(method, path, query)
        case "table":
            return _table_operation(method, path, headers)
        case _:
            return _blob_operation(method, path, query)


_QUEUE_OPERATIONS: Mapping[tuple[str, str], str] = {
    ("GET", "account"): "List Queues",
    ("PUT", "queue"): "Create Queue",
    ("DELETE", "queue"): "Delete Queue",
    ("GET", "queue"): "Get Queue Metadata",
    ("POST", "messages"): "Put Message",
    ("GET", "messages"): "Get Messages",
    ("GET", "peek"): "Peek Messages",
    ("DELETE", "messages"): "Clear Messages",
    ("PUT", "message"): "Update Message",
    ("DELETE", "message"): "Delete Message",
}
_BLOB_OPERATIONS: Mapping[tuple[str, str], str] = {
    ("GET", "account"): "List Containers",
    ("PUT", "container"): "Create Container",
    ("DELETE", "container"): "Delete Container",
    ("GET", "list"): "List Blobs",
    ("PUT", "blob"): "Put Blob",
    ("GET", "blob"): "Get Blob",
    ("HEAD", "blob"): "Get Blob Properties",
    ("DELETE", "blob"): "Delete Blob",
}


def _queue_operation(method: str, path: str, query: Mapping[str, str]) -> str:
    segments = path.split("/") if path else []
    kind = ("account", "queue", "messages", "message")[min(len(segments), 3)]
    if query.get("peekonly") == "true":
        kind = "peek"
    return _QUEUE_OPERATIONS.get((method, kind), f"{method} {kind}")


def _blob_operation(method: str, path: str, query: Mapping[str, str]) -> str:
    if not path:
        kind = "account"
    elif query.get("restype") == "container":
        kind = "list" if query.get("comp") == "list" else "container"
    else:
        kind = "blob"
    return _BLOB_OPERATIONS.get((method, kind), f"{method} {kind}")


def _table_operation(method: str, path: str, headers: Mapping[str, str]) -> str:
    if path == "$batch":
        return "Entity Group Transaction"
    if path == "Tables" or path.startswith("Tables("):
        names = {"GET": "Query Tables", "POST": "Create Table", "DELETE": "Delete Table"}
        return names.get(method, f"{method} table")
    if method == "POST":
        method = headers.get("x-http-method", "POST")
    return _entity_operation(method, keyed="=" in path, conditional="if-match" in headers)


def _entity_operation(method: str, *, keyed: bool, conditional: bool) -> str:
    match method:
        case "GET":
            return "Get Entity" if keyed else "Query Entities"
        case "POST":
            return "Insert Entity"
        case "PUT":
            return "Update Entity" if conditional else "Insert Or Replace Entity"
        case "PATCH" | "MERGE":
            return "Merge Entity" if conditional else "Insert Or Merge Entity"
        case "DELETE":
            return "Delete Entity"
        case _:
            return f"{method} entity"
