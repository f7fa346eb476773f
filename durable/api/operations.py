"""What operators do to instances: events, terminate, suspend, resume, purge."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime

from durable.api import schema
from durable.api.call import Call, json_body
from durable.api.http import Response, json_response
from durable.api.routes import EVENT
from durable.client import operating
from durable.client.json_text import dump
from durable.errors import (
    CorruptRecord,
    InstanceError,
    InstanceFinished,
    InstanceNotFound,
    InvalidName,
)
from durable.hub import raising
from durable.hub.taskhub import TaskHub

_JSON = "application/json"
_ONLY_JSON = f"Only {_JSON} request content is supported"
_NO_FROM = "Please provide value for 'createdTimeFrom' parameter."


async def raise_event(call: Call) -> Response:
    """O6. The instance comes first: who raises to nobody is told so, whatever the body is."""
    hub = call.client.hub
    try:
        await operating.unfinished(hub, call.instance_id)
    except InstanceNotFound:
        return Response(status=404)
    except InstanceFinished:
        return Response(status=410)
    kind = call.request.headers.get("content-type", "").partition(";")[0]
    if kind.strip().lower() != _JSON:
        return json_response(400, dump({"Message": _ONLY_JSON}))
    try:
        text = json_body(call.request.body)
        if text is None:
            raise CorruptRecord("The body is empty; an event without data is the JSON value null.")
    except CorruptRecord as error:
        return schema.error_response(400, schema.BAD_JSON, error)
    await raising.raise_event(hub, call.instance_id, call.match.variables[EVENT], text)
    return Response(status=202)


async def terminate(call: Call) -> Response:
    """O7."""
    return await _told(call, operating.terminate)


async def suspend(call: Call) -> Response:
    """O8."""
    return await _told(call, operating.suspend)


async def resume(call: Call) -> Response:
    """O9."""
    return await _told(call, operating.resume)


async def purge(call: Call) -> Response:
    """O5: 412 for what has not ended, as in newer versions of the original."""
    try:
        removed = await operating.purge_one(call.client.hub, call.instance_id)
    except InstanceError as error:
        return schema.error_response(412, str(error), error)
    return _removed(removed)


async def purge_many(call: Call) -> Response:
    """O3. What can't be undone takes no filter that it doesn't understand."""
    query = call.query
    created_from = schema.moment(query, "createdTimeFrom")
    if created_from is None:
        return json_response(400, dump(_NO_FROM))
    removed = await operating.purge_many(
        call.client.hub,
        created_from=created_from,
        created_to=_created_to(call),
        statuses=schema.known_statuses(query),
        force=schema.flag(query, "force", default=False),
    )
    return _removed(removed)


def _created_to(call: Call) -> datetime | None:
    name = "createdTimeTo"
    found = schema.moment(call.query, name)
    if found is None and call.query.get(name, "").strip():
        raise InvalidName(
            f"{name} is no date and time: {call.query[name][:64]!r}. Write it as "
            "2026-01-31T12:00:00Z."
        )
    return found


def _removed(count: int) -> Response:
    return json_response(200, dump({"instancesDeleted": count})) if count else Response(status=404)


async def _told(
    call: Call, tell: Callable[[TaskHub, str, str | None], Awaitable[None]]
) -> Response:
    """Send an instance the message, with the reason in the query string."""
    try:
        await tell(call.client.hub, call.instance_id, call.query.get("reason"))
    except InstanceNotFound:
        return Response(status=404)
    except InstanceFinished:
        return Response(status=410)
    except InstanceError as error:
        # Suspended already, or not suspended: 500 as recorded; nothing is wrong with this app.
        return schema.error_response(500, schema.BROKEN, error)
    return Response(status=202)
