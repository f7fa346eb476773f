"""Purging is a commit of its own (R8): crashes at every call, races with a start."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import Any

import pytest

from durable.errors import PreconditionFailed
from durable.hub.purging import purge_instance, remove_rows
from durable.hub.starting import StartRequest, start_instance
from durable.model.status import RuntimeStatus
from durable.storage.values import Comparison, Operation, Where, Write
from tests.hub_lab import Actor, Crash, Lab, crash_at, in_virtual_time, once

Steps = Generator[Any, Any, Any]
LARGE = "x" * 50_000


def echoing(context: Any) -> Steps:
    return (yield context.call_activity("echo", context.get_input()))


def waiting(context: Any) -> Steps:
    return (yield context.wait_for_external_event("E"))


async def finished(lab: Lab, value: Any = LARGE) -> Actor:
    actor = await lab.actor()
    await lab.start("echoing", value)
    await actor.drain()
    assert await lab.output() == value
    return actor


async def rows_left(lab: Lab) -> list[str]:
    page = await lab.account.tables.query(
        lab.hub.names.history_table, Where("PartitionKey", Comparison.EQ, "i1")
    )
    return [row.row_key for row in page.rows]


async def check_gone(lab: Lab) -> None:
    assert await rows_left(lab) == ["sentinel"]
    sentinel = await lab.hub.history.read_sentinel("i1")
    assert sentinel is not None
    assert sentinel.purged
    assert await lab.blobs() == {}
    assert await lab.hub.instances.read("i1") is None


@in_virtual_time
async def test_r8_a_purge_leaves_a_tombstone_and_nothing_else() -> None:
    lab = Lab(echoing)
    await finished(lab)
    row = await lab.row()
    assert len(await lab.blobs()) >= 4
    assert await purge_instance(lab.hub, "i1") is True
    await check_gone(lab)
    sentinel = await lab.hub.history.read_sentinel("i1")
    assert sentinel is not None
    assert (sentinel.execution_id, sentinel.first_execution_id) == (
        row.execution_id,
        row.execution_id,
    )
    # Nothing of the live sentinel shows through.
    assert (sentinel.sequence, sentinel.committed_count, sentinel.identities) == (None, None, ())
    assert await purge_instance(lab.hub, "i1") is False


def eager(context: Any) -> Steps:
    for _ in range(context.get_input()):
        yield context.wait_for_external_event("E")
    return "done"


@in_virtual_time
async def test_r7_a_tombstone_remembers_what_was_consumed() -> None:
    lab = Lab(eager)
    actor = await lab.actor()
    await lab.start("eager", 2)
    for _ in range(2):
        await lab.raise_event("E", "x")
    (first, _), (second, _) = [each for each in await lab.queued() if each[0].extras.identity]
    await actor.drain()
    assert await purge_instance(lab.hub, "i1")
    sentinel = await lab.hub.history.read_sentinel("i1")
    assert sentinel is not None
    consumed = {each.identity for each in sentinel.identities}
    assert consumed == {first.extras.identity, second.extras.identity}
    # Delivered once more, they are not for the next instance of that id.
    await lab.start("eager", 1)
    await lab.put(first)
    await lab.put(second)
    await actor.drain()
    assert (await lab.row()).status is RuntimeStatus.RUNNING


@in_virtual_time
async def test_r7_a_tombstone_keeps_the_youngest_of_too_many() -> None:
    lab = Lab(eager)
    actor = await lab.actor()
    await lab.start("eager", 1000)
    for number in range(1000):
        await lab.put(lab.raised("E", "x", identity=f"{number:0>60}"))
        if number == 500:
            await actor.deliver()
            await lab.clock.sleep(1.0)
    await actor.drain()
    assert (await lab.row()).status is RuntimeStatus.COMPLETED
    assert await purge_instance(lab.hub, "i1")
    sentinel = await lab.hub.history.read_sentinel("i1")
    assert sentinel is not None
    assert not sentinel.identities_blob
    kept = {int(each.identity) for each in sentinel.identities}
    assert len(kept) >= 250
    assert kept <= set(range(501, 1000))


@in_virtual_time
async def test_r8_a_row_that_nobody_can_read_does_not_stop_a_purge() -> None:
    lab = Lab(waiting)
    actor = await lab.actor()
    await lab.start("waiting")
    await lab.raise_event("E", "x")
    await actor.drain()
    table = lab.hub.names.history_table
    (raised,) = [
        row
        for row in (await lab.account.tables.query(table, None)).rows
        if row.columns.get("EventType") == "EventRaised"
    ]
    broken = replace(raised, columns={"EventId": "no number"}, etag=None, timestamp=None)
    await lab.account.tables.write(table, Operation(write=Write.MERGE, row=broken))
    assert await purge_instance(lab.hub, "i1")
    await check_gone(lab)


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@in_virtual_time
async def test_r8_a_purge_that_crashes_at_any_call_is_finished_by_purging_again(
    before: bool,
) -> None:
    lab = Lab(echoing)
    await finished(lab)
    probe = await lab.actor()
    assert await purge_instance(probe.hub, "i1")
    calls = len(probe.calls)
    assert calls > 8
    for number in range(calls):
        lab = Lab(echoing)
        await finished(lab)
        purger = await lab.actor()
        crash_at(purger, number, before=before)
        with pytest.raises(Crash):
            await purge_instance(purger.hub, "i1")
        last = number == calls - 1 and not before
        assert await purge_instance(lab.hub, "i1") is not last, purger.calls
        await check_gone(lab)


@in_virtual_time
async def test_r8_only_what_has_ended_is_purged() -> None:
    lab = Lab(waiting)
    actor = await lab.actor()
    assert await purge_instance(lab.hub, "i1") is False
    await lab.start("waiting")
    assert await purge_instance(lab.hub, "i1") is False
    await actor.deliver()
    assert await purge_instance(lab.hub, "i1") is False
    assert (await lab.row()).status is RuntimeStatus.RUNNING


@in_virtual_time
async def test_r8_a_row_that_is_no_history_s_is_left_alone() -> None:
    lab = Lab(echoing)
    await finished(lab, "small")
    await lab.merge_row(ExecutionId="another")
    assert await purge_instance(lab.hub, "i1") is False
    assert len(await rows_left(lab)) > 1


@in_virtual_time
async def test_r8_a_row_without_any_history_is_purged_with_a_tombstone() -> None:
    lab = Lab(echoing)
    actor = await lab.actor()
    await lab.start("echoing", 1)
    await lab.merge_row(RuntimeStatus="Failed")
    assert await purge_instance(lab.hub, "i1") is True
    await check_gone(lab)
    await actor.drain()  # its start message names the tombstone
    await check_gone(lab)


def start_again(lab: Lab, value: Any = None) -> Any:
    async def run() -> None:
        text = f'"{value}"' if value else '"again"'
        request = StartRequest(name="echoing", instance_id="i1", input=text)
        await start_instance(lab.hub, request)

    return run


@pytest.mark.parametrize("value", ["again", LARGE], ids=["small", "large"])
@pytest.mark.parametrize("first", ["small", LARGE], ids=["of-small", "of-large"])
@in_virtual_time
async def test_r8_a_start_in_the_midst_of_a_purge_loses_nothing(value: str, first: str) -> None:
    lab = Lab(echoing)
    await finished(lab, first)
    probe = await lab.actor()
    assert await purge_instance(probe.hub, "i1")
    for number in range(len(probe.calls)):
        lab = Lab(echoing)
        actor = await finished(lab, first)
        purger = await lab.actor()
        begin = start_again(lab, value)

        async def hook(
            current: int, operation: str, resource: str, at: int = number, begin: Any = begin
        ) -> None:
            if current == at:
                await begin()

        purger.before = hook
        await purge_instance(purger.hub, "i1")
        await actor.drain()
        assert await lab.output() == value, (number, purger.calls)


@pytest.mark.parametrize("first", ["small", LARGE], ids=["of-small", "of-large"])
@in_virtual_time
async def test_r8_a_purge_in_the_midst_of_a_start_loses_nothing(first: str) -> None:
    lab = Lab(echoing)
    await finished(lab, first)
    starter = await lab.actor()
    request = StartRequest(name="echoing", instance_id="i1", input=f'"{LARGE}"')
    await start_instance(starter.hub, request)
    for number in range(len(starter.calls) + 3):
        lab = Lab(echoing)
        actor = await finished(lab, first)
        starter = await lab.actor()

        async def hook(
            current: int, operation: str, resource: str, at: int = number, lab: Lab = lab
        ) -> None:
            if current == at:
                await purge_instance(lab.hub, "i1")

        starter.before = hook
        await start_instance(starter.hub, request)
        await actor.drain()
        assert await lab.output() == LARGE, (number, starter.calls)


@in_virtual_time
async def test_r8_a_turn_in_the_midst_of_a_purge_is_left_its_rows() -> None:
    """A new execution began over the tombstone before the old rows were deleted."""
    lab = Lab(echoing)
    actor = await finished(lab, "small")
    purger = await lab.actor()

    async def begin_and_run() -> None:
        await start_again(lab)()
        await actor.deliver()

    purger.after = once(begin_and_run, "Update Entity", lab.hub.names.history_table)
    await purge_instance(purger.hub, "i1")
    await actor.drain()
    assert await lab.output() == "again"
    with pytest.raises(PreconditionFailed, match="started anew while it was purged"):
        await remove_rows(lab.hub, "i1")


@in_virtual_time
async def test_r8_two_purges_at_once_remove_it_once_and_both_end() -> None:
    lab = Lab(echoing)
    await finished(lab)
    purger = await lab.actor()
    answers: list[bool] = []

    async def other() -> None:
        answers.append(await purge_instance(lab.hub, "i1"))

    purger.before = once(other, "Entity Group Transaction")
    answers.append(await purge_instance(purger.hub, "i1"))
    assert answers == [True, True]
    await check_gone(lab)


@in_virtual_time
async def test_forced_a_running_instance_goes_and_what_was_in_flight_names_a_tombstone() -> None:
    lab = Lab(echoing)
    actor = await lab.actor()
    await lab.start("echoing", LARGE)
    await actor.deliver()  # its activity is scheduled
    assert (await lab.row()).status is RuntimeStatus.RUNNING
    assert await purge_instance(lab.hub, "i1", force=True) is True
    assert await lab.hub.instances.read("i1") is None
    await actor.drain()
    assert await lab.hub.instances.read("i1") is None
    assert await rows_left(lab) == ["sentinel"]
    await start_again(lab)()
    await actor.drain()
    assert await lab.output() == "again"


@in_virtual_time
async def test_forced_a_pending_instance_never_runs() -> None:
    lab = Lab(echoing)
    actor = await lab.actor()
    await lab.start("echoing", 1)
    assert await purge_instance(lab.hub, "i1", force=True) is True
    await actor.drain()
    await check_gone(lab)
    assert not lab.counts
    assert await purge_instance(lab.hub, "i1", force=True) is False


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@in_virtual_time
async def test_forced_a_turn_that_meets_the_purge_at_any_call_leaves_nothing_behind(
    before: bool,
) -> None:
    lab = Lab(echoing)
    actor = await lab.actor()
    await lab.start("echoing", "small")
    await actor.drain()
    # At its last call nothing is left to do, and the instance is a finished one.
    for number in range(len(actor.calls)):
        lab = Lab(echoing)
        actor = await lab.actor()
        await lab.start("echoing", "small")
        at = number
        purged: list[bool] = []

        async def hook(
            current: int,
            operation: str,
            resource: str,
            at: int = at,
            lab: Lab = lab,
            purged: list[bool] = purged,
        ) -> None:
            if current == at:
                purged.append(await purge_instance(lab.hub, "i1", force=True))

        if before:
            actor.before = hook
        else:
            actor.after = hook
        await actor.drain()
        assert purged == [True], number
        assert await lab.hub.instances.read("i1") is None, (number, actor.calls)
        assert await rows_left(lab) == ["sentinel"], number
