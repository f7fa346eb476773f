"""Who may do what over HTTP: every route and every generated function, with every wrong key."""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import azure.functions as func
import pytest

import durable as df
from durable.api.keys import HubKeys
from durable.api.routes import INSTANCE, ROUTES, Operation, find_route
from durable.clock import SystemClock
from durable.errors import InvalidName
from durable.functions.config import config_from
from durable.functions.opening import HubOpening
from durable.hostjson import parse_host_json
from durable.hub.settings import HubSettings
from durable.hub.taskhub import TaskHub
from durable.model.status import RuntimeStatus
from durable.storage.memory import MemoryAccount
from tests.manual_clock import ManualClock
from tests.security.hostile import ANYTHING
from tests.unit.api.conftest import KEY, Caller, make_caller

Route = tuple[str, str, Operation]


def _url(pattern: tuple[str, ...], instance_id: str) -> str:
    filled = [instance_id if p == INSTANCE else "x" if p.startswith("{") else p for p in pattern]
    return "/" + "/".join(quote(part, safe="") for part in filled)


def _routes(instance_id: str = "mine") -> list[Route]:
    return [
        (method, _url(pattern, instance_id), operation)
        for methods, pattern, operation in ROUTES
        for method in sorted(methods)
        if operation is not Operation.OPENAPI
    ]


async def _caller() -> Caller:
    hub = TaskHub(MemoryAccount(ManualClock()), HubSettings(name="Hub1"), ManualClock())
    caller = make_caller(hub, require_key=True)
    await caller.insert("mine", RuntimeStatus.RUNNING)
    await caller.access.keys(hub).load()
    return caller


async def _bad_keys(caller: Caller) -> list[str | None]:
    """Whatever is no key of the hub, and no token of instance `mine`."""
    keys = caller.access.keys(caller.hub)
    other_hub = HubKeys(
        TaskHub(caller.hub.account, HubSettings(name="Hub2"), caller.hub.clock),
        configured=KEY,
        required=True,
    )
    await other_hub.load()
    token = keys.token("mine")
    return [
        None, "", " ", "null", "None", "*", KEY[:-1], KEY + "x", KEY.upper(), f" {KEY}", f"{KEY} ",
        f"{KEY},{KEY}", f"{KEY},", f",{KEY}", f"{KEY}\0", f"{KEY}\n", KEY.encode().hex(), "\ud800",
        "é" * 5000, token[:-1], token + "=", token.lower(), f"{token},{token}", token[::-1],
        keys.token("other"), keys.token(""), keys.token("mine "), keys.token("Mine"),
        keys.token("mine/"), other_hub.token("mine"), other_hub.token(""),
    ]  # fmt: skip


def _ways(key: str | None) -> list[tuple[str, Mapping[str, str]]]:
    """A key in the query, in the header, and in the header beside a right one in the query."""
    if key is None:
        return [("", {}), ("?code", {}), ("?Code=" + KEY, {}), ("?x-functions-key=" + KEY, {})]
    in_header = {"x-functions-key": key}
    code = quote(key, safe="", errors="surrogatepass")
    ways: list[tuple[str, Mapping[str, str]]] = [(f"?code={code}", {}), ("", in_header)]
    # As with the host, a wrong header beats a right code; an empty one is none.
    return [*ways, (f"?code={KEY}", in_header)] if key else ways


async def test_no_route_lets_anybody_in_without_a_right_key() -> None:
    caller = await _caller()
    before = await caller.hub.instances.read("mine")
    for key in await _bad_keys(caller):
        for arguments, headers in _ways(key):
            for method, url, operation in _routes():
                answer = await caller.ask(method, url + arguments, b"{}", headers)
                assert answer.status == 401, (key, method, url, operation)
                assert not answer.body
                assert not answer.headers
    assert await caller.hub.instances.read("mine") == before


async def test_a_token_opens_its_instances_routes_and_no_others() -> None:
    caller = await _caller()
    keys = caller.access.keys(caller.hub)
    opened: set[Operation] = set()
    for method, url, operation in _routes():
        for arguments, headers in _ways(keys.token("mine"))[:2]:
            answer = await caller.ask(method, url + arguments, b"{}", headers)
            if answer.status != 401:
                opened.add(operation)
    assert opened == {
        Operation.STATUS,
        Operation.PURGE,
        Operation.RAISE_EVENT,
        Operation.TERMINATE,
        Operation.SUSPEND,
        Operation.RESUME,
        Operation.REWIND,
        Operation.RESTART,
    }


async def test_the_hubs_key_opens_every_route_in_either_place() -> None:
    for arguments, headers in ((f"?code={KEY}", {}), ("", {"x-functions-key": KEY})):
        for method, url, _operation in _routes():
            caller = await _caller()
            answer = await caller.ask(method, url + arguments, b"{}", headers)
            assert answer.status != 401, url


@pytest.mark.parametrize("tried", ANYTHING)
async def test_no_spelling_of_a_path_takes_a_token_to_another_instance(tried: str) -> None:
    caller = await _caller()
    token = caller.access.keys(caller.hub).token("mine")
    for path in (
        f"/instances/{quote(tried, safe='')}",
        f"/instances/mine%2F..%2F{quote(tried, safe='')}",
        f"/instances/mine/../{quote(tried, safe='')}",
        f"/instances/{quote(tried, safe='')}/terminate",
        f"//instances/{quote(tried, safe='')}",
        f"/Instances/{quote(tried, safe='')}/",
        f"/instances/mine%00{quote(tried, safe='')}",
    ):
        match = find_route("GET", path) or find_route("POST", path)
        assert match is None or match.variables[INSTANCE] != "mine"
        for method in ("GET", "POST", "DELETE"):
            answer = await caller.ask(method, f"{path}?code={token}")
            assert answer.status in {401, 404}, path


async def test_a_path_that_is_no_utf8_says_so_and_nothing_else() -> None:
    with pytest.raises(InvalidName):
        find_route("GET", "/instances/%ff")
    answer = await (await _caller()).ask("GET", "/instances/%ff")
    assert answer.status == 400
    assert b"Hub1" not in answer.body


async def test_strangers_learn_no_hub_no_connection_and_no_account() -> None:
    caller = await _caller()
    for arguments in ("?taskHub=Other", "?connection=Other", "?taskHub=Other&code=x"):
        answer = await caller.ask("GET", f"/instances{arguments}")
        assert (answer.status, answer.body) == (401, b"")
    told = await caller.ask("GET", f"/instances?taskHub=Other&code={KEY}")
    assert told.status == 400
    assert b"Hub1" in told.body
    document = (await caller.ask("GET", "/openapi.json")).body
    assert b"Hub1" not in document
    assert KEY.encode() not in document


def test_keys_are_compared_in_constant_time() -> None:
    tree = ast.parse(textwrap.dedent(inspect.getsource(HubKeys.opens)))
    compared = [node for node in ast.walk(tree) if isinstance(node, ast.Compare)]
    assert all(isinstance(op, ast.Is) for node in compared for op in node.ops)  # `is None` only
    calls = [ast.unparse(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call)]
    assert calls.count("hmac.compare_digest") == 2


@pytest.mark.parametrize(
    ("environment", "key", "required"),
    [
        ("Development", None, False),
        ("development", None, False),
        ("Development", "k", True),
        ("Development", "", False),
        ("Production", None, True),
        ("Staging", None, True),
        ("Dev", None, True),
        ("Development ", None, True),
        ("true", None, True),
        ("", None, True),
        (None, None, True),
        (None, "", True),
    ],
)
def test_only_the_development_environment_asks_for_no_key(
    environment: str | None, key: str | None, required: bool
) -> None:
    found = {"AZURE_FUNCTIONS_ENVIRONMENT": environment, "DURABLE_API_KEY": key}
    environ = {name: value for name, value in found.items() if value is not None}
    clock = ManualClock()
    opening = HubOpening(environ, clock, lambda *_: MemoryAccount(clock))
    config = config_from(parse_host_json('{"version": "2.0"}', {"WEBSITE_SITE_NAME": "app1"}))
    assert opening._access(config).asks_for_key is required


def _app(level: func.AuthLevel) -> df.DFApp:
    app = df.DFApp(http_auth_level=level)

    @app.orchestration_trigger(context_name="context")
    def flow(context: Any) -> Any:
        yield context.create_timer(None)

    @app.entity_trigger(context_name="context")
    def thing(context: Any) -> None: ...

    @app.route(route="default")
    @app.durable_client_input(client_name="client")
    async def default(req: func.HttpRequest, client: Any) -> str:
        return ""

    @app.route(route="admin", auth_level=func.AuthLevel.ADMIN)
    @app.durable_client_input(client_name="client")
    async def admin(req: func.HttpRequest, client: Any) -> str:
        return ""

    @app.route(route="open", auth_level=func.AuthLevel.ANONYMOUS)
    def everybody(req: func.HttpRequest) -> str:
        return ""

    return app


def _trigger(function: Any) -> dict[str, Any]:
    found: dict[str, Any] = function.get_trigger().get_dict_repr()
    return found


@pytest.mark.parametrize("level", list(func.AuthLevel))
def test_users_functions_keep_their_level_and_ours_are_one_door(
    level: func.AuthLevel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"extensions": {"durableTask": {"hubName": "TheHub"}}}
    (tmp_path / "host.json").write_text(json.dumps(settings))
    monkeypatch.chdir(tmp_path)
    found = {
        str(function.get_function_name()): _trigger(function)
        for function in _app(level).get_functions()
    }
    levels = {
        name: trigger["authLevel"].name
        for name, trigger in found.items()
        if trigger["type"] == "httpTrigger"
    }
    assert levels == {
        "default": level.name,
        "admin": "ADMIN",
        "everybody": "ANONYMOUS",
        "durable_api": "ANONYMOUS",  # it checks keys itself: the tests above
    }
    others = {trigger["type"] for trigger in found.values()} - {"httpTrigger"}
    assert others == {"queueTrigger", "timerTrigger"}
    assert found["durable_api"]["route"].endswith("durabletask/{*path}")


async def test_a_made_key_is_long_random_and_not_the_same_twice() -> None:
    clock = SystemClock()
    keys = set()
    for _ in range(3):
        hub = TaskHub(MemoryAccount(clock), HubSettings(name="Hub1"), clock)
        held = HubKeys(hub, configured=None, required=True)
        await held.load()
        keys.add(held._loaded())
    assert len(keys) == 3
    assert all(len(key) == 64 and key.isalnum() for key in keys)
