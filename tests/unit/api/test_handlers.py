from __future__ import annotations

import pytest

from durable.hub.taskhub import TaskHub
from durable.model.events import ExecutionStarted, InstanceRef
from durable.model.history import Sentinel
from durable.model.status import RuntimeStatus
from tests.manual_clock import ManualClock
from tests.unit.api.conftest import BASE, Caller, json_of, make_caller

RUNNING, COMPLETED, FAILED = RuntimeStatus.RUNNING, RuntimeStatus.COMPLETED, RuntimeStatus.FAILED
TOKEN = "x-ms-continuation-token"


async def test_a_start_answers_with_links_and_keeps_the_input_as_it_is(caller: Caller) -> None:
    answer = await caller.ask("POST", "/orchestrators/f/i?version=2", ' {"$type": "x", "n": 1.0} ')
    assert answer.status == 202
    assert answer.headers["Retry-After"] == "10"
    assert answer.headers["Location"] == json_of(answer)["statusQueryGetUri"]
    assert answer.headers["Location"].startswith(f"{BASE}/instances/i?")
    row = await caller.hub.instances.read("i")
    assert row is not None
    assert (row.name, row.version, row.input) == ("f", "2", '{"$type":"x","n":1.0}')


async def test_a_start_without_id_or_body(caller: Caller) -> None:
    answer = await caller.ask("POST", "/orchestrators/f", b"\xef\xbb\xbf \r\n")
    row = await caller.hub.instances.read(json_of(answer)["id"])
    assert row is not None
    assert row.input is None


@pytest.mark.parametrize("body", [b"{", b"hello", b"\xff", b"NaN", b"{'a':1}", b"1 2", b"1e999"])
async def test_bad_json_starts_nothing(caller: Caller, body: bytes) -> None:
    answer = await caller.ask("POST", "/orchestrators/f/i", body)
    assert answer.status == 400
    assert json_of(answer)["Message"] == "Invalid JSON content"
    await caller.hub.ensure()
    assert await caller.hub.instances.read("i") is None


@pytest.mark.parametrize("segment", ["@a", "a%23", "a%3F", "a%5C", "a%2F", "a%0Ab", "x" * 257])
async def test_bad_ids_are_400_with_the_rule(caller: Caller, segment: str) -> None:
    answer = await caller.ask("POST", f"/orchestrators/f/{segment}")
    assert answer.status == 400
    assert "nstance id" in json_of(answer)["ExceptionMessage"]


async def test_a_running_id_is_409(caller: Caller) -> None:
    await caller.insert("i", RUNNING)
    answer = await caller.ask("POST", "/orchestrators/f/i")
    text = "An Orchestration instance with the status Running already exists."
    assert answer.status == 409
    assert (json_of(answer)["Message"], json_of(answer)["ExceptionMessage"]) == (text, text)


async def test_a_wait_is_never_longer_than_the_api_allows(
    caller: Caller, manual_clock: ManualClock
) -> None:
    url = "/orchestrators/f/i?timeout=86400&pollingInterval=3600"
    assert (await caller.ask("POST", url)).status == 202
    assert manual_clock.monotonic() == 30


async def test_a_restart_answers_with_the_links_of_the_new_instance(caller: Caller) -> None:
    await caller.insert("a b", RUNNING, input='{"n":1.0}')
    answer = await caller.ask("POST", "/instances/a%20b/restart")
    assert (answer.status, answer.headers["Retry-After"]) == (202, "10")
    fresh = json_of(answer)["id"]
    assert fresh != "a b"
    assert answer.headers["Location"] == json_of(answer)["statusQueryGetUri"]
    row = await caller.hub.instances.read(fresh)
    assert row is not None
    assert (row.name, row.input, row.status) == ("hello", '{"n":1.0}', RuntimeStatus.PENDING)


async def test_a_restart_in_place(caller: Caller) -> None:
    await caller.insert("done", COMPLETED)
    await caller.insert("busy", RUNNING)
    where = "restart?restartWithNewInstanceId=False"
    answer = await caller.ask("POST", f"/instances/done/{where}")
    assert (answer.status, json_of(answer)["id"]) == (202, "done")
    refused = await caller.ask("POST", f"/instances/busy/{where}")
    assert refused.status == 409
    assert "status Running already exists" in json_of(refused)["Message"]


async def test_a_restart_of_nobody_is_400(caller: Caller) -> None:
    answer = await caller.ask("POST", "/instances/nobody/restart")
    assert answer.status == 400
    assert json_of(answer)["Message"] == (
        "InstanceId does not match a valid orchestration instance."
    )


async def test_a_restart_under_an_id_and_a_version_of_one_s_choice(caller: Caller) -> None:
    await caller.insert("done", COMPLETED, input='{"n":1.0}', version="1")
    await caller.insert("busy", RUNNING)
    where = "/instances/done/restartWithOptions"
    answer = await caller.ask("POST", f"{where}?newInstanceId=new%20one&version=2")
    assert (answer.status, json_of(answer)["id"]) == (202, "new one")
    row = await caller.hub.instances.read("new one")
    assert row is not None
    assert (row.name, row.input, row.version) == ("hello", '{"n":1.0}', "2")
    for query, status, said in (
        ("", 400, "newInstanceId: "),
        ("?newInstanceId=@x", 400, "newInstanceId: "),
        ("?newInstanceId=busy", 409, "status Running already exists"),
    ):
        refused = await caller.ask("POST", f"{where}{query}")
        assert (refused.status, said in refused.body.decode()) == (status, True)
    missing = await caller.ask("POST", "/instances/no/restartWithOptions?newInstanceId=x")
    assert (missing.status, "valid orchestration" in missing.body.decode()) == (400, True)


async def test_a_restart_that_cannot_be_waited_for_starts_nothing(caller: Caller) -> None:
    await caller.insert("done", COMPLETED)
    url = "/instances/done/restart?timeout=1&pollingInterval=2&restartWithNewInstanceId=false"
    assert (await caller.ask("POST", url)).status == 400
    row = await caller.hub.instances.read("done")
    assert row is not None
    assert row.status is COMPLETED


async def test_status_of_a_running_instance_says_where_to_look_again(caller: Caller) -> None:
    await caller.insert("a b", RUNNING, input='"x"')
    answer = await caller.ask("GET", "/instances/a%20b?showInput=false&q=%0D%0A")
    assert answer.status == 202
    assert answer.headers["Retry-After"] == "5"
    assert answer.headers["Location"] == f"{BASE}/instances/a%20b?showInput=false&q=%0D%0A"
    assert json_of(answer)["input"] is None


async def test_a_status_nobody_knows_is_null_and_not_the_end(caller: Caller) -> None:
    await caller.insert("i", None)
    answer = await caller.ask("GET", "/instances/i")
    assert (answer.status, json_of(answer)["runtimeStatus"]) == (202, None)


async def test_large_payloads_are_shown_whole(hub: TaskHub) -> None:
    caller = make_caller(hub, max_body=1_000_000)
    large = '"' + "ü" * 100_000 + '"'
    await caller.ask("POST", "/orchestrators/f/i", large)
    row = await caller.hub.instances.read("i")
    assert row is not None
    assert row.input is not None
    assert "://" in row.input
    assert json_of(await caller.ask("GET", "/instances/i"))["input"] == large.strip('"')
    assert json_of(await caller.ask("GET", "/instances"))[0]["input"] == large.strip('"')


async def test_without_input_no_blob_is_read(caller: Caller) -> None:
    url = caller.hub.payloads.url("i/missing.json.gz")
    await caller.insert("i", RUNNING, input=url)
    assert (await caller.ask("GET", "/instances/i?showInput=false")).status == 202
    assert (await caller.ask("GET", "/instances?showInput=false")).status == 200
    assert (await caller.ask("GET", "/instances/i")).status == 500


async def test_history_is_shown_when_asked_for(caller: Caller, hub: TaskHub) -> None:
    row = await caller.insert("i", RUNNING)
    now = hub.clock.now()
    started = ExecutionStarted(
        timestamp=now, instance=InstanceRef(instance_id="i", execution_id="e1"), name="f"
    )
    sentinel = Sentinel(
        execution_id=row.execution_id,
        is_checkpoint_complete=True,
        checkpoint_time=now,
        sequence=1,
        committed_count=1,
        committed_stamp=now,
        committed_execution_id=row.execution_id,
    )
    await hub.history.commit("i", [started], 0, sentinel)
    shown = json_of(await caller.ask("GET", "/instances/i?showHistory=true"))
    assert [entry["EventType"] for entry in shown["historyEvents"]] == ["ExecutionStarted"]
    assert "historyEvents" not in json_of(await caller.ask("GET", "/instances/i"))


async def test_failure_as_an_error_only_when_asked_for(caller: Caller) -> None:
    await caller.insert("i", FAILED, output="went wrong")
    assert (await caller.ask("GET", "/instances/i")).status == 200
    answer = await caller.ask("GET", "/instances/i?returnInternalServerErrorOnFailure=true")
    assert answer.status == 500
    assert json_of(answer)["output"] == "went wrong"


async def pages(caller: Caller, query: str) -> list[list[str]]:
    """The ids on each page, followed by the continuation."""
    found: list[list[str]] = []
    token = ""
    while True:
        answer = await caller.ask("GET", f"/instances?{query}", headers={TOKEN: f"{token} "})
        found.append([item["instanceId"] for item in json_of(answer)])
        token = answer.headers[TOKEN]
        if not token:
            return found


async def test_lists_go_on_beyond_a_page(caller: Caller) -> None:
    for number in range(205):
        await caller.insert(f"i{number:03}", RUNNING)
    everything = [f"i{number:03}" for number in range(205)]
    whole = await pages(caller, "")
    assert [len(page) for page in whole] == [100, 100, 5]
    assert [name for page in whole for name in page] == everything
    assert [name for page in await pages(caller, "top=7") for name in page] == everything
    assert await pages(caller, "top=99999") == [everything]


async def test_pages_are_full_however_few_rows_fit(caller: Caller) -> None:
    for number in range(40):
        await caller.insert(f"i{number:03}", FAILED if number % 10 == 0 else RUNNING)
    assert await pages(caller, "runtimeStatus=Failed&top=3") in (
        [["i000", "i010", "i020"], ["i030"]],
        [["i000", "i010", "i020"], ["i030"], []],
    )


async def test_a_page_of_nothing_goes_on_where_it_began(caller: Caller) -> None:
    empty = await caller.ask("GET", "/instances?top=0")
    assert (empty.body, empty.headers[TOKEN]) == (b"[]", "")
    for name in "abc":
        await caller.insert(name, RUNNING)
    nothing = await caller.ask("GET", "/instances?top=0")
    token = nothing.headers[TOKEN]
    assert token
    first = await caller.ask("GET", "/instances?top=1", headers={TOKEN: token})
    assert [item["instanceId"] for item in json_of(first)] == ["a"]
    nothing = await caller.ask("GET", "/instances?top=0", headers={TOKEN: first.headers[TOKEN]})
    assert nothing.headers[TOKEN] == first.headers[TOKEN]


async def test_bad_pages_are_400(caller: Caller) -> None:
    answer = await caller.ask("GET", "/instances?top=-1")
    assert answer.status == 400
    assert "top is '-1'" in json_of(answer)["ExceptionMessage"]
    foreign = {TOKEN: "aC1kaXJlY3Q= "}
    assert (await caller.ask("GET", "/instances", headers=foreign)).status == 400


async def test_filters_of_a_list(caller: Caller, manual_clock: ManualClock) -> None:
    await caller.insert("a'1", RUNNING)
    manual_clock.advance(3600)
    await caller.insert("a'2", COMPLETED)
    await caller.insert("b", FAILED)
    assert await pages(caller, "instanceIdPrefix=a%271") == [["a'1"]]
    assert await pages(caller, "instanceIdPrefix=a'") == [["a'1", "a'2"]]
    assert await pages(caller, "runtimeStatus=Running,Failed") == [["a'1", "b"]]
    assert await pages(caller, "createdTimeFrom=2024-05-06T07:30:00Z") == [["a'2", "b"]]
    assert await pages(caller, "createdTimeTo=2024-05-06T07:30:00Z") == [["a'1"]]
    assert await pages(caller, "createdTimeFrom=rubbish&runtimeStatus=Bogus") == [
        ["a'1", "a'2", "b"]
    ]
