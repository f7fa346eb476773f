"""Signalling, reading and listing entities."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from durable.authoring.definitions import EntityDefinition
from durable.authoring.registry import Registry
from durable.client import Client
from durable.client.entity_looking import scheduler_state
from durable.errors import (
    CorruptRecord,
    InstanceError,
    InvalidName,
    UnknownFunction,
    UsageError,
)
from durable.hub.settings import HubSettings
from durable.hub.taskhub import TaskHub
from durable.model.entities import MAX_DELAY, OperationRequest, SchedulerState
from durable.model.ids import EntityId
from durable.model.status import RuntimeStatus
from durable.model.times import NO_TIME
from durable.storage.memory.account import MemoryAccount
from tests.entity_rows import insert_entity, told
from tests.manual_clock import ManualClock
from tests.unit.client.conftest import Insert

COUNTER = EntityId("Counter", "k")
LARGE = json.dumps("x" * 50_000)


@dataclass
class Point:
    x: int
    at: datetime


class Coded:
    """Written with its own to_json, in 1.7's envelope."""

    def __init__(self, n: int) -> None:
        self.n = n

    @staticmethod
    def to_json(value: Coded) -> int:
        return value.n

    @staticmethod
    def from_json(data: int) -> Coded:
        return Coded(data)


def registry_with(*names: str) -> Registry:
    def function(context: object) -> None:
        """An entity."""

    found = Registry()
    for name in names:
        found.add_entity(EntityDefinition(name=name, function=function, context_name="context"))
    return found


async def request_of(hub: TaskHub) -> OperationRequest:
    ((_, content, _),) = await told(hub)
    assert isinstance(content, OperationRequest)
    return content


async def test_a_signal_is_an_event_for_whichever_execution(hub: TaskHub) -> None:
    client = Client(hub)
    await client.signal_entity(COUNTER, "add", 5)
    await client.signal_entity(EntityId("counter", "k"), "add", 5)
    first, second = await told(hub)
    for instance_id, content, message in (first, second):
        assert instance_id == "@counter@k"
        assert message.target.execution_id is None
        assert message.sender is not None
        assert (message.sender.instance_id, message.sender.execution_id) == ("", "")
        assert isinstance(content, OperationRequest)
        assert (content.op, content.input, content.is_signal) == ("add", "5", True)
        assert (content.parent, content.parent_execution, content.due) == (None, None, None)
        assert (content.timestamp, content.predecessor) == (NO_TIME, NO_TIME)
        assert str(uuid.UUID(content.id)) == content.id
    identities = {message.extras.identity or "" for _, _, message in (first, second)}
    assert len(identities) == 2
    assert all(each.startswith("c:") for each in identities)


async def test_what_storage_is_asked(account: MemoryAccount, hub: TaskHub) -> None:
    client = Client(hub)
    await insert_entity(hub, "@counter@k", "1")

    async def asked(call: Coroutine[Any, Any, object]) -> int:
        before = account.requests.total()
        await call
        return account.requests.total() - before

    assert await asked(client.signal_entity(COUNTER, "add", 1)) == 1
    assert await asked(client.read_entity_state(COUNTER)) == 1
    assert await asked(client.get_entities()) == 1
    assert await asked(client.clean_entity_storage()) == 1


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, None), (0, "0"), (False, "false"), ("", '""'), ([], "[]"), ({}, "{}"), ("ü", '"ü"')],
)
async def test_an_input_is_kept_however_empty(hub: TaskHub, value: object, text: str) -> None:
    """1.7 drops what is false."""
    await Client(hub).signal_entity(COUNTER, "set", value)
    assert (await request_of(hub)).input == text


async def test_an_operation_may_have_no_name(hub: TaskHub) -> None:
    await Client(hub).signal_entity(COUNTER, "")
    assert (await request_of(hub)).op == ""


async def test_a_large_input_goes_through_a_blob(hub: TaskHub) -> None:
    await Client(hub).signal_entity(COUNTER, "set", json.loads(LARGE))
    assert (await request_of(hub)).input == LARGE


@pytest.mark.parametrize(
    ("seconds", "waits"), [(10.5, 11), (6 * 86_400 - 1, 6 * 86_400 - 1), (8 * 86_400, 6 * 86_400)]
)
async def test_a_scheduled_signal_waits_in_its_queue_six_days_at_most(
    hub: TaskHub, manual_clock: ManualClock, seconds: float, waits: int
) -> None:
    due = manual_clock.now() + timedelta(seconds=seconds)
    await Client(hub).signal_entity(
        COUNTER, "add", scheduled_time=due.astimezone(timezone(timedelta(hours=3)))
    )
    assert await told(hub) == []
    manual_clock.advance(waits - 0.5)
    assert await told(hub) == []
    manual_clock.advance(0.5)
    ((_, content, message),) = await told(hub)
    assert isinstance(content, OperationRequest)
    assert content.due == due
    capped = min(due, due - timedelta(seconds=seconds) + MAX_DELAY)
    stamp = capped.replace(tzinfo=None).isoformat(timespec="microseconds")
    assert getattr(message.event, "name", None) == f"op@{stamp}0Z"


async def test_what_was_due_already_is_a_plain_signal(
    hub: TaskHub, manual_clock: ManualClock
) -> None:
    naive = manual_clock.now().replace(tzinfo=None)
    await Client(hub).signal_entity(COUNTER, "add", scheduled_time=naive)
    assert (await request_of(hub)).due is None


async def test_an_unknown_entity_is_refused_by_an_app_that_knows_its_own(hub: TaskHub) -> None:
    client = Client(hub, registry=registry_with("Counter", "Ledger"))
    with pytest.raises(UnknownFunction, match=r"'countr'\. Did you mean 'Counter'\?"):
        await client.signal_entity(EntityId("countr", "k"), "add")
    await client.signal_entity(COUNTER, "add")
    assert len(await told(hub)) == 1


async def test_calls_for_another_hub_go_there(
    account: MemoryAccount, hub: TaskHub, manual_clock: ManualClock
) -> None:
    other = TaskHub(account, HubSettings(name="Other"), manual_clock)

    async def sibling(task_hub: str | None, connection: str | None) -> Client:
        assert (task_hub, connection) == ("Other", None)
        return Client(other)

    # What runs there is not known here.
    client = Client(hub, registry=registry_with("Mine"), sibling=sibling)
    await client.signal_entity(COUNTER, "add", 0, "Other")
    assert [name for name, _, _ in await told(other)] == ["@counter@k"]
    await insert_entity(other, "@counter@k", "7")
    found = await client.read_entity_state(COUNTER, task_hub_name="Other", expected_type=int)
    assert found.entity_state == 7
    assert not (await client.read_entity_state(COUNTER)).entity_exists


@pytest.mark.parametrize("state", [5, 0, None, False, "", [], {"a": [1]}])
async def test_a_state_is_read_however_empty(hub: TaskHub, state: object) -> None:
    await insert_entity(hub, "@counter@k", json.dumps(state))
    found = await Client(hub).read_entity_state(COUNTER)
    assert (found.entity_exists, found.entity_state) == (True, state)
    assert repr(found) == "<EntityStateResponse exists=True>"


async def test_what_was_never_there_or_is_deleted_does_not_exist(hub: TaskHub) -> None:
    client = Client(hub)
    waiting = OperationRequest(op="add", id="1")
    await insert_entity(hub, "@counter@deleted")
    await insert_entity(hub, "@counter@locked", SchedulerState(locked_by="i", queue=(waiting,)))
    for key in ("nobody", "deleted", "locked"):
        found = await client.read_entity_state(EntityId("counter", key))
        assert (found.entity_exists, found.entity_state) == (False, None)


async def test_a_state_becomes_what_is_expected(hub: TaskHub) -> None:
    client = Client(hub)
    await insert_entity(hub, "@counter@k", '{"x":1,"at":"2024-05-06T07:08:09Z"}')
    found = await client.read_entity_state(COUNTER, expected_type=Point)
    assert found.entity_state == Point(1, datetime.fromisoformat("2024-05-06T07:08:09Z"))
    with pytest.raises(TypeError):
        await client.read_entity_state(COUNTER, expected_type=list[int])


async def test_classes_that_the_app_knows_come_back(hub: TaskHub) -> None:
    text = json.dumps({"__class__": "Coded", "__module__": Coded.__module__, "__data__": 3})
    await insert_entity(hub, "@counter@k", text)
    registry = registry_with("counter")
    registry.add_type(Coded)
    client = Client(hub, registry=registry)
    assert (await client.read_entity_state(COUNTER)).entity_state.n == 3
    (listed,) = await client.get_all_entities()
    assert listed.get_state().n == 3


async def test_a_large_state_is_fetched(hub: TaskHub) -> None:
    row = await insert_entity(hub, "@counter@k", LARGE)
    assert hub.payloads.name_in(row.input)
    client = Client(hub)
    assert (await client.read_entity_state(COUNTER)).entity_state == json.loads(LARGE)
    (listed,) = await client.get_all_entities()
    assert listed.get_state() == json.loads(LARGE)


async def test_a_state_that_is_no_entity_s_is_named(hub: TaskHub) -> None:
    await insert_entity(hub, "@counter@k", "5", input="[1]")
    with pytest.raises(CorruptRecord, match="the state of entity '@counter@k'"):
        await Client(hub).read_entity_state(COUNTER)


async def test_a_row_that_moved_on_is_read_again(hub: TaskHub) -> None:
    """An entity that goes on leaves the blob of its old state behind, and it is removed."""
    stale = await insert_entity(hub, "@counter@k", LARGE)
    await hub.payloads.delete(await hub.payloads.names_of("@counter@k"))
    with pytest.raises(CorruptRecord, match="'@counter@k' is missing"):
        await scheduler_state(hub, stale)
    await hub.instances.show(replace(stale, input='{"state":"8"}'), stale)
    found = await scheduler_state(hub, stale)
    assert found is not None
    assert found.state == "8"
    gone = await hub.instances.read("@counter@k")
    assert gone is not None
    await hub.instances.delete(gone)
    assert await scheduler_state(hub, stale) is None


async def test_foreign_states_that_are_no_json_are_texts(hub: TaskHub) -> None:
    await insert_entity(hub, "@counter@k", "plain text")
    assert (await Client(hub).read_entity_state(COUNTER)).entity_state == "plain text"


async def test_a_terminated_entity_keeps_its_state(hub: TaskHub) -> None:
    await insert_entity(hub, "@counter@k", "5", status=RuntimeStatus.TERMINATED)
    assert (await Client(hub).read_entity_state(COUNTER)).entity_state == 5


async def test_keys_of_other_sdks_are_read_and_not_signalled(hub: TaskHub) -> None:
    client = Client(hub)
    odd = EntityId("counter", "a/b")
    await insert_entity(hub, "@counter@a/b", "5")
    assert (await client.read_entity_state(odd)).entity_state == 5
    with pytest.raises(InvalidName, match="'/'"):
        await client.signal_entity(odd, "add")


async def test_lists_are_by_name_and_key_and_leave_out_what_does_not_exist(
    hub: TaskHub, insert: Insert, manual_clock: ManualClock
) -> None:
    client = Client(hub)
    now = manual_clock.now()
    await insert("an orchestration", RuntimeStatus.RUNNING)
    await insert_entity(hub, "@counter@b", "2", at=now + timedelta(hours=1))
    waiting = OperationRequest(op="add", id="1")
    busy = SchedulerState(state="1", locked_by="i", queue=(waiting, waiting))
    await insert_entity(hub, "@counter@a@1", busy)
    await insert_entity(hub, "@counter@gone", at=now + timedelta(hours=2))
    await insert_entity(hub, "@counters@c", "3")
    found = await client.get_all_entities("Counter")
    assert [each.id for each in found] == [EntityId("counter", "a@1"), EntityId("counter", "b")]
    first, second = found
    assert (first.name, first.key, first.exists) == ("counter", "a@1", True)
    assert (first.backlog_queue_size, first.locked_by) == (2, "i")
    assert (second.backlog_queue_size, second.locked_by) == (0, None)
    assert (first.last_modified, second.last_modified) == (now, now + timedelta(hours=1))
    assert [each.get_state(int) for each in found] == [1, 2]
    with pytest.raises(TypeError):
        first.get_state(list[int])

    async def keys(name: str | None = None, **options: Any) -> list[str]:
        return [each.key for each in await client.get_all_entities(name, **options)]

    assert await keys() == ["a@1", "b", "c"]
    assert await keys("counter", include_transient=True) == ["a@1", "b", "gone"]
    assert await keys("counter", last_modified_from=now + timedelta(minutes=1)) == ["b"]
    assert await keys("counter", last_modified_to=now) == ["a@1"]
    assert await keys("nothing") == []
    (gone,) = await client.get_all_entities(
        include_transient=True, last_modified_from=now + timedelta(hours=2)
    )
    assert (gone.exists, gone.get_state()) == (False, None)


async def test_without_states_none_is_handed_out(hub: TaskHub) -> None:
    await insert_entity(hub, "@counter@k", LARGE)
    (found,) = await Client(hub).get_all_entities(include_state=False)
    with pytest.raises(UsageError, match="@counter@k was not asked for"):
        found.get_state()
    (found,) = await Client(hub).get_all_entities()
    assert "xxx" not in repr(found)


async def test_pages_are_full_and_follow_each_other(hub: TaskHub) -> None:
    client = Client(hub)
    for number in range(7):
        await insert_entity(hub, f"@counter@{number}", None if number % 3 else str(number))
    page = await client.get_entities(page_size=2)
    assert [each.key for each in page.entities] == ["0", "3"]
    assert page.continuation_token is not None
    page = await client.get_entities(page_size=2, continuation_token=page.continuation_token)
    assert [each.get_state() for each in page.entities] == [6]
    assert page.continuation_token is None
    with pytest.raises(InvalidName, match=r"^continuation_token is none that get_entities gave"):
        await client.get_entities(continuation_token="x")


async def test_all_are_more_than_a_page(hub: TaskHub) -> None:
    await hub.ensure()
    row = await insert_entity(hub, "@counter@0000", "1")
    for number in range(1, 1001):
        await hub.instances.insert(replace(row, instance_id=f"@counter@{number:04}"))
    found = await Client(hub).get_all_entities(include_state=False)
    assert [int(each.key) for each in found] == list(range(1001))


async def test_a_list_shows_keys_that_only_net_makes(hub: TaskHub) -> None:
    await insert_entity(hub, "@counter@", "1")
    (found,) = await Client(hub).get_all_entities()
    assert (found.name, found.key, found.get_state()) == ("counter", "", 1)
    with pytest.raises(InvalidName, match="key must not be empty"):
        _ = found.id


async def test_one_that_cannot_be_understood_hides_no_other(
    hub: TaskHub, caplog: pytest.LogCaptureFixture
) -> None:
    await insert_entity(hub, "@counter@a", "1", input="[]")
    await insert_entity(hub, "@counter@b", "2")
    await insert_entity(hub, "@counter@c", "3", custom_status="7")
    await insert_entity(hub, "@counter@d", "4", custom_status='"Internal Error: x"')
    await insert_entity(hub, "@strange", "5")
    caplog.set_level(logging.WARNING)
    found = await Client(hub).get_all_entities(include_transient=True)
    assert [(each.key, each.exists) for each in found] == [("b", True), ("d", False)]
    assert [record.args[0] for record in caplog.records if isinstance(record.args, tuple)] == [
        "@counter@a",
        "@counter@c",
    ]


async def test_an_entity_is_purged_as_it_is_and_not_restarted(hub: TaskHub) -> None:
    client = Client(hub)
    await insert_entity(hub, "@counter@k", SchedulerState(state=LARGE, locked_by="i"))
    with pytest.raises(InvalidName, match="'@counter@k' is an entity"):
        await client.restart("@counter@k")
    assert (await client.purge_instance_history("@counter@k")).instances_deleted == 1
    assert (await client.purge_instance_history("@counter@k")).instances_deleted == 0
    assert not (await client.read_entity_state(COUNTER)).entity_exists
    assert await hub.payloads.names_of("@counter@k") == []
    sentinel = await hub.history.read_sentinel("@counter@k")
    assert sentinel is not None
    assert sentinel.purged


async def test_an_entity_that_goes_on_all_the_time_says_so(hub: TaskHub) -> None:
    row = await insert_entity(hub, "@counter@k", "1")
    await hub.instances.show(replace(row, execution_id="e0"), row)
    with pytest.raises(InstanceError, match=r"changed by others at the same time.*Purge it again"):
        await Client(hub).purge_instance_history("@counter@k")


async def test_many_are_purged_only_when_it_is_said(
    hub: TaskHub, manual_clock: ManualClock
) -> None:
    client = Client(hub)
    await insert_entity(hub, "@counter@k", "1")
    start = manual_clock.now()
    assert (await client.purge_instance_history_by(start)).instances_deleted == 0
    assert (await client.purge_instance_history_by(start, force=True)).instances_deleted == 1
