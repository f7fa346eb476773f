"""Many instances that wait on timers or events: what they cost, and whether that grows.

    .venv/bin/python -m benchmarks.growth [COUNT]            # 100,000 in memory, in virtual time
    .venv/bin/python -m benchmarks.growth --azurite [COUNT]  # 5,000 on an Azurite of its own

Half of them wait for a timer of six hours, half for an event. A line for each tenth of them: if it
is the last as it is the first, cost is linear. In memory the account's rows and messages are in the
same process; `memory` says whose code made what stayed (by tracemalloc, in a run of its own).
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
import tracemalloc
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks.azurite import azurite, open_at
from durable.clock import SystemClock
from durable.hub.instances import InstanceQuery
from durable.model.status import RuntimeStatus
from durable.storage.azure.account import AzureAccount
from durable.storage.memory import MemoryAccount
from durable.together import run_together
from tests.simulation.growth import (
    FEW_SESSIONS,
    PAUSE,
    STARTED_AT_ONCE,
    begin,
    count_of,
    instance_id,
    listener,
    sleeper,
    tell,
    waiting_process,
)
from tests.simulation.one_process import Process
from tests.simulation.simloop import run_simulation

IN_MEMORY, ON_AZURITE = 100_000, 5_000
TENTHS = 10
TRACED = 4_000
PAGE = 100
PARTITIONS = 4
HEAD = (
    f"{'instances':>10} {'seconds':>9} {'ms each':>9} {'requests each':>14} {'RSS MiB':>8} "
    f"{'sessions':>9} {'a page':>8} {'a prefix':>9} {'one':>7}"
)


def resident_mib() -> float:
    """What the process holds in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


async def grow(process: Process, account: AzureAccount | MemoryAccount, count: int) -> None:
    """Start them, a tenth at a time; then ask for their status."""
    print(HEAD)
    share = count // TENTHS
    for tenth in range(TENTHS):
        requests = account.requests.total()
        began = time.perf_counter()
        await begin(process, share, tenth * share)
        seconds = time.perf_counter() - began
        spent = (account.requests.total() - requests) / share
        queries = await ask(process, (tenth + 1) * share)
        print(
            f"{(tenth + 1) * share:>10,} {seconds:>9.1f} {1000 * seconds / share:>9.2f} "
            f"{spent:>14.2f} {resident_mib():>8.0f} {len(process.engine.sessions):>9} "
            f"{queries[0]:>5.1f} ms {queries[1]:>6.1f} ms {queries[2]:>4.1f} ms",
            flush=True,
        )


async def ask(process: Process, count: int) -> tuple[float, float, float]:
    """Milliseconds of a page of 100 running ones, of those of a prefix, of one status."""
    instances = process.hub.instances
    middle = instance_id(count // 2)
    queries = (
        instances.page(InstanceQuery(statuses=(RuntimeStatus.RUNNING,)), size=PAGE),
        instances.page(InstanceQuery(id_prefix=middle[:-2]), size=PAGE),
        instances.read(middle),
    )
    found = []
    for query in queries:
        began = time.perf_counter()
        await query
        found.append(1000 * (time.perf_counter() - began))
    return found[0], found[1], found[2]


async def in_memory(count: int) -> None:
    process = waiting_process()
    await process.hub.ensure()
    await grow(process, process.account, count)
    began = time.perf_counter()
    running = await count_of(process, RuntimeStatus.RUNNING)
    print(f"all {running:,} counted in {time.perf_counter() - began:.2f} s")
    share = count // TENTHS
    for tenth in (0, 1, TENTHS - 1):
        requests, began = process.requests, time.perf_counter()
        await tell(process, share, tenth * share)
        seconds = time.perf_counter() - began
        print(
            f"{share // 2:,} events: {2000 * seconds / share:.2f} ms and "
            f"{2 * (process.requests - requests) / share:.2f} requests each"
        )
    await process.clock.sleep(PAUSE.total_seconds())
    for _ in range(3):
        requests, began = process.requests, time.perf_counter()
        fired = sum([await process.deliver(STARTED_AT_ONCE) for _ in range(20)])
        seconds = time.perf_counter() - began
        if not fired:
            break
        print(
            f"{fired:,} messages of timers and their activities: {1000 * seconds / fired:.2f} ms "
            f"and {(process.requests - requests) / fired:.2f} requests each"
        )
    if process.refused:
        raise process.refused[0]


async def traced() -> None:
    """Whose code made what stays in memory, an instance."""
    process = waiting_process()
    await process.hub.ensure()
    await begin(process, TRACED)  # all sessions are in use, and all caches filled
    tracemalloc.start()
    before = tracemalloc.take_snapshot()
    await begin(process, TRACED, TRACED)
    found = tracemalloc.take_snapshot().compare_to(before, "filename")
    tracemalloc.stop()
    made: Counter[str] = Counter()
    for each in found:
        made[_layer(each.traceback[0].filename)] += each.size_diff
    for layer, size in made.most_common():
        if abs(size) > TRACED:
            print(f"{layer:<28} {size / TRACED:>8.0f} bytes an instance")


def _layer(filename: str) -> str:
    parts = Path(filename).parts
    if "durable" not in parts:
        return "Python and the benchmark"
    return "/".join(parts[len(parts) - parts[::-1].index("durable") - 1 : -1])


async def on_azurite(count: int) -> None:
    async with azurite() as port:
        account = open_at(port)
        process = Process(
            account,
            SystemClock(),
            sleeper,
            listener,
            settings=FEW_SESSIONS,
            partition_count=PARTITIONS,
        )
        try:
            await process.hub.ensure()
            await grow(process, account, count)
            began = time.perf_counter()
            running = await count_of(process, RuntimeStatus.RUNNING)
            print(f"all {running:,} counted in {time.perf_counter() - began:.2f} s")
            requests, began = account.requests.total(), time.perf_counter()
            told = min(count, 1_000)
            await tell(process, told)
            seconds = time.perf_counter() - began
            print(
                f"{told // 2:,} events: {2000 * seconds / told:.1f} ms and "
                f"{2 * (account.requests.total() - requests) / told:.2f} requests each"
            )
            if process.refused:
                raise process.refused[0]
        finally:
            await run_together([process.engine.close(), account.close()])


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.growth", description=__doc__.splitlines()[0])
    parser.add_argument("count", nargs="?", type=int)
    parser.add_argument("--azurite", action="store_true")
    parser.add_argument("--memory", action="store_true", help="whose code made what stays")
    chosen = parser.parse_args(arguments)
    if chosen.azurite:
        asyncio.run(on_azurite(chosen.count or ON_AZURITE))
    elif chosen.memory:
        run_simulation(traced())
    else:
        run_simulation(in_memory(chosen.count or IN_MEMORY))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
