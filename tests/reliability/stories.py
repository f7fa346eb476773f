"""What the tests of this folder share: orchestrators, an entity, and how a protection is missed."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from datetime import timedelta
from typing import Any

import pytest

from durable.authoring.definitions import EntityDefinition
from durable.hub.taskhub import TaskHub
from durable.model.entities import OperationRequest, Outgoing
from durable.model.events import EventRaised, HistoryEvent
from durable.model.ids import EntityId
from durable.model.messages import Extras, TaskMessage
from durable.wire.entity_json import decode_state, event_of
from tests.hub_lab import Actor, Lab

Steps = Generator[Any, Any, Any]
BATCH, QUERY, PUT, DELETE = (
    "Entity Group Transaction",
    "Query Entities",
    "Put Message",
    "Delete Message",
)
#: The row in Instances: inserted, merged, replaced.
ROW_WRITES = frozenset({"Insert Entity", "Merge Entity", "Update Entity"})
COUNTER = EntityId("counter", "k")
ENTITY = "@counter@k"


def greeting(context: Any) -> Steps:
    return (yield context.call_activity("greet", context.get_input()))


def steps(context: Any) -> Steps:
    """So many activities, one after the other."""
    got = []
    for number in range(context.get_input()):
        got.append((yield context.call_activity("greet", number)))  # noqa: PERF401 - yields
    return got


def fan_out(context: Any) -> Steps:
    calls = [context.call_activity("greet", n) for n in range(context.get_input())]
    return len((yield context.task_all(calls)))


def collect(context: Any) -> Steps:
    """Takes events until "end"; begins anew with "again", keeping what it has."""
    got = list(context.get_input() or [])
    while True:
        event = yield context.wait_for_external_event("E")
        if event == "end":
            return got
        if event == "again":
            context.continue_as_new(got)
            return None
        got.append(event)


def parent(context: Any) -> Steps:
    return (yield context.call_sub_orchestrator("steps", 2, "child"))


def parent_of_collect(context: Any) -> Steps:
    return (yield context.call_sub_orchestrator("collect", None, "child"))


def locking(context: Any) -> Steps:
    """Holds the counter until it is told to go on; counts then."""
    with (yield context.lock_entities([COUNTER])):
        event = yield context.wait_for_external_event("E")
        yield context.call_entity(COUNTER, "add", 1)
        return event


def napping(context: Any) -> Steps:
    yield context.create_timer(context.current_utc_datetime + timedelta(seconds=30))
    return "rested"


async def counter(context: Any) -> None:
    """Adds; every operation's result is the value."""
    value = context.get_state(lambda: 0)
    if context.operation_name == "add":
        value += context.get_input()
        context.set_state(value)
    elif context.operation_name == "delete":
        context.destruct_on_exit()
    context.set_result(value)


class EntityLab(Lab):
    """A lab with the counter."""

    def __init__(self, *orchestrators: Callable[..., Any]) -> None:
        super().__init__(*orchestrators)
        self.registry.add_entity(
            EntityDefinition(name="counter", function=counter, context_name="context")
        )

    def add(self, number: int, value: int = 1) -> TaskMessage:
        """A signal of a client, the same however often it is made."""
        request = OperationRequest(
            op="add", id=f"request-{number}", is_signal=True, input=json.dumps(value)
        )
        name, text = event_of(Outgoing(target=ENTITY, message=request))
        return self.event(
            EventRaised(timestamp=self.clock.now(), name=name, input=text),
            instance_id=ENTITY,
            extras=Extras(mark=True, identity=f"c:{number}"),
        )

    async def value(self) -> Any:
        """The counter's state; None when it has none."""
        return await entity_value(self.hub)


async def entity_value(hub: TaskHub) -> Any:
    """The counter's state, decoded; None when there is no such entity, or no state."""
    row = await hub.instances.read(ENTITY)
    if row is None:
        return None
    state = decode_state((await hub.instances.texts(row)).input, ENTITY).state
    return None if state is None else json.loads(state)


async def begun(lab: Lab, name: str, value: Any = None, *, instance_id: str = "i1") -> Actor:
    """A process that has made the instance's first turn."""
    actor = await lab.actor()
    await lab.start(name, value, instance_id=instance_id)
    await actor.deliver()
    return actor


async def lose_messages(lab: Lab, queue: str | None = None) -> None:
    """Whatever is in the queue, hidden or not, is gone."""
    lab.account._queues._state.queues[queue or lab.queue].clear()


def raised(events: list[HistoryEvent]) -> list[Any]:
    """The inputs of the external events in a history."""
    return [json.loads(each.input or "null") for each in events if isinstance(each, EventRaised)]


def fails(story: Callable[[], None]) -> bool:
    """Whether a test of a weakness fails, now that its protection is taken away.

    What is no assertion comes through: a protection must not be missed by accident.
    """
    try:
        story()
    except (AssertionError, pytest.fail.Exception):
        return True
    return False
