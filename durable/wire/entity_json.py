"""What entities are told and remember, as the JSON texts inside events and columns.

The original has two dialects, the framework's and the Durable extension's; both are read, whatever
``$type`` they name. Ours is the extension's without ``$type``: what it lacks, the framework has
defaults for. The scheduler state has ``exists``, by which the extension tells that an entity
exists, beside ``state``, by which the framework does.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import assert_never

from durable.errors import CorruptRecord, InvalidName
from durable.model.entities import (
    CONTINUE,
    OPERATION,
    RELEASE,
    Continue,
    Earlier,
    EntityMessage,
    EntityStatus,
    EventKind,
    Leaving,
    OperationRequest,
    OrchestrationStart,
    Outgoing,
    Release,
    Response,
    SchedulerState,
    Send,
    SenderEntry,
    SorterState,
    event_kind,
)
from durable.model.failure import FailureDetails
from durable.model.ids import EntityId, is_entity_id
from durable.model.times import NO_TIME, ticks_of
from durable.wire.fields import Fields, as_object
from durable.wire.nested import read_failure, to_object
from durable.wire.text import from_json, to_json
from durable.wire.times import format_exact, format_time


def event_of(outgoing: Outgoing) -> tuple[str, str | None]:
    """The name and the input of the event that carries a message."""
    match outgoing.message:
        case OperationRequest() as request:
            text = to_json(_request(request))
            if outgoing.deliver_at is None:
                return OPERATION, text
            return f"{OPERATION}@{format_exact(outgoing.deliver_at)}", text
        case Response() as response:
            return response.id, encode_response(response)
        case Release() as release:
            return RELEASE, to_json(_release(release))
        case Continue():
            return CONTINUE, None
        case _:
            assert_never(outgoing.message)


def decode_message(name: str | None, text: str | None, where: str) -> EntityMessage:
    """What an event tells an entity; `where` names the event in errors.

    Raises:
        CorruptRecord: it can't be understood.
    """
    kind = event_kind(name)
    if kind is EventKind.CONTINUE:
        return Continue()
    fields = _fields(text, where)
    if kind is EventKind.REQUEST:
        return _read_request(fields)
    return _read_release(fields)


def encode_response(response: Response) -> str:
    """An answer, as both of the original's readers and azure-functions-durable take it."""
    failure = response.failure
    if failure is None:
        return to_json({"result": response.result})
    # The extension shows type and result, the framework prefers the details.
    return to_json(
        {
            "result": failure.message,
            "exceptionType": failure.error_type,
            "failureDetails": to_object(failure, typed=False),
        }
    )


def decode_response(name: str | None, text: str | None, where: str) -> Response:
    """The answer in an event that is named by the request's id.

    Raises:
        CorruptRecord: it can't be understood.
    """
    fields = _fields(text, where)
    result, kind = fields.text("result"), fields.text("exceptionType")
    failure = read_failure(fields.nested("failureDetails"))
    if failure is None and kind is not None:
        failure = _foreign_failure(kind, result)
    return Response(id=name or "", result=None if failure is not None else result, failure=failure)


def encode_state(state: SchedulerState) -> str:
    """What an entity remembers, as the input of its next execution."""
    made: dict[str, object] = {}
    if state.state is not None:
        made |= {"exists": True, "state": state.state}
    if state.queue:
        made["queue"] = [_request(request) for request in state.queue]
    if state.locked_by is not None:
        made["lockedBy"] = state.locked_by
    if state.suspended:
        made["suspended"] = True
    made["sorter"] = _sorter(state.sorter)
    if state.lock_id is not None:
        made["lockId"] = state.lock_id
    if state.given_up:
        made["givenUp"] = _times(state.given_up)
    if state.outbox:
        made["outbox"] = [_send(send) for send in state.outbox]
    if state.leaving is not None:
        made["leaving"] = {
            **_release(state.leaving.release),
            "since": format_exact(state.leaving.since),
        }
    if state.wakes_at is not None:
        made["wakesAt"] = format_exact(state.wakes_at)
    return to_json(made)


def decode_state(text: str | None, where: str) -> SchedulerState:
    """What an entity remembers; nothing when there is no text.

    Raises:
        CorruptRecord: it can't be understood.
    """
    value = from_json(text, where) if text else None
    if value is None:
        return SchedulerState()
    fields = Fields(as_object(value, where), where)
    state = fields.text("state")
    if state is None and fields.flag("exists"):
        state = "null"  # the extension's: it exists, and has no state
    locked_by = fields.text("lockedBy")
    return SchedulerState(
        state=state,
        queue=tuple(_read_request(each) for each in _objects(fields, "queue")),
        locked_by=locked_by,
        suspended=fields.flag("suspended"),
        sorter=_read_sorter(fields.nested("sorter")),
        # .NET drops our member with the rest of the text, never alone.
        lock_id=fields.text("lockId") if locked_by is not None else None,
        given_up=_read_times(fields, "givenUp"),
        outbox=tuple(_read_send(each, where) for each in _objects(fields, "outbox")),
        leaving=_read_leaving(fields.nested("leaving")),
        wakes_at=fields.optional_moment("wakesAt"),
    )


def encode_status(status: EntityStatus) -> str:
    """What an entity shows of itself, as its custom status."""
    made: dict[str, object] = {}
    if status.exists:
        made["entityExists"] = True
    if status.queue_size:
        made["queueSize"] = status.queue_size
    if status.locked_by is not None:
        made["lockedBy"] = status.locked_by
    return to_json(made)


def decode_status(text: str | None, where: str) -> EntityStatus:
    """The custom status of an entity; nothing at all before its first turn ended.

    Raises:
        CorruptRecord: it can't be understood.
    """
    value = from_json(text, where) if text else None
    if value is None:
        return EntityStatus()
    if isinstance(value, str):
        return EntityStatus(error=value)
    fields = Fields(as_object(value, where), where)
    return EntityStatus(
        exists=fields.flag("entityExists"),
        queue_size=fields.optional_integer("queueSize") or 0,
        locked_by=fields.text("lockedBy"),
    )


def encode_earlier(earlier: Mapping[str, Earlier]) -> str:
    """What an orchestration's next execution must know of what was sent to entities."""
    return to_json({target: _earlier(each) for target, each in earlier.items()})


def decode_earlier(text: str | None, where: str) -> dict[str, Earlier]:
    """The inverse of `encode_earlier`; nothing when there is no text.

    Raises:
        CorruptRecord: it can't be understood.
    """
    if not text:
        return {}
    fields = _fields(text, where)
    return {target: _read_earlier(fields.required(target)) for target in fields.names()}


def _send(send: Send) -> dict[str, object]:
    if isinstance(send, OrchestrationStart):
        made: dict[str, object] = {
            "start": send.name,
            "instanceId": send.instance_id,
            "input": send.input,
            "version": send.version,
        }
    else:
        name, text = event_of(send)
        due = send.deliver_at
        made = {
            "to": send.target,
            "event": name,
            "input": text,
            "due": None if due is None else format_exact(due),
            "execution": send.execution_id,
        }
    return {name: value for name, value in made.items() if value is not None}


def _read_send(fields: Fields, where: str) -> Send:
    started = fields.text("start")
    if started is not None:
        return OrchestrationStart(
            name=started,
            instance_id=fields.text("instanceId"),
            input=fields.text("input"),
            version=fields.text("version"),
        )
    target = fields.required_text("to")
    decode = decode_message if is_entity_id(target) else decode_response
    return Outgoing(
        target=target,
        message=decode(fields.text("event"), fields.text("input"), where),
        deliver_at=fields.optional_moment("due"),
        execution_id=fields.text("execution"),
    )


def _fields(text: str | None, where: str) -> Fields:
    if text is None:
        raise CorruptRecord(f"{where} should be a JSON object, found nothing.")
    return Fields(as_object(from_json(text, where), where), where)


def _request(request: OperationRequest) -> dict[str, object]:
    # W10: a .NET worker looks for the id in the text, and takes no other member before it.
    made: dict[str, object] = {"op": request.op}
    if request.is_signal:
        made["signal"] = True
    if request.input is not None:
        made["input"] = request.input
    made["id"] = request.id
    if request.parent is not None:
        made["parent"] = request.parent
    if request.parent_execution is not None:
        made["parentExecution"] = request.parent_execution
    if request.due is not None:
        made["due"] = format_time(request.due)
    made["Timestamp"] = format_time(request.timestamp)
    made["Predecessor"] = format_time(request.predecessor)
    if request.lock_set:
        made["lockset"] = [{"name": each.name, "key": each.key} for each in request.lock_set]
    if request.position:
        made["pos"] = request.position
    if request.after is not None:
        made["after"] = _earlier(request.after)
    return made


def _read_request(fields: Fields) -> OperationRequest:
    lock_set = tuple(_read_entity(each) for each in _objects(fields, "lockset"))
    position = fields.optional_integer("pos") or 0
    parent, after = fields.text("parent"), fields.nested("after")
    if lock_set and parent is None:
        raise fields.corrupt("parent", "the instance that asks for the lock")
    if not 0 <= position < max(len(lock_set), 1):
        raise CorruptRecord(
            f"{fields.path('pos')} is {position}, of {len(lock_set)} entities to lock."
        )
    return OperationRequest(
        op=fields.text("op"),
        id=fields.required_text("id"),
        is_signal=fields.flag("signal"),
        input=fields.text("input"),
        parent=parent,
        parent_execution=fields.text("parentExecution"),
        due=fields.optional_moment("due"),
        timestamp=fields.optional_moment("Timestamp") or NO_TIME,
        predecessor=fields.optional_moment("Predecessor") or NO_TIME,
        lock_set=lock_set,
        position=position,
        after=None if after is None else _read_earlier(after),
    )


def _read_entity(fields: Fields) -> EntityId:
    try:
        return EntityId(fields.required_text("name"), fields.required_text("key"))
    except InvalidName as error:
        raise CorruptRecord(f"{fields.path('name')}: {error}") from error


def _release(release: Release) -> dict[str, object]:
    made: dict[str, object] = {"parent": release.parent, "id": release.id}
    if release.after is not None:
        made["after"] = _earlier(release.after)
    return made


def _read_release(fields: Fields) -> Release:
    after = fields.nested("after")
    return Release(
        parent=fields.required_text("parent"),
        id=fields.text("id") or "",
        after=None if after is None else _read_earlier(after),
    )


def _read_leaving(fields: Fields | None) -> Leaving | None:
    if fields is None:
        return None
    return Leaving(release=_read_release(fields), since=fields.moment("since"))


def _earlier(earlier: Earlier) -> dict[str, object]:
    return {"execution": earlier.execution_id, "timestamp": format_time(earlier.timestamp)}


def _read_earlier(fields: Fields) -> Earlier:
    return Earlier(
        execution_id=fields.required_text("execution"), timestamp=fields.moment("timestamp")
    )


def _sorter(sorter: SorterState) -> dict[str, object]:
    made: dict[str, object] = {}
    if sorter.last_sent:
        made["LastSentToInstance"] = _times(sorter.last_sent)
    if sorter.received:
        made["ReceivedFromInstance"] = {
            sender: _sender(entry) for sender, entry in sorter.received.items()
        }
    if ticks_of(sorter.receive_horizon):
        made["ReceiveHorizon"] = format_time(sorter.receive_horizon)
    if ticks_of(sorter.send_horizon):
        made["SendHorizon"] = format_time(sorter.send_horizon)
    return made


def _read_sorter(fields: Fields | None) -> SorterState:
    if fields is None:
        return SorterState()
    received = fields.nested("ReceivedFromInstance")
    return SorterState(
        last_sent=_read_times(fields, "LastSentToInstance"),
        received={}
        if received is None
        else {sender: _read_sender(received.required(sender)) for sender in received.names()},
        receive_horizon=fields.optional_moment("ReceiveHorizon") or NO_TIME,
        send_horizon=fields.optional_moment("SendHorizon") or NO_TIME,
    )


def _sender(entry: SenderEntry) -> dict[str, object]:
    made: dict[str, object] = {"Last": format_time(entry.last)}
    if entry.execution_id is not None:
        made["ExecutionId"] = entry.execution_id
    if entry.buffered:
        made["Buffered"] = {
            format_time(request.timestamp): _request(request) for request in entry.buffered
        }
    if entry.earlier:
        made["Earlier"] = _times(entry.earlier)
    return made


def _read_sender(fields: Fields) -> SenderEntry:
    buffered = fields.nested("Buffered")
    requests = (
        []
        if buffered is None
        else [_read_request(buffered.required(label)) for label in buffered.names()]
    )
    return SenderEntry(
        last=fields.optional_moment("Last") or NO_TIME,
        execution_id=fields.text("ExecutionId"),
        buffered=tuple(sorted(requests, key=lambda request: ticks_of(request.timestamp))),
        earlier=_read_times(fields, "Earlier"),
    )


def _times(times: Mapping[str, datetime]) -> dict[str, object]:
    return {name: format_time(moment) for name, moment in times.items()}


def _read_times(fields: Fields, name: str) -> dict[str, datetime]:
    found = fields.nested(name)
    return {} if found is None else {each: found.moment(each) for each in found.names()}


def _objects(fields: Fields, name: str) -> list[Fields]:
    values = fields.value(name)
    if values is None:
        return []
    if not isinstance(values, list):
        raise fields.corrupt(name, "an array")
    where = fields.path(name)
    return [
        Fields(as_object(value, f"{where}[{index}]"), f"{where}[{index}]")
        for index, value in enumerate(values)
    ]


def _foreign_failure(kind: str, result: str | None) -> FailureDetails:
    """A failure from the original's own texts: a serialised exception, a message, or a name."""
    if result is None:
        return FailureDetails(error_type="Error", message=kind)
    name = kind.split(",")[0].strip()
    try:
        value = from_json(result, "a failure")
    except CorruptRecord:
        value = None
    if not isinstance(value, dict):
        return FailureDetails(error_type=name, message=value if isinstance(value, str) else result)
    message, stack = value.get("Message"), value.get("StackTraceString")
    return FailureDetails(
        error_type=name,
        message=message if isinstance(message, str) else result,
        stack_trace=stack if isinstance(stack, str) else None,
    )
