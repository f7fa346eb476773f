"""Following a 202: when, where to, and with what."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from durable.model.http import DurableHttpResponse, HttpRequest, ManagedIdentityTokenSource
from durable.model.http_polling import LONGEST_DELAY, next_poll, origin, poll_delay, shown

NOW = datetime(2024, 1, 1, 12, tzinfo=UTC)
DEFAULT = timedelta(seconds=30)
REQUEST = HttpRequest(
    method="POST",
    uri="https://api.example.com/jobs?key=1",
    headers={"Authorization": "secret", "X-Functions-Key": "secret", "X-Trace": "7"},
    content="body",
    token_source=ManagedIdentityTokenSource("https://api.example.com"),
    timeout=timedelta(seconds=9),
)


@pytest.mark.parametrize(
    ("location", "uri"),
    [
        ("https://api.example.com/jobs/1", "https://api.example.com/jobs/1"),
        ("https://API.example.com:443/jobs/1", "https://API.example.com:443/jobs/1"),
        ("/jobs/1?x=2", "https://api.example.com/jobs/1?x=2"),
        ("status", "https://api.example.com/status"),
        (" ?id=1 ", "https://api.example.com/jobs?id=1"),
    ],
)
def test_the_own_origin_is_asked_with_headers_and_token(location: str, uri: str) -> None:
    poll = next_poll(REQUEST, location)
    assert (poll.method, poll.uri, poll.content) == ("GET", uri, None)
    assert poll.headers == {"Authorization": "secret", "X-Trace": "7"}
    assert (poll.token_source, poll.timeout) == (REQUEST.token_source, REQUEST.timeout)


@pytest.mark.parametrize(
    "location",
    [
        "https://other.example.com/jobs/1",
        "//other.example.com/jobs/1",
        "http://api.example.com/jobs/1",
        "https://api.example.com:8443/jobs/1",
    ],
)
def test_another_origin_gets_neither_secrets_nor_token(location: str) -> None:
    poll = next_poll(REQUEST, location)
    assert poll.headers == {"X-Trace": "7"}
    assert poll.token_source is None
    back = next_poll(poll, "https://api.example.com/jobs/1")
    assert (back.headers, back.token_source) == ({"X-Trace": "7"}, None)


@pytest.mark.parametrize(
    "location",
    ["ftp://api.example.com/x", "http:///", "http://x:port/", "http://[::1/", "http://x:0"],
)
def test_what_cannot_be_asked_is_refused(location: str) -> None:
    with pytest.raises(ValueError, match="it "):
        next_poll(REQUEST, location)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10", 10),
        (" 0 ", 0),
        ("99999999999999999999", LONGEST_DELAY.total_seconds()),
        ("Mon, 01 Jan 2024 12:01:30 GMT", 90),
        ("Mon, 01 Jan 2024 13:01:30 +0100", 90),
        ("Mon, 01 Jan 2024 12:01:30 -0000", 90),
        ("Mon, 01 Jan 2024 11:00:00 GMT", 0),
        ("Mon, 01 Jan 2124 11:00:00 GMT", LONGEST_DELAY.total_seconds()),
        ("-1", 30),
        ("soon", 30),
        ("²", 30),
        ("", 30),
    ],
)
def test_retry_after_says_how_long_to_wait(text: str, seconds: float) -> None:
    response = DurableHttpResponse.of(202, {"retry-after": text}, "")
    assert poll_delay(response, NOW, DEFAULT) == timedelta(seconds=seconds)


def test_without_it_the_default_counts() -> None:
    assert poll_delay(DurableHttpResponse.of(202, {}, ""), NOW, DEFAULT) == DEFAULT


def test_an_address_is_shown_without_what_may_be_secret() -> None:
    assert shown("https://me:pass@Host:8443/a/b?code=x#y") == "https://host:8443/a/b"
    assert shown("http://[::1]:80/a") == "http://[::1]/a"
    assert origin("http://Host") == ("http", "host", 80)
