"""8.1, rows 80 to 85 and 89: rows that differ from their history, and late writers."""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import replace
from typing import Any

import pytest

import durable as df
from durable.errors import PreconditionFailed
from durable.hub import raising
from durable.model.status import InstanceRow
from durable.storage.values import Operation, Write
from tests.conformance.conformance import conforms
from tests.conformance.stage import Host, Stage, Where_, outcome

Steps = Generator[Any, Any, Any]

app = df.DFApp()
LARGE = "x" * 50_000
#: Each repair waits for the grace of R11, twenty seconds.
IN_MEMORY: tuple[Where_, ...] = ("memory", "cold")


@app.orchestration_trigger(context_name="context")
def echo(context: df.DurableOrchestrationContext) -> Steps:
    return (yield context.call_activity("same", context.get_input()))


@app.orchestration_trigger(context_name="context")
def throws(context: df.DurableOrchestrationContext) -> None:
    raise ValueError(context.get_input())


@app.orchestration_trigger(context_name="context")
def waits(context: df.DurableOrchestrationContext) -> Steps:
    yield context.wait_for_external_event("never")


@app.activity_trigger(input_name="value")
async def same(value: object) -> object:
    return value


async def spoil(stage: Stage, *, remove: bool) -> None:
    """Leave the row as a worker that died before its last write would have left it, or none."""
    table = stage.hub.names.instances_table
    row = await stage.account.tables.read(table, "i1", "")
    assert row is not None
    columns = {
        name: value
        for name, value in row.columns.items()
        if name not in {"Output", "CompletedTime", "CheckpointSequence"}
    }
    columns["RuntimeStatus"] = "Running"
    if remove:
        await stage.account.tables.write(table, Operation(write=Write.DELETE, row=row))
    else:
        stale = replace(row, columns=columns, etag=None, timestamp=None)
        await stage.account.tables.write(table, Operation(write=Write.UPSERT_REPLACE, row=stale))


async def repaired(stage: Stage, host: Host, before: InstanceRow) -> None:
    """Any message for the instance makes its row right again, and is dropped itself."""
    expected = await host.client.get_status("i1")
    events = await stage.events("i1")
    for remove in (False, True):
        for tell in ("event", "terminate"):
            await spoil(stage, remove=remove)
            if tell == "event":
                await raising.raise_event(stage.hub, "i1", "anything", json.dumps(1))
            else:
                await raising.terminate(stage.hub, "i1", "too late")
            await stage.at_rest()
            status = await host.client.get_status("i1")
            assert outcome(status) == outcome(expected), (remove, tell)
            assert status.input_ == expected.input_
            row = await stage.row("i1")
            assert row is not None
            assert (row.name, row.execution_id, row.tags) == (
                before.name,
                before.execution_id,
                before.tags,
            )
            assert await stage.events("i1") == events


@conforms("dtfx-8.1-80", "dtfx-8.1-83", on=IN_MEMORY)
async def test_the_row_of_a_completed_instance(stage: Stage) -> None:
    async with stage.host(app) as host:
        for value in ("World", LARGE):
            await host.client.start_new("echo", "i1", value, tags={"a": "1"})
            row = await stage.ended("i1")
            await stage.at_rest()
            assert (await host.client.get_status("i1")).output == value
            await repaired(stage, host, row)


@conforms("dtfx-8.1-81", "dtfx-8.1-85", on=IN_MEMORY)
async def test_the_row_of_a_failed_instance(stage: Stage) -> None:
    async with stage.host(app) as host:
        for value in ("reason", LARGE):
            await host.client.start_new("throws", "i1", value, tags={"a": "1"})
            row = await stage.ended("i1")
            await stage.at_rest()
            assert outcome(await host.client.get_status("i1"))[0] == "Failed"
            await repaired(stage, host, row)


@conforms("dtfx-8.1-82", "dtfx-8.1-84", on=IN_MEMORY)
async def test_the_row_of_a_terminated_instance(stage: Stage) -> None:
    async with stage.host(app) as host:
        for reason in ("reason", LARGE):
            await host.client.start_new("waits", "i1", None, tags={"a": "1"})
            await host.status_is("i1", "Running")
            await host.client.terminate("i1", reason)
            row = await stage.ended("i1")
            await stage.at_rest()
            assert outcome(await host.client.get_status("i1")) == ("Terminated", reason)
            await repaired(stage, host, row)


@conforms("dtfx-8.1-89", "dtfx-8.1-90")
async def test_a_stalled_writer_does_not_overwrite_a_newer_row(stage: Stage) -> None:
    async with stage.host(app) as host:
        await host.client.start_new("waits", "i1")
        await host.status_is("i1", "Running")
        await stage.at_rest()
        stalled = await stage.row("i1")
        assert stalled is not None
        await host.client.terminate("i1", "over")
        await stage.ended("i1")
        with pytest.raises(PreconditionFailed):
            await stage.hub.instances.replace_row(stalled)
        assert outcome(await host.client.get_status("i1")) == ("Terminated", "over")
