"""HTTP functions on aiohttp, with the host's answers: 404 for what is not declared, bare 500s."""

from __future__ import annotations

import logging

import azure.functions as func
from aiohttp import web
from azure.functions.http import HttpRequest
from multidict import CIMultiDict, MultiMapping

from durable.clock import Clock
from durable.host.index import IndexedFunction
from durable.host.invoke import Invoker
from durable.host.report import failure_text
from durable.host.routes import Route, find

log = logging.getLogger("durable.host.http")

#: Kestrel's limit, as the host sets it.
MAX_BODY_BYTES = 100 * 1024 * 1024
# aiohttp writes these itself, from the body it sends.
_TRANSPORT_HEADERS = {"content-length", "transfer-encoding", "connection"}


def make_app(routes: list[Route], invoker: Invoker, clock: Clock) -> web.Application:
    """An aiohttp application that answers for `routes`."""

    async def handle(request: web.Request) -> web.StreamResponse:
        path = request.raw_path.split("?", 1)[0]
        found = find(routes, request.method, path)
        if found is None:
            return web.Response(status=404)
        function, parameters = found
        started = clock.monotonic()
        response = await _answer(invoker, function, await _request(request, parameters))
        log.info(
            "%s %s -> %d (%s, %d ms)",
            request.method,
            path,
            response.status,
            function.name,
            round((clock.monotonic() - started) * 1000),
        )
        return response

    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app.router.add_route("*", "/{path:.*}", handle)
    return app


async def _answer(
    invoker: Invoker, function: IndexedFunction, request: HttpRequest
) -> web.StreamResponse:
    argument: object = request
    if function.annotation is str:
        argument = request.get_body().decode("utf-8", "replace")
    elif function.annotation is bytes:
        argument = request.get_body()
    try:
        returned = await invoker.call(function, argument)
    except Exception as error:  # noqa: BLE001 - whatever a function raises is a 500 without a body
        log.error("%s failed: %s", function.name, failure_text(error))  # noqa: TRY400 - text has it
        return web.Response(status=500)
    if isinstance(returned, str):
        return web.Response(text=returned)
    if isinstance(returned, func.HttpResponse):
        return _response(returned)
    log.error(
        "%s failed: an HTTP function must return an HttpResponse or a str, not %s",
        function.name,
        type(returned).__name__,
    )
    return web.Response(status=500)


async def _request(request: web.Request, parameters: dict[str, str]) -> HttpRequest:
    # The host hands a body on only when its length is declared: a chunked one arrives empty.
    body = await request.read() if request.content_length else b""
    return HttpRequest(
        method=request.method,
        url=f"{request.scheme}://{request.host}{request.raw_path}",
        headers={name.lower(): value for name, value in _joined(request.headers).items()},
        params={name: value for name, value in _joined(request.query).items() if value},
        route_params=parameters,
        body_type="bytes",
        body=body,
    )


def _joined(pairs: MultiMapping[str]) -> dict[str, str]:
    """One text a name, repeated ones joined by commas."""
    return {name: ",".join(pairs.getall(name)) for name in pairs}


def _response(answer: func.HttpResponse) -> web.Response:
    headers: CIMultiDict[str] = CIMultiDict()
    for name, value in answer.headers.items():
        if name.lower() not in _TRANSPORT_HEADERS:
            headers.add(name, value)
    if "content-type" not in headers:
        charset = f"; charset={answer.charset}" if answer.mimetype.startswith("text/") else ""
        headers["Content-Type"] = f"{answer.mimetype}{charset}"
    return web.Response(body=answer.get_body(), status=answer.status_code, headers=headers)
