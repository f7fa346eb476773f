"""Redirects by the rules of .NET's RedirectHandler; and secrets go to no other origin."""

from __future__ import annotations

from dataclasses import dataclass

from durable.model.http import HeaderValue
from durable.model.http_polling import joined, origin, without_secrets

_REDIRECTS = frozenset({300, 301, 302, 303, 307, 308})
_SEE_OTHER = 303
_BECOMES_GET = frozenset({300, 301, 302})


@dataclass(frozen=True, kw_only=True, slots=True)
class Hop:
    """One request on the way to an answer."""

    method: str
    uri: str
    headers: dict[str, HeaderValue]
    content: str | None


def next_hop(hop: Hop, status: int, location: str | None) -> Hop | None:
    """Where an answer sends on; None where it is the answer.

    Authorization is never sent on, and from https nothing goes to http: as .NET has it.
    """
    if status not in _REDIRECTS or not location:
        return None
    try:
        uri = joined(hop.uri, location)
    except ValueError:
        return None
    before, after = origin(hop.uri), origin(uri)
    if (before[0], after[0]) == ("https", "http"):
        return None
    headers = hop.headers if before == after else without_secrets(hop.headers)
    becomes_get = _becomes_get(hop.method, status)
    dropped = {"authorization", "content-type"} if becomes_get else {"authorization"}
    return Hop(
        method="GET" if becomes_get else hop.method,
        uri=uri,
        headers={name: value for name, value in headers.items() if name.lower() not in dropped},
        content=None if becomes_get else hop.content,
    )


def _becomes_get(method: str, status: int) -> bool:
    if status == _SEE_OTHER:
        return method not in {"GET", "HEAD"}
    return status in _BECOMES_GET and method == "POST"
