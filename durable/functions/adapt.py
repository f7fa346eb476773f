"""azure.functions values to ours and back; nothing else knows both."""

from __future__ import annotations

import base64
import re
from datetime import datetime, timedelta
from urllib.parse import quote, urlsplit

import azure.functions as func

from durable.api.http import Request, Response
from durable.clock import Clock
from durable.functions.config import AppConfig
from durable.storage.values import QueueMessage

#: The lease the host takes messages with (functions-host.md 2.2); used when it names no time.
_HOST_LEASE = timedelta(minutes=10)
_SCHEME = re.compile(r"https?", re.IGNORECASE)
_HOST = re.compile(r"[A-Za-z0-9._-]+(:[0-9]+)?|\[[0-9A-Fa-f:.]+\](:[0-9]+)?")
_ENCODED_SLASH = re.compile(r"(%2f)", re.IGNORECASE)


def queue_message(message: func.QueueMessage, clock: Clock) -> QueueMessage:
    """The message a queue trigger was called with."""
    now = clock.now()
    return QueueMessage(
        id=message.id or "",
        pop_receipt=message.pop_receipt or "",
        text=_text(message.get_body()),
        dequeue_count=message.dequeue_count or 1,
        inserted=_aware(message.insertion_time, now),
        next_visible=_aware(message.time_next_visible, now + _HOST_LEASE),
    )


def base_url(request: func.HttpRequest, config: AppConfig) -> str:
    """The address of the management API, as seen by whoever sent `request`; no slash at the end.

    Every link handed out begins with it.
    """
    if config.links_base is not None:
        return config.links_base
    parts = urlsplit(request.url)
    scheme, host = parts.scheme, parts.netloc
    if config.use_forwarded_host:
        scheme = _first(request.headers.get("x-forwarded-proto"), _SCHEME) or scheme
        host = _first(request.headers.get("x-forwarded-host"), _HOST) or host
    return f"{scheme}://{host}/{config.api_base}"


def api_request(request: func.HttpRequest, config: AppConfig) -> Request:
    """A call of the management API.

    The host leaves an empty ``{*path}`` out, drops empty query values and joins repeated ones
    with commas (recorded.md 4).
    """
    return Request(
        method=request.method,
        path=_encoded_path(request.route_params.get("path", "")),
        query=dict(request.params),
        headers={name.lower(): value for name, value in request.headers.items()},
        body=request.get_body(),
        base_url=base_url(request, config),
    )


def http_response(response: Response) -> func.HttpResponse:
    """The API's answer, for the worker."""
    return func.HttpResponse(
        response.body, status_code=response.status, headers=dict(response.headers)
    )


def _encoded_path(path: str) -> str:
    """`path` as it was sent: the host has decoded all of it but ``%2F`` (recorded.md 4)."""
    return "".join(
        part if _ENCODED_SLASH.fullmatch(part) else quote(part, safe="/", errors="surrogatepass")
        for part in _ENCODED_SLASH.split(path)
    )


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        # No envelope of ours. As base64 it stays whole for the quarantine.
        return base64.b64encode(body).decode("ascii")


def _aware(moment: datetime | None, default: datetime) -> datetime:
    if moment is None:
        return default
    return moment.replace(tzinfo=default.tzinfo) if moment.tzinfo is None else moment


def _first(header: str | None, form: re.Pattern[str]) -> str:
    # A chain of proxies appends; the first entry is what the caller used. What has another form
    # would make the links lead elsewhere than to a host: it counts as absent.
    text = header.split(",", 1)[0].strip() if header else ""
    return text if form.fullmatch(text) else ""
