"""An HTTP request that an orchestrator asks for, and its answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import cast

from durable.model.retry import RetryOptions

#: A header's value, or its values where it stands in several lines.
HeaderValue = str | list[str]

ACCEPTED = 202


class TokenSource(ABC):
    """Where the bearer token of a request comes from; the token itself is never stored."""

    @abstractmethod
    def to_json(self) -> dict[str, object]:
        """As azure-functions-durable writes it."""


@dataclass(frozen=True, slots=True)
class ManagedIdentityTokenSource(TokenSource):
    """A Microsoft Entra ID token of the app's own identity.

    Args:
        resource: what the token is for, such as ``https://vault.azure.net/.default``.
        tenant_id: the tenant to ask for it; None: the identity's own.
        authority_host: the cloud's authority; None: the public cloud's.
    """

    resource: str
    tenant_id: str | None = field(default=None, kw_only=True)
    authority_host: str | None = field(default=None, kw_only=True)

    def to_json(self) -> dict[str, object]:
        return {"resource": self.resource, "kind": "AzureManagedIdentity"}


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpRequest:
    """What is to be sent.

    Attributes:
        method: such as GET.
        uri: absolute, http or https.
        headers: by name.
        content: the body's text; None for no body.
        token_source: where the bearer token comes from; None: none is added.
        polls: an answer of 202 with a Location is followed until there is another answer.
        retry_options: how the orchestrator tries again; None: it doesn't.
        refused_statuses: answers that are failures, so that they are tried again. None: no answer
            is; empty: all but those of 200 to 299.
        timeout: the longest wait for the answer; None: the default.
    """

    method: str
    uri: str
    headers: Mapping[str, HeaderValue] = field(default_factory=dict)
    content: str | None = None
    token_source: ManagedIdentityTokenSource | None = None
    polls: bool = True
    retry_options: RetryOptions | None = None
    refused_statuses: tuple[int, ...] | None = None
    timeout: timedelta | None = None

    def refuses(self, status: int) -> bool:
        """Whether an answer with `status` is a failure."""
        refused = self.refused_statuses
        if refused is None or 200 <= status < 300:  # noqa: PLR2004 - success, in HTTP
            return False
        return not refused or status in refused


class DurableHttpResponse(dict[str, object]):
    """An answer: the dict that azure-functions-durable 1.7 gives, and 2's attributes.

    Keys: `statusCode`, `headers` (by name; those about the content are left out, as in the
    original) and `content`, a text.
    """

    @classmethod
    def of(
        cls, status_code: int, headers: Mapping[str, HeaderValue], content: str | None
    ) -> DurableHttpResponse:
        """An answer of these parts."""
        return cls(statusCode=status_code, headers=dict(headers), content=content)

    @property
    def status_code(self) -> int:
        """The status, such as 200."""
        return cast(int, self["statusCode"])

    @property
    def headers(self) -> Mapping[str, HeaderValue]:
        """The headers, by name: a text, or a list of texts where there are several."""
        return cast(Mapping[str, HeaderValue], self["headers"])

    @property
    def content(self) -> str | None:
        """The body's text."""
        return cast("str | None", self["content"])

    def header(self, name: str) -> str | None:
        """The first value of a header, whatever the case of its name; None without one."""
        for each, value in self.headers.items():
            if each.lower() == name.lower():
                return value if isinstance(value, str) else next(iter(value), None)
        return None
