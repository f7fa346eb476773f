"""What each operation does: a request in, a response out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from types import MappingProxyType

from durable.api import operations, schema
from durable.api.call import Call, json_body
from durable.api.http import Response, json_response
from durable.api.links import own_url
from durable.api.routes import FUNCTION, INSTANCE, Operation
from durable.client.core import check_wait
from durable.client.json_text import JsonText, dump, embedded
from durable.client.looking import history_of, page_of, without_input
from durable.errors import CorruptRecord, InstanceExists, InstanceNotFound
from durable.hub.instances import InstancePage, InstanceQuery
from durable.model.status import InstanceRow, RuntimeStatus

CONTINUATION = "x-ms-continuation-token"
#: The continuation of a page that was asked to hold nothing.
_FROM_START = "start"
_DEFAULT_PAGE = 100
_RETRY_STATUS, _RETRY_STARTED = "5", "10"
_NOT_RESTARTABLE = "InstanceId does not match a valid orchestration instance."


async def answer(call: Call) -> Response:
    """The answer to a call.

    Raises:
        DurableError: what went wrong; the caller words it.
    """
    handler = _HANDLERS.get(call.match.operation)
    if handler is None:
        text = f"not built yet in this version: {call.match.operation.value}"
        return json_response(501, dump({"Message": text}))
    return await handler(call)


def check_status_response(payload: Mapping[str, str]) -> Response:
    """202 with the links of a payload: where to look, and when."""
    headers = {"Location": payload["statusQueryGetUri"], "Retry-After": _RETRY_STARTED}
    return json_response(202, dump(payload), headers)


async def _start(call: Call) -> Response:
    wait = _wait_of(call)
    try:
        text = json_body(call.request.body)
    except CorruptRecord as error:
        return schema.error_response(400, schema.BAD_JSON, error)

    start = call.client.start(
        call.match.variables[FUNCTION],
        instance_id=call.match.variables.get(INSTANCE),
        input_text=text,
        version=call.query.get("version"),
    )
    return await _started(call, start, wait)


async def _restart(call: Call) -> Response:
    wait = _wait_of(call)
    fresh = schema.flag(call.query, "restartWithNewInstanceId", default=True)
    start = call.client.restart(call.instance_id, fresh)
    try:
        return await _started(call, start, wait)
    except InstanceNotFound as error:
        return schema.error_response(400, _NOT_RESTARTABLE, error)


def _wait_of(call: Call) -> tuple[float, float] | None:
    """How long a start waits for the end, and how often it looks; None: it doesn't wait.

    Raises:
        UsageError: one can't wait so. The original starts the instance and then says so.
    """
    timeout = schema.number(call.query, "timeout")
    interval = schema.number(call.query, "pollingInterval")
    if timeout is None or interval is None:
        return None
    check_wait(timeout, interval)
    return min(timeout, call.max_wait_seconds), min(interval, call.max_wait_seconds)


async def _started(
    call: Call, start: Coroutine[object, object, str], wait: tuple[float, float] | None
) -> Response:
    """The answer to a start: the links, or the end if it comes within the wait."""
    try:
        instance_id = await start
    except InstanceExists as error:
        return schema.error_response(409, str(error), error)
    if wait is not None:
        timeout, interval = wait
        row = await call.client.wait(instance_id, timeout=timeout, interval=interval)
        if row is not None:
            return await _ended(call, row)
    return check_status_response(call.links.payload(instance_id, call.request.base_url))


async def _ended(call: Call, row: InstanceRow) -> Response:
    texts = await call.client.hub.instances.texts(row)
    if row.status is RuntimeStatus.COMPLETED:
        return json_response(200, embedded(texts.output))
    return json_response(200, dump(schema.status_payload(row, texts)))


async def _status(call: Call) -> Response:
    hub, query = call.client.hub, call.query
    row = await hub.instances.read(call.instance_id)
    if row is None:
        return Response(status=404)
    show_input = schema.flag(query, "showInput", default=True)
    history = None
    if schema.flag(query, "showHistory", default=False):
        show_output = schema.flag(query, "showHistoryOutput", default=False)
        history = await history_of(hub, row, show_input=show_input, show_output=show_output)
    texts = await hub.instances.texts(row if show_input else without_input(row))
    body = dump(schema.status_payload(row, texts, history))
    if row.status is None or not row.status.is_terminal:
        own = own_url(call.request.base_url, row.instance_id, query)
        return json_response(202, body, {"Location": own, "Retry-After": _RETRY_STATUS})
    as_error = schema.flag(query, "returnInternalServerErrorOnFailure", default=False)
    failed = row.status is RuntimeStatus.FAILED
    return json_response(500 if failed and as_error else 200, body)


async def _list(call: Call) -> Response:
    hub, query = call.client.hub, call.query
    show_input = schema.flag(query, "showInput", default=True)
    asked = InstanceQuery(
        created_from=schema.moment(query, "createdTimeFrom"),
        created_to=schema.moment(query, "createdTimeTo"),
        statuses=schema.statuses(query),
        id_prefix=query.get("instanceIdPrefix") or None,
        with_input=show_input,
    )
    size = schema.page_size(query, _DEFAULT_PAGE)
    # The original's tokens end in a blank, which clients may strip; ours have none.
    token = call.request.headers.get(CONTINUATION, "").strip() or None
    continuation = None if token == _FROM_START else token
    try:
        page = await page_of(hub, asked, size=max(size, 1), continuation=continuation)
    except CorruptRecord as error:
        return schema.error_response(400, schema.BAD_ARGUMENT, error)
    if size == 0:
        page = _nothing_of(page, continuation)
    shown = []
    for row in page.rows:
        texts = await hub.instances.texts(row if show_input else without_input(row))
        shown.append(JsonText(dump(schema.status_payload(row, texts))))
    return json_response(200, dump(shown), {CONTINUATION: page.continuation or ""})


def _nothing_of(page: InstancePage, continuation: str | None) -> InstancePage:
    """A page that was asked to hold nothing: it goes on where it began, if there is more."""
    more = bool(page.rows) or page.continuation is not None
    return InstancePage(rows=(), continuation=(continuation or _FROM_START) if more else None)


#: What is not here is not built yet.
_HANDLERS: Mapping[Operation, Callable[[Call], Awaitable[Response]]] = MappingProxyType(
    {
        Operation.START: _start,
        Operation.STATUS: _status,
        Operation.LIST: _list,
        Operation.RESTART: _restart,
        Operation.RAISE_EVENT: operations.raise_event,
        Operation.TERMINATE: operations.terminate,
        Operation.SUSPEND: operations.suspend,
        Operation.RESUME: operations.resume,
        Operation.PURGE: operations.purge,
        Operation.PURGE_MANY: operations.purge_many,
    }
)
