"""Two processes on one hub: a fan-out of slow activities, and what is asked without affinity."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

import durable as df
from benchmarks.azurite import azurite, open_at
from benchmarks.measure.processes import environment, hosts, workers
from benchmarks.measure.spread import spread
from benchmarks.measure.stage import HUB, PATIENCE_SECONDS, quiet
from benchmarks.wire import Wire, wire_to
from durable.client import Client
from durable.clock import SystemClock
from durable.hub.settings import HubSettings
from durable.hub.taskhub import TaskHub
from durable.together import run_together

NAPS, LIMIT, PROCESSES = 200, 10, 2
IDEAL_SECONDS = NAPS / (PROCESSES * LIMIT)
_HELLOS, _AT_ONCE = 24, 8
_LOOK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Outside:
    """A client in a process of its own, which nobody counts."""

    client: Client
    hub: TaskHub

    async def ended(self, instance_id: str) -> object:
        """What an instance returned."""
        status = await self.client.wait_for_orchestration_completion(
            instance_id, timeout=PATIENCE_SECONDS, interval=_LOOK_SECONDS
        )
        if status.runtime_status is not df.OrchestrationRuntimeStatus.Completed:
            raise RuntimeError(f"{status.name} ended as {status.runtime_status}: {status.output}")
        return status.output


@asynccontextmanager
async def _outside(port: int) -> AsyncIterator[Outside]:
    account = open_at(port)
    hub = TaskHub(account, HubSettings(name=HUB), SystemClock())
    async with df.Client(account, hub=HUB) as client:
        yield Outside(client, hub)


async def slow_fan_out(*, quick: bool = False) -> dict[str, Any]:
    """200 activities of 1 s, as many as 10 at once in each process: workers, then local hosts."""
    limits = {"maxConcurrentActivityFunctions": str(LIMIT)}
    count = 40 if quick else NAPS
    found: dict[str, Any] = {}
    async with azurite() as port, _outside(port) as outside:
        environ = environment(port, HUB, limits)
        async with workers(PROCESSES, environ):
            await _shared(outside)
            found["workers"] = await _napped(outside, count)
    async with azurite() as port, _outside(port) as outside:
        environ = environment(port, HUB, limits)
        async with hosts(PROCESSES, environ) as urls:
            await _hello_through(urls, outside, 2 * PROCESSES)
            found["local hosts"] = await _napped(outside, count)
    return {
        "activities": count,
        "limit": LIMIT,
        "processes": PROCESSES,
        "ideal_seconds": count / (PROCESSES * LIMIT),
        "measured": found,
    }


async def _napped(outside: Outside, count: int) -> Mapping[str, Any]:
    began = time.perf_counter()
    instance_id = await outside.client.start_new("naps", client_input=count)
    shares = await outside.ended(instance_id)
    seconds = time.perf_counter() - began
    assert isinstance(shares, dict)
    return {"seconds": seconds, "shares": sorted(shares.values(), reverse=True)}


async def _shared(outside: Outside) -> None:
    """Wait until each worker owns some of the control queues."""
    table = outside.hub.names.partitions_table
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            rows = (await outside.hub.account.tables.query(table, None)).rows
            owners = {row.columns.get("CurrentOwner") for row in rows} - {None, ""}
            if len(owners) == PROCESSES and not any(row.columns.get("NextOwner") for row in rows):
                return
            await asyncio.sleep(0.1)


async def without_affinity(*, quick: bool = False) -> dict[str, Any]:
    """Local hosts that share every queue: any of them may take any message.

    One host beside two, the same load: 24 hello-3, 8 at a time, and a fan-out.
    """
    found = {}
    for count in (1, PROCESSES):
        async with (
            azurite() as port,
            wire_to(port) as wire,
            _outside(port) as outside,
            hosts(count, environment(wire.port, HUB, {})) as urls,
        ):
            await _hello_through(urls, outside, 2 * count)
            found[str(count)] = await _loads(urls, outside, wire, quick=quick)
    return found


async def _loads(
    urls: Sequence[str], outside: Outside, wire: Wire, *, quick: bool
) -> Mapping[str, Any]:
    await quiet(outside.hub)
    wire.clear()
    seconds = await _hello_through(urls, outside, 8 if quick else _HELLOS)
    await quiet(outside.hub)
    hello = sum(wire.requests.values()) / (8 if quick else _HELLOS)
    totals: dict[str, int] = {}
    for title, name, value in (("fan-out 100", "fan_out", 100), ("sequence 10", "sequence", 10)):
        wire.clear()
        async with aiohttp.ClientSession() as session:
            await outside.ended(await _started(session, urls[0], name, value))
        await quiet(outside.hub)
        totals[title] = sum(wire.requests.values())
    return {"hello-3": hello, "hello-3 seconds": spread(seconds), **totals}


async def _hello_through(urls: Sequence[str], outside: Outside, count: int) -> list[float]:
    """So many hello-3, started through the hosts in turn; what each took."""
    turn = itertools.cycle(urls)

    async def one(session: aiohttp.ClientSession, url: str) -> float:
        began = time.perf_counter()
        await outside.ended(await _started(session, url, "hello", None))
        return time.perf_counter() - began

    async with aiohttp.ClientSession() as session:
        return await run_together(
            [one(session, next(turn)) for _ in range(count)], at_once=_AT_ONCE
        )


async def _started(session: aiohttp.ClientSession, url: str, name: str, value: object) -> str:
    async with session.post(f"{url}/start/{name}", data=json.dumps(value)) as answer:
        answer.raise_for_status()
        return await answer.text()
