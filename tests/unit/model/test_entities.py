"""Entities' words: kinds of events, requests."""

from __future__ import annotations

import pytest

from durable.model.entities import EventKind, OperationRequest, event_kind
from durable.model.ids import EntityId


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("op", EventKind.REQUEST),
        ("op@2024-01-02T03:04:05.0000000Z", EventKind.REQUEST),
        ("operation", EventKind.REQUEST),
        ("release", EventKind.RELEASE),
        ("continue", EventKind.CONTINUE),
        ("Release", EventKind.CONTINUE),
        ("", EventKind.CONTINUE),
        (None, EventKind.CONTINUE),
    ],
)
def test_an_events_name_tells_what_it_means(name: str | None, kind: EventKind) -> None:
    assert event_kind(name) is kind


def test_a_request_with_a_lock_set_asks_for_a_lock() -> None:
    assert not OperationRequest(op="add", id="1").is_lock
    assert OperationRequest(op=None, id="1", lock_set=(EntityId("a", "b"),)).is_lock
