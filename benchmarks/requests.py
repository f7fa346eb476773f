"""Storage requests an orchestration costs in Functions mode, counted on the wire.

    .venv/bin/python -m benchmarks.requests [--json] [--own-lease SECONDS] [--wide]
    .venv/bin/python -m benchmarks.requests --scenarios

The app's generated functions run through the local host's queue listeners, in this process; its
requests and the host's go to an Azurite started here. Gets that returned nothing, status reads,
the creation of the hub and the sweeper are apart. `--scenarios` needs no Azurite: it writes the
page of all recorded scenarios (benchmarks/scenarios.md).
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import functools
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import azure.functions as func

from benchmarks.azurite import azurite, open_at, settings
from benchmarks.scenarios import PAGE, page
from benchmarks.wire import Wire, wire_to
from durable.clock import SystemClock
from durable.host.config import read_host_config
from durable.host.index import IndexedFunction, index_app
from durable.host.invoke import Invoker
from durable.host.queues import QueueListener
from durable.hub.settings import HubSettings
from durable.hub.taskhub import TaskHub
from durable.model.status import RuntimeStatus

APP = Path(__file__).parent / "app"
HUB = "Benchmark"
_ROOT = "AzureWebJobsScriptRoot"
_OWN_LEASE = "AzureFunctionsJobHost__extensions__durableTask__ownLeaseSeconds"
_PATIENCE_SECONDS = 300
Requests = Mapping[str, int]

#: As recorded with DurableTask.AzureStorage 2.9.1, one orchestration on a warm worker; "with
#: sessions": its extended sessions, which keep an orchestrator in memory as ours always does.
ORIGINAL: dict[str, dict[str, Requests]] = {
    "hello-3": {
        "original": {
            "queue Put Message": 7,
            "queue Get Messages": 7,
            "queue Delete Message": 7,
            "table Insert Entity": 1,
            "table Query Entities": 6,
            "table Entity Group Transaction": 4,
            "table Merge Entity": 4,
        },
        "with sessions": {
            "queue Put Message": 7,
            "queue Get Messages": 7,
            "queue Delete Message": 7,
            "table Insert Entity": 1,
            "table Query Entities": 3,
            "table Entity Group Transaction": 4,
            "table Merge Entity": 4,
        },
    },
    "fan-out 5": {
        "original": {
            "queue Put Message": 11,
            "queue Get Messages": 7,
            "queue Delete Message": 11,
            "table Insert Entity": 1,
            "table Query Entities": 4,
            "table Entity Group Transaction": 2,
            "table Merge Entity": 2,
        },
    },
}


@dataclass(frozen=True, slots=True)
class Scenario:
    """One instance to run, and its activities."""

    title: str
    orchestrator: str
    activities: int


SCENARIOS = (
    Scenario("hello-3", "hello", 3),
    Scenario("sequence 10", "sequence", 10),
    Scenario("sequence 100", "sequence", 100),
    Scenario("sequence 300", "sequence", 300),
    Scenario("fan-out 5", "fan_out", 5),
    Scenario("fan-out 100", "fan_out", 100),
)
WIDE = Scenario("fan-out 1000", "fan_out", 1000)


@dataclass(frozen=True, slots=True)
class Measured:
    """What one instance cost."""

    scenario: Scenario
    requests: Requests
    idle_polls: int

    @property
    def total(self) -> int:
        return sum(self.requests.values())


class Bench:
    """The app under its host, and an observer beside them."""

    def __init__(
        self, wire: Wire, functions: Mapping[str, IndexedFunction], invoker: Invoker, hub: TaskHub
    ) -> None:
        self.wire = wire
        self._functions = functions
        self._invoker = invoker
        self.hub = hub  # not on the wire

    async def create_hub(self) -> None:
        await self._invoker.call(self._functions["durable_sweeper"], None)

    async def measure(self, scenario: Scenario) -> Measured:
        """Run one instance, from its start until nothing is queued."""
        self.wire.clear()
        instance_id = await self.start(scenario)
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while not await self._ended(instance_id):  # noqa: ASYNC110 - storage has no event
                await asyncio.sleep(0.05)
        return Measured(scenario, dict(self.wire.requests), self.wire.idle_polls)

    async def start(self, scenario: Scenario) -> str:
        request = func.HttpRequest(
            method="POST",
            url=f"http://localhost/api/start/{scenario.orchestrator}",
            route_params={"name": scenario.orchestrator},
            body=str(scenario.activities).encode(),
        )
        answer = await self._invoker.call(self._functions["start"], request)
        assert isinstance(answer, func.HttpResponse)
        return answer.get_body().decode()

    async def _ended(self, instance_id: str) -> bool:
        row = await self.hub.instances.read(instance_id)
        if row is None or row.status is None or not row.status.is_terminal:
            return False
        if row.status is not RuntimeStatus.COMPLETED:
            raise RuntimeError(f"{row.name} ended as {row.status}: {row.output}")
        names = self.hub.names
        counts = [
            await self.hub.account.queues.count(queue)
            for queue in (*names.control_queues, names.work_items)
        ]
        return not any(counts)


@asynccontextmanager
async def running(own_lease: int | None) -> AsyncIterator[Bench]:
    """The app, served."""
    clock = SystemClock()
    async with azurite() as port, wire_to(port) as wire:
        os.environ |= settings(wire.port)
        os.environ["AZURE_FUNCTIONS_ENVIRONMENT"] = "Development"
        os.environ[_ROOT] = str(APP)
        if own_lease is not None:
            os.environ[_OWN_LEASE] = str(own_lease)
        app = index_app(APP)
        functions = {function.name: function for function in app.functions}
        invoker = Invoker(clock, str(APP), None)
        host, observer = open_at(wire.port), open_at(port)
        # Idle polls are not counted, so waiting for them would only take time.
        polling = dataclasses.replace(
            read_host_config(APP, os.environ).queues, poll_min_seconds=0.01, poll_max_seconds=0.1
        )
        listeners = [
            QueueListener(
                host.queues,
                str(function.trigger["queueName"]),
                functools.partial(invoker.call, function),
                polling,
                clock,
            )
            for function in app.functions
            if function.trigger_type == "queueTrigger"
        ]
        bench = Bench(wire, functions, invoker, TaskHub(observer, HubSettings(name=HUB), clock))
        await bench.create_hub()
        try:
            async with asyncio.TaskGroup() as tasks:
                for listener in listeners:
                    tasks.create_task(listener.run())
                yield bench
                for listener in listeners:
                    listener.stop()
        finally:
            await app.close()
            invoker.close()
            await host.close()
            await observer.close()


async def measure_all(scenarios: Sequence[Scenario], own_lease: int | None) -> list[Measured]:
    async with running(own_lease) as bench:
        await bench.measure(SCENARIOS[0])  # the first call opens connections and loads the key
        return [await bench.measure(scenario) for scenario in scenarios]


def table(measured: Sequence[Measured]) -> str:
    """Operations down, scenarios across, the original's figures in their own columns."""
    columns: list[tuple[str, Requests]] = []
    for each in measured:
        columns.append((each.scenario.title, each.requests))
        columns += ORIGINAL.get(each.scenario.title, {}).items()
    operations = sorted({operation for _, requests in columns for operation in requests})
    rows = [["", *(title for title, _ in columns)]]
    rows += [[name, *(str(found.get(name, 0)) for _, found in columns)] for name in operations]
    rows.append(["total", *(str(sum(found.values())) for _, found in columns)])
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    lines = [
        f"{row[0]:<{widths[0]}}"
        + "".join(f"  {cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=True))
        for row in rows
    ]
    lines.append("")
    lines += [
        f"{each.scenario.title}: {each.total / each.scenario.activities:.2f} an activity; "
        f"apart: {each.idle_polls} idle polls"
        for each in measured
    ]
    return "\n".join(lines)


def as_json(measured: Sequence[Measured]) -> str:
    return json.dumps(
        {
            "measured": {
                each.scenario.title: {
                    "total": each.total,
                    "requests": each.requests,
                    "idle_polls": each.idle_polls,
                }
                for each in measured
            },
            "original": ORIGINAL,
        },
        indent=2,
        sort_keys=True,
    )


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.requests")
    parser.add_argument("--json", action="store_true", help="for machines")
    parser.add_argument("--own-lease", type=int, metavar="SECONDS", help="with ownLeaseSeconds")
    parser.add_argument("--wide", action="store_true", help="also a fan-out of 1,000")
    parser.add_argument("--scenarios", action="store_true", help="write benchmarks/scenarios.md")
    options = parser.parse_args(arguments)
    if options.scenarios:
        PAGE.write_text(page(), encoding="utf-8")
        print(f"Written: {PAGE}")
        return 0
    scenarios = (*SCENARIOS, WIDE) if options.wide else SCENARIOS
    measured = asyncio.run(measure_all(scenarios, options.own_lease))
    print(as_json(measured) if options.json else table(measured))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
