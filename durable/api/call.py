"""A request that was let in, as the operations take it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from durable.api.http import Request
from durable.api.links import LinkBuilder
from durable.api.routes import INSTANCE, Match
from durable.client.core import Client
from durable.client.json_text import compact
from durable.errors import CorruptRecord


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

    @property
    def instance_id(self) -> str:
        """The instance in the request's path; only for routes that have one."""
        return self.match.variables[INSTANCE]


def json_body(body: bytes) -> str | None:
    """The body as compact JSON text; None when it is blank.

    Raises:
        CorruptRecord: it is no JSON, or no UTF-8.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise CorruptRecord("The body is not UTF-8.") from None
    return compact(text, "The body") if text.strip() else None
