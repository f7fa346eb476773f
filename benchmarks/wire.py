"""Stands on the wire between an app and Azurite, and counts what passes.

It trusts no counter of ours: retries, the host's own requests and those of a library are seen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from aiohttp import ClientSession, DummyCookieJar, TCPConnector, web
from yarl import URL

from benchmarks.azurite import SERVICES, free_ports
from durable.storage.azure.transport import operation_name

_BASE_PATH = "/devstoreaccount1"
#: Of the connection, not of the message.
_HOP_BY_HOP = {"connection", "host", "keep-alive", "transfer-encoding", "content-length"}
_MOST_BYTES = 256 * 1024 * 1024


class Wire:
    """Ports in front of Azurite's.

    Attributes:
        port: the first of the three.
        requests: by service and operation; a get that returned nothing is an idle poll.
        idle_polls: gets that returned nothing.
        upkeep: requests about the Partitions table: who reads which queue, beside all work.
    """

    def __init__(self, port: int, upstream: int, session: ClientSession) -> None:
        self.port = port
        self.requests: Counter[str] = Counter()
        self.idle_polls = 0
        self.upkeep: Counter[str] = Counter()
        self._upstream = upstream
        self._session = session

    def clear(self) -> None:
        """Count from zero."""
        self.requests.clear()
        self.upkeep.clear()
        self.idle_polls = 0

    async def pass_on(self, index: int, request: web.Request) -> web.Response:
        """Send `request` to service number `index`, and its answer back."""
        body = await request.read()
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP_BY_HOP}
        url = URL(f"http://127.0.0.1:{self._upstream + index}{request.raw_path}", encoded=True)
        async with self._session.request(
            request.method, url, headers=headers, data=body, skip_auto_headers=("Content-Type",)
        ) as answer:
            content = await answer.read()
            kept = {k: v for k, v in answer.headers.items() if k.lower() not in _HOP_BY_HOP}
        self._count(SERVICES[index], request, body, content)
        return web.Response(status=answer.status, body=content, headers=kept)

    def _count(self, service: str, request: web.Request, body: bytes, content: bytes) -> None:
        headers = {name.lower(): value for name, value in request.headers.items()}
        operation = operation_name(
            service, request.method, request.raw_path, headers, base_path=_BASE_PATH
        )
        if operation == "Get Messages" and b"<QueueMessage>" not in content:
            self.idle_polls += 1
        elif service == "table" and _names_partitions(request.raw_path, body):
            self.upkeep[f"{service} {operation}"] += 1
        else:
            self.requests[f"{service} {operation}"] += 1


def _names_partitions(path: str, body: bytes) -> bool:
    return "Partitions(" in path or (path.endswith("/$batch") and b"Partitions(" in body)


@asynccontextmanager
async def wire_to(upstream: int) -> AsyncIterator[Wire]:
    """Listen on three ports for the emulator on `upstream` and the two after it."""
    async with AsyncExitStack() as ending:
        session = await ending.enter_async_context(
            # Azurite closes idle connections after five seconds.
            ClientSession(
                auto_decompress=False,
                connector=TCPConnector(keepalive_timeout=4.0, limit=0),
                cookie_jar=DummyCookieJar(),
            )
        )
        wire = Wire(free_ports(), upstream, session)
        for index in range(len(SERVICES)):
            runner = _runner(wire, index)
            await runner.setup()
            ending.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", wire.port + index).start()
        yield wire


def _runner(wire: Wire, index: int) -> web.AppRunner:
    async def handle(request: web.Request) -> web.Response:
        return await wire.pass_on(index, request)

    app = web.Application(client_max_size=_MOST_BYTES)
    app.router.add_route("*", "/{path:.*}", handle)
    return web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
