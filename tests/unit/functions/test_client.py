from __future__ import annotations

import inspect
import json
from dataclasses import replace
from typing import Any

import azure.functions as func
import pytest

from durable.api.links import ManagementAccess
from durable.errors import UsageError
from durable.functions.client import DurableOrchestrationClient
from durable.hub.settings import HubSettings
from durable.hub.taskhub import TaskHub
from durable.model.status import RuntimeStatus
from durable.storage.memory.account import MemoryAccount
from tests.manual_clock import ManualClock

OWN = "https://app.example/api/durabletask"
ASKED = "http://localhost:7071/api/durabletask"
REQUEST = func.HttpRequest(method="GET", url="http://localhost:7071/api/start", body=b"")


@pytest.fixture
def hub(manual_clock: ManualClock) -> TaskHub:
    return TaskHub(MemoryAccount(manual_clock), HubSettings(name="Hub1"), manual_clock)


@pytest.fixture
async def client(hub: TaskHub) -> DurableOrchestrationClient:
    access = ManagementAccess(configured_key="k", require_key=True, base_url=OWN)
    made = DurableOrchestrationClient(
        hub, base_url_of=lambda request: ASKED, links=access.links(hub)
    )
    await made.prepare()
    return made


async def ended(
    client: DurableOrchestrationClient, status: RuntimeStatus, output: str | None
) -> func.HttpResponse:
    await client.start_new("hello", "i", client_input=1)
    row = await client.hub.instances.read("i")
    assert row is not None
    await client.hub.instances.show(replace(row, status=status, output=output), row)
    return await client.wait_for_completion_or_create_check_status_response(REQUEST, "i")


async def test_links_begin_where_the_request_was_sent(client: DurableOrchestrationClient) -> None:
    asked = client.get_client_response_links(REQUEST, "i")
    own = client.get_client_response_links(None, "i")
    assert asked["statusQueryGetUri"].startswith(f"{ASKED}/instances/i?")
    assert own == client.create_http_management_payload("i")
    assert own["statusQueryGetUri"] == asked["statusQueryGetUri"].replace(ASKED, OWN)


async def test_check_status_response_has_every_link(client: DurableOrchestrationClient) -> None:
    answer = client.create_check_status_response(REQUEST, "i")
    assert json.loads(answer.get_body()) == client.get_client_response_links(REQUEST, "i")
    assert answer.mimetype == "application/json"


@pytest.mark.parametrize(
    ("output", "body"),
    [('"text"', b"text"), ('["a"]', b'["a"]'), (None, b"null"), ("no json", b"no json")],
)
async def test_the_output_of_a_completed_instance(
    client: DurableOrchestrationClient, output: str | None, body: bytes
) -> None:
    answer = await ended(client, RuntimeStatus.COMPLETED, output)
    assert (answer.status_code, answer.get_body()) == (200, body)


@pytest.mark.parametrize(
    ("status", "code"), [(RuntimeStatus.FAILED, 500), (RuntimeStatus.TERMINATED, 200)]
)
async def test_the_status_of_one_that_ended_otherwise(
    client: DurableOrchestrationClient, status: RuntimeStatus, code: int
) -> None:
    answer = await ended(client, status, "why")
    assert answer.status_code == code
    shown = json.loads(answer.get_body())
    assert (shown["runtimeStatus"], shown["output"], shown["input"]) == (status.value, "why", 1)


async def test_an_interval_over_the_timeout_is_refused(client: DurableOrchestrationClient) -> None:
    with pytest.raises(UsageError, match=r"Total timeout 1 .* retry timeout 2"):
        await client.wait_for_completion_or_create_check_status_response(REQUEST, "i", 1000, 2000)


@pytest.mark.parametrize("name", ["timeout_in_milliseconds", "retry_interval_in_milliseconds"])
@pytest.mark.parametrize("value", [-1, float("nan"), "1000"])
async def test_a_wait_that_nobody_can_wait_is_refused(
    client: DurableOrchestrationClient, name: str, value: object
) -> None:
    wait: Any = client.wait_for_completion_or_create_check_status_response
    with pytest.raises(UsageError, match=f"^{name} "):
        await wait(REQUEST, "i", **{name: value})


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        (
            "raise_event",
            ["instance_id", "event_name", "event_data", "task_hub_name", "connection_name"],
        ),
        ("terminate", ["instance_id", "reason"]),
        ("suspend", ["instance_id", "reason"]),
        ("resume", ["instance_id", "reason"]),
        ("rewind", ["instance_id", "reason", "task_hub_name", "connection_name"]),
        ("restart", ["instance_id", "restart_with_new_instance_id"]),
        ("purge_instance_history", ["instance_id"]),
        (
            "signal_entity",
            [
                *("entityId", "operation_name", "operation_input"),
                *("task_hub_name", "connection_name"),
            ],
        ),
        ("read_entity_state", ["entityId", "task_hub_name", "connection_name"]),
        (
            "purge_instance_history_by",
            ["created_time_from", "created_time_to", "runtime_status"],
        ),
    ],
)
def test_parameters_are_named_as_in_1_7(method: str, parameters: list[str]) -> None:
    found = inspect.signature(getattr(DurableOrchestrationClient, method)).parameters
    positional = [name for name, each in found.items() if each.kind is each.POSITIONAL_OR_KEYWORD]
    assert positional == ["self", *parameters]
