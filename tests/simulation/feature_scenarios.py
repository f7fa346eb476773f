"""Scenarios of what clients and timers can do to an instance: suspend, purge, schedule, expire."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from durable.authoring import context
from durable.client import operating
from durable.engine import compound_tasks
from durable.errors import InstanceError, InstanceExists
from durable.hub.purging import purge_instance
from durable.hub.raising import raise_event
from durable.hub.starting import StartRequest, start_instance
from durable.hub.taskhub import TaskHub
from durable.model.status import RuntimeStatus
from tests.simulation.scenarios import Scenario, greeting, start, starting
from tests.simulation.world import World

#: Longer than a lease: a message whose process died has come back by then.
_A_LEASE_LATER = 700.0
_LOOKS = 400


async def _until(
    hub: TaskHub, world: World, status: RuntimeStatus | None = None, instance_id: str = "i1"
) -> None:
    """Look until the instance has `status`, or has ended."""
    for _ in range(_LOOKS):
        row = await hub.instances.read(instance_id)
        found = row.status if row is not None else None
        if found is not None and (found is status or found.is_terminal):
            return
        await world.clock.sleep(5.0)


async def _raise(hub: TaskHub, value: object) -> None:
    await raise_event(hub, "i1", "E", json.dumps(value))


async def _suspend(hub: TaskHub, world: World) -> None:
    await world.clock.sleep(0.7)
    await operating.suspend(hub, "i1", "hold")
    await _until(hub, world, RuntimeStatus.SUSPENDED)


async def _start_over(hub: TaskHub, world: World, name: str, value: Any = None) -> None:
    """Start under the id of an instance that is about to end."""
    for _ in range(_LOOKS):
        try:
            await start(hub, name, "i1", value)
        except InstanceExists:
            await world.clock.sleep(5.0)
            continue
        return


async def _suspending(hub: TaskHub, world: World) -> None:
    await start(hub, "collect", "i1", {"got": [], "want": 3})
    await _suspend(hub, world)
    for number in range(3):
        await _raise(hub, number)
        await world.clock.sleep(0.3)
    await operating.resume(hub, "i1", "go on")


async def _suspending_long(hub: TaskHub, world: World) -> None:
    """What is redelivered a lease later must not suspend it again."""
    await start(hub, "wait_three", "i1")
    await _suspend(hub, world)
    await _raise(hub, 0)
    await operating.resume(hub, "i1", "go on")
    await _raise(hub, 1)
    await world.clock.sleep(_A_LEASE_LATER)
    await _raise(hub, 2)


async def _suspending_generations(hub: TaskHub, world: World) -> None:
    """The same, when the generation that was suspended has passed."""
    await start(hub, "gather", "i1", {"got": [], "want": 3})
    await _suspend(hub, world)
    await _raise(hub, 0)
    await operating.resume(hub, "i1", "go on")
    await _raise(hub, 1)
    await world.clock.sleep(_A_LEASE_LATER)
    await _raise(hub, 2)


async def _terminating_suspended(hub: TaskHub, world: World) -> None:
    await start(hub, "collect", "i1", {"got": [], "want": 3})
    await _suspend(hub, world)
    await _raise(hub, 0)
    await operating.terminate(hub, "i1", "enough")


async def _terminating_then_again(hub: TaskHub, world: World) -> None:
    """A termination that comes back must not reach the next instance of that id."""
    await start(hub, "vigil", "i1")
    await world.clock.sleep(0.7)
    await operating.terminate(hub, "i1", "enough")
    await _start_over(hub, world, "vigil")
    await world.clock.sleep(_A_LEASE_LATER)
    await _raise(hub, "two")


async def _raising_then_again(hub: TaskHub, world: World) -> None:
    """Neither must an event."""
    await start(hub, "vigil", "i1")
    await world.clock.sleep(0.7)
    await _raise(hub, "one")
    await _start_over(hub, world, "vigil")
    await world.clock.sleep(_A_LEASE_LATER)
    await _raise(hub, "two")


async def _purge(hub: TaskHub, world: World) -> None:
    await _until(hub, world)
    assert await purge_instance(hub, "i1")
    assert await hub.instances.read("i1") is None


async def _purging(hub: TaskHub, world: World) -> None:
    await start(hub, "large", "i1", "x" * 200_000)
    await _purge(hub, world)


async def _purging_then_again(hub: TaskHub, world: World) -> None:
    await start(hub, "hello", "i1")
    await _purge(hub, world)
    await start(hub, "countdown", "i1", 2)


async def _purging_the_terminated_then_again(hub: TaskHub, world: World) -> None:
    """Nor must either, when the first instance was purged in between."""
    await start(hub, "vigil", "i1")
    await world.clock.sleep(0.7)
    await operating.terminate(hub, "i1", "enough")
    await _purge(hub, world)
    await start(hub, "vigil", "i1")
    await world.clock.sleep(_A_LEASE_LATER)
    await _raise(hub, "two")


async def _purging_the_told_then_again(hub: TaskHub, world: World) -> None:
    await start(hub, "vigil", "i1")
    await world.clock.sleep(0.7)
    await _raise(hub, "one")
    await _purge(hub, world)
    await start(hub, "vigil", "i1")
    await world.clock.sleep(_A_LEASE_LATER)
    await _raise(hub, "two")


async def _purge_rest(hub: TaskHub) -> None:
    """Purging again goes on where a purge that died left off."""
    await purge_instance(hub, "i1")


def _scheduled(seconds: float) -> Callable[[TaskHub, World], Awaitable[None]]:
    async def script(hub: TaskHub, world: World) -> None:
        await hub.ensure()
        at = world.clock.now() + timedelta(seconds=seconds)
        await start_instance(
            hub, StartRequest(name="hello", instance_id="i1", scheduled_start_time=at)
        )

    return script


async def _scheduled_terminated(hub: TaskHub, world: World) -> None:
    await _scheduled(60.0)(hub, world)
    await world.clock.sleep(1.0)
    await operating.terminate(hub, "i1", "never")


def _approving(wait: float, after: float) -> Callable[[TaskHub, World], Awaitable[None]]:
    async def script(hub: TaskHub, world: World) -> None:
        await start(hub, "approval", "i1", wait)
        await world.clock.sleep(after)
        try:
            await operating.unfinished(hub, "i1")
        except InstanceError:
            return
        await _raise(hub, "you")

    return script


async def _gathering(hub: TaskHub, world: World) -> None:
    """Events while the instance turns over."""
    await start(hub, "gather", "i1", {"got": [], "want": 8})
    for number in range(8):
        await world.clock.sleep(0.03 * (number % 3))
        await _raise(hub, number)


SUSPEND = Scenario(
    name="suspend-resume", client=_suspending, outputs={"i1": [0, 1, 2]}, needs_client=True
)
SUSPEND_LONG = Scenario(
    name="suspend-resume-late",
    client=_suspending_long,
    outputs={"i1": [0, 1, 2]},
    needs_client=True,
    strike_until=20.0,
)
SUSPEND_GENERATIONS = Scenario(
    name="suspend-resume-generations",
    client=_suspending_generations,
    outputs={"i1": [0, 1, 2]},
    needs_client=True,
    strike_until=20.0,
)
TERMINATE_SUSPENDED = Scenario(
    name="terminate-suspended",
    client=_terminating_suspended,
    outputs={"i1": "enough"},
    statuses={"i1": "Terminated"},
    needs_client=True,
)
TERMINATE_AGAIN = Scenario(
    name="terminate-start-again",
    client=_terminating_then_again,
    outputs={"i1": "two"},
    needs_client=True,
    strike_until=20.0,
)
EVENT_AGAIN = Scenario(
    name="event-start-again",
    client=_raising_then_again,
    outputs={"i1": "two"},
    needs_client=True,
    strike_until=20.0,
)
PURGE = Scenario(
    name="purge",
    client=_purging,
    outputs={},
    gone=("i1",),
    last=_purge_rest,
    activities={"echo": 1},
)
PURGE_AGAIN = Scenario(
    name="purge-start-again", client=_purging_then_again, outputs={"i1": "over"}, last=_purge_rest
)
PURGE_TERMINATED_AGAIN = Scenario(
    name="terminate-purge-start-again",
    client=_purging_the_terminated_then_again,
    outputs={"i1": "two"},
    needs_client=True,
    strike_until=20.0,
)
PURGE_TOLD_AGAIN = Scenario(
    name="event-purge-start-again",
    client=_purging_the_told_then_again,
    outputs={"i1": "two"},
    needs_client=True,
    strike_until=20.0,
)
SCHEDULED = Scenario(
    name="scheduled",
    client=_scheduled(20.0),
    outputs={"i1": greeting("Tokyo", "Seattle", "London")},
    activities={"greet:Tokyo": 1, "greet:Seattle": 1, "greet:London": 1},
)
SCHEDULED_TERMINATED = Scenario(
    name="scheduled-terminated",
    client=_scheduled_terminated,
    outputs={"i1": "never"},
    statuses={"i1": "Terminated"},
    activities={"greet:Tokyo": 0},
    # A crash holds the termination up for a lease, and the time has come before.
    if_late=("Completed", greeting("Tokyo", "Seattle", "London")),
)
EVENT_IN_TIME = Scenario(
    name="event-in-time",
    client=_approving(wait=30.0, after=0.7),
    outputs={"i1": "Hello you!"},
    needs_client=True,
    if_late=("Completed", "Hello nobody!"),
)
EVENT_TOO_LATE = Scenario(
    name="event-too-late",
    client=_approving(wait=10.0, after=13.0),
    outputs={"i1": "Hello nobody!"},
    # A crash holds the timer up, and the event is first.
    if_late=("Completed", "Hello you!"),
)
CARRIED = Scenario(
    name="events-carried",
    client=_gathering,
    outputs={"i1": list(range(8))},
    needs_client=True,
)
LONG_TIMER = Scenario(
    name="long-timer",
    client=starting("long_nap"),
    outputs={"i1": "Hello morning!"},
    activities={"greet:morning": 1},
    patches=(
        (context, "MAX_TIMER", timedelta(seconds=60)),
        (compound_tasks, "MAX_TIMER", timedelta(seconds=60)),
        (compound_tasks, "LONG_TIMER_HOP", timedelta(seconds=30)),
    ),
)
CHILD_RETRY = Scenario(
    name="child-with-retry", client=starting("parent_of_unsteady"), outputs={"i1": "Hello u!"}
)
RETRY_EXHAUSTED = Scenario(
    name="retries-exhausted",
    client=starting("gives_up"),
    outputs={"i1": "Hello after all!"},
    activities={"fail": 3, "greet:after all": 1},
)

FEATURES = (
    SUSPEND,
    SUSPEND_LONG,
    SUSPEND_GENERATIONS,
    TERMINATE_SUSPENDED,
    TERMINATE_AGAIN,
    EVENT_AGAIN,
    PURGE,
    PURGE_AGAIN,
    PURGE_TERMINATED_AGAIN,
    PURGE_TOLD_AGAIN,
    SCHEDULED,
    SCHEDULED_TERMINATED,
    EVENT_IN_TIME,
    EVENT_TOO_LATE,
    CARRIED,
    LONG_TIMER,
    CHILD_RETRY,
    RETRY_EXHAUSTED,
)
