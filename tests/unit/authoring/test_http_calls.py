"""What call_http takes, and what it makes of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Any

import pytest

from durable.authoring.context import DurableOrchestrationContext as Context
from durable.authoring.definitions import OrchestratorDefinition
from durable.authoring.program import OrchestratorProgram
from durable.authoring.registry import Registry
from durable.errors import BadConfig, HttpCallFailed, NotSerializable
from durable.model.events import TaskScheduled, TimerCreated
from durable.model.http import DurableHttpResponse, ManagedIdentityTokenSource, TokenSource
from durable.model.retry import RetryOptions
from tests.unit.engine.conftest import SECOND, Driver

Steps = Generator[Any, Any, Any]
URI = "https://api.example.com/x?code=secret"


class OtherSource(TokenSource):
    def to_json(self) -> dict[str, object]:
        return {}


@dataclass
class Order:
    id: int


def driving(function: Callable[[Context], Any], poll_delay: timedelta = SECOND) -> Driver:
    definition = OrchestratorDefinition(name="Main", function=function, context_name="context")
    return Driver(OrchestratorProgram(definition, Registry(), poll_delay=poll_delay), "abc")


def asked(*args: Any, **options: Any) -> dict[str, Any]:
    """The request in history."""

    def code(context: Context) -> Steps:
        yield context.call_http(*args, **options)

    driver = driving(code)
    driver.start()
    (row,) = driver.decided
    assert isinstance(row, TaskScheduled), driver.live.outcome
    assert row.name == "BuiltIn::HttpActivity"
    found: list[dict[str, Any]] = json.loads(row.input or "")
    return found[0]


def refusal(*args: Any, **options: Any) -> Exception:
    found: list[Exception] = []

    def code(context: Context) -> None:
        try:
            context.call_http(*args, **options)
        except Exception as error:
            found.append(error)

    driving(code).start()
    return found[0]


def test_all_that_can_be_said() -> None:
    source = ManagedIdentityTokenSource("https://graph.microsoft.com")
    options = RetryOptions(1000, 3)
    request = asked(
        "post",
        f" {URI} ",
        {"a": [1, "é"]},
        {"X-Many": "1", "Content-Type": "application/json"},
        source,
        timeout=90,
        retry_options=options,
        status_codes_to_retry=[HTTPStatus.TOO_MANY_REQUESTS, 503],
        asynchronous_pattern_enabled=False,
    )
    retries = request.pop("retryOptions")
    assert (retries["MaxNumberOfAttempts"], retries["StatusCodesToRetry"]) == (3, [429, 503])
    assert request == {
        "$type": request["$type"],
        "method": "POST",
        "uri": URI,
        "headers": {"X-Many": "1", "Content-Type": "application/json"},
        "content": '{"a":[1,"é"]}',
        "tokenSource": {
            "kind": "AzureManagedIdentity",
            "resource": "https://graph.microsoft.com/.default",
        },
        "asynchronousPatternEnabled": False,
        "timeout": "00:01:30",
    }


@pytest.mark.parametrize(
    ("content", "is_raw_str", "text"),
    [
        (None, False, None),
        ("text", False, '"text"'),
        ("text", True, "text"),
        ({}, False, "{}"),
        (0, False, "0"),
        (Order(3), False, '{"id":3}'),
    ],
)
def test_content_is_json_unless_it_is_raw(
    content: object, is_raw_str: bool, text: str | None
) -> None:
    assert asked("PUT", URI, content, is_raw_str=is_raw_str)["content"] == text


def test_a_timedelta_is_a_timeout_too() -> None:
    assert asked("GET", URI, timeout=timedelta(minutes=2))["timeout"] == "00:02:00"


def test_several_values_of_a_header() -> None:
    assert asked("GET", URI, headers={"A": ["1", "2"]})["headers"] == {"A": ["1", "2"]}


@pytest.mark.parametrize(
    ("args", "options", "kind", "text"),
    [
        ((None, URI), {}, TypeError, "method must be a text such as 'GET', not NoneType"),
        (("GET /", URI), {}, BadConfig, "method is no HTTP method"),
        (("", URI), {}, BadConfig, "method is no HTTP method"),
        (("GET", None), {}, TypeError, "uri must be a text, not NoneType"),
        (("GET", "api/x"), {}, BadConfig, "uri cannot be used: it must begin with http://"),
        (("GET", "file:///etc"), {}, BadConfig, "uri cannot be used: it must begin with http://"),
        (("GET", "https://?x"), {}, BadConfig, "uri cannot be used: it names no host"),
        (("GET", "https://x:y"), {}, BadConfig, "uri cannot be used: it is not a URL"),
        (("GET", URI, object()), {}, NotSerializable, "The content of call_http cannot be"),
        (("GET", URI, {}, None, None, True), {}, TypeError, "content must be a text when is_raw"),
        (("GET", URI), {"headers": ["A"]}, TypeError, "headers must be a dict of texts, not list"),
        (("GET", URI), {"headers": {1: "A"}}, TypeError, "headers: a name must be a text"),
        (("GET", URI), {"headers": {"A": 1}}, TypeError, "headers: A must be a text, not int"),
        (("GET", URI), {"headers": {"A b": "1"}}, BadConfig, "headers: 'A b' is no header's name"),
        (("GET", URI), {"headers": {"A": "1\r\n"}}, BadConfig, "headers: A holds a line break"),
        (
            ("GET", URI),
            {"headers": {"content-length": "1"}},
            BadConfig,
            "headers: content-length follows from the content",
        ),
        (
            ("GET", URI),
            {"headers": {"Content-Type": "multipart/form-data"}},
            BadConfig,
            "multipart content is not supported",
        ),
        (("GET", URI), {"token_source": "x"}, TypeError, "token_source must be a ManagedIdentity"),
        (("GET", URI), {"token_source": OtherSource()}, TypeError, "token_source must be a Mana"),
        (("GET", URI), {"timeout": "1"}, TypeError, "timeout must be a number of seconds or a"),
        (("GET", URI), {"timeout": True}, TypeError, "timeout must be a number of seconds or a"),
        (("GET", URI), {"timeout": 0}, BadConfig, "timeout is 0 seconds; it must be above 0"),
        (("GET", URI), {"timeout": float("nan")}, BadConfig, "timeout is nan seconds"),
        (("GET", URI), {"retry_options": 3}, TypeError, "retry_options must be RetryOptions"),
        (("GET", URI), {"status_codes_to_retry": [500]}, BadConfig, "needs retry_options"),
        (("GET", URI), {"status_codes_to_retry": 500}, TypeError, "must be a list of numbers"),
        (("GET", URI), {"status_codes_to_retry": [5000]}, BadConfig, "numbers from 100 to 599"),
        (("GET", URI), {"status_codes_to_retry": ["500"]}, BadConfig, "numbers from 100 to 599"),
    ],
)
def test_what_cannot_mean_anything_is_refused_at_the_call(
    args: tuple[Any, ...], options: dict[str, Any], kind: type[Exception], text: str
) -> None:
    error = refusal(*args, **options)
    assert isinstance(error, kind)
    assert text in str(error)
    assert "secret" not in str(error)


def test_the_answer_is_a_dict_with_attributes() -> None:
    def code(context: Context) -> Steps:
        response = yield context.call_http("GET", URI)
        assert isinstance(response, DurableHttpResponse)
        assert response.status_code == response["statusCode"] == 404
        return response

    driver = driving(code)
    driver.start()
    driver.completed(0, {"statusCode": 404, "headers": {"A": "1"}, "content": "no"})
    outcome = driver.live.outcome
    assert outcome is not None
    assert outcome.result == '{"statusCode":404,"headers":{"A":"1"},"content":"no"}'


def test_what_is_no_answer_is_an_error_where_it_is_awaited() -> None:
    def code(context: Context) -> Steps:
        with pytest.raises(ValueError, match="The HTTP answer is no JSON object"):
            yield context.call_http("GET", URI)
        return "told"

    driver = driving(code)
    driver.start()
    driver.completed(0, [1])
    assert driver.live.outcome is not None
    assert driver.live.outcome.result == '"told"'


def test_each_request_is_tried_again_polls_too() -> None:
    def code(context: Context) -> Steps:
        try:
            yield context.call_http("GET", URI, retry_options=RetryOptions(2000, 2))
        except HttpCallFailed as error:
            return str(error)

    driver = driving(code, poll_delay=timedelta(seconds=7))
    driver.start()
    driver.failed(0, "durable.errors.HttpCallFailed", "refused")
    assert isinstance(driver.rows[-2], TimerCreated)
    assert driver.rows[-2].fire_at == driver.now + 2 * SECOND
    driver.fired(1)
    driver.completed(2, {"statusCode": 202, "headers": {"Location": "/s"}, "content": ""})
    assert isinstance(driver.rows[-2], TimerCreated)
    assert driver.rows[-2].fire_at == driver.now + 7 * SECOND
    driver.fired(3)
    driver.failed(4, "durable.errors.HttpCallFailed", "refused")
    driver.fired(5)
    driver.failed(6, "durable.errors.HttpCallFailed", "refused again")
    driver.fired(7)
    outcome = driver.live.outcome
    assert outcome is not None
    assert outcome.result == "\"Activity function 'BuiltIn::HttpActivity' failed: refused again\""
