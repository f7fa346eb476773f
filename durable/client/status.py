"""What is told about an instance, in the classes and spellings of azure-functions-durable 1.7."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from durable.wire.times import parse_time

_FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"


class OrchestrationRuntimeStatus(enum.Enum):
    """Where an instance stands."""

    Running = "Running"
    Completed = "Completed"
    ContinuedAsNew = "ContinuedAsNew"
    Failed = "Failed"
    Canceled = "Canceled"
    Terminated = "Terminated"
    Pending = "Pending"
    Suspended = "Suspended"


class DurableOrchestrationStatus:
    """One instance as it was when asked; false when there is none under that id.

    The parameters are the members of the management API's JSON; others become attributes.
    `historyEvents` and `history` hold the history when it was asked for, else None. Beyond 1.7:
    `version`, `tags` and `scheduled_start_time`, which the JSON doesn't show.
    """

    def __init__(
        self,
        name: str | None = None,
        instanceId: str | None = None,  # noqa: N803 - the parameters are JSON's and 1.7's
        createdTime: str | datetime | None = None,  # noqa: N803
        lastUpdatedTime: str | datetime | None = None,  # noqa: N803
        input: Any = None,  # noqa: A002
        output: Any = None,
        runtimeStatus: str | None = None,  # noqa: N803
        customStatus: Any = None,  # noqa: N803
        history: list[Any] | None = None,
        **others: Any,
    ) -> None:
        self._name = name
        self._instance_id = instanceId
        self._created_time = _moment(createdTime)
        self._last_updated_time = _moment(lastUpdatedTime)
        self._input = input
        self._output = output
        self._runtime_status = (
            None if runtimeStatus is None else OrchestrationRuntimeStatus(runtimeStatus)
        )
        self._custom_status = customStatus
        self.version: str | None = others.pop("version", None)
        self.tags: Mapping[str, str] = others.pop("tags", None) or {}
        self.scheduled_start_time: datetime | None = others.pop("scheduled_start_time", None)
        self.historyEvents: list[Any] | None = others.pop("historyEvents", history)
        for attribute, value in others.items():
            setattr(self, attribute, value)

    def __bool__(self) -> bool:
        return self._created_time is not None

    def __repr__(self) -> str:
        # Without input and output: representations end up in logs.
        status = self._runtime_status.name if self._runtime_status else "missing"
        return f"<DurableOrchestrationStatus {self._instance_id!r}: {status}>"

    @classmethod
    def from_json(cls, json_obj: Any) -> DurableOrchestrationStatus:
        """From the API's JSON object; a mere text becomes `message` of an empty status."""
        if isinstance(json_obj, Mapping):
            return cls(**json_obj)
        return cls(message=json_obj)

    def to_json(self) -> dict[str, Any]:
        """As a JSON object, its members in 1.7's order."""
        return {
            "name": self._name,
            "instanceId": self._instance_id,
            "createdTime": _text(self._created_time),
            "lastUpdatedTime": _text(self._last_updated_time),
            "output": self._output,
            "input": self._input,
            "runtimeStatus": None if self._runtime_status is None else self._runtime_status.name,
            "customStatus": self._custom_status,
            "history": self.historyEvents,
        }

    @property
    def name(self) -> str | None:
        """The orchestrator's name."""
        return self._name

    @property
    def instance_id(self) -> str | None:
        """The instance's id."""
        return self._instance_id

    @property
    def created_time(self) -> datetime | None:
        """When it was started; UTC."""
        return self._created_time

    @property
    def last_updated_time(self) -> datetime | None:
        """When its status last changed; UTC."""
        return self._last_updated_time

    @property
    def input_(self) -> Any:
        """Its input, decoded. Apps on azure-functions-durable 1.x store it as a JSON string."""
        return self._input

    @property
    def output(self) -> Any:
        """Its result, decoded; of a failed or terminated one the text that says why."""
        return self._output

    @property
    def runtime_status(self) -> OrchestrationRuntimeStatus | None:
        """Where it stands; None when there is no such instance."""
        return self._runtime_status

    @property
    def custom_status(self) -> Any:
        """What its orchestrator last set as custom status, decoded."""
        return self._custom_status

    @property
    def history(self) -> list[Any] | None:
        """Its history, when it was asked for."""
        return self.historyEvents


class PurgeHistoryResult:
    """How many instances a purge removed."""

    def __init__(self, instancesDeleted: int, **_others: Any) -> None:  # noqa: N803 - JSON's name
        self._instances_deleted = instancesDeleted

    @classmethod
    def from_json(cls, json_obj: Mapping[str, Any]) -> PurgeHistoryResult:
        """From the API's JSON object."""
        return cls(**json_obj)

    @property
    def instances_deleted(self) -> int:
        """How many instances were removed."""
        return self._instances_deleted


def _moment(value: str | datetime | None) -> datetime | None:
    if value is None:
        return None
    moment = parse_time(value) if isinstance(value, str) else value
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.strftime(_FORMAT)
