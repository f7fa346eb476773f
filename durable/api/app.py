"""The management API as one function from request to response."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import replace

from durable.api import parameters, schema
from durable.api.call import Call
from durable.api.contract import IGNORED
from durable.api.handlers import answer
from durable.api.http import Request, Response, json_response
from durable.api.links import DEFAULT_CONNECTION, LinkBuilder, ManagementAccess
from durable.api.openapi import document
from durable.api.routes import Match, Operation, find_route
from durable.client.core import Client
from durable.client.json_text import dump
from durable.errors import (
    BadConfig,
    DurableError,
    PayloadTooLarge,
    StorageError,
    Throttled,
    TooLarge,
    Unavailable,
    UsageError,
)

MAX_BODY_BYTES = 100 * 1024 * 1024
#: Longer than the front end of Azure waits for an answer (230 s), so no caller misses it.
MAX_WAIT_SECONDS = 240.0
#: No more of what was ignored is told: headers have limits.
_TOLD_CHARACTERS = 1000
_IN_THE_LOG = "See the log of the app."
_log = logging.getLogger("durable.api")


class ManagementApi:
    """Answers requests to the management API of an app. It never raises.

    Args:
        client_for: the client of a task hub and connection by the names in the query string, each
            None for the app's own. It raises BadConfig for those the app doesn't serve.
        access: keys and links.
        max_body_bytes: a longer body is refused with 413.
        max_wait_seconds: how long a start waits for the end at most, whatever its caller says.
    """

    def __init__(
        self,
        client_for: Callable[[str | None, str | None], Awaitable[Client]],
        access: ManagementAccess,
        *,
        max_body_bytes: int = MAX_BODY_BYTES,
        max_wait_seconds: float = MAX_WAIT_SECONDS,
    ) -> None:
        self._client_for = client_for
        self._access = access
        self._max_body = max_body_bytes
        self._max_wait = max_wait_seconds

    async def handle(self, request: Request) -> Response:
        """The answer to `request`."""
        try:
            match = find_route(request.method.upper(), request.path)
            if match is None:
                return Response(status=404)
            if match.operation is Operation.OPENAPI:
                return self._document(request)
            return await self._answer(request, match)
        except (TooLarge, PayloadTooLarge) as error:
            return schema.error_response(413, schema.BAD_ARGUMENT, error)
        except UsageError as error:
            return schema.error_response(400, schema.BAD_ARGUMENT, error)
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets an answer
            return _broken(error)

    def _document(self, request: Request) -> Response:
        made = document(request.base_url, asks_for_key=self._access.asks_for_key)
        return json_response(200, dump(made))

    async def _answer(self, request: Request, match: Match) -> Response:
        if len(request.body) > self._max_body:
            text = f"The body has {len(request.body)} bytes; at most {self._max_body} are read."
            return json_response(413, dump({"Message": text}))
        ignored: list[str] = []
        connection = parameters.CONNECTION.read(request.query, ignored) or None
        task_hub = parameters.TASK_HUB.read(request.query, ignored) or None
        try:
            client, links = await self._found(task_hub, connection)
        except BadConfig:
            if await self._knows(request):
                raise
            return Response(status=401)  # which hubs are served is not for strangers
        except StorageError as error:
            if self._access.asks_for_key:
                return _broken(error, to_stranger=True)
            raise
        if not links.keys.opens(_offered(request), match.instance_scope):
            return Response(status=401)
        await client.prepare()
        call = Call(
            request=request,
            match=match,
            client=client,
            links=links,
            max_wait_seconds=self._max_wait,
            ignored=ignored,
        )
        return _told(await answer(call), ignored)

    async def _found(
        self, task_hub: str | None, connection: str | None
    ) -> tuple[Client, LinkBuilder]:
        """The client of a hub, and the links to it, ready to tell who may come in."""
        client = await self._client_for(task_hub, connection)
        links = self._access.links(client.hub, connection or DEFAULT_CONNECTION)
        await links.prepare()
        return client, links

    async def _knows(self, request: Request) -> bool:
        """Whether the caller may do anything with the app's own hub."""
        _, links = await self._found(None, None)
        return links.keys.opens(_offered(request), None)


def _offered(request: Request) -> str | None:
    """The key of a caller. As with the Functions host, a wrong header beats a right code."""
    return request.headers.get(parameters.KEY_HEADER) or request.query.get(parameters.CODE)


def _told(answer: Response, ignored: list[str]) -> Response:
    """`answer`, with what was not understood of the question."""
    if not ignored:
        return answer
    text = " ".join(ignored).encode("ascii", "backslashreplace").decode("ascii")
    return replace(answer, headers={**answer.headers, IGNORED: text[:_TOLD_CHARACTERS]})


def _broken(error: Exception, *, to_stranger: bool = False) -> Response:
    """500, or 503 while storage is away.

    An error of ours says what it is; another's text may hold a payload and stays here. Who has
    shown no key yet learns nothing of the account.
    """
    text = _IN_THE_LOG if to_stranger else None
    if isinstance(error, DurableError):
        # Storage that doesn't answer says all in its text; a stack would only bury it.
        told = None if isinstance(error, StorageError) else error
        _log.error("The management API failed: %s", error, exc_info=told)
        away = isinstance(error, Throttled | Unavailable)
        return schema.error_response(503 if away else 500, schema.BROKEN, error, text)
    frames = [f"{f.filename}:{f.lineno}" for f in traceback.extract_tb(error.__traceback__)]
    _log.error("The management API failed with %s at %s", type(error).__name__, frames)
    return schema.error_response(500, schema.BROKEN, error, _IN_THE_LOG)
