"""Durable orchestrations in a Functions app: the classic patterns, each a few lines.

`make start` serves it; open http://localhost:7071/api/OrchestratorFunction_HttpStart.
"""
# ruff: noqa: N802 - the names every Durable Functions sample uses

from collections.abc import Generator
from datetime import timedelta

import azure.functions as func

import durable as df

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)

CITIES = ["Tokyo", "Seattle", "London"]
MOST = 10_000
LOOKS = 3
PAUSE = timedelta(seconds=1)


@app.activity_trigger(input_name="name")
def OrchestratorFunction_Hello(name: str) -> str:
    """An activity does one piece of work. It may take its time, fail, and be tried again."""
    return f"Hello {name}!"


@app.orchestration_trigger(context_name="context")
def OrchestratorFunction(
    context: df.DurableOrchestrationContext,
) -> Generator[object, str, list[str]]:
    """An orchestrator calls activities, here one after the other.

    It survives crashes and restarts: what was done is read from its history, not done again.
    """
    tokyo = yield context.call_activity(OrchestratorFunction_Hello, CITIES[0])
    seattle = yield context.call_activity(OrchestratorFunction_Hello, CITIES[1])
    london = yield context.call_activity(OrchestratorFunction_Hello, CITIES[2])
    return [tokyo, seattle, london]


@app.orchestration_trigger(context_name="context")
async def AsyncOrchestrator(context: df.DurableOrchestrationContext) -> list[object]:
    """The same with async and await."""
    return [await context.call_activity(OrchestratorFunction_Hello, city) for city in CITIES]


@app.orchestration_trigger(context_name="context")
def FanOutFunction(
    context: df.DurableOrchestrationContext,
) -> Generator[object, list[str], list[str]]:
    """Fan out, fan in: many activities at once, then their results together."""
    names = [f"number {number}" for number in range(1, context.get_input() + 1)]
    calls = [context.call_activity(OrchestratorFunction_Hello, name) for name in names]
    return (yield context.task_all(calls))


@app.activity_trigger(input_name="look")
def Monitor_IsDone(look: int) -> bool:
    """Stands for a look at something outside; here it is done at the last of LOOKS."""
    return look >= LOOKS


@app.orchestration_trigger(context_name="context")
def Monitor(context: df.DurableOrchestrationContext) -> Generator[object, bool, str]:
    """Monitor: look, wait, look again, for an hour at most. A timer costs nothing meanwhile."""
    end = context.current_utc_datetime + timedelta(hours=1)
    look = 1
    while context.current_utc_datetime < end:
        if (yield context.call_activity(Monitor_IsDone, look)):
            return f"done at look {look}"
        yield context.create_timer(context.current_utc_datetime + PAUSE)
        look += 1
    return "not done in time"


@app.orchestration_trigger(context_name="context")
def Approval(context: df.DurableOrchestrationContext) -> Generator[object, df.TaskBase, str]:
    """Human interaction: wait for somebody's answer, but not for ever."""
    answer = context.wait_for_external_event("Approval")
    end = context.current_utc_datetime + timedelta(seconds=context.get_input())
    timeout = context.create_timer(end)
    if (yield context.task_any([answer, timeout])) is timeout:
        return "nobody answered"
    timeout.cancel()
    return "approved" if answer.result is True else "rejected"


@app.route(route="OrchestratorFunction_HttpStart", methods=["GET", "POST"])
@app.durable_client_input(client_name="client")
async def OrchestratorFunction_HttpStart(
    req: func.HttpRequest, client: df.DurableOrchestrationClient
) -> func.HttpResponse:
    """A client function starts an orchestration and answers at once, with links to follow it."""
    return await start(client, req, "OrchestratorFunction")


@app.route(route="AsyncOrchestrator_HttpStart", methods=["GET", "POST"])
@app.durable_client_input(client_name="client")
async def AsyncOrchestrator_HttpStart(
    req: func.HttpRequest, client: df.DurableOrchestrationClient
) -> func.HttpResponse:
    """Start the one written with async and await."""
    return await start(client, req, "AsyncOrchestrator")


@app.route(route="FanOutFunction_HttpStart", methods=["GET", "POST"])
@app.durable_client_input(client_name="client")
async def FanOutFunction_HttpStart(
    req: func.HttpRequest, client: df.DurableOrchestrationClient
) -> func.HttpResponse:
    """Start the fan-out: ?count=N says how wide, 5 if it doesn't."""
    count = req.params.get("count", "5")
    if not (count.isdecimal() and 1 <= int(count) <= MOST):
        return func.HttpResponse(f"count must be a whole number, 1 to {MOST}.", status_code=400)
    instance_id = await client.start_new("FanOutFunction", client_input=int(count))
    return client.create_check_status_response(req, instance_id)


@app.route(route="Monitor_HttpStart", methods=["GET", "POST"])
@app.durable_client_input(client_name="client")
async def Monitor_HttpStart(
    req: func.HttpRequest, client: df.DurableOrchestrationClient
) -> func.HttpResponse:
    """Start the monitor."""
    return await start(client, req, "Monitor")


@app.route(route="Approval_HttpStart", methods=["GET", "POST"])
@app.durable_client_input(client_name="client")
async def Approval_HttpStart(
    req: func.HttpRequest, client: df.DurableOrchestrationClient
) -> func.HttpResponse:
    """Ask for an approval: POST true or false to sendEventPostUri in ?seconds=N, or 300."""
    seconds = req.params.get("seconds", "300")
    if not (seconds.isdecimal() and 1 <= int(seconds) <= MOST):
        return func.HttpResponse(f"seconds must be a whole number, 1 to {MOST}.", status_code=400)
    instance_id = await client.start_new("Approval", client_input=int(seconds))
    return client.create_check_status_response(req, instance_id)


async def start(
    client: df.DurableOrchestrationClient, req: func.HttpRequest, orchestrator: str
) -> func.HttpResponse:
    """Start `orchestrator`; the request's JSON body, if it has one, is the input."""
    try:
        body = req.get_json() if req.get_body() else None
    except ValueError:
        return func.HttpResponse("The request's body is not JSON.", status_code=400)
    instance_id = await client.start_new(orchestrator, client_input=body)
    return client.create_check_status_response(req, instance_id)
