"""Payloads of every kind through the whole system: large, failing, not JSON; and purging them."""

from __future__ import annotations

import io
import json

import pytest

from durable.hub.purging import purge_instance
from durable.hub.taskhub import TaskHub
from tests.acceptance.conftest import MakeHost
from tests.acceptance.local_host import SAMPLE, Browser, LocalHost

pytestmark = [pytest.mark.azurite, pytest.mark.slow]

LARGE = {"text": "Zürich, 東京 \U0001f600 " * 250_000}


@pytest.mark.timeout(40)
async def test_five_megabytes_go_through_and_can_be_purged(
    host: LocalHost, browser: Browser, hub: TaskHub
) -> None:
    assert len(LARGE["text"].encode()) > 5_000_000
    body = io.BytesIO(json.dumps(LARGE).encode())
    started = await browser.post(f"{host.api}/orchestrators/Echo/large", data=body)
    assert started.status == 202
    done = await browser.follow(started.json["statusQueryGetUri"], seconds=30)
    assert done.json["runtimeStatus"] == "Completed"
    assert done.json["input"] == LARGE
    assert done.json["output"] == LARGE

    blobs = await hub.payloads.names_of("large")
    assert blobs
    assert all(name.startswith("large/") for name in blobs)
    assert await purge_instance(hub, "large")
    assert await hub.payloads.names_of("large") == []
    assert (await browser.get(started.json["statusQueryGetUri"])).status == 404
    listed = await browser.get(f"{host.api}/instances")
    assert listed.json == []


@pytest.mark.timeout(40)
async def test_the_sample_app_takes_five_megabytes(
    make_host: MakeHost, browser: Browser, hub: TaskHub
) -> None:
    host = make_host(SAMPLE)
    await host.start()
    body = io.BytesIO(json.dumps(LARGE).encode())
    started = await browser.post(f"{host.url}/OrchestratorFunction_HttpStart", data=body)
    assert started.status == 202
    done = await browser.follow(started.json["statusQueryGetUri"] + "&showInput=false", seconds=30)
    assert done.json["output"] == ["Hello Tokyo!", "Hello Seattle!", "Hello London!"]
    whole = await browser.get(started.json["statusQueryGetUri"])
    assert whole.json["input"] == LARGE
    assert await hub.payloads.names_of(started.json["id"])


@pytest.mark.timeout(30)
async def test_failures_are_told_to_the_orchestrator_and_to_the_caller(
    host: LocalHost, browser: Browser
) -> None:
    start = f"{host.api}/orchestrators"
    caught = await browser.post(f"{start}/Careful", json="twelve")
    passed = await browser.post(f"{start}/Careless", json="twelve")
    unspeakable = await browser.post(f"{start}/Unspeakable")

    done = await browser.follow(caught.json["statusQueryGetUri"])
    assert done.json["runtimeStatus"] == "Completed"
    assert done.json["output"].startswith("caught ")
    assert "invalid literal for int()" in done.json["output"]

    done = await browser.follow(passed.json["statusQueryGetUri"])
    assert (done.status, done.json["runtimeStatus"]) == (200, "Failed")
    assert "invalid literal for int()" in done.json["output"]
    assert "to_number" in done.json["output"]
    as_error = "&returnInternalServerErrorOnFailure=true"
    assert (await browser.get(passed.json["statusQueryGetUri"] + as_error)).status == 500

    done = await browser.follow(unspeakable.json["statusQueryGetUri"])
    assert (done.status, done.json["runtimeStatus"]) == (200, "Failed")
    # What was no JSON, and where.
    assert "object" in done.json["output"]
    assert "here" in done.json["output"]
    assert "it is" in done.json["output"]
