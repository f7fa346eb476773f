"""Histories the original wrote, replayed by our engine: same numbers, same decisions, same ends.

The orchestrators are the recorded ones in Python; the recorded Python app is golden/python's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from durable.authoring.context import DurableOrchestrationContext as Context
from durable.authoring.definitions import (
    ActivityDefinition,
    EntityDefinition,
    OrchestratorDefinition,
)
from durable.authoring.program import OrchestratorProgram
from durable.authoring.registry import Registry
from durable.engine.entity_rows import EntityWire
from durable.engine.replay import Orchestration
from durable.errors import ActivityFailed, ChildFailed, EntityFailed
from durable.model.events import (
    ExecutionCompleted,
    ExecutionResumed,
    ExecutionStarted,
    HistoryEvent,
    OrchestratorStarted,
    TaskCompleted,
    TaskScheduled,
    answered_task,
)
from durable.model.ids import EntityId
from durable.model.retry import RetryOptions
from durable.model.status import RuntimeStatus
from durable.wire import entity_json
from durable.wire.fields import Column
from durable.wire.history_rows import decode_event
from durable.wire.keys import SENTINEL
from durable.wire.times import parse_time

DATA = Path(__file__).parent / "data"
Steps = Generator[Any, Any, Any]
ACTIVITIES = ("hello", "slow", "fail", "flaky", "boom", "square", "echo")


def hello_sequence(context: Context) -> Steps:
    a = yield context.call_activity("hello", "Tokyo")
    b = yield context.call_activity("hello", "Seattle")
    c = yield context.call_activity("hello", "London")
    return [a, b, c]


def fan_out(context: Context) -> Steps:
    count = context.get_input(int)
    results = yield context.task_all([context.call_activity("hello", n) for n in range(count)])
    return len(results)


def fan_out_slow(context: Context) -> Steps:
    count = context.get_input(int)
    results = yield context.task_all([context.call_activity("slow", n) for n in range(count)])
    return sum(results)


def squares(context: Context) -> Steps:
    results = yield context.task_all([context.call_activity("square", n) for n in range(1, 6)])
    return sum(results)


def fan_out_fan_in(context: Context) -> Steps:
    count = context.get_input(int)
    return (yield context.task_all([context.call_activity("echo", n) for n in range(count)]))


def wait_event(context: Context) -> Steps:
    a = yield context.call_activity("hello", "one")
    b = yield context.call_activity("hello", "two")
    event = yield context.wait_for_external_event("Approval")
    c = yield context.call_activity("hello", "three")
    return {"a": a, "b": b, "event": event, "c": c}


def wait_go(context: Context) -> Steps:
    return (yield context.wait_for_external_event("GO"))


def wait_approval(context: Context) -> Steps:
    return (yield context.wait_for_external_event("approval"))


def catch_fail(context: Context) -> Steps:
    try:
        yield context.call_activity("fail", "caught")
    except ValueError as error:
        return isinstance(error, ActivityFailed)


def act_fail(context: Context) -> Steps:
    return (yield context.call_activity("fail", "uncaught"))


def fail_activity(context: Context) -> Steps:
    return (yield context.call_activity("boom", context.get_input()))


def parent_of_failing(context: Context) -> Steps:
    return (yield context.call_sub_orchestrator("fail_activity", "kid"))


def retry(context: Context) -> Steps:
    options = RetryOptions(1000, 3)
    return (yield context.call_activity_with_retry("flaky", options, context.instance_id))


def eternal(context: Context) -> Steps:
    number = context.get_input(int)
    result = yield context.call_activity("hello", f"gen{number}")
    if number < 3:
        context.continue_as_new(number + 1)
        return None
    return result


def timer(context: Context) -> Steps:
    yield context.create_timer(context.current_utc_datetime + timedelta(seconds=3))
    return "fired"


def long_timer(context: Context) -> Steps:
    yield context.create_timer(context.current_utc_datetime + timedelta(days=10))
    return "fired"


def timer_cancel(context: Context) -> Steps:
    expiry = context.create_timer(context.current_utc_datetime + timedelta(minutes=1))
    activity = context.call_activity("hello", "race")
    winner = yield context.task_any([expiry, activity])
    if winner is activity:
        expiry.cancel()
        return "activity"
    return "timer"


def parent(context: Context) -> Steps:
    context.set_custom_status({"step": 1})
    result = yield context.call_sub_orchestrator("hello_sequence")
    context.set_custom_status({"step": 2})
    return result


def two_children(context: Context) -> Steps:
    first = yield context.call_sub_orchestrator("child", "auto")
    second = yield context.call_sub_orchestrator("child", "explicit", "par1-explicit")
    return [first, second]


def child(context: Context) -> Steps:
    return (yield context.call_activity("hello", context.get_input()))


def status_and_event(context: Context) -> Steps:
    context.set_custom_status("one")
    yield context.call_activity("hello", "one")
    context.set_custom_status([1, 2, 3])
    yield context.wait_for_external_event("go")
    return "done"


def entity_call(context: Context) -> Steps:
    counter = EntityId("counter", "c1")
    added = yield context.call_entity(counter, "add", 5)
    return [added, (yield context.call_entity(counter, "get"))]


def entity_call_fail(context: Context) -> Steps:
    try:
        yield context.call_entity(EntityId("counter", "cf"), "fail", "why")
    except EntityFailed as error:
        return str(error.failure)


def entity_lock(context: Context) -> Steps:
    la, lb = EntityId("counter", "la"), EntityId("Counter", "lb")
    with (yield context.lock_entities([lb, la])):
        first = yield context.call_entity(la, "add", 1)
        second = yield context.call_entity(lb, "add", 2)
    return [first, second]


async def entity_lock_dtfx(context: Context) -> list[str]:
    a, b = EntityId("counter", "a"), EntityId("counter", "b")
    async with context.lock([a, b]):
        return [str(await context.call_entity(each, "get")) for each in (a, b)]


def entity_signal(context: Context) -> str:
    counter = EntityId("counter", "s1")
    context.signal_entity(counter, "add", 3)
    due = context.current_utc_datetime + timedelta(seconds=3)
    context.signal_entity(counter, "add", 4, scheduled_time=due)
    return "signalled"


def entity_lock_hold(context: Context) -> Steps:
    with (yield context.lock_entities([EntityId("counter", "held")])):
        yield context.wait_for_external_event("release")
    return "released"


def python_entity_call(context: Context) -> Steps:
    entity = EntityId("counter", context.instance_id)
    context.signal_entity(entity, "add", 5)
    yield context.call_entity(entity, "add", 2)
    return (yield context.call_entity(entity, "get"))


ENTITY_CASES: list[tuple[str, str, Callable[..., Any]]] = [
    ("extension/entity_call", "entity_call", entity_call),
    ("extension/entity_call_failing", "entity_call_fail", entity_call_fail),
    ("extension/entity_lock_two", "entity_lock", entity_lock),
    ("extension/entity_signal_orchestrator_and_scheduled", "entity_signal", entity_signal),
    ("extension/entity_locked_signal_waits", "entity_lock_hold", entity_lock_hold),
    ("extension/entity_orphaned_lock_clean", "entity_lock_hold", entity_lock_hold),
    ("dtfx/18_entity_lock", "entity_lock", entity_lock_dtfx),
    ("python/entity_call", "entity_call", python_entity_call),
]
CASES: list[tuple[str, str, Callable[..., Any]]] = [
    ("python/hello_sequence", "hello_sequence", hello_sequence),
    ("python/fan_out_10", "fan_out", fan_out),
    ("python/fan_out_half", "fan_out_slow", fan_out_slow),
    ("python/wait_event_done", "wait_event", wait_event),
    ("python/wait_event_inflight", "wait_event", wait_event),
    ("python/suspended", "wait_event", wait_event),
    ("python/terminated", "wait_event", wait_event),
    ("python/activity_failed", "act_fail", act_fail),
    ("python/retry_ok", "retry", retry),
    ("python/continue_as_new", "eternal", eternal),
    ("python/timer", "timer", timer),
    ("python/sub_orchestration_status", "parent", parent),
    ("python/sub_orchestration_status", "hello_sequence", hello_sequence),
    ("extension/hello_sequence", "hello_sequence", hello_sequence),
    ("extension/fan_out", "fan_out", squares),
    ("extension/retry", "retry", retry),
    ("extension/timer_cancelled", "timer_cancel", timer_cancel),
    ("extension/timer_10_days", "long_timer", long_timer),
    ("extension/external_event", "wait_event", wait_go),
    ("extension/suspend_resume", "wait_event", wait_go),
    ("extension/terminate", "wait_event", wait_go),
    ("extension/activity_failing", "fail_activity", fail_activity),
    ("extension/sub_orchestration", "parent", two_children),
    ("extension/sub_orchestration", "child", child),
    ("extension/sub_orchestration_failing", "parent_of_failing", parent_of_failing),
    ("extension/custom_status", "custom_status", status_and_event),
    ("dtfx/12_suspend_resume", "wait_event", wait_approval),
    ("dtfx/28_multibatch", "fan_out_fan_in", fan_out_fan_in),
    *ENTITY_CASES,
]


def histories(scenario: str) -> list[list[HistoryEvent]]:
    """The histories of a scenario's instances: the rows of the current execution."""
    tables = json.loads((DATA / scenario / "final.json").read_text(encoding="utf-8"))["tables"]
    (rows,) = (rows for name, rows in tables.items() if name.endswith("History"))
    current = {row["PartitionKey"]: row["ExecutionId"] for row in rows if row["RowKey"] == SENTINEL}
    found: dict[str, list[HistoryEvent]] = {}
    for row in rows:
        if row["RowKey"] == SENTINEL or row["ExecutionId"] != current[row["PartitionKey"]]:
            continue
        columns: dict[str, Column] = {
            column: parse_time(value)
            if row.get(f"{column}@odata.type") == "Edm.DateTime"
            else value
            for column, value in row.items()
            if "odata." not in column and column not in {"PartitionKey", "RowKey", "Timestamp"}
        }
        found.setdefault(row["PartitionKey"], []).append(decode_event(columns))
    return list(found.values())


def program(name: str, function: Callable[..., Any]) -> OrchestratorProgram:
    registry = Registry()
    for activity in ACTIVITIES:
        registry.add_activity(
            ActivityDefinition(name=activity, function=lambda x: x, input_name="x")
        )
    registry.add_entity(
        EntityDefinition(name="counter", function=lambda context: None, context_name="context")
    )
    definition = OrchestratorDefinition(name=name, function=function, context_name="context")
    for orchestrator in {"child", "hello_sequence", "fail_activity"} - {name}:
        registry.add_orchestrator(
            OrchestratorDefinition(name=orchestrator, function=function, context_name="context")
        )
    registry.add_orchestrator(definition)
    return OrchestratorProgram(definition, registry)


def started(rows: list[HistoryEvent]) -> ExecutionStarted:
    return next(row for row in rows if isinstance(row, ExecutionStarted))


def replay(rows: list[HistoryEvent], code: OrchestratorProgram) -> Orchestration:
    execution = Orchestration(
        code, instance_id=started(rows).instance.instance_id, entities=EntityWire(texts=entity_json)
    )
    for row in rows:
        execution.feed(row, replaying=True)
    return execution


@pytest.mark.parametrize(
    ("scenario", "name", "function"),
    CASES,
    ids=[f"{scenario}-{name}" for scenario, name, _ in CASES],
)
def test_a_recorded_history_replays_to_the_recorded_end(
    scenario: str, name: str, function: Callable[..., Any]
) -> None:
    code = program(name, function)
    mine = [rows for rows in histories(scenario) if started(rows).name == name]
    assert mine
    for rows in mine:
        whole = replay(rows, code)
        assert whole.undecided == ()
        recorded = [row for row in rows if isinstance(row, ExecutionCompleted)]
        without = replay([row for row in rows if not isinstance(row, ExecutionCompleted)], code)
        assert without.undecided == ()
        if not recorded:
            assert without.outcome is None
            continue
        (end,) = recorded
        outcome = without.outcome
        assert outcome is not None
        assert (outcome.task_id, outcome.status) == (end.event_id, end.status)
        if end.status is RuntimeStatus.COMPLETED:
            assert json.loads(outcome.result or "") == json.loads(end.result or "")


def test_a_failure_recorded_from_python_is_caught_by_its_class() -> None:
    (rows,) = histories("python/activity_failed_caught")
    rows = [row for row in rows if not isinstance(row, ExecutionCompleted)]
    outcome = replay(rows, program("catch_fail", catch_fail)).outcome
    assert outcome is not None
    assert outcome.result == "true"


def test_a_recorded_childs_failure_reads_well() -> None:
    (rows,) = (
        rows
        for rows in histories("extension/sub_orchestration_failing")
        if started(rows).name == "parent_of_failing"
    )
    rows = [row for row in rows if not isinstance(row, ExecutionCompleted)]
    outcome = replay(rows, program("parent_of_failing", parent_of_failing)).outcome
    assert outcome is not None
    assert outcome.failure is not None
    assert outcome.failure.error_type == f"durable.errors.{ChildFailed.__name__}"
    assert (outcome.result or "").startswith(
        "Orchestrator function 'fail_activity' failed: The activity function 'boom' failed:"
    )


def test_half_a_recorded_fan_out_is_finished_by_us() -> None:
    (rows,) = histories("python/fan_out_half")
    execution = replay(rows, program("fan_out_slow", fan_out_slow))
    answered = {answered_task(row) for row in rows}
    open_tasks = [
        row.event_id
        for row in rows
        if isinstance(row, TaskScheduled) and row.event_id not in answered
    ]
    assert open_tasks
    now = rows[-1].timestamp
    execution.feed(OrchestratorStarted(timestamp=now), replaying=False)
    for task_id in open_tasks:
        assert execution.outcome is None
        answer = TaskCompleted(timestamp=now, task_id=task_id, result=str(2 * task_id))
        execution.feed(answer, replaying=False)
    assert execution.outcome is not None
    assert execution.outcome.result == str(sum(2 * n for n in range(24)))


def test_a_recorded_suspended_instance_goes_on_when_resumed() -> None:
    (rows,) = histories("python/suspended")
    execution = replay(rows, program("wait_event", wait_event))
    waited = [execution.is_suspended]
    execution.feed(ExecutionResumed(timestamp=rows[-1].timestamp), replaying=False)
    assert [*waited, execution.is_suspended] == [True, False]
