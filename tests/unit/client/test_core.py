from __future__ import annotations

from dataclasses import replace

import pytest

from durable.authoring.definitions import OrchestratorDefinition
from durable.authoring.registry import Registry
from durable.client import Client, OrchestrationRuntimeStatus
from durable.client.looking import status_of
from durable.errors import (
    InstanceExists,
    InstanceFinished,
    InstanceNotFound,
    InvalidName,
    NotFound,
    NotSerializable,
    UnknownFunction,
    UsageError,
)
from durable.hub.taskhub import TaskHub
from durable.model.events import (
    EventRaised,
    ExecutionStarted,
    GenericEvent,
    InstanceRef,
)
from durable.model.history import Sentinel
from durable.model.status import RuntimeStatus
from durable.storage.memory.account import MemoryAccount
from tests.failed_instance import insert_failed
from tests.manual_clock import ManualClock
from tests.unit.client.conftest import End, Insert, sent

RUNNING, COMPLETED = RuntimeStatus.RUNNING, RuntimeStatus.COMPLETED


async def test_start_new_writes_a_pending_row_and_sends_the_start(hub: TaskHub) -> None:
    client = Client(hub)
    instance_id = await client.start_new("hello", client_input={"a": [1, "ü"]}, version="2")
    row = await hub.instances.read(instance_id)
    assert row is not None
    assert (row.name, row.version, row.input) == ("hello", "2", '{"a":[1,"ü"]}')
    assert row.status is RuntimeStatus.PENDING
    (event,) = await sent(hub)
    assert isinstance(event, ExecutionStarted)
    assert (event.name, event.input) == ("hello", row.input)


async def test_fresh_ids_are_32_hex_digits_and_own_ids_are_kept(hub: TaskHub) -> None:
    client = Client(hub)
    fresh = await client.start_new("hello")
    assert len(fresh) == 32
    int(fresh, 16)
    assert await client.start_new("hello", "mine") == "mine"
    assert await client.start_new("hello", "") not in {"", fresh}


@pytest.mark.parametrize("value", [0, False, "", [], {}])
async def test_falsy_inputs_are_inputs(hub: TaskHub, value: object) -> None:
    client = Client(hub)
    await client.start_new("hello", "i", client_input=value)
    assert (await client.get_status("i")).input_ == value


async def test_an_unknown_orchestrator_is_refused_with_near_names(hub: TaskHub) -> None:
    registry = Registry()
    registry.add_orchestrator(
        OrchestratorDefinition(name="HelloSequence", function=lambda c: c, context_name="c")
    )
    client = Client(hub, registry=registry)
    with pytest.raises(UnknownFunction, match="HelloSequence"):
        await client.start_new("HelloSequense", "i")
    await hub.ensure()
    assert await hub.instances.read("i") is None
    assert await client.start_new("hellosequence", "i") == "i"


async def test_a_running_id_is_refused_and_a_finished_one_is_taken_over(
    hub: TaskHub, insert: Insert
) -> None:
    client = Client(hub)
    await insert("busy", RUNNING)
    await insert("done", COMPLETED)
    with pytest.raises(
        InstanceExists,
        match=r"^An Orchestration instance with the status Running already exists\.$",
    ):
        await client.start_new("hello", "busy")
    assert await client.start_new("hello", "done") == "done"


@pytest.mark.parametrize("instance_id", ["@x", "a/b", "a\\b", "a#b", "a?b", "a\nb", "x" * 257])
async def test_bad_ids_are_refused_with_the_rule(hub: TaskHub, instance_id: str) -> None:
    with pytest.raises(InvalidName):
        await Client(hub).start_new("hello", instance_id)


async def test_what_is_no_json_is_refused_with_its_place(hub: TaskHub) -> None:
    with pytest.raises(NotSerializable, match="The input of 'hello'"):
        await Client(hub).start_new("hello", client_input={"a": object()})


async def test_a_large_input_comes_back(hub: TaskHub) -> None:
    client = Client(hub)
    large = "x" * 300_000
    await client.start_new("hello", "i", client_input=large)
    assert (await client.get_status("i")).input_ == large


async def test_payloads_that_were_replaced_meanwhile_are_looked_for_again(
    hub: TaskHub, insert: Insert
) -> None:
    row = await insert("i1", RuntimeStatus.RUNNING)
    gone = hub.payloads.url("i1/history-0000000000000001-ExecutionStarted-A-Input.json.gz")
    stale = await hub.instances.show(replace(row, input=gone), row)
    with pytest.raises(NotFound):
        await status_of(hub, stale)
    await hub.instances.show(replace(stale, input='"new"'), stale)
    assert (await status_of(hub, stale)).input_ == "new"


async def test_an_instance_whose_payloads_are_gone_hides_no_other(
    hub: TaskHub, insert: Insert, caplog: pytest.LogCaptureFixture
) -> None:
    row = await insert("i1", RuntimeStatus.RUNNING)
    gone = hub.payloads.url("i1/history-0000000000000001-ExecutionStarted-A-Input.json.gz")
    await hub.instances.show(replace(row, input=gone), row)
    await insert("i2", RuntimeStatus.RUNNING)
    found = await Client(hub).get_status_all()
    assert [(each.instance_id, each.input_) for each in found] == [("i1", None), ("i2", None)]
    assert "'i1'" in caplog.text


async def test_status_of_a_missing_instance_is_false(hub: TaskHub) -> None:
    status = await Client(hub).get_status("nobody")
    assert not status
    assert status.__dict__["message"] == ""


async def test_status_decodes_payloads(hub: TaskHub, end: End) -> None:
    client = Client(hub)
    # An app on azure-functions-durable 1.x stores its input encoded twice: shown as it is.
    await client.start("hello", instance_id="i", input_text='"\\"24\\""')
    await end("i", RuntimeStatus.FAILED, "went wrong")
    status = await client.get_status("i")
    assert (status.input_, status.output) == ('"24"', "went wrong")
    assert status.runtime_status is OrchestrationRuntimeStatus.Failed


async def test_history_is_in_history(hub: TaskHub, insert: Insert) -> None:
    client = Client(hub)
    row = await insert("i", RUNNING)
    now = hub.clock.now()
    started = ExecutionStarted(timestamp=now, instance=_ref(), name="hello", input="1")
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
    status = await client.get_status("i", show_history=True)
    assert status.history is not None
    assert status.history[0]["FunctionName"] == "hello"
    assert status.history[0]["Input"] == "1"
    assert (await client.get_status("i")).history is None


async def test_a_pending_instance_has_no_history(hub: TaskHub) -> None:
    client = Client(hub)
    await client.start_new("hello", "i")
    assert (await client.get_status("i", show_history=True)).history is None


async def test_all_statuses_beyond_a_page(hub: TaskHub, insert: Insert) -> None:
    for number in range(1001):
        await insert(f"i{number:04}", RUNNING)
    found = await Client(hub).get_status_all()
    assert [status.instance_id for status in found] == [f"i{n:04}" for n in range(1001)]


async def test_statuses_by_filter(hub: TaskHub, insert: Insert, manual_clock: ManualClock) -> None:
    client = Client(hub)
    await insert("a1", RUNNING)
    manual_clock.advance(60)
    middle = manual_clock.now()
    manual_clock.advance(60)
    await insert("a2", COMPLETED)
    await insert("b1", RuntimeStatus.FAILED)

    async def ids(**filters: object) -> list[str | None]:
        found = await client.get_status_by(**filters)  # type: ignore[arg-type]
        return [status.instance_id for status in found]

    assert await ids(created_time_from=middle) == ["a2", "b1"]
    assert await ids(created_time_to=middle.replace(tzinfo=None)) == ["a1"]
    assert await ids(instance_id_prefix="a") == ["a1", "a2"]
    status = OrchestrationRuntimeStatus
    assert await ids(runtime_status=[status.Failed, status.Running]) == ["a1", "b1"]
    assert await ids(created_time_from=middle, instance_id_prefix="a") == ["a2"]


async def test_an_event_is_sent_once_encoded(hub: TaskHub, insert: Insert) -> None:
    await insert("i", RUNNING)
    await Client(hub).raise_event("i", "go", {"k": [1]})
    (event,) = await sent(hub)
    assert isinstance(event, EventRaised)
    assert (event.name, event.input) == ("go", '{"k":[1]}')


async def test_events_for_nobody_or_the_finished_are_refused(hub: TaskHub, insert: Insert) -> None:
    client = Client(hub)
    await insert("done", COMPLETED)
    with pytest.raises(InstanceNotFound, match="nobody"):
        await client.raise_event("nobody", "go")
    with pytest.raises(InstanceFinished, match="either completed or failed"):
        await client.raise_event("done", "go")
    with pytest.raises(ValueError, match="raise_event takes the name"):
        await client.raise_event("done", "")
    assert await sent(hub) == []


async def test_a_call_that_names_another_hub_goes_there(
    hub: TaskHub, account: MemoryAccount, insert: Insert
) -> None:
    other = Client(TaskHub(account, type(hub.settings)(name="Hub2"), hub.clock))
    await other.start_new("hello", "i")
    asked = []

    async def sibling(task_hub: str | None, connection: str | None) -> Client:
        asked.append((task_hub, connection))
        return other

    client = Client(hub, sibling=sibling)
    await client.raise_event("i", "go", 1, task_hub_name="Hub2")
    assert [type(event) for event in await sent(other.hub)].count(EventRaised) == 1
    await insert_failed(other.hub, "f")
    await client.rewind("f", "why", task_hub_name="Hub2")
    assert [type(event) for event in await sent(other.hub)].count(GenericEvent) == 1
    assert asked == [("Hub2", None)] * 2
    await insert("i", RUNNING)
    await client.raise_event("i", "go", 1, task_hub_name="HUB1")
    assert len(await sent(hub)) == 1
    with pytest.raises(UsageError, match="'Hub1' only"):
        await Client(hub).raise_event("i", "go", 1, connection_name="Elsewhere")


@pytest.mark.parametrize("status", [COMPLETED, RUNNING])
async def test_restart_under_a_new_id_begins_the_same_with_the_same_input(
    hub: TaskHub, end: End, status: RuntimeStatus
) -> None:
    client = Client(hub)
    large = "x" * 300_000
    await client.start_new("hello", "i", client_input=large)
    await end("i", status, "1")
    fresh = await client.restart("i")
    assert fresh != "i"
    assert len(fresh) == 32
    found = await client.get_status(fresh)
    assert (found.name, found.input_) == ("hello", large)
    assert found.runtime_status is OrchestrationRuntimeStatus.Pending
    row = await hub.instances.read("i")
    assert row is not None
    assert row.status is status


async def test_restart_under_the_same_id_takes_the_place_of_the_finished(
    hub: TaskHub, insert: Insert, end: End
) -> None:
    client = Client(hub)
    await client.start_new("hello", "i", client_input=0)
    await end("i", COMPLETED, "1")
    before = await hub.instances.read("i")
    assert await client.restart("i", restart_with_new_instance_id=False) == "i"
    after = await hub.instances.read("i")
    assert before is not None
    assert after is not None
    assert after.execution_id != before.execution_id
    assert (after.status, after.input, after.output) == (RuntimeStatus.PENDING, "0", None)
    await insert("busy", RUNNING)
    with pytest.raises(InstanceExists, match="Running already exists"):
        await client.restart("busy", False)


async def test_restart_of_nobody_or_of_what_the_app_no_longer_has(
    hub: TaskHub, insert: Insert
) -> None:
    await insert("done", COMPLETED)
    with pytest.raises(InstanceNotFound, match="'nobody'"):
        await Client(hub).restart("nobody")
    with pytest.raises(UnknownFunction, match="hello"):
        await Client(hub, registry=Registry()).restart("done")
    assert await sent(hub) == []


async def test_waiting_looks_until_the_end_of_the_time(
    hub: TaskHub, insert: Insert, end: End, manual_clock: ManualClock
) -> None:
    client = Client(hub)
    await insert("i", RUNNING)
    assert await client.wait("i", timeout=5, interval=2) is None
    assert manual_clock.monotonic() == 5
    assert await client.wait("i", timeout=0, interval=0) is None
    assert await client.wait("nobody", timeout=1, interval=1) is None
    await end("i", COMPLETED, "1")
    row = await client.wait("i", timeout=-1, interval=-1)
    assert row is not None
    assert row.output == "1"
    with pytest.raises(UsageError, match="Total timeout 1 should be bigger than retry timeout 2"):
        await client.wait("i", timeout=1, interval=2)


async def test_waiting_never_looks_without_a_pause(
    hub: TaskHub, insert: Insert, account: MemoryAccount
) -> None:
    await insert("i", RUNNING)
    before = account.requests.copy()
    await Client(hub).wait("i", timeout=1, interval=1e-9)
    assert (account.requests - before).total() <= 40


async def test_without_links_there_is_no_payload(hub: TaskHub) -> None:
    with pytest.raises(UsageError, match="without links"):
        Client(hub).create_http_management_payload("i")


async def test_every_call_creates_the_hub_first(hub: TaskHub) -> None:
    assert await Client(hub).get_status_by() == []
    assert hub.names.instances_table in await hub.account.tables.list_tables("")


def _ref() -> InstanceRef:
    return InstanceRef(instance_id="i", execution_id="e1")


async def test_an_event_name_over_the_limit_is_refused_before_anything_is_sent(
    hub: TaskHub, insert: Insert
) -> None:
    await insert("i", RUNNING)
    with pytest.raises(InvalidName, match="at most 8192"):
        await Client(hub).raise_event("i", "x" * 8193)
    assert await sent(hub) == []
