"""Requests and answers in the Durable extension's JSON. Recorded ones are in tests/golden."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from durable.model.http import HttpRequest, ManagedIdentityTokenSource
from durable.model.retry import RetryOptions
from durable.wire.http_json import request_from, request_text, response_from, time_span

URI = "https://api.example.com/x"


def written(request: HttpRequest) -> dict[str, object]:
    found: list[dict[str, object]] = json.loads(request_text(request))
    (one,) = found
    return one


def back(request: HttpRequest) -> HttpRequest:
    return request_from(written(request))


@pytest.mark.parametrize(
    "request_",
    [
        HttpRequest(method="GET", uri=URI),
        HttpRequest(method="PUT", uri=URI, headers={"A": "1", "B": ["2", "3"]}, content="é\u2028"),
        HttpRequest(method="GET", uri=URI, polls=False, timeout=timedelta(minutes=2, seconds=0.5)),
        HttpRequest(
            method="GET",
            uri=URI,
            token_source=ManagedIdentityTokenSource(
                "https://vault.azure.net/.default", tenant_id="t", authority_host="https://login"
            ),
        ),
    ],
)
def test_what_is_written_is_read(request_: HttpRequest) -> None:
    assert back(request_) == request_


def test_retry_options_are_the_extensions() -> None:
    options = RetryOptions(
        1500,
        4,
        backoff_coefficient=2,
        max_retry_interval_in_milliseconds=3_600_000,
        retry_timeout_in_milliseconds=90_000_000,
    )
    request = HttpRequest(method="GET", uri=URI, retry_options=options, refused_statuses=(429, 503))
    assert written(request)["retryOptions"] == {
        "$type": "Microsoft.Azure.WebJobs.Extensions.DurableTask.HttpRetryOptions, "
        "Microsoft.Azure.WebJobs.Extensions.DurableTask",
        "FirstRetryInterval": "00:00:01.5000000",
        "MaxRetryInterval": "01:00:00",
        "BackoffCoefficient": 2.0,
        "RetryTimeout": "1.01:00:00",
        "MaxNumberOfAttempts": 4,
        "StatusCodesToRetry": [429, 503],
    }
    assert back(request).refused_statuses == (429, 503)
    assert request_from({"uri": URI, "retryOptions": {}}).refused_statuses == ()


@pytest.mark.parametrize(
    ("resource", "scope"),
    [
        ("https://management.core.windows.net", "https://management.core.windows.net/.default"),
        ("https://management.core.windows.net/", "https://management.core.windows.net/.default"),
        ("https://graph.microsoft.com/", "https://graph.microsoft.com/.default"),
        ("https://vault.azure.net", "https://vault.azure.net"),
    ],
)
def test_a_token_source_is_completed_as_the_extension_does(resource: str, scope: str) -> None:
    source = ManagedIdentityTokenSource(resource)
    request = HttpRequest(method="GET", uri=URI, token_source=source)
    assert written(request)["tokenSource"] == {"kind": "AzureManagedIdentity", "resource": scope}


def test_what_1_7_and_net_write_is_read() -> None:
    request = request_from(
        {
            "$type": "X",
            "Method": "POST",
            "URI": URI,
            "headers": {"$type": "Y", "A": "1"},
            "content": None,
            "tokenSource": {
                "resource": "r",
                "kind": "AzureManagedIdentity",
                "options": {"TenantId": "t"},
            },
        }
    )
    assert request == HttpRequest(
        method="POST",
        uri=URI,
        headers={"A": "1"},
        token_source=ManagedIdentityTokenSource("r", tenant_id="t"),
        polls=False,
    )
    null = {"uri": URI, "tokenSource": {"resource": "r", "options": "null"}}
    assert request_from(null).token_source == ManagedIdentityTokenSource("r")
    assert request_from(null).method == "GET"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("GET", "The HTTP request is no JSON object."),
        ({"method": "GET"}, "The HTTP request has no usable 'uri'."),
        ({"uri": 3}, "The HTTP request has no usable 'uri'."),
        ({"uri": URI, "headers": []}, "The HTTP request has no usable 'headers'."),
        ({"uri": URI, "headers": {"A": 1}}, "Header 'A' is no text."),
        ({"uri": URI, "timeout": "soon"}, "The HTTP request's 'timeout' is no time span."),
        ({"uri": URI, "tokenSource": {"kind": "Other"}}, "A token source of kind 'Other'"),
        ({"uri": URI, "tokenSource": {}}, "The token source has no usable 'resource'."),
        (
            {"uri": URI, "tokenSource": {"resource": "r", "options": "{"}},
            "The token source's options are not JSON.",
        ),
    ],
)
def test_what_is_no_request_says_so(value: object, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        request_from(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "The HTTP answer is no JSON object."),
        ({"headers": {}}, "The HTTP answer has no usable 'statusCode'."),
        ({"statusCode": True}, "The HTTP answer has no usable 'statusCode'."),
        ({"statusCode": 200, "content": {}}, "The HTTP answer has no usable 'content'."),
    ],
)
def test_what_is_no_answer_says_so(value: object, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        response_from(value)


def test_an_answer_is_read() -> None:
    value = {"statusCode": 200, "headers": {"A": ["1", "2"]}, "content": "x"}
    assert response_from(value) == value
    assert response_from({"StatusCode": 200}).content is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (timedelta(minutes=2), "00:02:00"),
        (timedelta(days=6), "6.00:00:00"),
        (timedelta(hours=25, microseconds=1), "1.01:00:00.0000010"),
    ],
)
def test_time_spans(value: timedelta, text: str) -> None:
    assert time_span(value) == text
