"""Every recorded event, terminate, suspend, resume, rewind, restart and purge, made to ours.

The same answer as recorded, or a reason; and what was sent to the instance, or removed.
"""

from __future__ import annotations

import dataclasses
import json

import pytest

from durable.api.routes import EVENT, INSTANCE, Operation, find_route
from durable.hub.instances import InstanceQuery
from durable.hub.taskhub import TaskHub
from durable.model.events import (
    EventRaised,
    ExecutionResumed,
    ExecutionSuspended,
    ExecutionTerminated,
    GenericEvent,
    HistoryEvent,
)
from durable.model.status import InstanceRow, RuntimeStatus
from durable.wire.envelopes import BlobPointer, decode_message
from tests.failed_instance import insert_failed
from tests.golden.compared_http import TOLD, call, compare, hub_of, site_of, stems
from tests.golden.recorded_http import RECORDINGS

#: The status of the instance before it was told something; else there was none.
STATE_BEFORE = {
    RuntimeStatus.PENDING: ("036", "037", "038", "329", "330", "332"),
    RuntimeStatus.RUNNING: (
        *("079", "136", "137", "138", "140", "141", "145", "151", "157", "159", "213"),
        *("172", "323", "326", "336"),
    ),
    RuntimeStatus.SUSPENDED: ("147", "148", "149", "150", "166"),
    RuntimeStatus.COMPLETED: ("134", "155", "156", "161", "171", "234"),
    RuntimeStatus.FAILED: ("135", "169", "175"),
    RuntimeStatus.TERMINATED: ("162", "164", "173"),
}
MISSING_BEFORE = ("133", "144", "154", "163", "235", "236", "334")
#: What is sent, by operation.
SENT = {
    Operation.RAISE_EVENT: EventRaised,
    Operation.TERMINATE: ExecutionTerminated,
    Operation.SUSPEND: ExecutionSuspended,
    Operation.RESUME: ExecutionResumed,
    Operation.REWIND: GenericEvent,
}
#: What a purge found, by status: as many as it removed of finished ones, and others.
PURGED = {
    "243-purgemulti-status": {"Terminated": 3, "Failed": 2, "Running": 1},
    "245-purgemulti-failed-and-running": {"Failed": 12, "Running": 4, "Completed": 1},
    "247-purgemulti-running": {"Running": 60},
    "249-purgemulti-bogusstatus": {"Running": 1, "Completed": 1},
}


@pytest.mark.parametrize("stem", stems(*TOLD))
async def test_what_an_instance_is_told(stem: str) -> None:
    recording = RECORDINGS[stem]
    site = site_of(recording)
    hub = hub_of(site, recording)
    match = find_route(recording.method, recording.path)
    assert match is not None
    await hub.ensure()
    before = [state for state, numbers in STATE_BEFORE.items() if stem[:3] in numbers]
    assert len(before) == (stem[:3] not in MISSING_BEFORE)
    if before == [RuntimeStatus.FAILED]:
        await insert_failed(hub, match.variables[INSTANCE])
    elif before:
        await insert(hub, match.variables[INSTANCE], before[0])
    answer = await call(site, recording)
    compare(answer, recording)
    sent = await sent_by(hub)
    assert [type(event) for event in sent] == [
        SENT[match.operation] for _ in range(answer.status == 202)
    ]
    for event in sent:
        if isinstance(event, EventRaised):
            assert (event.name, event.input) == (match.variables[EVENT], recording.body)
        else:
            told = event.data if isinstance(event, GenericEvent) else getattr(event, "reason", None)
            assert told == recording.query.get("reason")
    if match.operation is Operation.PURGE:
        gone = await hub.instances.read(match.variables[INSTANCE]) is None
        assert gone is (answer.status != 412)


@pytest.mark.parametrize("stem", stems(Operation.RESTART))
async def test_restart(stem: str) -> None:
    recording = RECORDINGS[stem]
    site = site_of(recording)
    await site.hub.ensure()
    running = "running" in stem
    instance_id = recording.path.split("/")[2]
    row = InstanceRow(
        instance_id=instance_id,
        execution_id="old",
        name="hello_sequence",
        input='{"b":2}',
        status=RuntimeStatus.RUNNING if running else RuntimeStatus.COMPLETED,
    )
    await site.hub.instances.insert(row)
    known = {instance_id}

    async def work() -> None:
        """Run the new instance to the recorded end."""
        page = await site.hub.instances.page(InstanceQuery(), size=10)
        for found in page.rows:
            if found.instance_id not in known:
                done = dataclasses.replace(
                    found, status=RuntimeStatus.COMPLETED, output=recording.text
                )
                await site.hub.instances.show(done, found)

    site.clock.work = work
    answer = await call(site, recording)
    compare(answer, recording)
    if answer.status >= 400:
        return
    page = await site.hub.instances.page(InstanceQuery(), size=10)
    (started,) = [found for found in page.rows if found.execution_id != "old"]
    assert (started.name, started.input) == (row.name, row.input)
    assert (started.instance_id == instance_id) is ("sameid" in stem)
    if answer.status == 202:
        assert json.loads(answer.body)["id"] == started.instance_id


@pytest.mark.parametrize("stem", stems(Operation.PURGE_MANY))
async def test_purge_many(stem: str) -> None:
    recording = RECORDINGS[stem]
    site = site_of(recording)
    await site.hub.ensure()
    counts = PURGED.get(stem, {})
    for status, count in counts.items():
        for number in range(count):
            await insert(site.hub, f"{status}{number}", RuntimeStatus(status))
    answer = await call(site, recording)
    compare(answer, recording)
    page = await site.hub.instances.page(InstanceQuery(), size=1000)
    removed = json.loads(answer.body)["instancesDeleted"] if answer.status == 200 else 0
    assert len(page.rows) == sum(counts.values()) - removed


async def insert(hub: TaskHub, instance_id: str, status: RuntimeStatus) -> None:
    now = hub.clock.now()
    await hub.instances.insert(
        InstanceRow(
            instance_id=instance_id,
            execution_id="e1",
            name="wait_event",
            created_time=now,
            last_updated_time=now,
            status=status,
        )
    )


async def sent_by(hub: TaskHub) -> list[HistoryEvent]:
    """The events in the hub's control queues."""
    found = []
    for queue in hub.names.control_queues:
        for message in await hub.account.queues.peek(queue):
            decoded = decode_message(message.text)
            assert not isinstance(decoded, BlobPointer)
            found.append(decoded.event)
    return found
