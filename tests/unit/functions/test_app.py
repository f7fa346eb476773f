"""DFApp and Blueprint: what is collected, what the worker gets, what is refused."""

from __future__ import annotations

import inspect
import json
import logging
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest

import durable as df
from durable.authoring.definitions import FunctionKind
from durable.errors import AlreadyRegistered, BadConfig, UsageError


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The app's folder."""
    settings = {
        "extensions": {
            "queues": {"messageEncoding": "none"},
            "durableTask": {"hubName": "TheHub", "storageProvider": {"partitionCount": 2}},
        }
    }
    (tmp_path / "host.json").write_text(json.dumps(settings))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AzureWebJobsScriptRoot", raising=False)
    return tmp_path


def hello(name: str) -> str:
    return f"Hello {name}"


def sequence(context: df.DurableOrchestrationContext) -> Generator[object, object, None]:
    yield context.call_activity("hello", "x")


def counter(context: object) -> None: ...


async def starter(
    req: func.HttpRequest, client: df.DurableOrchestrationClient
) -> func.HttpResponse:
    return func.HttpResponse()


def names(app: df.DFApp) -> list[str]:
    return [str(function.get_function_name()) for function in app.get_functions()]


ENGINE = ["durable_control_00", "durable_control_01", "durable_workitems", "durable_sweeper"]


def test_durable_functions_are_registered_and_not_shown_to_the_host() -> None:
    app = df.DFApp()
    app.orchestration_trigger(context_name="context", input_type=int)(sequence)
    app.activity_trigger(input_name="name", activity="Greet")(hello)
    app.function_name("Counter")(app.entity_trigger(context_name="context")(counter))
    assert names(app) == [*ENGINE, "durable_api"]
    assert app.registry.orchestrator_names == ("sequence",)
    assert app.registry.activity_names == ("Greet",)
    assert app.registry.entity_names == ("Counter",)
    orchestrator = app.registry.orchestrator("sequence")
    assert (orchestrator.function, orchestrator.context_name) == (sequence, "context")
    assert orchestrator.input_type is int
    assert app.registry.activity("greet").input_name == "name"


def test_an_app_without_durable_functions_gets_none_of_ours(folder: Path) -> None:
    (folder / "host.json").unlink()
    app = df.DFApp()

    @app.route(route="x")
    def plain(req: func.HttpRequest) -> str:
        return ""

    assert names(app) == ["plain"]


def test_an_app_of_clients_only_takes_no_messages() -> None:
    app = df.DFApp()
    app.route(route="x")(app.durable_client_input(client_name="client")(starter))
    assert names(app) == ["starter", "durable_api"]


@pytest.mark.parametrize("named_first", [True, False])
def test_the_order_of_decorators_is_free(named_first: bool) -> None:
    app = df.DFApp()
    name, activity = app.function_name("Named"), app.activity_trigger(input_name="name")
    handle = activity(name(hello)) if named_first else name(activity(hello))
    route, client = app.route(route="x"), app.durable_client_input(client_name="client")
    start = client(route(starter)) if named_first else route(client(starter))
    assert (handle.name, start.name) == ("Named", "starter")
    assert names(app) == ["starter", *ENGINE, "durable_api"]
    assert app.registry.activity(handle).name == "Named"


def test_the_durable_decorators_name_wins() -> None:
    app = df.DFApp()
    decorate = app.orchestration_trigger(context_name="context", orchestration="Own")
    handle = app.function_name("Other")(decorate(sequence))
    assert handle.name == "Own"


def test_the_decorated_name_reaches_the_users_function() -> None:
    app = df.DFApp()
    activity = app.activity_trigger(input_name="name")(hello)
    orchestrator = app.orchestration_trigger(context_name="context")(sequence)
    entity = app.entity_trigger(context_name="context")(counter)
    client = app.route(route="x")(app.durable_client_input(client_name="client")(starter))
    assert activity("you") == "Hello you"
    assert (activity.kind, client.kind) == (FunctionKind.ACTIVITY, None)
    assert activity.activity_function is hello
    assert orchestrator.orchestrator_function is sequence
    assert entity.entity_function is counter
    assert client.client_function is starter
    # As unit tests for azure-functions-durable reach it.
    shown: Any = orchestrator.build().get_user_function()
    assert shown.orchestrator_function is sequence
    shown = client.build().get_user_function()
    assert shown.client_function is starter
    for handle, attribute in (
        (activity, "orchestrator_function"),
        (orchestrator, "client_function"),
        (client, "entity_function"),
    ):
        with pytest.raises(AttributeError, match=f"no {attribute}"):
            getattr(handle, attribute)


class Account(df.EntityBase):
    def get(self) -> int:
        return 1


@pytest.mark.parametrize("named_first", [True, False])
def test_a_class_may_be_an_entity_and_stays_a_class(named_first: bool) -> None:
    app, blueprint = df.DFApp(), df.Blueprint()
    kept = blueprint.entity_trigger()(Account)
    named = app.function_name("Named")
    if named_first:
        app.entity_trigger(context_name="context")(named(Account))
    else:
        assert app.entity_trigger(entity_name="Named")(Account) is Account
    app.register_functions(blueprint)
    assert kept is Account
    assert not hasattr(Account, "entity_function")
    assert names(app) == [*ENGINE, "durable_api"]
    assert app.registry.entity_names == ("Named", "Account")
    assert app.registry.entity(Account).function is Account


def test_a_class_that_breaks_a_rule_is_told_when_the_app_is_indexed() -> None:
    class Wrong:
        def add(self, one: int, two: int) -> None: ...

    app = df.DFApp()
    app.entity_trigger()(Wrong)
    with pytest.raises(UsageError, match="takes more than one argument"):
        app.get_functions()


def test_a_bound_method_may_be_an_activity() -> None:
    class Greeter:
        def greet(self, name: str) -> str:
            return f"Hi {name}"

    app = df.DFApp()
    assert app.activity_trigger(input_name="name")(Greeter().greet)("you") == "Hi you"


def test_a_blueprint_brings_its_functions() -> None:
    blueprint = df.Blueprint()
    blueprint.activity_trigger(input_name="name")(hello)
    blueprint.route(route="x")(blueprint.durable_client_input(client_name="client")(starter))
    app = df.DFApp()
    app.orchestration_trigger(context_name="context")(sequence)
    app.register_functions(blueprint)
    plain = func.Blueprint()  # type: ignore[no-untyped-call]

    @plain.route(route="y")
    def other(req: func.HttpRequest) -> str:
        return ""

    app.register_blueprint(plain)
    assert names(app) == ["starter", "other", *ENGINE, "durable_api"]
    assert app.registry.activity_names == ("hello",)


def test_a_plain_function_app_says_that_it_cannot_run_durable_functions() -> None:
    blueprint = df.Blueprint()
    blueprint.activity_trigger(input_name="name")(hello)
    app = func.FunctionApp()
    app.register_functions(blueprint)
    with pytest.raises(UsageError, match=r"Make the app a df\.DFApp\(\)"):
        app.get_functions()


def test_a_plain_function_app_runs_a_blueprints_other_functions() -> None:
    blueprint = df.Blueprint()

    @blueprint.route(route="y")
    def other(req: func.HttpRequest) -> str:
        return ""

    app = func.FunctionApp()
    app.register_functions(blueprint)
    assert [function.get_function_name() for function in app.get_functions()] == ["other"]


def test_two_activities_of_one_name() -> None:
    app = df.DFApp()
    app.activity_trigger(input_name="name")(hello)
    app.activity_trigger(input_name="name", activity="HELLO")(lambda name: name)
    with pytest.raises(AlreadyRegistered, match="HELLO"):
        app.get_functions()


def test_get_functions_once() -> None:
    app = df.DFApp()
    app.activity_trigger(input_name="name")(hello)
    app.get_functions()
    with pytest.raises(UsageError, match="only once"):
        app.get_functions()


def test_settings_that_break_a_rule_stop_indexing(folder: Path) -> None:
    (folder / "host.json").write_text('{"extensions": {"durableTask": {"hubName": "no"}}}')
    app = df.DFApp()
    app.activity_trigger(input_name="name")(hello)
    with pytest.raises(BadConfig, match="Hub name 'no'"):
        app.get_functions()


def test_host_json_may_be_beside_the_code(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    code = compile("def beside(name): ...", str(folder / "function_app.py"), "exec")
    scope: dict[str, Callable[..., object]] = {}
    exec(code, scope)
    app = df.DFApp()
    app.activity_trigger(input_name="name")(scope["beside"])
    assert names(app) == [*ENGINE, "durable_api"]


@pytest.mark.parametrize("binding_first", [True, False])
def test_an_activity_with_another_binding_is_refused_with_the_alternative(
    binding_first: bool,
) -> None:
    app = df.DFApp()
    activity = app.activity_trigger(input_name="name")
    blob = app.blob_output(arg_name="out", path="x", connection="c")
    with pytest.raises(UsageError, match=r"Activity 'hello'.*'blob'.*'out'.*BlobClient"):
        activity(blob(hello)) if binding_first else blob(activity(hello))


def test_an_orchestrator_with_a_trigger_is_refused() -> None:
    app = df.DFApp()
    with pytest.raises(UsageError, match="Do it in an activity"):
        app.route(route="x")(app.orchestration_trigger(context_name="context")(sequence))


@pytest.mark.parametrize("client_first", [True, False])
def test_a_durable_function_with_a_client_is_refused(client_first: bool) -> None:
    app = df.DFApp()
    mark = app.activity_trigger(input_name="req")
    client = app.durable_client_input(client_name="client")
    with pytest.raises(UsageError, match="cannot have durable_client_input"):
        mark(client(starter)) if client_first else client(mark(starter))


def test_one_function_is_one_thing() -> None:
    app = df.DFApp()
    with pytest.raises(UsageError, match="is an activity already"):
        app.entity_trigger(context_name="name")(app.activity_trigger(input_name="name")(hello))


def test_a_client_parameter_that_is_not_there() -> None:
    app = df.DFApp()
    with pytest.raises(UsageError, match="no parameter 'starter'"):
        app.durable_client_input(client_name="starter")(starter)


def test_decorators_of_two_apps_do_not_mix() -> None:
    one, other = df.DFApp(), df.DFApp()
    with pytest.raises(UsageError, match="all be of one app"):
        other.function_name("x")(one.activity_trigger(input_name="name")(hello))


def test_a_decorator_wants_a_function() -> None:
    with pytest.raises(UsageError, match="no function"):
        df.DFApp().activity_trigger(input_name="name")(3)  # type: ignore[arg-type]


def test_the_hosts_retry_decorator_is_told_to_do_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = df.DFApp()
    with caplog.at_level(logging.WARNING):
        app.retry(strategy="fixed_delay", max_retry_count="3")(
            app.activity_trigger(input_name="name")(hello)
        )
    assert "call_activity_with_retry" in caplog.text


def test_the_worker_sees_no_client_parameter() -> None:
    app = df.DFApp()
    app.route(route="x")(app.durable_client_input(client_name="client")(starter))
    shown = app.get_functions()[0].get_user_function()
    assert list(inspect.signature(shown).parameters) == ["req"]
    assert set(shown.__annotations__) == {"req", "return"}
    assert inspect.iscoroutinefunction(shown)


def test_the_public_names_are_sorted_and_there() -> None:
    assert df.__all__ == sorted(df.__all__)
    assert all(hasattr(df, name) for name in df.__all__)
