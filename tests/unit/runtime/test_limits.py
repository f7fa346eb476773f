"""What an execution and a payload may hold: with one more the instance fails, and says why."""

from __future__ import annotations

import json
import logging
from collections.abc import Generator
from dataclasses import replace
from typing import Any

import pytest

from durable.authoring.definitions import EntityDefinition
from durable.client import operating
from durable.errors import PayloadTooLarge, TooLarge
from durable.hub.raising import signal, suspend, terminate
from durable.hub.starting import StartRequest, start_instance
from durable.model.events import EventRaised, ExecutionCompleted
from durable.model.ids import EntityId
from durable.model.status import RuntimeStatus
from durable.runtime.settings import EngineSettings
from tests.hub_lab import Crash, Lab, crash_at, in_virtual_time

Steps = Generator[Any, Any, Any]
PAYLOAD = 10_000
ENTITY = EntityId("Store", "a")


def listens(context: Any) -> Steps:
    """Takes events for ever."""
    while True:
        yield context.wait_for_external_event("go")


def takes(context: Any) -> Steps:
    """Takes as many events as it is told to."""
    for _ in range(context.get_input()):
        yield context.wait_for_external_event("go")
    return "enough"


def begins_anew(context: Any) -> Steps:
    """Takes ten events a generation."""
    done = context.get_input()
    for _ in range(10):
        yield context.wait_for_external_event("go")
    if done < 5:
        context.continue_as_new(done + 1)
        return None
    return "over"


def parent(context: Any) -> Steps:
    try:
        yield context.call_sub_orchestrator("fans", 40, instance_id="child")
    except Exception as error:
        return [type(error).__name__, str(error)]


def fans(context: Any) -> Steps:
    calls = [context.call_activity("greet", n) for n in range(context.get_input())]
    return len((yield context.task_all(calls)))


def limited(*orchestrators: Any, payload: int | None = None, **settings: Any) -> Lab:
    lab = Lab(*orchestrators, settings=EngineSettings(**{"fast_path": False} | settings))
    if payload is not None:
        lab.settings = replace(lab.settings, payload_limit_bytes=payload)
        lab.hub.settings = lab.settings
    return lab


async def failed(lab: Lab, instance_id: str = "i1") -> str:
    row = await lab.row(instance_id)
    assert row.status is RuntimeStatus.FAILED, row
    return str(row.output)


@pytest.mark.parametrize("fast", [True, False], ids=["fast", "plain"])
def test_one_event_too_many_fails_the_instance(
    fast: bool, caplog: pytest.LogCaptureFixture
) -> None:
    @in_virtual_time
    async def test() -> None:
        lab = limited(listens, max_history_events=20, fast_path=fast)
        actor = await lab.actor()
        await lab.start("listens")
        await actor.drain()
        count = 0
        while (await lab.row()).status is RuntimeStatus.RUNNING:
            await lab.raise_event("go", count)
            await actor.drain()
            count += 1
        assert await failed(lab) == (
            "durable.errors.HistoryTooLarge: The history of instance 'i1' would have 21 events; at "
            "most 20 are allowed (maxHistoryEvents in host.json). Let the orchestrator begin anew "
            "with continue_as_new now and then, let sub-orchestrations do parts of its work, or "
            "raise the limit and rewind the instance."
        )
        events = await lab.events()
        # All that arrived is there, the last one too.
        raised = [json.loads(e.input or "") for e in events if isinstance(e, EventRaised)]
        assert raised == list(range(count))
        (end,) = [e for e in events if isinstance(e, ExecutionCompleted)]
        assert end.failure is not None
        assert end.failure.error_type == "durable.errors.HistoryTooLarge"
        assert await lab.quarantined() == []
        assert await lab.empty()

    with caplog.at_level(logging.WARNING, logger="durable.orchestrations"):
        test()
    warned = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert len(warned) == 1
    assert "history of instance 'i1' has grown to 18 events and about" in warned[0]
    assert "fails at 20 events (maxHistoryEvents)" in warned[0]


@in_virtual_time
async def test_a_history_is_weighed_with_its_texts() -> None:
    lab = limited(listens, max_history_bytes=20_000)
    actor = await lab.actor()
    await lab.start("listens")
    await lab.raise_event("go", "x" * 9_000)
    await actor.drain()
    assert (await lab.row()).status is RuntimeStatus.RUNNING
    actor.engine.sessions.clear()  # whoever loads it weighs the same
    await lab.raise_event("go", "x" * 9_000)
    await actor.drain()
    assert "bytes; at most 20,000 are allowed (maxHistoryBytes in host.json)" in await failed(lab)


@pytest.mark.parametrize("cold", [True, False])
def test_what_ends_anyway_may_end(cold: bool) -> None:
    @in_virtual_time
    async def test() -> None:
        lab = limited(takes, max_history_events=9)
        actor = await lab.actor()
        await lab.start("takes", 2)
        await actor.drain()
        for number in range(2):
            if cold:
                actor.engine.sessions.clear()
            await lab.raise_event("go", number)
            await actor.drain()
        assert await lab.output() == "enough"
        assert len(await lab.events()) == 10

    test()


@pytest.mark.parametrize("fast", [True, False], ids=["fast", "plain"])
def test_a_generation_counts_from_its_own_beginning(fast: bool) -> None:
    @in_virtual_time
    async def test() -> None:
        lab = limited(begins_anew, max_history_events=40, max_history_bytes=20_000, fast_path=fast)
        actor = await lab.actor()
        await lab.start("begins_anew", 0)
        await actor.drain()
        for number in range(60):
            await lab.raise_event("go", number)
            await actor.drain()
            session = actor.engine.sessions.look("i1")
            # What the generations before held is not counted any more.
            assert session is None or session.size <= 20_000
        assert await lab.output() == "over"

    test()


@pytest.mark.parametrize("fast", [True, False], ids=["fast", "plain"])
def test_the_parent_of_one_that_grew_too_large_is_told(fast: bool) -> None:
    @in_virtual_time
    async def test() -> None:
        lab = limited(parent, fans, max_history_events=40, fast_path=fast)
        actor = await lab.actor()
        await lab.start("parent")
        await actor.drain()
        kind, text = await lab.output()
        assert kind == "ChildFailed"
        assert "The history of instance 'child' would have" in text
        # What it had called is dropped when it comes.
        assert await lab.quarantined() == []
        assert (await lab.row("child")).status is RuntimeStatus.FAILED

    test()


@in_virtual_time
async def test_with_a_higher_limit_it_can_be_rewound() -> None:
    lab = limited(takes, max_history_events=9)
    actor = await lab.actor()
    await lab.start("takes", 4)
    for number in range(3):
        await lab.raise_event("go", number)
        await actor.drain()
    await failed(lab)
    lab.engine_settings = EngineSettings(fast_path=False)
    other = await lab.actor()
    await operating.rewind(lab.hub, "i1", "more room")
    await other.drain()
    await lab.raise_event("go", 3)
    await other.drain()
    assert await lab.output() == "enough"


# One payload.


def calls(context: Any) -> Steps:
    yield context.call_activity("greet", "x" * context.get_input())


def echoes(context: Any) -> Steps:
    try:
        yield context.call_activity("makes", context.get_input())
    except Exception as error:
        return str(error)


def begets(context: Any) -> Steps:
    yield context.call_sub_orchestrator("calls", "x" * context.get_input())


def tells(context: Any) -> Steps:
    yield context.call_entity(ENTITY, "set", "x" * context.get_input())


def grows(context: Any) -> Steps:
    yield context.call_activity("greet", "once")
    context.continue_as_new("x" * context.get_input())


def hands_over(context: Any) -> Steps:
    yield context.call_activity("greet", "once")
    context.signal_entity(ENTITY, "set", 1)
    context.continue_as_new("x" * context.get_input())


def returns(context: Any) -> Steps:
    yield context.call_activity("greet", "once")
    return "x" * context.get_input()


def breaks(context: Any) -> Steps:
    yield context.call_activity("greet", "once")
    raise ValueError("x" * context.get_input())


@pytest.mark.parametrize(
    ("orchestrator", "said"),
    [
        (calls, "The input of activity 'greet' has 20,004 bytes as JSON; at most 10,000 are"),
        (begets, "The input of orchestrator 'calls' has 20,002 bytes"),
        (tells, "What is sent to instance '@store@a' has 20,"),
        (grows, "The input of orchestrator 'grows' has 20,002 bytes"),
        (hands_over, "The next input of the orchestrator has 20,002 bytes"),
        (returns, "The output of the orchestrator has 20,002 bytes"),
    ],
)
@pytest.mark.parametrize("fast", [True, False], ids=["fast", "plain"])
def test_what_an_orchestrator_asks_for_is_no_larger_than_a_payload_may_be(
    orchestrator: Any, said: str, fast: bool
) -> None:
    @in_virtual_time
    async def test() -> None:
        lab = limited(*{orchestrator, calls}, payload=PAYLOAD, fast_path=fast)
        lab.registry.add_entity(EntityDefinition(name="Store", function=store))
        actor = await lab.actor()
        await lab.start(orchestrator.__name__, 20_000)
        await actor.drain()
        text = await failed(lab)
        assert text.startswith(f"durable.errors.PayloadTooLarge: {said}")
        assert "maxPayloadBytes in host.json" in text
        assert await lab.quarantined() == []

    test()


@in_virtual_time
async def test_an_activity_s_result_that_is_too_large_is_its_failure() -> None:
    async def makes(value: Any) -> Any:
        return "x" * value

    lab = limited(echoes, payload=PAYLOAD)
    lab.registry = lab.make_registry(echoes, activities=[makes])
    actor = await lab.actor()
    await lab.start("echoes", 20_000)
    await actor.drain()
    assert "The result of activity 'makes' has 20,002 bytes as JSON" in await lab.output()


@in_virtual_time
async def test_a_text_is_measured_in_bytes() -> None:
    lab = limited(calls, payload=PAYLOAD)
    await lab.start("calls", "ä" * 1000)
    text = json.dumps("ä" * 5000, ensure_ascii=False)
    request = StartRequest(name="calls", instance_id="i2", input=text)
    with pytest.raises(PayloadTooLarge, match=r"orchestrator 'calls' has 10,002 bytes"):
        await start_instance(lab.hub, request)
    assert await lab.hub.instances.read("i2") is None


@in_virtual_time
async def test_a_client_is_refused_before_anything_is_written() -> None:
    lab = limited(listens, payload=PAYLOAD)
    await lab.start("listens")
    large = "x" * PAYLOAD
    before = lab.account.requests.total()
    with pytest.raises(PayloadTooLarge, match="The input of orchestrator 'listens' has 10,002"):
        await lab.start("listens", large, instance_id="i2")
    with pytest.raises(PayloadTooLarge, match="What is sent to instance 'i1' has 10,002 bytes"):
        await lab.raise_event("go", large)
    with pytest.raises(PayloadTooLarge, match="What is sent to instance '@store@a' has "):
        await signal(lab.hub, "@store@a", "set", json.dumps(large))
    with pytest.raises(PayloadTooLarge, match="The reason given to instance 'i1' has 10,001"):
        await terminate(lab.hub, "i1", large + "x")
    with pytest.raises(PayloadTooLarge, match="The reason given"):
        await suspend(lab.hub, "i1", large + "x")
    assert lab.account.requests.total() == before


@in_virtual_time
async def test_an_error_of_megabytes_is_cut() -> None:
    lab = Lab(breaks)
    actor = await lab.actor()
    await lab.start("breaks", 3_000_000)
    await actor.drain()
    assert (await lab.row()).status is RuntimeStatus.FAILED
    text = await lab.output()
    assert text.endswith("xxx ...")
    assert len(text) < 300_000


@in_virtual_time
async def test_what_nobody_could_read_again_is_not_written() -> None:
    lab = Lab(listens)
    lab.settings = replace(lab.settings, max_payload_bytes=1_000)
    actor = await lab.actor()
    with pytest.raises(TooLarge, match=r"payload 'i1/x' has 1,002 bytes; at most 1,000"):
        await actor.hub.payloads.write("i1/x", "ä" * 501)
    await actor.hub.payloads.write("i1/x", "ä" * 500)
    assert await actor.hub.payloads.read("i1/x") == "ä" * 500


# Entities.


def store(context: Any) -> None:
    """Keeps what it is told; `answer` gives as much as it is asked for, `tell` sends it on."""
    value = context.get_input()
    match context.operation_name:
        case "set":
            context.set_state(value)
        case "double":
            context.set_state(context.get_state() * 2)
        case "answer":
            context.set_result("x" * value)
        case _:
            context.signal_entity(EntityId("Store", "b"), "set", "x" * value)


def asks(context: Any) -> Steps:
    operation, value = context.get_input()
    try:
        return (yield context.call_entity(ENTITY, operation, value))
    except Exception as error:
        return [type(error).__name__, str(error)]


def entity_lab() -> Lab:
    lab = limited(asks, payload=PAYLOAD)
    lab.registry.add_entity(EntityDefinition(name="Store", function=store))
    return lab


@pytest.mark.parametrize(
    ("operation", "value", "said"),
    [
        (
            "double",
            None,
            "The state that operation 'double' of entity '@store@a' leaves has 12,002",
        ),
        ("answer", 12_000, "The result of operation 'answer' of entity '@store@a' has 12,002"),
        ("tell", 12_000, "An input that operation 'tell' of entity '@store@a' sends has 12,002"),
    ],
)
def test_an_operation_that_makes_too_much_fails_and_leaves_no_trace(
    operation: str, value: Any, said: str
) -> None:
    @in_virtual_time
    async def test() -> None:
        lab = entity_lab()
        actor = await lab.actor()
        await signal(lab.hub, "@store@a", "set", json.dumps("x" * 6_000))
        await actor.drain()
        await lab.start("asks", [operation, value])
        await actor.drain()
        kind, text = await lab.output()
        assert kind == "EntityFailed"
        assert said in text
        await lab.start("asks", ["answer", 3], instance_id="i2")
        await actor.drain()
        assert await lab.output("i2") == "xxx"
        assert await lab.hub.instances.read("@store@b") is None

    test()


# What waits for a locked entity.


def holds(context: Any) -> Steps:
    """Holds the entity's lock until it is told to let go; then adds a last 1."""
    with (yield context.lock_entities([ENTITY])):
        yield context.wait_for_external_event("go")
        yield context.call_entity(ENTITY, "add", 1)
    return "over"


def reads(context: Any) -> Steps:
    return (yield context.call_entity(ENTITY, "get"))


def total(context: Any) -> None:
    """A sum, and in which order it came about: whether the lock's holder was first."""
    state = context.get_state(list)
    if context.operation_name == "add":
        state.append(context.get_input())
        context.set_state(state)
    else:
        context.set_result([len(state), sum(state)])


@pytest.mark.parametrize("fast", [True, False], ids=["fast", "plain"])
def test_what_a_locked_entity_can_t_keep_waits_in_the_control_queue(
    fast: bool, caplog: pytest.LogCaptureFixture
) -> None:
    @in_virtual_time
    async def test() -> None:
        lab = limited(holds, reads, entity_queue=10, fast_path=fast)
        lab.registry.add_entity(EntityDefinition(name="Store", function=total))
        actor = await lab.actor()
        await lab.start("holds")
        await actor.drain()
        for number in range(7):
            await signal(lab.hub, "@store@a", "add", str(number))
        await actor.drain()
        for number in range(30):
            await signal(lab.hub, "@store@a", "add", str(number))
        await actor.deliver()
        await actor.deliver()
        assert len(await lab.queued()) == 30
        row = await lab.row("@store@a")
        assert json.loads(row.custom_status or "")["queueSize"] == 7
        await lab.clock.sleep(20)
        before = len(actor.calls)
        await actor.deliver()
        assert len(await lab.queued()) == 30
        # Nothing of the state is written for them: each is put again, at most every 5 s.
        assert len(actor.calls) - before <= 30 + 2
        await lab.raise_event("go", None)
        await actor.drain()
        assert await lab.output() == "over"
        await lab.start("reads", instance_id="i2")
        await actor.drain()
        assert await lab.output("i2") == [7 + 30 + 1, sum(range(7)) + sum(range(30)) + 1]

    test()
    assert "entity @store@a is locked by 'i1', and 7 requests wait in its queue; it would be " in (
        caplog.text
    )


@pytest.mark.slow
@pytest.mark.parametrize("fast", [True, False], ids=["fast", "plain"])
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_wherever_a_process_dies_the_parent_is_told_once(fast: bool, before: bool) -> None:
    async def run(number: int) -> bool:
        lab = limited(parent, fans, max_history_events=40, fast_path=fast)
        await lab.start("parent")
        first = await lab.actor()
        crash_at(first, number, before=before)
        died = False
        try:
            await first.drain()
        except Crash:
            died = True
        await lab.clock.sleep(700)  # its messages' leases end
        second = await lab.actor()
        await second.sweep()
        await second.drain()
        kind, text = await lab.output()
        assert kind == "ChildFailed"
        assert "The history of instance 'child' would have 43 events" in text
        assert (await lab.row("child")).status is RuntimeStatus.FAILED
        assert await lab.quarantined() == []
        assert lab.counts["greet:0"] == 0
        return died

    @in_virtual_time
    async def test() -> None:
        number = 0
        while await run(number):
            number += 1
        assert number > 10

    test()
