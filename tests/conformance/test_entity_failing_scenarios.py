"""8.7, rows 79 and 80: operations that fail leave neither state nor signals.

Each runs with an entity function and with a class. What a failed operation did is always taken
back: rollbackEntityOperationsOnExceptions=false is not offered.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import durable as df
from durable.errors import EntityFailed
from tests.conformance.conformance import conforms
from tests.conformance.stage import Stage, outcome

Steps = Generator[Any, Any, Any]
Context = df.DurableOrchestrationContext

app = df.DFApp()
RECEIVER = df.EntityId("receiver", "r")
KINDS = ("faulty", "FaultyClass")


class KaboomError(Exception):
    """What the entities raise."""


@app.entity_trigger(context_name="context")
async def faulty(context: df.DurableEntityContext) -> Any:
    """A number, as a function."""
    op, value = context.operation_name, context.get_input()
    if op == "delete":
        context.destruct_on_exit()
        return None
    state = context.get_state(lambda: {"value": 0, "sent": 0}, dict)
    if op.startswith("set"):
        context.set_state({**state, "value": value})
    elif op.startswith("delete"):
        context.destruct_on_exit()
    elif op.startswith("send"):
        sent = state["sent"] + 1
        context.signal_entity(RECEIVER, "note", f"{sent}:{state['value']}")
        context.set_state({**state, "sent": sent})
    elif op == "spoil":
        context.set_state("what get_state can't read")
    if op.endswith("_then_throw"):
        raise KaboomError("KABOOM")
    if op.endswith("_then_unserializable"):
        context.set_state({"value": object()})
    return state.get(value) if op == "get" else None


@app.entity_trigger()
@dataclass
class FaultyClass(df.EntityBase):
    """The same as a class."""

    value: int = 0
    sent: int = 0

    async def set(self, value: int) -> None:
        self.value = value

    async def get(self, name: str) -> int:
        found: int = getattr(self, name)
        return found

    async def send(self) -> None:
        self.sent += 1
        self.context.signal_entity(RECEIVER, "note", f"{self.sent}:{self.value}")

    async def set_then_throw(self, value: int) -> None:
        self.value = value
        raise KaboomError("KABOOM")

    async def delete_then_throw(self) -> None:
        self.context.destruct_on_exit()
        raise KaboomError("KABOOM")

    async def send_then_throw(self) -> None:
        await self.send()
        raise KaboomError("KABOOM")

    async def send_then_unserializable(self) -> None:
        await self.send()
        self.value = object()  # type: ignore[assignment]

    async def spoil(self) -> None:
        self.value = "no number"  # type: ignore[assignment]


@app.entity_trigger(context_name="context")
async def receiver(context: df.DurableEntityContext) -> None:
    context.set_state([*context.get_state(list), context.get_input()])


@app.orchestration_trigger(context_name="context")
def plays(context: Context) -> Steps:
    """Calls and signals (a name that begins with a ``+``), and what the calls came to."""
    name, steps = context.get_input()
    entity = df.EntityId(name, "k")
    found = []
    for op, value in steps:
        if op.startswith("+"):
            context.signal_entity(entity, op[1:], value)
            continue
        try:
            found.append((yield context.call_entity(entity, op, value)))
        except EntityFailed as error:
            found.append(error.failure.error_type.rpartition(".")[2])
    return found


Step = tuple[str, object]
GET: Step = ("get", "value")

#: What is done, what its calls come to, and whether the entity exists in the end.
SINGLY: list[tuple[list[Step], list[object], bool]] = [
    ([("send_then_unserializable", None)], ["NotSerializable"], False),
    ([("set_then_throw", 333)], ["KaboomError"], False),
    (
        [("set", 3), GET, ("set_then_throw", 333), GET, ("delete_then_throw", None), GET],
        [None, 3, "KaboomError", 3, "KaboomError", 3],
        True,
    ),
    ([("delete", None)], [None], False),
    ([("set_then_throw", 333)], ["KaboomError"], False),
]
IN_BATCHES: list[tuple[list[Step], list[object], bool]] = [
    ([("+set", 42), ("+set_then_throw", 333), ("+delete_then_throw", None), GET], [42], True),
    (
        [
            *(("+get", "value"), ("+set", 42), ("+delete", None), ("+set", 43)),
            *(("+delete_then_throw", None), GET),
        ],
        [43],
        True,
    ),
    ([("+set", 55), ("+send_then_unserializable", None), GET], [55], True),
    (
        [
            *(("+set", 1), ("+delete", None), ("+set", 2), ("+delete", None)),
            ("set_then_throw", 3),
        ],
        ["KaboomError"],
        False,
    ),
]


async def play(stage: Stage, cases: list[tuple[list[Step], list[object], bool]]) -> None:
    async with stage.host(app) as host:
        for name in KINDS:
            for number, (steps, results, exists) in enumerate(cases):
                status = await host.run("plays", [name, steps], f"{name}-{number}")
                assert outcome(status) == ("Completed", results), (name, steps)

                async def is_so(name: str = name, exists: bool = exists) -> bool:
                    found = await host.client.read_entity_state(df.EntityId(name, "k"))
                    return found.entity_exists is exists

                await stage.until(is_so)
        assert await host.client.get_all_entities("receiver", include_transient=True) == []


@conforms("dtfx-8.7-79")
async def test_a_failed_call_leaves_what_was_there(stage: Stage) -> None:
    await play(stage, SINGLY)


@conforms("dtfx-8.7-79")
async def test_failed_signals_leave_what_was_there(stage: Stage) -> None:
    await play(stage, IN_BATCHES)


@conforms("dtfx-8.7-79")
async def test_a_state_that_can_not_be_read_fails_calls_until_it_is_deleted(stage: Stage) -> None:
    steps = [("spoil", None), GET, ("set_then_throw", 1), GET, ("delete", None), ("set", 1), GET]
    async with stage.host(app) as host:
        status = await host.run("plays", ["faulty", steps])
        error = "TypeError"
        assert outcome(status) == ("Completed", [None, error, error, error, None, None, 1])
        # A class would never store it.
        steps = [("set", 7), ("spoil", None), GET]
        status = await host.run("plays", ["FaultyClass", steps])
        assert outcome(status) == ("Completed", [None, "NotSerializable", 7])


SENDS: list[Step] = [
    *(("+set", 56), ("+send", None), ("+set", 100), ("+send", None)),
    *(("+send_then_throw", None), ("+send", None), ("+set", 10)),
    *(("+send_then_throw", None), ("+send", None), ("+set_then_throw", 66), ("+send", None)),
    *(("+send_then_unserializable", None), ("+send", None), ("+set", 11), ("+send", None)),
    *(("get", "sent"), GET),
]


@conforms("dtfx-8.7-80")
async def test_a_failed_operation_sends_nothing(stage: Stage) -> None:
    once = ["1:56", "2:100", "3:100", "4:10", "5:10", "6:10", "7:11"]
    async with stage.host(app) as host:
        for number, name in enumerate(KINDS, 1):
            status = await host.run("plays", [name, SENDS], name)
            assert outcome(status) == ("Completed", [7, 11])
            await host.entity_state_is(RECEIVER, once * number)
