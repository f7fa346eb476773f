"""What can be told of any text that was found in a queue, and a text made ready to go back."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from durable.model.events import EventRaised, InstanceRef
from durable.model.messages import Cause, Extras, TaskMessage
from durable.model.times import NO_TIME
from durable.wire.envelopes import (
    QueueEncoding,
    decode_message,
    encode_message,
    encode_pointer,
    message_blob_name,
    queue_text,
)
from durable.wire.message_text import Glimpse, glimpse, restamped

ENCODINGS = pytest.mark.parametrize("encoding", list(QueueEncoding))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["TaskMessage", "Event", "$type", "Durable", "Failures", "CompressedBlobName", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)


def raised(extras: Extras) -> TaskMessage:
    return TaskMessage(
        event=EventRaised(timestamp=NO_TIME, name="E", input="1"),
        target=InstanceRef(instance_id="i/1"),
        activity_id="01234567-89ab-cdef-0123-456789abcdef",
        extras=extras,
    )


@ENCODINGS
def test_a_message_shows_whom_it_is_for_and_what_it_brings(encoding: QueueEncoding) -> None:
    text = encode_message(raised(Extras(failures=3)))
    seen = glimpse(queue_text(text, encoding))
    assert seen == Glimpse(instance_id="i/1", kind="EventRaised", failures=3)


def test_a_pointer_shows_it_by_its_blob() -> None:
    name = message_blob_name(raised(Extras()))
    assert glimpse(encode_pointer(name)) == Glimpse(
        instance_id="i/1", kind="EventRaised", blob_name=name
    )
    odd = name.replace("EventRaised", "Anything")
    assert glimpse(encode_pointer(odd)) == Glimpse(instance_id="i/1", blob_name=odd)
    assert glimpse(encode_pointer("secret")) == Glimpse(blob_name="secret")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "[]",
        '{"half": ',
        "AAAA",
        '{"a":' * 5000 + "1" + "}" * 5000,
        '{"TaskMessage":[],"Durable":{"Failures":true}}',
        '{"TaskMessage":{"Event":{"$type":"Mine"},"OrchestrationInstance":{"InstanceId":5}}}',
    ],
)
def test_what_shows_nothing_is_no_trouble(text: str) -> None:
    assert glimpse(text) == Glimpse()


@given(JSON)
def test_no_json_is_any_trouble(value: object) -> None:
    text = json.dumps(value)
    assert isinstance(glimpse(text), Glimpse)
    assert isinstance(restamped(text, "q:1"), str)


@ENCODINGS
def test_a_restamped_message_has_an_identity_and_no_past(encoding: QueueEncoding) -> None:
    past = Extras(mark=True, failures=9, since=NO_TIME, cause=Cause.CODE)
    text = restamped(queue_text(encode_message(raised(past)), encoding), "q:1")
    assert text.startswith("{") == (encoding is QueueEncoding.UTF8)
    found = decode_message(text if text.startswith("{") else base64.b64decode(text).decode())
    assert isinstance(found, TaskMessage)
    assert found.extras == Extras(mark=True, identity="q:1")
    assert restamped(text, "q:2") == text


def test_an_identity_stays() -> None:
    text = encode_message(raised(Extras(identity="c:own", failures=1)))
    found = decode_message(restamped(text, "q:1"))
    assert isinstance(found, TaskMessage)
    assert found.extras == Extras(identity="c:own")


def test_what_is_not_understood_stays_in_a_restamped_message() -> None:
    text = '{"TaskMessage":{"new":[1.5,null]},"Durable":null,"more":{"x":"\\u2028"}}'
    made: dict[str, Any] = json.loads(restamped(text, "q:1"))
    assert made == {**json.loads(text), "Durable": {"Identity": "q:1"}}


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "{}",
        encode_pointer("i1/message-x-EventRaised.json.gz"),
        '{"TaskMessage":{},"Durable":7}',
    ],
)
def test_what_is_no_message_stays_as_it_is(text: str) -> None:
    assert restamped(text, "q:1") == text
