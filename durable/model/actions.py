"""What an orchestrator may ask for. The engine turns each into a history row and a message."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from durable.model.entities import OperationRequest, Release
from durable.model.failure import FailureDetails
from durable.model.status import RuntimeStatus


@dataclass(frozen=True, kw_only=True, slots=True)
class Action:
    """`task_id` numbers the actions of an execution from 0; `location` is ``file:line``."""

    task_id: int
    location: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ScheduleActivity(Action):
    """Call an activity. `input` is the JSON text of the one argument; None for none."""

    name: str
    input: str | None = None
    version: str | None = None
    tags: Mapping[str, str] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CreateTimer(Action):
    """Wait until `fire_at` (UTC)."""

    fire_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class StartChild(Action):
    """Start a child orchestration; its default id is derived when `instance_id` is None."""

    name: str
    instance_id: str | None = None
    input: str | None = None
    version: str | None = None
    tags: Mapping[str, str] | None = None
    fire_and_forget: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class SendEvent(Action):
    """Send an event to another instance or to an entity.

    `execution_id`: for that execution of the instance alone, as an entity's answer is.
    """

    instance_id: str
    name: str
    input: str | None = None
    deliver_at: datetime | None = None
    execution_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class TellEntity(Action):
    """Send an entity a request or a release. A request gets id and labels when it is recorded.

    `target` is the entity's instance id.
    """

    target: str
    message: OperationRequest | Release
    deliver_at: datetime | None = None


#: What a row can record.
Recordable = ScheduleActivity | CreateTimer | StartChild | SendEvent
AnyAction = Recordable | TellEntity


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How an execution ends. With ContinuedAsNew, `result` is the next input."""

    task_id: int
    status: RuntimeStatus
    result: str | None = None
    failure: FailureDetails | None = None
    next_version: str | None = None
