"""One instance at a time: sequences, fan-outs, events, entity operations, each beside its floor."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import durable as df
from benchmarks.measure.recording import Recording
from benchmarks.measure.spread import spread, versus
from benchmarks.measure.stage import PATIENCE_SECONDS, Stage, on_azurite
from durable.together import run_together

_AT_ONCE = 16
_LOOK_SECONDS = 0.05
Work = Callable[[Stage, int], Awaitable[None]]


async def nothing(_stage: Stage, _number: int) -> None:
    """There is nothing to prepare."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """What is timed.

    Attributes:
        prepare: makes what the work needs, untimed; it is told the number of the round.
    """

    title: str
    work: Work
    rounds: int = 3
    prepare: Work = nothing


def instance(name: str, value: int) -> Work:
    """From the start of an instance to its end."""

    async def work(stage: Stage, _number: int) -> None:
        await stage.run(name, value)

    return work


def listens(count: int) -> Work:
    """An instance waits for so many events."""

    async def prepare(stage: Stage, number: int) -> None:
        name = f"listener-{number}"
        await stage.client.start_new("listener", instance_id=name, client_input=count)
        await stage.client.wait_for_orchestration_start(name, interval=_LOOK_SECONDS)

    return prepare


def raises(count: int) -> Work:
    """The client raises so many events to it, 16 at once, and waits for its end."""

    async def work(stage: Stage, number: int) -> None:
        name = f"listener-{number}"
        raising = [stage.client.raise_event(name, "go", each) for each in range(count)]
        await run_together(raising, at_once=_AT_ONCE)
        await stage.ended(name)

    return work


def signals(count: int) -> Work:
    """The client sends so many signals to one entity, 16 at once, until its state counts them."""

    async def work(stage: Stage, number: int) -> None:
        entity = df.EntityId("counter", f"of-{number}")
        sending = [stage.client.signal_entity(entity, "add", 1) for _ in range(count)]
        await run_together(sending, at_once=_AT_ONCE)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await stage.entity_state(entity) != count:  # noqa: ASYNC110 - no event tells
                await asyncio.sleep(_LOOK_SECONDS)

    return work


RUNS: Mapping[str, Run] = {
    "sequence-100": Run(title="sequence of 100", work=instance("sequence", 100), rounds=5),
    "sequence-1000": Run(title="sequence of 1,000", work=instance("sequence", 1000)),
    "fan-out-100": Run(title="fan-out of 100", work=instance("fan_out", 100), rounds=5),
    "fan-out-1000": Run(title="fan-out of 1,000", work=instance("fan_out", 1000), rounds=5),
    "fan-out-10000": Run(title="fan-out of 10,000", work=instance("fan_out", 10_000), rounds=1),
    "events-500": Run(
        title="500 events to one instance", work=raises(500), prepare=listens(500), rounds=3
    ),
    "signals-500": Run(title="500 signals to one entity", work=signals(500)),
    "calls-100": Run(title="100 calls of an entity, in turn", work=instance("caller", 100)),
}


async def measure(run: Run, *, quick: bool = False) -> dict[str, Any]:
    """Ours and the floor in turns, on one fresh Azurite."""
    async with on_azurite() as stage:
        return await measure_on(stage, run, rounds=1 if quick else run.rounds)


async def measure_on(stage: Stage, run: Run, *, rounds: int) -> dict[str, Any]:
    ours: list[float] = []
    floor: list[float] = []
    storage: list[tuple[float, float]] = []
    recording = Recording()
    for number in range(rounds):
        _, before = await stage.recorded(functools.partial(run.prepare, stage, number))
        spent = [stage.storage_cpu()]
        seconds, heard = await stage.recorded(functools.partial(run.work, stage, number))
        spent.append(stage.storage_cpu())
        recording = heard.work()
        ours.append(seconds)
        floor.append(await stage.replayed(recording, before.work()))
        spent.append(stage.storage_cpu())
        storage.append((spent[1] - spent[0], spent[2] - spent[1]))
    return {
        "title": run.title,
        "seconds": versus(ours, floor),
        "storage_cpu": {
            kind: spread(each)
            for kind, each in zip(("ours", "floor"), zip(*storage, strict=True), strict=True)
        },
        "requests": dict(recording.counts()),
        "looks": recording.looks,
        "refused_by_floor": stage.floor.refused,
    }
