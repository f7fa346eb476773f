"""What each operation does: a request in, a response out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from durable.api import schema
from durable.api.http import Request, Response, json_response
from durable.api.links import LinkBuilder, own_url
from durable.api.routes import FUNCTION, INSTANCE, Match, Operation
from durable.client.core import Client, check_wait
from durable.client.json_text import JsonText, compact, dump, embedded
from durable.client.looking import history_of, page_of, without_input
from durable.errors import CorruptRecord, InstanceExists
from durable.hub.instances import InstancePage, InstanceQuery
from durable.model.status import InstanceRow, RuntimeStatus

CONTINUATION = "x-ms-continuation-token"
#: The continuation of a page that was asked to hold nothing.
_FROM_START = "start"
_DEFAULT_PAGE = 100
_RETRY_STATUS, _RETRY_STARTED = "5", "10"


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """A request that was let in.

    Attributes:
        request, match: what was asked for.
        client, links: of the hub it is about.
        max_wait_seconds: a start waits no longer for the end.
    """

    request: Request
    match: Match
    client: Client
    links: LinkBuilder
    max_wait_seconds: float

    @property
    def query(self) -> Mapping[str, str]:
        """The request's query parameters."""
        return self.request.query


async def answer(call: Call) -> Response:
    """The answer to a call.

    Raises:
        DurableError: what went wrong; the caller words it.
    """
    match call.match.operation:
        case Operation.START:
            return await _start(call)
        case Operation.STATUS:
            return await _status(call)
        case Operation.LIST:
            return await _list(call)
        case _:
            text = f"not built yet in this version: {call.match.operation.value}"
            return json_response(501, dump({"Message": text}))


def check_status_response(payload: Mapping[str, str]) -> Response:
    """202 with the links of a payload: where to look, and when."""
    headers = {"Location": payload["statusQueryGetUri"], "Retry-After": _RETRY_STARTED}
    return json_response(202, dump(payload), headers)


async def _start(call: Call) -> Response:
    timeout = schema.number(call.query, "timeout")
    interval = schema.number(call.query, "pollingInterval")
    if timeout is not None and interval is not None:
        # Before the start: the original starts the instance and then answers 400.
        check_wait(timeout, interval)
    try:
        text = _json_body(call.request.body)
    except CorruptRecord as error:
        return schema.error_response(400, schema.BAD_JSON, error)
    try:
        instance_id = await call.client.start(
            call.match.variables[FUNCTION],
            instance_id=call.match.variables.get(INSTANCE),
            input_text=text,
            version=call.query.get("version"),
        )
    except InstanceExists as error:
        return schema.error_response(409, str(error), error)
    if timeout is not None and interval is not None:
        row = await call.client.wait(
            instance_id,
            timeout=min(timeout, call.max_wait_seconds),
            interval=min(interval, call.max_wait_seconds),
        )
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
    row = await hub.instances.read(call.match.variables[INSTANCE])
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


def _json_body(body: bytes) -> str | None:
    """The body as compact JSON text; None when it is blank.

    Raises:
        CorruptRecord: it is no JSON, or no UTF-8.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise CorruptRecord("The body is not UTF-8.") from None
    return compact(text, "The body") if text.strip() else None
