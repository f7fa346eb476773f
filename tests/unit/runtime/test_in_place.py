"""Activities in place: which ones, for how long, and what becomes of their messages."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from durable.errors import Unavailable
from durable.model.events import TaskCompleted, TaskScheduled
from durable.model.messages import Outbound
from durable.runtime.activities import Activities
from durable.runtime.delivery import Delivery, Done
from durable.runtime.in_place import InPlace
from durable.runtime.scope import Invocation
from tests.hub_lab import Actor, in_virtual_time
from tests.unit.runtime.fast_lab import DELETE, PUT, RENEW, FastLab, operations

OWN_LEASE = 45


class Bench:
    """Activities in place on a hub of their own; the test deals with their results."""

    def __init__(self, lab: FastLab, actor: Actor) -> None:
        self.lab = lab
        self.actor = actor
        self.results: list[Delivery] = []
        self.error: Exception | None = None
        self.may_end = asyncio.Event()
        self.may_end.set()
        settings = lab.engine_settings
        self.activities = Activities(actor.hub, lab.registry, settings, lab.clock, {}, self._offer)
        self.in_place = InPlace(actor.hub, self.activities, settings, lab.clock, self._deal_with)
        self.scope = Invocation(lab.clock, hand_over_seconds=5.0)

    async def _offer(self, delivery: Delivery, answer: object) -> bool:
        raise AssertionError("nothing comes out of the queue here")

    async def _deal_with(self, delivery: Delivery) -> None:
        self.results.append(delivery)
        await self.may_end.wait()
        if self.error is not None:
            raise self.error
        delivery.outcome = Done()

    def call(self, seconds: float, *, name: str = "slow", task_id: int = 0) -> Outbound:
        event = TaskScheduled(
            timestamp=self.lab.clock.now(), event_id=task_id, name=name, input=f"[{seconds}]"
        )
        return Outbound(message=self.lab.event(event, execution_id="e1"), to_workers=True)

    def runnable(self, *calls: Outbound) -> list[int]:
        return [event.event_id for _, event in self.in_place.runnable(calls, self.scope)]


async def bench(**settings: Any) -> Bench:
    lab = FastLab(**settings)
    return Bench(lab, await lab.actor())


@in_virtual_time
async def test_what_may_run_here_is_known_and_within_the_limit() -> None:
    it = await bench(max_in_place=2)
    timer = Outbound(message=it.lab.raised("E", 1))
    calls = [it.call(1, name="elsewhere"), *(it.call(1, task_id=n) for n in (1, 2, 3))]
    assert it.runnable(timer, *calls) == [1, 2]

    async def body() -> None:
        for call, event in it.in_place.runnable(calls[1:2], it.scope):
            it.in_place.begin(call, event, it.scope)
        assert it.runnable(*calls) == [1]
        await it.lab.clock.sleep(1.1)
        assert it.runnable(*calls) == [1, 2]

    await it.scope.run(body())


@in_virtual_time
async def test_what_lately_took_long_runs_here_only_where_there_is_a_place() -> None:
    it = await bench(max_concurrent_activities=3)
    calls = [it.call(2, task_id=n) for n in range(5)]
    quick = it.call(0, name="greet", task_id=9)
    assert it.runnable(*calls, quick) == [0, 1, 2, 3, 4, 9]

    async def body() -> None:
        [(call, event)] = it.in_place.runnable(calls[:1], it.scope)
        it.in_place.begin(call, event, it.scope)
        await it.lab.clock.sleep(2.1)
        assert it.in_place.is_slow("Slow")
        assert it.runnable(*calls, quick) == [0, 1, 2, 9]
        async with it.activities.slots:
            assert it.runnable(*calls, quick) == [0, 1, 9]

    await it.scope.run(body())


@in_virtual_time
async def test_how_slow_an_activity_is_follows_its_last_times() -> None:
    it = await bench()
    slow: list[bool] = []

    async def body() -> None:
        for seconds in (0.1, 0.8, 0.8, 0, 0):
            call = it.call(seconds)
            assert isinstance(call.message.event, TaskScheduled)
            await it.activities.reply(call.message, call.message.event)
            slow.append(it.in_place.is_slow("slow"))

    await it.scope.run(body())
    # The means are 0.1, 0.45, 0.625, 0.31, 0.16.
    assert slow == [False, False, True, False, False]


async def begin(it: Bench, seconds: float) -> Any:
    [(call, event)] = it.in_place.runnable([it.call(seconds)], it.scope)
    return it.in_place.begin(call, event, it.scope)


@in_virtual_time
async def test_a_result_holds_nothing_until_its_message_is_put() -> None:
    it = await bench()

    async def body() -> None:
        run = await begin(it, 1)
        assert (run.name, run.task_id, run.has_begun) == ("slow", 0, False)
        await it.lab.clock.sleep(0.5)
        assert run.has_begun
        assert not run.is_set
        await it.in_place.hold(run)
        assert run.is_set
        [(_, seconds)] = await it.lab.work()
        assert seconds == OWN_LEASE

    await it.scope.run(body())
    [result] = it.results
    assert isinstance(result.message.event, TaskCompleted)
    assert result.queue == it.lab.queue
    assert result.holds
    assert await it.lab.empty()
    assert operations(it.actor) == [PUT, DELETE]


@in_virtual_time
async def test_a_message_that_is_put_after_its_result_was_dealt_with_is_deleted() -> None:
    it = await bench()

    async def body() -> None:
        run = await begin(it, 1)
        await it.lab.clock.sleep(2)
        assert it.results[0].outcome == Done()
        await it.in_place.hold(run)

    await it.scope.run(body())
    assert await it.lab.empty()
    assert operations(it.actor) == [PUT, DELETE]


@in_virtual_time
async def test_a_result_that_is_dealt_with_while_its_message_is_put_leaves_nothing() -> None:
    it = await bench()

    async def slow_put(number: int, operation: str, resource: str) -> None:
        if operation == PUT:
            await it.lab.clock.sleep(3)

    it.actor.before = slow_put

    async def body() -> None:
        await it.in_place.hold(await begin(it, 1))

    await it.scope.run(body())
    assert await it.lab.empty()


@in_virtual_time
async def test_an_activity_that_is_revoked_before_it_begins_never_runs() -> None:
    it = await bench(max_concurrent_activities=1)

    async def body() -> None:
        await begin(it, 1)
        run = await begin(it, 7)
        await it.lab.clock.sleep(0.1)
        run.is_revoked = True

    await it.scope.run(body())
    assert it.lab.counts == {"slow:1": 1}
    assert len(it.results) == 1


@in_virtual_time
async def test_a_result_that_nobody_could_take_is_told_and_its_message_comes_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    it = await bench()
    it.error = Unavailable("away")

    async def body() -> None:
        run = await begin(it, 1)
        await it.lab.clock.sleep(0.1)
        await it.in_place.hold(run)

    with caplog.at_level(logging.WARNING, "durable.activities"):
        await it.scope.run(body())
    assert caplog.messages == [
        "the result of activity 'slow' (task 0 of instance 'i1') was lost: away"
    ]
    [(_, seconds)] = await it.lab.work()
    assert seconds == pytest.approx(OWN_LEASE - 0.9)
    assert operations(it.actor) == [PUT]


@in_virtual_time
async def test_a_message_that_could_not_be_deleted_is_no_lost_result(
    caplog: pytest.LogCaptureFixture,
) -> None:
    it = await bench()

    async def body() -> None:
        run = await begin(it, 1)
        await it.lab.clock.sleep(0.1)
        await it.in_place.hold(run)
        it.actor.failing[DELETE] = Unavailable("away")

    await it.scope.run(body())
    assert not any("was lost" in each for each in caplog.messages)
    assert len(await it.lab.work()) == 1


@in_virtual_time
async def test_g_a_message_that_another_process_has_holds_nothing_any_more() -> None:
    it = await bench()

    async def body() -> None:
        run = await begin(it, 200)
        await it.lab.clock.sleep(0.1)
        await it.in_place.hold(run)
        it.actor.failing[RENEW] = Unavailable("away")
        await it.lab.clock.sleep(OWN_LEASE)
        assert run.is_set  # as far as this process knows
        [theirs] = await it.lab.account.queues.get(it.lab.work_items, count=1, lease_seconds=600)
        it.actor.failing.clear()
        await it.lab.clock.sleep(OWN_LEASE)
        assert not run.is_set
        assert theirs.dequeue_count == 1

    await it.scope.run(body())
    assert not it.results[0].holds
    assert len(await it.lab.work()) == 1  # not ours to delete
