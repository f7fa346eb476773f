"""What each operation does: a request in, a response out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from types import MappingProxyType

from durable.api import entities, operations, paging, parameters, quarantine, schema
from durable.api.call import Call, json_body
from durable.api.contract import CONTINUATION, LOCATION, RETRY_AFTER, RETRY_STARTED, RETRY_STATUS
from durable.api.http import Response, json_response
from durable.api.links import own_url
from durable.api.routes import FUNCTION, INSTANCE, Operation
from durable.client import operating
from durable.client.json_text import JsonText, dump, embedded
from durable.client.looking import history_of, listed, page_of, shown
from durable.errors import (
    CorruptRecord,
    InstanceExists,
    InstanceNotFound,
    InvalidName,
    UnknownFunction,
)
from durable.hub.instances import InstancePage, InstanceQuery
from durable.model.ids import check_instance_id
from durable.model.status import InstanceRow, RuntimeStatus

_NOT_RESTARTABLE = "InstanceId does not match a valid orchestration instance."


async def answer(call: Call) -> Response:
    """The answer to a call.

    Raises:
        DurableError: what went wrong; the caller words it.
    """
    return await _HANDLERS[call.match.operation](call)


def served() -> frozenset[Operation]:
    """The operations that a hub is asked for."""
    return frozenset(_HANDLERS)


def check_status_response(payload: Mapping[str, str]) -> Response:
    """202 with the links of a payload: where to look, and when."""
    headers = {LOCATION: payload["statusQueryGetUri"], RETRY_AFTER: RETRY_STARTED}
    return json_response(202, dump(payload), headers)


async def _start(call: Call) -> Response:
    wait = _wait_of(call)
    try:
        text = json_body(call.request.body)
    except CorruptRecord as error:
        return schema.error_response(400, schema.BAD_JSON, error)

    instance_id = call.match.variables.get(INSTANCE)
    if instance_id is not None:
        _check_id("instanceId", instance_id)
    start = call.client.start(
        call.match.variables[FUNCTION],
        instance_id=instance_id,
        input_text=text,
        version=call.read(parameters.VERSION),
    )
    return await _started(call, start, wait)


async def _restart(call: Call) -> Response:
    wait = _wait_of(call)
    fresh = call.read(parameters.NEW_ID)
    start = call.client.restart(call.instance_id, fresh)
    try:
        return await _started(call, start, wait)
    except InstanceNotFound as error:
        return schema.error_response(400, _NOT_RESTARTABLE, error)


async def _restart_with_options(call: Call) -> Response:
    chosen = call.read(parameters.CHOSEN_ID) or ""
    _check_id(parameters.CHOSEN_ID.name, chosen)
    version = call.read(parameters.VERSION)
    hub = call.client.hub
    try:
        row = await operating.restartable(hub, call.instance_id)
    except InstanceNotFound as error:
        return schema.error_response(400, _NOT_RESTARTABLE, error)
    _, texts = await hub.instances.current(row)
    start = call.client.start(
        row.name or "",
        instance_id=chosen,
        input_text=texts.input,
        version=version,
        tags=row.tags,
    )
    return await _started(call, start, None)


def _check_id(parameter: str, instance_id: str) -> None:
    """Nothing, when an instance may be started under that id.

    Raises:
        InvalidName: with the parameter, and the rule it breaks.
    """
    try:
        check_instance_id(instance_id)
    except InvalidName as error:
        raise InvalidName(f"{parameter}: {error}") from None


def _wait_of(call: Call) -> tuple[float, float] | None:
    """How long a start waits for the end, and how often it looks; None: it doesn't wait.

    Raises:
        UsageError: one can't wait so. The original starts the instance and then says so.
    """
    timeout = call.read(parameters.TIMEOUT)
    interval = call.read(parameters.POLLING_INTERVAL)
    if timeout is None or interval is None:
        return None
    if interval > timeout:
        raise InvalidName(
            f"pollingInterval is {interval:g} s and timeout {timeout:g} s; the total timeout must "
            "not be shorter than the interval."
        )
    return min(timeout, call.max_wait_seconds), min(interval, call.max_wait_seconds)


async def _started(
    call: Call, start: Coroutine[object, object, str], wait: tuple[float, float] | None
) -> Response:
    """The answer to a start: the links, or the end if it comes within the wait."""
    try:
        instance_id = await start
    except InstanceExists as error:
        return schema.error_response(409, str(error), error)
    except UnknownFunction as error:
        return schema.error_response(400, schema.BAD_ARGUMENT, error, f"functionName: {error}")
    if wait is not None:
        timeout, interval = wait
        row = await call.client.wait(instance_id, timeout=timeout, interval=interval)
        if row is not None:
            return await _ended(call, row)
    return check_status_response(call.links.payload(instance_id, call.request.base_url))


async def _ended(call: Call, row: InstanceRow) -> Response:
    _, texts = await call.client.hub.instances.current(row)
    if row.status is RuntimeStatus.COMPLETED:
        return json_response(200, embedded(texts.output))
    return json_response(200, dump(schema.status_payload(row, texts)))


async def _status(call: Call) -> Response:
    hub = call.client.hub
    row = await hub.instances.read(call.instance_id)
    if row is None:
        return Response(status=404)
    show_input = call.read(parameters.SHOW_INPUT)
    history = None
    if call.read(parameters.SHOW_HISTORY):
        show_output = call.read(parameters.SHOW_OUTPUT)
        history = await history_of(hub, row, show_input=show_input, show_output=show_output)
    row, texts = await shown(hub, row, with_input=show_input)
    body = dump(schema.status_payload(row, texts, history))
    if row.status is None or not row.status.is_terminal:
        own = own_url(call.request.base_url, row.instance_id, call.query)
        return json_response(202, body, {LOCATION: own, RETRY_AFTER: RETRY_STATUS})
    as_error = call.read(parameters.FAILURE_AS_500)
    failed = row.status is RuntimeStatus.FAILED
    return json_response(500 if failed and as_error else 200, body)


async def _list(call: Call) -> Response:
    hub = call.client.hub
    show_input = call.read(parameters.SHOW_INPUT)
    asked = InstanceQuery(
        created_from=call.read(parameters.CREATED_FROM),
        created_to=call.read(parameters.CREATED_TO),
        statuses=call.read(parameters.STATUSES),
        id_prefix=call.read(parameters.ID_PREFIX) or None,
        with_input=show_input,
    )
    size = call.read(parameters.TOP)
    continuation = paging.start_of(call)
    try:
        page = await page_of(hub, asked, size=max(size, 1), continuation=continuation)
    except CorruptRecord as error:
        return paging.no_such_page(error)
    if size == 0:
        more = bool(page.rows) or page.continuation is not None
        token = paging.after_nothing(continuation, more=more)
        page = InstancePage(rows=(), continuation=token)
    entries = []
    for found in page.rows:
        row, texts = await listed(hub, found, with_input=show_input)
        entries.append(JsonText(dump(schema.status_payload(row, texts))))
    return json_response(200, dump(entries), {CONTINUATION: page.continuation or ""})


_HANDLERS: Mapping[Operation, Callable[[Call], Awaitable[Response]]] = MappingProxyType(
    {
        Operation.START: _start,
        Operation.STATUS: _status,
        Operation.LIST: _list,
        Operation.RESTART: _restart,
        Operation.RESTART_WITH_OPTIONS: _restart_with_options,
        Operation.RAISE_EVENT: operations.raise_event,
        Operation.TERMINATE: operations.terminate,
        Operation.SUSPEND: operations.suspend,
        Operation.RESUME: operations.resume,
        Operation.REWIND: operations.rewind,
        Operation.PURGE: operations.purge,
        Operation.PURGE_MANY: operations.purge_many,
        Operation.ENTITY_LIST: entities.list_them,
        Operation.ENTITY_STATE: entities.show,
        Operation.ENTITY_SIGNAL: entities.signal,
        Operation.ENTITY_DELETE: entities.delete,
        Operation.QUARANTINE_LIST: quarantine.list_them,
        Operation.QUARANTINE_SHOW: quarantine.show,
        Operation.QUARANTINE_REPLAY: quarantine.replay,
        Operation.QUARANTINE_DISCARD: quarantine.discard,
        Operation.MAKE_PRIMARY: operations.make_primary,
    }
)
