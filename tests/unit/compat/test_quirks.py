"""Replay behaviour of 1.7 that apps depend on (api-surface 1.5), where no other test shows it."""

from __future__ import annotations

import json

import pytest

from durable.model.events import TaskScheduled
from durable.model.status import RuntimeStatus
from tests.unit.authoring.test_context import Context, Steps, driving, result, run


def test_q4_calls_yielded_one_by_one_run_one_by_one() -> None:
    def code(context: Context) -> Steps:
        one, two = context.call_activity("hello", 1), context.call_activity("hello", 2)
        return [(yield one), (yield two)]

    driver = driving(code)
    driver.start()
    assert [row.input for row in driver.decided if isinstance(row, TaskScheduled)] == ["[1]"]
    driver.completed(0, "a")
    driver.completed(1, "b")
    assert result(driver) == '["a","b"]'


@pytest.mark.parametrize("value", [0, False, "", [], {}], ids=repr)
def test_q6_falsy_outputs_are_outputs(value: object) -> None:
    assert run(lambda context: value) == json.dumps(value)


def test_q8_an_exception_without_text_is_told_by_its_type() -> None:
    def code(context: Context) -> None:
        raise ValueError

    outcome = driving(code).start()
    assert outcome is not None
    assert (outcome.status, outcome.result) == (RuntimeStatus.FAILED, "ValueError")


def test_q7_a_failure_is_caught_as_a_plain_exception_too() -> None:
    def code(context: Context) -> Steps:
        try:
            yield context.call_activity("hello")
        except Exception as error:
            return str(error)

    driver = driving(code)
    driver.start()
    driver.failed(0, "ValueError", "no")
    assert "Activity function 'hello' failed" in (result(driver) or "")


def test_q14_failures_in_except_and_finally_behave_as_in_plain_python() -> None:
    steps: list[str] = []

    def code(context: Context) -> Steps:
        try:
            try:
                yield context.call_activity("hello", "work")
            except Exception:
                steps.append("undo")
                yield context.call_activity("hello", "undo")
            finally:
                steps.append("tidy")
                yield context.call_activity("hello", "tidy")
        except Exception as error:
            return str(error.__context__)

    driver = driving(code)
    driver.start()
    driver.failed(0, "ValueError", "in work")
    driver.failed(1, "ValueError", "in undo")
    driver.failed(2, "ValueError", "in tidy")
    assert steps == ["undo", "tidy"]
    assert "in undo" in (result(driver) or "")
