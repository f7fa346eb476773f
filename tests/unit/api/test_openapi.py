"""The OpenAPI document: valid, complete, and made from what serves."""

from __future__ import annotations

from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from durable.api import handlers
from durable.api.contract import CONTRACTS
from durable.api.openapi import document
from durable.api.routes import ROUTES, Operation, find_route
from tests.api_contract import published
from tests.unit.api.conftest import BASE, KEY, Caller, json_of


async def test_it_is_served_to_everybody(guarded: Caller) -> None:
    answer = await guarded.ask("GET", "/openapi.json")
    assert answer.status == 200
    found = json_of(answer)
    assert found == published()
    assert found["servers"] == [{"url": BASE}]
    assert KEY.encode() not in answer.body


@pytest.mark.slow
def test_it_is_a_valid_openapi_document() -> None:
    assert list(OpenAPIV31SpecValidator(published()).iter_errors()) == []
    broken = {**published(), "paths": {"/x": {"get": {"responses": {"200": {}}}}}}
    assert list(OpenAPIV31SpecValidator(broken).iter_errors()) != []


async def test_it_creates_nothing_and_asks_nobody(guarded: Caller) -> None:
    await guarded.ask("GET", "/openapi.json?taskHub=NoSuch&connection=NoSuch")
    assert await guarded.hub.account.tables.list_tables("") == []
    assert await guarded.hub.account.blobs.list_containers("") == []


def test_a_key_is_asked_for_where_one_is() -> None:
    assert document(BASE, asks_for_key=True)["security"] == [{"code": []}, {"key": []}]
    assert document(BASE, asks_for_key=False)["security"] == []
    assert published()["paths"]["/openapi.json"]["get"]["security"] == []


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (verb.upper(), path, node)
        for path, item in published()["paths"].items()
        for verb, node in item.items()
    ]


def test_every_route_is_in_it_and_everything_in_it_is_a_route() -> None:
    served = {(verb, "/" + "/".join(path)) for verbs, path, _ in ROUTES for verb in verbs}
    assert {(verb, path) for verb, path, _ in operations()} == served
    for verb, path, _ in operations():
        assert find_route(verb, path.replace("{", "").replace("}", "")) is not None


def test_every_operation_is_described() -> None:
    assert CONTRACTS.keys() == set(Operation)
    for verb, path, node in operations():
        variables = {part.strip("{}") for part in path.split("/") if part.startswith("{")}
        named = {each["name"] for each in node["parameters"] if each["in"] == "path"}
        assert variables == named, (verb, path)
        assert node["summary"].endswith("."), (verb, path)
        assert all(each.get("description") for each in node["parameters"] if each["in"] != "path")


def test_every_operation_has_a_handler() -> None:
    assert handlers.served() == set(Operation) - {Operation.OPENAPI}


def test_a_body_that_may_be_any_text_says_so() -> None:
    signal = published()["paths"]["/entities/{entityName}/{entityKey}"]["post"]["requestBody"]
    assert signal["content"].keys() == {"application/json", "*/*"}
    start = published()["paths"]["/orchestrators/{functionName}"]["post"]["requestBody"]
    assert start["content"].keys() == {"application/json"}


@pytest.mark.parametrize("name", ["top", "showInput", "showHistory", "restartWithNewInstanceId"])
def test_defaults_are_those_that_are_used(name: str) -> None:
    documented = {
        parameter.name: parameter for made in CONTRACTS.values() for parameter in made.parameters
    }
    assert documented[name].schema["default"] == documented[name].default
