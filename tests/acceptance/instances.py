"""Many instances of the workshop app: how to start them, what they come to, what they leave."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp

from durable.errors import NotFound
from durable.hub.instances import InstanceQuery
from durable.hub.taskhub import TaskHub
from durable.model.ids import is_entity_id
from durable.model.status import InstanceRow, RuntimeStatus
from durable.wire.keys import escape_partition_key
from tests.acceptance.local_host import Browser
from tests.simulation.invariants import check_rows

HELLOS = ["Hello Tokyo!", "Hello Seattle!", "Hello London!"]
#: Over every limit of messages and rows, so that it goes through blobs.
LARGE = "x" * 200_000 + "é"
FAN = 10
#: What each call costs the activity `hello`.
HELLO_CALLS = {"Sequence": 3, "AsyncSequence": 3, "FanOut": FAN, "Echo": 0}


@dataclass(frozen=True)
class Wanted:
    """An instance to start, and its result."""

    instance_id: str
    orchestrator: str
    input: object
    output: object


def mixed(count: int) -> list[Wanted]:
    """`count` instances: sequences, async sequences, fan-outs, large payloads."""
    kinds: list[tuple[str, object, object]] = [
        ("Sequence", None, HELLOS),
        ("AsyncSequence", None, HELLOS),
        ("FanOut", FAN, [f"Hello number {number}!" for number in range(1, FAN + 1)]),
        ("Echo", LARGE, LARGE),
    ]
    return [Wanted(f"i{n:03}-{kind[0]}", *kind) for n in range(count) for kind in [kinds[n % 4]]]


async def insist(browser: Browser, api: str, wanted: Wanted, timeout: float = 10.0) -> int:
    """Start `wanted`, again and again until it is accepted; how many tries it took.

    A 409 is the answer to an earlier try whose own answer was lost: the id is nobody else's.
    """
    tries = 0
    while True:
        tries += 1
        try:
            answer = await browser.post(
                f"{api}/orchestrators/{wanted.orchestrator}/{wanted.instance_id}",
                json=wanted.input,
                timeout=aiohttp.ClientTimeout(total=timeout),
            )
        except (aiohttp.ClientError, OSError, TimeoutError):
            await asyncio.sleep(random.uniform(0.05, 0.4))
            continue
        if answer.status in {202, 409}:
            assert answer.status == 202 or tries > 1
            return tries
        assert answer.status in {500, 503}, answer.text
        await asyncio.sleep(random.uniform(0.05, 0.4))


async def rows_of(hub: TaskHub) -> dict[str, InstanceRow]:
    """The Instances table, read directly; without entities, which come to no end."""
    try:
        page = await hub.instances.page(InstanceQuery(with_input=False), size=1000)
    except NotFound:
        return {}
    assert page.continuation is None
    return {row.instance_id: row for row in page.rows if not is_entity_id(row.instance_id)}


def unfinished(rows: Mapping[str, InstanceRow]) -> list[str]:
    """Ids that have not come to an end."""
    return [i for i, row in rows.items() if row.status is None or not row.status.is_terminal]


async def all_ended(hub: TaskHub, count: int, seconds: float) -> None:
    """Wait until `count` instances are there and all have ended; else fail with a dump."""
    try:
        async with asyncio.timeout(seconds):
            while len(rows := await rows_of(hub)) < count or unfinished(rows):
                await asyncio.sleep(0.5)
    except TimeoutError:
        rows = await rows_of(hub)
        stuck = unfinished(rows)
        told = [await dump(hub, each) for each in stuck[:5]]
        raise AssertionError(
            f"{len(rows)} of {count} are there, stuck: {stuck}; queues {await lengths(hub)}\n"
            + "\n".join(told)
        ) from None


async def dump(hub: TaskHub, instance_id: str) -> str:
    """Everything storage says about an instance, payloads cut."""
    row = await hub.instances.read(instance_id)
    page = await hub.account.tables.query(hub.names.history_table, None)
    key = escape_partition_key(instance_id)
    lines = [f"=== {instance_id}: {str(row)[:600]}"]
    for stored in page.rows:
        if stored.partition_key == key:
            columns = {name: str(value)[:60] for name, value in stored.columns.items()}
            lines.append(f"    {stored.row_key} {columns}")
    return "\n".join(lines)


async def lengths(hub: TaskHub) -> dict[str, int]:
    """How many messages each of the hub's queues holds, poison ones included."""
    prefix = hub.names.work_items.removesuffix("workitems")
    queues = await hub.account.queues.list_queues(prefix)
    return {queue: await hub.account.queues.count(queue) for queue in queues}


async def check_queues_are_empty(hub: TaskHub, seconds: float) -> None:
    """Control, work-item and poison queues, once what is hidden has come back and gone."""
    try:
        async with asyncio.timeout(seconds):
            while any((await lengths(hub)).values()):
                await asyncio.sleep(0.5)
    except TimeoutError:
        left = {queue: count for queue, count in (await lengths(hub)).items() if count}
        texts = {q: [m.text[:1500] for m in await hub.account.queues.peek(q)] for q in left}
        raise AssertionError(f"left in queues: {left}\nvisible: {texts}") from None


async def check_no_quarantine(hub: TaskHub) -> None:
    """Nothing was given up."""
    try:
        found, _ = await hub.account.blobs.list_blobs(hub.names.quarantine, "")
    except NotFound:
        return
    told = [
        (await hub.account.blobs.get_blob(hub.names.quarantine, blob.name, max_bytes=200_000))[:800]
        for blob in found
    ]
    assert not found, told


async def check_results(hub: TaskHub, wanted: list[Wanted]) -> None:
    """Every result is right, in the row and in the history, and nothing is there twice."""
    wrong: list[str] = []
    for each in wanted:
        row = await hub.instances.read(each.instance_id)
        assert row is not None
        texts = await hub.instances.texts(row)
        output = json.loads(texts.output or "null")
        if row.status is not RuntimeStatus.COMPLETED or output != each.output:
            wrong.append(f"{each.instance_id} is {row.status}: {str(texts.output)[:300]}")
        loaded = await hub.history.read(each.instance_id)
        wrong += check_rows(each.instance_id, loaded.ledger.rows)
        if loaded.sentinel is None or loaded.sentinel.sequence != row.checkpoint_sequence:
            wrong.append(f"{each.instance_id}: the row is behind its history")
    assert not wrong
