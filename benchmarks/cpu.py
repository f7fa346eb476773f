"""The engine's CPU time a turn, storage apart, on the account in memory.

    .venv/bin/python -m benchmarks.cpu [--no-fast-path] [--profile] [SCENARIO ...]

The storage calls' own time is measured at each call and taken out: the account in memory awaits
nothing, so a call's time is its own. What is left is the engine, the user's code, the event loop,
and the loop that stands for a host. Time is virtual, CPU time is real.
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import json
import sys
import time
from collections.abc import Awaitable, Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any

from durable.authoring.definitions import EntityDefinition
from durable.hub.raising import raise_event, signal
from durable.runtime.settings import EngineSettings
from durable.storage.values import Operation
from tests.simulation.one_process import OneProcess
from tests.simulation.simloop import run_simulation

Steps = Generator[Any, Any, Any]
#: What `--profile` leaves out, and how many functions it shows.
_APART = frozenset({"storage"})
_SHOWN = 25
_STORED = {
    "queues": ("put", "get", "update", "delete"),
    "tables": ("read", "query", "write", "batch"),
    "blobs": ("put_blob", "get_blob", "delete_blob"),
}


def hello_3(context: Any) -> Steps:
    """Three activities, one after the other."""
    first = yield context.call_activity("hello", "Tokyo")
    second = yield context.call_activity("hello", "Seattle")
    third = yield context.call_activity("hello", "London")
    return [first, second, third]


def sequence(context: Any) -> Steps:
    """As many, one after the other."""
    for number in range(context.get_input()):
        yield context.call_activity("hello", number)


def fan_out(context: Any) -> Steps:
    """As many, all at once."""
    tasks = [context.call_activity("hello", number) for number in range(context.get_input())]
    results = yield context.task_all(tasks)
    return len(results)


def children(context: Any) -> Steps:
    """As many sub-orchestrations, all at once."""
    tasks = [context.call_sub_orchestrator("leaf", n) for n in range(context.get_input())]
    results = yield context.task_all(tasks)
    return len(results)


def leaf(context: Any) -> int:
    """A child that has nothing to do."""
    value: int = context.get_input()
    return value


def events(context: Any) -> Steps:
    """As many external events, one after the other."""
    for _ in range(context.get_input()):
        yield context.wait_for_external_event("go")


async def counter(context: Any) -> None:
    """An entity that adds up."""
    context.set_state(context.get_state(lambda: 0) + context.get_input())


class Meter:
    """What a scenario took: CPU, of that storage, checkpoints and rows."""

    def __init__(self, process: OneProcess) -> None:
        self.storage_ns = self.turns = self.rows = 0
        for service, methods in _STORED.items():
            store = getattr(process.account, service)
            for method in methods:
                setattr(store, method, self._timed(getattr(store, method)))
        batch = process.account.tables.batch

        async def counted(table: str, operations: Sequence[Operation]) -> list[str]:
            self.turns += 1
            self.rows += len(operations) - 1
            return await batch(table, operations)

        process.account.tables.batch = counted  # type: ignore[method-assign]

    def _timed(self, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def timed(*args: Any, **kwargs: Any) -> Any:
            began = time.process_time_ns()
            try:
                return await call(*args, **kwargs)
            finally:
                self.storage_ns += time.process_time_ns() - began

        return timed


@dataclass(frozen=True, slots=True)
class Figures:
    """One line of the table. Milliseconds of CPU."""

    name: str
    turns: int
    rows: int
    requests: int
    storage: float
    engine: float

    def line(self) -> str:
        return (
            f"{self.name:<34} {self.turns:>7,} {self.rows:>8,} {self.requests:>8,} "
            f"{self.storage:>9.0f} {self.engine:>9.0f} "
            f"{self.engine / max(self.turns, 1):>9.3f} {1000 * self.engine / self.rows:>9.1f}"
        )


HEAD = (
    f"{'scenario':<34} {'turns':>7} {'rows':>8} {'requests':>8} {'storage':>9} {'engine':>9} "
    f"{'ms a turn':>9} {'µs a row':>9}"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Scenario:
    """`before` is not measured; `work` is, and then what it caused."""

    name: str
    before: Callable[[OneProcess], Awaitable[None]]
    work: Callable[[OneProcess], Awaitable[None]]


async def _nothing(process: OneProcess) -> None:
    pass


def _started(name: str, value: Any = None, *, count: int = 1) -> Callable[..., Awaitable[None]]:
    async def start(process: OneProcess) -> None:
        for number in range(count):
            await process.start(name, value, instance_id=f"i{number}")

    return start


def _raised(count: int) -> Callable[[OneProcess], Awaitable[None]]:
    async def raise_all(process: OneProcess) -> None:
        await _started("events", 1_000_000)(process)
        await process.settle()
        for number in range(count):
            await raise_event(process.hub, "i0", "go", json.dumps(number))
        await process.settle()

    return raise_all


def _one_by_one(count: int) -> Callable[[OneProcess], Awaitable[None]]:
    async def one_by_one(process: OneProcess) -> None:
        for number in range(count):
            await raise_event(process.hub, "i0", "go", json.dumps(number))
            await process.settle()

    return one_by_one


def _signalled(count: int) -> Callable[[OneProcess], Awaitable[None]]:
    async def signal_all(process: OneProcess) -> None:
        for _ in range(count):
            await signal(process.hub, "@counter@c", "add", "1")

    return signal_all


def _lasting(name: str, history: int) -> Scenario:
    return Scenario(name=name, before=_raised(history), work=_one_by_one(100))


SCENARIOS = (
    Scenario(name="hello-3, 200 of them", before=_started("hello_3", count=200), work=_nothing),
    Scenario(
        name="hello-3, one after the other",
        before=_nothing,
        work=lambda process: _in_turn(process, 200),
    ),
    Scenario(name="sequence of 100", before=_started("sequence", 100), work=_nothing),
    Scenario(name="sequence of 1,000", before=_started("sequence", 1000), work=_nothing),
    Scenario(name="fan-out of 1,000", before=_started("fan_out", 1000), work=_nothing),
    Scenario(name="fan-out of 10,000", before=_started("fan_out", 10_000), work=_nothing),
    Scenario(name="1,000 children", before=_started("children", 1000), work=_nothing),
    Scenario(name="10,000 children", before=_started("children", 10_000), work=_nothing),
    Scenario(name="500 events, together", before=_nothing, work=_raised(500)),
    Scenario(name="10,000 events, together", before=_nothing, work=_raised(10_000)),
    _lasting("100 events, each alone, after 100", 100),
    _lasting("100 events, each alone, after 1,000", 1000),
    _lasting("100 events, each alone, after 10,000", 10_000),
    Scenario(name="1,000 signals to an entity", before=_signalled(1000), work=_nothing),
    Scenario(
        name="200 signals, each alone",
        before=_nothing,
        work=lambda process: _signals_in_turn(process, 200),
    ),
    Scenario(
        name="50 signals, each alone, after 10,000",
        before=lambda process: _signalled_before(process, 10_000),
        work=lambda process: _signals_in_turn(process, 50),
    ),
)


async def _in_turn(process: OneProcess, count: int) -> None:
    for number in range(count):
        await process.start("hello_3", instance_id=f"i{number}")
        await process.settle()


async def _signals_in_turn(process: OneProcess, count: int) -> None:
    for _ in range(count):
        await _signalled(1)(process)
        await process.settle()


async def _signalled_before(process: OneProcess, count: int) -> None:
    await _signalled(count)(process)
    await process.settle()


def new_process(*, fast_path: bool) -> OneProcess:
    """A process with everything that the scenarios run."""
    return OneProcess(
        hello_3,
        sequence,
        fan_out,
        children,
        leaf,
        events,
        entities=[EntityDefinition(name="counter", function=counter, context_name="context")],
        settings=EngineSettings(fast_path=fast_path),
    )


def measure(scenario: Scenario, *, fast_path: bool, profile: cProfile.Profile | None) -> Figures:
    async def run() -> Figures:
        process = new_process(fast_path=fast_path)
        await process.hub.ensure()
        meter = Meter(process)
        await scenario.before(process)
        turns, rows, storage = meter.turns, meter.rows, meter.storage_ns
        requests = process.requests
        gc.collect()
        if profile is not None:
            profile.enable()
        began = time.process_time_ns()
        await scenario.work(process)
        await process.settle()
        spent = time.process_time_ns() - began
        if profile is not None:
            profile.disable()
        if process.refused:
            raise process.refused[0]
        storage = meter.storage_ns - storage
        return Figures(
            name=scenario.name,
            turns=meter.turns - turns,
            rows=meter.rows - rows,
            requests=process.requests - requests,
            storage=storage / 1e6,
            engine=(spent - storage) / 1e6,
        )

    return run_simulation(run())


def shares(profile: cProfile.Profile) -> tuple[dict[str, float], list[tuple[float, int, str]]]:
    """Each layer's share of the time, and each function's, with its calls; storage apart.

    What is built in is a layer of its own. The profiler makes what is called often dearer than it
    is.
    """
    functions: list[tuple[float, int, str]] = []
    layers: dict[str, float] = {}
    for entry in profile.getstats():
        layer, name = _place(entry.code)
        if layer in _APART or "process_time" in name:
            continue
        functions.append((entry.inlinetime, entry.callcount, f"{layer} {name}"))
        layers[layer] = layers.get(layer, 0.0) + entry.inlinetime
    total = sum(layers.values())
    ordered = sorted(layers.items(), key=lambda each: -each[1])
    told = [(seconds / total, count, name) for seconds, count, name in functions]
    return {layer: seconds / total for layer, seconds in ordered}, sorted(told, reverse=True)


def print_profile(profile: cProfile.Profile) -> None:
    """Where the time went."""
    layers, functions = shares(profile)
    for layer, share in layers.items():
        print(f"  {100 * share:>5.1f} %  {layer}")
    for share, count, name in functions[:_SHOWN]:
        print(f"  {100 * share:>5.1f} %  {count:>9,} calls  {name}")


def _place(code: object) -> tuple[str, str]:
    """The layer that a function belongs to, and its name."""
    if not isinstance(code, CodeType):
        return "built in", str(code)
    parts = Path(code.co_filename).parts
    name = f"{Path(code.co_filename).name}:{code.co_firstlineno} {code.co_name}"
    if "durable" in parts:
        return parts[len(parts) - parts[::-1].index("durable")].removesuffix(".py"), name
    return ("benchmark" if {"tests", "benchmarks"} & set(parts) else "Python's library"), name


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.cpu", description=__doc__.splitlines()[0])
    parser.add_argument("scenarios", nargs="*", help="those whose names contain one of these")
    parser.add_argument("--no-fast-path", action="store_true")
    parser.add_argument("--profile", action="store_true", help="where the time goes, for each")
    chosen = parser.parse_args(arguments)
    print(HEAD)
    for scenario in SCENARIOS:
        if chosen.scenarios and not any(each in scenario.name for each in chosen.scenarios):
            continue
        profile = cProfile.Profile() if chosen.profile else None
        print(measure(scenario, fast_path=not chosen.no_fast_path, profile=profile).line())
        if profile is not None:
            print_profile(profile)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
