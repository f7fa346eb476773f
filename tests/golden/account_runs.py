"""Runs what was recorded, through the real client and engine, on any account."""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from durable.api.links import ManagementAccess
from durable.authoring.definitions import ActivityDefinition, OrchestratorDefinition
from durable.authoring.registry import Registry
from durable.client import Client
from durable.clock import Clock
from durable.hub.settings import HubSettings
from durable.hub.taskhub import TaskHub
from durable.model.status import RuntimeStatus
from durable.runtime.engine import Engine
from durable.runtime.settings import EngineSettings
from durable.storage.ports import Account
from durable.storage.values import PutReceipt, QueueMessage
from durable.together import run_together
from tests.golden.account_dump import Recorded, recorded

Steps = Generator[Any, Any, Any]
#: The messages put, in order: queue and text.
Puts = list[tuple[str, str]]


def hello(context: Any, activity: str) -> Steps:
    tokyo = yield context.call_activity(activity, "Tokyo")
    seattle = yield context.call_activity(activity, "Seattle")
    london = yield context.call_activity(activity, "London")
    return [tokyo, seattle, london]


def fan_out(context: Any) -> Steps:
    squares = yield context.task_all([context.call_activity("square", n) for n in range(1, 6)])
    return sum(squares)


def fan_out_fan_in(context: Any) -> Steps:
    calls = [context.call_activity("echo", n) for n in range(context.get_input())]
    return (yield context.task_all(calls))


def one_call(context: Any, activity: str) -> Steps:
    return (yield context.call_activity(activity, context.get_input()))


def echo_orch(context: Any) -> Any:
    return context.get_input()


@dataclass(frozen=True, kw_only=True)
class App:
    """What the recorded instance ran."""

    orchestrator: Callable[..., Any]
    activity: Callable[[Any], Any] = lambda value: value
    activity_name: str = "echo"
    input: str | None = None  # where the recorder cut it


APPS = {
    "extension/hello_sequence": App(
        orchestrator=functools.partial(hello, activity="hello"),
        activity=lambda name: f"Hello {name}!",
        activity_name="hello",
    ),
    "dtfx/01_hello": App(
        orchestrator=functools.partial(hello, activity="say_hello"),
        activity=lambda name: f"Hello {name}!",
        activity_name="say_hello",
    ),
    "extension/fan_out": App(
        orchestrator=fan_out, activity=lambda number: number * number, activity_name="square"
    ),
    "dtfx/02_fanout": App(orchestrator=fan_out_fan_in),
    "extension/large_payload": App(
        orchestrator=functools.partial(one_call, activity="big"),
        activity=lambda text: text + "i" * 70_000,
        activity_name="big",
        input='"' + "i" * 65_000 + '"',
    ),
    "dtfx/03_large_activity": App(orchestrator=functools.partial(one_call, activity="echo")),
    "dtfx/03_large_input": App(orchestrator=echo_orch),
    "dtfx/03_prop_30720": App(
        orchestrator=functools.partial(one_call, activity="big"),
        activity=lambda count: "b" * (count - 2),
        activity_name="big",
    ),
    "dtfx/03_prop_30721": App(
        orchestrator=functools.partial(one_call, activity="big"),
        activity=lambda count: "b" * (count - 2),
        activity_name="big",
    ),
}


def registry_of(app: App, name: str) -> Registry:
    registry = Registry()

    def orchestrator(context: Any) -> Any:
        return app.orchestrator(context)

    def steps(context: Any) -> Steps:
        return (yield from app.orchestrator(context))

    async def activity(value: Any) -> Any:
        return app.activity(value)

    registry.add_orchestrator(
        OrchestratorDefinition(
            name=name,
            function=orchestrator if app.orchestrator is echo_orch else steps,
            context_name="context",
            input_type=None,
        )
    )
    registry.add_activity(
        ActivityDefinition(name=app.activity_name, function=activity, input_name="value")
    )
    return registry


def note_puts(account: Account) -> Puts:
    """The texts put from now on, by queue, in order."""
    puts: Puts = []
    put = account.queues.put

    async def noted(queue: str, text: str, *, delay_seconds: int = 0) -> PutReceipt:
        assert delay_seconds == 0
        puts.append((queue, text))
        return await put(queue, text, delay_seconds=delay_seconds)

    account.queues.put = noted  # type: ignore[method-assign]
    return puts


async def run(scenario: str, account: Account, clock: Clock) -> Puts:
    """Run the recorded instance on `account`, under the recorded names."""
    recording = recorded(scenario)
    (row,) = recording.rows("Instances")
    hub = TaskHub(account, HubSettings(name=recording.hub), clock)
    puts = note_puts(account)
    # As the original does it: the recording shows every message on its way.
    settings = EngineSettings(fast_path=False)
    engine = Engine(hub, registry_of(APPS[scenario], row["Name"]), clock, settings)
    access = ManagementAccess(configured_key=None, require_key=True)
    await Client(hub, links=access.links(hub)).start(
        row["Name"], instance_id=row["PartitionKey"], input_text=input_of(scenario, recording)
    )
    while await deliver(engine):
        pass
    ended = await hub.instances.read(row["PartitionKey"])
    assert ended is not None
    assert ended.status is RuntimeStatus.COMPLETED
    await engine.close()
    return puts


async def deliver(engine: Engine) -> bool:
    """Process what is in the queues, as the host does; whether there was any."""
    hub = engine.hub
    received: list[tuple[str, QueueMessage]] = []
    for queue in (*hub.names.control_queues, hub.names.work_items):
        messages = await hub.account.queues.get(queue, count=32, lease_seconds=600)
        received += [(queue, message) for message in messages]
    await run_together(process(engine, queue, message) for queue, message in received)
    return bool(received)


async def process(engine: Engine, queue: str, message: QueueMessage) -> None:
    if queue == engine.hub.names.work_items:
        await engine.process_work_item(message)
    else:
        await engine.process_control_message(queue, message)
    await engine.hub.account.queues.delete(queue, message.id, message.pop_receipt)


def input_of(scenario: str, recording: Recorded) -> str | None:
    """The instance's input, as it is in its history."""
    if (known := APPS[scenario].input) is not None:
        return known
    (started,) = (r for r in recording.rows("History") if r.get("EventType") == "ExecutionStarted")
    return recording.text(started, "Input")
