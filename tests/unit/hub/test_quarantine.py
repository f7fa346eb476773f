"""Quarantine: what is kept of a message, and how it is listed, put back and thrown away."""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import replace
from typing import Any

import pytest

from durable.errors import CorruptRecord, Unavailable
from durable.hub.quarantine import Quarantine, QuarantineQuery
from durable.hub.quarantine_records import QuarantinedMessage
from durable.hub.settings import HubSettings
from durable.hub.taskhub import TaskHub
from durable.model.events import EventRaised
from durable.model.messages import Cause, Extras, TaskMessage
from durable.storage.values import QueueMessage
from durable.wire.envelopes import encode_message, encode_pointer, message_blob_name
from tests.hub_lab import Crash, Lab, crash_at, in_virtual_time

Steps = Generator[Any, Any, Any]
EVERYTHING = QuarantineQuery()
LARGE = "x" * 60_000


def collect(context: Any) -> Steps:
    got: list[Any] = []
    while True:
        event = yield context.wait_for_external_event("E")
        if event == "end":
            return got
        got.append(event)


async def made(*orchestrators: Any) -> tuple[Lab, Quarantine]:
    lab = Lab(*orchestrators)
    await lab.hub.ensure()
    return lab, Quarantine(lab.hub)


async def taken(lab: Lab, text: str, queue: str | None = None) -> QueueMessage:
    """A message of that text, as received."""
    queue = queue or lab.queue
    await lab.account.queues.put(queue, text)
    [message] = await lab.account.queues.get(queue, count=1, lease_seconds=600)
    return message


async def kept(lab: Lab, text: str, queue: str | None = None) -> QuarantinedMessage:
    """As the engine does it: kept, then out of the queue."""
    queue = queue or lab.queue
    message = await taken(lab, text, queue)
    found = await Quarantine(lab.hub).keep(queue, message, "because")
    await lab.account.queues.delete(queue, message.id, message.pop_receipt)
    return found


async def put_record(lab: Lab, name: str, data: bytes) -> None:
    container = lab.hub.names.quarantine
    await lab.account.blobs.create_container(container)
    await lab.account.blobs.put_blob(container, name, data)


async def texts(lab: Lab, queue: str | None = None) -> list[str]:
    return [each.text for each in await lab.account.queues.peek(queue or lab.queue)]


@in_virtual_time
async def test_a_message_is_kept_whole_with_where_why_and_when() -> None:
    lab, quarantine = await made()
    text = '{"odd": "\u00e4", "a": ' + "1" * 5000
    await lab.account.queues.put(lab.queue, text)
    inserted = lab.clock.now()
    await lab.clock.sleep(30)
    [message] = await lab.account.queues.get(lab.queue, count=1, lease_seconds=60)
    assert lab.hub.names.quarantine not in await lab.account.blobs.list_containers("")
    first = await quarantine.keep(lab.queue, message, "because")
    assert first.id == f"{lab.queue}/{message.id}"
    assert (await quarantine.keep(lab.queue, message, "because of that")).id == first.id
    assert list(await lab.blobs(lab.hub.names.quarantine)) == [f"{first.id}.json"]
    assert await lab.quarantined() == [
        {
            "queue": lab.queue,
            "messageId": message.id,
            "reason": "because of that",
            "quarantinedAt": lab.clock.now().isoformat(),
            "insertedAt": inserted.isoformat(),
            "dequeueCount": 1,
            "failures": 0,
            "instanceId": None,
            "kind": None,
            "text": text,
        }
    ]
    found = await quarantine.read(first.id, with_text=True)
    assert found == replace(first, reason="because of that", text=text)
    assert await quarantine.read(first.id) == replace(found, text=None)
    assert text not in repr(found)


@in_virtual_time
async def test_a_record_tells_whom_the_message_is_for_and_how_often_it_failed() -> None:
    lab, quarantine = await made()
    message = lab.raised("E", 1)
    text = encode_message(replace(message, extras=replace(message.extras, failures=3)))
    found = await kept(lab, text)
    assert (found.instance_id, found.kind, found.failures) == ("i1", "EventRaised", 3)
    again = await quarantine.keep(
        lab.queue, await taken(lab, text), "it failed", message=message, failures=10
    )
    assert (again.instance_id, again.kind, again.failures) == ("i1", "EventRaised", 10)
    known = await quarantine.keep(lab.queue, await taken(lab, text), "no", message=message)
    assert known.failures == 0


@in_virtual_time
async def test_what_was_in_memory_only_is_written_out_under_a_name_of_its_own() -> None:
    lab, quarantine = await made()
    now = lab.clock.now()
    raw = QueueMessage(
        id="memory-1", pop_receipt="", text="", dequeue_count=1, inserted=now, next_visible=now
    )
    small, large = lab.raised("E", 1), lab.raised("E", LARGE)
    first = await quarantine.keep(lab.queue, raw, "because", message=small)
    second = await quarantine.keep(lab.queue, raw, "because", message=large)
    assert first.id != second.id
    assert first.text == encode_message(small)
    whole = await quarantine.read(second.id, with_text=True)
    assert whole is not None
    assert whole.text == encode_message(large)
    assert LARGE not in (second.text or "")


@in_virtual_time
async def test_reasons_and_ids_are_told_at_a_bounded_length() -> None:
    lab, quarantine = await made()
    message = replace(lab.raised("E", 1))
    message = replace(message, target=replace(message.target, instance_id="i" * 9000))
    found = await quarantine.keep(
        lab.queue, await taken(lab, encode_message(message)), "r" * 9000, message=message
    )
    assert len(found.reason) < 2100
    assert len(found.instance_id or "") < 2100


@in_virtual_time
async def test_a_list_is_paged_by_queue_and_id_and_can_be_narrowed() -> None:
    lab, quarantine = await made()
    empty = await quarantine.page(EVERYTHING, size=10)
    assert (empty.messages, empty.continuation_token) == ((), None)
    workers = lab.hub.names.work_items
    event = EventRaised(timestamp=lab.clock.now(), name="E", input="1")
    ids = [
        (await kept(lab, encode_message(lab.event(event, instance_id=f"i{n % 3}")), queue)).id
        for n in range(6)
        for queue in (lab.queue, workers)
    ]
    await kept(lab, "nonsense")

    async def listed(query: QuarantineQuery, size: int) -> list[list[str]]:
        pages: list[list[str]] = []
        token: str | None = None
        while True:
            page = await quarantine.page(query, size=size, continuation=token)
            assert all((each.text is None) is not query.with_text for each in page.messages)
            pages.append([each.id for each in page.messages])
            token = page.continuation_token
            if token is None:
                return pages
            assert token.isascii()

    pages = await listed(EVERYTHING, 5)
    assert [len(page) for page in pages] == [5, 5, 3]
    flat = [each for page in pages for each in page]
    assert flat == sorted(flat)
    assert set(ids) < set(flat)
    of_workers = await listed(QuarantineQuery(queue=workers, with_text=True), 4)
    assert of_workers == [[i for i in flat if i.startswith(workers)][:4], of_workers[1]]
    assert [len(page) for page in of_workers] == [4, 2]
    [of_one] = await listed(QuarantineQuery(instance_id="i1"), 100)
    assert len(of_one) == 4
    assert [len(page) for page in await listed(QuarantineQuery(instance_id="i1"), 3)] == [3, 1]
    assert await listed(QuarantineQuery(queue="other"), 5) == [[]]


@in_virtual_time
async def test_a_message_that_goes_between_two_pages_hides_no_other() -> None:
    lab, quarantine = await made()
    ids = sorted([(await kept(lab, f"nonsense {n}")).id for n in range(6)])
    page = await quarantine.page(EVERYTHING, size=2)
    for each in ids[:3]:
        assert await quarantine.discard(each)
    rest = await quarantine.page(EVERYTHING, size=9, continuation=page.continuation_token)
    assert [each.id for each in rest.messages] == ids[3:]


@pytest.mark.slow
@in_virtual_time
async def test_one_page_looks_at_a_bounded_number_of_records() -> None:
    lab, quarantine = await made()
    for n in range(1003):
        await put_record(lab, f"{lab.queue}/m{n:04}.json", b'{"instanceId": "i1"}')
    page = await quarantine.page(QuarantineQuery(instance_id="nobody"), size=10)
    assert page.messages == ()
    assert page.continuation_token is not None
    page = await quarantine.page(
        QuarantineQuery(instance_id="nobody"), size=10, continuation=page.continuation_token
    )
    assert page.continuation_token is None


@pytest.mark.parametrize("token", ["", "x", "bm9uc2Vuc2U=", "WzEsIDJd", "\u00e4", "e30=", "W" * 99])
@in_virtual_time
async def test_a_continuation_of_something_else_is_refused(token: str) -> None:
    _, quarantine = await made()
    with pytest.raises(CorruptRecord, match="no continuation of this list"):
        await quarantine.page(EVERYTHING, size=1, continuation=token)


DAMAGED = [
    b"",
    b"\xff\xfe",
    b"[]",
    b"{}",
    b"[" * 100_000,
    b'{"queue": 7, "messageId": [], "reason": null, "dequeueCount": "many", "text": 5}',
    b'{"quarantinedAt": "yesterday", "insertedAt": "9999-12-31T23:59:59-23:00", "failures": -1}',
    b"x" * (1024 * 1024 + 1),
]


@pytest.mark.parametrize("data", DAMAGED, ids=range(len(DAMAGED)))
@in_virtual_time
async def test_a_damaged_record_is_listed_and_can_only_be_discarded(data: bytes) -> None:
    lab, quarantine = await made()
    good = await kept(lab, "nonsense")
    await put_record(lab, f"{lab.queue}/bad.json", data)
    page = await quarantine.page(QuarantineQuery(with_text=True), size=10)
    assert {each.id for each in page.messages} == {good.id, f"{lab.queue}/bad"}
    [bad] = [each for each in page.messages if each.is_damaged]
    assert (bad.queue, bad.message_id) == (lab.queue, "bad")
    assert (bad.text, bad.quarantined_at, bad.dequeue_count, bad.failures) == (None, None, 0, 0)
    assert "can't be read; discard it" in bad.reason
    with pytest.raises(CorruptRecord, match="its record is damaged"):
        await quarantine.replay(bad.id)
    assert await texts(lab) == []
    assert await quarantine.discard(bad.id)
    assert await quarantine.read(bad.id) is None


@in_virtual_time
async def test_what_else_is_told_by_a_damaged_record_is_shown() -> None:
    lab, quarantine = await made()
    record = {
        "reason": "because",
        "quarantinedAt": "2026-01-02T03:04:05+02:00",
        "insertedAt": "2026-01-02T03:04:05",
        "failures": 4,
        "instanceId": "i1",
        "kind": "EventRaised",
    }
    await put_record(lab, f"{lab.queue}/bad.json", json.dumps(record).encode())
    found = await quarantine.read(f"{lab.queue}/bad")
    assert found is not None
    assert found.is_damaged
    assert (found.reason, found.failures, found.instance_id) == ("because", 4, "i1")
    assert found.quarantined_at is not None
    assert found.quarantined_at.isoformat() == "2026-01-02T01:04:05+00:00"
    assert found.inserted_at is not None
    assert found.inserted_at.isoformat() == "2026-01-02T03:04:05+00:00"


@pytest.mark.parametrize("queue", ["lab-control-01", "lab-control-00-poison", "other"])
@pytest.mark.parametrize("lies", [False, True])
@in_virtual_time
async def test_nothing_is_put_into_a_queue_that_is_none_of_the_hub_s(
    queue: str, lies: bool
) -> None:
    lab, quarantine = await made()
    await lab.account.queues.create_queue(queue)
    said = lab.queue if lies else queue
    record = json.dumps({"queue": said, "messageId": "m", "text": "{}"}).encode()
    await put_record(lab, f"{queue}/m.json", record)
    with pytest.raises(CorruptRecord, match="damaged" if lies else "is no queue of this hub"):
        await quarantine.replay(f"{queue}/m")
    # Nor into one of the hub's, by the name of another's record.
    await put_record(
        lab, f"{lab.queue}/m.json", json.dumps({"queue": queue, "text": "{}"}).encode()
    )
    with pytest.raises(CorruptRecord, match="damaged"):
        await quarantine.replay(f"{lab.queue}/m")
    assert await texts(lab, queue) == await texts(lab) == []
    assert await quarantine.discard(f"{queue}/m")


@pytest.mark.parametrize(
    "id_",
    ["", "/", "m", "lab-control-00/", "lab-control-00/a/b", "../secret/m", "lab-control-00/\u00e4",
     "LAB-control-00/m", "lab-control-00/m ", "lab-control-00/m\n"],
)  # fmt: skip
@in_virtual_time
async def test_what_is_no_id_names_nothing(id_: str) -> None:
    lab, quarantine = await made()
    await put_record(lab, "m.json", b"{}")
    await put_record(lab, "lab-control-00/a/b.json", b"{}")
    assert await quarantine.read(id_) is None
    assert not await quarantine.replay(id_)
    assert not await quarantine.discard(id_)
    assert (await quarantine.page(EVERYTHING, size=9)).messages == ()


@in_virtual_time
async def test_an_odd_message_id_is_no_path() -> None:
    lab, quarantine = await made()
    message = replace(await taken(lab, "nonsense"), id="../a b/\u00e4")
    found = await quarantine.keep(lab.queue, message, "because")
    assert found.id == f"{lab.queue}/..%2Fa%20b%2F%C3%A4"
    assert found.message_id == "../a b/\u00e4"
    assert await quarantine.read(found.id) == replace(found, text=None)
    assert await quarantine.discard(found.id)
    assert await lab.quarantined() == []


@pytest.mark.parametrize("text", ["nonsense", "", "[]", "AAAA", '{"$type":"Nothing"}'])
@in_virtual_time
async def test_what_nobody_understands_goes_back_as_it_was(text: str) -> None:
    lab, quarantine = await made()
    found = await kept(lab, text)
    assert await texts(lab) == []
    assert await quarantine.replay(found.id)
    assert await texts(lab) == [text]
    assert await lab.quarantined() == []
    assert not await quarantine.replay(found.id)


@in_virtual_time
async def test_what_only_other_code_understands_goes_back_under_its_identity() -> None:
    lab, quarantine = await made()
    odd = encode_message(lab.raised("E", 1)).replace("EventRaisedEvent", "EventOfTomorrow")
    found = await kept(lab, odd)
    assert await quarantine.replay(found.id)
    [text] = await texts(lab)
    assert json.loads(text)["Durable"] == {"Mark": 1, "Identity": f"q:{found.message_id}"}
    # With the identity it would be too long for a queue.
    long = odd[:-1] + ',"more":"' + "x" * (65_536 - len(odd) - 11) + '"}'
    workers = lab.hub.names.work_items
    again = await kept(lab, long, workers)
    assert await quarantine.replay(again.id)
    assert await texts(lab, workers) == [long]


@in_virtual_time
async def test_a_text_that_no_queue_takes_stays() -> None:
    lab, quarantine = await made()
    for text in ("one\rtwo", "\ud800"):
        record = json.dumps({"queue": lab.queue, "messageId": "m", "text": text}).encode()
        await put_record(lab, f"{lab.queue}/m.json", record)
        with pytest.raises(CorruptRecord, match="XML cannot carry"):
            await quarantine.replay(f"{lab.queue}/m")
    assert len(await lab.quarantined()) == 1


@in_virtual_time
async def test_a_replayed_message_has_no_past() -> None:
    lab, quarantine = await made()
    past = Extras(mark=True, identity="c:1", failures=9, since=lab.clock.now(), cause=Cause.CODE)
    message = replace(lab.raised("E", 1), extras=past)
    found = await kept(lab, encode_message(message))
    assert await quarantine.replay(found.id)
    [(again, _)] = await lab.queued()
    assert again.extras == Extras(mark=True, identity="c:1")


def unnamed(lab: Lab, value: Any) -> TaskMessage:
    """An event of a client that gives no identities."""
    event = EventRaised(timestamp=lab.clock.now(), name="E", input=json.dumps(value))
    return lab.event(event)


@pytest.mark.parametrize("value", [1, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("times", [1, 2])
@in_virtual_time
async def test_r7_an_event_takes_effect_once_however_often_it_is_replayed(
    value: Any, times: int
) -> None:
    lab, quarantine = await made(collect)
    actor = await lab.actor()
    await lab.start("collect")
    await actor.deliver()
    await lab.hub.outbox.put(lab.queue, unnamed(lab, value), delay_seconds=0)
    [message] = await lab.account.queues.get(lab.queue, count=1, lease_seconds=600)
    # It was consumed already once: its deletion got lost.
    await actor.engine.process_control_message(lab.queue, message)
    found = await quarantine.keep(lab.queue, message, "because")
    await lab.account.queues.delete(lab.queue, message.id, message.pop_receipt)
    for _ in range(times):
        assert await quarantine.replay(found.id)
        await quarantine.keep(lab.queue, message, "somebody else had it, too")
    await lab.raise_event("E", "end")
    await actor.drain()
    assert await lab.output() == [value]


@pytest.mark.parametrize("value", [1, LARGE], ids=["small", "large"])
@in_virtual_time
async def test_r7_a_crash_anywhere_in_a_replay_loses_nothing_and_doubles_nothing(
    value: Any,
) -> None:
    for number in range(20):
        for before in (True, False):
            lab, quarantine = await made(collect)
            actor = await lab.actor()
            await lab.start("collect")
            await actor.deliver()
            await lab.hub.outbox.put(lab.queue, unnamed(lab, value), delay_seconds=0)
            [message] = await lab.account.queues.get(lab.queue, count=1, lease_seconds=600)
            found = await quarantine.keep(lab.queue, message, "because")
            await lab.account.queues.delete(lab.queue, message.id, message.pop_receipt)
            dying = await lab.actor()
            crash_at(dying, number, before=before)
            try:
                await Quarantine(dying.hub).replay(found.id)
            except Crash:
                await quarantine.replay(found.id)
            else:
                assert number > 3
                return
            assert await lab.blobs(lab.hub.names.quarantine) == {}
            await actor.drain()
            await lab.raise_event("E", "end")
            await actor.drain()
            assert await lab.output() == [value]
    raise AssertionError("it never came to an end")


@in_virtual_time
async def test_a_large_message_is_replayed_though_its_blob_is_gone() -> None:
    lab, quarantine = await made(collect)
    actor = await lab.actor()
    await lab.hub.outbox.put(lab.queue, unnamed(lab, LARGE), delay_seconds=0)
    await actor.drain()  # for nobody: after ten minutes it is in quarantine
    page = await quarantine.page(EVERYTHING, size=9)
    [found] = page.messages
    assert (found.instance_id, found.kind) == ("i1", "EventRaised")
    await lab.clock.sleep(2 * 24 * 3600)
    await actor.sweep()
    assert await lab.blobs() == {}
    await lab.start("collect")
    await actor.deliver()
    assert await quarantine.replay(found.id)
    assert await lab.blobs(lab.hub.names.quarantine) == {}
    await actor.drain()
    await lab.raise_event("E", "end")
    await actor.drain()
    assert await lab.output() == [LARGE]


@pytest.mark.parametrize("content", [b"no gzip", None])
@pytest.mark.parametrize("removed", [True, False])
@in_virtual_time
async def test_what_cannot_be_read_in_a_blob_goes_back_as_it_was(
    content: bytes | None, removed: bool
) -> None:
    lab, quarantine = await made()
    name = message_blob_name(unnamed(lab, LARGE))
    await lab.hub.payloads.write(name, encode_pointer("another"))
    large = lab.hub.names.large_messages
    if content is not None:
        await lab.account.blobs.put_blob(large, name, content)
    before = await lab.blobs()
    found = await kept(lab, encode_pointer(name))
    shown = await quarantine.read(found.id, with_text=True)
    assert shown is not None
    assert shown.text == encode_pointer("another" if content is None else name)
    if removed:
        await lab.account.blobs.delete_container(large)
    assert await quarantine.replay(found.id)
    assert await texts(lab) == [encode_pointer(name)]
    assert await lab.blobs() == before
    assert await lab.blobs(lab.hub.names.quarantine) == {}


@pytest.mark.parametrize(
    "name",
    [
        "i1/message-x-EventRaised.json.gz",
        "i1/../secret",
        "i2/history-0000000000000001-TaskCompleted-00000001-Result.json.gz",
    ],
)
@in_virtual_time
async def test_a_message_whose_blob_is_gone_stays(name: str) -> None:
    lab, quarantine = await made()
    found = await kept(lab, encode_pointer(name))
    with pytest.raises(CorruptRecord, match="the blob that it points to is gone"):
        await quarantine.replay(found.id)
    await lab.hub.payloads.write("i1/message-other.json.gz", "x")
    with pytest.raises(CorruptRecord, match="the blob that it points to is gone"):
        await quarantine.replay(found.id)
    assert len(await lab.quarantined()) == 1


@in_virtual_time
async def test_another_instance_s_payload_is_not_taken_for_a_message() -> None:
    lab, quarantine = await made()
    name = "i2/history-0000000000000001-TaskCompleted-00000001-Result.json.gz"
    await lab.hub.payloads.write(name, "secret")
    found = await kept(lab, encode_pointer(name))
    assert list(await lab.blobs(lab.hub.names.quarantine)) == [f"{found.id}.json"]
    assert await quarantine.replay(found.id)
    assert await texts(lab) == [encode_pointer(name)]


@in_virtual_time
async def test_a_blob_that_is_too_large_to_copy_is_neither_read_nor_swept() -> None:
    lab, _ = await made(collect)
    small = replace(lab.settings, max_payload_bytes=1000)
    actor = await lab.actor()
    actor.hub.settings = small
    name = message_blob_name(unnamed(lab, 1))
    await lab.hub.payloads.write("i1/message-other.json.gz", "x")
    await lab.account.blobs.put_blob(lab.hub.names.large_messages, name, b"x" * 2000)
    found = await Quarantine(actor.hub).keep(
        lab.queue, await taken(lab, encode_pointer(name)), "too large"
    )
    assert list(await lab.blobs(lab.hub.names.quarantine)) == [f"{found.id}.json"]
    await lab.clock.sleep(2 * 24 * 3600)
    await actor.sweep()
    assert list(await lab.blobs()) == [name]
    assert await Quarantine(lab.hub).replay(found.id)


@in_virtual_time
async def test_storage_that_is_away_loses_nothing() -> None:
    lab, quarantine = await made()
    found = await kept(lab, "nonsense")
    actor = await lab.actor()
    actor.failing["Put Message"] = Unavailable("away")
    with pytest.raises(Unavailable):
        await Quarantine(actor.hub).replay(found.id)
    assert await quarantine.replay(found.id)


@in_virtual_time
async def test_a_hub_s_quarantine_is_its_own() -> None:
    lab, quarantine = await made()
    found = await kept(lab, "nonsense")
    other = TaskHub(lab.account, HubSettings(name="Other"), lab.clock)
    await other.ensure()
    assert await Quarantine(other).read(found.id) is None
    assert (await Quarantine(other).page(EVERYTHING, size=9)).messages == ()
    assert await quarantine.read(found.id) is not None
