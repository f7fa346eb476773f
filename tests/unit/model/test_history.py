"""The sentinel's own columns, and when they hold."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from durable.model.events import OrchestratorStarted
from durable.model.history import History, Sentinel, StoredEvent
from durable.model.times import NO_TIME

STAMP = datetime(2024, 1, 1, tzinfo=UTC)
OURS = Sentinel(
    execution_id="e1",
    checkpoint_time=STAMP,
    committed_stamp=STAMP,
    committed_execution_id="e1",
)


def test_our_columns_hold_while_stamp_and_execution_agree() -> None:
    assert OURS.is_ours


def test_r10_our_columns_hold_no_more_after_a_merge_by_dotnet() -> None:
    assert not replace(OURS, checkpoint_time=STAMP + timedelta(seconds=1)).is_ours
    assert not replace(OURS, execution_id="e2").is_ours


def test_a_sentinel_that_dotnet_made_is_not_ours() -> None:
    assert not Sentinel(execution_id="e1", checkpoint_time=STAMP).is_ours
    assert not Sentinel(execution_id="e1").is_ours


def test_an_empty_history_has_neither_events_nor_sentinel() -> None:
    assert History() == History(events=(), sentinel=None)


def test_a_stored_event_without_large_properties_names_no_blobs() -> None:
    stored = StoredEvent(event=OrchestratorStarted(timestamp=NO_TIME))
    assert dict(stored.blobs) == {}
