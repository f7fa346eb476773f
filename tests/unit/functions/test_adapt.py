"""azure.functions values to ours and back."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from azure.functions.http import HttpRequest
from azure.functions.queue import QueueMessage

from durable.api.http import Response
from durable.functions import adapt
from durable.functions.config import AppConfig
from durable.hub.settings import HubSettings
from durable.storage.values import QueueMessage as StoredMessage
from tests.unit.host.host_clock import ManualClock

CONFIG = AppConfig(hub=HubSettings(name="TheHub"))


def request(
    path: str | None = None, headers: dict[str, str] | None = None, body: bytes = b""
) -> HttpRequest:
    return HttpRequest(
        method="get",
        url="http://somewhere:7071/api/durabletask/x?code=secret",
        headers=headers or {},
        params={"code": "secret", "runtimeStatus": "Failed,Running"},
        route_params={} if path is None else {"path": path},
        body_type="bytes",
        body=body,
    )


def test_a_message() -> None:
    clock = ManualClock()
    inserted = datetime(2026, 1, 1, 0, 0, 0)  # noqa: DTZ001 - the worker may give naive times
    visible = datetime(2026, 1, 1, 0, 10, tzinfo=UTC)
    message = QueueMessage(  # type: ignore[no-untyped-call]
        id="1",
        body="één".encode(),
        dequeue_count=3,
        insertion_time=inserted,
        time_next_visible=visible,
        pop_receipt="r",
    )
    assert adapt.queue_message(message, clock) == StoredMessage(
        id="1",
        pop_receipt="r",
        text="één",
        dequeue_count=3,
        inserted=inserted.replace(tzinfo=UTC),
        next_visible=visible,
    )


def test_a_message_about_which_the_host_says_little() -> None:
    clock = ManualClock()
    message = QueueMessage(body=b"\xff\xfe")  # type: ignore[no-untyped-call]
    found = adapt.queue_message(message, clock)
    assert found.text == base64.b64encode(b"\xff\xfe").decode()
    assert (found.dequeue_count, found.inserted) == (1, clock.now())
    assert found.next_visible == clock.now() + timedelta(minutes=10)


def test_a_request() -> None:
    found = adapt.api_request(
        request("instances/a b%2Fc%41ü", {"X-Functions-Key": "k"}, b"{}"), CONFIG
    )
    assert found.method == "GET"
    # Percent-encoded again, for the host had decoded it, but for the slash.
    assert found.path == "instances/a%20b%2Fc%2541%C3%BC"
    assert found.query == {"code": "secret", "runtimeStatus": "Failed,Running"}
    assert found.headers == {"x-functions-key": "k"}
    assert found.body == b"{}"
    assert found.base_url == "http://somewhere:7071/api/durabletask"


def test_an_empty_path_is_absent() -> None:
    assert adapt.api_request(request(), CONFIG).path == ""


@pytest.mark.parametrize(
    ("config", "headers", "base"),
    [
        (replace(CONFIG, route_prefix=""), {}, "http://somewhere:7071/durabletask"),
        (replace(CONFIG, links_base="https://x/y"), {}, "https://x/y"),
        (
            CONFIG,
            {"X-Forwarded-Host": "front", "X-Forwarded-Proto": "https"},
            "http://somewhere:7071/api/durabletask",
        ),
        (
            replace(CONFIG, use_forwarded_host=True),
            {"X-Forwarded-Host": "front, inner", "X-Forwarded-Proto": "https"},
            "https://front/api/durabletask",
        ),
        (
            replace(CONFIG, use_forwarded_host=True),
            {},
            "http://somewhere:7071/api/durabletask",
        ),
    ],
    ids=["no prefix", "fixed", "forwarded ignored", "forwarded", "not forwarded"],
)
def test_where_links_begin(config: AppConfig, headers: dict[str, str], base: str) -> None:
    assert adapt.base_url(request(headers=headers), config) == base


def test_an_answer() -> None:
    answer = adapt.http_response(
        Response(status=202, headers={"Location": "/x", "Content-Type": "a/b"}, body=b"{}")
    )
    assert (answer.status_code, answer.get_body()) == (202, b"{}")
    assert answer.headers["location"] == "/x"
    assert answer.headers["Content-Type"] == "a/b"
