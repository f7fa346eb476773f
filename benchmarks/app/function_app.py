"""What is measured: the sample's sequence and fan-out, a sequence of any length, and a crowd."""

from collections.abc import Generator
from typing import Any

import azure.functions as func

import durable as df

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.activity_trigger(input_name="name")
def greet(name: str) -> str:
    return f"Hello {name}!"


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
