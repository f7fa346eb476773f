"""Entities over HTTP, as far as the recordings don't show them."""

from __future__ import annotations

import pytest

from durable.hub.taskhub import TaskHub
from durable.model.entities import OperationRequest, SchedulerState
from durable.model.status import RuntimeStatus
from tests.entity_rows import insert_entity, told
from tests.manual_clock import ManualClock
from tests.unit.api.conftest import KEY, Caller, json_of, make_caller

JSON = {"content-type": "application/json"}
TOKEN = "x-ms-continuation-token"
LARGE = '"' + "x" * 50_000 + '"'


async def request_of(hub: TaskHub) -> OperationRequest:
    ((_, content, _),) = await told(hub)
    assert isinstance(content, OperationRequest)
    return content


async def listed(caller: Caller, query: str = "", **headers: str) -> list[tuple[str, object]]:
    answer = await caller.ask("GET", f"/entities{query}", headers=headers)
    assert answer.status == 200
    return [(item["entityId"]["key"], item["state"]) for item in json_of(answer)]


async def test_a_delete_is_the_operation_of_that_name(caller: Caller) -> None:
    answer = await caller.ask("DELETE", "/entities/Counter/k%401")
    assert (answer.status, answer.body) == (202, b"")
    ((instance_id, content, _),) = await told(caller.hub)
    assert instance_id == "@counter@k@1"
    assert isinstance(content, OperationRequest)
    assert (content.op, content.input, content.is_signal) == ("delete", None, True)


@pytest.mark.parametrize(
    ("body", "kind", "text"),
    [
        (' {"n": 1.0, "$type": "x"} ', "application/json", '{"n":1.0,"$type":"x"}'),
        ("1", "Application/JSON; charset=utf-8", "1"),
        ("  ", "application/json", None),
        ("", "application/json", None),
        ("", "text/plain", None),
        ("  ", "text/plain", '"  "'),
        ("ü", "text/plain; charset=utf-8", '"ü"'),
        # A text that looks like JSON stays a text for whoever decodes twice.
        ("1", "text/plain", '"\\u0031"'),
        ("{bad", "", '"{bad"'),
    ],
)
async def test_the_body_is_the_input(
    caller: Caller, body: str, kind: str, text: str | None
) -> None:
    answer = await caller.ask("POST", "/entities/c/k?op=set", body, {"content-type": kind})
    assert answer.status == 202
    assert (await request_of(caller.hub)).input == text


@pytest.mark.parametrize("kind", ["application/json", "text/plain"])
async def test_a_body_must_be_utf_8(caller: Caller, kind: str) -> None:
    answer = await caller.ask("POST", "/entities/c/k?op=set", b"\xff", {"content-type": kind})
    assert answer.status == 400
    assert json_of(answer) == {"Message": "Could not parse JSON content: The body is not UTF-8."}


async def test_the_operation_is_taken_as_it_is(caller: Caller) -> None:
    assert (await caller.ask("POST", "/entities/c/k?op=%20a%2Fb%20")).status == 202
    assert (await request_of(caller.hub)).op == " a/b "


async def test_a_large_input_goes_through_a_blob(hub: TaskHub) -> None:
    caller = make_caller(hub, max_body=100_000)
    assert (await caller.ask("POST", "/entities/c/k?op=set", LARGE, JSON)).status == 202
    assert (await request_of(hub)).input == LARGE


@pytest.mark.parametrize("method", ["POST", "DELETE"])
@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("a%40b/k", "must not contain '@'"),
        ("c/a%2Fb", "contains '/'"),
        ("c/a%23b", "contains '#'"),
        ("c/a%00b", r"contains '\\x00'"),
        (f"c/{'k' * 254}", "has 257 characters"),
        ("c/$", "key must not be empty"),
    ],
)
async def test_what_no_entity_can_be_is_refused(
    caller: Caller, method: str, path: str, rule: str
) -> None:
    answer = await caller.ask(method, f"/entities/{path}")
    assert answer.status == 400
    assert rule in answer.body.decode()
    assert await told(caller.hub) == []


async def test_a_state_is_shown_whatever_its_name_s_case(caller: Caller) -> None:
    await insert_entity(caller.hub, "@counter@K", '{"n": 1.0}')
    answer = await caller.ask("GET", "/entities/COUNTER/K")
    assert (answer.status, answer.body) == (200, b'{"n":1.0}')
    assert (await caller.ask("GET", "/entities/counter/k")).status == 404


@pytest.mark.parametrize("path", ["a%40b/k", "c/$", f"c/{'k' * 600}", "c/a%2Fb"])
async def test_what_no_entity_can_be_is_not_there(caller: Caller, path: str) -> None:
    await insert_entity(caller.hub, "@a@b@k", "1")
    answer = await caller.ask("GET", f"/entities/{path}")
    assert (answer.status, answer.body) == (404, b"")


async def test_a_large_state_is_fetched(caller: Caller) -> None:
    await insert_entity(caller.hub, "@c@k", LARGE)
    assert (await caller.ask("GET", "/entities/c/k")).body.decode() == LARGE
    assert await listed(caller, "?fetchState=true") == [("k", LARGE[1:-1])]


async def test_lists_are_filtered_by_the_time_they_show(
    caller: Caller, manual_clock: ManualClock
) -> None:
    await insert_entity(caller.hub, "@c@early", "1")
    manual_clock.advance(3600)
    await insert_entity(caller.hub, "@c@late", "2")
    answer = await caller.ask("GET", "/entities")
    early, late = [item["lastOperationTime"] for item in json_of(answer)]
    assert (early, late) == ("2024-05-06T07:08:09.123456Z", "2024-05-06T08:08:09.123456Z")
    assert await listed(caller, f"?lastOperationTimeFrom={late}") == [("late", None)]
    assert await listed(caller, f"?lastOperationTimeTo={early}&fetchState=true") == [("early", 1)]


async def test_pages_are_filled_with_entities_that_exist(caller: Caller) -> None:
    for number in range(9):
        state = None if number % 4 else str(number)
        await insert_entity(caller.hub, f"@c@{number}", SchedulerState(state=state))
    await caller.insert("orchestration", RuntimeStatus.RUNNING)
    answer = await caller.ask("GET", "/entities/C?top=2")
    assert [item["entityId"]["key"] for item in json_of(answer)] == ["0", "4"]
    token = answer.headers[TOKEN]
    answer = await caller.ask("GET", "/entities/C?top=2", headers={TOKEN: f"{token} "})
    assert [item["entityId"]["key"] for item in json_of(answer)] == ["8"]
    assert answer.headers[TOKEN] == ""


async def test_a_page_of_nothing_goes_on_where_it_began(caller: Caller) -> None:
    answer = await caller.ask("GET", "/entities?top=0")
    assert (json_of(answer), answer.headers[TOKEN]) == ([], "")
    await insert_entity(caller.hub, "@c@1", "1")
    answer = await caller.ask("GET", "/entities?top=0")
    assert json_of(answer) == []
    token = answer.headers[TOKEN]
    assert await listed(caller, "", **{TOKEN: token}) == [("1", None)]


@pytest.mark.parametrize("token", ["x", "\x00", "e30="])
async def test_a_token_of_somebody_else_is_refused(caller: Caller, token: str) -> None:
    answer = await caller.ask("GET", "/entities", headers={TOKEN: token})
    assert answer.status == 400
    assert json_of(answer)["ExceptionMessage"].startswith(f"{TOKEN} is none that ")


async def test_an_instance_s_key_opens_no_entity(guarded: Caller) -> None:
    await insert_entity(guarded.hub, "@c@k", "1")
    links = guarded.access.links(guarded.hub)
    await links.prepare()
    token = links.keys.token("@c@k")
    for method, path in (
        ("GET", "/entities"),
        ("GET", "/entities/c"),
        ("GET", "/entities/c/k"),
        ("POST", "/entities/c/k"),
        ("DELETE", "/entities/c/k"),
    ):
        for code in ("", token):
            assert (await guarded.ask(method, f"{path}?code={code}")).status == 401
        assert (await guarded.ask(method, f"{path}?code={KEY}")).status in {200, 202}


async def test_an_entity_is_no_orchestration_to_restart(caller: Caller) -> None:
    await insert_entity(caller.hub, "@c@k", "1")
    for path in ("restart", "restartWithOptions?newInstanceId=n"):
        answer = await caller.ask("POST", f"/instances/@c@k/{path}")
        assert answer.status == 400
        assert "is an entity" in json_of(answer)["ExceptionMessage"]


async def test_a_purge_removes_an_entity_as_it_is(caller: Caller) -> None:
    await insert_entity(caller.hub, "@c@k", LARGE)
    answer = await caller.ask("DELETE", "/instances/@c@k")
    assert (answer.status, json_of(answer)) == (200, {"instancesDeleted": 1})
    assert (await caller.ask("GET", "/entities/c/k")).status == 404
    assert (await caller.ask("DELETE", "/instances/@c@k")).status == 404
