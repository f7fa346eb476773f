"""The functions the sample app shows to the Functions worker, against a checked-in list.

The real host is not on the development machine: what it would be told is compared here, and the
rules by which worker and host judge it (functions-host.md 1.1, 2.3, 3.3) are checked.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import re
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest
from azure.functions.decorators.function_app import Function

from durable import DFApp
from durable.errors import UsageError
from durable.host.index import index_app

ROOT = Path(__file__).parents[2]
EXPECTED = Path(__file__).parent / "data" / "bindings" / "sample_app.json"
DURABLE_TYPES = {"orchestrationtrigger", "activitytrigger", "entitytrigger", "durableclient"}
PARAMETER_TYPES = {
    "httpTrigger": func.HttpRequest,
    "queueTrigger": func.QueueMessage,
    "timerTrigger": func.TimerRequest,
}


@pytest.fixture(autouse=True)
def _in_the_apps_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in os.environ:
        if name.lower().startswith("azurefunctionsjobhost") or name == "AzureWebJobsScriptRoot":
            monkeypatch.delenv(name)
    yield
    sys.modules.pop("function_app", None)


@pytest.fixture
def functions() -> list[Function]:
    """What `get_functions()` of the sample app gives the worker."""
    sys.path.insert(0, str(ROOT))
    app = importlib.import_module("function_app").app
    assert isinstance(app, DFApp)
    return app.get_functions()


def bindings(function: Function) -> list[dict[str, Any]]:
    return [json.loads(raw) for raw in function.get_raw_bindings()]


def test_the_sample_apps_bindings(functions: list[Function]) -> None:
    shown = [{"name": f.get_function_name(), "bindings": bindings(f)} for f in functions]
    assert shown == json.loads(EXPECTED.read_text())


def test_every_process_shows_the_same(functions: list[Function]) -> None:
    again = index_app(ROOT).functions
    assert [f.get_function_name() for f in functions] == [f.name for f in again]
    assert [bindings(f) for f in functions] == [list(f.bindings) for f in again]


def test_no_durable_binding_reaches_the_host(functions: list[Function]) -> None:
    types = {binding["type"].lower() for f in functions for binding in bindings(f)}
    assert not types & DURABLE_TYPES
    assert types == {"httptrigger", "http", "queuetrigger", "timertrigger"}


def test_every_parameter_is_a_binding_and_every_binding_a_parameter(
    functions: list[Function],
) -> None:
    for function in functions:
        bound = {binding["name"] for binding in bindings(function)} - {"$return"}
        parameters = set(inspect.signature(function.get_user_function()).parameters)
        assert parameters == bound, function.get_function_name()


def test_annotations_can_be_read_and_fit_the_trigger(functions: list[Function]) -> None:
    for function in functions:
        hints = typing.get_type_hints(function.get_user_function())
        (trigger,) = (b for b in bindings(function) if b["type"].endswith("Trigger"))
        assert hints[trigger["name"]] is PARAMETER_TYPES[trigger["type"]]
        returned = func.HttpResponse if trigger["type"] == "httpTrigger" else type(None)
        assert hints["return"] is returned


def test_all_are_coroutine_functions_with_a_file(functions: list[Function]) -> None:
    # A plain def that returned a coroutine would be run in a thread and fail.
    for function in functions:
        assert inspect.iscoroutinefunction(function.get_user_function())
        assert Path(inspect.getfile(function.get_user_function())).is_file()


def test_names_and_routes_pass_the_hosts_rules(functions: list[Function]) -> None:
    names = [function.get_function_name() or "" for function in functions]
    assert all(re.fullmatch(r"[a-z][a-z0-9_\-]{0,127}", name, re.IGNORECASE) for name in names)
    assert len({name.lower() for name in names}) == len(names)
    assert "host" not in names
    for function in functions:
        for binding in bindings(function):
            route = str(binding.get("route", "")).strip("/").lower()
            assert not route.startswith(("admin", "runtime"))


def test_queue_triggers_are_binary_and_their_names_allow_a_poison_queue(
    functions: list[Function],
) -> None:
    queues = [b for f in functions for b in bindings(f) if b["type"] == "queueTrigger"]
    assert len(queues) == 5
    for binding in queues:
        assert binding["dataType"] == "BINARY"
        assert binding["connection"] == "AzureWebJobsStorage"
        assert binding["queueName"] == binding["queueName"].lower()
        assert len(binding["queueName"]) <= 56
        assert "%" not in binding["queueName"]


def test_get_functions_is_for_the_worker_alone() -> None:
    index_app(ROOT)
    with pytest.raises(UsageError, match="only once"):
        sys.modules["function_app"].app.get_functions()
