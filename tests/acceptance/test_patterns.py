"""The sample app's patterns that wait: a monitor on timers, a human on an event."""

from __future__ import annotations

import pytest

from durable.hub.taskhub import TaskHub
from durable.model.events import TaskCompleted, TaskScheduled, TimerCreated, TimerFired
from tests.acceptance.conftest import MakeHost
from tests.acceptance.local_host import SAMPLE, UNTIDY, Browser

pytestmark = [pytest.mark.azurite, pytest.mark.slow]


@pytest.mark.timeout(60)
async def test_a_monitor_looks_until_it_is_done(
    make_host: MakeHost, browser: Browser, hub: TaskHub
) -> None:
    host = make_host(SAMPLE)
    await host.start()
    started = await browser.get(f"{host.url}/Monitor_HttpStart")
    assert started.status == 202
    done = await browser.follow(started.json["statusQueryGetUri"], seconds=40)
    assert (done.json["runtimeStatus"], done.json["output"]) == ("Completed", "done at look 3")

    history = await hub.history.load(started.json["id"])
    kinds = (TaskScheduled, TaskCompleted, TimerCreated, TimerFired)
    events = [stored.event for stored in history.events if isinstance(stored.event, kinds)]
    look, wait = [TaskScheduled, TaskCompleted], [TimerCreated, TimerFired]
    assert [type(event) for event in events] == [*look, *wait, *look, *wait, *look]
    assert await host.stop() == 0
    assert not [word for word in UNTIDY if word in host.log]


@pytest.mark.timeout(60)
async def test_an_approval_waits_for_an_answer_but_not_for_ever(
    make_host: MakeHost, browser: Browser
) -> None:
    host = make_host(SAMPLE)
    await host.start()
    url = f"{host.url}/Approval_HttpStart"
    for seconds in ("0", "abc", "10001"):
        refused = await browser.get(url, params={"seconds": seconds})
        assert refused.status == 400, seconds
        assert refused.text == "seconds must be a whole number, 1 to 10000."

    for answer, output in ((True, "approved"), (False, "rejected"), ("yes", "rejected")):
        started = await browser.get(url)
        link = started.json["sendEventPostUri"].replace("{eventName}", "Approval")
        sent = await browser.post(link, json=answer)
        assert sent.status == 202, sent.text
        done = await browser.follow(started.json["statusQueryGetUri"])
        assert (done.json["runtimeStatus"], done.json["output"]) == ("Completed", output)
        assert done.json["input"] == 300

    started = await browser.get(url, params={"seconds": "1"})
    done = await browser.follow(started.json["statusQueryGetUri"])
    assert (done.json["runtimeStatus"], done.json["output"]) == ("Completed", "nobody answered")
    assert await host.stop() == 0
    assert not [word for word in UNTIDY if word in host.log]
