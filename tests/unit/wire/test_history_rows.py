from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings, strategies as st

from durable.errors import CorruptRecord
from durable.model import events as e
from durable.model.entities import Earlier
from durable.model.status import RuntimeStatus
from durable.model.times import NO_TIME, tick_of
from durable.wire.event_json import encode_event_json
from durable.wire.fields import Column
from durable.wire.history_rows import (
    awaited_again_columns,
    decode_event,
    encode_event,
    execution_of,
    rewound_columns,
)
from durable.wire.spill import MAX_PROPERTY_BYTES, blobs_of, oversized, with_blob
from durable.wire.times import format_time
from tests.unit.wire.conftest import event_types, events

NOW = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
COMMON: dict[str, Column] = {
    "EventId": -1,
    "IsPlayed": False,
    "_Timestamp": NOW,
    "ExecutionId": "x",
}


def ticks(columns: Mapping[str, Column]) -> dict[str, int]:
    return {name: tick_of(it) for name, it in columns.items() if isinstance(it, datetime)}


@pytest.mark.parametrize("strategy", event_types(ours=True), ids=range(21))
@settings(max_examples=20)
@given(data=st.data())
def test_events_come_back(strategy: st.SearchStrategy[e.HistoryEvent], data: st.DataObject) -> None:
    event = data.draw(strategy)
    columns = encode_event(event, execution_id="x")
    again = decode_event(columns)
    assert again == event
    assert encode_event(again, execution_id="x") == columns
    assert ticks(encode_event(again, execution_id="x")) == ticks(columns)
    assert execution_of(columns) == "x"


def test_a_null_text_is_absent_and_a_null_object_is_the_text_null() -> None:
    columns = encode_event(e.TaskScheduled(timestamp=NOW, event_id=3, name="n"), execution_id="x")
    assert columns == {
        "Name": "n",
        "ParentTraceContext": "null",
        "Tags": "null",
        "EventId": 3,
        "IsPlayed": False,
        "_Timestamp": NOW,
        "EventType": "TaskScheduled",
        "ExecutionId": "x",
    }


def test_objects_are_plain_json() -> None:
    started = e.ExecutionStarted(
        timestamp=NOW,
        instance=e.InstanceRef(instance_id="i", execution_id="x"),
        name="n",
        tags={"k": "é"},
        generation=0,
    )
    columns = encode_event(started, execution_id="x")
    assert columns["OrchestrationInstance"] == '{"InstanceId":"i","ExecutionId":"x"}'
    assert columns["Tags"] == '{"k":"é"}'
    assert columns["ParentInstance"] == "null"
    assert columns["Generation"] == 0
    assert "ScheduledStartTime" not in columns


def test_our_columns_are_absent_when_there_is_nothing_to_say() -> None:
    done = e.ExecutionCompleted(timestamp=NOW, status=RuntimeStatus.CONTINUED_AS_NEW)
    assert encode_event(done, execution_id="x").keys() == {
        "OrchestrationStatus",
        "FailureDetails",
        *COMMON,
        "EventType",
    }
    more = e.ExecutionCompleted(
        timestamp=NOW,
        status=RuntimeStatus.CONTINUED_AS_NEW,
        carried=("a", "b"),
        sent_on=("c",),
        next_version="2",
    )
    columns = encode_event(more, execution_id="x")
    assert (columns["Carried"], columns["SentOn"]) == ('["a","b"]', '["c"]')
    assert columns["NextVersion"] == "2"


def test_the_end_of_a_turn_keeps_the_custom_status_it_set() -> None:
    end = e.OrchestratorCompleted(timestamp=NOW, custom_status='{"at":1}')
    columns = encode_event(end, execution_id="e1")
    assert columns["CustomStatus"] == '{"at":1}'
    assert decode_event(columns) == end
    plain = encode_event(replace(end, custom_status=None), execution_id="e1")
    assert "CustomStatus" not in plain
    assert decode_event(plain) == replace(end, custom_status=None)


def test_a_start_says_what_was_sent_before_it() -> None:
    before = {"@counter@a": Earlier(execution_id="e1", timestamp=NOW)}
    instance = e.InstanceRef(instance_id="i", execution_id="e2")
    start = e.ExecutionStarted(timestamp=NOW, instance=instance, name="o", sent_before=before)
    columns = encode_event(start, execution_id="e2")
    told = json.loads(str(columns["SentBefore"]))
    assert told == {"@counter@a": {"execution": "e1", "timestamp": format_time(NOW)}}
    assert decode_event(columns) == start
    assert "SentBefore" not in encode_event(replace(start, sent_before={}), execution_id="e2")
    assert "SentBefore" not in encode_event_json(start)


def test_a_start_says_which_locks_it_frees() -> None:
    instance = e.InstanceRef(instance_id="i", execution_id="e2")
    start = e.ExecutionStarted(timestamp=NOW, instance=instance, name="o", frees={"@a@b": "{}"})
    columns = encode_event(start, execution_id="e2")
    assert columns["Frees"] == '{"@a@b":"{}"}'
    assert decode_event(columns) == start
    assert "Frees" not in encode_event(replace(start, frees={}), execution_id="e2")


def test_a_long_list_of_carried_events_spills() -> None:
    many = tuple(f"{number:050}" for number in range(1000))
    done = e.ExecutionCompleted(timestamp=NOW, status=RuntimeStatus.CONTINUED_AS_NEW, carried=many)
    columns = encode_event(done, execution_id="x")
    assert oversized(columns) == ("Carried",)
    assert len(str(columns["Carried"])) * 2 > MAX_PROPERTY_BYTES
    assert decode_event(with_blob(columns, "Carried", "b")) == e.ExecutionCompleted(
        timestamp=NOW, status=RuntimeStatus.CONTINUED_AS_NEW
    )


def test_a_rewound_row_is_a_generic_event() -> None:
    columns: dict[str, Column] = COMMON | {
        "EventType": "GenericEvent",
        "Reason": "Rewound: TaskFailed",
        "TaskScheduledId": 0,
        "Details": "d",
        "FailureDetails": "null",
    }
    assert decode_event(columns) == e.GenericEvent(
        timestamp=NOW, reason="Rewound: TaskFailed", is_rewound=True
    )
    other = "no: Rewound: TaskFailed"
    assert decode_event(columns | {"Reason": other}) == e.GenericEvent(timestamp=NOW, reason=other)


def test_a_rewind_merges_a_type_and_a_reason_into_a_row() -> None:
    """As recorded in dtfx/13_rewind: nothing else changes."""
    failed = e.TaskFailed(timestamp=NOW, task_id=3, reason="boom")
    merged = rewound_columns(failed, {})
    assert merged == {"EventType": "GenericEvent", "Reason": "Rewound: TaskFailed"}
    assert decode_event(encode_event(failed, execution_id="x") | merged) == e.GenericEvent(
        timestamp=NOW, reason="Rewound: TaskFailed", is_rewound=True
    )
    # A reason that had gone to a blob is not read from there any more; other blobs are left.
    blobs = {"Reason": "b1", "Details": "b2"}
    spilled: dict[str, Column] = {"ReasonBlobName": "b1", "DetailsBlobName": "b2"}
    assert blobs_of(spilled | rewound_columns(failed, blobs)) == {"Details": "b2"}


def test_a_child_that_is_awaited_again_stays_what_it_is() -> None:
    """As recorded in extension/rewind_sub_orchestration, and where it stood."""
    created = e.SubOrchestrationCreated(
        timestamp=NOW, event_id=2, name="n", instance_id="c", tags=None
    )
    reason = "Rewound: SubOrchestrationInstanceCreated"
    assert awaited_again_columns(created, {}, None) == {"Reason": reason}
    mark = e.RewoundChild(execution_id="a:b", sequence=12)
    merged = awaited_again_columns(created, {}, mark)
    assert merged == {"Reason": reason, "RewoundChild": "12:a:b"}
    columns = encode_event(created, execution_id="x") | merged
    assert decode_event(columns) == replace(created, rewound_child=mark)
    with pytest.raises(CorruptRecord, match="RewoundChild should be a number, a colon"):
        decode_event(columns | {"RewoundChild": "x:y"})


def test_columns_of_older_writers_may_be_absent() -> None:
    columns: dict[str, Column] = COMMON | {
        "EventType": "ExecutionStarted",
        "OrchestrationInstance": '{"InstanceId":"i","ExecutionId":"x"}',
        "Name": "n",
    }
    assert decode_event(columns) == e.ExecutionStarted(
        timestamp=NOW, instance=e.InstanceRef(instance_id="i", execution_id="x"), name="n"
    )


def test_no_time_is_stored_as_the_earliest_time_tables_keep() -> None:
    columns = encode_event(e.OrchestratorStarted(timestamp=NO_TIME), execution_id="x")
    assert columns["_Timestamp"] == datetime(1601, 1, 1, tzinfo=UTC)
    assert decode_event(columns).timestamp == NO_TIME


def test_lone_surrogates_do_not_reach_the_table() -> None:
    event = e.TaskFailed(timestamp=NOW, task_id=0, reason="bad \udcff name")
    assert encode_event(event, execution_id="x")["Reason"] == "bad \ufffd name"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"EventType": "ExecutionFailed"}, "found 'ExecutionFailed'"),
        ({"EventType": 4}, "found an integer"),
        ({"EventId": "0"}, "TaskFailed.EventId"),
        ({"_Timestamp": "now"}, "TaskFailed._Timestamp"),
        ({"TaskScheduledId": None}, "TaskFailed.TaskScheduledId should be an integer"),
        ({"FailureDetails": "{"}, "TaskFailed.FailureDetails is not JSON"),
        ({"FailureDetails": '{"InnerFailure":5}'}, "FailureDetails.InnerFailure"),
        ({"Reason": 5}, "TaskFailed.Reason"),
    ],
)
def test_a_malformed_row_is_corrupt(changes: dict[str, Column], message: str) -> None:
    columns = COMMON | {"EventType": "TaskFailed", "TaskScheduledId": 0} | changes
    with pytest.raises(CorruptRecord) as caught:
        decode_event(columns)
    assert message in str(caught.value)


def test_a_row_without_type_is_corrupt() -> None:
    with pytest.raises(CorruptRecord, match="EventType should name a history event, found nothing"):
        decode_event({})


VALUES = st.one_of(
    st.text(max_size=5),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.binary(max_size=3),
    st.datetimes(),
    st.just(NOW + timedelta(1)),
    st.sampled_from(["null", "{}", "[]", '[["a"]]', '{"InstanceId":null}', '{"a":1}']),
)


@given(events(ours=True), st.data())
def test_a_mutated_row_decodes_or_is_corrupt(event: e.HistoryEvent, data: st.DataObject) -> None:
    columns = encode_event(event, execution_id="x")
    name = data.draw(st.sampled_from(sorted(columns)))
    if data.draw(st.booleans()):
        columns[name] = data.draw(VALUES)
    else:
        del columns[name]
    try:
        again = decode_event(columns)
    except CorruptRecord as error:
        assert "History row" in str(error)  # noqa: PT017 - either way is fine
    else:
        assert decode_event(encode_event(again, execution_id="x")) == again
