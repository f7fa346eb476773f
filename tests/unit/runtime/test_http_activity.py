"""call_http through a hub: the engine's own activity, polls in virtual time, retries."""

from __future__ import annotations

from collections.abc import Callable, Generator
from datetime import timedelta
from itertools import pairwise
from typing import Any

import aiohttp.web
import pytest

from durable.errors import HttpCallFailed, UnknownFunction
from durable.model.events import TaskCompleted, TaskFailed, TaskScheduled, TimerFired
from durable.model.http import DurableHttpResponse, HttpRequest
from durable.model.retry import RetryOptions
from durable.runtime.engine import Engine
from durable.runtime.settings import EngineSettings
from tests.hub_lab import Actor, Lab, in_virtual_time
from tests.unit.runtime.web import serving

Steps = Generator[Any, Any, Any]
START = "https://api.example.com/jobs"
FAILED = "durable.errors.ActivityFailed: Activity function 'BuiltIn::HttpActivity' failed: "


class ScriptedWeb:
    """The outside world: answers one after the other, and when each was asked for."""

    def __init__(self, lab: Lab, *answers: DurableHttpResponse | Exception) -> None:
        self._lab = lab
        self._answers = list(answers)
        self.asked: list[tuple[float, HttpRequest]] = []
        self.is_closed = False

    async def send(self, request: HttpRequest) -> DurableHttpResponse:
        self.asked.append((self._lab.clock.monotonic(), request))
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def close(self) -> None:
        self.is_closed = True

    @property
    def gaps(self) -> list[float]:
        """Whole seconds from one request to the next."""
        times = [time for time, _ in self.asked]
        return [round(after - before) for before, after in pairwise(times)]


def answer(status: int, content: str = "", **headers: str) -> DurableHttpResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return DurableHttpResponse.of(status, named, content)


def calling(**options: Any) -> Callable[[Any], Steps]:
    def call(context: Any) -> Steps:
        return (yield context.call_http("POST", START, {"a": 1}, **options))

    return call


async def actor_with(lab: Lab, web: ScriptedWeb) -> Actor:
    actor = await lab.actor()
    actor.engine = Engine(actor.hub, lab.registry, lab.clock, lab.engine_settings, http=web)
    return actor


async def played(
    *answers: DurableHttpResponse | Exception, poll_seconds: float = 30.0, **options: Any
) -> tuple[Lab, ScriptedWeb]:
    lab = Lab(calling(**options), settings=EngineSettings(http_poll_seconds=poll_seconds))
    web = ScriptedWeb(lab, *answers)
    actor = await actor_with(lab, web)
    await lab.start("call")
    await actor.drain()
    await actor.engine.close()
    assert web.is_closed
    assert not actor.refused
    return lab, web


@in_virtual_time
async def test_polls_wait_as_the_server_says() -> None:
    lab, web = await played(
        answer(202, Location="/jobs/1", Retry_After="120"),
        answer(202, Location="/jobs/1"),
        answer(202, Location="/jobs/2", Retry_After="0"),
        answer(200, "done", Server="s"),
        poll_seconds=45,
    )
    assert await lab.output() == {"statusCode": 200, "headers": {"Server": "s"}, "content": "done"}
    assert web.gaps == [pytest.approx(120, abs=2), pytest.approx(45, abs=2), 0]
    assert [(each.method, each.uri) for _, each in web.asked] == [
        ("POST", START),
        ("GET", f"{START}/1"),
        ("GET", f"{START}/1"),
        ("GET", f"{START}/2"),
    ]
    events = await lab.events()
    assert sum(isinstance(event, TimerFired) for event in events) == 3
    assert sum(isinstance(event, TaskCompleted) for event in events) == 4


@in_virtual_time
async def test_a_process_that_takes_over_goes_on_polling() -> None:
    """Every turn in another process: nothing is remembered but the history."""
    lab = Lab(calling())
    web = ScriptedWeb(
        lab,
        answer(202, Location="/jobs/1", Retry_After="60"),
        answer(202, Location="/jobs/1", Retry_After="60"),
        answer(200, "done"),
    )
    await lab.start("call")
    while not await lab.empty():
        actor = await actor_with(lab, web)
        await actor.deliver()
        await actor.engine.close()
        await lab.clock.sleep(20)
    assert (await lab.output())["content"] == "done"
    assert len(web.asked) == 3


@in_virtual_time
async def test_a_job_of_days_costs_nothing_while_it_waits() -> None:
    lab = Lab(calling())
    web = ScriptedWeb(lab, answer(202, Location="/j", Retry_After=str(7 * 86400)), answer(200, "x"))
    actor = await actor_with(lab, web)
    await lab.start("call")
    while not await lab.empty():
        await actor.deliver()
        await lab.clock.sleep(3600)
    await actor.engine.close()
    assert (await lab.output())["content"] == "x"
    assert web.gaps == [pytest.approx(7 * 86400, abs=4 * 3600)]
    assert web.gaps[0] >= 7 * 86400


@in_virtual_time
async def test_no_answer_fails_the_call() -> None:
    lab, _ = await played(HttpCallFailed(f"POST {START} got no answer: x."))
    assert await lab.output() == FAILED + f"POST {START} got no answer: x."


@in_virtual_time
async def test_refused_answers_are_tried_again() -> None:
    lab, web = await played(
        answer(503),
        TimeoutError("slow"),
        answer(404, "gone"),
        retry_options=RetryOptions(10_000, 5, backoff_coefficient=2),
        status_codes_to_retry=[503],
    )
    assert (await lab.output())["content"] == "gone"
    assert web.gaps == [pytest.approx(10, abs=2), pytest.approx(20, abs=2)]
    failures = [event for event in await lab.events() if isinstance(event, TaskFailed)]
    assert [event.reason for event in failures] == [f"POST {START} answered 503.", "slow"]


@in_virtual_time
async def test_the_last_refused_answer_is_a_failure() -> None:
    lab, _ = await played(answer(500), answer(418), retry_options=RetryOptions(1000, 2))
    assert await lab.output() == FAILED + f"POST {START} answered 418."


@in_virtual_time
async def test_the_request_in_a_message_that_is_none_is_a_failure_of_the_call() -> None:
    lab = Lab(calling())
    web = ScriptedWeb(lab)
    actor = await actor_with(lab, web)
    await lab.start("call")
    await actor.deliver()
    ((message, _),) = await lab.queued(lab.hub.names.work_items)
    scheduled = message.event
    assert isinstance(scheduled, TaskScheduled)
    (held,) = await lab.account.queues.get(lab.hub.names.work_items, count=1, lease_seconds=60)
    await lab.account.queues.delete(lab.hub.names.work_items, held.id, held.pop_receipt)
    bad = TaskScheduled(
        timestamp=scheduled.timestamp, event_id=0, name="builtin::httpactivity", input='["x"]'
    )
    await lab.put(
        lab.event(bad, execution_id=message.target.execution_id), queue=lab.hub.names.work_items
    )
    await actor.drain()
    await actor.engine.close()
    assert await lab.output() == FAILED + "ValueError: The HTTP request is no JSON object."
    assert web.asked == []


@in_virtual_time
async def test_the_activity_cannot_be_called_by_its_name() -> None:
    def call(context: Any) -> Steps:
        with pytest.raises(UnknownFunction):
            yield context.call_activity("BuiltIn::HttpActivity", {})
        return "told"

    lab = Lab(call)
    actor = await lab.actor()
    await lab.start("call")
    await actor.drain()
    await actor.engine.close()
    assert await lab.output() == "told"


async def test_the_engine_sends_real_requests() -> None:
    async def handler(request: aiohttp.web.Request) -> aiohttp.web.Response:
        text = (await request.text()) + request.headers["X-A"] * 200_000
        return aiohttp.web.Response(text=text)

    async with serving(handler) as server:

        def call(context: Any) -> Steps:
            response = yield context.call_http(
                "PUT",
                f"{server.base}/x",
                {"a": 1},
                {"X-A": "!"},
                timeout=timedelta(seconds=30),
            )
            return [response.status_code, response["content"]]

        lab = Lab(call)
        actor = await lab.actor()
        await lab.start("call")
        while not await lab.empty():
            await actor.deliver()
        await actor.engine.close()
        assert await lab.output() == [200, '{"a":1}' + "!" * 200_000]  # through a blob
