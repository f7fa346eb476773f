"""What is measured: the sample's sequence and fan-out, and a sequence of any length."""

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


@app.route(route="start/{name}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def start(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    instance_id = await client.start_new(req.route_params["name"], client_input=req.get_json())
    return func.HttpResponse(instance_id)
