"""A hub in memory, its instances written as the commit would."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from durable.hub.settings import HubSettings
from durable.hub.taskhub import TaskHub
from durable.model.events import HistoryEvent
from durable.model.status import InstanceRow, RuntimeStatus
from durable.storage.memory.account import MemoryAccount
from durable.wire.envelopes import BlobPointer, decode_message
from tests.manual_clock import ManualClock

End = Callable[[str, RuntimeStatus, str | None], Awaitable[None]]
Insert = Callable[[str, RuntimeStatus], Awaitable[InstanceRow]]


async def sent(hub: TaskHub) -> list[HistoryEvent]:
    """The events in the control queues."""
    found = []
    for queue in hub.names.control_queues:
        for message in await hub.account.queues.peek(queue):
            decoded = decode_message(message.text)
            assert not isinstance(decoded, BlobPointer)
            found.append(decoded.event)
    return found


@pytest.fixture
def account(manual_clock: ManualClock) -> MemoryAccount:
    return MemoryAccount(manual_clock)


@pytest.fixture
def hub(account: MemoryAccount, manual_clock: ManualClock) -> TaskHub:
    return TaskHub(account, HubSettings(name="Hub1"), manual_clock)


@pytest.fixture
def insert(hub: TaskHub) -> Insert:
    """Write an instance with a status."""

    async def write(instance_id: str, status: RuntimeStatus) -> InstanceRow:
        await hub.ensure()
        now = hub.clock.now()
        row = InstanceRow(
            instance_id=instance_id,
            execution_id="e1",
            name="hello",
            created_time=now,
            last_updated_time=now,
            status=status,
        )
        return await hub.instances.insert(row)

    return write


@pytest.fixture
def end(hub: TaskHub) -> End:
    """End an instance with a status and an output."""

    async def write(instance_id: str, status: RuntimeStatus, output: str | None) -> None:
        row = await hub.instances.read(instance_id)
        assert row is not None
        await hub.instances.show(replace(row, status=status, output=output), row)

    return write
