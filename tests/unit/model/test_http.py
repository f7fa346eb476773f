"""Requests and answers as data."""

from __future__ import annotations

import pytest

from durable.model.http import DurableHttpResponse, HttpRequest, ManagedIdentityTokenSource


def test_an_answer_is_the_dict_of_1_7_and_has_the_attributes_of_2() -> None:
    response = DurableHttpResponse.of(404, {"Server": "x"}, "gone")
    assert response == {"statusCode": 404, "headers": {"Server": "x"}, "content": "gone"}
    assert (response.status_code, response.headers, response.content) == (
        404,
        {"Server": "x"},
        "gone",
    )


def test_a_header_is_found_whatever_its_case() -> None:
    response = DurableHttpResponse.of(200, {"X-Many": ["a", "b"], "none": []}, None)
    assert response.header("x-many") == "a"
    assert response.header("None") is None
    assert response.header("other") is None


@pytest.mark.parametrize(
    ("refused", "status", "fails"),
    [
        (None, 500, False),
        ((), 500, True),
        ((), 204, False),
        ((), 304, True),
        ((429, 503), 503, True),
        ((429, 503), 500, False),
        ((200,), 200, False),
    ],
)
def test_which_answers_are_failures(
    refused: tuple[int, ...] | None, status: int, fails: bool
) -> None:
    request = HttpRequest(method="GET", uri="http://x", refused_statuses=refused)
    assert request.refuses(status) is fails


def test_a_token_source_writes_itself_as_1_7_does() -> None:
    source = ManagedIdentityTokenSource("https://vault.azure.net")
    assert source.resource == "https://vault.azure.net"
    assert source.to_json() == {
        "resource": "https://vault.azure.net",
        "kind": "AzureManagedIdentity",
    }
