"""Starting (R6): row first, then the message; lost answers, running instances, limits."""

from __future__ import annotations

import re
from collections.abc import Generator
from datetime import timedelta
from typing import Any

import pytest

from durable.errors import InstanceExists, InvalidName, Unavailable, UsageError
from durable.hub.purging import purge_instance
from durable.hub.starting import StartRequest, start_instance, start_of_row
from durable.model.events import ExecutionStarted
from durable.model.status import RuntimeStatus
from tests.hub_lab import Crash, Lab, in_virtual_time

Steps = Generator[Any, Any, Any]
ROW_WRITES = {"Insert Entity", "Update Entity"}


def ending(context: Any) -> Steps:
    return (yield context.call_activity("greet", context.get_input()))


def request(**options: Any) -> StartRequest:
    return StartRequest(name="ending", instance_id="i1", **options)


async def ended(lab: Lab) -> None:
    actor = await lab.actor()
    await lab.start("ending", 1)
    await actor.drain()


@in_virtual_time
async def test_r6_the_row_is_written_before_the_message_which_carries_our_mark() -> None:
    lab = Lab(ending)
    client = await lab.actor()
    row = await start_instance(client.hub, request(input="1", tags={"a": "b"}, version="2"))
    assert [operation for operation, _ in client.calls] == ["Insert Entity", "Put Message"]
    [(message, _)] = await lab.queued()
    assert message.extras.mark
    event = message.event
    assert isinstance(event, ExecutionStarted)
    assert event.instance.execution_id == row.execution_id == (await lab.row()).execution_id
    assert (event.input, event.version, event.tags) == ("1", "2", {"a": "b"})
    assert re.fullmatch(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}", message.activity_id)
    stored = await lab.row()
    assert (stored.status, stored.checkpoint_sequence) == (RuntimeStatus.PENDING, None)
    assert (stored.task_hub_name, stored.generation) == ("Lab", 0)


@in_virtual_time
async def test_an_id_that_was_started_before_is_looked_at_first() -> None:
    """Neither a refusal nor a start over an ended instance costs a write that fails."""
    lab = Lab(ending)
    client = await lab.actor()
    await start_instance(client.hub, request(input="1"))
    client.calls.clear()
    with pytest.raises(InstanceExists):
        await start_instance(client.hub, request(input="2"))
    assert [operation for operation, _ in client.calls] == ["Get Entity"]
    await (await lab.actor()).drain()
    client.calls.clear()
    await start_instance(client.hub, request(input="2"))
    assert [operation for operation, _ in client.calls] == [
        "Get Entity",
        "Update Entity",
        "Put Message",
    ]
    await (await lab.actor()).drain()
    assert await lab.output() == "Hello 2!"


@in_virtual_time
async def test_an_id_that_was_started_before_may_be_gone() -> None:
    lab = Lab(ending)
    client = await lab.actor()
    await start_instance(client.hub, request(input="1"))
    await (await lab.actor()).drain()
    assert await purge_instance(lab.hub, "i1")
    await start_instance(client.hub, request(input="2"))
    await (await lab.actor()).drain()
    assert await lab.output() == "Hello 2!"


@in_virtual_time
async def test_r6_killed_between_row_and_message_the_start_is_accepted() -> None:
    lab = Lab(ending)
    client = await lab.actor()

    async def after(number: int, operation: str, resource: str) -> None:
        client.crash()

    client.after = after
    with pytest.raises(Crash):
        await start_instance(client.hub, request(input="1"))
    event = await start_of_row(lab.hub, await lab.row())
    assert (event.name, event.input) == ("ending", "1")
    await lab.clock.sleep(120)
    worker = await lab.actor()
    await worker.sweep()
    await worker.drain()
    assert await lab.output() == "Hello 1!"


@pytest.mark.parametrize("replacing", [False, True])
@in_virtual_time
async def test_r6_a_write_whose_answer_was_lost_is_known_by_its_execution(replacing: bool) -> None:
    """The adapter writes again and is told 409, or 412: our own row is in its way."""
    lab = Lab(ending)
    if replacing:
        await ended(lab)
    client = await lab.actor()
    client.repeated.add("Update Entity" if replacing else "Insert Entity")
    row = await start_instance(client.hub, request(input="2"))
    assert client.repeated == set()
    [(message, _)] = await lab.queued()
    assert message.target.execution_id == row.execution_id == (await lab.row()).execution_id
    await (await lab.actor()).drain()
    assert await lab.output() == "Hello 2!"


@in_virtual_time
async def test_r6_a_second_try_of_a_start_that_lost_its_message_puts_it_again() -> None:
    # The client died between row and message; it comes back and tries the same start.
    lab = Lab(ending)
    client = await lab.actor()

    async def after(number: int, operation: str, resource: str) -> None:
        client.crash()

    client.after = after
    with pytest.raises(Crash):
        await start_instance(client.hub, request(input="1"))
    with pytest.raises(InstanceExists):
        await start_instance(lab.hub, request(input="1"))
    assert await lab.queued() == []  # as young as that, its message may still be on the way
    await lab.clock.sleep(6)
    with pytest.raises(InstanceExists):
        await start_instance(lab.hub, request(input="1"))
    [(message, _)] = await lab.queued()
    assert message.target.execution_id == (await lab.row()).execution_id
    await (await lab.actor()).drain()
    assert (await lab.row()).status is RuntimeStatus.COMPLETED


@in_virtual_time
async def test_r6_a_running_instance_is_not_started_again() -> None:
    lab = Lab(ending)
    first = await lab.start("ending", 1)
    with pytest.raises(InstanceExists, match="status Pending already exists") as refused:
        await start_instance(lab.hub, request())
    assert refused.value.instance_id == "i1"
    assert (await lab.row()).execution_id == first.execution_id
    assert len(await lab.queued()) == 1


@pytest.mark.parametrize("override", [False, True])
@in_virtual_time
async def test_r6_a_start_replaces_what_has_ended_or_what_it_may_override(override: bool) -> None:
    lab = Lab(ending)
    if override:
        await lab.start("ending", 1)
    else:
        await ended(lab)
    before = await lab.row()
    row = await start_instance(lab.hub, request(input="2", override_running=override))
    assert row.execution_id != before.execution_id
    assert row.generation == 1
    stored = await lab.row()
    # Nothing of the old row shows through.
    assert (stored.output, stored.completed_time, stored.checkpoint_sequence) == (None, None, None)
    await (await lab.actor()).drain()
    assert await lab.output() == "Hello 2!"


@in_virtual_time
async def test_r6_two_starts_at_once_leave_one_accepted() -> None:
    lab = Lab(ending)
    await ended(lab)
    client = await lab.actor()

    async def race(number: int, operation: str, resource: str) -> None:
        if operation == "Update Entity":
            client.before = None
            await start_instance(lab.hub, request(input="5"))

    client.before = race
    with pytest.raises(InstanceExists):
        await start_instance(client.hub, request(input="6"))
    await (await lab.actor()).drain()
    assert await lab.output() == "Hello 5!"


@in_virtual_time
async def test_r6_a_start_that_is_always_overtaken_says_that_it_was_not_accepted() -> None:
    lab = Lab(ending)
    await ended(lab)
    client = await lab.actor()
    tries = 0

    async def race(number: int, operation: str, resource: str) -> None:
        nonlocal tries
        if operation in ROW_WRITES:
            tries += 1
            await lab.merge_row(Name=f"n{tries}") if tries > 1 else None

    client.before = race
    with pytest.raises(InstanceExists, match="by others at the same time; this start was not"):
        await start_instance(client.hub, request())
    assert tries == 5
    assert (await lab.row()).status is RuntimeStatus.COMPLETED
    assert await lab.queued() == []


@in_virtual_time
async def test_r6_a_row_that_is_gone_when_it_is_replaced_is_inserted() -> None:
    lab = Lab(ending)
    await ended(lab)
    client = await lab.actor()

    async def gone(number: int, operation: str, resource: str) -> None:
        if operation == "Update Entity":
            client.before = None
            await lab.hub.instances.delete(await lab.row())

    client.before = gone
    row = await start_instance(client.hub, request(input="3"))
    assert (await lab.row()).execution_id == row.execution_id


@in_virtual_time
async def test_r6_storage_that_fails_is_the_caller_s_to_know() -> None:
    lab = Lab(ending)
    client = await lab.actor()
    client.failing["Insert Entity"] = Unavailable("away")
    with pytest.raises(Unavailable):
        await start_instance(client.hub, request())
    assert await lab.hub.instances.read("i1") is None


@in_virtual_time
async def test_a_scheduled_start_is_sent_for_its_time() -> None:
    lab = Lab(ending)
    await lab.actor()
    due = lab.clock.now() + timedelta(seconds=90.5)
    await start_instance(lab.hub, request(scheduled_start_time=due))
    [(message, visible)] = await lab.queued()
    assert lab.in_seconds(visible) == 91  # whole seconds, rounded up: nothing comes too early
    assert (await lab.row()).scheduled_start_time == due
    assert isinstance(message.event, ExecutionStarted)
    assert message.event.scheduled_start_time == due


@in_virtual_time
async def test_ids_and_tags_keep_their_rules() -> None:
    lab = Lab(ending)
    client = await lab.actor()
    for bad in ("", "a/b", ".", "..", "@e@k"):
        with pytest.raises(InvalidName):
            await start_instance(client.hub, StartRequest(name="ending", instance_id=bad))
    with pytest.raises(UsageError, match="at most 32768 fit the Instances table"):
        await start_instance(client.hub, request(tags={"t": "x" * 33_000}))
    assert client.calls == []
