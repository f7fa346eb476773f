"""Client functions keep whatever other bindings they have."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest
from azure.functions.decorators.function_app import Function

import durable as df
from durable.functions import app as app_module
from durable.storage.azure.account import account_config
from durable.storage.memory import MemoryAccount
from tests.manual_clock import ManualClock

Decorate = Callable[[Any, Any], Any]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, manual_clock: ManualClock) -> None:
    account = MemoryAccount(manual_clock)

    def open_account(environ: Any, connection_name: str) -> MemoryAccount:
        account_config(environ, connection_name)
        return account

    settings = {"extensions": {"durableTask": {"hubName": "TheHub"}}}
    (tmp_path / "host.json").write_text(json.dumps(settings))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AzureWebJobsScriptRoot", raising=False)
    monkeypatch.setenv("AZURE_FUNCTIONS_ENVIRONMENT", "Development")
    monkeypatch.setenv("AzureWebJobsStorage", "UseDevelopmentStorage=true")
    monkeypatch.setattr(app_module, "_open_account", open_account)


def timer(app: Any, function: Any) -> Any:
    return app.timer_trigger(arg_name="trigger", schedule="0 0 * * * *")(function)


def queue(app: Any, function: Any) -> Any:
    decorated = app.queue_trigger(arg_name="trigger", queue_name="q", connection="C")(function)
    return app.retry(strategy="fixed_delay", max_retry_count="3", delay_interval="00:00:05")(
        decorated
    )


def http(app: Any, function: Any) -> Any:
    return app.route(
        route="x/{id}", methods=["POST"], auth_level="anonymous", trigger_arg_name="trigger"
    )(function)


def blob(app: Any, function: Any) -> Any:
    return app.blob_trigger(arg_name="trigger", path="in/{name}", connection="C")(function)


def service_bus(app: Any, function: Any) -> Any:
    return app.service_bus_topic_trigger(
        arg_name="trigger", topic_name="t", subscription_name="s", connection="C"
    )(function)


def generic(app: Any, function: Any) -> Any:
    return app.generic_trigger(arg_name="trigger", type="eventGridTrigger")(function)


def with_others(app: Any, function: Any) -> Any:
    """Inputs and outputs of other services."""
    function = app.blob_input(arg_name="blob", path="in/{id}", connection="C")(function)
    function = app.queue_output(arg_name="message", queue_name="out", connection="C")(function)
    return app.table_output(arg_name="row", table_name="t", connection="C")(function)


async def coroutine(trigger: Any, blob: Any, message: Any, row: Any, client: Any) -> object:
    message.set(f"started {await client.start_new('whatever', blob)}")
    row.set(trigger)
    return client.task_hub_name


def plain(trigger: Any, blob: Any, message: Any, row: Any, client: Any) -> object:
    message.set(f"started {client.start_new('whatever', blob)}")
    row.set(trigger)
    return client.task_hub_name


def without_client(trigger: Any, blob: Any, message: Any, row: Any) -> None: ...


def indexed(app: Any, name: str) -> Function:
    found: list[Function] = [f for f in app.get_functions() if f.get_function_name() == name]
    return found[0]


@pytest.mark.parametrize("trigger", [timer, queue, http, blob, service_bus, generic])
@pytest.mark.parametrize("where", ["first", "middle", "last"])
@pytest.mark.parametrize("function", [coroutine, plain])
async def test_a_client_function_has_the_bindings_of_one_without_a_client(
    trigger: Decorate, where: str, function: Any
) -> None:
    app = df.DFApp()
    client = app.durable_client_input(client_name="client")
    decorated: Any = function
    if where == "first":
        decorated = client(decorated)
    decorated = with_others(app, decorated)
    if where == "middle":
        decorated = client(decorated)
    decorated = trigger(app, decorated)
    if where == "last":
        decorated = client(decorated)
    app.function_name("it")(decorated)
    ours = indexed(app, "it")

    plain_app = func.FunctionApp()
    plain_app.function_name("it")(trigger(plain_app, with_others(plain_app, without_client)))
    theirs = indexed(plain_app, "it")

    assert ours.get_bindings_dict() == theirs.get_bindings_dict()
    assert ours.get_settings_dict("retry_policy") == theirs.get_settings_dict("retry_policy")
    shown = ours.get_user_function()
    bound = {each.name for each in ours.get_bindings() if each.name != "$return"}
    assert set(inspect.signature(shown).parameters) == bound


class Out:
    """What the worker passes for an output."""

    value: Any = None

    def set(self, value: Any) -> None:
        self.value = value


@pytest.mark.parametrize("function", [coroutine, plain])
async def test_what_the_worker_passes_arrives_beside_the_client(function: Any) -> None:
    app = df.DFApp()
    client = app.durable_client_input(client_name="client")
    app.function_name("it")(timer(app, with_others(app, client(function))))
    shown = indexed(app, "it").get_user_function()
    given: dict[str, Any] = {"trigger": "now", "blob": "i-1", "message": Out(), "row": Out()}
    if inspect.iscoroutinefunction(shown):
        answer = await shown(**given)
    else:
        answer = await asyncio.to_thread(shown, **given)
    await app.close()
    assert answer == "TheHub"
    assert (given["message"].value, given["row"].value) == ("started i-1", "now")
