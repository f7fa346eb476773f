"""What must be true of the hub once the load has ended and its queues are empty."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from pathlib import Path
from typing import Any

import durable as df
from durable.hub.taskhub import TaskHub
from durable.model.entities import CONTINUE
from durable.model.events import EventRaised
from durable.model.ids import is_entity_id
from durable.testing.simulator.invariants import (
    check_entity,
    check_instance,
    check_nothing_given_up,
    rows_of,
)
from durable.together import run_together
from durable.wire.envelopes import BlobPointer, decode_message
from tests.acceptance.instances import dump, lengths
from tests.soak.disk_azurite import DiskAzurite
from tests.soak.driver import UNKNOWN
from tests.soak.jobs import Books, Job
from tests.soak.kinds import ACCOUNTS_OF_GROUP, GROUPS

_AT_ONCE = 8
_OPENING_BALANCE = 100
_SHOWN = 5


async def check_hub(hub: TaskHub) -> tuple[list[str], int]:
    """Every row, history and entity there is, children too; and how many those are."""
    rows = await rows_of(hub)
    checks = [
        check_entity(hub, row) if is_entity_id(row.instance_id) else check_instance(hub, row)
        for row in rows
    ]
    wrong = [each for some in await run_together(checks, at_once=_AT_ONCE) for each in some]
    return [*wrong, *await check_nothing_given_up(hub)], len(rows)


async def check_jobs(hub: TaskHub, jobs: list[Job]) -> list[str]:
    """What drivers found, and those that never came to their end."""
    wrong = [each for job in jobs for each in job.wrong]
    stuck = [job for job in jobs if not job.done]
    wrong += [f"stuck: {job.instance_id} waits for {job.doing}" for job in stuck]
    wrong += [await dump(hub, job.instance_id) for job in stuck[:_SHOWN]]
    kept = [job for job in jobs if job.done and job.kind != "told" and not job.purged]
    rows = await run_together(
        [hub.instances.read(job.instance_id) for job in kept], at_once=_AT_ONCE
    )
    wrong += [
        f"lost: {job.instance_id} has no row"
        for job, row in zip(kept, rows, strict=True)
        if row is None
    ]
    return wrong


async def check_entities(client: df.Client, books: Books) -> list[str]:
    """The money is all there, where it was moved to; counters count each signal once."""
    wrong: list[str] = []
    keys = [f"g{group}-{n}" for group in range(GROUPS) for n in range(ACCOUNTS_OF_GROUP)]
    total = 0
    for key in keys:
        state = await _state(client, "account", key)
        balance = _OPENING_BALANCE if state is None else state
        total += balance
        right = _OPENING_BALANCE + books.moved.get(key, 0)
        if balance != right:
            wrong.append(f"account {key} has {balance}, not {right}")
    if total != _OPENING_BALANCE * len(keys):
        wrong.append(f"all accounts have {total}, not {_OPENING_BALANCE * len(keys)}")
    for key, sent in books.counters.items():
        found = Counter(await _state(client, "counter", key) or {})
        wrong += [
            f"counter {key} was told {each} {found[each]} times, not once"
            for each in sorted(sent.told)
            if found[each] != 1
        ]
        wrong += [
            f"counter {key} holds {each} {times} times; it was sent {each in sent.maybe}"
            for each, times in found.items()
            if each not in sent.told and (times > 1 or each not in sent.maybe)
        ]
    return wrong


async def _state(client: df.Client, name: str, key: str) -> Any:
    found = await client.read_entity_state(df.EntityId(name, key))
    return found.entity_state if found.entity_exists else None


def activity_runs(folder: Path) -> Counter[str]:
    """How often each activity ran, by instance and number."""
    runs: Counter[str] = Counter()
    for file in (folder / "runs").iterdir():
        runs.update(file.read_text(encoding="utf-8").splitlines())
    return runs


async def wait_for_empty_queues(hub: TaskHub, seconds: float) -> float | None:
    """How long that took; None: they are not empty after `seconds`."""
    begun = asyncio.get_running_loop().time()
    while (waited := asyncio.get_running_loop().time() - begun) < seconds:
        with contextlib.suppress(*UNKNOWN):
            if not any((await lengths(hub)).values()):
                return waited
        await asyncio.sleep(1.0)
    return None


def check_messages(hub: TaskHub, azurite: DiskAzurite) -> tuple[list[str], int]:
    """What is left in the hub's queues, poison queues too; and how many alarms of entities.

    An entity that waits for a sender's missing message has itself woken when it shall wait no
    longer, in 30 minutes. When the message comes before that, the alarm stays in the queue.
    """
    wrong: list[str] = []
    alarms = 0
    for queue, texts in azurite.messages().items():
        if not queue.startswith(hub.names.work_items.removesuffix("workitems")):
            continue
        for text in texts:
            if _is_alarm(text):
                alarms += 1
            else:
                wrong.append(f"left in {queue}: {text[:600]}")
    return wrong, alarms


def _is_alarm(text: str) -> bool:
    message = decode_message(text)
    if isinstance(message, BlobPointer) or not isinstance(message.event, EventRaised):
        return False
    who = message.target.instance_id
    from_itself = message.sender is not None and message.sender.instance_id == who
    return is_entity_id(who) and from_itself and message.event.name == CONTINUE
