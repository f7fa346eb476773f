"""What clients send: events with an identity of their own (R7), terminations."""

from __future__ import annotations

from durable.hub.raising import raise_event, terminate
from durable.model.events import EventRaised, ExecutionTerminated, InstanceRef
from tests.hub_lab import Lab, in_virtual_time


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
async def test_a_termination_carries_its_reason_as_it_is() -> None:
    lab = Lab()
    await lab.hub.ensure()
    await terminate(lab.hub, "i1", "not json")
    [(message, _)] = await lab.queued()
    assert isinstance(message.event, ExecutionTerminated)
    assert (message.event.reason, message.extras.identity) == ("not json", None)
    assert message.extras.mark
