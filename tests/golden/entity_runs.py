"""The recorded apps with entities, and what their clients did."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import durable as df
from durable.errors import EntityFailed
from tests.golden import scenario_apps as apps
from tests.golden.golden_stage import Stage
from tests.golden.scenario_apps import Steps
from tests.golden.scenario_runs import Scenario, only_start

#: Later than one of the framework's delays, which are cut to whole seconds.
_LATER = timedelta(seconds=2.9)


def counter(context: Any) -> Any:
    """A number."""
    op, given = context.operation_name, context.get_input()
    number = context.get_state(int)
    match op:
        case "add":
            context.set_state(number + given)
            return number + given
        case "relay":
            context.signal_entity(df.EntityId("counter", "relayed"), "add", given)
        case "spawn":
            context.start_new_orchestration(
                "echo_orch", given, f"spawned-counter-{context.entity_key}"
            )
        case "delete":
            context.destruct_on_exit()
        case "fail":
            raise apps.InvalidOperationException("entity failure")
        case _:
            return number
    return None


def entity_call(context: Any) -> Steps:
    entity = df.EntityId("counter", "c1")
    first = yield context.call_entity(entity, "add", 5)
    return [first, (yield context.call_entity(entity, "get"))]


def entity_call_fail(context: Any) -> Steps:
    try:
        yield context.call_entity(df.EntityId("counter", "cf"), "fail", "why")
    except EntityFailed as error:
        return f"{error.failure.error_type}: {error.failure.message}"


def framework_lock(context: Any) -> Steps:
    """It asks for the locks in the other order."""
    one, other = df.EntityId("counter", "a"), df.EntityId("counter", "b")
    with (yield context.lock_entities([other, one])):
        first = yield context.call_entity(one, "get")
        second = yield context.call_entity(other, "get")
    return [str(first), str(second)]


def extension_lock(context: Any) -> Steps:
    one, other = df.EntityId("counter", "la"), df.EntityId("counter", "lb")
    with (yield context.lock_entities([other, one])):
        first = yield context.call_entity(one, "add", 1)
        second = yield context.call_entity(other, "add", 2)
    return [first, second]


def entity_lock_hold(context: Any) -> Steps:
    with (yield context.lock_entities([df.EntityId("counter", "held")])):
        yield context.wait_for_external_event("release")
    return "released"


def entity_signal(context: Any) -> Any:
    entity = df.EntityId("counter", "s1")
    context.signal_entity(entity, "add", 3)
    context.signal_entity(entity, "add", 4, scheduled_time=context.current_utc_datetime + _LATER)
    return "signalled"


async def clean(stage: Stage) -> None:
    """What is empty is too young to be removed, and nothing is orphaned."""
    cleaned = await (await stage.client()).clean_entity_storage()
    assert (cleaned.empty_entities_removed, cleaned.orphaned_locks_released) == (0, 0)


async def signal_relay_spawn_delete(stage: Stage) -> None:
    await stage.signal("@counter@a", "add", 5)
    await stage.drain()
    await stage.signal("@counter@a", "add", 2)
    await stage.drain()
    await stage.signal("@counter@a", "relay", 3)
    await stage.signal("@counter@a", "add", 1, at=stage.clock.now() + _LATER)
    await stage.drain()
    await stage.signal("@counter@a", "spawn", "hi")
    await stage.drain()
    found = await (await stage.client()).get_all_entities("counter")
    assert [(each.key, each.get_state()) for each in found] == [("a", 8), ("relayed", 3)]
    await stage.signal("@counter@a", "delete")
    await stage.drain()
    await clean(stage)


async def signal_twice(stage: Stage) -> None:
    for number in (5, 2):
        await stage.signal("@counter@c1", "add", number)
        await stage.drain()


async def signal_later(stage: Stage) -> None:
    await stage.signal("@counter@c1", "add", 4, at=stage.clock.now() + _LATER)
    await stage.drain()


async def signal_and_delete(stage: Stage) -> None:
    await stage.signal("@counter@c1", "add", 5)
    await stage.drain()
    await stage.signal("@counter@c1", "delete", "")
    await stage.drain()
    await clean(stage)


async def signal_what_is_locked(stage: Stage) -> None:
    await stage.start("entity_lock_hold", "hold1")
    await stage.drain()
    await stage.signal("@counter@held", "add", 1)
    await stage.drain()
    row = await stage.hub.instances.read("@counter@held")
    assert row is not None
    assert row.custom_status == '{"queueSize":1,"lockedBy":"hold1"}'
    await stage.raise_event("hold1", "release", 1)
    await stage.drain()


async def terminate_the_holder(stage: Stage) -> None:
    await stage.start("entity_lock_hold", "hold1")
    await stage.drain()
    await stage.terminate("hold1", "orphan the lock")
    await stage.drain()
    await clean(stage)  # there it released the lock


def entity_scenarios() -> dict[str, Scenario]:
    """By the recording's name."""
    entities = {"counter": counter}

    def calling(
        name: str, function: Callable[[Any], Any], client: Any, **more: Callable[[Any], Any]
    ) -> Scenario:
        return Scenario(orchestrators={name: function, **more}, entities=entities, client=client)

    def signalling(client: Any) -> Scenario:
        return Scenario(orchestrators={}, entities=entities, client=client)

    return {
        "dtfx/18_entity_lock": calling(
            "entity_lock", framework_lock, only_start("entity_lock", "elock-1")
        ),
        "dtfx/18_entity_signal": calling("echo_orch", apps.echo_input, signal_relay_spawn_delete),
        "extension/entity_call": calling(
            "entity_call", entity_call, only_start("entity_call", "ec1")
        ),
        "extension/entity_call_failing": calling(
            "entity_call_fail", entity_call_fail, only_start("entity_call_fail", "ecf1")
        ),
        "extension/entity_delete_and_clean": signalling(signal_and_delete),
        "extension/entity_lock_two": calling(
            "entity_lock", extension_lock, only_start("entity_lock", "el1")
        ),
        "extension/entity_locked_signal_waits": calling(
            "entity_lock_hold", entity_lock_hold, signal_what_is_locked
        ),
        "extension/entity_orphaned_lock_clean": calling(
            "entity_lock_hold", entity_lock_hold, terminate_the_holder
        ),
        "extension/entity_signal_client": signalling(signal_twice),
        "extension/entity_signal_client_delayed": signalling(signal_later),
        "extension/entity_signal_orchestrator_and_scheduled": calling(
            "entity_signal", entity_signal, only_start("entity_signal", "es1")
        ),
    }
