"""What the API does with entities: list, show, signal, delete."""

from __future__ import annotations

from durable.api import paging, parameters, schema
from durable.api.call import Call, json_body
from durable.api.contract import CONTINUATION
from durable.api.http import Response, json_response
from durable.api.routes import KEY, NAME
from durable.client.entity_looking import EntityQuery, entities_of, instance_of, state_of
from durable.client.json_text import JsonText, dump, embedded
from durable.errors import CorruptRecord, UnknownFunction
from durable.model.ids import EntityId
from durable.wire.payloads import encode_input

#: How a path says the empty key, which only .NET makes.
_EMPTY_KEY = "$"
_DELETE = "delete"
_BAD_INPUT = "Could not parse JSON content"


async def show(call: Call) -> Response:
    """E1: the state and nothing else."""
    key = call.match.variables[KEY]
    instance_id = instance_of(call.match.variables[NAME], "" if key == _EMPTY_KEY else key)
    text = None if instance_id is None else await state_of(call.client.hub, instance_id)
    return Response(status=404) if text is None else json_response(200, embedded(text))


async def list_them(call: Call) -> Response:
    """E2. Pages are filled: those that don't exist take no place."""
    query = EntityQuery(
        name=call.match.variables.get(NAME),
        modified_from=call.read(parameters.OPERATED_FROM),
        modified_to=call.read(parameters.OPERATED_TO),
        with_state=call.read(parameters.FETCH_STATE),
    )
    start = paging.start_of(call)
    size = call.read(parameters.ENTITY_TOP)
    try:
        found, token = await entities_of(
            call.client.hub, query, size=max(size, 1), continuation=start
        )
    except CorruptRecord as error:
        return paging.no_such_page(error)
    if size == 0:
        token = paging.after_nothing(start, more=bool(found) or token is not None)
        found = []
    shown = [JsonText(dump(schema.entity_payload(each))) for each in found]
    return json_response(200, dump(shown), {CONTINUATION: token or ""})


async def signal(call: Call) -> Response:
    """E3. What is no JSON by its content type is a text."""
    try:
        text = _input(call)
    except CorruptRecord as error:
        return json_response(400, dump({"Message": f"{_BAD_INPUT}: {error}"}))
    return await _signalled(call, call.read(parameters.OP), text)


async def delete(call: Call) -> Response:
    """E4: a signal like any other; what is purged is the instance."""
    return await _signalled(call, _DELETE, None)


async def _signalled(call: Call, op: str, text: str | None) -> Response:
    key = call.match.variables.get(KEY, _EMPTY_KEY)
    entity = EntityId(call.match.variables[NAME], "" if key == _EMPTY_KEY else key)
    try:
        await call.client.signal(entity, op, text)
    except UnknownFunction as error:
        return json_response(400, dump({"Message": f"entityName: {error}"}))
    return Response(status=202)


def _input(call: Call) -> str | None:
    """The operation's input as JSON text.

    Raises:
        CorruptRecord: the body is no JSON though it says so, or no UTF-8.
    """
    body = call.request.body
    if call.says_json:
        return json_body(body)
    if not body:
        return None
    try:
        return encode_input(body.decode("utf-8-sig"), what="the body")
    except UnicodeDecodeError:
        raise CorruptRecord("The body is not UTF-8.") from None
