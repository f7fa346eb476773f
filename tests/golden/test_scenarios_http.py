"""Recorded orchestrations that call HTTP, run by ours in memory and on Azurite.

The web is the recording: each request that was recorded is answered as it was recorded, and no
other is. So the requests in messages, their order and their times, the rows and the output are
what the Durable extension wrote, but for DIFFERENCES of all scenarios and those listed here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

import pytest

from durable.errors import HttpCallFailed
from durable.model.http import DurableHttpResponse, HttpRequest
from durable.model.retry import RetryOptions
from durable.wire.http_json import request_from, response_from
from tests.golden.account_dump import DATA, recorded
from tests.golden.scenario_differences import DIFFERENCES
from tests.golden.scenario_runs import Scenario, only_start
from tests.golden.test_scenarios import run_in_memory, run_on_azurite
from tests.simulation.simloop import run_simulation

Steps = Generator[Any, Any, Any]


class RecordedWeb:
    """Answers what was recorded, in the order it was."""

    def __init__(self, scenario: str) -> None:
        self._asked = [request_from(json.loads(text)[0]) for text in recorded_inputs(scenario)]
        self._answers = [response_from(json.loads(text)) for text in recorded_results(scenario)]
        self.sent: list[HttpRequest] = []

    async def send(self, request: HttpRequest) -> DurableHttpResponse:
        number = len(self.sent)
        self.sent.append(request)
        if self._asked[number] != request:
            raise HttpCallFailed(f"the recorded request was another: {self._asked[number]}")
        return self._answers[number]

    async def close(self) -> None:
        assert len(self.sent) == len(self._asked)


def recorded_inputs(scenario: str) -> list[str]:
    lines = (DATA / scenario / "messages.ndjson").read_text(encoding="utf-8").splitlines()
    texts = [json.loads(json.loads(line)["text"]) for line in lines]
    events = [text["TaskMessage"]["Event"] for text in texts]
    return [event["Input"] for event in events if event.get("Name") == "BuiltIn::HttpActivity"]


def recorded_results(scenario: str) -> list[str]:
    raw = recorded(scenario).raw
    rows = raw["tables"][f"{raw['hub']}History"]
    return [
        row["Result"] for row in rows if row["RowKey"] != "sentinel" and "TaskScheduledId" in row
    ]


def base_of(scenario: str) -> str:
    uri: str = json.loads(recorded_inputs(scenario)[0])[0]["uri"]
    return uri.partition("/svc")[0]


def shown(response: DurableHttpResponse) -> dict[str, Any]:
    return {"status": response["statusCode"], "content": response["content"]}


def call_http(scenario: str) -> Callable[[Any], Steps]:
    def steps(context: Any) -> Steps:
        uri = base_of(scenario) + context.get_input()
        response = yield context.call_http("GET", uri, "body text", is_raw_str=True)
        return {**shown(response), "ct": response["headers"].get("Content-Type")}

    return steps


def call_http_full(scenario: str) -> Callable[[Any], Steps]:
    def steps(context: Any) -> Steps:
        response = yield context.call_http(
            "POST",
            base_of(scenario) + "/svc/echo",
            {"a": 1},
            {"X-Test": "1", "Content-Type": "application/json"},
            retry_options=RetryOptions(1000, 3),
        )
        return shown(response)

    return steps


def oop_http(scenario: str, **options: Any) -> Callable[[Any], Steps]:
    def steps(context: Any) -> Steps:
        response = yield context.call_http("GET", base_of(scenario) + "/svc/async?n=2", **options)
        return json.dumps(response, separators=(",", ":"))

    return steps


@dataclass(frozen=True, kw_only=True)
class Played:
    """A recorded scenario: its instance, and its orchestrator under its name."""

    instance_id: str
    name: str
    orchestrator: Callable[[str], Callable[[Any], Steps]]
    value: str | None = None


SCENARIOS: dict[str, Played] = {
    "extension/call_http_404": Played(
        instance_id="http3", name="call_http", orchestrator=call_http, value="/svc/status/404"
    ),
    "extension/call_http_500": Played(
        instance_id="http4", name="call_http", orchestrator=call_http, value="/svc/status/500"
    ),
    "extension/call_http_polling": Played(
        instance_id="http1", name="call_http", orchestrator=call_http, value="/svc/async?n=2"
    ),
    "extension/call_http_post": Played(
        instance_id="http2", name="call_http_full", orchestrator=call_http_full
    ),
    "extension/sim_oop_http": Played(
        instance_id="oop_http",
        name="oop_http",
        orchestrator=lambda scenario: oop_http(scenario, asynchronous_pattern_enabled=False),
    ),
    "extension/sim_oop_http_pattern": Played(
        instance_id="oop_http_pattern", name="oop_http_pattern", orchestrator=oop_http
    ),
}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: f"{scenario}-memory")
def test_a_scenario_leaves_what_was_recorded(scenario: str) -> None:
    found = run_simulation(run_in_memory(scenario, app(scenario), RecordedWeb(scenario)))
    assert found - DIFFERENCES.keys() == set()
    assert found >= CALLED


@pytest.mark.azurite
@pytest.mark.slow
@pytest.mark.parametrize(
    "scenario",
    # The one left out polls as call_http_polling does.
    [each for each in SCENARIOS if each != "extension/sim_oop_http_pattern"],
    ids=lambda scenario: f"{scenario}-azurite",
)
async def test_a_scenario_leaves_what_was_recorded_on_azurite(
    scenario: str, azurite_connection_string: str
) -> None:
    web = RecordedWeb(scenario)
    found = await run_on_azurite(scenario, app(scenario), azurite_connection_string, web)
    assert found - DIFFERENCES.keys() == set()
    assert found >= CALLED


#: What every one of them differs in, so that something was compared.
CALLED = {("History", "TaskScheduled", "Input", "ours only")}


def app(scenario: str) -> Scenario:
    played = SCENARIOS[scenario]
    return Scenario(
        orchestrators={played.name: played.orchestrator(scenario)},
        client=only_start(played.name, played.instance_id, played.value),
    )
