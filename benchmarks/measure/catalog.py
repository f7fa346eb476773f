"""All measurements by name. Each runs in a process of its own, on an Azurite of its own."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.measure import counts, inner, loops, runs, two

Measure = Callable[..., Coroutine[Any, Any, dict[str, Any]]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Measurement:
    """What can be measured.

    Attributes:
        seconds: what it takes on idle cores; three times that ends it.
        asked_only: it is left out unless it is named.
    """

    title: str
    measure: Measure
    seconds: int
    asked_only: bool = False


def _run(name: str, seconds: int) -> Measurement:
    run = runs.RUNS[name]
    return Measurement(
        title=run.title, measure=functools.partial(runs.measure, run), seconds=seconds
    )


MEASUREMENTS: Mapping[str, Measurement] = {
    "requests-worker": Measurement(
        title="storage requests, worker mode", measure=counts.in_worker_mode, seconds=25
    ),
    "requests-functions": Measurement(
        title="storage requests, Functions mode", measure=counts.in_functions_mode, seconds=25
    ),
    "requests-two-hosts": Measurement(
        title="storage requests, two processes without affinity",
        measure=two.without_affinity,
        seconds=45,
    ),
    "idle": Measurement(title="an idle worker", measure=counts.idle, seconds=80),
    "hello": Measurement(title="hello-3 in a closed loop", measure=loops.measure, seconds=100),
    "sequence-100": _run("sequence-100", 15),
    "sequence-1000": _run("sequence-1000", 45),
    "fan-out-100": _run("fan-out-100", 10),
    "fan-out-1000": _run("fan-out-1000", 20),
    "fan-out-10000": _run("fan-out-10000", 60),
    "events-500": _run("events-500", 25),
    "signals-500": _run("signals-500", 25),
    "calls-100": _run("calls-100", 25),
    "slow-fan-out": Measurement(
        title="200 activities of 1 s in two processes", measure=two.slow_fan_out, seconds=60
    ),
    "cpu": Measurement(title="engine CPU a turn", measure=inner.cpu, seconds=15),
    "growth-memory": Measurement(
        title="100,000 instances that wait, in memory",
        measure=functools.partial(inner.growth, [], quick_count=2_000),
        seconds=240,
        asked_only=True,
    ),
    "growth-azurite": Measurement(
        title="5,000 instances that wait, on Azurite",
        measure=functools.partial(inner.growth, ["--azurite"], quick_count=200),
        seconds=90,
    ),
}
