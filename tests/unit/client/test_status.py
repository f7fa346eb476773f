from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from durable.client import (
    DurableOrchestrationStatus,
    OrchestrationRuntimeStatus,
    PurgeHistoryResult,
)
from durable.model.status import RuntimeStatus

SHOWN = {
    "name": "o",
    "instanceId": "i",
    "runtimeStatus": "Completed",
    "input": {"a": 1},
    "customStatus": "half",
    "output": [1],
    "createdTime": "2024-01-02T03:04:05Z",
    "lastUpdatedTime": "2024-01-02T03:04:06.5Z",
}


def test_it_is_made_from_the_apis_json() -> None:
    status = DurableOrchestrationStatus.from_json(SHOWN)
    assert status
    assert (status.name, status.instance_id) == ("o", "i")
    assert status.runtime_status is OrchestrationRuntimeStatus.Completed
    assert (status.input_, status.output, status.custom_status) == ({"a": 1}, [1], "half")
    assert status.created_time == datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert status.last_updated_time == datetime(2024, 1, 2, 3, 4, 6, 500_000, tzinfo=UTC)
    assert status.history is None


def test_to_json_has_1_7s_order_and_times() -> None:
    status = DurableOrchestrationStatus.from_json(SHOWN)
    assert json.dumps(status.to_json()) == json.dumps(
        {
            "name": "o",
            "instanceId": "i",
            "createdTime": "2024-01-02T03:04:05.000000Z",
            "lastUpdatedTime": "2024-01-02T03:04:06.500000Z",
            "output": [1],
            "input": {"a": 1},
            "runtimeStatus": "Completed",
            "customStatus": "half",
            "history": None,
        }
    )


def test_a_missing_instance_is_false_and_still_prints() -> None:
    status = DurableOrchestrationStatus.from_json("")
    assert not status
    assert status.__dict__["message"] == ""
    assert status.runtime_status is None
    assert status.to_json()["createdTime"] is None
    assert "missing" in repr(status)


def test_history_has_both_names() -> None:
    events = [{"EventType": "ExecutionStarted"}]
    status = DurableOrchestrationStatus(historyEvents=events)
    assert status.history is events
    assert DurableOrchestrationStatus(history=events).historyEvents is events


def test_repr_shows_no_payload() -> None:
    status = DurableOrchestrationStatus.from_json(SHOWN)
    assert repr(status) == "<DurableOrchestrationStatus 'i': Completed>"


def test_times_become_utc() -> None:
    status = DurableOrchestrationStatus(
        createdTime=datetime(2024, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))),
        lastUpdatedTime=datetime(2024, 1, 1, 3),  # noqa: DTZ001 - naive on purpose
    )
    assert status.created_time == datetime(2024, 1, 1, tzinfo=UTC)
    assert status.last_updated_time == datetime(2024, 1, 1, 3, tzinfo=UTC)


def test_an_unknown_status_is_refused_as_in_1_7() -> None:
    with pytest.raises(ValueError, match="Odd"):
        DurableOrchestrationStatus(runtimeStatus="Odd")


def test_the_enum_has_every_status_under_its_own_name() -> None:
    assert {s.name: s.value for s in OrchestrationRuntimeStatus} == {
        s.value: s.value for s in RuntimeStatus
    }


def test_purge_result() -> None:
    assert PurgeHistoryResult.from_json({"instancesDeleted": 3}).instances_deleted == 3
