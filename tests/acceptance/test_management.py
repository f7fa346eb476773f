"""The management API through HTTP: starts, lists, histories, and what it refuses."""

from __future__ import annotations

import asyncio

import pytest
from yarl import URL

from tests.acceptance.conftest import MakeHost
from tests.acceptance.local_host import SAMPLE, Browser, LocalHost

pytestmark = [pytest.mark.azurite, pytest.mark.slow]

#: Of an app without entities, and what they answer.
OF_ENTITIES = [
    ("GET", "entities", 200),
    ("GET", "entities/counter", 200),
    ("GET", "entities/counter/one", 404),
    ("POST", "entities/counter/one", 400),
    ("DELETE", "entities/counter/one", 400),
]
UNDECLARED = [
    ("PUT", "instances/some"),
    ("PUT", "instances/some/terminate"),
    ("GET", "orchestrators/Echo"),
    ("PATCH", "instances"),
    ("GET", "nothing"),
]
#: As they are written in a URL.
BAD_IDS = ["a%2Fb", "a%5Cb", "a%23b", "a%3Fb", "a%01b", "a%7Fb", "@an@entity", "x" * 257]


@pytest.mark.timeout(30)
async def test_bad_requests_are_refused_with_the_reason(host: LocalHost, browser: Browser) -> None:
    start = f"{host.api}/orchestrators"
    for body in ("{bad", '"open', "[1,]", "\xff"):
        refused = await browser.post(f"{start}/Echo", data=body.encode("latin-1"))
        assert refused.status == 400, body
        assert refused.json["Message"] == "Invalid JSON content"

    unknown = await browser.post(f"{start}/Ecko")
    assert unknown.status == 400
    assert "Did you mean 'Echo'?" in unknown.json["ExceptionMessage"]

    for bad in BAD_IDS:
        refused = await browser.call("POST", encoded(f"{start}/Echo/{bad}"))
        assert refused.status == 400, bad
        assert "nstance id" in refused.json["ExceptionMessage"], bad
    dots = await browser.call("POST", encoded(f"{start}/Echo/%2E%2E"))
    assert dots.status in {400, 404}

    document = await browser.get(f"{host.api}/openapi.json")
    assert document.status == 200
    assert document.json["servers"] == [{"url": host.api}]
    assert (await browser.post(f"{host.api}/makeprimary")).status == 200

    overlooked = await browser.get(f"{host.api}/instances?createdTimeFrom=yesterday")
    assert overlooked.status == 200
    assert overlooked.headers["x-durable-ignored"].startswith("createdTimeFrom is 'yesterday'")

    for method, path, status in OF_ENTITIES:
        answer = await browser.call(method, f"{host.api}/{path}")
        assert answer.status == status, (method, path)
        assert status != 400 or "No entity function is named 'counter'" in answer.json["Message"]
    for method, path in UNDECLARED:
        assert (await browser.call(method, f"{host.api}/{path}")).status == 404, path
    assert (await browser.get(f"{host.api}/instances/nobody")).status == 404
    assert (await browser.get(f"{host.api}/instances?taskHub=Other")).status == 400


@pytest.mark.timeout(30)
async def test_an_id_that_still_runs_is_refused_and_may_be_used_again_at_its_end(
    host: LocalHost, browser: Browser
) -> None:
    url = f"{host.api}/orchestrators/Long/mine"
    first = await browser.post(url, json=2)
    assert (first.status, first.json["id"]) == (202, "mine")
    again = await browser.post(url, json=0)
    assert again.status == 409
    assert "already exists" in again.json["Message"]

    done = await browser.follow(first.json["statusQueryGetUri"])
    assert (done.json["runtimeStatus"], done.json["input"]) == ("Completed", 2)
    after = await browser.post(url, json=0)
    assert after.status == 202
    done = await browser.follow(after.json["statusQueryGetUri"])
    assert (done.json["output"], done.json["input"]) == ("at last", 0)


@pytest.mark.timeout(30)
async def test_instances_are_listed_page_by_page_and_with_their_history(
    host: LocalHost, browser: Browser
) -> None:
    ids = [f"list-{number}" for number in range(5)]
    async with asyncio.TaskGroup() as tasks:
        for each in ids:
            tasks.create_task(browser.post(f"{host.api}/orchestrators/Echo/{each}", json=each))
    other = await browser.post(f"{host.api}/orchestrators/Echo/other", json=1)
    for each in (*ids, "other"):
        done = await browser.follow(f"{host.api}/instances/{each}")
        assert done.json["runtimeStatus"] == "Completed"

    listed: list[str] = []
    token, pages = "", 0
    while token or not pages:
        page = await browser.get(
            f"{host.api}/instances",
            params={"top": "2", "instanceIdPrefix": "list-", "runtimeStatus": "Completed"},
            headers={"x-ms-continuation-token": token} if token else {},
        )
        assert page.status == 200
        assert len(page.json) <= 2
        listed += [one["instanceId"] for one in page.json]
        token, pages = page.headers["x-ms-continuation-token"], pages + 1
    assert listed == ids
    assert pages == 3
    everything = await browser.get(f"{host.api}/instances")
    assert {one["instanceId"]: one["output"] for one in everything.json} == {
        **{each: each for each in ids},
        "other": 1,
    }
    assert (await browser.get(f"{host.api}/instances?runtimeStatus=Failed")).json == []

    status = other.json["statusQueryGetUri"]
    assert "historyEvents" not in (await browser.get(status)).json
    shown = await browser.get(f"{status}&showHistory=true&showHistoryOutput=true")
    events = shown.json["historyEvents"]
    assert [event["EventType"] for event in events] == [
        "ExecutionStarted",
        "TaskCompleted",
        "ExecutionCompleted",
    ]
    assert events[1]["FunctionName"] == "echo"
    assert events[1]["Result"] == 1


@pytest.mark.timeout(30)
async def test_the_sample_app_refuses_bad_json_and_undeclared_methods(
    make_host: MakeHost, browser: Browser
) -> None:
    host = make_host(SAMPLE)
    await host.start()
    url = f"{host.url}/OrchestratorFunction_HttpStart"
    bad = await browser.post(url, data=b"{bad")
    assert (bad.status, bad.text) == (400, "The request's body is not JSON.")
    for method in ("PUT", "DELETE", "PATCH", "HEAD"):
        assert (await browser.call(method, url)).status == 404, method
    unknown = await browser.post(f"{host.api}/orchestrators/OrchestratorFunktion")
    assert unknown.status == 400
    assert "Did you mean 'OrchestratorFunction'" in unknown.json["ExceptionMessage"]


def encoded(url: str) -> URL:
    """`url` as it is: aiohttp would tidy it up."""
    return URL(url, encoded=True)
