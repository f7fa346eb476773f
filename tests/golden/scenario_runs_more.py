"""More recorded apps and what their clients did: what scenario_runs.py's table has no room for.

Requests are not counted in these (request_plays.py).
"""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from durable.errors import ActivityFailed
from durable.model.actions import SendEvent, StartChild
from durable.model.retry import RetryOptions
from durable.wire.envelopes import QueueEncoding
from tests.golden import account_runs, scenario_apps as apps
from tests.golden.golden_stage import Stage
from tests.golden.scenario_apps import Steps
from tests.golden.scenario_runs import Client, Scenario, only_start, scenarios

# The Python API has no way to send an event, or to start a child without waiting; the engine has.


def send_event(context: Any) -> Any:
    target, data = context.get_input(), json.dumps("from-orch")
    context._agenda.act(partial(SendEvent, instance_id=target, name="Approval", input=data))
    return "sent"


def parent_fire_forget(context: Any) -> Any:
    child = partial(StartChild, name="child", instance_id="child-ff", input="4")
    context._agenda.act(partial(child, fire_and_forget=True))
    return "fired"


def parent_explicit(context: Any) -> Steps:
    return (yield context.call_sub_orchestrator("child", 21, "child-explicit"))


async def send_from_orchestrator(stage: Stage) -> None:
    await stage.start("wait_event", "ev-4")
    await stage.turn()
    await stage.start("send_event", "sender-1", "ev-4")
    await stage.drain()


async def raise_to_nobody(stage: Stage) -> None:
    """The hub sends it; durable's client would have refused. Ours waits long with the first."""
    await stage.hub.ensure()
    await stage.raise_event("nosuch", "Approval", True)
    await stage.turn()
    await stage.start("echo_orch", "fin-1", 1)
    await stage.turn()
    await stage.raise_event("fin-1", "Approval", True)
    await stage.turn()


async def purge_three(stage: Stage) -> None:
    """All that have ended; one still waits."""
    await stage.start("hello_sequence", "purge-1")
    await stage.start("echo_orch", "purge-2", "x" * 50_000)
    await stage.start("echo_orch", "purge-3", 1)
    await stage.start("wait_event", "purge-4")
    await stage.drain()
    assert await stage.purge("purge-1")
    assert not await stage.purge("purge-1")
    assert await stage.purge("purge-2")
    assert await stage.purge("purge-3")
    assert not await stage.purge("purge-4")


async def hello_and_purge(stage: Stage) -> None:
    await stage.start("hello_sequence", "pu1")
    await stage.drain()
    assert await stage.purge("pu1")


async def two_processes(stage: Stage) -> None:
    await stage.start("wait_event", "th-1")
    await stage.turn()
    await stage.restart()
    await stage.raise_event("th-1", "Approval", True)
    await stage.drain()


async def seven(stage: Stage) -> None:
    for number in range(5):
        await stage.start("echo_orch", f"q-{number}", number)
    await stage.start("failing_orch", "qf-1")
    await stage.start("wait_event", "qw-1")
    await stage.drain()


async def three_kinds(stage: Stage) -> None:
    await stage.start("hello_sequence", "hello-t")
    await stage.drain()
    await stage.start("parent", "par-t")
    await stage.drain()
    await stage.start("wait_event", "ev-t")
    await stage.turn()
    await stage.raise_event("ev-t", "Approval", True)
    await stage.drain()


async def base64_and_utf8(stage: Stage) -> None:
    """The worker writes Base64. So does the first client; the second does not."""
    await stage.restart(QueueEncoding.BASE64)
    stage.clients_write(QueueEncoding.BASE64)
    await stage.start("hello_sequence", "b64-1")
    await stage.drain()
    stage.clients_write(QueueEncoding.UTF8)
    await stage.start("hello_sequence", "b64-2")
    await stage.drain()


async def base64_to_utf8(stage: Stage) -> None:
    stage.clients_write(QueueEncoding.BASE64)
    await stage.start("hello_sequence", "b64-3")
    await stage.drain()


def more_scenarios() -> dict[str, Scenario]:
    """Fresh ones, by the recording's name."""
    doubles = {"double": lambda number: 2 * number}
    wait_approval = {"wait_event": apps.waits_for("Approval")}
    echo = {"echo_orch": apps.echo_input}
    hello_orch = {"hello_sequence": apps.hello_sequence}
    failing = apps.failing("orchestrator boom")
    return {
        "dtfx/01_hello_input": Scenario(
            orchestrators={"echo_activity": apps.calls("echo")},
            activities={"echo": lambda value: value},
            client=only_start("echo_activity", "hello-2", "World"),
        ),
        "dtfx/05_event_from_orch": Scenario(
            orchestrators={**wait_approval, "send_event": send_event},
            client=send_from_orchestrator,
        ),
        "dtfx/05_event_unknown": Scenario(orchestrators=echo, client=raise_to_nobody),
        "dtfx/06_sub_fails": _as(
            "dtfx/06_sub_fails_details", only_start("parent_child_fails", "par-3")
        ),
        "dtfx/06_sub_fire_forget": Scenario(
            orchestrators={
                "parent_fire_forget": parent_fire_forget,
                "child": apps.calls("double"),
            },
            activities=doubles,
            client=only_start("parent_fire_forget", "par-4"),
        ),
        "dtfx/08_act_fail_serialize": _as(
            "dtfx/08_act_fail_details", only_start("fail_activity", "af-1")
        ),
        "dtfx/08_act_fail_ext": Scenario(
            orchestrators={"fail_activity_ext": apps.calls_with("fail_ext", "boom")},
            activities={"fail_ext": apps.fails()},
            client=only_start("fail_activity_ext", "af-4"),
        ),
        "dtfx/09_orch_fail_serialize": _as(
            "dtfx/09_orch_fail_details", only_start("failing_orch", "of-1")
        ),
        "dtfx/09_orch_fail_ext": Scenario(
            orchestrators={"failing_orch_ext": failing},
            client=only_start("failing_orch_ext", "of-3"),
        ),
        "dtfx/16_purge": Scenario(
            orchestrators={**hello_orch, **echo, **wait_approval},
            activities={"say_hello": apps.hello},
            client=purge_three,
        ),
        "dtfx/19_two_hosts": Scenario(orchestrators=wait_approval, client=two_processes),
        "dtfx/21_hello_extended": _hello(only_start("hello_sequence", "hello-x")),
        "dtfx/22_queries": Scenario(
            orchestrators={**echo, **wait_approval, "failing_orch": failing}, client=seven
        ),
        "dtfx/23_hello_traced": Scenario(
            orchestrators={
                **hello_orch,
                **wait_approval,
                "parent": parent_explicit,
                "child": apps.calls("double"),
            },
            activities={**doubles, "say_hello": apps.hello},
            client=three_kinds,
        ),
        "dtfx/25_base64": _hello(base64_and_utf8),
        "dtfx/25_base64_to_utf8": _hello(base64_to_utf8),
        "dtfx/27_instance_etag": _hello(only_start("hello_sequence", "hello-e")),
        "extension/legacy_partition_management": _hello(
            only_start("hello_sequence", "lp1"), "hello"
        ),
        "extension/purge": _hello(hello_and_purge, "hello"),
        **_out_of_process(),
    }


def _as(name: str, client: Client) -> Scenario:
    """Another scenario's app, of which failures were recorded in other texts."""
    like = scenarios()[name]
    return Scenario(orchestrators=like.orchestrators, activities=like.activities, client=client)


def _hello(client: Client, activity: str = "say_hello") -> Scenario:
    def hello_sequence(context: Any) -> Steps:
        return (yield from account_runs.hello(context, activity))

    return Scenario(
        orchestrators={"hello_sequence": hello_sequence},
        activities={activity: apps.hello},
        client=client,
    )


# What was answered in place of a Python worker.


def oop_hello(context: Any) -> Steps:
    for number in range(3):
        context.set_custom_status(f"st{number}")
        yield context.call_activity("py_hello", f"P{number}")
    context.set_custom_status("st3")
    return ["x", "y"]


def oop_hello_v1(context: Any) -> Steps:
    for number in range(3):
        yield context.call_activity("py_hello", f"P{number}")
    return ["x", "y"]


def oop_retry(context: Any) -> Steps:
    options = RetryOptions(1000, 2)
    try:
        yield context.call_activity_with_retry("py_boom", options, "arg")
    except ActivityFailed:
        return "gave up"


def oop_event_sub_can(context: Any) -> Steps:
    yield context.wait_for_external_event("go")
    yield context.call_sub_orchestrator("echo", {"k": 1})
    if context.get_input() != "first":
        return "end"
    context.continue_as_new("second")


def oop_fail(context: Any) -> Any:
    context.set_custom_status("last")
    raise apps.InvalidOperationException("python text")


async def two_generations(stage: Stage) -> None:
    await stage.start("oop_event_sub_can", "oopc", "first")
    await stage.turn()
    for number in (1, 2):
        await stage.raise_event("oopc", "go", {"e": number})
        await stage.drain()


def _out_of_process() -> dict[str, Scenario]:
    says_hello = {"py_hello": apps.hello}
    boom = {"py_boom": apps.fails("nope ")}
    return {
        "extension/sim_oop_activity_fail": Scenario(
            orchestrators={"oop_activity_fail": apps.calls_with("py_boom", "arg")},
            activities=boom,
            client=only_start("oop_activity_fail", "oop_activity_fail"),
        ),
        "extension/sim_oop_event_sub_can": Scenario(
            orchestrators={"oop_event_sub_can": oop_event_sub_can, "echo": apps.echo_input},
            client=two_generations,
        ),
        "extension/sim_oop_fail": Scenario(
            orchestrators={"oop_fail": oop_fail}, client=only_start("oop_fail", "oop_fail")
        ),
        "extension/sim_oop_hello": Scenario(
            orchestrators={"oop_hello": oop_hello},
            activities=says_hello,
            client=only_start("oop_hello", "oop_hello"),
        ),
        "extension/sim_oop_hello_v1": Scenario(
            orchestrators={"oop_hello_v1": oop_hello_v1},
            activities=says_hello,
            client=only_start("oop_hello_v1", "oop_hello_v1"),
        ),
        "extension/sim_oop_retry": Scenario(
            orchestrators={"oop_retry": oop_retry},
            activities=boom,
            client=only_start("oop_retry", "oop_retry"),
        ),
        "extension/sim_oop_timer": Scenario(
            orchestrators={"oop_timer": apps.timer_of(2, "fired")},
            client=only_start("oop_timer", "oop_timer"),
        ),
    }
