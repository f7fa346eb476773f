"""The recorded management API: requests as ours takes them, and hubs that hold what was shown."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from durable.api.app import ManagementApi
from durable.api.http import Request
from durable.api.links import DEFAULT_CONNECTION, ManagementAccess
from durable.authoring.definitions import (
    ActivityDefinition,
    EntityDefinition,
    OrchestratorDefinition,
)
from durable.authoring.registry import Registry
from durable.client import Client
from durable.errors import BadConfig
from durable.hub.settings import HubSettings
from durable.hub.taskhub import TaskHub
from durable.model import events
from durable.model.history import Sentinel
from durable.model.status import InstanceRow, RuntimeStatus
from durable.storage.memory.account import MemoryAccount
from durable.wire.times import parse_time
from tests.manual_clock import ManualClock

DATA = Path(__file__).parent / "data" / "http"
BASE = "/runtime/webhooks/durabletask"
KEY = "TESTKEY"
#: What was there but not shown: it must not be shown by ours either.
HIDDEN = '"hidden"'
ORCHESTRATORS = ("hello_sequence", "echo", "wait_event", "fail_activity", "no_output")

_EVENTS: Mapping[str, Any] = {
    "TaskCompleted": events.TaskCompleted,
    "TaskFailed": events.TaskFailed,
    "SubOrchestrationInstanceCompleted": events.SubOrchestrationCompleted,
    "SubOrchestrationInstanceFailed": events.SubOrchestrationFailed,
    "ExecutionSuspended": events.ExecutionSuspended,
    "ExecutionResumed": events.ExecutionResumed,
}


@dataclass(frozen=True)
class Recording:
    """One request and its answer."""

    stem: str
    method: str
    url: str
    body: str | None
    request_headers: Mapping[str, str]
    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def path(self) -> str:
        return urlsplit(self.url).path.removeprefix(BASE)

    @property
    def query(self) -> dict[str, str]:
        joined: dict[str, str] = {}
        for name, value in parse_qsl(urlsplit(self.url).query):
            joined[name] = f"{joined[name]},{value}" if name in joined else value
        return joined

    @property
    def base_url(self) -> str:
        return f"http://{self.request_headers['Host']}{BASE}"

    @property
    def hub_name(self) -> str:
        """The hub that was recorded: the first up to 255, then a second."""
        return "ExtHttp" if int(self.stem[:3]) < 300 else "ExtHttp2"

    def request(self, **headers: str) -> Request:
        """The request as the binding passes it on."""
        return Request(
            method=self.method,
            path=self.path,
            query=self.query,
            headers={name.lower(): value for name, value in self.request_headers.items()} | headers,
            body=(self.body or "").encode(),
            base_url=self.base_url,
        )


def load(path: Path) -> Recording:
    """A recording from its file."""
    found = json.loads(path.read_text(encoding="utf-8"))
    request, response = found["request"], found["response"]
    return Recording(
        stem=path.stem,
        method=request["method"],
        url=request["path"],
        body=request["body"],
        request_headers=request["headers"],
        status=response["status"],
        headers=response["headers"],
        text=response["body"] or "",
    )


RECORDINGS = {path.stem: load(path) for path in sorted(DATA.glob("*.json"))}


class WorkingClock(ManualClock):
    """While somebody waits, `work` is done."""

    work: Callable[[], Awaitable[None]] | None = None

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds)
        if self.work is not None:
            await self.work()


class Site:
    """Hubs in one account, and the API of the first."""

    def __init__(self, hub_name: str, *others: str) -> None:
        self.clock = WorkingClock()
        account = MemoryAccount(self.clock)
        self.access = ManagementAccess(configured_key=KEY, require_key=True)
        self.hubs = {
            name.lower(): TaskHub(account, HubSettings(name=name), self.clock)
            for name in (hub_name, *others)
        }
        self.hub = self.hubs[hub_name.lower()]
        self.registry = registry()
        self.api = ManagementApi(self.client_for, self.access)

    async def client_for(self, task_hub: str | None, connection: str | None) -> Client:
        if (connection or DEFAULT_CONNECTION) != DEFAULT_CONNECTION:
            raise BadConfig(f"There is no connection named {connection!r} in the app settings.")
        if task_hub is None or task_hub.lower() == self.hub.settings.name.lower():
            return Client(self.hub, registry=self.registry, links=self.access.links(self.hub))
        hub = self.hubs[task_hub.lower()]
        # Another hub may have other functions: they are not known here.
        return Client(hub, links=self.access.links(hub))


def registry() -> Registry:
    """The functions that the recorded requests start."""

    def function(context: object) -> object:
        return context

    found = Registry()
    for name in ORCHESTRATORS:
        found.add_orchestrator(
            OrchestratorDefinition(name=name, function=function, context_name="context")
        )
    found.add_entity(EntityDefinition(name="Counter", function=function, context_name="context"))
    found.add_activity(ActivityDefinition(name="hello", function=function, input_name="context"))
    return found


async def fill(hub: TaskHub, shown: Mapping[str, Any], *, hidden: bool = False) -> None:
    """Write the rows of an instance that the API showed as `shown`."""
    await hub.ensure()
    await hub.instances.insert(
        InstanceRow(
            instance_id=shown["instanceId"],
            execution_id="e1",
            name=shown["name"],
            input=HIDDEN if hidden else _text(shown["input"]),
            output=_text(shown["output"]),
            custom_status=_text(shown["customStatus"]),
            created_time=parse_time(shown["createdTime"]),
            last_updated_time=parse_time(shown["lastUpdatedTime"]),
            status=RuntimeStatus(shown["runtimeStatus"]),
            checkpoint_sequence=None if shown["runtimeStatus"] == "Pending" else 1,
        )
    )
    own = events.InstanceRef(instance_id=shown["instanceId"], execution_id="e1")
    history: list[events.HistoryEvent] = [
        replace(event, instance=own) if isinstance(event, events.ExecutionStarted) else event
        for entry in shown.get("historyEvents", ())
        for event in _events(entry)
    ]
    if not history:
        created = parse_time(shown["createdTime"])
        history = [events.ExecutionStarted(timestamp=created, instance=own, name=shown["name"])]
    numbered = [_with_task_id(event, number) for number, event in enumerate(history)]
    stamp = parse_time(shown["lastUpdatedTime"])
    await hub.history.commit(
        shown["instanceId"],
        numbered,
        0,
        Sentinel(
            execution_id="e1",
            is_checkpoint_complete=True,
            checkpoint_time=stamp,
            sequence=1,
            committed_count=len(numbered),
            committed_stamp=stamp,
            committed_execution_id="e1",
        ),
    )


def _text(value: object) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False)


def _events(entry: Mapping[str, Any]) -> list[events.HistoryEvent]:
    """The events that an entry of ``historyEvents`` stands for."""
    kind, time = entry["EventType"], parse_time(entry["Timestamp"])
    given = entry.get("Input", HIDDEN)
    match kind:
        case "ExecutionStarted":
            return [
                events.ExecutionStarted(
                    timestamp=time,
                    instance=events.InstanceRef(instance_id="i", execution_id="e1"),
                    name=entry["FunctionName"],
                    input=given,
                    generation=entry["Generation"],
                    generate_new_trace=entry["GenerateNewTrace"],
                )
            ]
        case "ExecutionCompleted":
            return [
                events.ExecutionCompleted(
                    timestamp=time,
                    status=RuntimeStatus(entry["OrchestrationStatus"]),
                    result=_result(entry),
                )
            ]
        case "TaskScheduled":
            return [events.TaskScheduled(timestamp=time, name=entry["Name"], input=given)]
        case "TimerCreated":
            return [events.TimerCreated(timestamp=time, fire_at=parse_time(entry["FireAt"]))]
        case "TimerFired":
            fire_at = parse_time(entry["FireAt"])
            return [events.TimerFired(timestamp=time, timer_id=0, fire_at=fire_at)]
        case "EventRaised":
            return [events.EventRaised(timestamp=time, name=entry["Name"], input=given)]
        case "EventSent":
            return [
                events.EventSent(
                    timestamp=time,
                    instance_id=entry["InstanceId"],
                    name=entry["Name"],
                    input=given,
                )
            ]
        case "ExecutionTerminated":
            return [events.ExecutionTerminated(timestamp=time, reason=given)]
        case "GenericEvent":
            return [events.GenericEvent(timestamp=time, data=entry["Data"])]
        case "ExecutionSuspended" | "ExecutionResumed":
            return [_EVENTS[kind](timestamp=time, reason=entry["Reason"])]
        case _:
            return _answered(entry, kind, time, given)


def _answered(
    entry: Mapping[str, Any], kind: str, time: datetime, given: str | None
) -> list[events.HistoryEvent]:
    scheduled_at = parse_time(entry["ScheduledTime"])
    name = entry["FunctionName"]
    scheduled: events.HistoryEvent
    if kind.startswith("Task"):
        scheduled = events.TaskScheduled(timestamp=scheduled_at, name=name, input=given)
    else:
        scheduled = events.SubOrchestrationCreated(
            timestamp=scheduled_at, name=name, instance_id="child", input=given
        )
    if kind.endswith("Failed"):
        failed = _EVENTS[kind](
            timestamp=time, task_id=0, reason=entry["Reason"], details=entry["Details"]
        )
        return [scheduled, failed]
    return [scheduled, _EVENTS[kind](timestamp=time, task_id=0, result=_result(entry))]


def _result(entry: Mapping[str, Any]) -> str | None:
    return _text(entry["Result"]) if "Result" in entry else HIDDEN


def _with_task_id(event: events.HistoryEvent, number: int) -> events.HistoryEvent:
    """Decisions get their place as task id, answers that of the event before them."""
    if isinstance(event, events.TaskScheduled | events.SubOrchestrationCreated):
        return _replaced(event, event_id=number)
    if isinstance(event, events.TimerFired | events.TimerCreated):
        return event
    if events.answered_task(event) is not None:
        return _replaced(event, task_id=number - 1)
    return event


def _replaced(event: Any, **changes: int) -> events.HistoryEvent:
    members = {name: getattr(event, name) for name in event.__dataclass_fields__}
    made: events.HistoryEvent = type(event)(**(members | changes))
    return made
