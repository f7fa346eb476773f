"""A request and its answer, whatever the framework that carries them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

JSON_TYPE = "application/json; charset=utf-8"


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """A call of the management API. Its representation holds no key and no payload.

    Attributes:
        method: the verb, upper case.
        path: below the API's base, percent-encoded as it was sent; a slash in front doesn't matter.
        query: decoded parameters; the values of a repeated one are joined with commas.
        headers: by lower-case name.
        body: the whole body.
        base_url: the API's base as the caller sees it, no slash at the end; links begin with it.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    base_url: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Response:
    """What the API answers. An empty body has no content type."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


def json_response(status: int, text: str, headers: Mapping[str, str] | None = None) -> Response:
    """An answer with a JSON body."""
    # A lone surrogate can only stand inside a string, where its escape means the same.
    body = text.encode("utf-8", "backslashreplace")
    return Response(
        status=status, headers={"Content-Type": JSON_TYPE, **(headers or {})}, body=body
    )
