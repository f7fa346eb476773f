"""Entity functions: one operation, state text in and out."""

from __future__ import annotations

import asyncio
import logging
import threading
from contextvars import ContextVar
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from durable.authoring.entity_context import DurableEntityContext
from durable.errors import UsageError
from durable.model.entities import OrchestrationStart, Signal
from durable.model.ids import EntityId
from tests.unit.authoring.entity_lab import NOW, a_lab, report

NAIVE = datetime(2024, 5, 6, 8)  # noqa: DTZ001 - 1.7's users have such


def counter(context: DurableEntityContext) -> Any:
    """As azure-functions-durable's documentation has it, and some."""
    value = context.get_state(lambda: 0)
    match context.operation_name:
        case "add":
            context.set_state(value + (context.get_input() or 1))
        case "get":
            context.set_result(value)
        case "returned":
            return value
        case "both":
            context.set_result(None)
            return value
        case "reset":
            context.destruct_on_exit()
        case "fail":
            context.set_state(100)
            context.signal_entity(EntityId("log", "x"), "append", "lost")
            raise ValueError("no")
        case "stop":
            raise StopIteration
        case _:
            raise LookupError(context.operation_name)
    return None


async def async_counter(context: DurableEntityContext) -> Any:
    await asyncio.sleep(0)
    return counter(context)


@pytest.mark.parametrize("function", [counter, async_counter])
async def test_a_function_is_called_for_each_operation(function: Any) -> None:
    with a_lab(function) as lab:
        assert await lab.result("get") == "0"
        first = lab.state
        assert first is None  # an operation that only reads makes no entity
        await lab.result("add", "5")
        await lab.result("add")
        assert [await lab.result("get"), lab.state] == ["6", "6"]
        assert await lab.result("returned") == "6"
        assert await lab.result("both") is None  # what was set counts, also when it is None
        assert await lab.result("add", "1") is None  # no result of an earlier operation
        await lab.result("reset")
        assert lab.state is None


@pytest.mark.parametrize("function", [counter, async_counter])
async def test_a_failed_operation_leaves_nothing(function: Any) -> None:
    with a_lab(function) as lab:
        await lab.result("add", "5")
        assert await lab.failure("fail") == "ValueError: no"
        assert lab.state == "5"
        result = await lab.run("fail")
        assert result.failure is not None
        assert "raise ValueError" in (result.failure.stack_trace or "")


async def test_stop_iteration_fails_as_anything_else() -> None:
    with a_lab(counter) as lab:
        told = await lab.failure("stop")
    assert told == "RuntimeError: Entity 'Counter' raised StopIteration."


async def test_synchronous_code_has_a_thread_and_the_callers_context_variables() -> None:
    variable = ContextVar[str]("variable")
    variable.set("here")

    def where(context: DurableEntityContext) -> object:
        return [variable.get(), threading.current_thread() is threading.main_thread()]

    async def on_the_loop(context: DurableEntityContext) -> object:
        return threading.current_thread() is threading.main_thread()

    with a_lab(where) as lab:
        assert await lab.result("x") == '["here",false]'
    with a_lab(on_the_loop) as lab:
        assert await lab.result("x") == "true"


async def test_what_a_context_tells() -> None:
    seen: list[object] = []

    def look(context: DurableEntityContext) -> None:
        seen.extend((context.entity_name, context.entity_key, context.entity_id))
        seen.extend((context.operation_name, context.current_utc_datetime))
        seen.append(context.is_newly_constructed)
        context.set_state(1)
        seen.append(context.is_newly_constructed)

    with a_lab(look) as lab:
        await lab.result("Look")
        assert seen == ["counter", "a", EntityId("counter", "a"), "Look", NOW, True, True]
        await lab.result("Look")
        assert seen[-1] is False


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (None, None),
        ("null", None),
        ("0", 0),
        ('""', ""),
        ("[]", []),
        ('"5"', 5),  # 1.x encodes twice
        ('"\\u0035"', "5"),  # ours is a text
        ('"five"', "five"),
        ('{"a":1}', {"a": 1}),
    ],
)
async def test_an_input_is_decoded_once_whoever_wrote_it(text: str | None, value: object) -> None:
    seen: list[object] = []
    with a_lab(lambda context: seen.append(context.get_input())) as lab:
        await lab.result("x", text)
    assert seen == [value]


async def test_inputs_and_states_are_of_the_type_that_is_asked_for() -> None:
    seen: list[object] = []

    def typed(context: DurableEntityContext) -> None:
        seen.append(context.get_input(timedelta))
        seen.append(context.get_state(expected_type=datetime))
        context.set_state(NOW)

    with a_lab(typed) as lab:
        await lab.result("x", '"PT1M"')
        await lab.result("x", '"PT1M"')
        assert seen == [timedelta(minutes=1), None, timedelta(minutes=1), NOW]
        assert "no timedelta can be made of the value" in await lab.failure("x", '"soon"')


async def test_a_state_is_what_was_set_not_what_became_of_it() -> None:
    def grow(context: DurableEntityContext) -> None:
        items = context.get_state(list)
        items.append(1)
        if context.operation_name == "keep":
            context.set_state(items)
            items.append("too late")
            assert context.get_state() == items[:-1]

    with a_lab(grow) as lab:
        await lab.result("forget")
        assert lab.state is None
        await lab.result("keep")
        await lab.result("keep")
        await lab.result("forget")
        assert lab.state == "[1,1]"


async def test_null_is_a_state_for_which_the_initializer_is_asked() -> None:
    def null(context: DurableEntityContext) -> object:
        result = context.get_state(lambda: "initial")
        context.set_state(None)
        return [result, context.get_state(), context.is_newly_constructed]

    with a_lab(null) as lab:
        assert await lab.result("x") == '["initial",null,true]'
        assert lab.state == "null"
        assert await lab.result("x") == '["initial",null,false]'


async def test_the_last_of_setting_and_deleting_counts() -> None:
    def both(context: DurableEntityContext) -> None:
        context.destruct_on_exit()
        assert context.get_state(lambda: "none") == "none"
        context.set_state(5)

    with a_lab(both) as lab:
        await lab.result("x")
        assert lab.state == "5"


@pytest.mark.parametrize(
    ("act", "told"),
    [
        (lambda c: c.set_state({1}.union), "The state that operation 'x' of entity '@counter@a'"),
        (lambda c: c.set_result(object()), "The result of operation 'x' of entity '@counter@a'"),
        (lambda c: object(), "The result of operation 'x' of entity '@counter@a' cannot be writ"),
        (lambda c: c.get_state(0), "get_state takes a function that makes the first state"),
        (lambda c: c.signal_entity("log", "x"), "EntityId('name', 'key'), not as str"),
        (lambda c: c.signal_entity(EntityId("log", "a/b"), "x"), "contains '/'"),
        (lambda c: c.signal_entity(EntityId("lgo", "a"), "x"), "Did you mean 'Log'?"),
        (lambda c: c.signal_entity(EntityId("log", "a"), ""), "the name of an operation"),
        (lambda c: c.signal_entity(EntityId("log", "a"), "x", len), "input of operation 'x' of en"),
        (
            lambda c: c.signal_entity(EntityId("log", "a"), "x", None, 5),
            "signal_entity's scheduled_time",
        ),
        (
            lambda c: c.signal_entity(
                EntityId("log", "a"), "x", None, datetime.min.replace(tzinfo=timezone.max)
            ),
            "outside the years 1 to 9999",
        ),
        (lambda c: c.start_new_orchestration("Reprot"), "Did you mean 'Report'?"),
        (lambda c: c.start_new_orchestration("Report", len), "The input of orchestrator 'Report'"),
        (lambda c: c.start_new_orchestration("Report", 1, "@a@b"), "must not start with '@'"),
    ],
    ids=range(14),
)
async def test_a_mistake_fails_the_operation_and_says_where(act: Any, told: str) -> None:
    with a_lab(act) as lab:
        assert told in await lab.failure("x")


async def test_what_cannot_be_written_is_not_worth_a_retry() -> None:
    with a_lab(lambda context: object()) as lab:
        result = await lab.run("x")
    assert result.failure is not None
    assert result.failure.is_non_retriable


async def test_signals_and_starts_are_handed_on_in_order() -> None:
    ids: list[str] = []

    def act(context: DurableEntityContext) -> None:
        log = EntityId("LOG", "x")
        context.signal_entity(log, "append", "5")
        context.signal_entity(log, "flush", scheduled_time=NAIVE)
        ids.append(context.start_new_orchestration("report", {"a": 1}))
        ids.append(context.start_new_orchestration(report, instance_id="mine", version="2"))
        context.signal_entity(
            context.entity_id,
            "again",
            0,
            datetime(2024, 5, 6, 8, tzinfo=timezone(timedelta(hours=1))),
        )

    with a_lab(act) as lab:
        result = await lab.run("x")
    assert ids == [f"{1:032x}", "mine"]
    at_eight = NOW.replace(hour=8, minute=0, second=0)
    log = EntityId("log", "x")
    assert result.effects == (
        Signal(target=log, op="append", input='"\\u0035"'),
        Signal(target=log, op="flush", due=at_eight),
        OrchestrationStart(name="Report", instance_id=ids[0], input='{"a":1}'),
        OrchestrationStart(name="Report", instance_id="mine", version="2"),
        Signal(
            target=EntityId("counter", "a"),
            op="again",
            input="0",
            due=at_eight - timedelta(hours=1),
        ),
    )


async def test_a_context_that_outlives_its_operation_takes_nothing_more() -> None:
    kept: list[DurableEntityContext] = []
    with a_lab(kept.append) as lab:
        await lab.result("x")
    for act in (
        lambda: kept[0].set_state(1),
        lambda: kept[0].set_result(1),
        kept[0].destruct_on_exit,
        lambda: kept[0].signal_entity(EntityId("log", "a"), "x"),
        lambda: kept[0].start_new_orchestration("Report"),
    ):
        with pytest.raises(UsageError, match="operation 'x' of entity '@counter@a' has ended"):
            act()


async def test_a_signals_failure_is_logged_with_its_place_and_without_its_data(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(context: DurableEntityContext) -> None:
        raise ValueError(context.get_input())

    caplog.set_level(logging.INFO, logger="durable.entities")
    with a_lab(fail) as lab:
        await lab.run("add", '"secret"', is_signal=True)
        await lab.run("add", '"secret"')
    signal, call = caplog.records
    assert (signal.levelname, call.levelname) == ("WARNING", "INFO")
    assert "operation 'add' of entity '@counter@a' failed with ValueError" in signal.getMessage()
    assert "raise ValueError(context.get_input())" in signal.getMessage()
    assert "secret" not in caplog.text


async def test_what_ends_a_program_ends_only_the_operation() -> None:
    def leave(context: DurableEntityContext) -> None:
        raise SystemExit(3)

    async def cancel(context: DurableEntityContext) -> None:
        raise asyncio.CancelledError

    with a_lab(leave) as lab:
        assert await lab.failure("x") == "SystemExit: 3"
    with a_lab(cancel) as lab:
        assert (await lab.failure("x")).endswith("CancelledError")


async def test_a_process_that_lets_go_is_no_failure() -> None:
    begun = asyncio.Event()

    async def wait(context: DurableEntityContext) -> None:
        begun.set()
        await asyncio.Event().wait()

    with a_lab(wait) as lab:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(lab.run("x"))
            await begun.wait()
            task.cancel()
    assert task.cancelled()


def test_a_context_is_not_made_of_the_extensions_json() -> None:
    with pytest.raises(UsageError, match=r"durable\.testing\.execute_entity"):
        DurableEntityContext.from_json("{}")
