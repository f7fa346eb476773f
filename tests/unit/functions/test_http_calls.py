"""What the app's settings make of call_http."""

from __future__ import annotations

import sys
from collections.abc import Generator
from typing import Any

import pytest

import durable as df
from durable.client import Client
from durable.functions.config import config_from
from durable.functions.opening import HubOpening
from durable.functions.owner import Services
from durable.hostjson import HostJson, parse_host_json
from durable.model.status import RuntimeStatus
from tests.hub_lab import Lab, in_virtual_time

HOST_JSON = """{"extensions": {
  "queues": {"messageEncoding": "none"},
  "durableTask": {
    "hubName": "Lab",
    "storageProvider": {"partitionCount": 1},
    "httpSettings": {"defaultAsyncRequestSleepTimeMilliseconds": 1500}
  }
}}"""


def services_of(lab: Lab) -> Services:
    async def sibling(task_hub: str | None, connection: str | None) -> Client:
        raise AssertionError

    host: HostJson = parse_host_json(HOST_JSON, {})
    opening = HubOpening({}, lab.clock, lambda environ, name: lab.account)
    return opening.services(config_from(host), lab.registry, (), sibling)


@in_virtual_time
async def test_the_time_between_polls_is_the_settings() -> None:
    assert services_of(Lab()).engine.settings.http_poll_seconds == 1.5


def test_tokens_come_from_azure_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "azure.identity.aio", None)

    def call(context: Any) -> Generator[Any, Any, None]:
        source = df.ManagedIdentityTokenSource("https://vault.azure.net")
        with pytest.raises(df.BadConfig, match=r"install 'durable\[identity\]'"):
            yield context.call_http("GET", "https://host.invalid", token_source=source)

    @in_virtual_time
    async def run() -> None:
        lab = Lab(call)
        actor = await lab.actor()
        actor.engine = services_of(lab).engine
        await lab.start("call")
        await actor.drain()
        await actor.engine.close()
        assert (await lab.row()).status is RuntimeStatus.COMPLETED

    run()
