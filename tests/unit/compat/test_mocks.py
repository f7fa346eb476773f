"""Mocks as tests for azure-functions-durable 1.7 make them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from unittest.mock import AsyncMock, Mock, create_autospec, patch

import azure.functions as func
import pytest

import durable as df
from durable.testing import orchestrator_generator_wrapper
from tests.unit.compat.test_surface import ABSENT, DELIBERATE, SURFACE

CLASSES = ("DurableOrchestrationContext", "DurableOrchestrationClient", "DurableEntityContext")


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("make", [Mock, create_autospec], ids=["Mock", "autospec"])
def test_a_mock_with_a_spec_has_every_member_of_1_7(name: str, make: Any) -> None:
    kind = getattr(df, name)
    mock = make(spec=kind) if make is Mock else make(kind, instance=True)
    for member in SURFACE[name]:
        if member != "__init__" and (name, member) not in DELIBERATE:
            assert hasattr(mock, member), member
    assert isinstance(mock, kind)


def test_a_specced_context_takes_its_values() -> None:
    context = Mock(spec_set=df.DurableOrchestrationContext)
    context.instance_id = "abc"
    context.is_replaying = False
    context.current_utc_datetime = datetime(2024, 1, 1, tzinfo=UTC)
    context.get_input = Mock(return_value={"a": 1})
    assert context.current_utc_datetime.year == 2024
    with pytest.raises(AttributeError):
        context.no_such_member = 1


async def test_autospec_takes_1_7s_arguments_by_name() -> None:
    context = create_autospec(df.DurableOrchestrationContext, instance=True)
    context.call_activity(name="a", input_=1, expected_type=int)
    context.call_activity_with_retry("a", df.RetryOptions(1, 2), input_=1)
    context.call_sub_orchestrator(name="a", input_=1, instance_id="i", version="1")
    context.call_http("GET", "http://x", content=None, headers=None, token_source=None)
    context.task_all(activities=[])
    with pytest.raises(TypeError):
        context.call_activity("a", nonsense=1)
    client = create_autospec(df.DurableOrchestrationClient, instance=True)
    assert isinstance(client.start_new, AsyncMock)
    await client.start_new("a", client_input=1, version="1")
    await client.purge_instance_history_by()
    await client.wait_for_completion_or_create_check_status_response(
        None, "i", timeout_in_milliseconds=1, retry_interval_in_milliseconds=1
    )


app = df.DFApp()


@app.orchestration_trigger(context_name="context")
def backup(context: Any) -> Any:
    files = yield context.call_activity("list", "root")
    sizes = yield context.task_all([context.call_activity("copy", name) for name in files])
    return sum(sizes)


@app.route(route="start")
@app.durable_client_input(client_name="client")
async def start(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> Any:
    instance_id = await client.start_new("backup")
    return client.create_check_status_response(req, instance_id)


@patch("durable.models.TaskBase")
def mock_task(result: object, task: Any) -> Any:
    task.result = result
    return task


@patch("durable.DurableOrchestrationContext")
def test_an_orchestrators_test_as_microsoft_writes_it(context: Any) -> None:
    built: Any = backup.build()
    function = built.get_user_function().orchestrator_function
    results = {"list": ["a", "b"], "copy": 2}
    context.call_activity = Mock(side_effect=lambda name, _value: mock_task(results[name]))
    context.task_all = Mock(side_effect=lambda each: mock_task([task.result for task in each]))
    values = list(orchestrator_generator_wrapper(function(context)))
    assert context.call_activity.call_count == 3
    assert context.task_all.call_count == 1
    assert values[-1] == 4


@patch("durable.DurableOrchestrationClient")
async def test_a_client_functions_test_as_microsoft_writes_it(client: Any) -> None:
    built: Any = start.build()
    function = built.get_user_function().client_function
    client.start_new = AsyncMock(return_value="abc")
    client.create_check_status_response = Mock(return_value="the response")
    request = func.HttpRequest(method="GET", body=b"{}", url="/api/start")
    assert await function(request, client) == "the response"
    client.start_new.assert_called_once_with("backup")
    client.create_check_status_response.assert_called_once_with(request, "abc")


def test_every_class_of_1_7_is_either_here_or_absent_for_a_reason() -> None:
    assert set(ABSENT) < set(SURFACE)
    assert all(reason for reason in (*ABSENT.values(), *DELIBERATE.values()))
