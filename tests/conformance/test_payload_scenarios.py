"""8.1, rows 55 to 68: payloads of every size, and what looks like the address of one."""

from __future__ import annotations

import base64
from collections.abc import Generator
from typing import Any

import durable as df
from durable.model.status import InstanceRow
from tests.conformance.conformance import conforms
from tests.conformance.stage import Host, Stage, outcome

Steps = Generator[Any, Any, Any]

app = df.DFApp()
#: 25,000 characters of three bytes each: too much for a message, not for a row.
WIDE = "€" * 25_000
#: 32 KiB of ASCII: fits a message, but no column (UTF-16 doubles it).
LONG = "x" * 32 * 1024
HUGE = "x" * 80 * 1024


@app.orchestration_trigger(context_name="context")
def echo(context: df.DurableOrchestrationContext) -> Steps:
    return (yield context.call_activity("same", context.get_input()))


@app.orchestration_trigger(context_name="context")
def fails_with(context: df.DurableOrchestrationContext) -> None:
    raise RuntimeError(context.get_input())


@app.activity_trigger(input_name="value")
async def same(value: object) -> object:
    return value


async def echoed(stage: Stage, host: Host, value: object, instance_id: str = "i1") -> InstanceRow:
    """Run an echo and check that it gives back what went in; its row."""
    status = await host.run("echo", value, instance_id)
    assert outcome(status) == ("Completed", value)
    assert status.input_ == value
    row = await stage.row(instance_id)
    assert row is not None
    return row


def is_address(text: str | None, folder: str, ending: str) -> bool:
    return (
        text is not None
        and text.startswith("http")
        and f"/{folder}/" in text
        and text.endswith(ending)
    )


@conforms("dtfx-8.1-55")
async def test_small_payloads_stay_where_they_are(stage: Stage) -> None:
    text = "x" * 1024
    async with stage.host(app) as host:
        row = await echoed(stage, host, text)
        assert (row.input, row.output) == (f'"{text}"', f'"{text}"')
        assert await stage.blobs() == []


@conforms("dtfx-8.1-56")
async def test_too_large_for_a_message_but_not_for_a_row(stage: Stage) -> None:
    async with stage.host(app) as host:
        row = await echoed(stage, host, WIDE)
    assert (row.input, row.output) == (f'"{WIDE}"', f'"{WIDE}"')


@conforms("dtfx-8.1-57", "dtfx-8.1-60", "dtfx-8.1-61", "dtfx-8.1-62")
async def test_too_large_for_a_row(stage: Stage) -> None:
    async with stage.host(app) as host:
        for instance_id, text in (("i1", LONG), ("i2", HUGE)):
            row = await echoed(stage, host, text, instance_id)
            assert is_address(row.input, instance_id, "-Input.json.gz") or row.input_blob
            assert is_address(row.output, instance_id, "-Result.json.gz")


@conforms("dtfx-8.1-58")
async def test_large_payloads_of_an_instance_with_an_odd_id(stage: Stage) -> None:
    async with stage.host(app) as host:
        await echoed(stage, host, HUGE, "test|123:with white spcae")
        await stage.at_rest()
        assert await stage.blobs("test|123:with white spcae/")
        await host.client.purge_instance_history("test|123:with white spcae")
        assert await stage.blobs() == []


@conforms("dtfx-8.1-64")
async def test_an_address_that_is_no_payload_of_ours_is_left_alone(stage: Stage) -> None:
    async with stage.host(app) as host:
        for number, text in enumerate(
            ("https://www.example.com", "http://127.0.0.1:10000/devstoreaccount1/other/x.json.gz")
        ):
            await echoed(stage, host, text, f"i{number}")


@conforms("dtfx-8.1-65")
async def test_queries_fetch_large_payloads_too(stage: Stage) -> None:
    async with stage.host(app) as host:
        await echoed(stage, host, HUGE)
        (found,) = await host.client.get_status_all()
        assert (found.input_, found.output) == (HUGE, HUGE)
        _, (listed,) = await host.http("GET", "/instances?showInput=true")
        assert (listed["input"], listed["output"]) == (HUGE, HUGE)


@conforms("dtfx-8.1-66")
async def test_a_failure_that_reads_like_an_address(stage: Stage) -> None:
    text = "http://www.example.com/durabletask-largemessages/x-Result.json.gz"
    async with stage.host(app) as host:
        status = await host.run("fails_with", text)
    assert outcome(status)[0] == "Failed"
    assert text in str(status.output)


@conforms("dtfx-8.1-67", "dtfx-8.1-68")
async def test_binary_data_as_numbers_and_as_base64(stage: Stage) -> None:
    # 826 KB, as the image upstream uses; on JSON's own terms.
    data = bytes(range(256)) * (826 * 4)
    async with stage.host(app) as host:
        await echoed(stage, host, base64.b64encode(data).decode())
        await echoed(stage, host, list(data[:100_000]), "i2")
