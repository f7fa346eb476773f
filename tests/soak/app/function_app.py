"""The app under load: an orchestrator for each thing an instance can do.

Its processes are killed at any moment. Results, and what activities note, tell what was lost.
"""
# ruff: noqa: N802 - orchestrators are named as in the samples

import asyncio
import os
import random
from collections.abc import Generator
from datetime import timedelta
from pathlib import Path
from typing import Any

import durable as df

app = df.DFApp()

Context = df.DurableOrchestrationContext
Steps = Generator[Any, Any, Any]

FOLDER = Path(os.environ["SOAK_FOLDER"])
OPENING_BALANCE = 100


def note(instance_id: str, number: int) -> None:
    """Write down that an activity begins: one write to the process's own file."""
    with (FOLDER / "runs" / str(os.getpid())).open("a", encoding="utf-8") as file:
        file.write(f"{instance_id} {number}\n")


@app.activity_trigger(input_name="job")
async def work(job: list[Any]) -> int:
    """Take a moment; the job is [instance, number, seconds]."""
    instance_id, number, seconds = job
    note(instance_id, number)
    await asyncio.sleep(random.uniform(0, 2 * seconds))
    return int(number) ** 2


@app.activity_trigger(input_name="job")
def compute(job: list[Any]) -> int:
    """The same in a thread, and at once."""
    instance_id, number, _ = job
    note(instance_id, number)
    return int(number) ** 2


@app.activity_trigger(input_name="value")
async def echo(value: Any) -> Any:
    """Give back what came."""
    note(value["instance"], 0)
    return value


@app.activity_trigger(input_name="instance_id")
def until_mended(instance_id: str) -> str:
    """Fail until the driver has mended it."""
    note(instance_id, 1)
    if not (FOLDER / "mended" / instance_id).exists():
        raise RuntimeError("not mended yet")
    return "mended"


@app.orchestration_trigger(context_name="context")
def Chain(context: Context) -> Steps:
    """`count` activities, one after the other."""
    order, found = context.get_input(), []
    for number in range(order["count"]):
        activity = compute if number % 3 == 2 else work
        job = [context.instance_id, number, order["seconds"]]
        found.append((yield context.call_activity(activity, job)))
    return found


@app.orchestration_trigger(context_name="context")
async def AsyncChain(context: Context) -> list[Any]:
    """The same with async and await."""
    order = context.get_input()
    return [
        await context.call_activity(work, [context.instance_id, number, order["seconds"]])
        for number in range(order["count"])
    ]


@app.orchestration_trigger(context_name="context")
def FanOut(context: Context) -> Steps:
    """`count` activities at once."""
    order = context.get_input()
    jobs = [[context.instance_id, number, order["seconds"]] for number in range(order["count"])]
    return (yield context.task_all([context.call_activity(work, job) for job in jobs]))


@app.orchestration_trigger(context_name="context")
def Timers(context: Context) -> Steps:
    """`count` timers, none of which may fire early."""
    order = context.get_input()
    for number in range(order["count"]):
        due = context.current_utc_datetime + timedelta(seconds=order["seconds"])
        yield context.create_timer(due)
        if context.current_utc_datetime < due:
            return f"timer {number} fired early"
        yield context.call_activity(compute, [context.instance_id, number, 0])
    return order["count"]


@app.orchestration_trigger(context_name="context")
def Race(context: Context) -> Steps:
    """An event against a timer. The event comes in time when the driver sends it."""
    due = context.current_utc_datetime + timedelta(seconds=context.get_input())
    timer = context.create_timer(due)
    event = context.wait_for_external_event("told")
    if (yield context.task_any([timer, event])) is timer:
        return "timer"
    timer.cancel()
    return event.result


@app.orchestration_trigger(context_name="context")
def Events(context: Context) -> Steps:
    """Take events until each number below `count` has come; all that came, in order."""
    count = context.get_input()["count"]
    came: list[dict[str, Any]] = []
    while len({each["number"] for each in came}) < count:
        came.append((yield context.wait_for_external_event("told")))
        yield context.call_activity(compute, [context.instance_id, len(came), 0])
    return came


@app.orchestration_trigger(context_name="context")
def EventLoop(context: Context) -> Steps:
    """The same, a generation for each event."""
    order = context.get_input()
    came = [*order.get("came", []), (yield context.wait_for_external_event("told"))]
    if len({each["number"] for each in came}) < order["count"]:
        context.continue_as_new({**order, "came": came})
        return None
    return came


@app.orchestration_trigger(context_name="context")
def Parent(context: Context) -> Steps:
    """`count` children at once, under ids of its own."""
    order = context.get_input()
    child = {"count": order["steps"], "seconds": order["seconds"]}
    calls = [
        context.call_sub_orchestrator("Chain", child, f"{context.instance_id}-c{number}")
        for number in range(order["count"])
    ]
    return (yield context.task_all(calls))


@app.orchestration_trigger(context_name="context")
def Loop(context: Context) -> Steps:
    """`count` generations with an activity each."""
    order = context.get_input()
    number = order.get("number", 0)
    job = [context.instance_id, number, order["seconds"]]
    total = order.get("total", 0) + (yield context.call_activity(work, job))
    if number + 1 < order["count"]:
        context.continue_as_new({**order, "number": number + 1, "total": total})
        return None
    return total


@app.orchestration_trigger(context_name="context")
def Steady(context: Context) -> Steps:
    """Work, then wait for `finish`; nobody may see it go on while it is suspended."""
    first = yield context.call_activity(work, [context.instance_id, 2, context.get_input()])
    said = yield context.wait_for_external_event("finish")
    second = yield context.call_activity(work, [context.instance_id, 3, 0])
    return [first, said, second]


@app.orchestration_trigger(context_name="context")
def Sleeper(context: Context) -> Steps:
    """Wait until it is terminated."""
    yield context.call_activity(compute, [context.instance_id, 0, 0])
    yield context.wait_for_external_event("never")


@app.orchestration_trigger(context_name="context")
def Fragile(context: Context) -> Steps:
    """Fail, in a child as deep as the input says, until it is mended and rewound."""
    order = context.get_input()
    first = yield context.call_activity(work, [context.instance_id, 0, 0.05])
    if order["depth"]:
        inner = {**order, "depth": order["depth"] - 1}
        child = f"{context.instance_id}-c"
        return [first, (yield context.call_sub_orchestrator("Fragile", inner, child))]
    return [first, (yield context.call_activity(until_mended, order["root"]))]


@app.orchestration_trigger(context_name="context")
def Large(context: Context) -> Steps:
    """A payload that goes through blobs, to an activity and back."""
    text = context.get_input()
    answer = yield context.call_activity(echo, {"instance": context.instance_id, "text": text})
    return answer["text"]


@app.orchestration_trigger(context_name="context")
def Transfer(context: Context) -> Steps:
    """Right only while nobody else gets in between: accounts are read and written."""
    source, target, amount = context.get_input()
    payer, payee = df.EntityId("account", source), df.EntityId("account", target)
    with (yield context.lock_entities([payer, payee])):
        has = yield context.call_entity(payer, "read")
        had = yield context.call_entity(payee, "read")
        if has < amount:
            return "too little"
        yield context.call_activity(work, [context.instance_id, 0, 0.02])
        yield context.task_all(
            [
                context.call_entity(payer, "write", has - amount),
                context.call_entity(payee, "write", had + amount),
            ]
        )
    return "moved"


@app.orchestration_trigger(context_name="context")
def Holder(context: Context) -> Steps:
    """Hold two accounts until it is terminated."""
    first, second = (df.EntityId("account", key) for key in context.get_input())
    with (yield context.lock_entities([first, second])):
        yield context.call_entity(first, "read")
        context.set_custom_status("locked")
        yield context.wait_for_external_event("never")


@app.orchestration_trigger(context_name="context")
def Signals(context: Context) -> Steps:
    """Signal a counter so often as the input says, numbered."""
    order = context.get_input()
    counter = df.EntityId("counter", order["counter"])
    for number in range(order["count"]):
        context.signal_entity(counter, "add", f"{context.instance_id}.{number}")
        if number % 2:
            yield context.call_activity(compute, [context.instance_id, number, 0])
    return order["count"]


@app.entity_trigger(context_name="context")
def counter(context: df.DurableEntityContext) -> None:
    """Its state is what it was told, and how often each."""
    told: dict[str, int] = context.get_state(dict)
    key = context.get_input()
    told[key] = told.get(key, 0) + 1
    context.set_state(told)


@app.entity_trigger(context_name="context")
def account(context: df.DurableEntityContext) -> int:
    """A balance. Who reads before it writes needs the lock."""
    if context.operation_name == "write":
        context.set_state(context.get_input())
    balance: int = context.get_state(lambda: OPENING_BALANCE)
    return balance
