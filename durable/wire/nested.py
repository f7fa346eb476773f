"""The objects inside events: instances, parents, trace contexts, failures, tags.

In messages they start with ``$type`` (`typed`), in the JSON columns of rows they don't.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

from durable.errors import CorruptRecord, EngineBug, InvalidName
from durable.model.events import InstanceRef, ParentInstance, TraceContext
from durable.model.failure import FailureDetails
from durable.model.status import RuntimeStatus
from durable.wire.fields import Fields, kind_of
from durable.wire.text import from_json

#: What an event may hold beside plain values. A mapping is a set of tags.
Nested = InstanceRef | ParentInstance | TraceContext | FailureDetails | Mapping[str, str]

_DICTIONARY = (
    "System.Collections.Generic.Dictionary`2[[System.String, System.Private.CoreLib],[{}]]"
)
TAGS_TYPE = _DICTIONARY.format("System.String, System.Private.CoreLib")
PROPERTIES_TYPE = _DICTIONARY.format("System.Object, System.Private.CoreLib")

_TYPE = "$type"
_MAX_CAUSES = 100
_NUMBERS: dict[RuntimeStatus, int] = {
    RuntimeStatus.RUNNING: 0,
    RuntimeStatus.COMPLETED: 1,
    RuntimeStatus.CONTINUED_AS_NEW: 2,
    RuntimeStatus.FAILED: 3,
    RuntimeStatus.CANCELED: 4,
    RuntimeStatus.TERMINATED: 5,
    RuntimeStatus.PENDING: 6,
    RuntimeStatus.SUSPENDED: 7,
}
_STATUSES = {number: status for status, number in _NUMBERS.items()}
_STATUS_NAMES = {status.value: status for status in RuntimeStatus}


def to_object(value: Nested, *, typed: bool) -> dict[str, object]:
    """`value` as a JSON object, its members in the framework's order."""
    match value:
        case InstanceRef():
            return _instance(value, typed=typed)
        case ParentInstance():
            return _start("DurableTask.Core.ParentInstance", typed=typed) | {
                "Name": value.name,
                "OrchestrationInstance": _instance(value.instance, typed=typed),
                "TaskScheduleId": value.task_id,
                "Version": value.version,
            }
        case TraceContext():
            return _start("DurableTask.Core.Tracing.DistributedTraceContext", typed=typed) | {
                "TraceParent": value.trace_parent,
                "TraceState": value.trace_state,
                "Id": value.id,
                "SpanId": value.span_id,
                "ActivityStartTime": value.activity_start_time,
            }
        case FailureDetails():
            return _failure(value, typed=typed)
        case Mapping():
            return _tags(value, typed=typed)
        case _:
            assert_never(value)


def _start(type_name: str, *, typed: bool) -> dict[str, object]:
    return {_TYPE: type_name} if typed else {}


def _instance(ref: InstanceRef, *, typed: bool) -> dict[str, object]:
    return _start("DurableTask.Core.OrchestrationInstance", typed=typed) | {
        "InstanceId": ref.instance_id,
        "ExecutionId": ref.execution_id,
    }


def _tags(tags: Mapping[str, str], *, typed: bool) -> dict[str, object]:
    if _TYPE in tags:
        raise InvalidName("A tag can't be named '$type': the format has that name for itself.")
    return _start(TAGS_TYPE, typed=typed) | dict(tags)


def _failure(failure: FailureDetails, *, typed: bool) -> dict[str, object]:
    chain = [failure]
    while (cause := chain[-1].inner) is not None:
        chain.append(cause)
    del chain[_MAX_CAUSES:]
    made = _link(chain.pop(), None, typed=typed)
    while chain:
        made = _link(chain.pop(), made, typed=typed)
    return made


def _link(failure: FailureDetails, inner: object, *, typed: bool) -> dict[str, object]:
    return _start("DurableTask.Core.FailureDetails", typed=typed) | {
        "ErrorType": failure.error_type,
        "ErrorMessage": failure.message,
        "StackTrace": failure.stack_trace,
        "InnerFailure": inner,
        "IsNonRetriable": failure.is_non_retriable,
        "Properties": _properties(failure.properties, typed=typed),
    }


def _properties(properties: Mapping[str, str] | None, *, typed: bool) -> dict[str, object] | None:
    if properties is None:
        return None
    made = _start(PROPERTIES_TYPE, typed=typed)
    for name, text in properties.items():
        if name == _TYPE:
            continue  # the name is taken; a failure must not fail over one detail
        try:
            made[name] = from_json(text, f"property {name!r} of a failure")
        except CorruptRecord as error:
            raise EngineBug(f"FailureDetails.properties holds JSON texts, but {error}") from error
    return made


def status_number(status: RuntimeStatus) -> int:
    """.NET's number for a status."""
    return _NUMBERS[status]


def read_status(fields: Fields, name: str) -> RuntimeStatus:
    """A status, by number or by name."""
    value = fields.value(name)
    if isinstance(value, str) and value in _STATUS_NAMES:
        return _STATUS_NAMES[value]
    if isinstance(value, int) and not isinstance(value, bool) and value in _STATUSES:
        return _STATUSES[value]
    raise fields.corrupt(name, "the name or number of a status")


def read_instance(fields: Fields) -> InstanceRef:
    """An OrchestrationInstance."""
    return InstanceRef(
        instance_id=fields.required_text("InstanceId"), execution_id=fields.text("ExecutionId")
    )


def read_parent(fields: Fields | None) -> ParentInstance | None:
    """A ParentInstance, None when there is none."""
    if fields is None:
        return None
    return ParentInstance(
        name=fields.text("Name"),
        instance=read_instance(fields.required("OrchestrationInstance")),
        task_id=fields.integer("TaskScheduleId"),
        version=fields.text("Version"),
    )


def read_trace(fields: Fields | None) -> TraceContext | None:
    """A DistributedTraceContext, None when there is none."""
    if fields is None:
        return None
    return TraceContext(
        trace_parent=fields.text("TraceParent"),
        trace_state=fields.text("TraceState"),
        id=fields.text("Id"),
        span_id=fields.text("SpanId"),
        activity_start_time=fields.text("ActivityStartTime"),
    )


def read_tags(fields: Fields | None) -> dict[str, str] | None:
    """Tags, None when there are none. .NET may write a tag without a value: it reads as ""."""
    if fields is None:
        return None
    return {name: fields.text(name) or "" for name in fields.names()}


def read_failure(fields: Fields | None) -> FailureDetails | None:
    """A failure with its causes, None when there is none."""
    chain: list[Fields] = []
    while fields is not None:
        chain.append(fields)
        if len(chain) > _MAX_CAUSES:
            raise fields.corrupt("InnerFailure", f"the last of at most {_MAX_CAUSES} causes")
        fields = fields.nested("InnerFailure")
    failure: FailureDetails | None = None
    for link in reversed(chain):
        failure = FailureDetails(
            error_type=link.text("ErrorType") or "",
            message=link.text("ErrorMessage") or "",
            stack_trace=link.text("StackTrace"),
            inner=failure,
            is_non_retriable=link.flag("IsNonRetriable"),
            properties=_read_properties(link),
        )
    return failure


def _read_properties(fields: Fields) -> dict[str, str] | None:
    found = fields.nested("Properties")
    if found is None:
        return None
    return {name: found.json_text(name) or "null" for name in found.names()}


def describe(value: object) -> str:
    """A type or event name for an error: short, and only when it is a text."""
    return repr(value[:80]) if isinstance(value, str) else kind_of(value)
