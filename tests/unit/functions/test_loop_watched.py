"""Where an app's engine runs, its loop is watched; not where time is simulated, or if it is off."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections.abc import Generator
from typing import Any

import pytest

import durable as df
from durable.authoring.registry import Registry
from durable.clock import Clock, SystemClock
from durable.functions.config import config_from
from durable.functions.opening import HubOpening
from durable.functions.owner import Owner
from durable.functions.working import running_worker
from durable.hostjson import parse_host_json
from durable.storage.memory import MemoryAccount
from tests.hub_lab import in_virtual_time
from tests.simulation.simloop import SimClock

pytestmark = pytest.mark.slow


def watches() -> int:
    return sum(each.name == "durable-loop-watch" for each in threading.enumerate())


def host_json(**settings: object) -> dict[str, object]:
    return {"version": "2.0", "extensions": {"durableTask": {"hubName": "Mine", **settings}}}


def make_app() -> df.DFApp:
    app = df.DFApp()

    @app.orchestration_trigger(context_name="context")
    def Sleeps(context: df.DurableOrchestrationContext) -> Generator[Any, Any, str]:  # noqa: N802
        time.sleep(context.get_input())
        yield context.create_timer(context.current_utc_datetime)
        return "awake"

    return app


async def watches_in(clock: Clock, **settings: object) -> int:
    account = MemoryAccount(clock)
    async with running_worker(
        make_app(), environ={}, host_json=host_json(**settings), account=account, clock=clock
    ):
        return watches()


async def test_a_worker_s_loop_is_watched_while_it_runs() -> None:
    before = watches()
    assert await watches_in(SystemClock()) == before + 1
    assert watches() == before
    assert await watches_in(SystemClock(), loopBlockedSeconds=0) == before


async def test_a_functions_app_s_is_watched_from_its_first_message_on() -> None:
    before = watches()
    clock = SystemClock()
    owner = Owner(Registry(), HubOpening({}, clock, lambda *_: MemoryAccount(clock)))
    owner.configure(config_from(parse_host_json(json.dumps(host_json()), {})), ())
    owner.services()
    assert watches() == before
    owner.working()
    owner.working()
    assert watches() == before + 1
    await owner.close()
    assert watches() == before


@in_virtual_time
async def test_time_that_is_simulated_is_not_watched() -> None:
    before = watches()
    assert await watches_in(SimClock(1)) == before


async def test_an_orchestrator_that_blocks_is_named(caplog: pytest.LogCaptureFixture) -> None:
    clock = SystemClock()
    with caplog.at_level(logging.WARNING, logger="durable.loop"):
        async with running_worker(
            make_app(),
            environ={},
            host_json=host_json(),
            account=MemoryAccount(clock),
            clock=clock,
        ) as running:
            instance = await running.client.start_new("Sleeps", "i1", 1.6)
            status = await running.client.wait_for_orchestration_completion(instance, timeout=20)
            assert status.output == "awake"
            await asyncio.sleep(0)
    said = caplog.records[0].getMessage()
    assert "by orchestrator 'Sleeps' (instance 'i1')" in said
    assert "time.sleep(context.get_input())" in said
