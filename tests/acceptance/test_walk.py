"""The walk of a newcomer, with the sample app: a start, its links, its end."""

from __future__ import annotations

import json
import re

import pytest

from durable.hub.taskhub import TaskHub
from durable.model.events import TaskCompleted, TaskScheduled
from tests.acceptance.conftest import MakeHost
from tests.acceptance.local_host import SAMPLE, UNTIDY, Browser

pytestmark = [pytest.mark.azurite, pytest.mark.slow]

HELLOS = ["Hello Tokyo!", "Hello Seattle!", "Hello London!"]
LINKS = {
    "statusQueryGetUri": "",
    "sendEventPostUri": "/raiseEvent/{eventName}",
    "terminatePostUri": "/terminate?reason={text}",
    "rewindPostUri": "/rewind?reason={text}",
    "purgeHistoryDeleteUri": "",
    "restartPostUri": "/restart",
    "suspendPostUri": "/suspend?reason={text}",
    "resumePostUri": "/resume?reason={text}",
}


@pytest.mark.timeout(40)
async def test_the_walk(make_host: MakeHost, browser: Browser, hub: TaskHub) -> None:
    host = make_host(SAMPLE)
    await host.start()
    log = await host.logged("durable_workitems")
    url = f"{host.url}/OrchestratorFunction_HttpStart"
    assert f"OrchestratorFunction_HttpStart: [GET,POST] http://localhost:{host.port}/api/" in log

    started = await browser.get(url)
    assert started.status == 202
    assert started.headers["Content-Type"] == "application/json"
    assert started.headers["Location"] == started.json["statusQueryGetUri"]
    assert started.headers["Retry-After"] == "10"
    instance_id = started.json["id"]
    assert re.fullmatch("[0-9a-f]{32}", instance_id)
    assert set(started.json) == {"id", *LINKS}
    for member, path in LINKS.items():
        link = started.json[member]
        assert link.startswith(f"{host.api}/instances/{instance_id}{path}"), member
        assert f"taskHub={host.hub}&connection=Storage" in link
        assert "code=" not in link  # as with func start: no key on a developer's machine

    running = await browser.get(started.json["statusQueryGetUri"])
    assert running.status == 202
    assert running.json["runtimeStatus"] in {"Pending", "Running"}
    assert running.json["output"] is None
    assert running.headers["Location"] == started.json["statusQueryGetUri"]
    assert running.headers["Retry-After"] == "5"

    done = await browser.follow(started.json["statusQueryGetUri"])
    assert done.status == 200
    assert done.json["name"] == "OrchestratorFunction"
    assert done.json["instanceId"] == instance_id
    assert done.json["runtimeStatus"] == "Completed"
    assert done.json["output"] == HELLOS
    assert done.json["input"] is None

    # The account's contents, as Storage Explorer shows them.
    row = await hub.instances.read(instance_id)
    assert row is not None
    assert row.output == json.dumps(HELLOS, separators=(",", ":"))
    history = await hub.history.load(instance_id)
    asked = [s.event.event_id for s in history.events if isinstance(s.event, TaskScheduled)]
    answered = [s.event.task_id for s in history.events if isinstance(s.event, TaskCompleted)]
    assert asked == answered == [0, 1, 2]

    # The same with async and await, and with a JSON body as input.
    posted = await browser.post(f"{host.url}/AsyncOrchestrator_HttpStart", json={"from": [1, "ü"]})
    assert posted.status == 202
    done = await browser.follow(posted.json["statusQueryGetUri"])
    assert (done.json["name"], done.json["output"]) == ("AsyncOrchestrator", HELLOS)
    assert done.json["input"] == {"from": [1, "ü"]}
    hidden = await browser.get(posted.json["statusQueryGetUri"] + "&showInput=false")
    assert hidden.json["input"] is None

    assert await host.stop() == 0
    assert not [word for word in UNTIDY if word in host.log]


@pytest.mark.timeout(150)
async def test_a_fan_out_of_a_thousand_and_counts_that_are_refused(
    make_host: MakeHost, browser: Browser, hub: TaskHub
) -> None:
    host = make_host(SAMPLE)
    await host.start()
    url = f"{host.url}/FanOutFunction_HttpStart"
    for count in ("0", "abc", "10001", "-1", "1.5", " 1"):
        refused = await browser.get(url, params={"count": count})
        assert refused.status == 400, count
        assert refused.text == "count must be a whole number, 1 to 10000."

    five = await browser.get(url)
    thousand = await browser.get(url, params={"count": "1000"})
    assert (five.status, thousand.status) == (202, 202)
    done = await browser.follow(five.json["statusQueryGetUri"], seconds=60)
    assert done.json["output"] == [f"Hello number {number}!" for number in range(1, 6)]
    done = await browser.follow(thousand.json["statusQueryGetUri"], seconds=120, pause=0.5)
    assert done.json["runtimeStatus"] == "Completed"
    assert done.json["output"] == [f"Hello number {number}!" for number in range(1, 1001)]

    history = await hub.history.load(thousand.json["id"])
    asked = [s.event.event_id for s in history.events if isinstance(s.event, TaskScheduled)]
    answered = [s.event.task_id for s in history.events if isinstance(s.event, TaskCompleted)]
    assert asked == list(range(1000))
    assert sorted(answered) == asked
    assert await host.stop() == 0
    assert not [word for word in UNTIDY if word in host.log]
