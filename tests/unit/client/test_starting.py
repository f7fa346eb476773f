"""What a start may say: version, tags, a time, the right to replace; and what host.json says."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta, timezone

import pytest

from durable.authoring.definitions import OrchestratorDefinition
from durable.authoring.registry import Registry
from durable.client import Client
from durable.client.starting import StartRules, tags_of
from durable.errors import InstanceExists, InvalidName, UsageError
from durable.hub.taskhub import TaskHub
from durable.model.events import ExecutionStarted
from durable.model.status import RuntimeStatus
from durable.model.versions import VersionFailure, VersionPolicy
from tests.manual_clock import ManualClock
from tests.unit.client.conftest import Insert, sent

NOON = datetime(2030, 6, 1, 12, tzinfo=UTC)


def ruled(hub: TaskHub, registry: Registry | None = None, **policy: object) -> Client:
    versions = VersionPolicy(**policy)  # type: ignore[arg-type]
    return Client(hub, registry=registry, rules=StartRules(versions=versions))


def hello() -> Registry:
    registry = Registry()
    registry.add_orchestrator(
        OrchestratorDefinition(name="hello", function=lambda c: c, context_name="c")
    )
    return registry


@pytest.mark.parametrize(("named", "stored"), [(None, "2.0"), ("1.0", "1.0"), ("", "")])
async def test_an_instance_gets_the_apps_version_unless_its_start_names_one(
    hub: TaskHub, named: str | None, stored: str
) -> None:
    client = ruled(hub, version="2.0")
    await client.start_new("hello", "i", None, named)
    row = await hub.instances.read("i")
    assert row is not None
    assert row.version == stored
    (event,) = await sent(hub)
    assert isinstance(event, ExecutionStarted)
    assert event.version == stored
    assert (await client.get_status("i")).version == stored


async def test_a_restarted_instance_gets_the_apps_version(hub: TaskHub) -> None:
    await ruled(hub, version="1.0").start_new("hello", "i")
    again = await ruled(hub, version="2.0").restart("i")
    row = await hub.instances.read(again)
    assert row is not None
    assert row.version == "2.0"


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        (NOON.replace(tzinfo=None), NOON),
        (NOON, NOON),
        (NOON.astimezone(timezone(timedelta(hours=5, minutes=30))), NOON),
    ],
)
async def test_a_scheduled_start_is_stored_in_utc(
    hub: TaskHub, given: datetime, stored: datetime
) -> None:
    client = Client(hub)
    await client.start_new("hello", "i", scheduled_start_time=given)
    status = await client.get_status("i")
    assert status.scheduled_start_time == stored
    assert status.scheduled_start_time.utcoffset() == timedelta(0)
    row = await hub.instances.read("i")
    assert row is not None
    assert (row.status, row.scheduled_start_time) == (RuntimeStatus.PENDING, stored)


async def test_a_scheduled_start_is_not_delivered_before_its_time(
    hub: TaskHub, manual_clock: ManualClock
) -> None:
    client = Client(hub)
    due = manual_clock.now() + timedelta(hours=1)
    await client.start_new("hello", "i", scheduled_start_time=due)
    assert await sent(hub) == []
    manual_clock.advance(3600)
    (event,) = await sent(hub)
    assert isinstance(event, ExecutionStarted)
    assert event.scheduled_start_time == due


async def test_a_time_that_has_passed_is_delivered_at_once(
    hub: TaskHub, manual_clock: ManualClock
) -> None:
    client = Client(hub)
    await client.start_new("hello", "i", scheduled_start_time=manual_clock.now() - timedelta(1))
    assert len(await sent(hub)) == 1


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ("2030-01-01", UsageError, "scheduled_start_time must be a datetime"),
        (datetime.max.replace(tzinfo=timezone(-timedelta(hours=1))), InvalidName, "out of range"),
    ],
)
async def test_a_time_that_is_none_is_refused(
    hub: TaskHub, given: object, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        await Client(hub).start_new("hello", "i", scheduled_start_time=given)  # type: ignore[arg-type]
    await hub.ensure()
    assert await hub.instances.read("i") is None


async def test_tags_are_kept_and_shown(hub: TaskHub) -> None:
    client = Client(hub)
    tags = {"team": "été", "": "empty name", "n": ""}
    await client.start_new("hello", "i", tags=tags)
    await client.start_new("hello", "j")
    (event,) = [e for e in await sent(hub) if getattr(e, "tags", None)]
    assert isinstance(event, ExecutionStarted)
    assert event.tags == tags
    status = await client.get_status("i")
    assert status.tags == tags
    assert set(status.to_json()) == set((await client.get_status("j")).to_json())
    assert (await client.get_status("j")).tags == {}
    assert (await client.get_status("nobody")).tags == {}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([("a", "b")], "tags must be a dict of texts by name, not a list"),
        ("a=b", "tags must be a dict of texts by name, not a str"),
        ({1: "a"}, "The name of a tag must be a text; 1 is not"),
        ({"cost": 5}, "Tag 'cost' must be a text, not a int: use str()"),
        ({"gone": None}, "Tag 'gone' must be a text, not a NoneType"),
        ({"$type": "x"}, "can't be named '\\$type'"),
        ({"small": "x", "big": "y" * 40_000}, "most of them tag 'big' with 40000"),
        ({"wide": "\U0001f600" * 20_000}, "take 40011 characters as JSON"),
    ],
)
async def test_tags_that_cannot_be_are_refused_by_name(
    hub: TaskHub, given: object, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        await Client(hub).start_new("hello", "i", tags=given)  # type: ignore[arg-type]
    await hub.ensure()
    assert await hub.instances.read("i") is None


def test_no_tags_are_none() -> None:
    assert tags_of(None) is tags_of({}) is None


@pytest.mark.parametrize(
    ("by_rule", "by_call", "replaced"),
    [
        (False, None, False),
        (True, None, True),
        (False, True, True),
        (True, False, False),
    ],
)
async def test_whether_a_running_instance_is_replaced(
    hub: TaskHub, insert: Insert, by_rule: bool, by_call: bool | None, replaced: bool
) -> None:
    client = Client(hub, rules=StartRules(override_running=by_rule))
    before = await insert("busy", RuntimeStatus.RUNNING)
    if replaced:
        await client.start_new("hello", "busy", override_running=by_call)
    else:
        with pytest.raises(InstanceExists, match="status Running already exists"):
            await client.start_new("hello", "busy", override_running=by_call)
    row = await hub.instances.read("busy")
    assert row is not None
    assert (row.execution_id != before.execution_id) is replaced


async def test_who_starts_what_the_app_leaves_alone_is_warned(
    hub: TaskHub, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "durable.client")
    await ruled(hub, hello(), version="1.0").start_new("hello", "same")
    await ruled(hub, hello(), version="1.0", failure=VersionFailure.FAIL).start_new(
        "hello", "fails", version="2.0"
    )
    await ruled(hub, version="1.0").start_new("hello", "elsewhere", version="2.0")
    assert caplog.messages == []
    await ruled(hub, hello(), version="1.0").start_new("hello", "new", version="2.0")
    [told] = caplog.messages
    assert "instance 'new' was started with version '2.0'" in told
    assert "defaultVersion is '1.0', its versionMatchStrategy CurrentOrOlder" in told
