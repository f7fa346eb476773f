from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given

from durable.errors import CorruptRecord
from durable.model import events as e
from durable.model.messages import Cause, Extras, TaskMessage
from durable.wire.envelopes import (
    BlobPointer,
    QueueEncoding,
    decode_message,
    encode_message,
    encode_pointer,
    json_text,
    message_blob_name,
    queue_text,
)
from tests.unit.wire.conftest import messages

NOW = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
GUID = "5406d369-4369-4673-afae-6671a2fa1e57"
RAISED = TaskMessage(
    event=e.EventRaised(timestamp=NOW, name="Approval", input="true"),
    target=e.InstanceRef(instance_id="hello-1"),
    activity_id=GUID,
    sender=e.InstanceRef(instance_id="", execution_id=""),
    sequence_number=40,
)
RAISED_TEXT = (
    '{"$type":"DurableTask.AzureStorage.MessageData",'
    f'"ActivityId":"{GUID}",'
    '"TaskMessage":{"$type":"DurableTask.Core.TaskMessage",'
    '"Event":{"$type":"DurableTask.Core.History.EventRaisedEvent","EventType":15,'
    '"Name":"Approval","Input":"true","ParentTraceContext":null,"EventId":-1,"IsPlayed":false,'
    '"Timestamp":"2024-01-02T03:04:05Z"},"SequenceNumber":0,'
    '"OrchestrationInstance":{"$type":"DurableTask.Core.OrchestrationInstance",'
    '"InstanceId":"hello-1","ExecutionId":null},"OrchestrationExecutionContext":null},'
    '"CompressedBlobName":null,"SequenceNumber":40,'
    '"Sender":{"InstanceId":"","ExecutionId":""},"SerializableTraceContext":null}'
)


def decoded(text: str) -> TaskMessage:
    message = decode_message(text)
    assert isinstance(message, TaskMessage)
    return message


@pytest.mark.slow
@given(messages())
def test_messages_come_back(message: TaskMessage) -> None:
    text = encode_message(message)
    again = decoded(text)
    assert again == message
    assert encode_message(again) == text


def test_a_message_as_the_original_writes_it() -> None:
    assert encode_message(RAISED) == RAISED_TEXT
    assert decoded(RAISED_TEXT) == RAISED


def test_what_only_ours_have_is_one_last_property() -> None:
    extras = Extras(mark=True, identity="i-1", failures=2, since=NOW, line="e0")
    text = encode_message(replace(RAISED, extras=extras))
    assert text == (
        RAISED_TEXT[:-1] + ',"Durable":{"Mark":1,"Identity":"i-1","Failures":2,'
        '"Since":"2024-01-02T03:04:05Z","Line":"e0"}}'
    )
    assert decoded(text).extras == extras


@pytest.mark.parametrize("cause", Cause)
def test_what_a_deferred_message_waits_for_comes_back(cause: Cause) -> None:
    extras = Extras(since=NOW, cause=cause)
    text = encode_message(replace(RAISED, extras=extras))
    assert text.endswith(f',"For":"{cause.value}"}}}}')
    assert decoded(text).extras == extras


def test_a_raised_event_and_its_message_have_one_identity() -> None:
    event = e.EventRaised(timestamp=NOW, name="n", identity="mine")
    message = decoded(encode_message(replace(RAISED, event=event)))
    assert message.extras.identity == "mine"
    assert message.event == event
    outer = replace(RAISED, event=event, extras=Extras(identity="outer"))
    assert decoded(encode_message(outer)).event == replace(event, identity="outer")


def test_the_identity_of_another_message_stays_in_the_extras() -> None:
    event = e.ExecutionTerminated(timestamp=NOW)
    message = replace(RAISED, event=event, extras=Extras(identity="x"))
    assert decoded(encode_message(message)) == message


def test_a_missing_time_is_the_time_of_reception() -> None:
    envelope = json.loads(RAISED_TEXT)
    del envelope["TaskMessage"]["Event"]["Timestamp"]
    message = decode_message(json.dumps(envelope), received=NOW)
    assert message == RAISED


def test_what_older_writers_leave_out() -> None:
    envelope = json.loads(RAISED_TEXT)
    for name in ("SequenceNumber", "SerializableTraceContext", "CompressedBlobName", "$type"):
        del envelope[name]
    del envelope["TaskMessage"]["OrchestrationExecutionContext"]
    del envelope["TaskMessage"]["OrchestrationInstance"]["$type"]
    envelope["Sender"] = None
    assert decoded(json.dumps(envelope)) == replace(RAISED, sender=None, sequence_number=0)


def test_a_sender_may_lack_its_ids() -> None:
    envelope = json.loads(RAISED_TEXT)
    envelope["Sender"] = {}
    assert decoded(json.dumps(envelope)).sender == e.InstanceRef(instance_id="")


def test_unknown_properties_and_foreign_dictionaries_are_ignored() -> None:
    envelope = json.loads(RAISED_TEXT)
    envelope["New"] = envelope["TaskMessage"]["New"] = {"$type": "x"}
    envelope["TaskMessage"]["OrchestrationExecutionContext"] = {
        "OrchestrationTags": {
            "$type": "System.Collections.Generic.Dictionary`2[[System.String, mscorlib],"
            "[System.String, mscorlib]]",
            "k": "v",
        }
    }
    assert decoded(json.dumps(envelope)) == replace(RAISED, context_tags={"k": "v"})


def test_a_message_of_an_orchestration_names_episode_and_tags() -> None:
    message = replace(RAISED, episode=3, context_tags={"k": "v"})
    envelope = json.loads(encode_message(message))
    assert envelope["Episode"] == 3
    assert envelope["TaskMessage"]["OrchestrationExecutionContext"]["OrchestrationTags"]["k"] == "v"
    assert decoded(encode_message(replace(message, sender=None))) == replace(message, sender=None)


def test_a_context_without_tags() -> None:
    envelope = json.loads(RAISED_TEXT)
    envelope["TaskMessage"]["OrchestrationExecutionContext"] = {"OrchestrationTags": None}
    assert decoded(json.dumps(envelope)).context_tags is None


def test_a_pointer() -> None:
    text = encode_pointer("hello-1/message-x.json.gz")
    assert text == (
        '{"$type":"DurableTask.AzureStorage.MessageData",'
        '"ActivityId":"00000000-0000-0000-0000-000000000000","TaskMessage":null,'
        '"CompressedBlobName":"hello-1/message-x.json.gz","SequenceNumber":0,"Sender":null,'
        '"SerializableTraceContext":null}'
    )
    assert decode_message(text) == BlobPointer("hello-1/message-x.json.gz")


def test_the_blob_of_a_large_message_has_the_raw_id() -> None:
    message = replace(RAISED, target=e.InstanceRef(instance_id="@a@x/y"))
    assert message_blob_name(message) == (
        "@a@x/y/message-5406d36943694673afae6671a2fa1e57-EventRaised.json.gz"
    )


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("", [], "Queue message should be an object, found an array."),
        ("ActivityId", "x", "Queue message.ActivityId should be a GUID with dashes"),
        ("ActivityId", None, "ActivityId should be a text"),
        ("CompressedBlobName", 1, "Queue message.CompressedBlobName"),
        ("TaskMessage", None, "TaskMessage should be an object, found nothing."),
        ("TaskMessage.Event", None, "TaskMessage.Event should be an object, found nothing."),
        ("TaskMessage.Event.$type", None, "Event.$type should name a history event"),
        ("TaskMessage.Event.EventId", None, "TaskMessage.Event.EventId should be an integer"),
        ("TaskMessage.Event.Input", {}, "Event.Input should be a text or null, found an object."),
        ("TaskMessage.Event.Timestamp", "x", "Event.Timestamp should be a time"),
        ("TaskMessage.OrchestrationInstance", None, "OrchestrationInstance should be an object"),
        ("TaskMessage.OrchestrationInstance.InstanceId", None, "InstanceId should be a text"),
        ("SequenceNumber", 2**63, "SequenceNumber should be an integer of 64 bits"),
        ("Episode", "1", "Episode should be an integer of 32 bits"),
        ("Sender", "me", "Queue message.Sender should be an object, found a text."),
        ("Durable", 1, "Queue message.Durable should be an object"),
        ("Durable", {"Failures": -1}, "Durable.Failures should be no negative number"),
        ("Durable", {"Identity": "x" * 513}, "a text of at most 512 characters"),
        ("Durable", {"Since": "x"}, "Durable.Since should be a time"),
    ],
)
def test_what_cannot_be_understood_is_corrupt(path: str, value: object, message: str) -> None:
    envelope = json.loads(RAISED_TEXT)
    *parents, last = path.split(".")
    holder = envelope
    for name in parents:
        holder = holder[name]
    holder[last] = value
    with pytest.raises(CorruptRecord) as caught:
        decode_message(json.dumps(envelope if path else value))
    assert message in str(caught.value)


def test_a_start_is_one_of_whom_it_is_for() -> None:
    started = e.ExecutionStarted(timestamp=RAISED.event.timestamp, instance=RAISED.target, name="f")
    text = encode_message(replace(RAISED, event=started))
    assert isinstance(decode_message(text), TaskMessage)
    other = replace(started, instance=e.InstanceRef(instance_id="other"))
    with pytest.raises(CorruptRecord, match="starts another instance than the one it is for"):
        decode_message(encode_message(replace(RAISED, event=other)))


@pytest.mark.parametrize("encoding", QueueEncoding)
def test_both_encodings_are_read(encoding: QueueEncoding) -> None:
    text = '{"a":"é😀"}'
    assert json_text(queue_text(text, encoding)) == text


def test_the_encodings_themselves() -> None:
    assert queue_text('{"é":1}', QueueEncoding.UTF8) == '{"é":1}'
    assert queue_text('{"é":1}', QueueEncoding.BASE64) == "eyLDqSI6MX0="
    assert json_text(' {"a":1}') == ' {"a":1}'


@pytest.mark.parametrize(
    "text", ["", "hello", "é", "eyLDqSI6MX0", base64.b64encode(b"\xff").decode()]
)
def test_neither_json_nor_base64_is_corrupt(text: str) -> None:
    with pytest.raises(CorruptRecord):
        decode_message(json_text(text))
