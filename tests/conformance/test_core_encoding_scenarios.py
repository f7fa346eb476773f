"""8.5, row 2: the encodings of queue messages. Both are read, whichever a process writes."""

from __future__ import annotations

import base64
from collections.abc import Generator
from typing import Any

import durable as df
from tests.conformance.conformance import conforms
from tests.conformance.stage import Stage, outcome

app = df.DFApp()
_ENCODING = "AzureFunctionsJobHost__extensions__queues__messageEncoding"
TEXT = "héllo 漢字 😀"


@app.orchestration_trigger(context_name="context")
def echoes(context: df.DurableOrchestrationContext) -> Generator[Any, Any, Any]:
    first = yield context.call_activity("echo", context.get_input())
    second = yield context.wait_for_external_event("more")
    return [first, second]


@app.activity_trigger(input_name="text")
async def echo(text: str) -> str:
    return text


@conforms("dtfx-8.5-2")
async def test_who_writes_one_encoding_reads_the_other(stage: Stage) -> None:
    for reader, writer in (("none", "base64"), ("base64", "none")):
        client = stage.client_host(app, environ={_ENCODING: writer}).client
        await client.prepare()
        await client.start_new("echoes", reader, TEXT)
        await client.raise_event(reader, "more", TEXT)
        texts = await queued(stage)
        assert [is_base64(text) for text in texts] == [writer == "base64"] * 2
        async with stage.host(app, environ={_ENCODING: reader}) as host:
            assert outcome(await host.status_at_end(reader)) == ("Completed", [TEXT, TEXT])


@conforms("dtfx-8.5-2", on=("memory",))  # what an engine sends is the same everywhere
async def test_what_an_engine_sends_follows_its_setting(stage: Stage) -> None:
    for encoding in ("none", "base64"):
        host = stage.client_host(app, environ={_ENCODING: encoding}, fastPath=False)
        await host.client.prepare()
        await host.client.start_new("echoes", encoding, TEXT)
        [queue] = [name for name in stage.hub.names.control_queues if await peeked(stage, name)]
        [message] = await stage.account.queues.get(queue, count=1, lease_seconds=60)
        await host.engine.process_control_message(queue, message)
        await stage.account.queues.delete(queue, message.id, message.pop_receipt)
        work_items = stage.hub.names.work_items
        [work] = await stage.account.queues.get(work_items, count=1, lease_seconds=60)
        assert is_base64(work.text) == (encoding == "base64")
        await stage.account.queues.delete(work_items, work.id, work.pop_receipt)


async def peeked(stage: Stage, queue: str) -> list[str]:
    return [message.text for message in await stage.account.queues.peek(queue)]


async def queued(stage: Stage) -> list[str]:
    return [text for name in stage.hub.names.control_queues for text in await peeked(stage, name)]


def is_base64(text: str) -> bool:
    if text.startswith("{"):
        return False
    return base64.b64decode(text, validate=True).startswith(b"{")
