"""Following an answer of 202: when to ask again, and what may be told to whom.

As the Durable extension does it (DurableOrchestrationContext.cs, CallHttpAsync), but for three
things: a relative Location and a Retry-After that is a date are understood, and secrets stay with
the origin they were meant for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import SplitResult, urljoin, urlsplit

from durable.model.http import DurableHttpResponse, HeaderValue, HttpRequest

#: A server that asks for more patience than this is asked again sooner.
LONGEST_DELAY = timedelta(days=365)
# Never sent along with a poll: a function's own key opens no status endpoint (the original).
_FUNCTION_KEY = "x-functions-key"
_SECRETS = frozenset(
    {
        "api-key",
        "authorization",
        "cookie",
        "ocp-apim-subscription-key",
        "proxy-authorization",
        "x-api-key",
        "x-auth-token",
        _FUNCTION_KEY,
    }
)
_PORTS = {"http": 80, "https": 443}


def split_uri(uri: str) -> SplitResult:
    """The parts of an absolute http or https address.

    Raises:
        ValueError: it is none. The message says why, and does not quote it.
    """
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        raise ValueError("it is not a URL") from None
    if parts.scheme not in _PORTS:
        raise ValueError("it must begin with http:// or https://")
    if not parts.hostname or port == 0:
        raise ValueError("it names no host")
    return parts


def origin(uri: str) -> tuple[str, str, int]:
    """Scheme, host and port.

    Raises:
        ValueError: it is no absolute http or https address.
    """
    parts = split_uri(uri)
    return parts.scheme, parts.hostname or "", parts.port or _PORTS[parts.scheme]


def shown(uri: str) -> str:
    """`uri` for a message: without a user's name, query or fragment."""
    scheme, host, port = origin(uri)
    number = "" if port == _PORTS[scheme] else f":{port}"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}{number}{urlsplit(uri).path}"


def joined(uri: str, location: str) -> str:
    """The address that a Location, which may be relative to `uri`, means.

    Raises:
        ValueError: it is no http or https address.
    """
    try:
        target = urljoin(uri, location.strip())
    except ValueError:
        raise ValueError("it is not a URL") from None
    split_uri(target)
    return target


def without_secrets(headers: Mapping[str, HeaderValue]) -> dict[str, HeaderValue]:
    """`headers` for a stranger: without those that let somebody in."""
    return {name: value for name, value in headers.items() if name.lower() not in _SECRETS}


def next_poll(request: HttpRequest, location: str) -> HttpRequest:
    """What to send after `request` was answered with 202 and that Location.

    Raises:
        ValueError: the Location is no http or https address.
    """
    uri = joined(request.uri, location)
    is_own = origin(uri) == origin(request.uri)
    headers = dict(request.headers) if is_own else without_secrets(request.headers)
    return replace(
        request,
        method="GET",
        uri=uri,
        headers={name: v for name, v in headers.items() if name.lower() != _FUNCTION_KEY},
        content=None,
        token_source=request.token_source if is_own else None,
    )


def poll_delay(response: DurableHttpResponse, now: datetime, default: timedelta) -> timedelta:
    """How long to wait before the next poll, as Retry-After says; else `default`."""
    text = (response.header("Retry-After") or "").strip()
    if text.isdecimal() and text.isascii():
        seconds = min(int(text[:10]), LONGEST_DELAY.total_seconds())
        return timedelta(seconds=seconds)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return default
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max(moment - now, timedelta(0)), LONGEST_DELAY)
