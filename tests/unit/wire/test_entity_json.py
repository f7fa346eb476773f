"""Entities' texts: what we write, and what we read of others."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings, strategies as st

from durable.errors import CorruptRecord
from durable.model import entities as m
from durable.model.failure import FailureDetails
from durable.model.ids import EntityId
from durable.model.times import NO_TIME, TickTime, ticks_of
from durable.wire.entity_json import (
    decode_earlier,
    decode_message,
    decode_response,
    decode_state,
    decode_status,
    encode_earlier,
    encode_response,
    encode_state,
    encode_status,
    event_of,
)
from tests.unit.wire.conftest import FAILURE, MOMENTS, NAMES, OPTIONAL, TEXTS

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
KEYS = NAMES.filter(lambda name: name != "$type")
ENTITIES = st.builds(EntityId, NAMES, NAMES)
EARLIER = st.builds(m.Earlier, execution_id=TEXTS, timestamp=MOMENTS)
OPERATIONS = st.builds(
    m.OperationRequest,
    op=OPTIONAL,
    id=TEXTS,
    is_signal=st.booleans(),
    input=OPTIONAL,
    parent=OPTIONAL,
    parent_execution=OPTIONAL,
    due=st.none() | MOMENTS,
    timestamp=MOMENTS,
    predecessor=st.just(NO_TIME) | MOMENTS,
    after=st.none() | EARLIER,
)
LOCKS = st.builds(
    m.OperationRequest,
    op=st.none(),
    id=TEXTS,
    parent=TEXTS,
    lock_set=st.lists(ENTITIES, min_size=3, max_size=3).map(tuple),
    position=st.integers(0, 2),
)
REQUESTS = OPERATIONS | LOCKS
RELEASES = st.builds(
    m.Release,
    parent=TEXTS,
    id=TEXTS,
    after=st.none() | st.builds(m.Earlier, execution_id=TEXTS, timestamp=MOMENTS),
)
SENDERS = st.builds(
    m.SenderEntry,
    last=MOMENTS,
    execution_id=OPTIONAL,
    buffered=st.lists(
        REQUESTS, max_size=2, unique_by=lambda request: ticks_of(request.timestamp)
    ).map(lambda found: tuple(sorted(found, key=lambda request: ticks_of(request.timestamp)))),
    earlier=st.dictionaries(KEYS, MOMENTS, max_size=2),
)
SORTERS = st.builds(
    m.SorterState,
    last_sent=st.dictionaries(KEYS, MOMENTS, max_size=2),
    received=st.dictionaries(KEYS, SENDERS, max_size=2),
    receive_horizon=st.just(NO_TIME) | MOMENTS,
    send_horizon=st.just(NO_TIME) | MOMENTS,
)
SENDS = st.one_of(
    st.builds(
        m.Outgoing,
        target=st.just("@a@b"),
        message=REQUESTS | RELEASES | st.just(m.Continue()),
    ),
    st.builds(
        m.Outgoing,
        target=st.just("caller"),
        message=st.builds(m.Response, id=TEXTS, result=OPTIONAL),
        execution_id=OPTIONAL,
    ),
    st.builds(
        m.OrchestrationStart, name=TEXTS, instance_id=OPTIONAL, input=OPTIONAL, version=OPTIONAL
    ),
)
LOCKED = st.builds(
    m.SchedulerState,
    state=OPTIONAL,
    queue=st.lists(REQUESTS, max_size=2).map(tuple),
    locked_by=TEXTS,
    suspended=st.booleans(),
    sorter=SORTERS,
    lock_id=OPTIONAL,
    given_up=st.dictionaries(KEYS, MOMENTS, max_size=2),
    outbox=st.lists(SENDS, max_size=2).map(tuple),
    leaving=st.none() | st.builds(m.Leaving, release=RELEASES, since=MOMENTS),
    wakes_at=st.none() | MOMENTS,
)


@given(REQUESTS, st.none() | MOMENTS)
def test_requests_come_back(request: m.OperationRequest, deliver_at: datetime | None) -> None:
    name, text = event_of(m.Outgoing(target="@a@b", message=request, deliver_at=deliver_at))
    back = decode_message(name, text, "event")
    assert back == request
    assert isinstance(back, m.OperationRequest)
    assert ticks_of(back.timestamp) == ticks_of(request.timestamp)


@given(RELEASES)
def test_releases_come_back(release: m.Release) -> None:
    name, text = event_of(m.Outgoing(target="@a@b", message=release))
    assert name == "release"
    assert decode_message(name, text, "event") == release


def test_continue_has_a_name_alone() -> None:
    assert event_of(m.Outgoing(target="@a@b", message=m.Continue())) == ("continue", None)
    assert decode_message("continue", None, "event") == m.Continue()
    assert decode_message(None, "whatever", "event") == m.Continue()


@given(TEXTS, OPTIONAL, st.none() | FAILURE)
def test_answers_come_back(
    request: str, result: str | None, failure: FailureDetails | None
) -> None:
    answer = m.Response(id=request, result=result if failure is None else None, failure=failure)
    name, text = event_of(m.Outgoing(target="caller", message=answer))
    assert name == request
    assert decode_response(name, text, "event") == answer


@settings(max_examples=40)
@given(LOCKED)
def test_states_come_back(state: m.SchedulerState) -> None:
    text = encode_state(state)
    assert decode_state(text, "input") == state
    assert encode_state(decode_state(text, "input")) == text


@given(st.booleans(), st.integers(0, 2**31 - 1), OPTIONAL)
def test_statuses_come_back(exists: bool, size: int, holder: str | None) -> None:
    status = m.EntityStatus(exists=exists, queue_size=size, locked_by=holder)
    assert decode_status(encode_status(status), "status") == status


@given(st.dictionaries(KEYS, EARLIER, max_size=3))
def test_what_the_next_execution_must_know_comes_back(earlier: dict[str, m.Earlier]) -> None:
    assert decode_earlier(encode_earlier(earlier), "earlier") == earlier


def test_nothing_stored_is_nothing_known() -> None:
    for text in (None, "", "null"):
        assert decode_state(text, "input") == m.SchedulerState()
        assert decode_status(text, "status") == m.EntityStatus()
    assert decode_earlier(None, "earlier") == decode_earlier("", "earlier") == {}
    assert decode_state("{}", "input") == m.SchedulerState()


def test_members_have_the_originals_order() -> None:
    request = m.OperationRequest(
        op="add",
        id="i",
        is_signal=True,
        input="5",
        parent="p",
        parent_execution="x",
        due=NOON,
        timestamp=TickTime.of(NOON, 1),
        predecessor=NOON,
        lock_set=(EntityId("A", "k"), EntityId("b", "K")),
        position=1,
        after=m.Earlier(execution_id="w", timestamp=NOON),
    )
    assert event_of(m.Outgoing(target="@a@k", message=request, deliver_at=NOON)) == (
        "op@2024-05-01T12:00:00.0000000Z",
        (
            '{"op":"add","signal":true,"input":"5","id":"i","parent":"p","parentExecution":"x",'
            '"due":"2024-05-01T12:00:00Z","Timestamp":"2024-05-01T12:00:00.0000001Z",'
            '"Predecessor":"2024-05-01T12:00:00Z","lockset":[{"name":"a","key":"k"},'
            '{"name":"b","key":"K"}],"pos":1,'
            '"after":{"execution":"w","timestamp":"2024-05-01T12:00:00Z"}}'
        ),
    )
    assert event_of(m.Outgoing(target="@a@k", message=m.OperationRequest(op=None, id="i"))) == (
        "op",
        (
            '{"op":null,"id":"i","Timestamp":"0001-01-01T00:00:00",'
            '"Predecessor":"0001-01-01T00:00:00"}'
        ),
    )


def test_both_dialects_are_told_that_an_entity_exists() -> None:
    state = m.SchedulerState(
        state="5",
        locked_by="holder",
        lock_id="lock",
        suspended=True,
        queue=(m.OperationRequest(op="get", id="i"),),
        given_up={"other": NOON},
    )
    assert list(json.loads(encode_state(state))) == [
        "exists",
        "state",
        "queue",
        "lockedBy",
        "suspended",
        "sorter",
        "lockId",
        "givenUp",
    ]
    assert encode_state(m.SchedulerState()) == '{"sorter":{}}'


def test_existence_is_told_by_either_member() -> None:
    assert decode_state('{"state":"5"}', "input").state == "5"
    assert decode_state('{"exists":true,"state":"5"}', "input").state == "5"
    assert decode_state('{"exists":true}', "input").state == "null"
    assert decode_state('{"exists":false}', "input").state is None


def test_a_lock_id_without_a_lock_means_nothing() -> None:
    assert decode_state('{"lockId":"x"}', "input").lock_id is None


def test_an_internal_error_of_the_original_is_shown() -> None:
    assert decode_status('"Internal Error: x"', "status").error == "Internal Error: x"
    full = '{"entityExists":true,"currentOperation":{"op":"add"},"queueSize":2,"lockedBy":"o"}'
    assert decode_status(full, "status") == m.EntityStatus(exists=True, queue_size=2, locked_by="o")


def test_a_failure_is_readable_for_all_of_the_original() -> None:
    failure = FailureDetails(error_type="ValueError", message="no")
    text = json.loads(encode_response(m.Response(id="i", failure=failure)))
    assert list(text) == ["result", "exceptionType", "failureDetails"]
    assert (text["result"], text["exceptionType"]) == ("no", "ValueError")
    assert encode_response(m.Response(id="i")) == '{"result":null}'


SERIALIZED = json.dumps(
    {"$type": "X", "ClassName": "X", "Message": "why", "StackTraceString": "at X"}
)


@pytest.mark.parametrize(
    ("text", "error_type", "message", "stack"),
    [
        ({"result": "why", "exceptionType": "Error"}, "Error", "why", None),
        ({"result": '"why"', "exceptionType": "Error"}, "Error", "why", None),
        ({"result": "7", "exceptionType": "Error"}, "Error", "7", None),
        ({"exceptionType": "it broke"}, "Error", "it broke", None),
        ({"result": SERIALIZED, "exceptionType": "N.X, Lib, Version=1"}, "N.X", "why", "at X"),
        ({"result": "{}", "exceptionType": "N.X, Lib"}, "N.X", "{}", None),
    ],
)
def test_failures_of_the_original_are_read(
    text: dict[str, str], error_type: str, message: str, stack: str | None
) -> None:
    answer = decode_response("i", json.dumps(text), "event")
    assert answer.result is None
    assert answer.failure == FailureDetails(
        error_type=error_type, message=message, stack_trace=stack
    )


def test_an_answer_without_a_name_has_no_id() -> None:
    assert decode_response(None, '{"result":"1"}', "event") == m.Response(id="", result="1")


LOCK = '{"op":null,"id":"i","lockset":%s,"parent":%s,"pos":%s}'


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("op", None, "event should be a JSON object, found nothing"),
        ("op", "{", "event is not JSON"),
        ("op", "[]", "event should be an object"),
        ("op", '{"op":"x"}', "event.id should be a text"),
        ("op", '{"op":5,"id":"i"}', "event.op should be a text or null"),
        ("op", '{"id":"i","Timestamp":"noon"}', "event.Timestamp should be a time"),
        ("op", '{"id":"i","lockset":{}}', "event.lockset should be an array"),
        ("op", '{"id":"i","lockset":[1]}', "event.lockset[0] should be an object"),
        ("op", LOCK % ('[{"name":"a","key":"b"}]', "null", 0), "event.parent should be"),
        ("op", LOCK % ('[{"name":"a","key":"b"}]', '"p"', 1), "event.pos is 1, of 1 entities"),
        ("op", LOCK % ('[{"name":"a","key":"b"}]', '"p"', -1), "event.pos is -1"),
        ("op", LOCK % ('[{"name":"a","key":""}]', '"p"', 0), "event.lockset[0].name: An entity's"),
        ("op", '{"id":"i","pos":1}', "event.pos is 1, of 0 entities"),
        ("op", '{"id":"i","after":{"execution":"e"}}', "event.after.timestamp should be a time"),
        ("release", "{}", "event.parent should be a text"),
    ],
)
def test_nonsense_is_refused(name: str, text: str | None, said: str) -> None:
    with pytest.raises(CorruptRecord) as caught:
        decode_message(name, text, "event")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "text", ["[]", '{"queue":[{}]}', '{"sorter":{"ReceivedFromInstance":{"a":null}}}', "7"]
)
def test_a_broken_state_is_refused(text: str) -> None:
    with pytest.raises(CorruptRecord):
        decode_state(text, "input")


def test_what_waits_to_be_sent_keeps_its_time() -> None:
    due = datetime(2024, 5, 1, 12, tzinfo=UTC)
    request = m.OperationRequest(op="add", id="i", is_signal=True, due=due)
    waiting = m.Outgoing(target="@a@b", message=request, deliver_at=due)
    state = m.SchedulerState(outbox=(waiting,))
    assert decode_state(encode_state(state), "input") == state


def test_a_release_needs_no_id_to_be_read() -> None:
    assert decode_message("release", '{"parent":"p"}', "e") == m.Release(parent="p", id="")


def test_values_are_not_told() -> None:
    with pytest.raises(CorruptRecord) as caught:
        decode_message("op", '{"op":"x","id":"i","input":{"secret":1}}', "event")
    assert "secret" not in str(caught.value)
