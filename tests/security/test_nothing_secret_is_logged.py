"""Payloads, keys and tokens never reach a log, whatever is done and whatever goes wrong."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Generator
from datetime import timedelta
from typing import Any

import pytest

import durable as df
from durable.authoring.definitions import EntityDefinition
from durable.errors import Unavailable
from durable.hub.purging import purge_instance
from durable.hub.raising import resume, suspend, terminate
from durable.model.events import ExecutionStarted, InstanceRef
from durable.wire.envelopes import encode_message
from tests.hub_lab import Lab, in_virtual_time
from tests.security.telling import SECRET, heard

Steps = Generator[Any, Any, Any]
LARGE = SECRET * 10_000


async def failing(value: Any) -> Any:
    raise ValueError(f"{SECRET} {value}")


def strange(value: Any) -> Any:
    return {SECRET: object()}


async def counter(context: Any) -> None:
    context.set_state({"state": SECRET})
    match context.operation_name:
        case "fail":
            raise ValueError(SECRET)
        case "strange":
            context.set_result(object())
        case _:
            context.set_result(SECRET)


def everything(context: Any) -> Steps:
    context.set_custom_status({"at": SECRET})
    assert context.get_input()["input"].startswith(SECRET)
    yield context.call_activity("echo", SECRET)
    yield context.call_activity("echo", LARGE)
    for name in ("failing", "strange", "unheard"):
        try:
            yield context.call_activity(name, SECRET)
        except Exception:
            continue
    entity = df.EntityId("counter", "a")
    yield context.call_entity(entity, "get", SECRET)
    for op in ("fail", "strange"):
        try:
            yield context.call_entity(entity, op, SECRET)
        except Exception:
            continue
    context.signal_entity(entity, "fail", SECRET)
    retry = df.RetryOptions(1000, 2)
    with contextlib.suppress(Exception):
        yield context.call_sub_orchestrator_with_retry("child", retry, SECRET)
    yield context.wait_for_external_event("E")
    yield context.create_timer(context.current_utc_datetime + timedelta(seconds=1))
    if not context.get_input().get("again"):
        context.continue_as_new({"input": SECRET, "again": True})
    raise RuntimeError(SECRET)


def child(context: Any) -> Steps:
    yield context.call_activity("failing", SECRET)


def changing(context: Any) -> Steps:
    yield context.call_activity("echo" if _Changing.old else "greet", SECRET)
    yield context.wait_for_external_event("E")


class _Changing:
    old = True


def _lab() -> Lab:
    lab = Lab(everything, child, changing, activities=[failing, strange])
    lab.registry.add_entity(
        EntityDefinition(name="counter", function=counter, context_name="context")
    )
    return lab


@in_virtual_time
async def test_a_whole_life_with_every_failure() -> None:
    lab = _lab()
    with heard() as log:
        actor = await lab.actor()
        await lab.start("everything", {"input": SECRET})
        await lab.start("everything", {"input": LARGE}, instance_id="i2")
        for _ in range(2):
            await lab.raise_event("E", {"event": SECRET})
            await lab.raise_event("E", LARGE, instance_id="i2")
            await actor.drain()
        await lab.raise_event("Unheard", SECRET)
        await suspend(lab.hub, "i2", SECRET)
        await resume(lab.hub, "i2", SECRET)
        await terminate(lab.hub, "i2", SECRET)
        await actor.drain()
        await actor.sweep()
        for instance_id in ("i1", "i2"):
            await purge_instance(lab.hub, instance_id, force=True)
    log.assert_nothing_secret()
    assert any("failing" in line for line in log.lines)


@in_virtual_time
async def test_code_that_changed_and_code_that_is_gone() -> None:
    lab = _lab()
    with heard() as log:
        actor = await lab.actor()
        await lab.start("changing", SECRET)
        await lab.start("nobody", SECRET, instance_id="i2")
        await actor.deliver()
        _Changing.old = False
        try:
            other = await lab.actor()  # it replays: its code asks for something else
            await lab.raise_event("E", SECRET)
            await other.drain()
        finally:
            _Changing.old = True
    log.assert_nothing_secret()
    assert any("waits for other code" in line for line in log.lines)


_BAD = (
    SECRET,
    f'{{"a": "{SECRET}"',
    json.dumps({"$type": SECRET, "ActivityId": SECRET, "TaskMessage": {"Event": SECRET}}),
    json.dumps({"CompressedBlobName": {"x": SECRET}}),
    "[" * 10_000 + SECRET,
    f'{{"{SECRET}": 1{"0" * 5_000}}}',
)


@pytest.mark.parametrize("bad", _BAD, ids=range(len(_BAD)))
@in_virtual_time
async def test_what_goes_to_quarantine_is_kept_there_and_not_told(bad: str) -> None:
    lab = _lab()
    with heard() as log:
        actor = await lab.actor()
        for queue in (lab.queue, lab.hub.names.work_items):
            await lab.account.queues.put(queue, bad)
        await actor.drain()
    log.assert_nothing_secret()
    assert any("quarantine" in line for line in log.lines)
    kept = await lab.quarantined()
    assert len(kept) == 2
    assert all(SECRET in each["text"] and SECRET not in each["reason"] for each in kept)


@in_virtual_time
async def test_what_fails_in_a_message_whose_parts_are_strange_is_not_told() -> None:
    """Every text of a message replaced by a secret, one after the other."""
    lab = _lab()
    texts = [json.loads(_encoded(lab, kind)) for kind in ("start", "event")]
    with heard() as log:
        actor = await lab.actor()
        for whole in texts:
            for path in _places(whole):
                changed = json.loads(json.dumps(whole))
                found = changed
                for step in path[:-1]:
                    found = found[step]
                if path[-1] in _NAMES:
                    continue
                found[path[-1]] = SECRET
                await lab.account.queues.put(lab.queue, json.dumps(changed))
        await actor.drain()
    log.assert_nothing_secret()


#: What names something; names are told.
_NAMES = {"InstanceId", "ExecutionId", "Name", "Version", "Identity", "CompressedBlobName", "$type"}


def _encoded(lab: Lab, kind: str) -> str:
    if kind == "event":
        return encode_message(lab.raised("E", 1, identity="x"))
    target = InstanceRef(instance_id="i9", execution_id="e")
    event = ExecutionStarted(
        timestamp=lab.clock.now(), name="child", input='"x"', instance=target, tags={"t": "v"}
    )
    return encode_message(lab.event(event, instance_id="i9", execution_id="e"))


def _places(found: Any) -> list[list[str]]:
    if not isinstance(found, dict):
        return [[]]
    return [[name, *rest] for name, member in found.items() for rest in _places(member)]


@in_virtual_time
async def test_storage_that_fails_with_a_payload_in_its_words_is_told_in_ours() -> None:
    """An error that is no storage error may say anything: only its type and place are told."""
    lab = _lab()
    with heard() as log:
        actor = await lab.actor()
        actor.failing["Query Entities"] = KeyError(SECRET)  # type: ignore[assignment]
        await lab.start("child", SECRET)
        for _ in range(3):
            await actor.deliver()
            await lab.clock.sleep(10)
        actor.failing.clear()
        actor.failing["Put Message"] = Unavailable("storage is away")
        await actor.deliver()
        actor.failing.clear()
        await actor.drain()
    log.assert_nothing_secret()
    assert any("KeyError at" in line for line in log.lines)
