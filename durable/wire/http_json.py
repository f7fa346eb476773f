"""HTTP requests and answers as the Durable extension keeps them in history.

A request is the input of an activity of a reserved name, an answer its result: a .NET worker of
the same hub can run ours, and we theirs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta

from durable.hostjson import parse_time_span
from durable.model.http import (
    DurableHttpResponse,
    HeaderValue,
    HttpRequest,
    ManagedIdentityTokenSource,
)
from durable.wire.text import to_json

#: The name of the activity.
HTTP_ACTIVITY = "BuiltIn::HttpActivity"
#: Names that begin so are the engine's own.
BUILT_IN = "BuiltIn::"

_KIND = "AzureManagedIdentity"
_NAMESPACE = "Microsoft.Azure.WebJobs.Extensions.DurableTask"
# .NET's TimeSpan.MaxValue: no retry timeout.
_FOREVER = "10675199.02:48:05.4775807"
# What the extension completes in the token source's constructor: these two, slash or not.
_COMPLETED = ("https://management.core.windows.net", "https://graph.microsoft.com")
_DEFAULT_SCOPE = "/.default"


def request_text(request: HttpRequest) -> str:
    """The input of the activity: an array of the one request."""
    written: dict[str, object] = {
        "$type": f"{_NAMESPACE}.DurableHttpRequest, {_NAMESPACE}",
        "method": request.method,
        "uri": request.uri,
        "headers": dict(request.headers),
        "content": request.content,
        "tokenSource": _token_source(request.token_source),
        "asynchronousPatternEnabled": request.polls,
        "retryOptions": _retry_options(request),
        "timeout": None if request.timeout is None else time_span(request.timeout),
    }
    return to_json([written])


def time_span(value: timedelta) -> str:
    """`value` as .NET writes a time span: ``[d.]hh:mm:ss[.fffffff]``."""
    minutes, seconds = divmod(value.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days = f"{value.days}." if value.days else ""
    fraction = f".{value.microseconds:06}0" if value.microseconds else ""
    return f"{days}{hours:02}:{minutes:02}:{seconds:02}{fraction}"


def request_from(value: object) -> HttpRequest:
    """The request in an activity's input. How it is retried is its orchestrator's business.

    Raises:
        ValueError: it holds none.
    """
    read = _Reader("the HTTP request", value)
    retries = read.mapping("retryOptions")
    return HttpRequest(
        method=read.text("method") or "GET",
        uri=read.needed("uri"),
        headers=_headers(read.mapping("headers") or {}),
        content=read.text("content"),
        token_source=_source_from(read.mapping("tokenSource")),
        polls=read.value("asynchronousPatternEnabled") is True,
        refused_statuses=None if retries is None else _statuses(retries),
        timeout=_span_from(read.text("timeout")),
    )


def response_from(value: object) -> DurableHttpResponse:
    """The answer in an activity's result.

    Raises:
        ValueError: it holds none.
    """
    read = _Reader("the HTTP answer", value)
    status = read.value("statusCode")
    if not isinstance(status, int) or isinstance(status, bool):
        raise read.unfit("statusCode")
    headers = _headers(read.mapping("headers") or {})
    return DurableHttpResponse.of(status, headers, read.text("content"))


class _Reader:
    """A JSON object's members by name, whatever its case, as Newtonsoft finds them."""

    def __init__(self, what: str, value: object) -> None:
        if not isinstance(value, Mapping):
            raise ValueError(f"{what[:1].upper()}{what[1:]} is no JSON object.")  # noqa: TRY004
        self._what = what
        self._members = {str(name).lower(): member for name, member in value.items()}

    def value(self, name: str) -> object:
        return self._members.get(name.lower())

    def text(self, name: str) -> str | None:
        found = self.value(name)
        if found is None or isinstance(found, str):
            return found
        raise self.unfit(name)

    def needed(self, name: str) -> str:
        found = self.text(name)
        if found is None:
            raise self.unfit(name)
        return found

    def mapping(self, name: str) -> Mapping[str, object] | None:
        found = self.value(name)
        if found is None:
            return None
        if not isinstance(found, dict):
            raise self.unfit(name)
        # Newtonsoft's own notes about types are no members.
        return {str(key): item for key, item in found.items() if key != "$type"}

    def unfit(self, name: str) -> ValueError:
        """The error about a member; it doesn't quote it."""
        return ValueError(f"{self._what[:1].upper()}{self._what[1:]} has no usable {name!r}.")


def _headers(given: Mapping[str, object]) -> dict[str, HeaderValue]:
    found: dict[str, HeaderValue] = {}
    for name, value in given.items():
        if not isinstance(value, str | list):
            raise ValueError(f"Header {name!r} is no text.")  # noqa: TRY004 - data, no argument
        found[name] = value if isinstance(value, str) else [str(each) for each in value]
    return found


def _token_source(source: ManagedIdentityTokenSource | None) -> object:
    if source is None:
        return None
    resource = source.resource
    if resource.removesuffix("/") in _COMPLETED:
        resource = resource.removesuffix("/") + _DEFAULT_SCOPE
    written = {"kind": _KIND, "resource": resource}
    options = {"authorityhost": source.authority_host, "tenantid": source.tenant_id}
    if any(options.values()):
        written["options"] = to_json(options)  # a text, as TokenSourceConverter has it
    return written


def _source_from(value: Mapping[str, object] | None) -> ManagedIdentityTokenSource | None:
    if value is None:
        return None
    read = _Reader("the token source", value)
    if "kind" in value and value["kind"] != _KIND:
        raise ValueError(f"A token source of kind {value['kind']!r} is not known here.")
    options = _Reader("the token source's options", _opened(read.value("options")))
    return ManagedIdentityTokenSource(
        read.needed("resource"),
        tenant_id=options.text("tenantid"),
        authority_host=options.text("authorityhost"),
    )


def _opened(options: object) -> object:
    if isinstance(options, str):
        try:
            options = json.loads(options)
        except ValueError:
            raise ValueError("The token source's options are not JSON.") from None
    return {} if options is None else options


def _retry_options(request: HttpRequest) -> object:
    options = request.retry_options
    if options is None:
        return None
    timeout = options.retry_timeout_in_milliseconds
    return {
        "$type": f"{_NAMESPACE}.HttpRetryOptions, {_NAMESPACE}",
        "FirstRetryInterval": _milliseconds(options.first_retry_interval_in_milliseconds),
        "MaxRetryInterval": _milliseconds(options.max_retry_interval_in_milliseconds),
        "BackoffCoefficient": float(options.backoff_coefficient),
        "RetryTimeout": _FOREVER if timeout is None else _milliseconds(timeout),
        "MaxNumberOfAttempts": options.max_number_of_attempts,
        "StatusCodesToRetry": list(request.refused_statuses or ()),
    }


def _milliseconds(number: int) -> str:
    return time_span(timedelta(milliseconds=number))


def _statuses(retries: Mapping[str, object]) -> tuple[int, ...]:
    given = _Reader("the retry options", retries).value("StatusCodesToRetry")
    return tuple(each for each in given if isinstance(each, int)) if isinstance(given, list) else ()


def _span_from(text: str | None) -> timedelta | None:
    if text is None:
        return None
    seconds = parse_time_span(text)
    if seconds is None:
        raise ValueError("The HTTP request's 'timeout' is no time span.")
    return timedelta(seconds=seconds)
