"""The bodies of requests and answers as JSON Schema, by the names the contract uses."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from durable.api import contract
from durable.api.links import MEMBERS
from durable.model.status import RuntimeStatus

Schema = Mapping[str, object]

_TEXT: Schema = {"type": "string"}
_TEXT_OR_NULL: Schema = {"type": ["string", "null"]}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_TIME: Schema = {"type": ["string", "null"], "format": "date-time"}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _members(required: Mapping[str, Schema], **optional: Schema) -> Schema:
    return {
        "type": "object",
        "required": list(required),
        "properties": {**required, **optional},
    }


_ANY: Schema = {"description": "Any JSON value, as it was stored."}
_HISTORY: Schema = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["EventType", "Timestamp"],
        "properties": {
            "EventType": _TEXT,
            "Timestamp": {"type": "string", "format": "date-time"},
        },
        "additionalProperties": True,
    },
    "description": "With showHistory only. A task and its result are one entry.",
}

_QUARANTINED = _members(
    {
        "id": {"type": "string", "description": "The queue's name, a slash, and the last segment."},
        "queueName": _TEXT,
        "messageId": _TEXT,
        "reason": _TEXT,
        "quarantinedTime": _TIME,
        "insertedTime": _TIME,
        "dequeueCount": _COUNT,
        "failures": _COUNT,
        "instanceId": _TEXT_OR_NULL,
        "kind": _TEXT_OR_NULL,
        "isDamaged": {"type": "boolean"},
        "text": _TEXT_OR_NULL,
    }
)

SCHEMAS: Mapping[str, Schema] = MappingProxyType(
    {
        contract.VALUE: _ANY,
        contract.TEXT: {"type": "string", "description": "What is missing, as a JSON string."},
        contract.STATUS: _members(
            {
                "name": _TEXT_OR_NULL,
                "instanceId": _TEXT,
                "runtimeStatus": {"enum": [*(status.value for status in RuntimeStatus), None]},
                "input": _ANY,
                "customStatus": _ANY,
                "output": _ANY,
                "createdTime": _TIME,
                "lastUpdatedTime": _TIME,
            },
            historyEvents=_HISTORY,
        ),
        contract.STATUSES: {"type": "array", "items": _ref(contract.STATUS)},
        contract.ENTITIES: {
            "type": "array",
            "items": _members(
                {
                    "entityId": _members({"name": _TEXT, "key": _TEXT}),
                    "lastOperationTime": _TIME,
                    "state": _ANY,
                }
            ),
        },
        contract.QUARANTINED: _QUARANTINED,
        contract.QUARANTINE: {"type": "array", "items": _ref(contract.QUARANTINED)},
        contract.LINKS: _members(
            {"id": _TEXT, **{member: {"type": "string"} for member in MEMBERS}}
        ),
        contract.DELETED: _members({"instancesDeleted": {"type": "integer", "minimum": 1}}),
        contract.ERROR: _members(
            {"Message": _TEXT},
            ExceptionMessage=_TEXT,
            ExceptionType=_TEXT,
            StackTrace={"type": "null", "description": "Stacks stay in the app's log."},
        ),
    }
)
