"""`call_http`: an orchestrator's HTTP requests, checked where they are asked for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from functools import partial
from typing import Any

from durable.engine.agenda import Agenda
from durable.engine.atomic_tasks import ActivityTask
from durable.engine.compound_tasks import RetryAbleTask
from durable.engine.http_task import HttpTask
from durable.engine.task_base import TaskBase
from durable.errors import BadConfig
from durable.model.actions import ScheduleActivity
from durable.model.http import (
    DurableHttpResponse,
    HeaderValue,
    HttpRequest,
    ManagedIdentityTokenSource,
)
from durable.model.http_polling import split_uri
from durable.model.retry import RetryOptions
from durable.wire import payloads
from durable.wire.http_json import HTTP_ACTIVITY, request_text, response_from

#: How long to wait between polls where the server doesn't say; the extension's default.
DEFAULT_POLL_DELAY = timedelta(seconds=30)
#: No request waits longer for its answer: an activity is no place to wait in.
LONGEST_TIMEOUT = timedelta(days=1)

# RFC 9110: methods and names of headers are tokens.
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NOT_IN_A_VALUE = re.compile("[\x00-\x08\x0a-\x1f\x7f]")
# Worked out from the content.
_OURS = frozenset({"content-length", "transfer-encoding"})
_STATUSES = range(100, 600)


class HttpCalls:
    """What an orchestration context offers for HTTP."""

    _agenda: Agenda
    _poll_delay: timedelta = DEFAULT_POLL_DELAY

    def call_http(
        self,
        method: str,
        uri: str,
        content: Any = None,
        headers: Mapping[str, str] | None = None,
        token_source: Any = None,
        is_raw_str: bool = False,
        *,
        timeout: float | timedelta | None = None,
        retry_options: RetryOptions | None = None,
        status_codes_to_retry: Iterable[int] = (),
        asynchronous_pattern_enabled: bool = True,
    ) -> TaskBase:
        """Make an HTTP request; done with the answer, a dict: `statusCode`, `headers`, `content`.

        An answer of 202 with a Location is followed: after Retry-After the Location is asked, until
        the answer is another one.

        Args:
            method: such as "GET".
            uri: an http or https address.
            content: the body: a value, sent as JSON.
            headers: by name.
            token_source: a ManagedIdentityTokenSource, for a bearer token.
            is_raw_str: `content` is a text to send as it is.
            timeout: the longest wait for the answer to a request, in seconds or as a timedelta.
            retry_options: how each request is tried again when it gets no answer, or one to retry.
            status_codes_to_retry: which answers that are; when none are named, all but 200 to 299.
            asynchronous_pattern_enabled: whether 202 is followed.

        Raises:
            TypeError: an argument is of another type.
            BadConfig: an argument cannot mean anything.
            NotSerializable: the content is not JSON.
        """
        request = HttpRequest(
            method=_method(method),
            uri=_uri(uri),
            headers=_headers(headers),
            content=_content(content, is_raw_str),
            token_source=_token_source(token_source),
            polls=bool(asynchronous_pattern_enabled),
            retry_options=_retries(retry_options),
            refused_statuses=_statuses(status_codes_to_retry, retry_options),
            timeout=_timeout(timeout),
        )
        return HttpTask(self._agenda, request, self._send, self._poll_delay)

    def _send(self, request: HttpRequest) -> TaskBase:
        action = partial(ScheduleActivity, name=HTTP_ACTIVITY, input=request_text(request))

        def attempt() -> TaskBase:
            return ActivityTask(self._agenda, HTTP_ACTIVITY, action, _answer)

        if request.retry_options is None:
            return attempt()
        return RetryAbleTask(self._agenda, request.retry_options, attempt)


def _answer(text: str | None) -> DurableHttpResponse:
    return response_from(payloads.decode(text))


def _method(given: object) -> str:
    if not isinstance(given, str):
        raise _type_error("method", "a text such as 'GET'", given)
    if not _TOKEN.fullmatch(given):
        raise BadConfig("call_http: method is no HTTP method such as 'GET'.")
    return given.upper()


def _uri(given: object) -> str:
    if not isinstance(given, str):
        raise _type_error("uri", "a text", given)
    try:
        split_uri(given.strip())
    except ValueError as error:
        raise BadConfig(f"call_http: uri cannot be used: {error}.") from None
    return given.strip()


def _headers(given: object) -> dict[str, HeaderValue]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise _type_error("headers", "a dict of texts", given)
    return {_header_name(name): _header_value(name, value) for name, value in given.items()}


def _header_name(name: object) -> str:
    if not isinstance(name, str):
        raise _type_error("headers: a name", "a text", name)
    if not _TOKEN.fullmatch(name):
        raise BadConfig(f"call_http: headers: {name!r} is no header's name.")
    if name.lower() in _OURS:
        raise BadConfig(f"call_http: headers: {name} follows from the content; leave it out.")
    return name


def _header_value(name: str, value: object) -> HeaderValue:
    if isinstance(value, list):  # the extension takes several, and writes them so
        return [_header_text(name, each) for each in value]
    return _header_text(name, value)


def _header_text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise _type_error(f"headers: {name}", "a text", value)
    if _NOT_IN_A_VALUE.search(value):
        raise BadConfig(f"call_http: headers: {name} holds a line break or control character.")
    if name.lower() == "content-type" and "multipart" in value.lower():
        raise BadConfig(
            "call_http: headers: multipart content is not supported; send it from an activity."
        )
    return value


def _content(content: object, is_raw_str: bool) -> str | None:
    if is_raw_str:
        if not isinstance(content, str):
            raise _type_error("content", "a text when is_raw_str is set", content)
        return content
    return None if content is None else payloads.encode(content, what="the content of call_http")


def _token_source(given: object) -> ManagedIdentityTokenSource | None:
    if given is None:
        return None
    if not isinstance(given, ManagedIdentityTokenSource):
        raise _type_error("token_source", "a ManagedIdentityTokenSource(resource)", given)
    return given


def _retries(given: object) -> RetryOptions | None:
    if given is None or isinstance(given, RetryOptions):
        return given
    raise _type_error("retry_options", "RetryOptions", given)


def _statuses(
    given: Iterable[object], retry_options: RetryOptions | None
) -> tuple[int, ...] | None:
    if not isinstance(given, Iterable):
        raise _type_error("status_codes_to_retry", "a list of numbers", given)
    statuses = list(given)
    found = tuple(int(s) for s in statuses if isinstance(s, int) and s in _STATUSES)
    if len(found) != len(statuses):
        raise BadConfig("call_http: status_codes_to_retry must hold numbers from 100 to 599.")
    if retry_options is None:
        if found:
            raise BadConfig("call_http: status_codes_to_retry needs retry_options.")
        return None
    return found


def _timeout(given: object) -> timedelta | None:
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, (int, float, timedelta)):
        raise _type_error("timeout", "a number of seconds or a timedelta", given)
    seconds = given.total_seconds() if isinstance(given, timedelta) else given
    if not 0 < seconds <= LONGEST_TIMEOUT.total_seconds():
        raise BadConfig(
            f"call_http: timeout is {seconds} seconds; it must be above 0 and at most "
            f"{LONGEST_TIMEOUT.total_seconds():.0f} (a day)."
        )
    return timedelta(seconds=seconds)


def _type_error(argument: str, wanted: str, given: object) -> TypeError:
    # The value itself may be a secret.
    return TypeError(f"call_http: {argument} must be {wanted}, not {type(given).__name__}.")
