"""Runs an app's workflows in a simulated hub, with faults, to the end; says what was wrong."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from durable.authoring.registry import Registry
from durable.client.core import Client
from durable.runtime.http_activity import HttpSender
from durable.runtime.settings import EngineSettings
from durable.testing.simulator.faults import Fault, Faults
from durable.testing.simulator.invariants import check_at_rest
from durable.testing.simulator.simulation import LEASE_SECONDS, PATIENCE_SECONDS, Simulation
from durable.testing.simulator.trace import lines_of
from durable.testing.simulator.virtual_time import run_in_virtual_time
from durable.testing.simulator.watcher import Watcher

T = TypeVar("T")

_TRACE_LINES = 80


class App(Protocol):
    """What of a `DFApp` is looked at."""

    @property
    def registry(self) -> Registry:
        """Its orchestrators, activities and entities, once they were taken out."""
        ...

    def durable_parts(self) -> object:
        """Take them out."""
        ...


class SimulationFailed(AssertionError):
    """A simulated run broke a promise. Fields: `seed`, `wrong` (what was), `trace` (all lines)."""

    def __init__(self, seed: int, wrong: list[str], trace: list[str]) -> None:
        shown = trace[-_TRACE_LINES:]
        before = len(trace) - len(shown)
        lines = [
            f"seed {seed}: {len(wrong)} wrong (the same again: simulate(..., seed={seed}))",
            *(f"  {each}" for each in wrong),
            f"the last of what happened ({before} lines before, see the field trace):",
            *shown,
        ]
        super().__init__("\n".join(lines))
        self.seed = seed
        self.wrong = wrong
        self.trace = trace


@dataclass(frozen=True, kw_only=True, slots=True)
class Simulated(Generic[T]):
    """What a run came to.

    Attributes:
        value: what the script returned.
        seconds: virtual ones, until the hub was at rest.
        faults: how often each struck.
        crashes: processes that died.
        calls: storage calls of all processes.
        trace: what happened, line by line.
    """

    value: T
    seconds: float
    faults: Counter[Fault] = field(default_factory=Counter)
    crashes: int = 0
    calls: int = 0
    trace: tuple[str, ...] = ()


def simulate(
    app: App,
    script: Callable[[Client], Awaitable[T]],
    *,
    seed: int = 0,
    faults: Faults | None = None,
    processes: int = 2,
    workers: int = 0,
    afterwards: Callable[[Client], Awaitable[object]] | None = None,
    engine_settings: EngineSettings | None = None,
    lease_seconds: int = LEASE_SECONDS,
    partition_count: int = 2,
    patience_seconds: float = PATIENCE_SECONDS,
    http: HttpSender | None = None,
) -> Simulated[T]:
    """Run `script` as a client of a hub that runs `app`, in virtual time, until nothing is left.

    The hub's processes crash and stall as `faults` says; the client's calls do not fail. The run
    depends on the seed alone, as long as the app's code does. Synchronous functions run in the
    loop, at once; what they sleep, the test sleeps. There is no network: `call_http` is answered
    by `http`.

    Args:
        app: whose functions run.
        script: what a client does. It may await the client, and `asyncio.sleep`.
        seed: another one, another run.
        faults: what goes wrong; when left out some mix that depends on the seed.
        processes: how many serve the hub as Functions hosts do.
        workers: and how many as workers.
        afterwards: looks at the hub at rest, and raises when it doesn't like what it sees.
        engine_settings: how the processes run the hub.
        lease_seconds: for how long a message is the process's that received it.
        partition_count: the hub's control queues.
        patience_seconds: the hub must be at rest after so many virtual seconds.
        http: who answers `call_http`.

    Raises:
        UsageError: one of the app's functions breaks a rule.
        SimulationFailed: a promise of `docs/reliability.md` was broken, the hub never came to
            rest, or the script or `afterwards` raised.
    """
    app.durable_parts()
    simulation = Simulation(
        registry=app.registry,
        seed=seed,
        faults=Faults.of_seed(seed) if faults is None else faults,
        partition_count=partition_count,
        engine_settings=engine_settings or EngineSettings(),
        lease_seconds=lease_seconds,
        patience_seconds=patience_seconds,
        http=http,
    )
    run = _Run(simulation, script, afterwards)
    return run_in_virtual_time(run.to_the_end(processes, workers))


class _Run(Generic[T]):
    """One run."""

    def __init__(
        self,
        simulation: Simulation,
        script: Callable[[Client], Awaitable[T]],
        afterwards: Callable[[Client], Awaitable[object]] | None,
    ) -> None:
        self._simulation = simulation
        self._script = script
        self._afterwards = afterwards
        self._watcher = Watcher(simulation)
        self._client = Client(simulation.hub, registry=simulation.registry)
        self._value: list[T] = []
        self._raised: list[Exception] = []
        self._over = False

    async def to_the_end(self, processes: int, workers: int) -> Simulated[T]:
        simulation = self._simulation
        simulation.watch = self._watcher.attach
        async with asyncio.TaskGroup() as group:
            scripted = group.create_task(self._follow_script())
            await simulation.serve_until(self._settled, processes=processes, workers=workers)
            scripted.cancel()
        seconds = simulation.clock.monotonic()
        wrong = [*self._watcher.violations, *await self._at_rest()]
        if not wrong and self._afterwards is not None:
            try:
                await self._afterwards(self._client)
            except Exception as error:  # noqa: BLE001 - reported below, with the trace
                self._raised.append(error)
                wrong.append(f"afterwards: {type(error).__name__}: {error}")
        trace = lines_of(simulation.entries)
        if wrong:
            cause = self._raised[0] if self._raised else None
            raise SimulationFailed(simulation.seed, wrong, trace) from cause
        return Simulated(
            value=self._value[0],
            seconds=seconds,
            faults=simulation.strikes,
            crashes=len(simulation.crashed),
            calls=len(simulation.calls),
            trace=tuple(trace),
        )

    async def _follow_script(self) -> None:
        try:
            self._value.append(await self._script(self._client))
        except Exception as error:  # noqa: BLE001 - reported, with the trace
            self._raised.append(error)
        self._over = True

    async def _settled(self) -> bool:
        return self._over and (bool(self._raised) or await self._simulation.queues_empty())

    async def _at_rest(self) -> list[str]:
        if self._raised:
            error = self._raised[0]
            return [f"the script: {type(error).__name__}: {error}"]
        patience = f"after {self._simulation.patience_seconds:.0f} virtual seconds"
        if not self._over:
            return [f"the script had not ended {patience}"]
        if not await self._simulation.queues_empty():
            return [f"messages were left {patience}"]
        return await check_at_rest(self._simulation.hub, all_end=False)
