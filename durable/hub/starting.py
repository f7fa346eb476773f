"""Starting an instance (R6): the row first, then the message.

The original puts the message first, and can lose or strand a start between the two (W7). Here an
accepted start is a Pending row; its message only makes it quick. Should the message be lost, any
other message for the instance, or the sweeper, starts it from the row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from durable.engine.limits import check_payload
from durable.errors import Conflict, InstanceExists, NotFound, PreconditionFailed, UsageError
from durable.hub.taskhub import TaskHub
from durable.model.events import ExecutionStarted, InstanceRef
from durable.model.ids import check_instance_id, derived_activity_id
from durable.model.messages import Extras, Outbound, TaskMessage
from durable.model.status import InstanceRow, RuntimeStatus
from durable.wire import spill
from durable.wire.envelopes import encode_message, message_blob_name
from durable.wire.keys import escape_partition_key
from durable.wire.text import to_json, utf16_bytes

#: Every client's sender is empty (storage-format.md 3.2).
CLIENT = InstanceRef(instance_id="", execution_id="")
#: How often the row is looked at again when others write it at the same time.
_TRIES = 5
#: A start that was not begun after so long may have lost its message.
_LATE_SECONDS = 5.0
#: Tags are written inline by checkpoints; over this they could never be (recorded.md section 1).
MAX_TAGS_CHARACTERS = 32_768


@dataclass(frozen=True, kw_only=True, slots=True)
class StartRequest:
    """What to start.

    Attributes:
        name: the orchestrator's name.
        instance_id: the instance's id; `check_instance_id` says what is allowed.
        input: JSON text, None for no input.
        version, tags: passed on to the execution.
        scheduled_start_time: not before this time; UTC.
        override_running: replace an instance that is still running.
    """

    name: str
    instance_id: str
    input: str | None = None
    version: str | None = None
    tags: Mapping[str, str] | None = None
    scheduled_start_time: datetime | None = None
    override_running: bool = False


async def start_instance(hub: TaskHub, request: StartRequest) -> InstanceRow:
    """Accept a start; returns the row it is recorded in.

    Raises:
        InvalidName: the instance id breaks a rule.
        InstanceExists: the id is taken by an instance that has not ended.
        UsageError: the tags are too large.
        PayloadTooLarge: so is the input.
        StorageError: storage failed. When the row was written before, the start is accepted all
            the same and will run.
    """
    check_instance_id(request.instance_id)
    _check_tags(request)
    what = f"the input of orchestrator {request.name!r}"
    check_payload(request.input, hub.settings.payload_limit_bytes, what)
    execution_id = hub.clock.new_id()
    existing = await _known(hub, request)
    hub.started.add(request.instance_id)
    for _ in range(_TRIES):
        event = _event(hub, request, execution_id, existing)
        message = start_message(event, activity_id=_dashed(hub.clock.new_id()))
        row = await _row(hub, request, event, message)
        try:
            if existing is None:
                # Most ids are new: one request says so, and nothing has to be read first.
                row = await hub.instances.insert(row)
            else:
                row = await hub.instances.replace_row(replace(row, etag=existing.etag))
        except (Conflict, PreconditionFailed, NotFound):
            existing = await hub.instances.read(request.instance_id)
            if existing is not None and existing.execution_id == execution_id:
                # An earlier try of this call took effect though its answer was lost.
                row = existing
            else:
                await _refuse_running(hub, request, existing)
                continue
        outbound = Outbound(message=message, due=request.scheduled_start_time)
        await hub.post(outbound, row if existing is None else None)
        return row
    raise InstanceExists(
        f"Instance {request.instance_id!r} is being started by others at the same time; "
        "this start was not accepted.",
        instance_id=request.instance_id,
    )


def start_message(event: ExecutionStarted, *, activity_id: str) -> TaskMessage:
    """The message of a start, with our mark (R6)."""
    return TaskMessage(
        event=event,
        target=event.instance,
        activity_id=activity_id,
        sender=CLIENT,
        extras=Extras(mark=True),
    )


async def start_of_row(hub: TaskHub, row: InstanceRow) -> ExecutionStarted:
    """R6: the start that a Pending row stands for."""
    texts = await hub.instances.texts(row)
    return ExecutionStarted(
        timestamp=row.created_time or hub.clock.now(),
        instance=InstanceRef(instance_id=row.instance_id, execution_id=row.execution_id),
        name=row.name,
        version=row.version,
        input=texts.input,
        tags=row.tags or None,
        scheduled_start_time=row.scheduled_start_time,
        generation=row.generation,
    )


def _event(
    hub: TaskHub, request: StartRequest, execution_id: str, existing: InstanceRow | None
) -> ExecutionStarted:
    return ExecutionStarted(
        timestamp=hub.clock.now(),
        instance=InstanceRef(instance_id=request.instance_id, execution_id=execution_id),
        name=request.name,
        version=request.version or "",
        input=request.input,
        tags=request.tags,
        scheduled_start_time=request.scheduled_start_time,
        generation=0 if existing is None else (existing.generation or 0) + 1,
    )


async def _row(
    hub: TaskHub, request: StartRequest, event: ExecutionStarted, message: TaskMessage
) -> InstanceRow:
    """The Pending row, its large input already in a blob."""
    return InstanceRow(
        instance_id=request.instance_id,
        execution_id=event.instance.execution_id,
        name=request.name,
        version=event.version,
        input=await _input(hub, request, message),
        created_time=event.timestamp,
        last_updated_time=event.timestamp,
        status=RuntimeStatus.PENDING,
        scheduled_start_time=request.scheduled_start_time,
        generation=event.generation,
        tags=request.tags or None,
    )


async def _input(hub: TaskHub, request: StartRequest, message: TaskMessage) -> str | None:
    if request.input is None:
        return None
    text = encode_message(message)
    if spill.message_is_large(text):
        # The message's own blob serves the row as well, as in the original.
        name = message_blob_name(message)
        await hub.payloads.write(name, text)
        return hub.payloads.url(name)
    if spill.oversized({"Input": request.input}):
        name = spill.instance_blob_name(
            escape_partition_key(request.instance_id), "Input", hub.clock.new_id()[:8].upper()
        )
        await hub.payloads.write(name, request.input)
        return hub.payloads.url(name)
    return request.input


def _check_tags(request: StartRequest) -> None:
    tags = request.tags or {}
    size = utf16_bytes(to_json(dict(tags))) // 2
    if size > MAX_TAGS_CHARACTERS:
        largest = max(tags, key=lambda name: len(name) + len(tags[name]))
        raise UsageError(
            f"The tags of instance {request.instance_id!r} take {size} characters as JSON, most of "
            f"them tag {largest[:64]!r} with {len(tags[largest])}; at most {MAX_TAGS_CHARACTERS} "
            "fit the Instances table. Larger data belongs into the input."
        )


async def _known(hub: TaskHub, request: StartRequest) -> InstanceRow | None:
    """The row of an instance that this process has started before: looking first saves a refusal.

    Raises:
        InstanceExists: it has not ended.
    """
    if request.instance_id not in hub.started:
        return None
    existing = await hub.instances.read(request.instance_id)
    await _refuse_running(hub, request, existing)
    return existing


async def _refuse_running(
    hub: TaskHub, request: StartRequest, existing: InstanceRow | None
) -> None:
    if existing is None or request.override_running:
        return
    if _is_late(hub, existing):
        # Its client may have died between row and message, and this is the same start again: the
        # message makes it quick, and a second one is a duplicate by its execution id.
        await put_start_again(hub, existing)
    if existing.status is None or not existing.status.is_terminal:
        raise InstanceExists(
            f"An Orchestration instance with the status {existing.status or 'unknown'} "
            "already exists.",
            instance_id=request.instance_id,
        )


async def put_start_again(hub: TaskHub, row: InstanceRow) -> None:
    """Send the start that a Pending row stands for once more (R9)."""
    event = await start_of_row(hub, row)
    activity_id = derived_activity_id(f"start:{row.execution_id}")
    await hub.outbox.send(Outbound(message=start_message(event, activity_id=activity_id)))


def _is_late(hub: TaskHub, row: InstanceRow) -> bool:
    """The row has waited for its start longer than a message takes."""
    if not row.is_unstarted or row.created_time is None or row.scheduled_start_time is not None:
        return False
    return (hub.clock.now() - row.created_time).total_seconds() > _LATE_SECONDS


def _dashed(n_form: str) -> str:
    """A GUID in .NET's ``D`` form."""
    return f"{n_form[:8]}-{n_form[8:12]}-{n_form[12:16]}-{n_form[16:20]}-{n_form[20:]}"
