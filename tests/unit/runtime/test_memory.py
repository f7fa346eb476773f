"""Messages that are in memory only, or were put already leased."""

from __future__ import annotations

import math

from durable.model.events import TaskCompleted
from durable.model.messages import Outbound, TaskMessage
from durable.runtime.delivery import Lease
from durable.runtime.memory import WorkItemHeld, in_memory, put_leased
from durable.runtime.scope import Invocation
from tests.hub_lab import Lab, in_virtual_time
from tests.simulation.simloop import SimClock


def result(lab: Lab) -> TaskMessage:
    return lab.event(TaskCompleted(timestamp=lab.clock.now(), task_id=3, result='"r"'))


class Anchor:
    """One that a test sets."""

    is_set = False


@in_virtual_time
async def test_a_result_in_memory_is_ours_for_ever_and_has_a_key_of_its_own() -> None:
    lab = Lab()
    anchor = Anchor()
    first, second = (
        in_memory(result(lab), "hub-control-00", anchor, None, lab.clock) for _ in range(2)
    )
    assert first.key != second.key
    assert first.lease.until == math.inf
    assert (first.queue, first.scope, first.row) == ("hub-control-00", None, None)
    assert not first.holds
    anchor.is_set = True
    assert first.holds


@in_virtual_time
async def test_what_is_put_leased_is_held_by_its_receipt() -> None:
    lab = Lab()
    await lab.hub.ensure()
    scope = Invocation(lab.clock, hand_over_seconds=1.0)
    message = result(lab)
    one, held = await put_leased(lab.hub, Outbound(message=message), 45, lab.clock, scope)
    [(_, visible)] = await lab.queued()
    assert lab.in_seconds(visible) == 45
    assert (one.raw.dequeue_count, one.message, one.scope, one.row) == (1, message, scope, None)
    assert one.lease.until == lab.clock.monotonic() + 45
    assert one.holds
    await held.let_go()
    assert await lab.queued() == []


@in_virtual_time
async def test_a_work_item_holds_for_as_long_as_its_lease() -> None:
    clock = SimClock(2)
    lease = Lease(10.0)
    anchor = WorkItemHeld(lease, clock)
    seen = [anchor.is_set]
    await clock.sleep(10)
    seen.append(anchor.is_set)
    lease.until = 20.0
    seen.append(anchor.is_set)
    assert seen == [True, False, True]
