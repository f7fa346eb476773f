"""Clients of the own hub and of another app's, in coroutine functions and in plain ones."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import AsyncIterator
from pathlib import Path

import azure.functions as func
import pytest

import durable as df
from durable.functions.injection import SyncClient
from tests.conformance.conformance import covers
from tests.unit.functions.two_apps import OVERRIDE, App, request, two_apps

Apps = tuple[App, App]
THERE = {"task_hub_name": "%OTHER_HUB%", "connection_name": "%OTHER_STORAGE%"}
FUNCTIONS = ["own", "other", "own_plain", "other_plain"]


@pytest.fixture
async def apps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Apps]:
    async with two_apps(tmp_path, monkeypatch) as made:
        yield made


def serving(apps: Apps, function: str) -> App:
    """The app whose hub the client of `function` is of."""
    front, worker = apps
    return worker if function.startswith("other") else front


@pytest.mark.parametrize("function", FUNCTIONS)
async def test_every_method_of_a_client(apps: Apps, function: str) -> None:
    app, serves = apps[0], serving(apps, function)
    do = app.client
    status = df.OrchestrationRuntimeStatus
    assert await do(function, "start_new", "Wait", "one", "in") == "one"
    await serves.pump()
    begun = await do(function, "wait_for_orchestration_start", "one")
    assert (begun.runtime_status, begun.input_) == (status.Running, "in")

    await do(function, "suspend", "one", "a break")
    await serves.pump()
    assert (await do(function, "get_status", "one")).runtime_status is status.Suspended
    await do(function, "raise_event", "one", "go", {"a": 1})
    await do(function, "resume", "one", "go on")
    await serves.pump()
    done = await do(function, "wait_for_orchestration_completion", "one", timeout=5)
    assert done.output == ["in", {"a": 1}]
    waited = await do(
        function, "wait_for_completion_or_create_check_status_response", None, "one", 1000, 100
    )
    assert (waited.status_code, json.loads(waited.get_body())) == (200, ["in", {"a": 1}])

    assert await do(function, "restart", "one", False) == "one"
    await serves.pump()
    await do(function, "terminate", "one", "enough")
    await serves.pump()
    ended = await do(function, "get_status", "one", show_history=True)
    assert (ended.runtime_status, ended.output) == (status.Terminated, "enough")
    assert ended.history[-1]["OrchestrationStatus"] == "Terminated"

    await do(function, "start_new", "Wait", "two")
    listed = await do(function, "get_status_by", instance_id_prefix="t")
    assert [each.instance_id for each in listed] == ["two"]
    assert len(await do(function, "get_status_all")) == 2
    check = await do(function, "create_check_status_response", None, "one")
    assert check.status_code == 202
    assert json.loads(check.get_body()) == await do(
        function, "get_client_response_links", None, "one"
    )
    assert (await do(function, "purge_instance_history", "one")).instances_deleted == 1
    await do(function, "terminate", "two", "enough")
    await serves.pump()
    assert (await do(function, "purge_instance_history", "two")).instances_deleted == 1
    assert await do(function, "get_status_all") == []


def test_no_method_of_a_plain_functions_client_needs_await() -> None:
    """Whatever methods the client has: each is called by the plain functions above, or waits."""
    loop = asyncio.new_event_loop()
    bridge = SyncClient(object.__new__(df.DurableOrchestrationClient), loop)
    loop.close()
    names = [
        name
        for name, _ in inspect.getmembers(df.DurableOrchestrationClient, callable)
        if not name.startswith("_")
    ]
    assert {"start_new", "raise_event", "purge_instance_history_by"} <= set(names)
    assert [name for name in names if inspect.iscoroutinefunction(getattr(bridge, name))] == []


@pytest.mark.parametrize("function", ["own_plain", "other_plain"])
async def test_errors_reach_a_plain_function(apps: Apps, function: str) -> None:
    do = apps[0].client
    with pytest.raises(df.InstanceNotFound, match="'nobody'"):
        await do(function, "terminate", "nobody", "x")
    with pytest.raises(df.InvalidName, match="instance_id"):
        await do(function, "get_status", "")
    with pytest.raises(AttributeError, match="nonsense"):
        await do(function, "nonsense")


async def test_many_plain_functions_at_once(apps: Apps) -> None:
    front, _ = apps
    async with asyncio.TaskGroup() as tasks:
        for number in range(20):
            tasks.create_task(front.client("own_plain", "start_new", "Wait", f"i{number}"))
    assert len(await front.client("own", "get_status_all")) == 20


@covers("dtfx-8.7-73")
async def test_a_call_may_name_another_hub(apps: Apps) -> None:
    front, worker = apps
    for function in ("own", "own_plain"):
        await front.client("other", "start_new", "Wait", function)
        await worker.pump()
        with pytest.raises(df.InstanceNotFound):
            await front.client(function, "raise_event", function, "go", 1)
        await front.client(function, "raise_event", function, "go", 7, **THERE)
        await worker.pump()
        assert (await front.client("other", "get_status", function)).output == [None, 7]


@covers("dtfx-8.7-104")
async def test_events_of_several_names_reach_a_loop_on_another_hub(apps: Apps) -> None:
    front, worker = apps
    await front.client("other", "start_new", "Count", "there")
    await worker.pump()
    for event in ("incr", "INCR", "done"):
        await front.client("own", "raise_event", "there", event, None, **THERE)
        await worker.pump()
    assert (await front.client("other", "get_status", "there")).output == 2


@pytest.mark.parametrize("function", ["own", "own_plain"])
async def test_a_call_names_a_hub_that_there_can_be(apps: Apps, function: str) -> None:
    front, _ = apps
    with pytest.raises(df.BadConfig, match="'Nowhere'"):
        await front.client(function, "raise_event", "i", "go", 1, connection_name="Nowhere")
    with pytest.raises(df.BadConfig, match="Hub name 'a-b'"):
        await front.client(function, "raise_event", "i", "go", 1, task_hub_name="a-b")
    with pytest.raises(df.BadConfig, match=r"task_hub is '%NONE%'.*no app setting 'NONE'"):
        await front.client(function, "raise_event", "i", "go", 1, task_hub_name="%NONE%")
    assert await front.client("own", "get_status_all") == []


@pytest.mark.parametrize("function", FUNCTIONS)
async def test_links_are_accepted_by_the_api_that_they_lead_to(apps: Apps, function: str) -> None:
    front, serves = apps[0], serving(apps, function)
    await front.client(function, "start_new", "Wait", "one", 1)
    await serves.pump()
    links = await front.client(function, "create_http_management_payload", "one")
    hub, connection = ("OtherHub", "Second") if serves is not front else ("TheHub", "Storage")
    status = links["statusQueryGetUri"]
    assert f"?taskHub={hub}&connection={connection}&code=" in status
    assert status.startswith("https://app.example/api/durabletask/instances/one?")
    assert (await front.api(status)).status_code == 202
    # The app whose hub it is serves it too: the key is the hub's own.
    assert (await serves.api(status)).status_code == 202
    for link in ("suspendPostUri", "resumePostUri", "sendEventPostUri"):
        assert (await front.api(links[link], "POST")).status_code == 202, link
        await serves.pump()
    done = await front.api(status)
    assert json.loads(done.get_body())["output"] == [1, 1]
    assert (await front.api(links["restartPostUri"], "POST")).status_code == 202
    assert (await front.api(links["purgeHistoryDeleteUri"], "DELETE")).status_code == 200
    assert (await front.api(status)).status_code == 404


async def test_a_token_of_one_hub_opens_no_other(apps: Apps) -> None:
    front, _ = apps
    for function in ("own", "other"):
        await front.client(function, "start_new", "Wait", "one")
    own = await front.client("own", "create_http_management_payload", "one")
    other = await front.client("other", "create_http_management_payload", "one")
    code = own["statusQueryGetUri"].partition("code=")[2]
    forged = other["statusQueryGetUri"].partition("code=")[0] + code
    assert (await front.api(forged)).status_code == 401


async def test_the_api_serves_no_hub_that_the_app_does_not_use(apps: Apps) -> None:
    front, worker = apps
    links = await front.client("other", "create_http_management_payload", "one")
    status = links["statusQueryGetUri"]
    for url in (
        status.replace("taskHub=OtherHub", "taskHub=Another"),
        status.replace("connection=Second", "connection=Storage"),
        status.replace("connection=Second", "connection=Third"),
    ):
        assert (await front.api(url)).status_code == 401  # a link's holder learns no hub's name
    assert (await worker.api(status.replace("OtherHub", "TheHub"))).status_code == 401
    spelled = status.replace("OtherHub", "OTHERHUB").replace("Second", "AzureWebJobsSECOND")
    assert (await front.api(spelled)).status_code == 404


@covers("dtfx-8.7-2")
async def test_an_app_of_clients_only_is_a_front_end_of_the_app_that_runs_the_hub(
    apps: Apps, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, worker = apps
    app = df.DFApp()

    @app.route(route="x")
    @app.durable_client_input(client_name="client")
    async def begin(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> str:
        return await client.start_new("Wait", "from-the-front", "in")

    monkeypatch.setenv(f"{OVERRIDE}hubName", "OtherHub")
    monkeypatch.setenv(f"{OVERRIDE}storageProvider__connectionName", "Second")
    # Its host.json says one partition; the hub has three.
    shown = {each.get_function_name(): each.get_user_function() for each in app.get_functions()}
    assert await shown["begin"](req=request()) == "from-the-front"
    await app.close()
    await worker.pump()
    found = await apps[0].client("other", "get_status", "from-the-front")
    assert found.runtime_status is df.OrchestrationRuntimeStatus.Running


async def test_a_request_tells_a_plain_function_where_the_app_is(apps: Apps) -> None:
    app = df.DFApp()
    made: list[dict[str, str]] = []

    @app.route(route="x")
    @app.durable_client_input(client_name="client")
    def ask(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> None:
        made.append(client.get_client_response_links(req, "i"))

    shown = {each.get_function_name(): each.get_user_function() for each in app.get_functions()}
    await asyncio.to_thread(shown["ask"], req=request())
    await app.close()
    assert made[0]["statusQueryGetUri"].startswith("http://here/api/durabletask/instances/i?")
