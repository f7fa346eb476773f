"""Cleaning removes what nobody would miss, and releases what nobody holds any more."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from durable.client import Client
from durable.client.entity_cleaning import Cleaner
from durable.client.entity_looking import state_of
from durable.hub.purging import purge_instance
from durable.hub.taskhub import TaskHub
from durable.model.entities import (
    ORPHAN_REPAIR,
    OperationRequest,
    Release,
    SchedulerState,
    SenderEntry,
    SorterState,
)
from durable.model.history import Sentinel
from durable.model.status import TERMINAL, InstanceRow, RuntimeStatus
from tests.entity_rows import commit_entity, insert_entity, told
from tests.hub_lab import Lab, in_virtual_time
from tests.manual_clock import ManualClock
from tests.unit.client.conftest import Insert

HOUR = timedelta(hours=1)
WAITING = OperationRequest(op="add", id="1")
LARGE = '"' + "x" * 50_000 + '"'


async def left(hub: TaskHub) -> list[str]:
    found = await Client(hub).get_all_entities(include_transient=True, include_state=False)
    return [each.key for each in found]


async def test_only_what_has_nothing_to_remember_is_removed(
    hub: TaskHub, insert: Insert, manual_clock: ManualClock
) -> None:
    now = manual_clock.now()
    heard = SenderEntry(last=now - HOUR, execution_id="e")
    buffering = SorterState(received={"i": replace(heard, buffered=(WAITING,))})
    await insert_entity(hub, "@counter@empty")
    await insert_entity(
        hub, "@counter@heard", SchedulerState(sorter=SorterState(received={"i": heard}))
    )
    await insert_entity(hub, "@counter@null", "null")
    await insert_entity(hub, "@counter@zero", "0")
    await insert_entity(hub, "@counter@queue", SchedulerState(queue=(WAITING,)))
    await insert_entity(hub, "@counter@locked", SchedulerState(locked_by="i"))
    await insert_entity(hub, "@counter@buffer", SchedulerState(sorter=buffering))
    await insert_entity(hub, "@counter@broken", custom_status='"Internal Error: x"')
    await insert_entity(hub, "@counter@unknown", custom_status="7")
    await insert_entity(hub, "@counter@foreign", input="[]")
    await insert_entity(hub, "@counter@hidden", "5", custom_status="{}")
    await insert("empty", RuntimeStatus.RUNNING)
    manual_clock.advance(29 * 60)
    await insert_entity(hub, "@counter@young")
    manual_clock.advance(61)
    result = await Client(hub).clean_entity_storage(release_orphaned_locks=False)
    assert (result.empty_entities_removed, result.orphaned_locks_released) == (2, 0)
    assert "empty" not in await left(hub)
    assert "heard" not in await left(hub)
    assert len(await left(hub)) == 9  # "unknown" is left alone, and not shown
    assert await hub.instances.read("@counter@unknown")
    assert await hub.instances.read("empty")
    manual_clock.advance(29 * 60)
    assert (await Client(hub).clean_entity_storage()).empty_entities_removed == 1
    assert "young" not in await left(hub)


async def test_a_removed_entity_leaves_a_tombstone_and_no_blob(
    hub: TaskHub, manual_clock: ManualClock
) -> None:
    row = await insert_entity(hub, "@counter@k", LARGE)
    await hub.instances.show(replace(row, input='{"sorter":{}}', custom_status="{}"), row)
    manual_clock.advance(3600)
    assert (await Client(hub).clean_entity_storage()).empty_entities_removed == 1
    assert await hub.payloads.names_of("@counter@k") == []
    sentinel = await hub.history.read_sentinel("@counter@k")
    assert sentinel is not None
    assert sentinel.purged


async def test_the_window_is_the_app_s(hub: TaskHub, manual_clock: ManualClock) -> None:
    await insert_entity(hub, "@counter@k")
    manual_clock.advance(3600)
    client = Client(hub, entity_window=2 * HOUR)
    assert (await client.clean_entity_storage()).empty_entities_removed == 0
    manual_clock.advance(3601)
    assert (await client.clean_entity_storage()).empty_entities_removed == 1


async def test_each_half_is_done_only_when_it_is_asked_for(
    hub: TaskHub, insert: Insert, manual_clock: ManualClock
) -> None:
    await insert_entity(hub, "@counter@empty")
    await insert_entity(hub, "@counter@locked", SchedulerState(state="1", locked_by="i"))
    await insert("i", RuntimeStatus.TERMINATED)
    manual_clock.advance(3600)
    result = await Client(hub).clean_entity_storage(
        remove_empty_entities=False, release_orphaned_locks=False
    )
    assert (result.empty_entities_removed, result.orphaned_locks_released) == (0, 0)
    result = await Client(hub).clean_entity_storage(remove_empty_entities=False)
    assert (result.empty_entities_removed, result.orphaned_locks_released) == (0, 1)
    assert await left(hub) == ["empty", "locked"]


@pytest.mark.parametrize("status", RuntimeStatus)
async def test_a_lock_is_orphaned_when_its_holder_has_ended(
    hub: TaskHub, insert: Insert, status: RuntimeStatus
) -> None:
    await insert("i", status)
    await insert_entity(
        hub, "@counter@k", SchedulerState(state="1", locked_by="i", lock_id="the lock")
    )
    result = await Client(hub).clean_entity_storage()
    assert result.orphaned_locks_released == (status in TERMINAL)
    for instance_id, content, message in await told(hub):
        # It names the lock, so that it can't free one that is granted meanwhile.
        assert (instance_id, content) == ("@counter@k", Release(parent="i", id="the lock"))
        # The original names the execution of the row, and the entity may be in another.
        assert message.target.execution_id is None
        assert (message.extras.identity or "").startswith("c:")
    assert len(await told(hub)) == result.orphaned_locks_released


async def test_a_lock_that_net_granted_is_released_as_the_original_does(
    hub: TaskHub, insert: Insert
) -> None:
    await insert("i", RuntimeStatus.TERMINATED)
    await insert_entity(hub, "@counter@k", SchedulerState(locked_by="i"))
    assert (await Client(hub).clean_entity_storage()).orphaned_locks_released == 1
    ((_, content, _),) = await told(hub)
    assert content == Release(parent="i", id=ORPHAN_REPAIR)


async def test_a_purged_holder_is_gone(hub: TaskHub, insert: Insert) -> None:
    await insert("i", RuntimeStatus.RUNNING)
    await insert_entity(hub, "@counter@k", SchedulerState(locked_by="i"))
    await purge_instance(hub, "i", force=True)
    assert (await Client(hub).clean_entity_storage()).orphaned_locks_released == 1


async def test_a_holder_whose_row_is_not_written_yet_is_there(
    hub: TaskHub, manual_clock: ManualClock
) -> None:
    """A child's row comes after the messages of its first turn; .NET's after its first message."""
    await insert_entity(hub, "@counter@k", SchedulerState(locked_by="child"))
    assert (await Client(hub).clean_entity_storage()).orphaned_locks_released == 0
    sentinel = Sentinel(execution_id="e", is_checkpoint_complete=True)
    await hub.history.commit("child", [], 0, sentinel)
    manual_clock.advance(hub.settings.grace_seconds + 1)
    assert (await Client(hub).clean_entity_storage()).orphaned_locks_released == 0
    await insert_entity(hub, "@counter@other", SchedulerState(locked_by="nobody"))
    manual_clock.advance(hub.settings.grace_seconds + 1)
    assert (await Client(hub).clean_entity_storage()).orphaned_locks_released == 1


async def test_a_lock_that_was_released_meanwhile_is_no_orphan(
    hub: TaskHub, insert: Insert
) -> None:
    """The status is older than the state: never ours, but nothing forbids it."""
    await insert("i", RuntimeStatus.TERMINATED)
    await insert_entity(hub, "@counter@k", "1", custom_status='{"lockedBy":"i"}')
    assert (await Client(hub).clean_entity_storage()).orphaned_locks_released == 0


async def test_an_entity_that_went_on_meanwhile_is_not_removed(
    hub: TaskHub, manual_clock: ManualClock
) -> None:
    row = await insert_entity(hub, "@counter@k")
    changed = await hub.instances.show(replace(row, version="2"), row)
    assert await purge_instance(hub, "@counter@k", force=True, known=row) is False
    sentinel = await hub.history.read_sentinel("@counter@k")
    assert sentinel is not None
    # A turn that is committed and not shown yet.
    ahead = replace(sentinel, sequence=2)
    await hub.history.commit("@counter@k", [], 3, ahead)
    assert await purge_instance(hub, "@counter@k", force=True, known=changed) is False
    manual_clock.advance(3600)
    assert (await Client(hub).clean_entity_storage()).empty_entities_removed == 0
    assert await left(hub) == ["k"]


@pytest.mark.parametrize("shown", ["at once", "later"])
@in_virtual_time
async def test_a_turn_that_meets_the_cleaning_at_any_call_loses_nothing(shown: str) -> None:
    for number in range(100):
        lab = Lab()
        cleaner = await lab.actor()
        # A large state of the past, so that there are blobs to remove, too.
        old = await insert_entity(lab.hub, "@counter@k", LARGE)
        await lab.hub.instances.show(await commit_entity(lab.hub, "@counter@k"), old)
        await lab.clock.sleep(3600)
        before = len(cleaner.calls)
        turn = functools.partial(_take_turn, lab.hub, shown == "at once")
        rows: list[InstanceRow] = []

        async def meet(
            current: int,
            operation: str,
            resource: str,
            at: int = before + number,
            turn: Callable[[], Awaitable[InstanceRow]] = turn,
            rows: list[InstanceRow] = rows,
        ) -> None:
            if current == at:
                rows.append(await turn())

        cleaner.before = meet
        await Client(cleaner.hub).clean_entity_storage()
        if not rows:
            assert number > 8  # there was no such call any more
            return
        sentinel = await lab.hub.history.read_sentinel("@counter@k")
        assert sentinel is not None
        assert (sentinel.purged, sentinel.execution_id) == (False, "e2")
        if shown == "later":
            await _show(lab.hub, rows[0])
        assert await state_of(lab.hub, "@counter@k") == "1", f"the turn before call {number}"
    raise AssertionError("the cleaning makes too many calls")


async def _take_turn(hub: TaskHub, shown: bool) -> InstanceRow:
    row = await commit_entity(hub, "@counter@k", "1", execution_id="e2")
    if shown:
        await _show(hub, row)
    return row


async def _show(hub: TaskHub, row: InstanceRow) -> None:
    """As a turn does it: on the row there is, or as a new one."""
    await hub.instances.show(row, await hub.instances.read(row.instance_id))


async def test_many_are_cleaned_in_pieces(hub: TaskHub, manual_clock: ManualClock) -> None:
    for number in range(201):
        await insert_entity(hub, f"@counter@{number}")
    manual_clock.advance(3600)
    cleaner = Cleaner(hub, window=HOUR / 2, empty=True, orphaned=True)
    assert (await cleaner.clean()).empty_entities_removed == 201
    assert (await cleaner.clean()).empty_entities_removed == 0
