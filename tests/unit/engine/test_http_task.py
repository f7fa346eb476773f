"""One request and its polls, as one task."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from datetime import timedelta
from functools import partial
from typing import Any

from durable.engine.atomic_tasks import ActivityTask
from durable.engine.http_task import HttpTask
from durable.engine.task_base import TaskBase
from durable.model.actions import ScheduleActivity
from durable.model.events import TaskScheduled, TimerCreated
from durable.model.http import DurableHttpResponse, HttpRequest
from durable.model.status import RuntimeStatus
from tests.unit.engine.conftest import SECOND, Ask, Driver

DEFAULT = timedelta(seconds=30)
Steps = Generator[Any, Any, Any]


def decoded(text: str | None) -> DurableHttpResponse:
    return DurableHttpResponse(json.loads(text or "null"))


def http(ask: Ask, **fields: Any) -> HttpTask:
    def send(request: HttpRequest) -> TaskBase:
        action = partial(
            ScheduleActivity, name="http", input=json.dumps([request.method, request.uri])
        )
        return ActivityTask(ask.agenda, "http", action, decoded)

    request = HttpRequest(method="POST", uri="https://x/start", **fields)
    return HttpTask(ask.agenda, request, send, DEFAULT)


def code(**fields: Any) -> Callable[[Ask], Steps]:
    def steps(ask: Ask) -> Steps:
        response = yield http(ask, **fields)
        return [response["statusCode"], response["content"]]

    return steps


def answer(status: int, content: str = "", **headers: str) -> dict[str, object]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return dict(DurableHttpResponse.of(status, named, content))


def outcome(driver: Driver) -> object:
    found = driver.live.outcome
    assert found is not None
    assert found.status is RuntimeStatus.COMPLETED, found.result
    return json.loads(found.result or "null")


def test_any_other_answer_is_the_result() -> None:
    driver = Driver(code())
    driver.start()
    driver.completed(0, answer(500, "broken", Location="/elsewhere"))
    assert outcome(driver) == [500, "broken"]


def test_a_202_is_followed_by_timers_and_polls() -> None:
    driver = Driver(code())
    driver.start()
    driver.completed(0, answer(202, Location="/status", Retry_After="5"))
    began = driver.now
    driver.fired(1)
    driver.completed(2, answer(202, Location="/status"))
    again = driver.now
    driver.fired(3)
    driver.completed(4, answer(200, "done"))
    assert outcome(driver) == [200, "done"]
    decided = driver.decided
    assert [type(row) for row in decided] == [
        TaskScheduled,
        TimerCreated,
        TaskScheduled,
        TimerCreated,
        TaskScheduled,
    ]
    assert [row.fire_at for row in decided if isinstance(row, TimerCreated)] == [
        began + 5 * SECOND,
        again + DEFAULT,
    ]
    assert [row.input for row in decided if isinstance(row, TaskScheduled)] == [
        '["POST", "https://x/start"]',
        '["GET", "https://x/status"]',
        '["GET", "https://x/status"]',
    ]


def test_every_replay_comes_to_the_same() -> None:
    driver = Driver(code())
    driver.start()
    driver.completed(0, answer(202, Location="/status", Retry_After="5"))
    driver.fired(1)
    driver.completed(2, answer(200, "done"))
    for count in range(1, len(driver.rows) + 1):
        assert not driver.replayed(count).undecided or count < len(driver.rows)
    assert driver.replayed().outcome == driver.live.outcome


def test_polling_can_be_turned_off() -> None:
    driver = Driver(code(polls=False))
    driver.start()
    driver.completed(0, answer(202, "wait", Location="/status"))
    assert outcome(driver) == [202, "wait"]


def test_a_202_that_leads_nowhere_is_the_result() -> None:
    driver = Driver(code())
    driver.start()
    driver.completed(0, answer(202, "taken"))
    assert outcome(driver) == [202, "taken"]


def test_a_location_that_cannot_be_asked_fails_the_call() -> None:
    driver = Driver(code())
    driver.start()
    driver.completed(0, answer(202, Location="ftp://x/status"))
    found = driver.live.outcome
    assert found is not None
    assert found.failure is not None
    assert found.failure.error_type == "durable.errors.HttpCallFailed"
    assert found.failure.message == (
        "POST https://x/start answered 202 with a Location that can't be followed: it must begin "
        "with http:// or https://."
    )


def test_a_failed_request_fails_the_call() -> None:
    def steps(ask: Ask) -> Steps:
        try:
            yield http(ask)
        except TimeoutError as error:
            return str(error)

    driver = Driver(steps)
    driver.start()
    driver.failed(0, "TimeoutError", "too slow")
    assert outcome(driver) == "Activity function 'http' failed: TimeoutError: too slow"


def test_a_long_wait_is_split() -> None:
    driver = Driver(code())
    driver.start()
    driver.completed(0, answer(202, Location="/s", Retry_After=str(8 * 86400)))
    due = driver.now + timedelta(days=8)
    driver.fired(1, at=driver.now + timedelta(days=3))
    driver.fired(2, at=due)
    driver.completed(3, answer(200, "late"))
    assert outcome(driver) == [200, "late"]


def test_it_is_one_task_among_others() -> None:
    def steps(ask: Ask) -> Steps:
        call = http(ask)
        assert call.belongs_to(ask.agenda)
        timer = ask.timer(3600 * SECOND)
        winner = yield ask.any_of([timer, call])
        assert winner is call
        timer.cancel()
        both = yield ask.all_of([call, http(ask), ask.activity("a")])
        return [both[0]["content"], both[1]["content"], both[2]]

    driver = Driver(steps)
    driver.start()
    driver.completed(1, answer(202, Location="/status"))
    driver.fired(2)
    driver.completed(3, answer(200, "first"))
    driver.completed(5, "other")
    driver.completed(4, answer(200, "second"))
    assert outcome(driver) == ["first", "second", "other"]
