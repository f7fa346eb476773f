"""The sweeper (R9): what no message will wake, found and finished; bounded, constant when idle."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Generator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from durable.errors import Unavailable
from durable.hub.purging import purge_instance
from durable.hub.starting import StartRequest, start_instance
from durable.hub.sweeping import read_sweep_state
from durable.model.events import ExecutionCompleted, ExecutionStarted, TimerFired
from durable.model.status import InstanceRow, RuntimeStatus
from durable.runtime import sweeper as sweeper_module
from durable.runtime.settings import EngineSettings
from durable.runtime.sweeper import Sweeper
from durable.wire.envelopes import QueueEncoding, encode_message, queue_text
from tests.hub_lab import Actor, Crash, Lab, in_virtual_time, once

Steps = Generator[Any, Any, Any]
BATCH = "Entity Group Transaction"


def collect(context: Any) -> Steps:
    got = list(context.get_input() or [])
    while True:
        event = yield context.wait_for_external_event("E")
        if event == "end":
            return got
        if event == "again":
            # A turn that sends something (the timer's message) is a commit of its own.
            timer = context.create_timer(context.current_utc_datetime + timedelta(seconds=1))
            yield context.task_any([timer, context.wait_for_external_event("now")])
            timer.cancel()
            context.continue_as_new(got)
            return None
        got.append(event)


def working(context: Any) -> Steps:
    yield context.call_activity("greet", 1)
    context.continue_as_new(None)


async def lose_messages(lab: Lab, queue: str | None = None) -> None:
    lab.account._queues._state.queues[queue or lab.queue].clear()


async def begun(lab: Lab, *ids: str) -> Actor:
    actor = await lab.actor()
    for each in ids or ("i1",):
        await lab.start("collect", instance_id=each)
    await actor.deliver()
    return actor


@in_virtual_time
async def test_r9_a_start_whose_message_was_lost_is_put_again() -> None:
    lab = Lab(collect)
    actor = await lab.actor()
    row = await lab.start("collect")
    await lose_messages(lab)
    await actor.sweep()
    assert await lab.empty()  # too young: its message may be on its way
    await lab.clock.sleep(61)
    await actor.sweep()
    [(message, _)] = await lab.queued()
    assert message.target.execution_id == row.execution_id
    await actor.sweep()
    copies = [m.activity_id for m, _ in await lab.queued()]
    assert len(set(copies)) == 1  # put again, it is the same message
    await actor.drain()
    events = await lab.events()
    assert sum(isinstance(e, ExecutionStarted) for e in events) == 1
    assert (await lab.row()).status is RuntimeStatus.RUNNING


@in_virtual_time
async def test_r9_a_scheduled_start_is_put_again_a_while_after_its_time() -> None:
    lab = Lab(collect)
    actor = await lab.actor()
    due = lab.clock.now() + timedelta(hours=1)
    request = StartRequest(name="collect", instance_id="i1", scheduled_start_time=due)
    await start_instance(lab.hub, request)
    await lose_messages(lab)
    await lab.clock.sleep(3610)
    await actor.sweep()
    assert await lab.empty()
    await lab.clock.sleep(60)
    await actor.sweep()
    await actor.drain()
    assert (await lab.row()).status is RuntimeStatus.RUNNING


@in_virtual_time
async def test_r9_a_row_whose_lineage_has_a_tombstone_is_deleted() -> None:
    """A client whose insert was made twice, the second time after a purge."""
    lab = Lab(collect)
    actor = await begun(lab)
    first = await lab.row()
    await lab.raise_event("E", "end")
    await actor.deliver()
    assert await purge_instance(lab.hub, "i1")
    again = InstanceRow(
        instance_id="i1",
        execution_id=first.execution_id,
        name="collect",
        status=RuntimeStatus.PENDING,
        created_time=lab.clock.now(),
    )
    await lab.hub.instances.insert(again)
    await lab.clock.sleep(120)
    await actor.sweep()
    assert await lab.hub.instances.read("i1") is None
    assert await lab.empty()


@in_virtual_time
async def test_r9_a_row_that_changed_meanwhile_is_not_deleted() -> None:
    lab = Lab(collect)
    actor = await begun(lab)
    await lab.raise_event("E", "end")
    await actor.deliver()
    assert await purge_instance(lab.hub, "i1")
    sentinel = await lab.hub.history.read_sentinel("i1")
    assert sentinel is not None
    row = InstanceRow(
        instance_id="i1", execution_id=sentinel.execution_id, status=RuntimeStatus.RUNNING
    )
    await lab.hub.instances.insert(row)
    await lab.clock.sleep(120)

    async def change() -> None:
        await lab.merge_row(Name="changed")

    actor.before = once(change, "Delete Entity", lab.hub.names.instances_table)
    await actor.sweep()
    assert (await lab.row()).name == "changed"


@in_virtual_time
async def test_r9_a_half_done_hand_over_is_finished() -> None:
    lab = Lab(collect)
    actor = await begun(lab)
    old = (await lab.row()).execution_id
    await lab.raise_event("now", None)
    await actor.deliver()
    await lab.raise_event("E", "again")

    async def after(number: int, operation: str, resource: str) -> None:
        if operation == BATCH:
            actor.crash()

    actor.after = after
    with pytest.raises(Crash):
        await actor.deliver()
    assert (await lab.history()).ledger.is_half_done
    await lab.clock.sleep(120)
    second = await lab.actor()
    await second.sweep()
    row = await lab.row()
    assert row.execution_id != old
    assert (row.status, row.checkpoint_sequence) == (RuntimeStatus.RUNNING, 1)
    assert not any(isinstance(e, ExecutionCompleted) for e in await lab.events())
    timers = [m for m, _ in await lab.queued() if isinstance(m.event, TimerFired)]
    assert [m.target.execution_id for m in timers] == [old]  # the first half's message
    await second.drain()
    assert (await lab.row()).etag == row.etag  # it is for an execution that is over


@pytest.mark.parametrize(
    "wrong",
    [
        {"RuntimeStatus": "Suspended"},
        {"Output": "stale"},
        {"ExecutionId": "another"},
    ],
)
@in_virtual_time
async def test_r9_a_row_that_differs_from_its_history_is_corrected(wrong: dict[str, str]) -> None:
    lab = Lab(collect)
    await begun(lab)
    right = await lab.row()
    await lab.merge_row(**wrong)
    await lab.clock.sleep(120)
    sweeper = await lab.actor()
    await sweeper.sweep()
    row = await lab.row()
    assert (row.execution_id, row.status) == (right.execution_id, right.status)
    if "Output" not in wrong:
        assert row.output == right.output


@in_virtual_time
async def test_r9_a_row_left_running_after_the_end_is_corrected() -> None:
    lab = Lab(collect)
    actor = await begun(lab)
    await lab.raise_event("E", 1)
    await actor.deliver()
    await lab.raise_event("E", "end")

    async def after(number: int, operation: str, resource: str) -> None:
        if operation == BATCH:
            actor.crash()

    actor.after = after
    with pytest.raises(Crash):
        await actor.deliver()
    assert (await lab.row()).status is RuntimeStatus.RUNNING
    await lab.clock.sleep(120)
    sweeper = await lab.actor()
    await sweeper.sweep()
    row = await lab.row()
    assert (row.status, await lab.output()) == (RuntimeStatus.COMPLETED, [1])


@in_virtual_time
async def test_r9_what_the_host_moved_to_a_poison_queue_of_ours_is_put_back() -> None:
    lab = Lab(collect)
    actor = await begun(lab)
    names = lab.hub.names
    foreign = f"{names.work_items.removesuffix('workitems')}other-poison"
    for queue in (names.poison_queue(lab.queue), names.poison_queue(names.work_items), foreign):
        await lab.account.queues.create_queue(queue)
    await lab.put(lab.raised("E", 1), queue=names.poison_queue(lab.queue))
    await lab.account.queues.put(names.poison_queue(names.work_items), "nonsense")
    await lab.account.queues.put(foreign, "not ours")
    await actor.sweep()
    assert [len(await lab.queued(lab.queue)), await lab.account.queues.count(foreign)] == [1, 1]
    assert await lab.account.queues.count(names.poison_queue(lab.queue)) == 0
    assert await lab.account.queues.count(names.poison_queue(names.work_items)) == 0
    await actor.drain()
    [record] = await lab.quarantined()  # the engine itself gave up on this one
    assert record["text"] == "nonsense"
    await lab.raise_event("E", "end")
    await actor.drain()
    assert await lab.output() == [1]


@pytest.mark.parametrize("encoding", list(QueueEncoding))
@in_virtual_time
async def test_r9_what_was_poison_is_put_back_as_the_host_can_decode_it(
    encoding: QueueEncoding,
) -> None:
    """The host takes what is of the wrong encoding for poison, again and again."""
    lab = Lab(collect)
    lab.settings = replace(lab.settings, queue_encoding=encoding)
    actor = await begun(lab)
    poison = lab.hub.names.poison_queue(lab.queue)
    await lab.account.queues.create_queue(poison)
    text = encode_message(lab.raised("E", 1, identity="c:one"))
    for each in QueueEncoding:
        await lab.account.queues.put(poison, queue_text(text, each))
    await actor.sweep()
    back = [message.text for message in await lab.account.queues.peek(lab.queue)]
    assert back == [queue_text(text, encoding)] * 2
    assert await lab.account.queues.count(poison) == 0


@pytest.mark.parametrize(
    ("text", "encoding", "why"),
    [
        ("nonsense", QueueEncoding.BASE64, "neither a JSON object nor Base64"),
        ('{"ActivityId":"' + "x" * 60_000 + '"}', QueueEncoding.BASE64, "at most 65536 fit"),
        (base64.b64encode(b'{"a":1}\r').decode(), QueueEncoding.UTF8, "XML cannot carry"),
    ],
)
@in_virtual_time
async def test_r9_poison_that_the_host_can_never_decode_is_quarantined(
    text: str, encoding: QueueEncoding, why: str
) -> None:
    lab = Lab(collect)
    lab.settings = replace(lab.settings, queue_encoding=encoding)
    actor = await begun(lab)
    poison = lab.hub.names.poison_queue(lab.queue)
    await lab.account.queues.create_queue(poison)
    await lab.account.queues.put(poison, text)
    good = encode_message(lab.raised("E", 1, identity="c:one"))
    await lab.account.queues.put(poison, good)
    await actor.sweep()
    assert await lab.account.queues.count(poison) == 0
    [(back, _)] = await lab.queued()  # it held up nobody
    assert back.extras.identity == "c:one"
    [record] = await lab.quarantined()
    assert (record["queue"], record["text"]) == (lab.queue, text)
    assert record["reason"].startswith("The Functions host gave it up, and it can't be put back: ")
    assert why in record["reason"]


@in_virtual_time
async def test_r9_a_poison_queue_that_vanishes_or_is_emptied_by_others_is_no_trouble() -> None:
    lab = Lab(collect)
    actor = await begun(lab)
    poison = lab.hub.names.poison_queue(lab.queue)
    await lab.account.queues.create_queue(poison)
    await lab.put(lab.raised("E", 1, identity="c:one"), queue=poison)

    async def vanish() -> None:
        await lab.account.queues.delete_queue(poison)

    actor.after = once(vanish, "Get Messages", poison)
    await actor.sweep()
    assert len(await lab.queued()) == 1
    actor.after = None
    await lab.account.queues.create_queue(poison)
    actor.before = once(vanish, "Get Messages", poison)
    await actor.sweep()
    assert len(await lab.queued()) == 1


@in_virtual_time
async def test_r9_a_pass_reads_a_bounded_number_of_rows_from_where_the_last_one_stopped() -> None:
    lab = Lab(collect, settings=EngineSettings(sweep_rows=2))
    await lab.actor()
    for n in range(5):
        await lab.start("collect", instance_id=f"i{n}")
    await lose_messages(lab)
    await lab.clock.sleep(120)
    found: list[list[str]] = []
    for _ in range(4):
        sweeper = await lab.actor()  # whichever process sweeps next: the cursor is stored
        await sweeper.sweep()
        found.append([m.target.instance_id for m, _ in await lab.queued()])
        await lose_messages(lab)
    assert found == [["i0", "i1"], ["i2", "i3"], ["i4"], ["i0", "i1"]]
    assert (await read_sweep_state(lab.hub)).instances is not None


@pytest.mark.parametrize("stored", ["{", "[]", '{"instances": "nonsense", "orphans": 7}'])
@in_virtual_time
async def test_r9_a_cursor_that_cannot_be_used_begins_anew(stored: str) -> None:
    lab = Lab(collect)
    actor = await lab.actor()
    await lab.start("collect")
    await lose_messages(lab)
    await lab.account.blobs.create_container(lab.hub.names.keys)
    await lab.account.blobs.put_blob(lab.hub.names.keys, "sweeper", stored.encode())
    await lab.clock.sleep(120)
    await actor.sweep()
    await actor.sweep()
    assert [m.target.instance_id for m, _ in await lab.queued()] != []


@in_virtual_time
async def test_r9_the_requests_of_an_idle_sweep_are_constant() -> None:
    """The hub's size doesn't matter: finished instances, with payloads, cost nothing."""
    lab = Lab(collect)
    idle: list[Counter[tuple[str, str]]] = []
    for size in (0, 3, 40):
        ids = [f"s{size}-{n}" for n in range(size)]
        if ids:
            worker = await begun(lab, *ids)
            for each in ids:
                await lab.raise_event("E", "end", instance_id=each)
            await worker.drain()
        await lab.clock.sleep(120)
        sweeper = await lab.actor()
        await sweeper.sweep()
        before = Counter(operation for operation in sweeper.account.requests.elements())
        await sweeper.sweep()
        idle.append(Counter(sweeper.account.requests) - before)
    assert idle[0] == idle[1] == idle[2]
    assert sum(idle[0].values()) <= 5


@in_virtual_time
async def test_r9_one_bad_instance_stops_only_itself() -> None:
    lab = Lab(collect)
    actor = await lab.actor()
    for each in ("i0", "i1", "i2"):
        await lab.start("collect", instance_id=each)
    await lose_messages(lab)
    await lab.clock.sleep(120)
    puts = 0

    async def first_fails(number: int, operation: str, resource: str) -> None:
        nonlocal puts
        puts += operation == "Put Message"
        if operation == "Put Message" and puts == 1:
            raise Unavailable("away")

    actor.before = first_fails
    await actor.sweep()
    assert [m.target.instance_id for m, _ in await lab.queued()] == ["i1", "i2"]


@in_virtual_time
async def test_r9_entities_rows_and_rows_without_a_history_are_left_alone() -> None:
    lab = Lab(collect)
    actor = await lab.actor()
    for each in ("@counter@a", "r1"):
        row = InstanceRow(instance_id=each, execution_id="e", status=RuntimeStatus.RUNNING)
        await lab.hub.instances.insert(row)
    await lab.clock.sleep(120)
    calls = len(actor.calls)
    await actor.sweep()
    assert "Put Message" not in [operation for operation, _ in actor.calls[calls:]]
    assert (await lab.row("r1")).status is RuntimeStatus.RUNNING
    assert (await lab.row("@counter@a")).execution_id == "e"


@in_virtual_time
async def test_a_look_at_an_instance_without_its_code_leaves_it_as_it_is() -> None:
    lab = Lab(collect)
    await begun(lab)
    before, row = await lab.events(), await lab.row()
    await lab.clock.sleep(120)
    stranger = await lab.actor(lab.make_registry(working))
    await stranger.sweep()
    assert await lab.events() == before
    assert await lab.row() == row


@in_virtual_time
async def test_r9_a_row_that_cannot_be_understood_hides_no_other() -> None:
    lab = Lab(collect)
    actor = await lab.actor()
    for each in ("i1", "i2"):
        await lab.start("collect", instance_id=each)
    await lab.merge_row("i1", Tags="{")
    await lose_messages(lab)
    await lab.clock.sleep(120)
    await actor.sweep()
    assert [m.target.instance_id for m, _ in await lab.queued()] == ["i2"]


async def _sweep_cost(actor: Actor) -> Counter[str]:
    before = len(actor.calls)
    await actor.sweep()
    return Counter(operation for operation, _ in actor.calls[before:])


@pytest.mark.parametrize(
    "count", [0, 3, 10, pytest.param(1000, marks=[pytest.mark.slow, pytest.mark.sweep])]
)
@in_virtual_time
async def test_r9_waiting_instances_cost_a_handful_of_requests_a_pass(count: int) -> None:
    lab = Lab(collect, settings=EngineSettings(fast_path=False, session_limit=20))
    actor = await begun(lab, *(f"i{n:04}" for n in range(count)) if count else ("none",))
    if not count:
        await lab.raise_event("E", "end", instance_id="none")
        await actor.drain()
    await lab.clock.sleep(61)
    await actor.sweep()  # each is looked at once
    idle = await _sweep_cost(actor)
    assert idle == await _sweep_cost(actor)
    # Rows, sentinels, tombstones; a few instances are read one by one.
    expected = Counter({"Get Blob": 1, "Query Entities": 3, "List Blobs": 1, "List Queues": 1})
    if count <= 3:
        expected += Counter({"Get Entity": count})
        expected["Query Entities"] = 2
    assert idle == expected
    if not count:
        return
    # A new process looks at all of them once; then at what changed, and nothing else.
    other = await lab.actor()
    await other.hub.ensure()
    assert (await _sweep_cost(other)).total() == idle.total() + 2 * count
    assert await _sweep_cost(other) == idle
    await lab.raise_event("E", "more", instance_id="i0001")
    await actor.drain()
    await lab.clock.sleep(61)
    assert (await _sweep_cost(other)).total() == idle.total() + 2


@in_virtual_time
async def test_r9_a_look_leaves_no_session_behind() -> None:
    lab = Lab(collect)
    actor = await begun(lab, *(f"i{n}" for n in range(6)))
    assert len(actor.engine.sessions) == 6
    other = await lab.actor()
    await lab.clock.sleep(61)
    await other.sweep()
    assert len(other.engine.sessions) == 0
    await actor.sweep()
    assert len(actor.engine.sessions) == 6


@in_virtual_time
async def test_r9_an_instance_that_stays_behind_is_looked_at_again() -> None:
    """A look may leave a young checkpoint to its process (R11): then it found nothing in order."""
    lab = Lab(collect, settings=EngineSettings(fast_path=False, sweep_age_seconds=0.5))
    await begun(lab)
    row = await lab.row()
    other = await lab.actor()
    other.before = once(_dying(other), "Merge Entity")
    await lab.raise_event("E", "more")
    with pytest.raises(Crash):
        await other.drain()
    await lose_messages(lab)
    assert (await lab.row()).checkpoint_sequence == row.checkpoint_sequence
    patient = await lab.actor()
    await lab.clock.sleep(1)
    await patient.sweep()
    assert (await lab.row()).checkpoint_sequence == row.checkpoint_sequence
    await lab.clock.sleep(61)
    await patient.sweep()
    shown = await lab.row()
    assert (shown.checkpoint_sequence or 0) > (row.checkpoint_sequence or 0)


@in_virtual_time
async def test_r9_a_row_is_corrected_by_a_process_that_holds_the_instance_in_memory() -> None:
    """Its session knows nothing of what others did to the row: a look must not believe it."""
    lab = Lab(collect)
    actor = await begun(lab)
    await lab.merge_row(RuntimeStatus="Suspended")
    await lab.clock.sleep(120)
    await actor.sweep()
    assert (await lab.row()).status is RuntimeStatus.RUNNING


@in_virtual_time
async def test_r9_what_another_process_left_is_finished_by_one_with_an_older_session() -> None:
    lab = Lab(collect)
    actor = await begun(lab)
    row = await lab.row()
    other = await lab.actor()
    other.before = once(_dying(other), "Merge Entity")
    await lab.raise_event("E", "more")
    with pytest.raises(Crash):
        await other.drain()
    await lose_messages(lab)
    assert len(actor.engine.sessions) == 1
    await lab.clock.sleep(61)
    await actor.sweep()
    assert (await lab.row()).checkpoint_sequence == (row.checkpoint_sequence or 0) + 1


@in_virtual_time
async def test_r9_a_session_that_is_up_to_date_stays_and_costs_nothing() -> None:
    lab = Lab(collect)
    actor = await begun(lab, *(f"i{n}" for n in range(6)))
    session = actor.engine.sessions.look("i3")
    await lab.clock.sleep(61)
    first = await _sweep_cost(actor)
    assert actor.engine.sessions.look("i3") is session
    assert first["Query Entities"] == 3
    assert first["Get Entity"] == 0


@in_virtual_time
async def test_r9_a_sentinel_that_cannot_be_understood_costs_the_others_nothing() -> None:
    lab = Lab(collect)
    actor = await begun(lab, *(f"i{n}" for n in range(6)))
    await lab.merge_sentinel("i3", CheckpointSequence="x")
    await lab.clock.sleep(61)
    assert (await _sweep_cost(actor))["Get Entity"] == 1
    # It is not looked at in every pass.
    assert (await _sweep_cost(actor))["Get Entity"] == 0


@in_virtual_time
async def test_r9_what_is_remembered_of_looks_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeper_module, "_REMEMBERED", 4)
    lab = Lab(collect)
    await begun(lab, *(f"i{n}" for n in range(5)))
    other = await lab.actor()
    await lab.clock.sleep(61)
    await other.hub.ensure()
    costs = [(await _sweep_cost(other)).total() for _ in range(3)]
    # The oldest look is forgotten for the newest: all five are looked at again.
    assert costs == [6 + 2 * 5] * 3
    assert len(other.engine._sweeper._in_order) == 4


@in_virtual_time
async def test_r9_what_waits_is_remembered_longer_than_what_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sweeper_module, "_REMEMBERED", 5)
    lab = Lab(collect)
    actor = await begun(lab, *(f"i{n}" for n in range(5)))
    other = await lab.actor()
    await lab.clock.sleep(61)
    await other.sweep()
    idle = await _sweep_cost(other)
    for n in range(3):
        await lab.raise_event("E", n, instance_id="i4")
        await actor.drain()
        await lab.clock.sleep(61)
        assert (await _sweep_cost(other)).total() == idle.total() + 2


@in_virtual_time
async def test_r9_more_instances_than_a_pass_reads_are_looked_at_once_each() -> None:
    lab = Lab(collect, settings=EngineSettings(fast_path=False, sweep_rows=5))
    await begun(lab, *(f"i{n:02}" for n in range(13)))
    other = await lab.actor()
    await lab.clock.sleep(61)
    first, second, third = [[await _sweep_cost(other) for _ in range(3)] for _ in range(3)]
    looks = [cost["Get Entity"] for cost in first]
    assert looks == [5, 5, 3 + 3]  # three sentinels are read one by one
    assert [cost["Get Entity"] for cost in second] == [0, 0, 3]
    assert second == third


@in_virtual_time
async def test_r9_a_row_that_goes_wrong_after_a_look_is_corrected_at_the_next() -> None:
    """What was found in order is forgotten with the row's ETag alone."""
    lab = Lab(collect)
    await begun(lab)
    other = await lab.actor()
    await lab.clock.sleep(61)
    await other.sweep()
    await lab.merge_row(RuntimeStatus="Suspended")
    await lab.clock.sleep(61)
    await other.sweep()
    assert (await lab.row()).status is RuntimeStatus.RUNNING


@in_virtual_time
async def test_r9_a_checkpoint_whose_process_died_after_a_look_is_finished_at_the_next() -> None:
    """What was found in order is forgotten with the sentinel's ETag alone."""
    lab = Lab(collect, settings=EngineSettings(fast_path=False))
    await begun(lab)
    patient = await lab.actor()
    await lab.clock.sleep(61)
    await patient.sweep()
    row = await lab.row()
    dying = await lab.actor()
    dying.before = once(_dying(dying), "Merge Entity")
    await lab.raise_event("E", "more")
    with pytest.raises(Crash):
        await dying.drain()
    await lose_messages(lab)
    assert (await lab.row()).etag == row.etag
    await lab.clock.sleep(61)
    await patient.sweep()
    assert (await lab.row()).checkpoint_sequence == (row.checkpoint_sequence or 0) + 1


@in_virtual_time
async def test_r9_an_instance_whose_turn_was_running_is_looked_at_again() -> None:
    lab = Lab(collect)
    await begun(lab)
    looks = 0

    async def look(instance_id: str) -> bool:
        nonlocal looks
        looks += 1
        return looks > 1

    other = await lab.actor()
    engine = other.engine
    sweeper = Sweeper(other.hub, look, engine.sessions, engine.settings, lab.clock)
    await lab.clock.sleep(61)
    for _ in range(4):
        await sweeper.sweep()
    assert looks == 2


@in_virtual_time
async def test_r9_an_execution_of_the_original_is_looked_at_once() -> None:
    """R10: our sequence in its sentinel is of an older execution, and nothing of it is owed."""
    lab = Lab(collect)
    actor = await begun(lab)
    await lab.merge_sentinel(ExecutionId="net")
    await lab.merge_row(ExecutionId="net", CheckpointSequence=0)
    await lab.clock.sleep(61)
    await actor.hub.ensure()
    first, second = await _sweep_cost(actor), await _sweep_cost(actor)
    assert first.total() == second.total() + 2
    assert (await lab.row()).checkpoint_sequence == 0


@in_virtual_time
async def test_r9_a_row_that_runs_over_another_lines_tombstone_is_deleted() -> None:
    lab = Lab(collect)
    actor = await begun(lab)
    await lab.raise_event("E", "end")
    await actor.deliver()
    assert await purge_instance(lab.hub, "i1")
    row = InstanceRow(instance_id="i1", execution_id="other", status=RuntimeStatus.RUNNING)
    await lab.hub.instances.insert(row)
    await lab.clock.sleep(120)
    await actor.sweep()
    assert await lab.hub.instances.read("i1") is None


def _dying(actor: Actor) -> Any:
    async def die() -> None:
        actor.crash()

    return die
