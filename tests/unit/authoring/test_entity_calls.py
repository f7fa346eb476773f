"""What orchestrators ask of entities: how it is checked, and what is recorded."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
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
from durable.errors import (
    EntityFailed,
    InvalidName,
    LockingRulesViolation,
    NotSerializable,
    UnknownFunction,
    UsageError,
)
from durable.model.entities import LOCK_GRANTED, Response
from durable.model.events import EventRaised, EventSent
from durable.model.failure import FailureDetails
from durable.model.ids import EntityId
from durable.model.status import RuntimeStatus
from durable.wire import entity_json
from tests.unit.engine.conftest import T0, Driver, done

Steps = Generator[Any, Any, Any]
C, D = EntityId("Counter", "c"), EntityId("counter", "d")


@dataclass
class Order:
    id: int


def driving(function: Callable[[Context], Any]) -> Driver:
    registry = Registry()
    registry.add_entity(EntityDefinition(name="Counter", function=lambda context: None))
    registry.add_activity(ActivityDefinition(name="work", function=lambda x: x, input_name="x"))
    definition = OrchestratorDefinition(name="Main", function=function, context_name="context")
    registry.add_orchestrator(definition)
    return Driver(OrchestratorProgram(definition, registry), "abc")


def sent(driver: Driver) -> list[dict[str, Any]]:
    """The texts of what was sent to entities."""
    return [json.loads(row.input or "") for row in driver.rows if isinstance(row, EventSent)]


def answer(driver: Driver, number: int, response: Response) -> None:
    name = sent(driver)[number]["id"]
    text = entity_json.encode_response(response)
    driver.turn(EventRaised(timestamp=T0, name=name, input=text, identity=name))


def granted(driver: Driver, number: int = 0) -> None:
    answer(driver, number, Response(id="", result=LOCK_GRANTED))


def result(driver: Driver) -> Any:
    outcome = driver.live.outcome
    assert outcome is not None
    assert outcome.status is RuntimeStatus.COMPLETED, outcome.result
    return json.loads(outcome.result or "null")


def refusal(call: Callable[[Context], object]) -> Exception:
    found: list[Exception] = []

    def code(context: Context) -> None:
        try:
            call(context)
        except Exception as error:
            found.append(error)

    driver = driving(code)
    driver.start()
    assert sent(driver) == []
    return found[0]


# Calls and signals.


def test_a_call_sends_its_input_and_gives_the_result() -> None:
    def code(context: Context) -> Steps:
        return (yield context.call_entity(C, "add", 5))

    driver = driving(code)
    driver.start()
    [row] = driver.decided
    assert isinstance(row, EventSent)
    assert (row.instance_id, row.name) == ("@counter@c", "op")
    [message] = sent(driver)
    assert (message["op"], message["input"], message["parent"]) == ("add", "5", "abc")
    answer(driver, 0, Response(id="", result="12"))
    assert result(driver) == 12


def test_no_input_is_no_input() -> None:
    def code(context: Context) -> Steps:
        yield context.call_entity(C, "get")
        context.signal_entity(C, "reset")
        yield context.call_entity(C, "set", 0)

    driver = driving(code)
    driver.start()
    answer(driver, 0, Response(id="", result=None))
    assert [message.get("input") for message in sent(driver)] == [None, None, "0"]


def test_a_text_of_json_stays_a_text() -> None:
    def code(context: Context) -> None:
        context.signal_entity(C, "set", "5")

    driver = driving(code)
    driver.start()
    # Escaped, so that nobody takes it for a number that was encoded twice.
    assert sent(driver)[0]["input"] == '"\\u0035"'


def test_the_result_is_made_into_what_is_expected() -> None:
    def code(context: Context) -> Steps:
        order = yield context.call_entity(C, "get", expected_type=Order)
        return [type(order).__name__, order.id]

    driver = driving(code)
    driver.start()
    answer(driver, 0, Response(id="", result='{"id":7}'))
    assert result(driver) == ["Order", 7]


def test_a_failure_says_which_operation_of_which_entity() -> None:
    def code(context: Context) -> Steps:
        try:
            yield context.call_entity(C, "take", 5)
        except EntityFailed as error:
            return [str(error), error.name, isinstance(error, KeyError)]

    driver = driving(code)
    driver.start()
    failure = FailureDetails(error_type="KeyError", message="no money")
    answer(driver, 0, Response(id="", failure=failure))
    assert result(driver) == [
        "Operation 'take' of entity '@counter@c' failed: KeyError: no money",
        "@counter@c",
        True,
    ]


def test_calls_are_tasks_like_others() -> None:
    def code(context: Context) -> Steps:
        calls = [context.call_entity(each, "get") for each in (C, D)]
        return (yield context.task_all([*calls, context.call_activity("work", 3)]))

    driver = driving(code)
    driver.start()
    answer(driver, 1, Response(id="", result="2"))
    answer(driver, 0, Response(id="", result="1"))
    driver.turn(done(2, 3))
    assert result(driver) == [1, 2, 3]


def signals_without_waiting(context: Context) -> Steps:
    context.signal_entity(C, "add", 1)
    yield context.call_activity("work", 0)
    return "end"


def signals_and_yields(context: Context) -> Steps:
    nothing = yield context.signal_entity(C, "add", 1)
    yield context.call_activity("work", 0)
    return "end" if nothing is None else nothing


async def signals_and_awaits(context: Context) -> str:
    await context.signal_entity(C, "add", 1)
    await context.call_activity("work", 0)
    return "end"


@pytest.mark.parametrize("code", [signals_without_waiting, signals_and_yields, signals_and_awaits])
def test_a_signal_is_sent_once_whether_or_not_it_is_waited_for(
    code: Callable[[Context], Any],
) -> None:
    driver = driving(code)
    driver.start()
    [message] = sent(driver)
    assert (message["op"], message["signal"], message["input"]) == ("add", True, "1")
    driver.turn(done(1))
    assert result(driver) == "end"


def test_a_signal_is_scheduled_for_a_time() -> None:
    at = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC).replace(tzinfo=None)

    def code(context: Context) -> None:
        context.signal_entity(C, "add", 1, scheduled_time=at)
        context.signal_entity(C, "add", 2, scheduled_time=context.current_utc_datetime)

    driver = driving(code)
    driver.start()
    rows = [row for row in driver.decided if isinstance(row, EventSent)]
    assert rows[0].deliver_at == at.replace(tzinfo=UTC)
    assert rows[0].name == "op@2024-01-02T03:04:05.0000000Z"
    assert sent(driver)[0]["due"] == "2024-01-02T03:04:05Z"
    assert rows[1].deliver_at == driver.now


def test_signatures_are_those_of_1_7_and_what_is_new_is_by_name_only() -> None:
    parameters = inspect.signature(Context.signal_entity).parameters
    assert parameters["scheduled_time"].kind is inspect.Parameter.KEYWORD_ONLY


@pytest.mark.parametrize("method", ["call_entity", "signal_entity"])
@pytest.mark.parametrize(
    ("arguments", "kind", "text"),
    [
        (("@counter@c", "add"), UsageError, "takes the entity as EntityId"),
        ((EntityId("countr", "c"), "add"), UnknownFunction, "Did you mean 'Counter'"),
        ((EntityId("counter", "a/b"), "add"), InvalidName, "contains '/'"),
        ((C, ""), InvalidName, "takes the name of an operation"),
        ((C, None), InvalidName, "takes the name of an operation"),
        (
            (C, "add", object()),
            NotSerializable,
            "The input of operation 'add' of entity @counter@c",
        ),
    ],
    ids=["text", "unknown", "key", "no-operation", "none", "input"],
)
def test_mistakes_are_told_at_the_call(
    method: str, arguments: tuple[Any, ...], kind: type[Exception], text: str
) -> None:
    error = refusal(lambda context: getattr(context, method)(*arguments))
    assert isinstance(error, kind)
    assert text in str(error)


def test_a_scheduled_time_must_be_one() -> None:
    error = refusal(
        lambda context: context.signal_entity(C, "add", scheduled_time=5)  # type: ignore[arg-type]
    )
    assert isinstance(error, TypeError)
    assert "scheduled_time must be a datetime" in str(error)


# Critical sections.


def section(context: Context) -> Steps:
    states: list[Any] = [[context.is_locked, context.locked_entities]]
    with (yield context.lock_entities([D, C, D])):
        states.append([context.is_locked, context.locked_entities])
        yield context.call_entity(C, "add", 1)
    states.append([context.is_locked, context.locked_entities])
    return [[held, [str(entity) for entity in entities]] for held, entities in states]


async def async_section(context: Context) -> list[object]:
    states: list[Any] = [[context.is_locked, context.locked_entities]]
    async with context.lock([D, C]):
        states.append([context.is_locked, context.locked_entities])
        await context.call_entity(C, "add", 1)
    states.append([context.is_locked, context.locked_entities])
    return [[held, [str(entity) for entity in entities]] for held, entities in states]


@pytest.mark.parametrize("code", [section, async_section])
def test_a_critical_section(
    code: Callable[[Context], Steps | Coroutine[Any, Any, Any]],
) -> None:
    driver = driving(code)
    driver.start()
    assert sent(driver)[0]["lockset"] == [
        {"name": "counter", "key": "c"},
        {"name": "counter", "key": "d"},
    ]
    granted(driver)
    answer(driver, 1, Response(id="", result="1"))
    assert result(driver) == [
        [False, []],
        [True, ["@counter@c", "@counter@d"]],
        [False, []],
    ]
    lock_id = sent(driver)[0]["id"]
    assert sent(driver)[2:] == [{"parent": "abc", "id": lock_id}] * 2


def test_nothing_is_locked_while_locks_are_waited_for() -> None:
    def code(context: Context) -> Steps:
        yield context.task_any([context.lock_entities([C]), context.call_activity("work", 1)])
        return [context.is_locked, context.locked_entities]

    driver = driving(code)
    driver.start()
    driver.turn(done(1))
    assert result(driver) == [False, []]


@pytest.mark.parametrize(
    ("call", "rule"),
    [
        (lambda c: c.call_sub_orchestrator("Main"), "child-inside"),
        (lambda c: c.call_sub_orchestrator_with_retry("Main", None), "child-inside"),
        (lambda c: c.lock_entities([D]), "nested-lock"),
        (lambda c: c.call_entity(D, "get"), "call-to-unlocked"),
        (lambda c: c.signal_entity(C, "add"), "signal-to-locked"),
    ],
    ids=["child", "child-retried", "nested", "unlocked", "signal"],
)
def test_the_rules_of_critical_sections(call: Callable[[Context], object], rule: str) -> None:
    def code(context: Context) -> Steps:
        with (yield context.lock_entities([C])):
            context.signal_entity(D, "allowed")
            try:
                call(context)
            except LockingRulesViolation as error:
                return error.rule

    driver = driving(code)
    driver.start()
    granted(driver)
    assert result(driver) == rule


@pytest.mark.parametrize(
    ("entities", "kind", "text"),
    [
        ([], LockingRulesViolation, "at least one entity"),
        (C, UsageError, "lock_entities takes a list of EntityId, not a EntityId"),
        ("@counter@c", UsageError, "lock_entities takes a list of EntityId, not a str"),
        (["@counter@c"], UsageError, "lock_entities takes the entity as EntityId"),
        ([C, EntityId("other", "x")], UnknownFunction, "No entity function is named 'other'"),
    ],
    ids=["none", "one", "text", "texts", "unknown"],
)
def test_only_entities_can_be_locked(entities: Any, kind: type[Exception], text: str) -> None:
    error = refusal(lambda context: context.lock_entities(entities))
    assert isinstance(error, kind)
    assert text in str(error)


def test_waiting_for_locks_may_have_an_end() -> None:
    def code(context: Context) -> Steps:
        lock = context.lock_entities([C])
        timer = context.create_timer(context.current_utc_datetime + timedelta(minutes=1))
        winner = yield context.task_any([lock, timer])
        if winner is timer:
            lock.cancel()
            return "busy"
        timer.cancel()
        with winner.result:
            yield context.call_entity(C, "add", 1)
        return "done"

    busy = driving(code)
    busy.start()
    busy.fired(1)
    assert result(busy) == "busy"
    assert len(sent(busy)) == 2

    free = driving(code)
    free.start()
    granted(free)
    answer(free, 1, Response(id="", result="1"))
    assert result(free) == "done"
    assert [set(message) & {"lockset", "op"} for message in sent(free)] == [
        {"lockset", "op"}, {"op"}, set(),
    ]  # fmt: skip
