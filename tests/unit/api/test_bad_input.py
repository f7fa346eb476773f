"""Whatever a caller gets wrong: the recorded status code, and a word that names what is wrong.

What the original overlooks is overlooked here, too, and named in a header; what can't be undone is
refused.
"""

from __future__ import annotations

import pytest

from durable.api.contract import CONTRACTS, IGNORED
from durable.api.http import Response
from durable.hub.instances import InstanceQuery
from durable.hub.taskhub import TaskHub
from durable.model.status import RuntimeStatus
from tests.unit.api.conftest import Caller, json_of, make_caller

RUNNING, COMPLETED, FAILED = RuntimeStatus.RUNNING, RuntimeStatus.COMPLETED, RuntimeStatus.FAILED
TOKEN = "x-ms-continuation-token"
ALL = "createdTimeFrom=2000-01-01"
#: Overlooked: the answer is the one without the parameter.
OVERLOOKED = [
    ("POST", "/orchestrators/f/n?timeout=abc&pollingInterval=1", 202, "timeout"),
    ("POST", "/orchestrators/f/n?timeout=1&pollingInterval=1s", 202, "pollingInterval"),
    ("POST", "/instances/done/restart?timeout=nan&pollingInterval=1", 202, "timeout"),
    ("POST", "/instances/done/restart?timeout=5&pollingInterval=inf", 202, "pollingInterval"),
    (
        "POST",
        "/instances/done/restart?restartWithNewInstanceId=0",
        202,
        "restartWithNewInstanceId",
    ),
    ("GET", "/instances/done?showInput=no", 200, "showInput"),
    ("GET", "/instances/done?showHistory=1", 200, "showHistory"),
    ("GET", "/instances/done?showHistory=true&showHistoryOutput=2", 200, "showHistoryOutput"),
    (
        "GET",
        "/instances/failed?returnInternalServerErrorOnFailure=yes",
        200,
        "returnInternalServerErrorOnFailure",
    ),
    ("GET", "/instances?createdTimeFrom=rubbish", 200, "createdTimeFrom"),
    ("GET", "/instances?createdTimeFrom=2024-02-30", 200, "createdTimeFrom"),
    ("GET", "/instances?createdTimeTo=31.12.2024", 200, "createdTimeTo"),
    ("GET", "/instances?runtimeStatus=Bogus", 200, "runtimeStatus"),
    ("GET", "/instances?runtimeStatus=Completed,Failed,Running,99", 200, "runtimeStatus"),
    ("GET", "/instances?runtimeStatus=Completed' or '1' eq '1", 200, "runtimeStatus"),
    ("GET", "/instances?top=ten", 200, "top"),
    ("GET", "/instances?top=1e2", 200, "top"),
    ("GET", f"/instances?top={2**31}", 200, "top"),
    ("GET", "/instances?showInput=ja", 200, "showInput"),
    ("DELETE", f"/instances?{ALL}&force=ja", 200, "force"),
    ("GET", "/entities?fetchState=ja", 200, "fetchState"),
    ("GET", "/entities?lastOperationTimeFrom=rubbish", 200, "lastOperationTimeFrom"),
    ("GET", "/entities/c?lastOperationTimeTo=31.12.2024", 200, "lastOperationTimeTo"),
    ("GET", "/entities?top=ten", 200, "top"),
    ("GET", "/quarantine?showText=ja", 200, "showText"),
    ("GET", "/quarantine?top=ten", 200, "top"),
]
#: Refused, before anything was done.
REFUSED = [
    ("POST", "/orchestrators/f/n?timeout=1&pollingInterval=5", "pollingInterval is 5 s"),
    ("POST", "/instances/done/restart?timeout=1&pollingInterval=5", "pollingInterval is 5 s"),
    ("POST", "/orchestrators/f/@n", "instanceId: "),
    ("POST", "/orchestrators/f/a%23b", "instanceId: "),
    ("POST", "/orchestrators/f/a%3Fb", "instanceId: "),
    ("POST", "/orchestrators/f/a%5Cb", "instanceId: "),
    ("POST", "/orchestrators/f/a%2Fb", "instanceId: "),
    ("POST", "/orchestrators/f/a%00b", "instanceId: "),
    ("POST", f"/orchestrators/f/{'x' * 257}", "instanceId: "),
    ("POST", "/orchestrators/%FF", "functionName in the path"),
    ("GET", "/instances/%C3%28", "instanceId in the path"),
    ("POST", "/instances/busy/raiseEvent/%FF", "eventName in the path"),
    ("GET", "/instances?top=-1", "top is '-1'"),
    ("GET", "/entities?top=-1", "top is '-1'"),
    ("GET", "/entities/%FF", "entityName in the path"),
    ("POST", "/entities/c/%FF", "entityKey in the path"),
    ("POST", "/entities/c", "key must not be empty"),
    ("GET", "/instances?taskHub=Other", "Other"),
    ("GET", "/instances?connection=Other", "connection"),
    ("GET", "/openapi.json/x", ""),
    ("DELETE", "/instances", "createdTimeFrom"),
    ("DELETE", "/instances?createdTimeFrom=", "createdTimeFrom"),
    ("DELETE", "/instances?createdTimeFrom=rubbish", "createdTimeFrom"),
    ("DELETE", f"/instances?{ALL}&createdTimeTo=rubbish", "createdTimeTo is 'rubbish'"),
    ("DELETE", f"/instances?{ALL}&runtimeStatus=completed", "runtimeStatus is 'completed'"),
    ("DELETE", f"/instances?{ALL}&runtimeStatus=Failed,42", "'42' is no status"),
]
BAD_JSON = [b"{", b"[1", b'{"a"', b"hello", b"{'a':1}", b"NaN", b"1 2", b"\xff", b"1e999", b"\x00"]
KINDS = ["text/plain", "", "application/x-www-form-urlencoded", "application/jsonp", "json"]


@pytest.fixture
async def filled(hub: TaskHub) -> Caller:
    caller = make_caller(hub)
    await caller.insert("busy", RUNNING)
    await caller.insert("done", COMPLETED)
    await caller.insert("failed", FAILED)
    return caller


def told(answer: Response) -> str:
    return answer.body.decode() + answer.headers.get(IGNORED, "")


async def state(caller: Caller) -> tuple[list[str], int]:
    """The instances there are, and the messages."""
    page = await caller.hub.instances.page(InstanceQuery(), size=100)
    queues = caller.hub.names.control_queues
    counts = [await caller.hub.account.queues.count(queue) for queue in queues]
    return [f"{row.instance_id} {row.status} {row.execution_id}" for row in page.rows], sum(counts)


@pytest.mark.parametrize(("method", "url", "status", "named"), OVERLOOKED)
async def test_what_is_overlooked_is_named_in_a_header(
    filled: Caller, method: str, url: str, status: int, named: str
) -> None:
    answer = await filled.ask(method, url)
    assert answer.status == status
    assert answer.headers[IGNORED].startswith(f"{named} is ")


@pytest.mark.parametrize(("method", "url", "named"), REFUSED)
async def test_what_is_refused_is_named_and_does_nothing(
    filled: Caller, method: str, url: str, named: str
) -> None:
    before = await state(filled)
    answer = await filled.ask(method, url)
    assert answer.status == (400 if named else 404)
    assert named in told(answer)
    assert await state(filled) == before


def test_every_parameter_that_can_be_malformed_is_tried() -> None:
    tried = {named for _, _, _, named in OVERLOOKED}
    malformable = {
        parameter.name
        for made in CONTRACTS.values()
        for parameter in made.parameters
        if parameter.schema["type"] != "string" or "format" in parameter.schema
    }
    assert tried == malformable


@pytest.mark.parametrize("token", ["x", "\x00", "é", "a" * 5000, "e30=", "null", "bmV4dA=="])
async def test_a_token_of_somebody_else_is_refused(filled: Caller, token: str) -> None:
    answer = await filled.ask("GET", "/instances", headers={TOKEN: token})
    assert answer.status == 400
    assert json_of(answer)["ExceptionMessage"].startswith(f"{TOKEN} is none that ")


@pytest.mark.parametrize("body", BAD_JSON)
@pytest.mark.parametrize("url", ["/orchestrators/f/n", "/instances/busy/raiseEvent/go"])
async def test_a_body_that_is_no_json_is_named(filled: Caller, url: str, body: bytes) -> None:
    before = await state(filled)
    answer = await filled.ask("POST", url, body, {"content-type": "application/json"})
    assert answer.status == 400
    assert json_of(answer)["Message"] == "Invalid JSON content"
    assert "body" in json_of(answer)["ExceptionMessage"]
    assert await state(filled) == before


@pytest.mark.parametrize("kind", KINDS)
async def test_an_event_of_another_content_type_is_refused(filled: Caller, kind: str) -> None:
    headers = {"content-type": kind} if kind else {}
    answer = await filled.ask("POST", "/instances/busy/raiseEvent/go", b"1", headers)
    assert answer.status == 400
    assert json_of(answer) == {"Message": "Only application/json request content is supported"}


@pytest.mark.parametrize("url", ["/orchestrators/f/n", "/instances/busy/raiseEvent/go"])
async def test_a_huge_body_is_refused(filled: Caller, url: str) -> None:
    before = await state(filled)
    body = b'"' + b"x" * 1000 + b'"'
    answer = await filled.ask("POST", url, body, {"content-type": "application/json"})
    assert answer.status == 413
    assert "The body has 1002 bytes" in json_of(answer)["Message"]
    assert await state(filled) == before


async def test_an_event_name_over_the_limit_is_refused(filled: Caller) -> None:
    before = await state(filled)
    url = f"/instances/busy/raiseEvent/{'e' * 8193}"
    answer = await filled.ask("POST", url, b"1", {"content-type": "application/json"})
    assert answer.status == 400
    assert "event name" in json_of(answer)["ExceptionMessage"]
    assert len(answer.body) < 1000
    assert await state(filled) == before


async def test_an_event_without_a_name_has_no_route(filled: Caller) -> None:
    answer = await filled.ask("POST", "/instances/busy/raiseEvent/", b"1")
    assert (answer.status, answer.body) == (404, b"")


@pytest.mark.parametrize("segment", ["x" * 513, "%5E" * 300, "%F0%9F%98%80" * 257, "x" * 20_000])
@pytest.mark.parametrize(
    ("method", "rest", "status"),
    [
        ("GET", "", 404),
        ("DELETE", "", 404),
        ("POST", "/terminate", 404),
        ("POST", "/suspend", 404),
        ("POST", "/resume", 404),
        ("POST", "/rewind", 404),
        ("POST", "/raiseEvent/go", 404),
        ("POST", "/restart", 400),
    ],
)
async def test_an_id_that_nobody_can_have_is_nobody_s(
    filled: Caller, segment: str, method: str, rest: str, status: int
) -> None:
    answer = await filled.ask(method, f"/instances/{segment}{rest}")
    assert answer.status == status


async def test_an_event_to_who_has_ended_or_is_missing(filled: Caller) -> None:
    for instance_id, status in (("done", 410), ("failed", 410), ("nobody", 404)):
        for path in ("raiseEvent/go", "terminate", "suspend", "resume"):
            # The state comes before the body.
            answer = await filled.ask("POST", f"/instances/{instance_id}/{path}", b"{")
            assert (answer.status, answer.body) == (status, b""), (instance_id, path)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("createdTimeFrom=0001-01-01T00:00:00Z", 3),
        ("createdTimeFrom=1500-01-01", 3),
        ("createdTimeTo=1500-01-01", 0),
        ("createdTimeTo=9999-12-31T23:59:59.9999999Z", 3),
        ("instanceIdPrefix=%00%2F%5C", 0),
        (f"instanceIdPrefix={'x' * 3000}", 0),
        ("instanceIdPrefix=", 3),
        ("unknown=1&top=", 3),
    ],
)
async def test_odd_filters_are_no_errors(filled: Caller, query: str, found: int) -> None:
    answer = await filled.ask("GET", f"/instances?{query}")
    assert (answer.status, len(json_of(answer))) == (200, found)
    assert IGNORED not in answer.headers


async def test_what_is_told_fits_a_header(filled: Caller) -> None:
    url = f"/instances?createdTimeFrom=%0D%0ASet-Cookie:x&createdTimeTo=%C3%A5&top={'9' * 5000}"
    text = (await filled.ask("GET", url)).headers[IGNORED]
    assert text.isascii()
    assert text.isprintable()
    assert len(text) <= 1000
    assert all(name in text for name in ("createdTimeFrom", "createdTimeTo", "top"))
