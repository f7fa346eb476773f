"""What operators do to instances, through HTTP and through an app's client."""

from __future__ import annotations

import asyncio

import pytest

from durable.hub.taskhub import TaskHub
from tests.acceptance.instances import check_no_quarantine, check_queues_are_empty, rows_of
from tests.acceptance.local_host import Answer, Browser, LocalHost

pytestmark = [pytest.mark.azurite, pytest.mark.slow]

EVERYTHING = "createdTimeFrom=2000-01-01T00:00:00Z"


async def start(browser: Browser, host: LocalHost, instance_id: str, events: int = 1) -> Answer:
    """An instance that waits; the answer to its start."""
    started = await browser.post(f"{host.api}/orchestrators/Waiter/{instance_id}", json=events)
    assert started.status == 202
    await shown(browser, host, instance_id, "Running")
    return started


async def shown(
    browser: Browser, host: LocalHost, instance_id: str, status: str, seconds: float = 15.0
) -> Answer:
    """The instance's status, once it is `status`."""
    url = f"{host.api}/instances/{instance_id}?showHistory=true"
    async with asyncio.timeout(seconds):
        while (answer := await browser.get(url)).json["runtimeStatus"] != status:
            await asyncio.sleep(0.05)
    return answer


@pytest.mark.timeout(60)
async def test_events_reach_who_waits_and_nobody_else(
    host: LocalHost, browser: Browser, hub: TaskHub
) -> None:
    started = await start(browser, host, "a b", events=2)
    url = started.json["sendEventPostUri"]
    assert (await browser.post(url.replace("{eventName}", "other"), json="no")).status == 202
    assert (await browser.post(url.replace("{eventName}", "go"), json="Tokyo")).status == 202
    # Event names compare without case.
    assert (await browser.post(url.replace("{eventName}", "GO"), json="London")).status == 202
    done = await browser.follow(started.json["statusQueryGetUri"])
    assert done.json["runtimeStatus"] == "Completed"
    assert sorted(done.json["output"]) == ["Hello London!", "Hello Tokyo!"]

    go = f"{host.api}/instances/a%20b/raiseEvent/go"
    assert (await browser.post(go, json=1)).status == 410
    assert (await browser.post(go.replace("a%20b", "nobody"), json=1)).status == 404
    await start(browser, host, "w")
    go = go.replace("a%20b", "w")
    plain = await browser.post(go, data=b"1", headers={"Content-Type": "text/plain"})
    assert plain.status == 400
    assert plain.json["Message"] == "Only application/json request content is supported"
    bad = await browser.post(go, data=b"{bad", headers={"Content-Type": "application/json"})
    assert (bad.status, bad.json["Message"]) == (400, "Invalid JSON content")
    await check_queues_are_empty(hub, 10)
    await check_no_quarantine(hub)


@pytest.mark.timeout(60)
async def test_suspended_it_keeps_events_and_resumed_it_goes_on(
    host: LocalHost, browser: Browser
) -> None:
    started = await start(browser, host, "s")
    suspend = started.json["suspendPostUri"].replace("{text}", "a%20break")
    resume = started.json["resumePostUri"].replace("{text}", "go%20on")
    early = await browser.post(resume)
    assert early.status == 500
    assert "because instance is in the Running state." in early.json["ExceptionMessage"]

    assert (await browser.post(suspend)).status == 202
    held = await shown(browser, host, "s", "Suspended")
    assert (held.status, held.json["output"]) == (202, "a break")
    assert (await browser.post(suspend)).status == 500
    url = started.json["sendEventPostUri"].replace("{eventName}", "go")
    assert (await browser.post(url, json="Tokyo")).status == 202
    async with asyncio.timeout(10):
        while held.json["historyEvents"][-1]["EventType"] != "EventRaised":
            held = await shown(browser, host, "s", "Suspended")
    assert (await browser.post(resume)).status == 202
    done = await browser.follow(started.json["statusQueryGetUri"])
    assert (done.json["runtimeStatus"], done.json["output"]) == ("Completed", ["Hello Tokyo!"])
    for link in (suspend, resume):
        assert (await browser.post(link)).status == 410
        assert (await browser.post(link.replace("/s/", "/nobody/"))).status == 404


@pytest.mark.timeout(60)
async def test_terminated_it_has_ended_with_the_reason(host: LocalHost, browser: Browser) -> None:
    started = await start(browser, host, "t")
    terminate = started.json["terminatePostUri"].replace("{text}", "it%27s%20enough")
    assert (await browser.post(terminate)).status == 202
    done = await browser.follow(started.json["statusQueryGetUri"])
    assert (done.json["runtimeStatus"], done.json["output"]) == ("Terminated", "it's enough")
    assert (await browser.post(terminate)).status == 410
    assert (await browser.post(terminate.replace("/t/", "/nobody/"))).status == 404


@pytest.mark.timeout(60)
async def test_restarted_it_runs_again_under_a_new_id_or_its_own(
    host: LocalHost, browser: Browser
) -> None:
    first = await browser.post(f"{host.api}/orchestrators/Echo/e", json={"n": [1, "é"]})
    restart = first.json["restartPostUri"]
    assert (await browser.follow(first.json["statusQueryGetUri"])).status == 200
    again = await browser.post(restart)
    assert (again.status, again.headers["Retry-After"]) == (202, "10")
    assert again.json["id"] != "e"
    done = await browser.follow(again.json["statusQueryGetUri"])
    assert (done.json["name"], done.json["output"]) == ("Echo", {"n": [1, "é"]})

    waited = await browser.post(
        f"{restart}&restartWithNewInstanceId=false&timeout=10&pollingInterval=0.1"
    )
    assert (waited.status, waited.json) == (200, {"n": [1, "é"]})
    status = await browser.get(f"{host.api}/instances/e?showHistory=true")
    # How often the id was started before.
    assert status.json["historyEvents"][0]["Generation"] == 1

    await start(browser, host, "w")
    busy = await browser.post(f"{host.api}/instances/w/restart?restartWithNewInstanceId=false")
    assert busy.status == 409
    nobody = await browser.post(f"{host.api}/instances/nobody/restart")
    assert nobody.status == 400
    assert "does not match a valid orchestration instance" in nobody.json["Message"]


@pytest.mark.timeout(60)
async def test_rewound_it_goes_on_from_where_it_failed(
    host: LocalHost, browser: Browser, hub: TaskHub
) -> None:
    started = await browser.post(f"{host.api}/orchestrators/Fragile/f", json=2)
    rewind = started.json["rewindPostUri"].replace("{text}", "it%27s%20fixed")
    status = started.json["statusQueryGetUri"]
    failed = await browser.follow(status)
    assert failed.json["runtimeStatus"] == "Failed"
    assert "not this time" in failed.json["output"]
    rewound = await browser.post(rewind)
    assert (rewound.status, rewound.text) == (202, "")
    # Not even for a moment does it look failed still.
    assert (await browser.get(status)).json["runtimeStatus"] != "Failed"
    done = await browser.follow(status)
    output = ["Hello Tokyo!", "this time"]
    assert (done.json["runtimeStatus"], done.json["output"]) == ("Completed", output)
    child = await browser.get(f"{host.api}/instances/f-child-child?showHistory=true")
    assert child.json["output"] == output
    generic = [e for e in child.json["historyEvents"] if e["EventType"] == "GenericEvent"]
    assert [event["Data"] for event in generic] == [None, None, None, "it's fixed"]

    assert (await browser.post(rewind)).status == 410
    assert (await browser.post(rewind.replace("/f/", "/nobody/"))).status == 404
    busy = await start(browser, host, "busy")
    refused = await browser.post(busy.json["rewindPostUri"])
    assert refused.status == 409
    assert "only supported on failed orchestration instances" in refused.json["Message"]

    again = await browser.post(f"{host.api}/orchestrators/Fragile/g", json=0)
    assert (await browser.follow(again.json["statusQueryGetUri"])).json["runtimeStatus"] == "Failed"
    assert (await browser.post(f"{host.url}/operate/rewind/g")).status == 200
    assert (await browser.follow(again.json["statusQueryGetUri"])).json["output"] == output
    await check_no_quarantine(hub)


@pytest.mark.timeout(60)
async def test_purged_it_is_gone_and_what_runs_stays(
    host: LocalHost, browser: Browser, hub: TaskHub
) -> None:
    large = "x" * 100_000
    ended = {}
    for name in ("one", "two", "three"):
        started = await browser.post(f"{host.api}/orchestrators/Echo/{name}", json=large)
        ended[name] = started.json["purgeHistoryDeleteUri"]
        assert (await browser.follow(started.json["statusQueryGetUri"])).status == 200
    busy = await start(browser, host, "busy")

    gone = await browser.call("DELETE", ended["one"])
    assert (gone.status, gone.json) == (200, {"instancesDeleted": 1})
    assert (await browser.call("DELETE", ended["one"])).status == 404
    refused = await browser.call("DELETE", busy.json["purgeHistoryDeleteUri"])
    assert refused.status == 412
    assert "Terminate it first" in refused.json["Message"]

    many = f"{host.api}/instances"
    for query in ("", "?createdTimeFrom=rubbish", f"?{EVERYTHING}&runtimeStatus=Bogus"):
        assert (await browser.call("DELETE", many + query)).status == 400
    for query in ("createdTimeFrom=2100-01-01", f"{EVERYTHING}&runtimeStatus=Running"):
        assert (await browser.call("DELETE", f"{many}?{query}")).status == 404
    gone = await browser.call("DELETE", f"{many}?{EVERYTHING}")
    assert (gone.status, gone.json) == (200, {"instancesDeleted": 2})
    assert list(await rows_of(hub)) == ["busy"]
    blobs, _ = await hub.account.blobs.list_blobs(hub.names.large_messages, "")
    assert blobs == []

    # What was purged may be started again.
    started = await browser.post(f"{host.api}/orchestrators/Echo/one", json=1)
    assert (await browser.follow(started.json["statusQueryGetUri"])).json["output"] == 1
    forced = await browser.call("DELETE", f"{many}?{EVERYTHING}&force=true")
    assert forced.json == {"instancesDeleted": 2}
    assert await rows_of(hub) == {}


@pytest.mark.timeout(60)
async def test_the_app_s_client_does_the_same(host: LocalHost, browser: Browser) -> None:
    async def operate(what: str, instance_id: str, **body: object) -> Answer:
        return await browser.post(f"{host.url}/operate/{what}/{instance_id}", **body)

    await start(browser, host, "c", events=2)
    assert (await operate("suspend", "c")).status == 200
    held = await shown(browser, host, "c", "Suspended")
    assert held.json["output"] == "by the client"
    again = await operate("suspend", "c")
    assert again.status == 400
    assert "because instance is in the Suspended state." in again.text
    assert (await operate("raise", "c", json="Tokyo")).status == 200
    assert (await operate("resume", "c")).status == 200
    await shown(browser, host, "c", "Running")
    assert (await operate("raise", "c", json="London")).status == 200
    done = await browser.follow(f"{host.api}/instances/c")
    assert sorted(done.json["output"]) == ["Hello London!", "Hello Tokyo!"]

    late = await operate("raise", "c", json=1)
    assert late.status == 400
    assert "InstanceFinished: Instance with ID c is gone" in late.text
    # As with 1.7, the finished may be told what they can't do any more; nobody may not.
    for what in ("suspend", "resume", "terminate"):
        assert (await operate(what, "c")).status == 200
        assert "No instance with ID 'nobody' found." in (await operate(what, "nobody")).text

    assert (await operate("restart", "c")).json == "c"
    await shown(browser, host, "c", "Running")
    assert (await operate("terminate", "c")).status == 200
    done = await browser.follow(f"{host.api}/instances/c")
    assert (done.json["runtimeStatus"], done.json["output"]) == ("Terminated", "by the client")
    assert (await operate("purge", "many")).json == 1
    assert (await operate("purge", "many")).json == 0
