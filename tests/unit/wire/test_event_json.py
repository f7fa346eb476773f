from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings, strategies as st

from durable.errors import CorruptRecord
from durable.model import events as e
from durable.model.status import RuntimeStatus
from durable.wire.event_json import decode_event_json, encode_event_json
from durable.wire.fields import as_object
from durable.wire.text import from_json, to_json
from tests.unit.wire.conftest import event_types

NOW = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
LATER = datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize("events", event_types(ours=False), ids=range(21))
@settings(max_examples=20)
@given(data=st.data())
def test_events_come_back(events: st.SearchStrategy[e.HistoryEvent], data: st.DataObject) -> None:
    event = data.draw(events)
    text = to_json(encode_event_json(event))
    values = as_object(from_json(text, "It"), "It")
    again = decode_event_json(values, "It", LATER)
    assert again == event
    assert to_json(encode_event_json(again)) == text


def test_fields_stand_before_the_event_type_and_properties_after() -> None:
    started = e.ExecutionStarted(
        timestamp=NOW, instance=e.InstanceRef(instance_id="i", execution_id="e"), name="n"
    )
    assert list(encode_event_json(started)) == [
        "$type",
        "OrchestrationInstance",
        "EventType",
        "ParentInstance",
        "Name",
        "Version",
        "Input",
        "Tags",
        "Correlation",
        "ParentTraceContext",
        "ScheduledStartTime",
        "Generation",
        "GenerateNewTrace",
        "EventId",
        "IsPlayed",
        "Timestamp",
    ]
    generic = encode_event_json(e.GenericEvent(timestamp=NOW, data="d", reason="r"))
    assert list(generic) == ["$type", "Data", "EventType", "EventId", "IsPlayed", "Timestamp"]


def test_statuses_are_numbers() -> None:
    made = encode_event_json(e.ExecutionCompleted(timestamp=NOW, status=RuntimeStatus.FAILED))
    assert made["OrchestrationStatus"] == 3


def test_our_columns_stay_out_of_messages() -> None:
    sent = e.EventSent(timestamp=NOW, instance_id="i", name="n", deliver_at=NOW)
    assert "DeliverAt" not in encode_event_json(sent)
    raised = e.EventRaised(timestamp=NOW, name="n", identity="x")
    assert "Identity" not in encode_event_json(raised)


def test_an_assembly_in_the_type_is_ignored() -> None:
    values: dict[str, object] = {
        "$type": "DurableTask.Core.History.TimerFiredEvent, DurableTask.Core, Version=3.9.0.0",
        "EventType": "whatever",
        "TimerId": 1,
        "FireAt": "2024-01-02T03:04:05Z",
        "EventId": -1,
        "Unknown": {},
    }
    assert decode_event_json(values, "It", LATER) == e.TimerFired(
        timestamp=LATER, timer_id=1, fire_at=NOW
    )


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (None, "nothing"),
        (5, "an integer"),
        ("os.system", "'os.system'"),
        ("DurableTask.Core.History.ExecutionFailedEvent", "ExecutionFailedEvent"),
        ("TimerFired", "'TimerFired'"),
    ],
)
def test_only_known_types_are_read(name: object, shown: str) -> None:
    with pytest.raises(CorruptRecord, match=r"It\.\$type should name a history event") as caught:
        decode_event_json({"$type": name, "EventType": 11, "EventId": -1}, "It", LATER)
    assert shown in str(caught.value)
