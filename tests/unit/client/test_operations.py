"""Ending, holding and purging instances."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from durable.client import Client, OrchestrationRuntimeStatus
from durable.errors import InstanceError, InstanceFinished, InstanceNotFound, InvalidName
from durable.hub.taskhub import TaskHub
from durable.model.events import (
    ExecutionResumed,
    ExecutionStarted,
    ExecutionSuspended,
    ExecutionTerminated,
    GenericEvent,
)
from durable.model.status import TERMINAL, RuntimeStatus
from tests.entity_rows import insert_entity
from tests.failed_instance import insert_failed
from tests.hub_lab import Lab, in_virtual_time
from tests.manual_clock import ManualClock
from tests.unit.client.conftest import End, Insert, sent

RUNNING, COMPLETED = RuntimeStatus.RUNNING, RuntimeStatus.COMPLETED
SUSPENDED = RuntimeStatus.SUSPENDED
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


async def test_terminate_sends_the_reason(hub: TaskHub, insert: Insert) -> None:
    client = Client(hub)
    await insert("i", RuntimeStatus.PENDING)
    await insert("done", COMPLETED)
    await client.terminate("i", "enough")
    await client.terminate("done", "enough")
    (event,) = await sent(hub)
    assert isinstance(event, ExecutionTerminated)
    assert event.reason == "enough"
    with pytest.raises(InstanceNotFound, match="No instance with ID 'nobody' found"):
        await client.terminate("nobody", "x")


async def test_purge_removes_what_is_finished(hub: TaskHub, insert: Insert) -> None:
    client = Client(hub)
    await insert("done", COMPLETED)
    await insert("busy", RUNNING)
    assert (await client.purge_instance_history("done")).instances_deleted == 1
    assert (await client.purge_instance_history("done")).instances_deleted == 0
    with pytest.raises(InstanceError, match=r"busy.*Running"):
        await client.purge_instance_history("busy")
    assert await client.get_status("busy")


@pytest.mark.parametrize("status", [RUNNING, RuntimeStatus.PENDING, RuntimeStatus.CONTINUED_AS_NEW])
async def test_suspend_sends_the_reason(
    hub: TaskHub, insert: Insert, status: RuntimeStatus
) -> None:
    client = Client(hub)
    await insert("i", status)
    await client.suspend("i", "a break")
    (event,) = await sent(hub)
    assert isinstance(event, ExecutionSuspended)
    assert event.reason == "a break"
    with pytest.raises(
        InstanceError,
        match=rf"^Cannot resume the orchestration instance i because .* {status} state\.$",
    ):
        await client.resume("i", "too early")
    assert len(await sent(hub)) == 1


async def test_resume_sends_the_reason(hub: TaskHub, insert: Insert) -> None:
    client = Client(hub)
    await insert("i", SUSPENDED)
    with pytest.raises(
        InstanceError,
        match=r"^Cannot suspend the orchestration instance i because .* Suspended state\.$",
    ):
        await client.suspend("i", "again")
    await client.resume("i", "go on")
    (event,) = await sent(hub)
    assert isinstance(event, ExecutionResumed)
    assert event.reason == "go on"


@pytest.mark.parametrize("status", sorted(TERMINAL))
async def test_what_has_ended_stays_as_it_is(
    hub: TaskHub, insert: Insert, status: RuntimeStatus
) -> None:
    client = Client(hub)
    await insert("done", status)
    for operation in (client.terminate, client.suspend, client.resume):
        await operation("done", "x")
    assert await sent(hub) == []


@in_virtual_time
async def test_w25_operators_mean_the_run_that_they_see() -> None:
    """Whatever its generation; an execution of .NET, or an entity, has no line that is known."""

    def endless(context: Any) -> Any:
        yield context.wait_for_external_event("E")
        context.continue_as_new(None)

    lab = Lab(endless)
    actor, client = await lab.actor(), Client(lab.hub)
    first = (await lab.start("endless")).execution_id

    async def lines() -> list[str | None]:
        await client.suspend("i1", None)
        await client.terminate("i1", None)
        told = [message for message, _ in await lab.queued()]
        found = [each.extras.line for each in told if not isinstance(each.event, ExecutionStarted)]
        lab.account._queues._state.queues[lab.queue].clear()
        return found

    (start,) = await lab.account.queues.get(lab.queue, count=1, lease_seconds=60)
    assert await lines() == [first, first]
    await actor.process(lab.queue, start)
    await lab.raise_event("E", 1)
    await actor.drain()
    assert (await lab.row()).execution_id != first
    assert await lines() == [first, first]
    await lab.merge_sentinel(CheckpointCompletedTimestamp=lab.clock.now() + timedelta(seconds=3))
    assert await lines() == [None, None]
    await insert_entity(lab.hub, "@counter@k")
    await client.terminate("@counter@k", None)
    [(message, _)] = await lab.queued()
    assert message.extras.line is None


async def test_nobody_can_be_told_anything(hub: TaskHub) -> None:
    client = Client(hub)
    for operation in (client.terminate, client.suspend, client.resume):
        with pytest.raises(InstanceNotFound, match=r"^No instance with ID 'nobody' found\.$"):
            await operation("nobody", "x")
    assert await sent(hub) == []


async def test_a_purge_that_others_disturb_says_so(hub: TaskHub, end: End) -> None:
    """The row names another execution than the history: it may be about to begin."""
    client = Client(hub)
    await client.start_new("hello", "i")
    await end("i", COMPLETED, "1")
    assert (await client.purge_instance_history("i")).instances_deleted == 1
    await client.start_new("hello", "i")
    await end("i", COMPLETED, "1")
    with pytest.raises(InstanceError, match=r"changed by others.*Purge it again"):
        await client.purge_instance_history("i")


async def ids_left(client: Client) -> list[str | None]:
    return [status.instance_id for status in await client.get_status_all()]


@pytest.mark.slow
async def test_purging_many_goes_on_beyond_a_page_and_leaves_what_runs(
    hub: TaskHub, insert: Insert
) -> None:
    client = Client(hub)
    for number in range(1010):
        await insert(f"i{number:04}", RUNNING if number % 500 == 0 else COMPLETED)
    result = await client.purge_instance_history_by(LONG_AGO)
    assert result.instances_deleted == 1007
    assert await ids_left(client) == ["i0000", "i0500", "i1000"]
    assert (await client.purge_instance_history_by(LONG_AGO)).instances_deleted == 0


async def test_purging_many_by_time(
    hub: TaskHub, insert: Insert, manual_clock: ManualClock
) -> None:
    client = Client(hub)
    times = []
    for name in "abcd":
        times.append(hub.clock.now())
        await insert(name, COMPLETED)
        manual_clock.advance(60)

    # Inclusive at both ends, naive as UTC, offsets understood.
    result = await client.purge_instance_history_by(
        times[1].replace(tzinfo=None), times[2].astimezone(timezone(timedelta(hours=2)))
    )
    assert result.instances_deleted == 2
    assert await ids_left(client) == ["a", "d"]
    assert (await client.purge_instance_history_by(times[3])).instances_deleted == 1
    assert await ids_left(client) == ["a"]


async def test_purging_many_by_status_takes_finished_ones_only(
    hub: TaskHub, insert: Insert
) -> None:
    client = Client(hub)
    for status in RuntimeStatus:
        await insert(status.value, status)
    names = OrchestrationRuntimeStatus

    async def purge(*statuses: OrchestrationRuntimeStatus) -> int:
        result = await client.purge_instance_history_by(LONG_AGO, runtime_status=list(statuses))
        return result.instances_deleted

    # The original takes a filter without a finished status for none at all.
    assert await purge(names.Running, names.Pending, names.Suspended) == 0
    assert await purge(names.Failed, names.Running) == 1
    assert "Failed" not in await ids_left(client)
    assert await purge() == 3
    assert await ids_left(client) == ["ContinuedAsNew", "Pending", "Running", "Suspended"]


async def test_forced_what_runs_is_purged_too(hub: TaskHub, insert: Insert) -> None:
    client = Client(hub)
    for status in RuntimeStatus:
        await insert(status.value, status)
    result = await client.purge_instance_history_by(
        LONG_AGO, runtime_status=[OrchestrationRuntimeStatus.Running], force=True
    )
    assert result.instances_deleted == 1
    assert "Running" not in await ids_left(client)
    result = await client.purge_instance_history_by(created_time_from=LONG_AGO, force=True)
    assert result.instances_deleted == len(RuntimeStatus) - 1
    assert await ids_left(client) == []


async def test_purging_many_needs_a_beginning(hub: TaskHub, insert: Insert) -> None:
    await insert("i", COMPLETED)
    with pytest.raises(ValueError, match="created_time_from"):
        await Client(hub).purge_instance_history_by(None)
    assert await ids_left(Client(hub)) == ["i"]


async def test_rewind_wakes_what_failed(hub: TaskHub) -> None:
    client = Client(hub)
    await insert_failed(hub, "i")
    await client.rewind("i", "fixed")
    (event,) = await sent(hub)
    assert isinstance(event, GenericEvent)
    assert event.data == "fixed"
    status = await client.get_status("i")
    assert (status.runtime_status, status.output) == (OrchestrationRuntimeStatus.Pending, None)


@pytest.mark.parametrize("status", [each for each in RuntimeStatus if each.value != "Failed"])
async def test_only_what_failed_is_rewound(
    hub: TaskHub, insert: Insert, status: RuntimeStatus
) -> None:
    await insert("i", status)
    kind = InstanceFinished if status in TERMINAL else InstanceError
    with pytest.raises(kind, match="only supported on failed orchestration instances") as raised:
        await Client(hub).rewind("i", "why")
    assert raised.value.instance_id == "i"
    assert isinstance(raised.value, InstanceFinished) is (status in TERMINAL)
    assert await sent(hub) == []


async def test_nobody_is_rewound(hub: TaskHub, insert: Insert) -> None:
    client = Client(hub)
    with pytest.raises(InstanceNotFound, match="No instance with ID 'nobody' found"):
        await client.rewind("nobody", "why")
    with pytest.raises(InvalidName, match="instance_id"):
        await client.rewind("", "why")
    with pytest.raises(InvalidName, match="reason"):
        await client.rewind("i", 7)  # type: ignore[arg-type]
    # A row that somebody else made, without a history.
    await insert("bare", RuntimeStatus.FAILED)
    with pytest.raises(InstanceError, match="'bare' has no history that could be rewound"):
        await client.rewind("bare", "why")
