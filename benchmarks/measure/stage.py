"""What a measurement stands on: a worker with its client, a floor beside it, and Azurite below."""

from __future__ import annotations

import asyncio
import functools
import gc
import importlib.util
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import durable as df
from benchmarks.azurite import emulator, open_at
from benchmarks.measure.floor import Floor
from benchmarks.measure.recording import Recorder, Recording, RecordingAccount, looking
from durable.client import Client
from durable.clock import Clock, SystemClock
from durable.functions.app import DFApp
from durable.functions.working import running_worker
from durable.hub.settings import HubSettings
from durable.hub.taskhub import TaskHub
from durable.model.ids import EntityId
from durable.storage.ports import Account

APP = Path(__file__).parents[1] / "app"
HUB = "Bench"
PATIENCE_SECONDS = 180.0
_HOST_JSON = {"version": "2.0", "extensions": {"durableTask": {"hubName": HUB}}}
_LOOK_SECONDS = 0.02
_QUIET_LOOKS = 2


@functools.cache
def benchmark_app() -> DFApp:
    """The app of benchmarks/app."""
    spec = importlib.util.spec_from_file_location("benchmark_app", APP / "function_app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    app = module.app
    assert isinstance(app, DFApp)
    return app


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """A worker under measurement.

    Attributes:
        client: in the worker's process.
        recorder: hears what worker and client ask of storage.
        floor: has an account of its own on the same storage.
        hub: looks at the same storage through an account of its own, which nobody counts.
        storage_cpu: the CPU time that the storage has used, in seconds.
    """

    client: Client
    recorder: Recorder
    floor: Floor
    hub: TaskHub
    storage_cpu: Callable[[], float]

    async def run(self, name: str, value: object = None, *, patience: float = 600.0) -> str:
        """Start an instance and wait for its end; its id.

        Raises:
            RuntimeError: it did not complete.
        """
        instance_id = await self.client.start_new(name, client_input=value)
        await self.ended(instance_id, patience=patience)
        return instance_id

    async def ended(self, instance_id: str, *, patience: float = 600.0) -> None:
        """Wait for the end of an instance, as any client would."""
        with looking():
            status = await self.client.wait_for_orchestration_completion(
                instance_id, timeout=patience, interval=1
            )
        if status.runtime_status is not df.OrchestrationRuntimeStatus.Completed:
            raise RuntimeError(f"{status.name} ended as {status.runtime_status}: {status.output}")

    async def entity_state(self, entity: EntityId) -> object:
        with looking():
            return (await self.client.read_entity_state(entity)).entity_state

    async def quiet(self) -> None:
        """Wait until nothing is queued: the last message is deleted after the instance shows."""
        await quiet(self.hub)

    async def recorded(self, work: Callable[[], Awaitable[object]]) -> tuple[float, Recording]:
        """How long `work` took, and what was asked of storage until nothing was queued."""
        await self.quiet()
        gc.collect()
        self.recorder.begin()
        began = time.perf_counter()
        await work()
        seconds = time.perf_counter() - began
        await self.quiet()
        return seconds, self.recorder.end()

    async def replayed(self, recording: Recording, before: Recording | None = None) -> float:
        """How long the floor took for the same, until a waiting client would know.

        `before` is made first, untimed: it leaves what `recording` goes on from.
        """
        replay = self.floor.replay()
        for each in (before or Recording(), recording):
            await self.floor.prepare(each)
        if before is not None:
            await replay.play(before)
        gc.collect()
        ended: list[float] = []
        began = time.perf_counter()
        await replay.play(recording, answered=lambda: ended.append(time.perf_counter()))
        return ended[0] - began


@asynccontextmanager
async def staged(
    served: Account,
    floor: Account,
    observer: Account,
    *,
    clock: Clock | None = None,
    environ: Mapping[str, str] | None = None,
    storage_cpu: Callable[[], float] = lambda: 0.0,
) -> AsyncIterator[Stage]:
    """A worker on `served`, the floor and an observer on other doors to the same storage."""
    recorder = Recorder()
    clock = clock or SystemClock()
    async with running_worker(
        benchmark_app(),
        environ=environ or {},
        host_json=_HOST_JSON,
        account=RecordingAccount(served, recorder),
        clock=clock,
    ) as running:
        try:
            yield Stage(
                client=running.client,
                recorder=recorder,
                floor=Floor(floor),
                hub=TaskHub(observer, HubSettings(name=HUB), clock),
                storage_cpu=storage_cpu,
            )
        finally:
            await floor.close()
            await observer.close()


@asynccontextmanager
async def on_azurite() -> AsyncIterator[Stage]:
    """A stage on a fresh Azurite, warmed up."""
    async with (
        emulator() as below,
        staged(
            open_at(below.port),
            open_at(below.port),
            open_at(below.port),
            storage_cpu=below.cpu_seconds,
        ) as stage,
    ):
        await warm_up(stage)
        yield stage


async def warm_up(stage: Stage) -> None:
    """Connections are opened, the hub's key is made, code is imported, on both sides."""
    for _ in range(2):
        _, recording = await stage.recorded(lambda: stage.run("hello"))
        await stage.replayed(recording.work())


async def quiet(hub: TaskHub) -> None:
    """Wait until the queues of a hub are empty, hidden messages included.

    Raises:
        TimeoutError: they don't get empty.
    """
    queues = (*hub.names.control_queues, hub.names.work_items)
    empty = 0
    async with asyncio.timeout(PATIENCE_SECONDS):
        while empty < _QUIET_LOOKS:
            counts = [await hub.account.queues.count(queue) for queue in queues]
            empty = 0 if any(counts) else empty + 1
            await asyncio.sleep(_LOOK_SECONDS)
