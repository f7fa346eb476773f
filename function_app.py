"""Durable orchestrations in a Functions app: the classic patterns, each a few lines.

`make start` serves it; open http://localhost:7071/api/OrchestratorFunction_HttpStart.
"""
# ruff: noqa: N802 - the names every Durable Functions sample uses

from collections.abc import Generator
from dataclasses import dataclass
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


@app.entity_trigger(context_name="context")
def Counter(context: df.DurableEntityContext) -> int:
    """An entity keeps a small state under a key. It does one operation at a time."""
    value: int = context.get_state(lambda: 0)
    match context.operation_name:
        case "add":
            value += context.get_input()
        case "reset":
            value = 0
        case other:
            raise ValueError(f"A counter has no operation {other!r}.")
    context.set_state(value)
    return value


@app.entity_trigger()
@dataclass
class Account:
    """An entity as a class: public methods are its operations, fields its state."""

    balance: int = 0

    def deposit(self, amount: int) -> None:
        """Another entity, or an orchestrator, may ask for this; so may HTTP."""
        self.balance += amount

    def withdraw(self, amount: int) -> None:
        """An operation that raises changes nothing; whoever called it is told."""
        if amount > self.balance:
            raise ValueError("There is too little in the account.")
        self.balance -= amount


@app.orchestration_trigger(context_name="context")
async def Transfer(context: df.DurableOrchestrationContext) -> str:
    """Critical section: nobody else gets at the two accounts until both have their new balance."""
    source, target, amount = context.get_input()
    payer, payee = df.EntityId("Account", source), df.EntityId("Account", target)
    async with context.lock_entities([payer, payee]):
        await context.call_entity(payer, "withdraw", amount)
        await context.call_entity(payee, "deposit", amount)
    return f"{source} gave {target} {amount}"


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


@app.route(route="Counter/{key}", methods=["GET", "POST", "DELETE"])
@app.durable_client_input(client_name="client")
async def Counter_Http(
    req: func.HttpRequest, client: df.DurableOrchestrationClient
) -> func.HttpResponse:
    """GET reads a counter, POST adds ?amount=N to it, 1 if it doesn't say, DELETE resets it."""
    counter = df.EntityId("Counter", req.route_params["key"])
    if req.method == "GET":
        found = await client.read_entity_state(counter)
        return func.HttpResponse(str(found.entity_state or 0))
    amount = req.params.get("amount", "1")
    if not (amount.isdecimal() and 1 <= int(amount) <= MOST):
        return func.HttpResponse(f"amount must be a whole number, 1 to {MOST}.", status_code=400)
    try:
        if req.method == "POST":
            await client.signal_entity(counter, "add", int(amount))
        else:
            await client.signal_entity(counter, "reset")
    except df.InvalidName as error:  # a key that no entity can have
        return func.HttpResponse(str(error), status_code=400)
    return func.HttpResponse(status_code=202)


@app.route(route="Transfer_HttpStart", methods=["GET", "POST"])
@app.durable_client_input(client_name="client")
async def Transfer_HttpStart(
    req: func.HttpRequest, client: df.DurableOrchestrationClient
) -> func.HttpResponse:
    """Move ?amount=N, 1 if it doesn't say, ?from=one account ?to=another."""
    amount = req.params.get("amount", "1")
    if not (amount.isdecimal() and 1 <= int(amount) <= MOST):
        return func.HttpResponse(f"amount must be a whole number, 1 to {MOST}.", status_code=400)
    order = [req.params.get("from", "anna"), req.params.get("to", "ben"), int(amount)]
    instance_id = await client.start_new("Transfer", client_input=order)
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
