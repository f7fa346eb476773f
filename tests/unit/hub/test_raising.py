"""What clients send: events with an identity of their own (R7), terminations, suspensions."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from durable.hub.raising import raise_event, resume, signal, suspend, terminate
from durable.hub.taskhub import TaskHub
from durable.model.events import (
    EventRaised,
    ExecutionResumed,
    ExecutionSuspended,
    ExecutionTerminated,
    InstanceRef,
)
from durable.wire.times import format_exact, format_time
from tests.hub_lab import Lab, in_virtual_time

Send = Callable[[TaskHub, str, str | None], Awaitable[None]]


@in_virtual_time
async def test_r7_the_raiser_makes_the_identity_before_the_put() -> None:
    lab = Lab()
    await lab.hub.ensure()
    for _ in range(2):
        await raise_event(lab.hub, "i1", "E", "1")
    messages = [m for m, _ in await lab.queued()]
    identities = {m.extras.identity or "" for m in messages}
    assert len(identities) == 2
    assert all(each.startswith("c:") for each in identities)
    assert len({m.activity_id for m in messages}) == 2
    for message in messages:
        assert isinstance(message.event, EventRaised)
        assert (message.event.name, message.event.input) == ("E", "1")
        assert message.target == InstanceRef(instance_id="i1")
        assert message.sender == InstanceRef(instance_id="", execution_id="")


@in_virtual_time
async def test_a_signal_is_written_as_the_original_writes_it() -> None:
    """golden/extension/entity_signal_client and entity_signal_client_delayed."""
    lab = Lab()
    await lab.hub.ensure()
    due = lab.clock.now() + timedelta(seconds=2.25)
    await signal(lab.hub, "@counter@c1", "add", "5")
    await signal(lab.hub, "@counter@c1", "add", None, due)
    [(plain, _), (scheduled, visible)] = await lab.queued()
    for message in (plain, scheduled):
        assert message.target == InstanceRef(instance_id="@counter@c1")
        assert (message.extras.identity or "").startswith("c:")
        assert isinstance(message.event, EventRaised)
    # What is due is never early.
    assert timedelta(0) <= visible - due < timedelta(seconds=1)
    none = '"Timestamp":"0001-01-01T00:00:00","Predecessor":"0001-01-01T00:00:00"}'
    assert isinstance(plain.event, EventRaised)
    assert plain.event.name == "op"
    assert re.fullmatch(
        r'\{"op":"add","signal":true,"input":"5","id":"[0-9a-f-]{36}",' + re.escape(none),
        plain.event.input or "",
    )
    assert isinstance(scheduled.event, EventRaised)
    assert scheduled.event.name == f"op@{format_exact(due)}"
    told = f'"due":"{format_time(due)}",'
    assert re.fullmatch(
        r'\{"op":"add","signal":true,"id":"[0-9a-f-]{36}",' + re.escape(told + none),
        scheduled.event.input or "",
    )


@in_virtual_time
async def test_a_termination_carries_its_reason_as_it_is() -> None:
    lab = Lab()
    await lab.hub.ensure()
    await terminate(lab.hub, "i1", "not json")
    [(message, _)] = await lab.queued()
    assert isinstance(message.event, ExecutionTerminated)
    assert (message.event.reason, message.extras.identity) == ("not json", None)
    assert message.extras.mark


@pytest.mark.parametrize(
    ("send", "kind"), [(suspend, ExecutionSuspended), (resume, ExecutionResumed)]
)
@pytest.mark.parametrize("reason", ["not json", None])
@in_virtual_time
async def test_suspend_and_resume_are_marked_and_carry_their_reason_as_it_is(
    send: Send, kind: type[ExecutionSuspended | ExecutionResumed], reason: str | None
) -> None:
    lab = Lab()
    await lab.hub.ensure()
    await send(lab.hub, "i1", reason)
    [(message, _)] = await lab.queued()
    assert isinstance(message.event, kind)
    assert (message.event.reason, message.extras.identity) == (reason, None)
    assert message.extras.mark
    assert message.target == InstanceRef(instance_id="i1")
