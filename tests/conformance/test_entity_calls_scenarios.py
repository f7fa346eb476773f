"""8.1, rows 11 and 93, and 8.7, rows 61, 75, 76, 78, 83, 92, 93, 96 and 101: entities called."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from typing import Any

import pytest

import durable as df
from durable.errors import EntityFailed, UnknownFunction
from durable.hub.raising import raise_event
from tests.conformance.conformance import conforms
from tests.conformance.stage import Stage, outcome

Steps = Generator[Any, Any, Any]
Context = df.DurableOrchestrationContext

app = df.DFApp()


@app.entity_trigger(context_name="context")
async def string_store(context: df.DurableEntityContext) -> Any:
    """Set, get and delete; what isn't there can't be got."""
    match context.operation_name:
        case "set":
            context.set_state(context.get_input())
        case "delete":
            context.destruct_on_exit()
        case _:
            if context.is_newly_constructed:
                raise LookupError("it does not exist")
            return context.get_state()
    return None


@app.entity_trigger(context_name="context")
async def responder(context: df.DurableEntityContext) -> str:
    return "OK"


@app.entity_trigger(context_name="context")
async def reads_slowly(context: df.DurableEntityContext) -> int:
    """Does something asynchronous in between."""
    before: int = context.get_state(int)
    ready = asyncio.Event()
    asyncio.get_running_loop().call_soon(ready.set)
    await ready.wait()
    context.set_state(before + 1)
    return before + 1


@app.entity_trigger()
class Chatter(df.EntityBase):
    """What was posted."""

    posts: list[str] = []

    async def post(self, text: str) -> None:
        self.posts.append(text)

    async def read(self) -> str:
        return ",".join(self.posts)


class Point:
    """Written in a way of its own."""

    def __init__(self, x: int = 0, y: int = 0) -> None:
        self.x, self.y = x, y

    @classmethod
    def from_json(cls, data: str) -> Point:
        x, y = data.split("|")
        return cls(int(x), int(y))

    def to_json(self) -> str:
        return f"{self.x}|{self.y}"


@app.entity_trigger()
class Walker(Point):
    """A point that moves."""

    async def move(self, by: list[int]) -> str:
        self.x, self.y = self.x + by[0], self.y + by[1]
        return self.to_json()


@app.entity_trigger()
class Uncallable:
    """Can't be made."""

    def __init__(self) -> None:
        raise RuntimeError("it can't be made")

    async def get(self) -> int:
        return 1


@app.activity_trigger(input_name="number")
async def uncallable_too(number: int) -> int:
    raise RuntimeError(f"{number} can't be made, too")


@app.orchestration_trigger(context_name="context")
def asks_responder(context: Context) -> Steps:
    return (yield context.call_entity(df.EntityId("responder", "new"), "anything"))


@conforms("dtfx-8.1-11")
async def test_what_is_sent_to_an_entity_begins_it(stage: Stage) -> None:
    async with stage.host(app) as host:
        assert await stage.row("@responder@new") is None
        assert outcome(await host.run("asks_responder")) == ("Completed", "OK")
        await stage.at_rest()
    assert await stage.row("@responder@new")


@app.orchestration_trigger(context_name="context")
def waits_and_calls(context: Context) -> Steps:
    yield context.wait_for_external_event("go")
    return (yield context.call_entity(df.EntityId("responder", "new"), "anything"))


@conforms("dtfx-8.1-93")
async def test_an_answer_to_nothing_that_was_asked_changes_nothing(stage: Stage) -> None:
    """Ours sends a request only after its row is there, so an answer is never too early."""
    unknown = "7c1f6d0e-5b5e-4c3a-9c1e-3f5d2f6f0c11"
    async with stage.host(app) as host:
        await host.client.start_new("waits_and_calls", "i1")
        await host.status_is("i1", "Running")
        await raise_event(stage.hub, "i1", unknown, '{"result":"\\"wrong\\""}')
        await stage.at_rest()
        await host.client.raise_event("i1", "go")
        assert outcome(await host.status_at_end("i1")) == ("Completed", "OK")
        await stage.at_rest()
        assert host.refused == []


@app.orchestration_trigger(context_name="context")
def signals_and_calls(context: Context) -> Steps:
    store = df.EntityId("string_store", "s")
    context.signal_entity(store, "set", "333")
    first = yield context.call_entity(store, "get")
    return [first, (yield context.call_entity(store, "get"))]


@conforms("dtfx-8.7-75")
async def test_a_signal_and_a_call_are_in_order(stage: Stage) -> None:
    async with stage.host(app) as host:
        assert outcome(await host.run("signals_and_calls")) == ("Completed", ["333", "333"])
        await host.entity_state_is(df.EntityId("string_store", "s"), "333")


@app.orchestration_trigger(context_name="context")
def creates_and_deletes(context: Context) -> Steps:
    store = df.EntityId("string_store", context.new_guid().hex)
    found: list[object] = []
    for op, value in (
        ("get", None),
        ("get", None),
        ("set", "aha"),
        ("get", None),
        ("delete", None),
        ("get", None),
        ("set", "aha-aha"),
        ("get", None),
        ("delete", None),
    ):
        try:
            found.append((yield context.call_entity(store, op, value)))
        except LookupError:
            found.append("missing")
    return found


@conforms("dtfx-8.7-76")
async def test_an_entity_is_made_deleted_and_made_again(stage: Stage) -> None:
    async with stage.host(app) as host:
        status = await host.run("creates_and_deletes")
        assert status.output == [
            *("missing", "missing", None, "aha", None),
            *("missing", None, "aha-aha", None),
        ]
        await stage.at_rest()
        assert await host.client.get_all_entities("string_store") == []


@app.orchestration_trigger(context_name="context")
def uses_nobody(context: Context) -> Steps:
    nobody = df.EntityId("nobody", "k")
    refused = []
    attempts: list[Callable[[], object]] = [
        lambda: context.call_entity(nobody, "get"),
        lambda: context.signal_entity(nobody, "get"),
        lambda: context.lock_entities([nobody]),
    ]
    for attempt in attempts:
        try:
            yield attempt()
        except UnknownFunction as error:
            refused.append(str(error))
    return refused


@conforms("dtfx-8.7-78")
async def test_an_entity_that_the_app_does_not_have_is_refused(stage: Stage) -> None:
    async with stage.host(app) as host:
        texts = (await host.run("uses_nobody", None, "i1")).output
        assert len(texts) == 3
        assert all("'nobody'" in text for text in texts)
        with pytest.raises(UnknownFunction, match="'nobody'"):
            await host.client.signal_entity(df.EntityId("nobody", "k"), "get")
        await stage.at_rest()
    assert await stage.row("@nobody@k") is None


@app.orchestration_trigger(context_name="context")
def uses_uncallable(context: Context) -> Steps:
    broken = df.EntityId("uncallable", "k")
    texts = []
    with (yield context.lock_entities([broken])):
        try:
            yield context.call_entity(broken, "get")
        except EntityFailed as error:
            texts.append(str(error))
    context.signal_entity(broken, "get")
    try:
        yield context.call_activity("uncallable_too", 7)
    except df.ActivityFailed as error:
        texts.append(str(error))
    return texts


@conforms("dtfx-8.7-61")
async def test_what_can_not_be_called_can_be_locked_and_says_why(stage: Stage) -> None:
    async with stage.host(app) as host:
        status = await host.run("uses_uncallable", None, "i1")
        assert outcome(status)[0] == "Completed", status.output
        entity, activity = status.output
        assert "'@uncallable@k' failed: RuntimeError: it can't be made" in entity
        assert "'uncallable_too' failed: RuntimeError: 7 can't be made, too" in activity
        await stage.at_rest()
        state = await host.client.read_entity_state(df.EntityId("uncallable", "k"))
        assert (state.entity_exists, host.refused) == (False, [])
        (entry,) = await host.client.get_all_entities(include_transient=True)
        assert (entry.locked_by, entry.backlog_queue_size) == (None, 0)


@app.orchestration_trigger(context_name="context")
def stores_much(context: Context) -> Steps:
    store = df.EntityId("string_store", "s")
    yield context.call_entity(store, "set", "x" * 100_000)
    return len((yield context.call_entity(store, "get")))


@conforms("dtfx-8.7-83")
async def test_a_large_state(stage: Stage) -> None:
    async with stage.host(app) as host:
        assert outcome(await host.run("stores_much", None, "i1")) == ("Completed", 100_000)
        await host.entity_state_is(df.EntityId("string_store", "s"), "x" * 100_000)


@app.orchestration_trigger(context_name="context")
def calls_slow(context: Context) -> Steps:
    slow = df.EntityId("reads_slowly", "k")
    return (yield context.task_all([context.call_entity(slow, "next") for _ in range(5)]))


@conforms("dtfx-8.7-92")
async def test_an_operation_awaits(stage: Stage) -> None:
    async with stage.host(app) as host:
        assert outcome(await host.run("calls_slow")) == ("Completed", [1, 2, 3, 4, 5])


@app.orchestration_trigger(context_name="context")
def calls_in_any_case(context: Context) -> Steps:
    yield context.call_entity(df.EntityId("STRING_STORE", "k"), "set", "once")
    lower = yield context.call_entity(df.EntityId("string_store", "k"), "get")
    mixed = yield context.call_entity(df.EntityId("String_Store", "k"), "get")
    return [lower, mixed]


@conforms("dtfx-8.7-93")
async def test_the_case_of_a_name_does_not_matter(stage: Stage) -> None:
    async with stage.host(app) as host:
        assert outcome(await host.run("calls_in_any_case")) == ("Completed", ["once", "once"])
        await host.entity_state_is(df.EntityId("STRING_store", "k"), "once")
        (entity,) = await host.client.get_all_entities("STRING_STORE")
        assert entity.id == df.EntityId("string_store", "k")


@app.orchestration_trigger(context_name="context")
def chats(context: Context) -> Steps:
    chat = df.EntityId("Chatter", "k")
    context.signal_entity(chat, "post", "a")
    yield context.call_entity(chat, "Post", "b")
    context.signal_entity(chat, "post", "c")
    return (yield context.call_entity(chat, "read"))


@conforms("dtfx-8.7-96")
async def test_the_methods_of_a_class_are_its_operations(stage: Stage) -> None:
    async with stage.host(app) as host:
        assert outcome(await host.run("chats")) == ("Completed", "a,b,c")
        await host.entity_state_is(df.EntityId("Chatter", "k"), {"posts": ["a", "b", "c"]})


@app.orchestration_trigger(context_name="context")
def walks(context: Context) -> Steps:
    walker = df.EntityId("Walker", "k")
    yield context.call_entity(walker, "move", [1, 2])
    return (yield context.call_entity(walker, "move", [3, 4]))


@conforms("dtfx-8.7-101")
async def test_a_class_may_write_its_state_in_a_way_of_its_own(stage: Stage) -> None:
    async with stage.host(app) as host:
        assert outcome(await host.run("walks")) == ("Completed", "4|6")
        await stage.at_rest()
        row = await stage.row("@walker@k")
    assert row is not None
    assert "4|6" in (row.input or "")
