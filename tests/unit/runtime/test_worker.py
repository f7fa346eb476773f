"""The worker: what it reads, how much it takes, how it ends, what it costs at rest."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from datetime import timedelta
from typing import Any, TypeVar

import pytest

from durable.errors import Unavailable
from durable.hub.taskhub import TaskHub
from durable.runtime.partitions import PartitionOwner
from durable.runtime.settings import EngineSettings
from durable.runtime.worker import Worker
from durable.runtime.worker_settings import WorkerSettings
from tests.hub_lab import in_virtual_time
from tests.unit.runtime.worker_lab import Owning, WorkerLab

T = TypeVar("T")
Tasks = Generator[Any, Any, Any]

#: Every step through its queue, so that a test sees them there.
QUEUES_ONLY = EngineSettings(fast_path=False)


def sequence(context: Any) -> Tasks:
    tokyo = yield context.call_activity("greet", "Tokyo")
    seattle = yield context.call_activity("greet", "Seattle")
    return [tokyo, seattle]


def parent(context: Any) -> Tasks:
    return (yield context.call_sub_orchestrator("sequence"))


def timed(context: Any) -> Tasks:
    yield context.create_timer(
        context.current_utc_datetime + timedelta(seconds=context.get_input())
    )
    return "late"


def works(context: Any) -> Tasks:
    return (yield context.call_activity("work", context.get_input()))


def fan(context: Any) -> Tasks:
    count, seconds = context.get_input()
    return (yield context.task_all([context.call_activity("work", seconds) for _ in range(count)]))


class Working:
    """An activity that takes as many seconds as it is told, and how many of it ran at once."""

    def __init__(self) -> None:
        self.begun = 0
        self.done = 0
        self.most = 0

    async def work(self, value: float) -> str:
        self.begun += 1
        self.most = max(self.most, self.begun - self.done)
        await asyncio.sleep(value)
        self.done += 1
        return "done"


def lab_of(*orchestrators: Callable[..., Any], **arguments: Any) -> tuple[WorkerLab, Working]:
    working = Working()

    async def work(value: float) -> str:
        return await working.work(value)

    return WorkerLab(*orchestrators, activities=[work], **arguments), working


@pytest.mark.parametrize("settings", [EngineSettings(), QUEUES_ONLY], ids=["fast", "queues"])
def test_it_runs_what_others_start(settings: EngineSettings) -> None:
    @in_virtual_time
    async def test() -> None:
        lab = WorkerLab(sequence, parent, settings=settings)
        async with lab.running(lab.process()):
            ids = [f"i{number}" for number in range(20)]
            for each in ids:
                await lab.begin("parent", each)
            await lab.completed(*ids)
            await lab.clock.sleep(1)
            assert await lab.left() == 0
        assert set(lab.counts.values()) == {20}

    test()


@in_virtual_time
async def test_what_a_client_beside_it_starts_needs_no_look_at_a_queue() -> None:
    lab = WorkerLab(sequence)
    worker = lab.process()
    async with lab.running(worker):
        await lab.clock.sleep(100)
        before = lab.clock.monotonic()
        lab.hub = worker._hub
        await lab.begin("sequence", "i1")
        await lab.completed("i1")
        assert lab.clock.monotonic() - before < 1


@in_virtual_time
async def test_a_timer_does_not_wait_for_the_next_look() -> None:
    lab = WorkerLab(timed)
    worker = lab.process()
    async with lab.running(worker):
        await lab.begin("timed", "i1", 20)
        await lab.clock.sleep(15)
        for queue in lab.control_queues:
            worker.wake(queue, after=6)
        before = lab.clock.monotonic()
        await lab.completed("i1")
        assert lab.clock.monotonic() - before < 8


@in_virtual_time
async def test_it_takes_no_more_activities_than_it_can_run() -> None:
    settings = EngineSettings(fast_path=False, max_concurrent_activities=3)
    lab, working = lab_of(fan, settings=settings)
    mine, other = lab.process(), lab.process(Owning())
    async with lab.running(mine):
        await lab.begin("fan", "i1", [12, 10.0])
        await lab.clock.sleep(5)
        assert working.begun == 3
        assert len(await lab.account.queues.peek(lab.hub.names.work_items)) == 9
        async with lab.running(other):
            await lab.clock.sleep(2)
            # The second one took what the first one left.
            assert working.begun == 6
            await lab.completed("i1", seconds=60)
    assert working.most == 6
    assert working.done == 12


@in_virtual_time
async def test_it_takes_no_more_control_messages_than_its_limit() -> None:
    closed = asyncio.Event()

    async def door(service: str, operation: str, resource: str, call: Callable[[], T]) -> T:
        if service == "table":
            await closed.wait()
        return call()

    lab = WorkerLab(sequence, settings=QUEUES_ONLY)
    worker = lab.process(
        settings=WorkerSettings(control_limit=7), account=lab.account.opened_by(door)
    )
    await lab.hub.ensure()
    ids = [f"i{number}" for number in range(40)]
    for each in ids:
        await lab.begin("sequence", each)
    async with lab.running(worker):
        await lab.clock.sleep(2)
        visible = [len(await lab.account.queues.peek(each)) for each in lab.control_queues]
        assert sum(visible) == 40 - 7
        assert not worker.serves(lab.control_queues[0])
        closed.set()
        await lab.completed(*ids)


@in_virtual_time
async def test_it_reads_what_it_owns() -> None:
    lab = WorkerLab(sequence, settings=QUEUES_ONLY)
    owning = Owning(lab.control_queues[0])
    worker = lab.process(owning)
    ids = [f"i{number}" for number in range(30)]
    queues = {each: lab.hub.names.control_queue_of(each) for each in ids}
    assert set(queues.values()) == set(lab.control_queues)
    async with lab.running(worker):
        for each in ids:
            await lab.begin("sequence", each)
        for owned in (0, 1):
            queue = lab.control_queues[owned]
            owning.own(queue)
            await lab.completed(*[each for each in ids if queues[each] == queue])
            assert worker.owned == {queue}
            assert worker.serves(queue)
        assert not worker.serves(lab.control_queues[0])
        for queue in lab.control_queues[2:]:
            (first, *_) = [each for each in ids if queues[each] == queue]
            assert (await lab.row(first)).status.name == "PENDING"  # type: ignore[union-attr]
        # Nothing is read any more that was lost.
        await lab.begin("sequence", f"more-{lab.control_queues[0]}")
        owning.own()
        await lab.clock.sleep(0.1)
        assert all(worker.drained(queue) for queue in lab.control_queues)
        owning.own(*lab.control_queues)
        await lab.completed(*ids)


@in_virtual_time
async def test_what_it_reads_is_not_drained_before_it_is_done() -> None:
    closed = asyncio.Event()

    async def door(service: str, operation: str, resource: str, call: Callable[[], T]) -> T:
        if service == "table":
            await closed.wait()
        return call()

    lab = WorkerLab(sequence, settings=QUEUES_ONLY)
    owning = Owning(*lab.control_queues)
    worker = lab.process(owning, account=lab.account.opened_by(door))
    async with lab.running(worker):
        await lab.begin("sequence", "i1")
        queue = lab.hub.names.control_queue_of("i1")
        await lab.clock.sleep(2)
        owning.own()
        await lab.clock.sleep(2)
        assert not worker.drained(queue)
        closed.set()
        await lab.clock.sleep(2)
        assert worker.drained(queue)
        assert (await lab.row()).status.name == "RUNNING"  # type: ignore[union-attr]


@in_virtual_time
async def test_a_lease_is_renewed_for_as_long_as_it_takes() -> None:
    lab, working = lab_of(works, settings=QUEUES_ONLY)
    async with lab.running(lab.process(), lab.process(Owning())):
        await lab.begin("works", "i1", 500.0)
        await lab.completed("i1", seconds=600)
        assert working.begun == 1


def test_it_finishes_before_it_ends() -> None:
    @in_virtual_time
    async def test() -> None:
        lab, working = lab_of(works, settings=QUEUES_ONLY)
        owning = Owning(*lab.control_queues)
        worker = lab.process(owning)
        async with lab.running(worker):
            await lab.begin("works", "i1", 10.0)
            await lab.clock.sleep(2)
            before = lab.clock.monotonic()
            stopping = asyncio.create_task(worker.stop())
            await lab.clock.sleep(1)
            assert not worker.serves(lab.hub.names.work_items)
            # Queues go to others at once; what runs is finished.
            assert owning.released == [dict.fromkeys(lab.control_queues, True)]
            await lab.begin("works", "i2", 1.0)
            await stopping
            assert 6 < lab.clock.monotonic() - before < 10
        assert working.done == working.begun == 1
        # Its answer is in the control queue; the start was not taken.
        async with lab.running(lab.process()):
            await lab.completed("i1", "i2", seconds=10)
        assert working.begun == 2

    test()


def test_what_takes_too_long_is_let_go(caplog: pytest.LogCaptureFixture) -> None:
    @in_virtual_time
    async def test() -> None:
        lab, working = lab_of(works, settings=QUEUES_ONLY)
        worker = lab.process(settings=WorkerSettings(drain_seconds=5))
        async with lab.running(worker):
            await lab.begin("works", "i1", 90.0)
            await lab.clock.sleep(2)
            before = lab.clock.monotonic()
            await worker.stop()
            assert lab.clock.monotonic() - before == pytest.approx(5)
        async with lab.running(lab.process()):
            await lab.completed("i1", seconds=200)
            assert lab.clock.monotonic() - before < 45 + 30 + 90 + 30
        assert (working.begun, working.done) == (2, 1)

    test()
    assert "1 messages and activities were not finished in 5 s" in caplog.text


def test_a_message_that_fails_comes_back(caplog: pytest.LogCaptureFixture) -> None:
    failing = True

    async def door(service: str, operation: str, resource: str, call: Callable[[], T]) -> T:
        if failing and operation in {"Put Message", "Query Entities"}:
            raise Unavailable("secret", operation=operation, resource=resource)
        return call()

    @in_virtual_time
    async def test() -> None:
        nonlocal failing
        lab = WorkerLab(sequence, settings=QUEUES_ONLY)
        async with lab.running(lab.process(account=lab.account.opened_by(door))):
            await lab.begin("sequence", "i1")
            await lab.clock.sleep(3)
            failing = False
            before = lab.clock.monotonic()
            await lab.completed("i1")
            assert lab.clock.monotonic() - before < 5

    test()
    assert "is to come back: Unavailable" in caplog.text


def test_work_of_others_runs_inside_it(caplog: pytest.LogCaptureFixture) -> None:
    @in_virtual_time
    async def test() -> None:
        lab = WorkerLab(sequence)
        worker = lab.process(settings=WorkerSettings(control_limit=3))
        queue = lab.control_queues[0]
        assert not worker.serves(queue)
        gate = asyncio.Event()

        async def wait() -> None:
            await gate.wait()

        async def fail() -> None:
            raise ValueError("the user's secret")

        async with lab.running(worker):
            await lab.clock.sleep(1)
            assert worker.serves(queue)
            worker.spawn(fail())
            worker.spawn(wait())
            await lab.clock.sleep(1)
            assert worker.in_flight == 1
            for _ in range(3):
                assert worker.serves(queue)
                worker.spawn(wait(), queue=queue)
            # Messages of its queues fill it; what runs beside them doesn't.
            assert not worker.serves(queue)
            assert not worker.drained(queue)
            stopping = asyncio.create_task(worker.stop())
            await lab.clock.sleep(10)
            assert not stopping.done()
            gate.set()
            await stopping
        # After the end there is nobody to run it: it is dropped, with its message leased.
        worker.spawn(wait())
        worker.wake(queue)
        assert worker.in_flight == 0

    test()
    assert "failed: ValueError at " in caplog.text
    assert "secret" not in caplog.text


@in_virtual_time
async def test_the_owner_of_the_first_queue_sweeps_for_all() -> None:
    lab = WorkerLab(sequence)
    doors = [lab.account.opened_by(None) for _ in range(2)]
    first = lab.process(Owning(*lab.control_queues[:2]), account=doors[0])
    second = lab.process(Owning(*lab.control_queues[2:]), account=doors[1])
    async with lab.running(first, second):
        await lab.clock.sleep(1150)
        assert [each.requests["queue", "List Queues"] for each in doors] == [20, 2]


def test_a_sweep_that_fails_is_told_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    raised: list[Exception] = [
        Unavailable("away", operation="List Queues", resource="x"),
        ValueError("the user's secret"),
    ]

    async def door(service: str, operation: str, resource: str, call: Callable[[], T]) -> T:
        if operation == "List Queues" and raised:
            raise raised.pop(0)
        return call()

    @in_virtual_time
    async def test() -> None:
        lab = WorkerLab(sequence)
        account = lab.account.opened_by(door)
        async with lab.running(lab.process(account=account)):
            await lab.clock.sleep(200)
            assert account.requests["queue", "List Queues"] >= 1

    test()
    assert "the sweep waits for its next run: away" in caplog.text
    assert "the sweep failed: ValueError at " in caplog.text
    assert "secret" not in caplog.text


class Real:
    """A process that owns partitions by their rows; `kill` cuts it off from storage."""

    def __init__(self, lab: WorkerLab, number: int) -> None:
        self.dead = False
        self.account = lab.account.opened_by(self._door)
        self.partitions = PartitionOwner(
            TaskHub(self.account, lab.settings, lab.clock),
            lab.clock,
            worker_id=f"worker-{number}",
            drained=self._drained,
        )
        self.worker: Worker = lab.process(self.partitions, account=self.account)

    def _drained(self, queue: str) -> bool:
        return self.worker.drained(queue)

    async def _door(self, service: str, operation: str, resource: str, call: Callable[[], T]) -> T:
        await asyncio.sleep(0.002)
        if self.dead:
            raise Unavailable("dead", operation=operation, resource=resource)
        return call()


@in_virtual_time
async def test_at_rest_it_makes_fewer_than_seven_requests_in_ten_seconds() -> None:
    lab = WorkerLab(sequence)
    await lab.hub.ensure()
    process = Real(lab, 1)
    async with lab.running(process.worker):
        await lab.begin("sequence", "i1")
        await lab.completed("i1")
        await lab.clock.sleep(120)
        process.account.requests.clear()
        await lab.clock.sleep(600)
        assert process.account.requests.total() <= 0.7 * 600
        assert process.account.requests["queue", "Get Messages"] == 250


@pytest.mark.parametrize("settings", [EngineSettings(), QUEUES_ONLY], ids=["fast", "queues"])
def test_what_a_dead_process_held_moves_on(settings: EngineSettings) -> None:
    @in_virtual_time
    async def test() -> None:
        lab, _ = lab_of(fan, settings=settings)
        await lab.hub.ensure()
        first, second = Real(lab, 1), Real(lab, 2)
        async with lab.running(first.worker, second.worker):
            await lab.clock.sleep(30)
            assert [len(each.worker.owned) for each in (first, second)] == [2, 2]
            ids = [f"i{number}" for number in range(8)]
            for each in ids:
                await lab.begin("fan", each, [4, 3.0])
            await lab.clock.sleep(2)
            first.dead = True
            before = lab.clock.monotonic()
            await lab.completed(*ids)
            assert lab.clock.monotonic() - before < 65
            assert len(second.worker.owned) == 4

    test()


@in_virtual_time
async def test_an_error_of_its_own_ends_it() -> None:
    class Broken(Owning):
        async def run(self) -> None:
            await asyncio.sleep(5)
            raise ValueError("a bug")

    lab = WorkerLab(sequence)
    await lab.hub.ensure()
    worker = lab.process(Broken(*lab.control_queues))
    with pytest.raises(ValueError, match="a bug"):
        await worker.run()
    await worker.stop()
