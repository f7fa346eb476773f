"""call_http in a real process: another service's job, followed to its end."""

from __future__ import annotations

import pytest
from aiohttp import web

from durable.hub.taskhub import TaskHub
from durable.model.events import TaskCompleted, TimerFired
from tests.acceptance.conftest import MakeHost
from tests.acceptance.local_host import UNTIDY, Browser
from tests.unit.runtime.web import serving

pytestmark = [pytest.mark.azurite, pytest.mark.slow]


@pytest.mark.timeout(60)
async def test_a_job_is_followed_to_its_end(
    make_host: MakeHost, browser: Browser, hub: TaskHub
) -> None:
    looks = 0

    async def service(request: web.Request) -> web.Response:
        nonlocal looks
        if request.method == "POST":
            headers = {"Location": "/jobs/1?x=%2B", "Retry-After": "1"}
            return web.Response(status=202, headers=headers)
        looks += 1
        if looks == 1:
            headers = {"Location": f"/jobs/1?look={looks}", "Retry-After": "0"}
            return web.Response(status=202, headers=headers)
        return web.Response(text="done")

    async with serving(service) as server:
        host = make_host()
        await host.start()
        started = await browser.post(
            f"{host.api}/orchestrators/Fetch", json=f"{server.base}/jobs?code=secret"
        )
        done = await browser.follow(started.json["statusQueryGetUri"], seconds=30)
        assert (done.json["runtimeStatus"], done.json["output"]) == ("Completed", [200, "done"])
        assert await host.stop() == 0
    assert [(each.method, each.path, each.header("X-Job")) for each in server.asked] == [
        ("POST", "/jobs?code=secret", "1"),
        ("GET", "/jobs/1?x=%2B", "1"),
        ("GET", "/jobs/1?look=1", "1"),
    ]
    assert server.asked[0].body == b'{"job":1}'
    history = await hub.history.load(started.json["id"])
    events = [stored.event for stored in history.events]
    assert sum(isinstance(event, TaskCompleted) for event in events) == 3
    assert sum(isinstance(event, TimerFired) for event in events) == 2
    assert "secret" not in host.log
    assert not [word for word in UNTIDY if word in host.log]
