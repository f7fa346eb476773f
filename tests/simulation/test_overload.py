"""A backlog is worked off with bounded hands: what a process holds doesn't depend on its length."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from durable.model.status import RuntimeStatus
from durable.runtime.settings import EngineSettings
from durable.runtime.worker_settings import WorkerSettings
from tests.functions_lab import FunctionsLab, FunctionsProcess, in_virtual_time
from tests.simulation.overload import (
    COMMIT,
    Activity,
    Load,
    Peaks,
    backlog,
    child,
    fan_out,
    fans,
    leased,
    takes,
)
from tests.unit.runtime.worker_lab import WorkerLab

ORCHESTRATORS = (takes, fans, child)
SESSIONS, ACTIVITIES, TURNS, CONTROL = 100, 8, 16, 128
#: What the local host and the Functions host take of a queue: batchSize and newBatchThreshold.
HOST_PLACES = 16 + 8
CONTROL_QUEUES = 4
PATIENCE_SECONDS = 3600
#: Objects are counted now and then only; and how work meets is not the same in every run.
ABOUT = 1.25


async def by_worker(load: Load) -> Counter[str]:
    """The most that a worker held while it worked `load` off."""
    settings = EngineSettings(
        session_limit=SESSIONS, max_concurrent_activities=ACTIVITIES, turns_at_once=TURNS
    )
    activity = Activity()

    async def counted(value: Any) -> Any:
        return await activity.counted(value)

    lab = WorkerLab(*ORCHESTRATORS, activities=[counted], settings=settings)
    wanted = await load(lab.hub)
    peaks = Peaks()
    worker = lab.process(
        settings=WorkerSettings(control_limit=CONTROL), account=lab.account.opened_by(peaks)
    )
    peaks.engine = worker._engine
    work_items = lab.hub.names.work_items
    peaks.looks = {
        "messages": lambda: worker._in_flight.total() - worker._in_flight[work_items],
        "tasks": lambda: worker.in_flight,
    }
    async with lab.running(worker):
        while await lab.left():
            assert lab.clock.monotonic() < PATIENCE_SECONDS
            peaks.most["leased"] = max(peaks.most["leased"], leased(lab.hub))
            await lab.clock.sleep(0.2)
        await all_completed(lab, wanted)
    peaks.most["activities"] = activity.most
    return peaks.most


async def by_functions(load: Load) -> Counter[str]:
    """The most that a Functions app held, whose host takes what it has places for."""
    activity = Activity()
    lab = FunctionsLab(maxConcurrentActivityFunctions=ACTIVITIES)
    for each in ORCHESTRATORS:
        lab.orchestrator(each)

    async def counted(value: Any) -> Any:
        return await activity.counted(value)

    lab.activity(counted)
    wanted = await load(lab.hub)
    process = _Watched(lab)
    process.peaks.engine = process._owner.services().engine
    peaks = process.peaks
    async with process.running():
        while any([await lab.account.queues.count(queue) for queue in lab.queues]):
            assert lab.clock.monotonic() < PATIENCE_SECONDS
            peaks.most["leased"] = max(peaks.most["leased"], leased(lab.hub))
            await lab.clock.sleep(0.2)
        await all_completed(lab, wanted)
    peaks.most["activities"] = activity.most
    return peaks.most


class _Watched(FunctionsProcess):
    """One whose engine is looked at with each of its calls."""

    peaks: Peaks

    def _door(self, who: str) -> Any:
        if who != "engine":
            return super()._door(who)
        self.peaks = Peaks()
        return self.peaks


async def all_completed(lab: WorkerLab | FunctionsLab, wanted: dict[str, str]) -> None:
    for each, output in wanted.items():
        row = await lab.hub.instances.read(each)
        assert row is not None
        assert (row.status, row.output) == (RuntimeStatus.COMPLETED, output)


def check_worker(most: Counter[str]) -> None:
    """Bounds that settings give, whatever the backlog."""
    assert most["messages"] <= CONTROL
    assert most["leased"] <= CONTROL
    assert most["sessions"] <= SESSIONS
    assert most["table calls"] <= 2 * TURNS  # history and row are read together
    check_common(most, CONTROL)


def check_functions(most: Counter[str]) -> None:
    """Bounds that the host's settings give."""
    assert most["leased"] <= CONTROL_QUEUES * HOST_PLACES
    check_common(most, CONTROL_QUEUES * HOST_PLACES)


def check_common(most: Counter[str], places: int) -> None:
    assert most["activities"] == ACTIVITIES
    assert most[COMMIT] <= TURNS
    assert most["mailboxes"] <= places + ACTIVITIES
    assert most["Delivery objects"] <= places + 4 * ACTIVITIES
    live = most["sessions"] + places
    for kind in ("Session", "Orchestration", "Ledger"):
        assert most[f"{kind} objects"] <= live
    # A message is dealt with, renewed, and perhaps waited for.
    assert most["Task objects"] <= 4 * (places + ACTIVITIES)
    assert most["Event objects"] <= 6 * (places + ACTIVITIES)


def check_same(few: Counter[str], many: Counter[str]) -> None:
    """What work holds is about the same, whatever the backlog; sessions have a limit."""
    sessions = {"sessions", "Session objects", "Orchestration objects", "Ledger objects"}
    for name in many.keys() - sessions:
        assert many[name] <= ABOUT * few[name] + 20, (name, few, many)


@pytest.mark.slow
@pytest.mark.sweep  # long, and nothing new for the coverage
@pytest.mark.timeout(120)
@in_virtual_time
async def test_a_worker_s_hands_are_bounded_whatever_the_backlog() -> None:
    check_worker(await by_worker(backlog(4_000)))


@pytest.mark.slow
@pytest.mark.sweep
@pytest.mark.timeout(120)
@in_virtual_time
async def test_so_are_those_of_a_functions_app() -> None:
    check_functions(await by_functions(backlog(2_000)))


@pytest.mark.slow
@pytest.mark.sweep
@in_virtual_time
async def test_a_worker_takes_a_bounded_number_of_its_own_children_in_memory() -> None:
    most = await by_worker(fan_out(500))
    # What it fetched, and what it was handed before it had so many.
    assert most["messages"] <= 2 * CONTROL
    assert most["leased"] <= 2 * CONTROL
    assert most["mailboxes"] <= 2 * CONTROL + ACTIVITIES


@pytest.mark.slow
@pytest.mark.sweep
@in_virtual_time
async def test_so_does_a_functions_app() -> None:
    most = await by_functions(fan_out(500))
    places = EngineSettings().hand_over_limit + CONTROL_QUEUES * HOST_PLACES
    assert most["mailboxes"] <= places + ACTIVITIES
    assert most["Delivery objects"] <= places + 4 * ACTIVITIES


@pytest.mark.soak
@pytest.mark.timeout(1200)
@in_virtual_time
async def test_a_worker_holds_as_much_of_20_000_messages_as_of_2_000() -> None:
    few, many = await by_worker(backlog(2_000)), await by_worker(backlog(20_000))
    print("by a worker:", dict(sorted(many.items())))
    check_worker(many)
    check_same(few, many)


@pytest.mark.soak
@pytest.mark.timeout(1200)
@in_virtual_time
async def test_a_functions_app_holds_as_much_of_20_000_messages_as_of_2_000() -> None:
    few, many = await by_functions(backlog(2_000)), await by_functions(backlog(20_000))
    print("by a Functions app:", dict(sorted(many.items())))
    check_functions(many)
    check_same(few, many)
