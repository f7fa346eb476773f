"""Payloads over the limits: where they go, how they come back, when they are deleted."""

from __future__ import annotations

import json
import re
from collections.abc import Generator
from typing import Any

import pytest

from durable.errors import CorruptRecord, NotFound
from durable.hub.purging import purge_instance
from durable.hub.raising import terminate
from durable.hub.starting import StartRequest, start_instance
from durable.model.events import ExecutionStarted, TaskCompleted, TaskScheduled
from durable.model.status import RuntimeStatus
from durable.wire.envelopes import BlobPointer, encode_pointer
from tests.hub_lab import Lab, in_virtual_time

Steps = Generator[Any, Any, Any]
#: Over 60 KiB of UTF-16, and over 45 KiB of UTF-8.
LARGE = "x" * 50_000
#: Over 60 KiB of UTF-16, not over 45 KiB of UTF-8: only a row minds.
MIDDLING = "x" * 40_000
EXECUTION = r"history-[0-9A-F]{16}-(\w+)-[0-9A-F]{8}-(\w+)\.json\.gz"


def echoing(context: Any) -> Steps:
    return (yield context.call_activity("echo", context.get_input()))


def waiting(context: Any) -> Steps:
    return (yield context.wait_for_external_event("E"))


def renewing(context: Any) -> Steps:
    left = context.get_input()["left"]
    yield context.call_activity("echo", LARGE + str(left))
    if left:
        context.continue_as_new({"left": left - 1, "ballast": f"{left}" * 50_000})


async def failing(value: Any) -> Any:
    raise ValueError("f" * 70_000)


def failed(context: Any) -> Steps:
    yield context.call_activity("failing", 1)


@pytest.mark.parametrize("value", [LARGE, MIDDLING, "ä" * 31_000, "small"])
@in_virtual_time
async def test_input_argument_result_and_output_come_back_whatever_their_size(value: str) -> None:
    lab = Lab(echoing)
    actor = await lab.actor()
    await lab.start("echoing", value)
    await actor.drain()
    row = await lab.row()
    texts = await lab.hub.instances.texts(row)
    assert json.loads(texts.input or "") == json.loads(texts.output or "") == value
    [scheduled] = [e for e in await lab.events() if isinstance(e, TaskScheduled)]
    [completed] = [e for e in await lab.events() if isinstance(e, TaskCompleted)]
    assert json.loads(scheduled.input or "") == [value]
    assert json.loads(completed.result or "") == value
    if value != "small":
        assert (row.input or "").startswith("https://")
        assert (row.output or "").startswith("https://")


@in_virtual_time
async def test_blobs_are_named_as_the_original_names_them() -> None:
    lab = Lab(echoing)
    actor = await lab.actor()
    await lab.start("echoing", LARGE, instance_id="order^1")
    await actor.drain()
    names = await lab.blobs()
    folders: dict[str, set[str]] = {}
    kinds: set[tuple[str, ...]] = set()
    for name in names:
        folder, _, rest = name.rpartition("/")
        kind = "message" if rest.startswith("message-") else "history"
        folders.setdefault(kind, set()).add(folder)
        found = re.fullmatch(r"message-[0-9a-f]{32}-(\w+)\.json\.gz", rest)
        found = found or re.fullmatch(EXECUTION, rest)
        assert found is not None, name
        kinds.add((kind, *found.groups()))
    # A message's blob lies under the id as it is, a row's under the escaped one (W11).
    assert folders == {"message": {"order^1"}, "history": {"order^^1"}}
    assert kinds == {
        ("message", "ExecutionStarted"),
        ("message", "TaskScheduled"),
        ("message", "TaskCompleted"),
        ("history", "ExecutionStarted", "Input"),
        ("history", "TaskScheduled", "Input"),
        ("history", "TaskCompleted", "Result"),
        ("history", "ExecutionCompleted", "Result"),
    }


@pytest.mark.parametrize("instance_id", ["i1", "order^1"])
@in_virtual_time
async def test_r8_purge_removes_the_blobs_of_its_instance_alone(instance_id: str) -> None:
    lab = Lab(echoing)
    actor = await lab.actor()
    await lab.start("echoing", LARGE, instance_id=instance_id)
    await lab.start("echoing", LARGE, instance_id=f"{instance_id}-other")
    await actor.drain()
    before = set(await lab.blobs())
    assert await purge_instance(lab.hub, instance_id)
    left = set(await lab.blobs())
    assert left
    assert left == {name for name in before if "-other/" in name}


@in_virtual_time
async def test_continue_as_new_deletes_the_blobs_of_the_generation_it_replaces() -> None:
    lab = Lab(renewing)
    actor = await lab.actor()
    await lab.start("renewing", {"left": 2, "ballast": LARGE})
    await actor.drain()
    assert (await lab.row()).status is RuntimeStatus.COMPLETED
    named = {name for row in (await lab.history()).ledger.rows for name in row.blobs.values()}
    left = {name for name in await lab.blobs() if "/history-" in name}
    assert left == named
    assert named


@in_virtual_time
async def test_a_failure_s_text_over_60_kib_does_not_wedge_the_row() -> None:
    lab = Lab(failed, activities=[failing])
    actor = await lab.actor()
    await lab.start("failed")
    await actor.drain()
    row = await lab.row()
    assert row.status is RuntimeStatus.FAILED
    assert (row.output or "").startswith("https://")
    text = (await lab.hub.instances.texts(row)).output or ""
    assert "f" * 70_000 in text
    assert await purge_instance(lab.hub, "i1")
    assert await lab.blobs() == {}


@pytest.mark.parametrize(
    "address",
    [
        "https://elsewhere.blob.core.windows.net/other-container/i1/secret.json.gz",
        "https://memory.blob.core.windows.net/lab-largemessages/i2/history-secret.json.gz",
        "https://memory.blob.core.windows.net/lab-largemessages/i1/../i2/history-secret.json.gz",
        "https://memory.blob.core.windows.net/lab-largemessages/i1/nothing-there.json.gz",
        "https://memory.blob.core.windows.net/lab-largemessages/i1/%01.json.gz",
        "https://memory.blob.core.windows.net/lab-largemessages/",
    ],
)
@in_virtual_time
async def test_an_address_that_is_not_the_instance_s_own_blob_is_text(address: str) -> None:
    """A terminate's reason is plain text of a client's choosing: nothing is fetched for it."""
    lab = Lab(waiting)
    actor = await lab.actor()
    await lab.start("waiting")
    await actor.deliver()
    await lab.hub.payloads.write("i2/history-secret.json.gz", '"the secret of i2"')
    await terminate(lab.hub, "i1", address)
    await actor.drain()
    row = await lab.row()
    assert (row.status, row.output) == (RuntimeStatus.TERMINATED, address)
    assert (await lab.hub.instances.texts(row)).output == address
    await lab.merge_row(Input=address)
    if "/i1/nothing" not in address and "%01" not in address:
        assert (await lab.hub.instances.texts(await lab.row())).input == address


@in_virtual_time
async def test_an_instance_s_own_blob_is_followed_whatever_host_its_address_names() -> None:
    lab = Lab(waiting)
    await lab.actor()
    await lab.start("waiting")
    await lab.hub.payloads.write("i1/history-mine.json.gz", '"mine"')
    address = "http://127.0.0.1:10000/devstoreaccount1/lab-largemessages/i1/history-mine.json.gz"
    await lab.merge_row(Output=address)
    assert await lab.output() == "mine"


@in_virtual_time
async def test_an_input_blob_column_of_dotnet_is_followed() -> None:
    lab = Lab(waiting)
    await lab.actor()
    await lab.start("waiting")
    await lab.hub.payloads.write("i1/history-mine.json.gz", '"mine"')
    await lab.merge_row(Input="", InputBlobName="i1/history-mine.json.gz")
    assert (await lab.hub.instances.texts(await lab.row())).input == '"mine"'


@in_virtual_time
async def test_a_start_message_s_blob_gives_the_input_alone() -> None:
    lab = Lab(waiting)
    await lab.actor()
    row = await lab.start("waiting", LARGE)
    assert (row.input or "").endswith("-ExecutionStarted.json.gz")
    assert (await lab.hub.instances.texts(row)).input == json.dumps(LARGE)


@in_virtual_time
async def test_r6_a_pending_row_with_a_large_input_starts_without_its_message() -> None:
    lab = Lab(echoing)
    actor = await lab.actor()
    await lab.start("echoing", LARGE)
    lab.account._queues._state.queues[lab.queue].clear()
    await lab.raise_event("E", 1)
    await actor.drain()
    assert await lab.output() == LARGE


@in_virtual_time
async def test_an_input_only_the_row_minds_is_spilled_for_the_row() -> None:
    lab = Lab(echoing)
    await lab.actor()
    request = StartRequest(name="echoing", instance_id="i1", input=json.dumps(MIDDLING))
    row = await start_instance(lab.hub, request)
    [name] = await lab.blobs()
    assert re.fullmatch(r"i1/history--Input-[0-9A-F]{8}-Input\.json\.gz", name)
    assert (await lab.hub.instances.texts(row)).input == json.dumps(MIDDLING)
    [(message, _)] = await lab.queued()
    assert isinstance(message.event, ExecutionStarted)
    assert message.event.input == json.dumps(MIDDLING)


@in_virtual_time
async def test_a_pointer_to_nothing_or_to_a_pointer_is_corrupt() -> None:
    lab = Lab(echoing)
    await lab.actor()
    payloads = lab.hub.payloads
    with pytest.raises(CorruptRecord, match=r"'i1/gone\.json\.gz' is missing"):
        await payloads.read_message(BlobPointer("i1/gone.json.gz"))
    with pytest.raises(NotFound):
        await payloads.read("i1/gone.json.gz")
    await payloads.write("i1/loop.json.gz", encode_pointer("i1/loop.json.gz"))
    with pytest.raises(CorruptRecord, match="another pointer"):
        await payloads.read_message(BlobPointer("i1/loop.json.gz"))


@in_virtual_time
async def test_names_of_an_instance_are_found_over_several_pages() -> None:
    lab = Lab(echoing)
    await lab.actor()
    assert await lab.hub.payloads.names_of("i1") == []  # no container yet
    await lab.hub.payloads.write("i1/message-1.json.gz", "x")
    for name in (*(f"i1/message-{n}.json.gz" for n in range(2, 5500)), "i11/message-1.json.gz"):
        await lab.account.blobs.put_blob("lab-largemessages", name, b"")
    assert len(await lab.hub.payloads.names_of("i1")) == 5499


def barely(context: Any) -> Steps:
    yield context.call_activity("greet", 1)
    raise ValueError("f" * 30_715)


@in_virtual_time
async def test_an_output_that_only_its_type_makes_too_large_goes_to_a_blob_of_its_own() -> None:
    lab = Lab(barely)
    actor = await lab.actor()
    await lab.start("barely")
    await actor.drain()
    row = await lab.row()
    assert re.search(r"/i1/history--Output-[0-9A-F]{8}-Output\.json\.gz$", row.output or "")
    text = (await lab.hub.instances.texts(row)).output
    assert text == "ValueError: " + "f" * 30_715
