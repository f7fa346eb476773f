"""hello-3 in a closed loop: so many clients, each of which starts one and waits for its end.

The floor is the same loop of bare clients that make the calls of one hello-3, recorded just before:
once with the overlap they had (`floor`), once strictly one after the other (`one by one`).

What storage is asked costs more the more it holds, so each kind has a hub of its own and fills it
as ours does: ids without a common beginning, and messages in the queues that the ids belong to.
Azurite's CPU time is told for each kind: a floor that costs storage more than ours is none.
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
import itertools
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.measure.floor import Renaming
from benchmarks.measure.recording import Recording
from benchmarks.measure.spread import percentile, spread
from benchmarks.measure.stage import HUB, Stage, on_azurite
from durable.wire.keys import partition_of

CLIENTS = (1, 8, 32)
KINDS = ("ours", "floor", "one by one")
_ROUNDS, _SECONDS = 5, 2.0
#: Runs one hello-3 and returns when its client knows; what is left goes on in the group.
Once = Callable[[asyncio.TaskGroup], Awaitable[None]]


@dataclass(slots=True)
class Loop:
    """The rounds of one kind with one number of clients."""

    p50: list[float] = field(default_factory=list)
    p95: list[float] = field(default_factory=list)
    a_second: list[float] = field(default_factory=list)
    storage: list[float] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {
            "p50": spread(self.p50),
            "p95": spread(self.p95),
            "a_second": spread(self.a_second),
            "storage_cpu": spread(self.storage),
        }


async def measure(*, quick: bool = False) -> dict[str, Any]:
    async with on_azurite() as stage:
        if quick:
            return await measure_on(stage, clients=(1, 8), rounds=1, seconds=1.0)
        return await measure_on(stage, clients=CLIENTS, rounds=_ROUNDS, seconds=_SECONDS)


async def measure_on(
    stage: Stage, *, clients: tuple[int, ...], rounds: int, seconds: float
) -> dict[str, Any]:
    """Each kind in turn, round after round, with each number of clients."""
    _, heard = await stage.recorded(lambda: stage.run("hello"))
    alone = heard.work()
    kinds: Mapping[str, Once] = {
        "ours": _ours(stage),
        "floor": await _floor(stage, alone, "Floor", one_by_one=False),
        "one by one": await _floor(stage, alone, "Serial", one_by_one=True),
    }
    found: dict[str, dict[str, Loop]] = {}
    requests: dict[str, float] = {}
    for count in clients:
        loops = found.setdefault(str(count), {kind: Loop() for kind in kinds})
        counted: list[float] = []
        for number in range(rounds):
            # Who begins changes, so that what grows with time is no one's advantage.
            for kind in sorted(kinds, key=KINDS.index, reverse=number % 2 == 1):
                await stage.quiet()
                stage.recorder.begin()
                spent = stage.storage_cpu()
                ended = await _loop(kinds[kind], count, seconds, loops[kind])
                loops[kind].storage.append((stage.storage_cpu() - spent) / ended)
                await stage.quiet()
                asked = stage.recorder.end().work()
                if kind == "ours":
                    counted.append(len(asked.calls) / ended)
        requests[str(count)] = sum(counted) / len(counted)
    return {
        "calls": _described(alone),
        "seconds": seconds,
        "rounds": rounds,
        "clients": {
            count: {
                **{kind: loop.as_json() for kind, loop in loops.items()},
                "ratios": _ratios(loops),
                "requests_each": requests[count],
            }
            for count, loops in found.items()
        },
        "refused_by_floor": stage.floor.refused,
    }


def _ratios(loops: Mapping[str, Loop]) -> dict[str, Any]:
    """Ours by each floor, round by round."""
    ours = loops["ours"]
    return {
        kind: {
            "p50": spread([a / b for a, b in zip(ours.p50, loop.p50, strict=True)]),
            "a_second": spread([a / b for a, b in zip(ours.a_second, loop.a_second, strict=True)]),
        }
        for kind, loop in loops.items()
        if kind != "ours"
    }


def _ours(stage: Stage) -> Once:
    async def once(_tasks: asyncio.TaskGroup) -> None:
        await stage.run("hello")

    return once


async def _floor(stage: Stage, alone: Recording, hub: str, *, one_by_one: bool) -> Once:
    partitions = stage.hub.settings.partition_count
    for partition in range(partitions):
        await stage.floor.prepare(alone, Renaming(hub=(HUB, hub), partition=partition))
    ids = _fresh_ids(alone)

    async def once(tasks: asyncio.TaskGroup) -> None:
        known = asyncio.Event()
        old, new = next(ids)
        replay = stage.floor.replay(
            Renaming(hub=(HUB, hub), ids=(old, new), partition=partition_of(new, partitions))
        )
        tasks.create_task(replay.play(alone, one_by_one=one_by_one, answered=known.set))
        await known.wait()

    return once


_numbers = itertools.count(1)


def _fresh_ids(alone: Recording) -> Iterator[tuple[str, str]]:
    """The recorded instance's id, and one as long that nobody had yet."""
    started = next(call for call in alone.calls if call.method == "write")
    old: str = started.given["operation"].row.partition_key
    while True:
        yield old, hashlib.sha256(str(next(_numbers)).encode()).hexdigest()[: len(old)]


async def _loop(once: Once, count: int, seconds: float, into: Loop) -> int:
    """Run a round, add what it took to `into`; how many were done."""
    gc.collect()
    took: list[float] = []
    began = time.perf_counter()
    until = began + seconds

    async def client(tasks: asyncio.TaskGroup) -> None:
        while (at := time.perf_counter()) < until:
            await once(tasks)
            took.append(time.perf_counter() - at)

    async with asyncio.TaskGroup() as tasks:
        clients = [tasks.create_task(client(tasks)) for _ in range(count)]
        await asyncio.wait(clients)
        passed = time.perf_counter() - began
    into.p50.append(percentile(took, 0.5))
    into.p95.append(percentile(took, 0.95))
    into.a_second.append(len(took) / passed)
    return len(took)


def _described(recording: Recording) -> list[str]:
    """What one hello-3 asks, in order, for people."""
    lines = []
    for call in recording.calls:
        name = call.operation
        match call.method:
            case "batch":
                name += f" of {len(call.given['operations'])} rows"
            case "put" if call.given.get("delay_seconds"):
                name += ", already leased"
            case _:
                name += ", the client's look" if call.is_look else ""
        lines.append(name)
    return lines
