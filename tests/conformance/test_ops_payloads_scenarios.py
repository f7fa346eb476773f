"""8.7, rows 63, 64, 71, 72, 134, 136 and 140: large results, enums, inputs in history, links."""

from __future__ import annotations

import enum
import re
from collections.abc import Generator
from typing import Any

import pytest

import durable as df
from tests.conformance.conformance import conforms
from tests.conformance.stage import Stage, outcome

Steps = Generator[Any, Any, Any]

app = df.DFApp()
#: More than 60 KB of UTF-16: too much for a row and for a message.
BIG = "*" * 65_000
KEY = "a-key-of-ones-own"
#: An app in Azure, as the platform tells it.
SITE = {"WEBSITE_HOSTNAME": "app.example", "DURABLE_API_KEY": KEY}


class Level(enum.IntEnum):
    LOW = 0
    HIGH = 1


class Colour(enum.Enum):
    RED = "red"


@app.orchestration_trigger(context_name="context")
def big_string(context: df.DurableOrchestrationContext) -> str:
    return "*" * int(context.get_input())


@app.orchestration_trigger(context_name="context")
def big_string_of_activity(context: df.DurableOrchestrationContext) -> Steps:
    return (yield context.call_activity("make_string", context.get_input()))


@app.orchestration_trigger(context_name="context")
def enums(context: df.DurableOrchestrationContext) -> Steps:
    return (yield context.call_activity("both", [Level.HIGH, Colour.RED]))


@app.orchestration_trigger(context_name="context")
def two_greetings(context: df.DurableOrchestrationContext) -> Steps:
    yield context.call_activity("hello", "Tokyo")
    yield context.call_activity("hello", None)


@app.orchestration_trigger(context_name="context")
def hands_on(context: df.DurableOrchestrationContext) -> Steps:
    return (yield context.call_activity("take_links", context.get_input()))


@app.activity_trigger(input_name="length")
async def make_string(length: int) -> str:
    return "*" * length


@app.activity_trigger(input_name="values")
async def both(values: list[Any]) -> list[Any]:
    assert values == [1, "red"]
    return [Level(values[0]), Colour(values[1])]


@app.activity_trigger(input_name="name")
async def hello(name: str | None) -> str:
    return f"Hello, {name}!"


@app.activity_trigger(input_name="links")
async def take_links(links: dict[str, str]) -> str:
    return links["statusQueryGetUri"]


@conforms("dtfx-8.7-63", "dtfx-8.7-64")
async def test_a_large_result_is_fetched_for_whoever_looks(stage: Stage) -> None:
    async with stage.host(app) as host:
        for name in ("big_string", "big_string_of_activity"):
            assert outcome(await host.run(name, len(BIG), name)) == ("Completed", BIG)
            _, body = await host.http("GET", f"/instances/{name}")
            assert body["output"] == BIG


@conforms("dtfx-8.7-63", "dtfx-8.7-64")
async def test_a_large_result_is_shown_by_its_address_where_that_is_set(stage: Stage) -> None:
    storage = {"fetchLargeMessagesAutomatically": False}
    async with stage.host(app, storageProvider=storage) as host:
        for name in ("big_string", "big_string_of_activity"):
            status = await host.run(name, len(BIG), name)
            container = f"/{stage.hub_name.lower()}-largemessages/{name}/"
            assert container in status.output
            # What the address leads to is there.
            blob = status.output.partition(container)[2]
            assert f"{name}/{blob}" in await stage.blobs(f"{name}/")


@conforms("dtfx-8.7-134", "dtfx-8.7-136")
async def test_an_enum_is_written_as_its_value(stage: Stage) -> None:
    async with stage.host(app) as host:
        assert outcome(await host.run("enums", None, "i1")) == ("Completed", [1, "red"])
    row = await stage.row("i1")
    assert row is not None
    assert row.output == '[1,"red"]'


@conforms("dtfx-8.7-140")
async def test_inputs_of_activities_are_in_the_history(stage: Stage) -> None:
    async with stage.host(app) as host:
        await host.run("two_greetings", None, "i1")
        status = await host.client.get_status("i1", show_history=True)
        _, body = await host.http("GET", "/instances/i1?showHistory=true&showInput=true")
    for history in (status.history, body["historyEvents"]):
        assert history is not None
        called = [entry for entry in history if entry["EventType"] == "TaskCompleted"]
        assert [entry["Input"] for entry in called] == ['["Tokyo"]', "[null]"]


@conforms("dtfx-8.7-71")
async def test_an_activity_is_given_links_as_its_input(stage: Stage) -> None:
    # What upstream binds to an activity's parameter; here the starter passes them on.
    async with stage.host(app, environ=SITE) as host:
        links = host.client.create_http_management_payload("i1")
        status = await host.run("hands_on", links, "i1")
    assert outcome(status) == ("Completed", links["statusQueryGetUri"])


@conforms("dtfx-8.7-72")
async def test_the_links_that_manage_an_instance(stage: Stage) -> None:
    async with stage.host(app, environ=SITE) as host:
        links = host.client.create_http_management_payload("i1")
        response, body = await host.http(
            "POST", "/orchestrators/big_string/i1", 1, headers={"x-functions-key": KEY}
        )
        assert response.status == 202
        # Below the address that was asked, the same ones.
        there = "http://localhost:7071/"
        assert body == {
            name: link.replace("https://app.example/", there) for name, link in links.items()
        }
        await host.status_at_end("i1")
        for accepted, status in ((links["statusQueryGetUri"], 200), ("/instances/i1", 401)):
            path = accepted.replace("https://app.example/api/durabletask", "")
            assert (await host.http("GET", path))[0].status == status
    query = f"taskHub={stage.hub_name}&connection=Storage&code="
    at = "https://app.example/api/durabletask/instances/i1"
    found = {name: re.sub("code=[A-Za-z0-9_-]{20,}$", "code=", url) for name, url in links.items()}
    assert found == {
        "id": "i1",
        "statusQueryGetUri": f"{at}?{query}",
        "sendEventPostUri": f"{at}/raiseEvent/{{eventName}}?{query}",
        "terminatePostUri": f"{at}/terminate?reason={{text}}&{query}",
        "rewindPostUri": f"{at}/rewind?reason={{text}}&{query}",
        "purgeHistoryDeleteUri": f"{at}?{query}",
        "restartPostUri": f"{at}/restart?{query}",
        "suspendPostUri": f"{at}/suspend?reason={{text}}&{query}",
        "resumePostUri": f"{at}/resume?reason={{text}}&{query}",
    }


@conforms("dtfx-8.7-72")
async def test_who_has_no_address_is_told_how_to_get_links(stage: Stage) -> None:
    host = stage.client_host(app)
    await host.client.prepare()
    with pytest.raises(df.UsageError, match="notificationUrl"):
        host.client.create_http_management_payload("i1")
