"""Waiting for an instance's beginning and end."""

from __future__ import annotations

import pytest

from durable.client import Client, OrchestrationRuntimeStatus
from durable.errors import InstanceNotFound, WaitTimeout
from durable.hub.taskhub import TaskHub
from durable.model.status import TERMINAL, RuntimeStatus
from tests.manual_clock import ManualClock
from tests.unit.client.conftest import End, Insert


@pytest.mark.parametrize("status", sorted(TERMINAL))
async def test_the_end_is_waited_for_whichever_it_is(
    hub: TaskHub, insert: Insert, end: End, status: RuntimeStatus
) -> None:
    client = Client(hub)
    await client.start_new("hello", "i", client_input=[1])
    await end("i", status, '"bye"')
    found = await client.wait_for_orchestration_completion("i")
    assert found.runtime_status is OrchestrationRuntimeStatus(status.value)
    assert (found.input_, found.output) == ([1], "bye")


async def test_a_wait_that_is_over_says_how_the_instance_stands(
    hub: TaskHub, insert: Insert, manual_clock: ManualClock
) -> None:
    client = Client(hub)
    await insert("i", RuntimeStatus.RUNNING)
    with pytest.raises(
        TimeoutError, match=r"'i' has not ended within 5 s \(it is Running\)"
    ) as caught:
        await client.wait_for_orchestration_completion("i", timeout=5, interval=10)
    assert isinstance(caught.value, WaitTimeout)
    assert caught.value.instance_id == "i"
    assert manual_clock.monotonic() == 5


async def test_the_beginning_is_waited_for(hub: TaskHub, insert: Insert) -> None:
    client = Client(hub)
    await client.start_new("hello", "i")
    with pytest.raises(WaitTimeout, match="has not begun within 3 s"):
        await client.wait_for_orchestration_start("i", timeout=3)
    await insert("busy", RuntimeStatus.RUNNING)
    assert (await client.wait_for_orchestration_start("busy")).name == "hello"


async def test_nobody_is_not_waited_for(hub: TaskHub, manual_clock: ManualClock) -> None:
    client = Client(hub)
    for wait in (client.wait_for_orchestration_completion, client.wait_for_orchestration_start):
        with pytest.raises(InstanceNotFound, match=r"^No instance with ID 'nobody' found\.$"):
            await wait("nobody")
    assert manual_clock.monotonic() == 0
