"""What operators do to instances: events, terminate, suspend, resume, purge."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from durable.api import parameters, schema
from durable.api.call import JSON, Call, json_body
from durable.api.http import Response, json_response
from durable.api.routes import EVENT
from durable.client import operating
from durable.client.json_text import dump
from durable.errors import (
    CorruptRecord,
    InstanceError,
    InstanceFinished,
    InstanceNotFound,
)
from durable.hub.taskhub import TaskHub
from durable.model.ids import check_event_name

_ONLY_JSON = f"Only {JSON} request content is supported"
_NO_FROM = "Please provide value for 'createdTimeFrom' parameter."


async def raise_event(call: Call) -> Response:
    """O6. The instance comes first: who raises to nobody is told so, whatever the body is."""
    hub = call.client.hub
    try:
        row = await operating.unfinished(hub, call.instance_id)
    except InstanceNotFound:
        return Response(status=404)
    except InstanceFinished:
        return Response(status=410)
    if not call.says_json:
        return json_response(400, dump({"Message": _ONLY_JSON}))
    try:
        text = json_body(call.request.body)
        if text is None:
            raise CorruptRecord("The body is empty; an event without data is the JSON value null.")
    except CorruptRecord as error:
        return schema.error_response(400, schema.BAD_JSON, error)
    name = check_event_name(call.match.variables[EVENT], "raiseEvent")
    await operating.raise_event(hub, row, name, text)
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


async def rewind(call: Call) -> Response:
    """O10: 409 for what has not ended, where the original breaks with the same text."""
    try:
        await operating.rewind(call.client.hub, call.instance_id, call.read(parameters.REASON))
    except InstanceNotFound:
        return Response(status=404)
    except InstanceFinished:
        return Response(status=410)
    except InstanceError as error:
        return schema.error_response(409, str(error), error)
    return Response(status=202)


async def purge(call: Call) -> Response:
    """O5: 412 for what has not ended, as in newer versions of the original; not for entities."""
    try:
        removed = await operating.purge_one(call.client.hub, call.instance_id)
    except InstanceError as error:
        return schema.error_response(412, str(error), error)
    return _removed(removed)


async def purge_many(call: Call) -> Response:
    """O3. What can't be undone takes no filter that it doesn't understand."""
    created_from = call.read(parameters.PURGED_FROM)
    if created_from is None:
        return json_response(400, dump(_NO_FROM))
    removed = await operating.purge_many(
        call.client.hub,
        created_from=created_from,
        created_to=call.read(parameters.PURGED_TO),
        statuses=call.read(parameters.PURGED_STATUSES),
        force=call.read(parameters.FORCE),
    )
    return _removed(removed)


async def make_primary(call: Call) -> Response:  # noqa: ARG001 - as every operation
    """O13. Every app on a hub serves it: there is no lease to take over."""
    return Response(status=200)


def _removed(count: int) -> Response:
    return json_response(200, dump({"instancesDeleted": count})) if count else Response(status=404)


async def _told(
    call: Call, tell: Callable[[TaskHub, str, str | None], Awaitable[None]]
) -> Response:
    """Send an instance the message, with the reason in the query string."""
    try:
        await tell(call.client.hub, call.instance_id, call.read(parameters.REASON))
    except InstanceNotFound:
        return Response(status=404)
    except InstanceFinished:
        return Response(status=410)
    except InstanceError as error:
        # Suspended already, or not suspended: 500 as recorded; nothing is wrong with this app.
        return schema.error_response(500, schema.BROKEN, error)
    return Response(status=202)
