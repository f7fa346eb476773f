"""What the API does with messages in quarantine: list, show, put back, delete."""

from __future__ import annotations

from durable.api import paging, parameters, schema
from durable.api.call import Call
from durable.api.contract import CONTINUATION
from durable.api.http import Response, json_response
from durable.api.routes import MESSAGE, QUEUE
from durable.client.json_text import JsonText, dump
from durable.client.looking import MAX_PAGE
from durable.errors import CorruptRecord
from durable.hub.quarantine import Quarantine, QuarantineQuery

_STAYS = "The message can't be put back"


async def list_them(call: Call) -> Response:
    """Q1: page by page, without texts unless they are asked for."""
    query = QuarantineQuery(
        queue=call.read(parameters.OF_QUEUE) or None,
        instance_id=call.read(parameters.OF_INSTANCE) or None,
        with_text=call.read(parameters.SHOW_TEXT),
    )
    start = paging.start_of(call)
    size = min(call.read(parameters.MESSAGE_TOP), MAX_PAGE)
    try:
        page = await Quarantine(call.client.hub).page(query, size=max(size, 1), continuation=start)
    except CorruptRecord as error:
        return paging.no_such_page(error)
    found, token = page.messages, page.continuation_token
    if size == 0:
        token = paging.after_nothing(start, more=bool(found) or token is not None)
        found = ()
    shown = [JsonText(dump(schema.quarantine_payload(each))) for each in found]
    return json_response(200, dump(shown), {CONTINUATION: token or ""})


async def show(call: Call) -> Response:
    """Q2."""
    with_text = call.read(parameters.SHOW_TEXT)
    found = await Quarantine(call.client.hub).read(_id(call), with_text=with_text)
    if found is None:
        return Response(status=404)
    return json_response(200, dump(schema.quarantine_payload(found)))


async def replay(call: Call) -> Response:
    """Q3: 409 for what must not, or can't, go into a queue again."""
    try:
        there = await Quarantine(call.client.hub).replay(_id(call))
    except CorruptRecord as error:
        return schema.error_response(409, _STAYS, error)
    return Response(status=202 if there else 404)


async def discard(call: Call) -> Response:
    """Q4."""
    there = await Quarantine(call.client.hub).discard(_id(call))
    return Response(status=204 if there else 404)


def _id(call: Call) -> str:
    return f"{call.match.variables[QUEUE]}/{call.match.variables[MESSAGE]}"
