"""What is measured: the sample's sequence and fan-out, events, entities, and slow activities."""

import asyncio
import os
from collections.abc import Generator
from typing import Any

import azure.functions as func

import durable as df

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.activity_trigger(input_name="name")
def greet(name: str) -> str:
    return f"Hello {name}!"


@app.activity_trigger(input_name="seconds")
async def nap(seconds: float) -> int:
    """Takes so long; says which process it was in."""
    await asyncio.sleep(seconds)
    return os.getpid()


@app.orchestration_trigger(context_name="context")
def hello(context: df.DurableOrchestrationContext) -> Generator[object, str, list[str]]:
    tokyo = yield context.call_activity(greet, "Tokyo")
    seattle = yield context.call_activity(greet, "Seattle")
    london = yield context.call_activity(greet, "London")
    return [tokyo, seattle, london]


@app.orchestration_trigger(context_name="context")
def sequence(context: df.DurableOrchestrationContext) -> Generator[object, str, None]:
    for number in range(context.get_input()):
        yield context.call_activity(greet, str(number))


@app.orchestration_trigger(context_name="context")
def fan_out(context: df.DurableOrchestrationContext) -> Generator[object, list[Any], int]:
    calls = [context.call_activity(greet, str(n)) for n in range(context.get_input())]
    return len((yield context.task_all(calls)))


@app.orchestration_trigger(context_name="context")
def naps(context: df.DurableOrchestrationContext) -> Generator[object, list[int], dict[str, int]]:
    """So many activities of one second; how many each process ran."""
    pids = yield context.task_all(
        [context.call_activity(nap, 1) for _ in range(context.get_input())]
    )
    return {str(pid): pids.count(pid) for pid in sorted(set(pids))}


@app.orchestration_trigger(context_name="context")
def listener(context: df.DurableOrchestrationContext) -> Generator[object, Any, None]:
    """Takes so many events, one after the other."""
    for _ in range(context.get_input()):
        yield context.wait_for_external_event("go")


@app.entity_trigger(context_name="context")
def counter(context: df.DurableEntityContext) -> None:
    """Adds up."""
    total = context.get_state(lambda: 0) + (context.get_input() or 0)
    context.set_state(total)
    context.set_result(total)


@app.orchestration_trigger(context_name="context")
def caller(context: df.DurableOrchestrationContext) -> Generator[object, int, int]:
    """Calls an entity so many times, and waits for each answer."""
    total = 0
    entity = df.EntityId("counter", context.instance_id)
    for _ in range(context.get_input()):
        total = yield context.call_entity(entity, "add", 1)
    return total


@app.entity_trigger(context_name="context")
def tally(context: df.DurableEntityContext) -> None:
    """Counts signals, and those that come out of their sender's order."""
    state = context.get_state(lambda: {"count": 0, "out_of_order": 0, "next": {}})
    sender, number = context.get_input()
    state["count"] += 1
    state["out_of_order"] += state["next"].get(sender, 0) != number
    state["next"][sender] = number + 1
    context.set_state(state)


@app.orchestration_trigger(context_name="context")
def member(context: df.DurableOrchestrationContext) -> Generator[object, None, None]:
    """Signals the tally so many times."""
    for number in range(context.get_input()):
        context.signal_entity(df.EntityId("tally", "t"), "add", [context.instance_id, number])
    yield context.task_all([])


@app.orchestration_trigger(context_name="context")
def crowd(context: df.DurableOrchestrationContext) -> Generator[object, None, None]:
    """Five members at once, that share so many signals."""
    each = context.get_input() // 5
    yield context.task_all([context.call_sub_orchestrator(member, each) for _ in range(5)])


@app.route(route="start/{name}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def start(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    instance_id = await client.start_new(req.route_params["name"], client_input=req.get_json())
    return func.HttpResponse(instance_id)
