"""Messages in quarantine, as an operator meets them: listed, repaired and replayed, discarded."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from durable.clock import SystemClock
from durable.hub.taskhub import TaskHub
from durable.model.events import EventRaised, InstanceRef
from durable.model.messages import TaskMessage
from durable.wire.envelopes import encode_message, encode_pointer, message_blob_name
from tests.acceptance.local_host import ROOT, Browser, LocalHost

pytestmark = [pytest.mark.azurite, pytest.mark.slow]

#: What nobody should find in a log.
SECRET = "what-nobody-may-read"
PAGE = ROOT / "docs" / "howto" / "quarantine.md"


def event_for(instance_id: str) -> TaskMessage:
    """An event as a client sends it that gives no identities."""
    return TaskMessage(
        event=EventRaised(timestamp=SystemClock().now(), name="go", input=f'"{SECRET}"'),
        target=InstanceRef(instance_id=instance_id),
        activity_id="01234567-89ab-cdef-0123-456789abcdef",
        sender=InstanceRef(instance_id="", execution_id=""),
    )


async def listed(browser: Browser, api: str, query: str = "") -> list[dict[str, Any]]:
    """All pages of the list."""
    found: list[dict[str, Any]] = []
    token = ""
    while True:
        answer = await browser.get(
            f"{api}/quarantine?top=2{query}", headers={"x-ms-continuation-token": token}
        )
        assert answer.status == 200
        found += answer.json
        token = answer.headers["x-ms-continuation-token"]
        if not token:
            return found


@pytest.mark.timeout(45)
async def test_messages_in_quarantine_are_listed_repaired_replayed_and_discarded(
    host: LocalHost, browser: Browser, hub: TaskHub, azurite_connection_string: str
) -> None:
    started = await browser.post(f"{host.api}/orchestrators/Waiter/w1", json=1)
    assert started.status == 202
    control, workers = hub.names.control_queue_of("w1"), hub.names.work_items
    # Large messages lie in blobs. This one's is not there.
    lost = event_for("w1")
    blob = message_blob_name(lost)
    for queue, text in (
        (control, encode_pointer(blob)),
        (control, SECRET),
        (workers, f'{{"half": "{SECRET}'),
        (workers, encode_message(lost)),
    ):
        await hub.account.queues.put(queue, text)
    other = await browser.post(f"{host.api}/orchestrators/Echo", json="fine")

    async with asyncio.timeout(15):
        while len(found := await listed(browser, host.api)) < 4:
            await asyncio.sleep(0.1)
    assert sorted(each["queueName"] for each in found) == sorted(
        [control, control, workers, workers]
    )
    assert all(each["reason"] and each["text"] is None for each in found)
    assert SECRET not in str(found)
    assert (await browser.follow(other.json["statusQueryGetUri"])).json["output"] == "fine"

    [message] = await listed(browser, host.api, f"&instanceId=w1&queueName={control}")
    assert message["kind"] == "EventRaised"
    url = f"{host.api}/quarantine/{message['id']}"
    shown = await browser.get(f"{url}?showText=true")
    assert shown.json == {**message, "text": encode_pointer(blob)}
    # As it is, it can't be put back. Repaired, it can.
    refused = await browser.post(f"{url}/replay")
    assert refused.status == 409
    assert "the blob that it points to is gone" in refused.json["ExceptionMessage"]
    await hub.payloads.write(blob, encode_message(lost))
    assert (await browser.post(f"{url}/replay")).status == 202
    done = await browser.follow(started.json["statusQueryGetUri"])
    assert done.json["output"] == [f"Hello {SECRET}!"]
    assert (await browser.get(url)).status == 404

    # Nonsense is nonsense the second time, too: it comes back, under another id.
    [nonsense] = await listed(browser, host.api, f"&queueName={control}")
    assert (await browser.post(f"{host.api}/quarantine/{nonsense['id']}/replay")).status == 202
    async with asyncio.timeout(15):
        while not (back := await listed(browser, host.api, f"&queueName={control}")):
            await asyncio.sleep(0.1)
    assert back[0]["id"] != nonsense["id"]
    one = f"{host.api}/quarantine/{back[0]['id']}"
    assert (await browser.call("DELETE", one)).status == 204
    assert (await browser.call("DELETE", one)).status == 404

    # The rest by the program on the page, which replays nothing of the work-item queue.
    tidy_up = program_of(PAGE)["tidy_up"]
    assert await tidy_up(azurite_connection_string, hub.settings.name) == []
    assert await listed(browser, host.api) == []
    assert await hub.account.queues.count(workers) == 0
    assert SECRET not in host.log


def program_of(page: Path) -> dict[str, Any]:
    [source] = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(source, str(page), "exec"), names)
    return names
