"""Events, terminate, suspend, resume and purge, as far as the recordings don't show them."""

from __future__ import annotations

import pytest

from durable.hub.taskhub import TaskHub
from durable.model.events import EventRaised, ExecutionTerminated, HistoryEvent
from durable.model.status import RuntimeStatus
from durable.wire.envelopes import BlobPointer, decode_message
from tests.manual_clock import ManualClock
from tests.unit.api.conftest import KEY, Caller, json_of, make_caller

RUNNING, COMPLETED, FAILED = RuntimeStatus.RUNNING, RuntimeStatus.COMPLETED, RuntimeStatus.FAILED
JSON = {"content-type": "application/json"}
EVERYTHING = "createdTimeFrom=2000-01-01T00:00:00Z"
NO_FROM = "Please provide value for 'createdTimeFrom' parameter."


async def sent(hub: TaskHub) -> list[HistoryEvent]:
    """The events in the control queues."""
    found = []
    for queue in hub.names.control_queues:
        for message in await hub.account.queues.peek(queue):
            decoded = decode_message(message.text)
            if isinstance(decoded, BlobPointer):
                decoded = await hub.payloads.read_message(decoded)
            found.append(decoded.event)
    return found


@pytest.mark.parametrize(
    "kind", ["application/json", "Application/JSON", " application/json ; charset=utf-8"]
)
async def test_an_event_s_data_stays_as_it_is(caller: Caller, kind: str) -> None:
    await caller.insert("a b", RUNNING)
    answer = await caller.ask(
        "POST",
        "/instances/a%20b/raiseEvent/go%2Fon%2520%C3%BC",
        ' {"n": 1.0, "$type": "x"} ',
        {"content-type": kind},
    )
    assert (answer.status, answer.body, dict(answer.headers)) == (202, b"", {})
    (event,) = await sent(caller.hub)
    assert isinstance(event, EventRaised)
    # The path is decoded exactly once.
    assert (event.name, event.input) == ("go/on%20ü", '{"n":1.0,"$type":"x"}')


async def test_a_large_event_goes_through_a_blob(hub: TaskHub) -> None:
    caller = make_caller(hub, max_body=1_000_000)
    await caller.insert("i", RUNNING)
    large = '"' + "ü" * 100_000 + '"'
    assert (await caller.ask("POST", "/instances/i/raiseEvent/go", large, JSON)).status == 202
    (event,) = await sent(caller.hub)
    assert isinstance(event, EventRaised)
    assert event.input == large


@pytest.mark.parametrize("body", [b"{", b"", b"  ", b"\xff", b"NaN", b"1 2"])
async def test_bad_json_raises_nothing(caller: Caller, body: bytes) -> None:
    await caller.insert("i", RUNNING)
    answer = await caller.ask("POST", "/instances/i/raiseEvent/go", body, JSON)
    assert answer.status == 400
    assert json_of(answer)["Message"] == "Invalid JSON content"
    assert await sent(caller.hub) == []


async def test_an_event_name_over_the_limit_is_400(caller: Caller) -> None:
    await caller.insert("i", RUNNING)
    answer = await caller.ask("POST", f"/instances/i/raiseEvent/{'x' * 8193}", "1", JSON)
    assert answer.status == 400
    assert "at most 8192" in str(json_of(answer))
    assert await sent(caller.hub) == []


async def test_an_event_over_the_limit_is_413(caller: Caller) -> None:
    await caller.insert("i", RUNNING)
    body = '"' + "x" * 1000 + '"'
    assert (await caller.ask("POST", "/instances/i/raiseEvent/go", body, JSON)).status == 413


async def test_a_reason_is_decoded_text(caller: Caller) -> None:
    await caller.insert("i", RUNNING)
    url = "/instances/i/terminate?reason=it%27s%20%22over%22%0A%C3%BC"
    assert (await caller.ask("POST", url)).status == 202
    (event,) = await sent(caller.hub)
    assert isinstance(event, ExecutionTerminated)
    assert event.reason == 'it\'s "over"\nü'


async def test_the_wrong_state_is_500_and_says_which(caller: Caller) -> None:
    await caller.insert("i", RUNNING)
    answer = await caller.ask("POST", "/instances/i/resume")
    assert answer.status == 500
    assert json_of(answer)["ExceptionMessage"] == (
        "Cannot resume the orchestration instance i because instance is in the Running state."
    )
    await caller.insert("odd", None)
    assert (await caller.ask("POST", "/instances/odd/resume")).status == 500
    assert (await caller.ask("POST", "/instances/odd/suspend")).status == 202


async def test_what_runs_is_not_purged(caller: Caller) -> None:
    await caller.insert("i", RUNNING)
    answer = await caller.ask("DELETE", "/instances/i")
    assert answer.status == 412
    assert "Terminate it first" in json_of(answer)["Message"]
    assert (await caller.ask("GET", "/instances/i")).status == 202


async def ids_left(caller: Caller) -> list[str]:
    return [item["instanceId"] for item in json_of(await caller.ask("GET", "/instances"))]


async def test_a_purge_of_many_keeps_to_its_filters(
    caller: Caller, manual_clock: ManualClock
) -> None:
    await caller.insert("a'1", COMPLETED)
    manual_clock.advance(3600)
    await caller.insert("a'2", COMPLETED)
    await caller.insert("b", FAILED)
    await caller.insert("c", RUNNING)
    from_then = "createdTimeFrom=2024-05-06T07:30:00Z"

    async def purge(query: str) -> int:
        answer = await caller.ask("DELETE", f"/instances?{query}")
        assert answer.status in {200, 404}, answer.body
        return int(json_of(answer)["instancesDeleted"]) if answer.body else 0

    assert await purge(f"{from_then}&runtimeStatus=Running") == 0
    assert await purge(f"{from_then}&runtimeStatus=Failed,Running") == 1
    assert await ids_left(caller) == ["a'1", "a'2", "c"]
    assert await purge(f"{EVERYTHING}&createdTimeTo=2024-05-06T07:30:00Z") == 1
    assert await ids_left(caller) == ["a'2", "c"]
    assert await purge(f"{EVERYTHING}&force=no") == 1
    assert await ids_left(caller) == ["c"]
    assert await purge(f"{EVERYTHING}&force=true&runtimeStatus=Pending") == 0
    assert await purge(f"{EVERYTHING}&force=True") == 1
    assert await ids_left(caller) == []


@pytest.mark.parametrize("query", ["", "createdTimeFrom=", "createdTimeFrom=' or 1 eq 1"])
async def test_a_purge_of_many_needs_a_beginning(caller: Caller, query: str) -> None:
    await caller.insert("i", COMPLETED)
    answer = await caller.ask("DELETE", f"/instances?{query}")
    assert (answer.status, json_of(answer)) == (400, NO_FROM)
    assert await ids_left(caller) == ["i"]


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("createdTimeTo=yesterday", "createdTimeTo is 'yesterday'; it must be a date"),
        ("runtimeStatus=completed", "runtimeStatus is 'completed'; 'completed' is no status"),
        ("runtimeStatus=Completed,Bogus", "'Bogus'"),
        ("runtimeStatus=Completed' or RuntimeStatus ne 'x", "is no status"),
        ("runtimeStatus=99", "'99'"),
    ],
)
async def test_a_filter_that_is_not_understood_purges_nothing(
    caller: Caller, query: str, named: str
) -> None:
    await caller.insert("i", COMPLETED)
    for force in ("", "&force=true"):
        answer = await caller.ask("DELETE", f"/instances?{EVERYTHING}&{query}{force}")
        assert answer.status == 400
        assert named in json_of(answer)["ExceptionMessage"]
    assert await ids_left(caller) == ["i"]


#: Method, path below the instance, body.
OWN_ROUTES = [
    ("POST", "/raiseEvent/go", "1"),
    ("POST", "/terminate", ""),
    ("POST", "/suspend", ""),
    ("POST", "/resume", ""),
    ("POST", "/restart", ""),
    ("DELETE", "", ""),
]


@pytest.mark.parametrize(("method", "path", "body"), OWN_ROUTES)
async def test_a_token_opens_the_routes_of_its_own_instance_only(
    guarded: Caller, method: str, path: str, body: str
) -> None:
    await guarded.insert("mine", RuntimeStatus.SUSPENDED)
    await guarded.insert("yours", RuntimeStatus.SUSPENDED)
    links = guarded.access.links(guarded.hub)
    await links.prepare()
    token = links.keys.token("mine")

    async def ask(instance_id: str, query: str) -> int:
        url = f"/instances/{instance_id}{path}?{query}"
        return (await guarded.ask(method, url, body, JSON)).status

    assert await ask("yours", f"code={token}") == 401
    assert await ask("mine", "") == 401
    assert await ask("mine", "code=nonsense") == 401
    assert await sent(guarded.hub) == []
    assert await ask("mine", f"code={token}") != 401
    assert await ask("yours", f"code={KEY}") != 401


async def test_only_the_hub_s_key_purges_many(guarded: Caller) -> None:
    await guarded.insert("mine", COMPLETED)
    links = guarded.access.links(guarded.hub)
    await links.prepare()
    url = f"/instances?{EVERYTHING}&code="
    assert (await guarded.ask("DELETE", url + links.keys.token("mine"))).status == 401
    assert await guarded.hub.instances.read("mine") is not None
    assert (await guarded.ask("DELETE", url + KEY)).status == 200
