"""What is told of damaged data: whose they are."""

from __future__ import annotations

import gzip
from dataclasses import replace

import pytest

from durable.errors import CorruptRecord, InvalidName, NotFound, TooLarge
from durable.hub.damage import damage_told_of
from durable.hub.taskhub import TaskHub
from durable.storage.values import Operation, Row, Write
from tests.hub_lab import Lab, in_virtual_time

LARGE = "L" * 40_000


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (CorruptRecord("Bad."), CorruptRecord),
        (InvalidName("Bad."), CorruptRecord),
        (TooLarge("Bad."), TooLarge),
    ],
)
def test_the_instance_is_named(error: Exception, kind: type[Exception]) -> None:
    with (
        pytest.raises(
            kind, match="The history of instance 'i1' can't be understood: Bad"
        ) as caught,
        damage_told_of("i1", "The history", operation="read", resource="LabHistory"),
    ):
        raise error
    assert isinstance(caught.value, CorruptRecord | TooLarge)
    assert (caught.value.operation, caught.value.resource) == ("read", "LabHistory")


def test_an_error_that_names_it_is_told_as_it_is() -> None:
    with (
        pytest.raises(CorruptRecord, match=r"^Instance 'i1' lacks rows\.$"),
        damage_told_of("i1", "The history", operation="", resource=""),
    ):
        raise CorruptRecord("Instance 'i1' lacks rows.")


def test_what_is_no_damage_passes() -> None:
    with pytest.raises(NotFound), damage_told_of("i1", "", operation="", resource=""):
        raise NotFound("Gone.")


def asks(context: object) -> object:
    return context.wait_for_external_event("go")  # type: ignore[attr-defined]


async def begun(*, value: str | None = None) -> Lab:
    lab = Lab(asks)
    actor = await lab.actor()
    await lab.start("asks", value)
    await actor.deliver()
    return lab


async def write(lab: Lab, write: Write, key: str, **columns: str | int) -> None:
    row = Row(partition_key="i1", row_key=key, columns=columns)
    await lab.account.tables.write(lab.hub.names.history_table, Operation(write=write, row=row))


@pytest.mark.parametrize(
    ("key", "columns", "what"),
    [
        ("0000000000000001", {"EventType": "Process"}, "'Process'"),
        ("0000000000000001", {"EventType": "GenericEvent"}, "none that starts it"),
        (
            "0000000000000001",
            {"OrchestrationInstance": '{"InstanceId":"i2","ExecutionId":"e"}'},
            "start is one of instance 'i2'",
        ),
        ("0000000000000000", {"EventId": "x"}, "EventId should be an integer"),
        ("0000000000000002", {"EventId": 2**31 - 1}, "numbers that no task"),
        ("sentinel", {"CheckpointSequence": 2**31 - 1}, "no checkpoint can have"),
        ("sentinel", {"CommittedCount": 0}, "counts no rows"),
        ("sentinel", {"CommittedCount": -7}, "counts no rows"),
        ("sentinel", {"CommittedCount": "x"}, "CommittedCount should be an integer"),
        ("sentinel", {"CommittedCount": 900}, "lacks rows that its sentinel counts"),
        ("sentinel", {"RecentIdentitiesBlobName": "../x/y"}, "not in the instance's own folder"),
    ],
)
@in_virtual_time
async def test_a_damaged_history_is_that_of_its_instance(
    key: str, columns: dict[str, str | int], what: str
) -> None:
    lab = await begun()
    await write(lab, Write.MERGE, key, **columns)
    with pytest.raises(CorruptRecord, match=what) as caught:
        await lab.hub.history.read("i1")
    assert "'i1'" in str(caught.value)


@in_virtual_time
async def test_a_damaged_sentinel_is_that_of_its_instance() -> None:
    lab = await begun()
    await write(lab, Write.MERGE, "sentinel", Purged="yes")
    with pytest.raises(CorruptRecord, match="Purged should be true or false"):
        await lab.hub.history.read_sentinel("i1")
    with pytest.raises(CorruptRecord, match="'i1'"):
        await lab.hub.history.read_names("i1")


@pytest.mark.parametrize(
    ("content", "kind", "what"),
    [
        (b"no gzip", CorruptRecord, "not gzip"),
        (gzip.compress(b"x" * 100_000)[:-9], CorruptRecord, "cut short"),
        # 1,000 bytes that would be a million.
        (gzip.compress(bytes(1_000_000)), CorruptRecord, "more than 500000 bytes"),
        (bytes(600_000), TooLarge, "at most 500000 are read"),
    ],
)
@in_virtual_time
async def test_a_damaged_payload_is_named_with_its_instance(
    content: bytes, kind: type[Exception], what: str
) -> None:
    lab = await begun(value=LARGE)
    container = lab.hub.names.large_messages
    for each in await lab.blobs():
        await lab.account.blobs.put_blob(container, each, content)
    hub = TaskHub(lab.account, replace(lab.settings, max_payload_bytes=500_000), lab.clock)
    with pytest.raises(kind, match=what) as caught:
        await hub.history.read("i1")
    assert "'i1'" in str(caught.value)
    assert "i1/history-0000000000000001-ExecutionStarted" in str(caught.value)
    with pytest.raises(kind, match="Input or output of instance 'i1'"):
        await hub.instances.texts(await lab.row())
