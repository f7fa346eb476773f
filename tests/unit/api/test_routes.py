from __future__ import annotations

import pytest

from durable.api.routes import (
    EVENT,
    FUNCTION,
    INSTANCE,
    KEY,
    MESSAGE,
    NAME,
    QUEUE,
    Operation,
    find_route,
)
from durable.errors import InvalidName


@pytest.mark.parametrize(
    ("method", "path", "operation", "variables"),
    [
        ("POST", "orchestrators/f", Operation.START, {FUNCTION: "f"}),
        ("POST", "/orchestrators/f/i", Operation.START, {FUNCTION: "f", INSTANCE: "i"}),
        ("GET", "/instances", Operation.LIST, {}),
        ("GET", "/instances/", Operation.LIST, {}),
        ("DELETE", "/instances", Operation.PURGE_MANY, {}),
        ("GET", "/INSTANCES/i", Operation.STATUS, {INSTANCE: "i"}),
        ("DELETE", "/instances/i", Operation.PURGE, {INSTANCE: "i"}),
        ("POST", "/instances/i/raiseEvent/e", Operation.RAISE_EVENT, {INSTANCE: "i", EVENT: "e"}),
        ("POST", "/instances/i/Terminate", Operation.TERMINATE, {INSTANCE: "i"}),
        ("POST", "/instances/i/suspend", Operation.SUSPEND, {INSTANCE: "i"}),
        ("POST", "/instances/i/resume", Operation.RESUME, {INSTANCE: "i"}),
        ("POST", "/instances/i/rewind", Operation.REWIND, {INSTANCE: "i"}),
        ("POST", "/instances/i/restart/", Operation.RESTART, {INSTANCE: "i"}),
        (
            "POST",
            "/instances/i/restartwithoptions",
            Operation.RESTART_WITH_OPTIONS,
            {INSTANCE: "i"},
        ),
        ("GET", "/entities", Operation.ENTITY_LIST, {}),
        ("GET", "/entities/n", Operation.ENTITY_LIST, {NAME: "n"}),
        ("GET", "/entities/n/k", Operation.ENTITY_STATE, {NAME: "n", KEY: "k"}),
        ("POST", "/entities/n", Operation.ENTITY_SIGNAL, {NAME: "n"}),
        ("POST", "/entities/n/k", Operation.ENTITY_SIGNAL, {NAME: "n", KEY: "k"}),
        ("DELETE", "/entities/n/k", Operation.ENTITY_DELETE, {NAME: "n", KEY: "k"}),
        ("GET", "/quarantine", Operation.QUARANTINE_LIST, {}),
        ("GET", "/quarantine/q/m", Operation.QUARANTINE_SHOW, {QUEUE: "q", MESSAGE: "m"}),
        ("DELETE", "/quarantine/q/m", Operation.QUARANTINE_DISCARD, {QUEUE: "q", MESSAGE: "m"}),
        ("POST", "/quarantine/q/m/replay", Operation.QUARANTINE_REPLAY, {QUEUE: "q", MESSAGE: "m"}),
        ("GET", "/makeprimary", Operation.MAKE_PRIMARY, {}),
        ("GET", "/openapi.json", Operation.OPENAPI, {}),
    ],
)
def test_routes(method: str, path: str, operation: Operation, variables: dict[str, str]) -> None:
    match = find_route(method, path)
    assert match is not None
    assert (match.operation, match.variables) == (operation, variables)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("GET", "/"),
        ("HEAD", "/instances/i"),
        ("OPTIONS", "/instances/i"),
        ("PUT", "/instances/i"),
        ("GET", "/instances/i/terminate"),
        ("GET", "/instances//"),
        ("POST", "/instances//terminate"),
        ("POST", "/instances/i/raiseEvent"),
        ("POST", "/instances/i/raiseEvent/a/b"),
        ("POST", "/orchestrators"),
        ("GET", "/orchestrators/f"),
        ("POST", "/orchestrators/f/i/x"),
        ("GET", "/quarantine/q"),
        ("POST", "/quarantine/q/m"),
        ("PUT", "/quarantine/q/m"),
        ("GET", "/quarantine/q/m/replay"),
        ("GET", "/runtime"),
    ],
)
def test_anything_else_is_no_route(method: str, path: str) -> None:
    assert find_route(method, path) is None


@pytest.mark.parametrize(
    ("segment", "instance_id"),
    [
        ("a%20b", "a b"),
        ("a+b", "a+b"),
        ("a%2Fb", "a/b"),
        ("a%252Fb", "a%2Fb"),
        ("%C3%A5", "å"),
        ("100%", "100%"),
        ("@counter@k", "@counter@k"),
    ],
)
def test_ids_are_decoded_exactly_once(segment: str, instance_id: str) -> None:
    match = find_route("GET", f"/instances/{segment}")
    assert match is not None
    assert match.variables[INSTANCE] == instance_id


def test_what_is_no_utf8_is_refused() -> None:
    with pytest.raises(InvalidName, match="UTF-8"):
        find_route("GET", "/instances/%FF")


def test_a_token_opens_routes_below_its_instance_but_no_start() -> None:
    status, start = find_route("GET", "/instances/i"), find_route("POST", "/orchestrators/f/i")
    listing = find_route("GET", "/instances")
    elsewhere = find_route("POST", "/instances/i/restartWithOptions")
    assert elsewhere is not None
    assert elsewhere.instance_scope is None
    assert status is not None
    assert start is not None
    assert listing is not None
    scopes = (status.instance_scope, start.instance_scope, listing.instance_scope)
    assert scopes == ("i", None, None)
