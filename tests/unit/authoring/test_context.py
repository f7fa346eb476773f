"""The context and the program, run through the engine."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest

from durable.authoring.context import DurableOrchestrationContext
from durable.authoring.definitions import ActivityDefinition, OrchestratorDefinition
from durable.authoring.program import OrchestratorProgram
from durable.authoring.registry import Registry
from durable.engine.tasks import LongTimerTask, RetryAbleTask, TaskBase, TimerTask
from durable.errors import ActivityFailed, InvalidName, NotATask, UnknownFunction, UsageError
from durable.model.actions import ScheduleActivity, StartChild
from durable.model.events import (
    ExecutionStarted,
    HistoryEvent,
    InstanceRef,
    ParentInstance,
    SubOrchestrationCreated,
    TaskScheduled,
    TimerCreated,
)
from durable.model.retry import RetryOptions
from durable.model.status import RuntimeStatus
from tests.unit.engine.conftest import SECOND, T0, Driver, child_done, done, event

Context = DurableOrchestrationContext
Steps = Generator[Any, Any, Any]


@dataclass
class Order:
    id: int
    note: str = ""


class Person:
    def __init__(self, name: str) -> None:
        self.name = name

    @staticmethod
    def to_json(obj: Person) -> object:
        return {"name": obj.name}

    @staticmethod
    def from_json(data: dict[str, str]) -> Person:
        return Person(data["name"])


def hello(city: str) -> str:
    return f"Hello {city}!"


def make_order(x: int) -> Order:
    return Order(x)


def who(x: int) -> Person:
    return Person(str(x))


async def child(context: Context) -> Order:
    return Order(1)


def app() -> Registry:
    registry = Registry()
    for function, name in ((hello, "city"), (make_order, "x"), (who, "x")):
        registry.add_activity(
            ActivityDefinition(name=function.__name__, function=function, input_name=name)
        )
    registry.add_orchestrator(
        OrchestratorDefinition(name="child", function=child, context_name="context")
    )
    return registry


def driving(
    function: Callable[..., Any], input_type: Any = None, instance_id: str = "abc"
) -> Driver:
    registry = app()
    definition = OrchestratorDefinition(
        name="Main", function=function, context_name="context", input_type=input_type
    )
    registry.add_orchestrator(definition)
    return Driver(OrchestratorProgram(definition, registry), instance_id)


def result(driver: Driver) -> str | None:
    outcome = driver.live.outcome
    assert outcome is not None
    assert outcome.status is RuntimeStatus.COMPLETED, outcome.result
    return outcome.result


def run(
    function: Callable[..., Any], *, input_: object = None, input_type: Any = None
) -> str | None:
    driver = driving(function, input_type)
    driver.start(input_)
    return result(driver)


# The surface


def test_parameter_names_are_those_of_1_7() -> None:
    expected = {
        "call_activity": ["name", "input_", "expected_type"],
        "call_activity_with_retry": ["name", "retry_options", "input_", "expected_type"],
        "call_sub_orchestrator": ["name", "input_", "instance_id", "version", "expected_type"],
        "call_sub_orchestrator_with_retry": [
            "name", "retry_options", "input_", "instance_id", "version", "expected_type",
        ],
        "call_http": ["method", "uri", "content", "headers", "token_source", "is_raw_str"],
        "call_entity": ["entityId", "operationName", "operationInput", "expected_type"],
        "signal_entity": ["entityId", "operationName", "operationInput"],
        "create_timer": ["fire_at"],
        "wait_for_external_event": ["name", "expected_type"],
        "task_all": ["activities"],
        "task_any": ["activities"],
        "get_input": ["expected_type"],
        "continue_as_new": ["input_"],
        "set_custom_status": ["status"],
        "new_uuid": [],
        "new_guid": [],
    }  # fmt: skip
    for name, parameters in expected.items():
        every = inspect.signature(getattr(Context, name)).parameters.values()
        found = [each.name for each in every if each.kind is not each.KEYWORD_ONLY][1:]
        assert found == parameters, name


# What it knows


def test_it_knows_itself_and_its_parent() -> None:
    def code(context: Context) -> Steps:
        yield context.call_activity("hello")
        return [
            context.instance_id,
            context.parent_instance_id,
            context.version,
            len(context.histories),
            vars(context.function_context) == vars(SimpleNamespace()),
            context.is_replaying,
            context.current_utc_datetime == T0 + 2 * SECOND,
        ]

    driver = driving(code)
    parent = ParentInstance(name="p", instance=InstanceRef(instance_id="mum"), task_id=0)
    driver.start(parent=parent, version="1.0")
    driver.completed(0)
    assert result(driver) == '["abc","mum","1.0",6,true,false,true]'

    assert run(lambda context: context.parent_instance_id) is None


@pytest.mark.parametrize("value", [5, 0, True, None, "hi", [1], {"a": 1}, 1.5], ids=repr)
def test_input_may_be_any_json_value(value: object) -> None:
    seen: list[object] = []
    run(lambda context: seen.append(context.get_input()), input_=value)
    assert seen == [value]


def test_the_inputs_type_comes_from_argument_decorator_or_annotation_in_this_order() -> None:
    seen: list[object] = []

    def annotated(context: Context[Order]) -> None:  # type: ignore[type-arg]
        seen.append(context.get_input())
        seen.append(context.get_input(expected_type=dict))

    run(annotated, input_={"id": 1})
    run(annotated, input_={"id": 2}, input_type=dict[str, float])
    run(annotated, input_='{"id": 3}')
    assert seen == [Order(1), {"id": 1}, {"id": 2.0}, {"id": 2}, Order(3), {"id": 3}]


def test_an_input_of_another_type_fails_the_instance_with_the_path() -> None:
    driver = driving(lambda context: context.get_input(Order))
    outcome = driver.start({"id": "x"})
    assert outcome is not None
    assert outcome.status is RuntimeStatus.FAILED
    assert "At $.id: int expected, but found a text." in (outcome.result or "")


def test_ids_are_1_7s() -> None:
    def code(context: Context) -> list[str]:
        return [context.new_uuid(), str(context.new_guid())]

    driver = driving(code)
    driver.now = datetime(2023, 12, 31, 23, 59, 59, tzinfo=UTC)
    driver.start()
    assert result(driver) == (
        '["a5b06ea6-1041-5f2e-b65a-9b6fcffbff95","2e030efc-be42-5244-9af5-d3c02f22845f"]'
    )


# Activities


def test_activities_are_called_by_name_or_function_under_the_registered_name() -> None:
    def code(context: Context) -> Steps:
        yield context.call_activity("HELLO", "Tokyo")
        yield context.call_activity(hello, input_="Seattle")
        yield context.call_activity(name="hello")

    driver = driving(code)
    driver.start()
    driver.completed(0)
    driver.completed(1)
    scheduled = [row for row in driver.decided if isinstance(row, TaskScheduled)]
    assert [(row.name, row.input) for row in scheduled] == [
        ("hello", '["Tokyo"]'),
        ("hello", '["Seattle"]'),
        ("hello", "[null]"),
    ]


@pytest.mark.parametrize(
    ("call", "error", "told"),
    [
        (lambda c: c.call_activity("helo"), UnknownFunction, "Did you mean 'hello'?"),
        (lambda c: c.call_activity(""), ValueError, "must not be empty"),
        (lambda c: c.call_activity(print), ValueError, "'print' is not an activity of this app"),
        (lambda c: c.call_activity(child), ValueError, "is not an activity"),
        (lambda c: c.call_sub_orchestrator("chidl"), UnknownFunction, "Did you mean 'child'?"),
        (lambda c: c.call_sub_orchestrator(hello), ValueError, "is not an orchestrator"),
        (lambda c: c.call_sub_orchestrator("child", instance_id="a/b"), InvalidName, "not allowed"),
        (lambda c: c.call_sub_orchestrator("child", None, "abc"), InvalidName, "its own or its"),
        (lambda c: c.call_activity("hello", object()), TypeError, "input of activity 'hello'"),
        (lambda c: c.call_sub_orchestrator("child", {1}.__iter__()), TypeError, "orchestrator 'ch"),
        (lambda c: c.create_timer(timedelta(1)), TypeError, "current_utc_datetime + timedelta"),
        (lambda c: c.wait_for_external_event(""), InvalidName, "name of an event"),
        (lambda c: c.wait_for_external_event(5), InvalidName, "name of an event"),
        (lambda c: c.task_all(5), NotATask, "not a int"),
        (lambda c: c.task_any([c.call_activity("hello"), 5]), NotATask, "item 1 is a int"),
        (lambda c: c.continue_as_new(object()), TypeError, "next input of orchestrator 'Main'"),
        (lambda c: c.set_custom_status(object()), TypeError, "custom status"),
        (lambda c: c.set_custom_status("x" * 8191), UsageError, "16386 bytes"),
    ],
    ids=[f"mistake{number}" for number in range(18)],
)  # fmt: skip
def test_mistakes_are_raised_where_they_are_made(
    call: Callable[[Any], object], error: type[Exception], told: str
) -> None:
    def code(context: Context) -> str:
        with pytest.raises(error) as caught:
            call(context)
        return str(caught.value)

    assert told in (run(code) or "")


def test_an_uncaught_unknown_name_fails_the_instance_readably() -> None:
    def code(context: Context) -> Steps:
        yield context.call_activity("SayHelo")

    outcome = driving(code).start()
    assert outcome is not None
    assert outcome.status is RuntimeStatus.FAILED
    assert "No activity function is named 'SayHelo'." in (outcome.result or "")


def test_results_become_what_is_expected_or_annotated() -> None:
    seen: list[object] = []

    def code(context: Context) -> Steps:
        seen.append((yield context.call_activity("make_order", 1)))
        seen.append((yield context.call_activity("make_order", 1)))
        seen.append((yield context.call_activity("hello", 1, Order)))
        seen.append((yield context.call_activity("who", 1)))
        seen.append((yield context.call_sub_orchestrator("child")))
        seen.append((yield context.wait_for_external_event("go", Order)))
        seen.append((yield context.wait_for_external_event("go")))

    driver = driving(code)
    driver.start()
    driver.completed(0, {"id": 1})
    driver.completed(1, "no order at all")
    driver.completed(2, {"id": 2})
    person = {"__class__": "Person", "__module__": Person.__module__, "__data__": {"name": "Ann"}}
    driver.completed(3, person)
    driver.turn(child_done(4, {"id": 3}))
    driver.raised("go", {"id": 4})
    driver.raised("go", {"id": 5})
    assert isinstance(seen[3], Person)
    seen[3] = seen[3].name
    assert seen == [
        Order(1), "no order at all", Order(2), "Ann", Order(3), Order(4), {"id": 5},
    ]  # fmt: skip


def test_a_result_of_another_type_than_expected_is_raised_where_it_is_awaited() -> None:
    async def code(context: Context) -> str:
        try:
            await context.call_activity("hello", None, int)
        except TypeError as error:
            return str(error)
        return "nothing raised"

    driver = driving(code)
    driver.start()
    driver.completed(0, "x")
    assert result(driver) == '"At $: int expected, but found a text."'


def test_an_activitys_failure_can_be_caught_by_its_own_class() -> None:
    async def code(context: Context) -> str:
        try:
            await context.call_activity("hello", "x")
        except ZeroDivisionError as error:
            return error.name if isinstance(error, ActivityFailed) else "not ours"
        return "nothing raised"

    driver = driving(code)
    driver.start()
    driver.failed(0, "ZeroDivisionError", "no")
    assert result(driver) == '"hello"'


# Children, retries, timers, events


def test_children_have_input_id_and_version() -> None:
    def code(context: Context) -> Steps:
        yield context.task_all(
            activities=[
                context.call_sub_orchestrator("child"),
                context.call_sub_orchestrator(child, {"a": 1}, "kid", "2.0"),
            ]
        )

    driver = driving(code)
    driver.start()
    rows = [row for row in driver.decided if isinstance(row, SubOrchestrationCreated)]
    assert [(row.name, row.input, row.instance_id, row.version) for row in rows] == [
        ("child", None, "e1:0", ""),
        ("child", '{"a":1}', "kid", "2.0"),
    ]


def test_retries_call_again_with_the_same_input_and_derive_a_new_child_id() -> None:
    options = RetryOptions(1000, 2)

    def code(context: Context) -> Steps:
        task = context.call_activity_with_retry("hello", options, "x")
        assert isinstance(task, RetryAbleTask)
        yield task
        yield context.call_sub_orchestrator_with_retry("child", options, 1)
        plain = context.call_activity_with_retry("hello", None, "y")
        assert not isinstance(plain, RetryAbleTask)
        yield plain

    driver = driving(code)
    driver.start()
    driver.failed(0, "E", "x")
    driver.fired(1)
    driver.completed(2)
    rows = driver.decided
    assert [row.input for row in rows if isinstance(row, TaskScheduled)] == ['["x"]', '["x"]']
    created = rows[-1]
    assert isinstance(created, SubOrchestrationCreated)
    assert created.instance_id == "e1:3"
    driver.turn(child_done(3))
    assert isinstance(driver.decided[-1], TaskScheduled)


def test_timers_take_utc_naive_and_other_zones() -> None:
    def code(context: Context) -> Steps:
        naive = datetime(2024, 1, 2)  # noqa: DTZ001 - taken for UTC
        other = datetime(2024, 1, 2, 3, tzinfo=timezone(timedelta(hours=2)))
        timers = [
            context.create_timer(naive),
            context.create_timer(other),
            context.create_timer(fire_at=context.current_utc_datetime + timedelta(days=6)),
        ]
        assert not any(isinstance(timer, LongTimerTask) for timer in timers)
        long = context.create_timer(context.current_utc_datetime + timedelta(days=6, seconds=1))
        assert isinstance(long, LongTimerTask)
        assert isinstance(long, TimerTask)
        yield context.task_any([*timers, long])

    driver = driving(code)
    driver.start()
    now = T0 + SECOND
    assert [row.fire_at for row in driver.decided if isinstance(row, TimerCreated)] == [
        datetime(2024, 1, 2, tzinfo=UTC),
        datetime(2024, 1, 2, 1, tzinfo=UTC),
        now + timedelta(days=6),
        now + timedelta(days=3),
    ]


def test_approval_with_a_timeout_as_the_documentation_writes_it() -> None:
    def code(context: Context) -> Steps:
        expiry = context.create_timer(context.current_utc_datetime + timedelta(hours=72))
        approval = context.wait_for_external_event("Approval")
        winner = yield context.task_any([approval, expiry])
        if winner == approval:
            expiry.cancel()
            return approval.result
        return "timed out"

    driver = driving(code)
    driver.start()
    driver.raised("approval", {"ok": True})
    assert result(driver) == '{"ok":true}'

    late = driving(code)
    late.start()
    late.fired(0)
    assert result(late) == '"timed out"'


# Continue-as-new, custom status, output


def test_continue_as_new_and_will_continue_as_new() -> None:
    seen: list[bool] = []

    def code(context: Context) -> None:
        seen.append(context.will_continue_as_new)
        context.continue_as_new({"n": 1})
        seen.append(context.will_continue_as_new)

    outcome = driving(code).start()
    assert outcome is not None
    assert (outcome.status, outcome.result) == (RuntimeStatus.CONTINUED_AS_NEW, '{"n":1}')
    assert seen == [False, True]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), ("", '""'), ([], "[]"), (False, "false"), (None, "null")],
    ids=repr,
)
def test_falsy_custom_statuses_work(value: object, text: str) -> None:
    def code(context: Context) -> Steps:
        context.set_custom_status("before")
        context.set_custom_status(value)
        yield context.call_activity("hello")
        return context.custom_status == value

    driver = driving(code)
    driver.start()
    assert driver.live.custom_status == text
    driver.completed(0)
    assert result(driver) == "true"


def test_a_custom_status_of_just_16_kb_is_accepted() -> None:
    def code(context: Context) -> None:
        context.set_custom_status("x" * 8190)

    driver = driving(code)
    driver.start()
    assert driver.live.custom_status is not None


def test_no_output_is_no_text() -> None:
    assert run(lambda context: None) is None
    assert run(lambda context: 0) == "0"


def test_an_output_that_is_not_json_fails_with_type_and_path() -> None:
    outcome = driving(lambda context: {"items": [1, {"when": object()}]}).start()
    assert outcome is not None
    assert outcome.status is RuntimeStatus.FAILED
    assert outcome.result == (
        "The output of orchestrator 'Main' cannot be written as JSON: at $.items[1].when, "
        "a value of type object is not JSON."
    )


# Logging, and life after close


def test_logging_is_silent_while_replaying_and_after_close(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def code(context: Context) -> Steps:
        logger = context.create_replay_safe_logger(logging.getLogger("mine"))
        try:
            context.logger.info("begun")
            yield context.call_activity("hello")
            logger.info("went on")
            yield context.call_activity("hello")
        finally:
            logger.info("closed")
            context.set_custom_status("late")
            assert context.is_replaying

    driver = driving(code)
    with caplog.at_level(logging.INFO):
        driver.start()
        driver.completed(0)
        assert [(r.name, r.getMessage()) for r in caplog.records] == [
            (__name__, "begun"),
            ("mine", "went on"),
        ]
        caplog.clear()
        replayed = driver.replayed()
        replayed.close()
        driver.live.close()
        assert caplog.records == []
    assert driver.live.custom_status is None


def test_the_sample_of_the_issue_runs_as_generator_and_as_coroutine() -> None:
    cities = ["Tokyo", "Seattle", "London"]

    def sequence(context: Context) -> Steps:
        first = yield context.call_activity("hello", cities[0])
        second = yield context.call_activity("hello", cities[1])
        third = yield context.call_activity("hello", cities[2])
        return [first, second, third]

    async def sequence_async(context: Context) -> list[object]:
        return [await context.call_activity("hello", city) for city in cities]

    def fan_out(context: Context) -> Steps:
        tasks: list[TaskBase] = [context.call_activity("hello", city) for city in cities]
        return (yield context.task_all(tasks))

    for function in (sequence, sequence_async, fan_out):
        driver = driving(function)
        driver.start()
        answered: set[int] = set()
        while driver.live.outcome is None:
            arrived: list[HistoryEvent] = []
            for row in driver.decided:
                if isinstance(row, TaskScheduled) and row.event_id not in answered:
                    answered.add(row.event_id)
                    city = (row.input or "")[2:-2]
                    arrived.append(done(row.event_id, hello(city)))
            driver.turn(*arrived)
        assert result(driver) == '["Hello Tokyo!","Hello Seattle!","Hello London!"]'


def test_actions_carry_the_users_line() -> None:
    def code(context: Context) -> Steps:
        yield context.task_all(
            [context.call_activity("hello"), context.call_sub_orchestrator(child)]
        )

    driver = driving(code)
    started = ExecutionStarted(timestamp=T0, instance=InstanceRef(instance_id="abc"), name="Main")
    driver.live.feed(event("unrelated"), replaying=False)
    driver.live.feed(started, replaying=False)
    activity, kid = driver.live.undecided
    assert isinstance(activity, ScheduleActivity)
    assert isinstance(kid, StartChild)
    assert kid.instance_id is None
    assert activity.location == kid.location == f"{__file__}:{code.__code__.co_firstlineno + 1}"
