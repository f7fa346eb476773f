"""What is run to count requests: the apps of the recordings, and what their clients did."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from durable.authoring.definitions import ActivityDefinition
from durable.authoring.registry import Registry
from durable.client.looking import page_of
from durable.client.status import OrchestrationRuntimeStatus
from durable.hub.instances import InstanceQuery
from tests.golden import scenario_apps as apps
from tests.golden.account_dump import recorded
from tests.golden.account_runs import APPS, input_of, registry_of
from tests.golden.entity_runs import entity_scenarios
from tests.golden.hosted_stage import HostedStage
from tests.golden.scenario_runs import Scenario, only_start, scenarios

Client = Callable[[HostedStage], Awaitable[None]]
Steps = Generator[Any, Any, Any]
#: Over the limit of a message and of a column.
_LARGE = "x" * 50_000
#: Recorded once more with other texts in failures, which makes no other requests.
_SAME = {
    "06_sub_fails": "06_sub_fails_details",
    "08_act_fail_ext": "08_act_fail_details",
    "08_act_fail_serialize": "08_act_fail_details",
    "09_orch_fail_ext": "09_orch_fail_details",
    "09_orch_fail_serialize": "09_orch_fail_details",
    "21_hello_extended": "01_hello",
    "27_instance_etag": "01_hello",
}

#: Recordings that have no counterpart here, and why.
NOT_COMPARED = {
    "05_event_from_orch": "the Python API has no way to send an event from an orchestrator",
    "06_sub_fire_forget": "the Python API has no way to start a child without waiting for it",
    "13_rewind_stale": "the original rewinds nothing there, and so has less to do",
    "15_tags_big": "the original fails for ever there; ours refuses the start",
    "19_two_hosts": "leases of workers",
    "20_bootstrap": "hubs and workers, no orchestration",
    "20_bootstrap_delete": "hubs and workers, no orchestration",
    "20_bootstrap_safe_manager": "hubs and workers, no orchestration",
    "25_base64": "01_hello in another queue encoding",
    "25_base64_to_utf8": "01_hello in another queue encoding",
}


@dataclass(frozen=True, kw_only=True)
class Play:
    """An app and what its clients did; `note` says what is not as it was recorded."""

    registry: Registry
    client: Client
    note: str = ""


def plays() -> dict[str, Play]:
    """By the recording's name; fresh ones: what an activity counts is its play's own."""
    played = {**scenarios(), **entity_scenarios()}
    found = {name: _recorded_app(f"dtfx/{name}") for name in _names(APPS)}
    found |= {name: _of(played[f"dtfx/{name}"]) for name in _names(played)}
    found |= _more()
    # The event comes while the activity runs, as it did there.
    found["05_event_before"] = replace(
        found["05_event_before"], registry=_sleeping(played["dtfx/05_event_before"])
    )
    found |= {name: found[like] for name, like in _SAME.items()}
    return {name: play for name, play in sorted(found.items()) if name not in NOT_COMPARED}


def _more() -> dict[str, Play]:
    """What is recorded in dtfx/ and is no scenario whose rows are compared."""
    hello = {"hello": apps.hello_sequence}
    echo = {"echo": apps.echo_input}
    wait = {"wait": apps.waits_for("go")}
    failing = {"failing": apps.failing("orchestrator boom")}
    family = {"parent": apps.parent_default, "child": apps.calls("double")}
    return {
        "01_hello_input": _play(
            {"one": apps.calls("double")}, only_start("one", "hello-2", "World")
        ),
        "03_boundary": _play(echo, _three_large),
        "04_timer_8days": _play(
            {"long_timer": apps.timer_of(8 * 24 * 3600, "done")},
            _start_and_leave,
            note="until the timer is set, which the original never achieves",
        ),
        "05_event_unknown": _play(echo, _raise_to_nobody, note="ours refuses both events"),
        "15_tags_status": _play({"statuses": _statuses, **family}, _two_with_tags),
        "17_dedupe": _play({**wait, **echo}, _start_over),
        "16_purge": _play({**hello, **echo, **wait}, _purge),
        "22_queries": _play({**echo, **failing, **wait}, _query),
        "23_hello_traced": _play({**hello, **family, **wait}, _three_kinds),
        "28_multibatch": replace(
            _recorded_app("dtfx/02_fanout"), client=only_start("fan_out_fan_in", "mb-1", 120)
        ),
    }


def _names(recordings: Iterable[str]) -> list[str]:
    return [name.removeprefix("dtfx/") for name in recordings if name.startswith("dtfx/")]


def _of(scenario: Scenario) -> Play:
    return Play(registry=scenario.registry(), client=scenario.client)


def _play(
    orchestrators: Mapping[str, Callable[[Any], Any]], client: Client, *, note: str = ""
) -> Play:
    activities = {"say_hello": apps.hello, "double": lambda value: value * 2}
    scenario = Scenario(orchestrators=orchestrators, activities=activities, client=_unused)
    return Play(registry=scenario.registry(), client=client, note=note)


async def _unused(_: object) -> None:
    """The client of a scenario of which only the app is wanted."""


def _recorded_app(name: str) -> Play:
    recording = recorded(name)
    (row,) = recording.rows("Instances")
    text = input_of(name, recording)
    value = None if text is None else json.loads(text)
    return Play(
        registry=registry_of(APPS[name], row["Name"]),
        client=only_start(row["Name"], row["PartitionKey"], value),
    )


def _sleeping(scenario: Scenario) -> Registry:
    registry = replace(scenario, activities={}).registry()

    async def sleep(milliseconds: int) -> None:
        await asyncio.sleep(milliseconds / 1000)

    registry.add_activity(
        ActivityDefinition(name="sleep", function=sleep, input_name="milliseconds")
    )
    return registry


def _statuses(context: Any) -> Steps:
    context.set_custom_status("phase one")
    yield context.call_activity("say_hello", "Tokyo")
    context.set_custom_status("phase two")
    yield context.call_activity("say_hello", "Seattle")
    return "ok"


async def _three_large(stage: HostedStage) -> None:
    for number in range(3):
        await stage.start("echo", f"bound-{number}", _LARGE)
        await stage.drain()


async def _start_and_leave(stage: HostedStage) -> None:
    await stage.start("long_timer", "timer-3")
    await stage.turn()


async def _raise_to_nobody(stage: HostedStage) -> None:
    await stage.refused("nobody", "Approval", True)
    await stage.start("echo", "fin-1", 1)
    await stage.drain()
    await stage.refused("fin-1", "Approval", True)


async def _two_with_tags(stage: HostedStage) -> None:
    await stage.start("statuses", "tag-1", tags={"k": "v", "été": "漢"})
    await stage.drain()
    await stage.start("parent", "tag-2", tags={"k": "v"})
    await stage.drain()


async def _three_kinds(stage: HostedStage) -> None:
    await stage.start("hello", "hello-t")
    await stage.drain()
    await stage.start("parent", "par-t")
    await stage.drain()
    await stage.start("wait", "ev-t")
    await stage.turn()
    await stage.raise_event("ev-t", "go", True)
    await stage.drain()


async def _start_over(stage: HostedStage) -> None:
    """What scenario_runs.start_over does, and a start that is refused."""
    await stage.start("wait", "dup-1")
    await stage.turn()
    await stage.start_refused("echo", "dup-1")
    await stage.raise_event("dup-1", "go", 1)
    await stage.turn()
    await stage.start("echo", "dup-1", 7)
    await stage.turn()
    await stage.start("wait", "dup-1")
    await stage.turn()
    await stage.start("echo", "dup-1", 8, override=True)
    await stage.drain()


async def _purge(stage: HostedStage) -> None:
    """One, one that is missing, and all that have ended; one still waits."""
    begun = stage.clock.now()
    await stage.start("hello", "purge-1")
    await stage.start("echo", "purge-2", _LARGE)
    await stage.start("echo", "purge-3", 1)
    await stage.start("wait", "purge-4")
    await stage.drain()
    client = await stage.client()
    assert (await client.purge_instance_history("purge-1")).instances_deleted == 1
    assert (await client.purge_instance_history("purge-1")).instances_deleted == 0
    assert (await client.purge_instance_history_by(begun)).instances_deleted == 2


async def _query(stage: HostedStage) -> None:
    """Seven instances, then sixteen looks: single ones, lists, pages, histories, a wait."""
    begun = stage.clock.now()
    for number in range(5):
        await stage.start("echo", f"q-{number}", number)
    await stage.start("failing", "qf-1")
    await stage.start("wait", "qw-1")
    await stage.drain()
    client = await stage.client()
    for instance_id in ("q-1", "q-1", "missing", "q-1"):
        await client.get_status(instance_id)
    assert len(await client.get_status_all()) == 7
    completed = [OrchestrationRuntimeStatus.Completed]
    assert len(await client.get_status_by(begun, None, completed)) == 5
    continuation: str | None = None
    for rows in (2, 2, 2, 1):
        page = await page_of(client.hub, InstanceQuery(), size=2, continuation=continuation)
        assert len(page.rows) == rows
        continuation = page.continuation
    for prefix in ("q-", "qf", "qw"):
        await client.get_status_by(instance_id_prefix=prefix)
    for _ in range(2):
        assert (await client.get_status("q-1", show_history=True)).history
    assert await client.wait("q-1", timeout=1.0, interval=1.0) is not None
