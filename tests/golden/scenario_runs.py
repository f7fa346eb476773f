"""The recorded apps, and what their clients did."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from durable.authoring.definitions import (
    ActivityDefinition,
    EntityDefinition,
    OrchestratorDefinition,
)
from durable.authoring.registry import Registry
from tests.golden import scenario_apps as apps
from tests.golden.golden_stage import Stage

Client = Callable[[Stage], Awaitable[None]]


def only_start(name: str, instance_id: str, value: Any = None) -> Client:
    async def client(stage: Stage) -> None:
        await stage.start(name, instance_id, value)
        await stage.drain()

    return client


def start_and_raise(name: str, instance_id: str, event: str, value: Any) -> Client:
    async def client(stage: Stage) -> None:
        await stage.start(name, instance_id)
        await stage.turn()
        await stage.raise_event(instance_id, event, value)
        await stage.drain()

    return client


def suspend_and_resume(instance_id: str, event: str, value: Any) -> Client:
    async def client(stage: Stage) -> None:
        await stage.start("wait_event", instance_id)
        await stage.turn()
        await stage.suspend(instance_id, "hold")
        await stage.turn()
        await stage.raise_event(instance_id, event, value)
        await stage.turn()
        await stage.resume(instance_id, "go")
        await stage.drain()

    return client


async def raise_three(stage: Stage) -> None:
    """The start's turn keeps the events waiting for one another, and so for one turn."""
    await stage.start("can_events", "can-2", 1)
    for number in (1, 2, 3):
        await stage.raise_event("can-2", "next", number)
    await stage.drain()


async def raise_early(stage: Stage) -> None:
    await stage.start("late_wait", "ev-2")
    await stage.turn()
    await stage.raise_event("ev-2", "Approval", {"a": 1})
    await stage.turn()
    await stage.drain()


async def custom_status_and_go(stage: Stage) -> None:
    await stage.start("custom_status", "cs1")
    await stage.drain()
    await stage.raise_event("cs1", "go", 1)
    await stage.drain()


async def terminate_running(stage: Stage) -> None:
    await stage.start("wait_event", "t1")
    await stage.turn()
    await stage.terminate("t1", "because")
    await stage.drain()


async def terminate_pending(stage: Stage) -> None:
    await stage.start("hello_sequence", "term-2")
    await stage.terminate("term-2", "pending kill")
    await stage.drain()


async def terminate_scheduled(stage: Stage) -> None:
    at = stage.clock.now() + timedelta(seconds=5.9)
    await stage.start("hello_sequence", "term-3", at=at)
    await stage.turn()
    await stage.terminate("term-3", "scheduled kill")
    await stage.drain()


def fail_and_rewind(name: str, instance_id: str, reason: str, value: Any = None) -> Client:
    async def client(stage: Stage) -> None:
        await stage.start(name, instance_id, value)
        await stage.drain()
        await stage.rewind(instance_id, reason)
        await stage.drain()

    return client


async def start_later(stage: Stage) -> None:
    at = stage.clock.now() + timedelta(seconds=3.9)
    await stage.start("hello_sequence", "sched-1", at=at)
    await stage.drain()
    assert stage.clock.now() >= at


async def start_with_tags(stage: Stage) -> None:
    await stage.start("tags_status", "tag-1", tags={"k": "v", "été": "漢"})
    await stage.drain()
    await stage.start("tags_sub", "tag-2", tags={"k": "v"})
    await stage.drain()


async def start_and_leave(stage: Stage) -> None:
    await stage.start("long_timer", "lt1")
    await stage.turn()


async def one_after_another(stage: Stage) -> None:
    await stage.start("wait_event", "one")
    await stage.turn()
    await stage.raise_event("one", "go", 1)
    await stage.turn()
    await stage.start("wait_event", "one")
    await stage.turn()


async def start_over(stage: Stage) -> None:
    """Over an ended instance, over one that ended sooner, over one that still runs."""
    await stage.start("wait_event", "dup-1")
    await stage.turn()
    await stage.raise_event("dup-1", "Approval", 1)
    await stage.turn()
    await stage.start("echo_orch", "dup-1", 7)
    await stage.turn()
    await stage.start("wait_event", "dup-1")
    await stage.turn()
    await stage.start("echo_orch", "dup-1", 8, override=True)
    await stage.drain()


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """An app and what its clients did."""

    client: Client
    orchestrators: Mapping[str, Callable[[Any], Any]]
    activities: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    entities: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)

    def registry(self) -> Registry:
        """The app."""
        registry = Registry()
        for name, function in self.orchestrators.items():
            registry.add_orchestrator(
                OrchestratorDefinition(
                    name=name,
                    function=function,
                    context_name=next(iter(inspect.signature(function).parameters)),
                )
            )
        for name, function in self.activities.items():
            registry.add_activity(
                ActivityDefinition(name=name, function=_asynchronous(function), input_name="value")
            )
        for name, function in self.entities.items():
            registry.add_entity(EntityDefinition(name=name, function=_asynchronous(function)))
        return registry


def _asynchronous(function: Callable[[Any], Any]) -> Callable[[Any], Awaitable[Any]]:
    """No thread: virtual time knows of none."""

    async def activity(value: Any) -> Any:
        return function(value)

    return activity


def scenarios() -> dict[str, Scenario]:
    """Fresh ones: what an activity counts is its scenario's own."""
    say_hello = {"say_hello": apps.hello}
    calls_hello = {"hello": apps.hello}
    wait_approval = {"wait_event": apps.waits_for("Approval")}
    wait_go = {"wait_event": apps.waits_for("go")}
    return {
        "dtfx/04_timer": Scenario(
            orchestrators={"timer2s": apps.timer_of(2, "done")},
            client=only_start("timer2s", "timer-1"),
        ),
        "dtfx/04_timer_cancel": Scenario(
            orchestrators={"timer_cancel": apps.race(6, "say_hello", "Tokyo")},
            activities=say_hello,
            client=only_start("timer_cancel", "timer-2"),
        ),
        "dtfx/05_event_before": Scenario(
            orchestrators={"late_wait": apps.late_wait},
            activities={"sleep": lambda milliseconds: milliseconds},
            client=raise_early,
        ),
        "dtfx/05_event_after": Scenario(
            orchestrators=wait_approval,
            client=start_and_raise("wait_event", "ev-1", "Approval", True),
        ),
        "dtfx/06_sub_default": Scenario(
            orchestrators={"parent_default": apps.parent_default, "child": apps.calls("double")},
            activities={"double": lambda number: 2 * number},
            client=only_start("parent_default", "par-2"),
        ),
        "dtfx/06_sub_fails_details": Scenario(
            orchestrators={
                "parent_child_fails": apps.parent_child_fails,
                "failing_orch": apps.failing("orchestrator boom"),
            },
            client=only_start("parent_child_fails", "par-3d"),
        ),
        "dtfx/07_retry": Scenario(
            orchestrators={"retry_orch": apps.retries},
            activities={"flaky": apps.flaky(3)},
            client=only_start("retry_orch", "retry-1"),
        ),
        "dtfx/08_act_fail_details": Scenario(
            orchestrators={"fail_activity": apps.calls_with("fail", "boom")},
            activities={"fail": apps.fails()},
            client=only_start("fail_activity", "af-2"),
        ),
        "dtfx/09_orch_fail_details": Scenario(
            orchestrators={"failing_orch": apps.failing("orchestrator boom")},
            client=only_start("failing_orch", "of-2"),
        ),
        "dtfx/10_can_activity": Scenario(
            orchestrators={"can_activity": apps.again("echo")},
            activities={"echo": lambda value: value},
            client=only_start("can_activity", "can-1", 1),
        ),
        "dtfx/10_can_carry": Scenario(
            orchestrators={"can_events": apps.can_events}, client=raise_three
        ),
        "dtfx/11_terminate_pending": Scenario(
            orchestrators={"hello_sequence": apps.hello_sequence},
            activities=say_hello,
            client=terminate_pending,
        ),
        "dtfx/11_terminate_scheduled": Scenario(
            orchestrators={"hello_sequence": apps.hello_sequence},
            activities=say_hello,
            client=terminate_scheduled,
        ),
        "dtfx/13_rewind": Scenario(
            orchestrators={
                "rewind_single": apps.rewindable(("say_hello", "Tokyo"), ("fail_once", "x"))
            },
            activities=say_hello | {"fail_once": apps.fails_once("fail once", "recovered")},
            client=fail_and_rewind("rewind_single", "rew-1", "rewind reason"),
        ),
        "dtfx/13_rewind_stale": Scenario(
            orchestrators={"can_long_then_fail": apps.echoes_then_fails},
            activities={
                "echo": lambda value: value,
                "fail_once": apps.fails_once("fail once", "recovered"),
            },
            client=fail_and_rewind("can_long_then_fail", "rew-3", "rewind reason", 1),
        ),
        "extension/rewind": Scenario(
            orchestrators={
                "rewindable": apps.rewindable(("hello", "before"), ("fixable", "x"), joined=True)
            },
            activities=calls_hello | {"fixable": apps.fails_once("not fixed yet", "fixed")},
            client=fail_and_rewind("rewindable", "rw1", "again"),
        ),
        "extension/rewind_sub_orchestration": Scenario(
            orchestrators={
                "rewind_parent": apps.rewind_parent,
                "rewindable": apps.rewindable(("hello", "before"), ("fixable", "x"), joined=True),
            },
            activities=calls_hello | {"fixable": apps.fails_once("not fixed yet", "fixed")},
            client=fail_and_rewind("rewind_parent", "rwp1", "again"),
        ),
        "dtfx/12_suspend_resume": Scenario(
            orchestrators=wait_approval, client=suspend_and_resume("sus-1", "Approval", True)
        ),
        "dtfx/14_scheduled_start": Scenario(
            orchestrators={"hello_sequence": apps.hello_sequence},
            activities=say_hello,
            client=start_later,
        ),
        "dtfx/15_tags_status": Scenario(
            orchestrators={
                "tags_status": apps.tags_status,
                "tags_sub": apps.tags_sub,
                "child": apps.calls("double"),
            },
            activities={**say_hello, "double": lambda number: 2 * number},
            client=start_with_tags,
        ),
        "dtfx/17_dedupe": Scenario(
            orchestrators={**wait_approval, "echo_orch": apps.echo_input}, client=start_over
        ),
        "extension/timer_2s": Scenario(
            orchestrators={"timer": apps.timer_of(2, "fired")}, client=only_start("timer", "timer1")
        ),
        "extension/timer_cancelled": Scenario(
            orchestrators={"timer_cancel": apps.race(60, "hello", "race")},
            activities=calls_hello,
            client=only_start("timer_cancel", "tc1"),
        ),
        "extension/timer_10_days": Scenario(
            orchestrators={"long_timer": apps.timer_of(10 * 24 * 3600, "fired")},
            client=start_and_leave,
        ),
        "extension/external_event": Scenario(
            orchestrators=wait_go,
            client=start_and_raise("wait_event", "ev1", "go", {"k": [1, 2]}),
        ),
        "extension/external_event_timeout": Scenario(
            orchestrators={"wait_event_timeout": apps.wait_event_timeout},
            client=only_start("wait_event_timeout", "evt1"),
        ),
        "extension/sub_orchestration": Scenario(
            orchestrators={"parent": apps.parent, "child": apps.calls("hello")},
            activities=calls_hello,
            client=only_start("parent", "par1"),
        ),
        "extension/sub_orchestration_failing": Scenario(
            orchestrators={
                "parent_of_failing": apps.parent_of_failing,
                "fail_activity": apps.calls("boom"),
            },
            activities={"boom": apps.fails("boom: ")},
            client=only_start("parent_of_failing", "parf1"),
        ),
        "extension/retry": Scenario(
            orchestrators={"retry": apps.retries},
            activities={"flaky": apps.flaky("ok after 3")},
            client=only_start("retry", "retry1"),
        ),
        "extension/activity_failing": Scenario(
            orchestrators={"fail_activity": apps.calls("boom")},
            activities={"boom": apps.fails("boom: ")},
            client=only_start("fail_activity", "fail1", "x"),
        ),
        "extension/orchestrator_throws": Scenario(
            orchestrators={"fail_direct": apps.failing("direct failure")},
            client=only_start("fail_direct", "dir1"),
        ),
        "extension/continue_as_new": Scenario(
            orchestrators={"continue": apps.again("hello", "gen")},
            activities=calls_hello,
            client=only_start("continue", "can1", 1),
        ),
        "extension/custom_status": Scenario(
            orchestrators={"custom_status": apps.custom_status},
            activities=calls_hello,
            client=custom_status_and_go,
        ),
        "extension/guids": Scenario(
            orchestrators={"guid_time": apps.guid_time},
            activities=calls_hello,
            client=only_start("guid_time", "guid1"),
        ),
        "extension/singleton_id": Scenario(orchestrators=wait_go, client=one_after_another),
        "extension/suspend_resume": Scenario(
            orchestrators=wait_go, client=suspend_and_resume("s1", "go", "while suspended")
        ),
        "extension/terminate": Scenario(orchestrators=wait_go, client=terminate_running),
    }
