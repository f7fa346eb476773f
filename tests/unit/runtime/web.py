"""A web server that notes what it was asked, for tests of HTTP calls."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request as it arrived."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((v for n, v in self.headers if n.lower() == name.lower()), None)


@dataclass
class Web:
    """A server on a port of its own."""

    base: str
    asked: list[Asked] = field(default_factory=list)


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[Web]:
    """Answer every request with `handler`."""
    found = Web(base="")

    async def noted(request: web.Request) -> web.StreamResponse:
        found.asked.append(
            Asked(
                method=request.method,
                path=request.raw_path,
                headers=list(request.headers.items()),
                body=await request.read(),
            )
        )
        return await handler(request)

    app = web.Application(client_max_size=16 * 1024 * 1024)
    app.router.add_route("*", "/{path:.*}", noted)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        found.base = f"http://{host}:{port}"
        yield found
    finally:
        await runner.cleanup()
