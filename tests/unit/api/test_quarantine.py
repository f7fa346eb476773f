"""Messages in quarantine over HTTP."""

from __future__ import annotations

import pytest

from durable.api.keys import HubKeys
from durable.hub.quarantine import Quarantine
from durable.hub.quarantine_records import QuarantinedMessage
from durable.hub.taskhub import TaskHub
from tests.unit.api.conftest import KEY, Caller, json_of

TOKEN = "x-ms-continuation-token"
#: Every route, for a message of that id.
ROUTES = [
    ("GET", "/quarantine"),
    ("GET", "/quarantine/{id}"),
    ("POST", "/quarantine/{id}/replay"),
    ("DELETE", "/quarantine/{id}"),
]


async def kept(
    hub: TaskHub, text: str = "nonsense", *, workers: bool = False
) -> QuarantinedMessage:
    await hub.ensure()
    queue = hub.names.work_items if workers else hub.names.control_queues[0]
    await hub.account.queues.put(queue, text)
    [message] = await hub.account.queues.get(queue, count=1, lease_seconds=60)
    found = await Quarantine(hub).keep(queue, message, "because")
    await hub.account.queues.delete(queue, message.id, message.pop_receipt)
    return found


async def test_a_message_is_shown_with_its_text_only_where_that_is_asked_for(
    caller: Caller,
) -> None:
    one = await kept(caller.hub, '{"TaskMessage":{"OrchestrationInstance":{"InstanceId":"i1"}}}')
    answer = await caller.ask("GET", f"/quarantine/{one.id}")
    assert answer.status == 200
    assert json_of(answer) == {
        "id": one.id,
        "queueName": one.queue,
        "messageId": one.message_id,
        "reason": "because",
        "quarantinedTime": "2024-05-06T07:08:09.123456Z",
        "insertedTime": "2024-05-06T07:08:09Z",
        "dequeueCount": 1,
        "failures": 0,
        "instanceId": "i1",
        "kind": None,
        "isDamaged": False,
        "text": None,
    }
    with_text = await caller.ask("GET", f"/quarantine/{one.id}?showText=true")
    assert json_of(with_text)["text"] == one.text


async def test_the_list_comes_in_pages_and_can_be_narrowed(caller: Caller) -> None:
    answer = await caller.ask("GET", "/quarantine")
    assert (json_of(answer), answer.headers[TOKEN]) == ([], "")
    ids = sorted([(await kept(caller.hub, workers=n > 2)).id for n in range(4)])
    first = await caller.ask("GET", "/quarantine?top=3")
    assert [each["id"] for each in json_of(first)] == ids[:3]
    assert [each["text"] for each in json_of(first)] == [None] * 3
    headers = {TOKEN: first.headers[TOKEN]}
    second = await caller.ask("GET", "/quarantine?top=3&showText=true", headers=headers)
    assert [(each["id"], each["text"]) for each in json_of(second)] == [(ids[3], "nonsense")]
    assert second.headers[TOKEN] == ""

    nothing = await caller.ask("GET", "/quarantine?top=0")
    assert json_of(nothing) == []
    headers = {TOKEN: nothing.headers[TOKEN]}
    assert len(json_of(await caller.ask("GET", "/quarantine", headers=headers))) == 4

    workers = caller.hub.names.work_items
    of_workers = await caller.ask("GET", f"/quarantine?queueName={workers}")
    assert [each["id"] for each in json_of(of_workers)] == [i for i in ids if workers in i]
    assert json_of(await caller.ask("GET", "/quarantine?instanceId=i1")) == []


async def test_a_token_of_another_list_is_refused(caller: Caller) -> None:
    answer = await caller.ask("GET", "/quarantine", headers={TOKEN: "other"})
    assert answer.status == 400
    assert TOKEN in json_of(answer)["ExceptionMessage"]


async def test_a_message_is_put_back_or_deleted(caller: Caller) -> None:
    one, other = await kept(caller.hub), await kept(caller.hub)
    answer = await caller.ask("POST", f"/quarantine/{one.id}/replay")
    assert (answer.status, answer.body) == (202, b"")
    [back] = await caller.hub.account.queues.peek(one.queue)
    assert back.text == "nonsense"
    answer = await caller.ask("DELETE", f"/quarantine/{other.id}")
    assert (answer.status, answer.body) == (204, b"")
    for gone in (one.id, other.id, "other/m", "lab-control-00/..%2Fm"):
        for method, path in ROUTES[1:]:
            assert (await caller.ask(method, path.format(id=gone))).status == 404


async def test_what_cannot_be_put_back_stays(caller: Caller) -> None:
    one = await kept(caller.hub)
    name = f"{one.id}.json"
    await caller.hub.account.blobs.put_blob(caller.hub.names.quarantine, name, b"{}")
    answer = await caller.ask("POST", f"/quarantine/{one.id}/replay")
    assert answer.status == 409
    assert "its record is damaged" in json_of(answer)["ExceptionMessage"]
    shown = json_of(await caller.ask("GET", f"/quarantine/{one.id}?showText=true"))
    assert (shown["isDamaged"], shown["quarantinedTime"]) == (True, None)


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_only_the_hub_s_key_opens_it(guarded: Caller, method: str, path: str) -> None:
    queue = guarded.hub.names.control_queues[0]
    keys = HubKeys(guarded.hub, configured=KEY, required=True)
    await keys.load()
    url = path.format(id=f"{queue}/m")
    # Whatever an instance may be called.
    for name in ("m", queue, f"{queue}/m", "quarantine", "None", ""):
        assert (await guarded.ask(method, f"{url}?code={keys.token(name)}")).status == 401
    assert (await guarded.ask(method, url)).status == 401
    assert (await guarded.ask(method, f"{url}?code={KEY}")).status in {200, 404}


async def test_a_text_of_any_characters_is_shown(caller: Caller) -> None:
    one = await kept(caller.hub)
    record = b'{"queue": "%s", "text": "\\ud800\\u0000"}' % one.queue.encode()
    name = f"{one.id}.json"
    await caller.hub.account.blobs.put_blob(caller.hub.names.quarantine, name, record)
    shown = json_of(await caller.ask("GET", f"/quarantine/{one.id}?showText=true"))
    assert shown["text"] == "\ud800\x00"
