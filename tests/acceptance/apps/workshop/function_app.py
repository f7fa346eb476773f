"""What the sample app doesn't show: large payloads, failures, long work, waiting.

For acceptance tests.
"""

import asyncio
import json
import os
import random
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path

import azure.functions as func

import durable as df

app = df.DFApp()

CITIES = ["Tokyo", "Seattle", "London"]

Tasks = Generator[object, object, object]


@app.activity_trigger(input_name="name")
async def hello(name: str) -> str:
    """Take a moment, as work does: a test that kills the process then hits it at work."""
    note("hello", name)
    await take_a_moment()
    return f"Hello {name}!"


@app.activity_trigger(input_name="value")
async def echo(value: object) -> object:
    """Give back what came."""
    note("echo", "")
    await take_a_moment()
    return value


@app.activity_trigger(input_name="text")
def to_number(text: str) -> int:
    """Fail with a ValueError for what is no number."""
    return int(text)


@app.activity_trigger(input_name="key")
async def fail_once(key: str) -> str:
    """Fail the first time; the second time go well."""
    if key not in failed_before:
        failed_before.add(key)
        raise RuntimeError("not this time")
    return "this time"


failed_before: set[str] = set()


@app.activity_trigger(input_name="number")
async def step(number: int) -> int:
    """Be quick, whatever the test says."""
    await asyncio.sleep(0.01)
    return number


@app.activity_trigger(input_name="seconds")
async def linger(seconds: float) -> str:
    """Take long; tell in files when it begins and when it is done."""
    note("linger", "begun")
    await asyncio.sleep(seconds)
    note("linger", "done")
    return "at last"


@app.orchestration_trigger(context_name="context")
def Sequence(context: df.DurableOrchestrationContext) -> Tasks:  # noqa: N802 - as the samples
    """Three activities, one after the other."""
    tokyo = yield context.call_activity(hello, CITIES[0])
    seattle = yield context.call_activity(hello, CITIES[1])
    london = yield context.call_activity(hello, CITIES[2])
    return [tokyo, seattle, london]


@app.orchestration_trigger(context_name="context")
async def AsyncSequence(  # noqa: N802
    context: df.DurableOrchestrationContext,
) -> list[object]:
    """The same with async and await."""
    return [await context.call_activity(hello, city) for city in CITIES]


@app.orchestration_trigger(context_name="context")
def FanOut(context: df.DurableOrchestrationContext) -> Tasks:  # noqa: N802
    """As many activities at once as the input says."""
    names = [f"number {number}" for number in range(1, context.get_input() + 1)]
    return (yield context.task_all([context.call_activity(hello, name) for name in names]))


@app.orchestration_trigger(context_name="context")
def Echo(context: df.DurableOrchestrationContext) -> Tasks:  # noqa: N802
    """The input, through an activity and back."""
    return (yield context.call_activity(echo, context.get_input()))


@app.orchestration_trigger(context_name="context")
def Careful(context: df.DurableOrchestrationContext) -> Tasks:  # noqa: N802
    """Catch an activity's failure by its class."""
    try:
        return (yield context.call_activity(to_number, context.get_input()))
    except ValueError as error:
        return f"caught {type(error).__name__}: {error}"


@app.orchestration_trigger(context_name="context")
def Careless(context: df.DurableOrchestrationContext) -> Tasks:  # noqa: N802
    """Let an activity's failure pass."""
    return (yield context.call_activity(to_number, context.get_input()))


@app.orchestration_trigger(context_name="context")
def Fragile(context: df.DurableOrchestrationContext) -> Tasks:  # noqa: N802
    """Fail the first time, in a child as deep as the input says."""
    depth = context.get_input()
    if depth:
        child = f"{context.instance_id}-child"
        return (yield context.call_sub_orchestrator("Fragile", depth - 1, child))
    name = yield context.call_activity(hello, "Tokyo")
    return [name, (yield context.call_activity(fail_once, context.instance_id))]


@app.orchestration_trigger(context_name="context")
def Unspeakable(context: df.DurableOrchestrationContext) -> Tasks:  # noqa: N802
    """Return what is not JSON."""
    yield context.call_activity(echo, 1)
    return {"here": [1, {"it is": object()}]}


@app.orchestration_trigger(context_name="context")
def Long(context: df.DurableOrchestrationContext) -> Tasks:  # noqa: N802
    """One activity of as many seconds as the input says."""
    return (yield context.call_activity(linger, context.get_input()))


@app.orchestration_trigger(context_name="context")
def Chain(context: df.DurableOrchestrationContext) -> Tasks:  # noqa: N802
    """As many quick activities as the input says, one after the other; their results."""
    found = []
    for number in range(context.get_input()):
        answer = yield context.call_activity(step, number)
        found.append(answer)
    return found


@app.orchestration_trigger(context_name="context")
def Waiter(context: df.DurableOrchestrationContext) -> Tasks:  # noqa: N802
    """As many events named `go` as the input says, each greeted."""
    found = []
    for _ in range(context.get_input()):
        name = yield context.wait_for_external_event("go")
        found.append((yield context.call_activity(hello, name)))
    return found


@app.orchestration_trigger(context_name="context")
def Fetch(context: df.DurableOrchestrationContext) -> Tasks:  # noqa: N802
    """A job of another service at the address that is the input, followed to its end."""
    response = yield context.call_http("POST", context.get_input(), {"job": 1}, {"X-Job": "1"})
    assert isinstance(response, dict)
    return [response["statusCode"], response["content"]]


LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


@app.route(route="operate/{what}/{id}", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
@app.durable_client_input(client_name="client")
async def operate(
    req: func.HttpRequest, client: df.DurableOrchestrationClient
) -> func.HttpResponse:
    """What the client can do to an instance; its parameters by name, as with 1.7."""
    instance_id, why = req.route_params["id"], "by the client"
    result: object = None
    try:
        match req.route_params["what"]:
            case "raise":
                data = req.get_json()
                await client.raise_event(instance_id=instance_id, event_name="go", event_data=data)
            case "terminate":
                await client.terminate(instance_id=instance_id, reason=why)
            case "suspend":
                await client.suspend(instance_id=instance_id, reason=why)
            case "resume":
                await client.resume(instance_id=instance_id, reason=why)
            case "rewind":
                await client.rewind(instance_id=instance_id, reason=why)
            case "restart":
                result = await client.restart(
                    instance_id=instance_id, restart_with_new_instance_id=False
                )
            case _:
                purged = await client.purge_instance_history_by(
                    created_time_from=LONG_AGO,
                    created_time_to=None,
                    runtime_status=[df.OrchestrationRuntimeStatus.Terminated],
                )
                result = purged.instances_deleted
    except Exception as error:
        return func.HttpResponse(f"{type(error).__name__}: {error}", status_code=400)
    return func.HttpResponse(json.dumps(result), mimetype="application/json")


async def take_a_moment() -> None:
    """As long as the test says, on average."""
    await asyncio.sleep(random.uniform(0, 2 * float(os.environ.get("WORKSHOP_SECONDS", "0"))))


def note(activity: str, text: str) -> None:
    """Write down that the activity ran, where the test asked for it."""
    folder = os.environ.get("WORKSHOP_NOTES")
    if folder:
        with (Path(folder) / activity).open("a", encoding="utf-8") as notes:
            notes.write(f"{text}\n")
