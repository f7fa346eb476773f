"""A request that was let in, as the operations take it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from durable.api.contract import CONTRACTS
from durable.api.http import Request
from durable.api.links import LinkBuilder
from durable.api.parameters import Parameter, Place
from durable.api.routes import INSTANCE, Match
from durable.client.core import Client
from durable.client.json_text import compact
from durable.errors import CorruptRecord, EngineBug

T = TypeVar("T")

JSON = "application/json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """A request that was let in.

    Attributes:
        request, match: what was asked for.
        client, links: of the hub it is about.
        max_wait_seconds: a start waits no longer for the end.
        ignored: what was not understood and counts as absent, for the caller to know.
    """

    request: Request
    match: Match
    client: Client
    links: LinkBuilder
    max_wait_seconds: float
    ignored: list[str] = field(default_factory=list)

    @property
    def query(self) -> Mapping[str, str]:
        """The request's query parameters."""
        return self.request.query

    def read(self, parameter: Parameter[T]) -> T:
        """The value of a parameter that the operation's contract names.

        Raises:
            InvalidName: it is malformed, and not to be overlooked.
        """
        # By identity: equality would compare parsers.
        if not any(known is parameter for known in CONTRACTS[self.match.operation].parameters):
            raise EngineBug(f"{self.match.operation} reads {parameter.name}, undocumented.")
        header = parameter.place is Place.HEADER
        texts = self.request.headers if header else self.request.query
        return parameter.read(texts, self.ignored)

    @property
    def says_json(self) -> bool:
        """Whether the body is JSON by its content type."""
        kind = self.request.headers.get("content-type", "").partition(";")[0]
        return kind.strip().lower() == JSON

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
