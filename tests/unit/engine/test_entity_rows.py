"""What an execution owes to entities and hands over, from its rows alone."""

from __future__ import annotations

from datetime import timedelta

from durable.engine.entity_rows import EntityWire, handed_over, releases_owed
from durable.model.entities import Earlier, OperationRequest, Outgoing, Release
from durable.model.events import EventSent, ExecutionStarted, HistoryEvent
from durable.model.ids import EntityId
from durable.wire import entity_json
from tests.unit.engine.conftest import T0, WIRE
from tests.unit.engine.histories import done, scheduled, started

A, B = EntityId("account", "a"), EntityId("account", "b")
HOUR = timedelta(hours=1)


def row(number: int, target: object, message: OperationRequest | Release) -> EventSent:
    name, text = entity_json.event_of(Outgoing(target=str(target), message=message))
    return EventSent(timestamp=T0, event_id=number, instance_id=str(target), name=name, input=text)


def request(minutes: float = 0, **fields: object) -> OperationRequest:
    return OperationRequest(
        op="x",
        id="r",
        timestamp=T0 + timedelta(minutes=minutes),
        **fields,  # type: ignore[arg-type]  # the test's own
    )


def lock(lock_id: str, *entities: EntityId) -> OperationRequest:
    return OperationRequest(op=None, id=lock_id, parent="i1", lock_set=entities, timestamp=T0)


def owed(*rows: HistoryEvent) -> list[EventSent]:
    return releases_owed(rows, "i1", WIRE, 7, T0)


def test_open_locks_are_released_under_the_next_numbers() -> None:
    free = Release(parent="i1", id="one")
    found = owed(
        scheduled(0),
        row(1, A, lock("one", A, B)),
        row(2, A, free),
        done(0),
        row(3, A, lock("two", A)),
    )
    assert found == [row(7, B, free), row(8, A, Release(parent="i1", id="two"))]


def test_rows_that_tell_entities_nothing_owe_nothing() -> None:
    to_nobody = EventSent(timestamp=T0, event_id=1, instance_id=None, name="op", input="{}")
    broken = EventSent(timestamp=T0, event_id=2, instance_id=str(A), name="op", input="{")
    assert owed(to_nobody, broken, row(3, A, request())) == []


def handed(old: ExecutionStarted, *rows: HistoryEvent, wire: EntityWire = WIRE) -> object:
    return handed_over(rows, old, wire, T0 + HOUR)


def test_the_last_label_of_each_target_is_handed_over() -> None:
    found = handed(
        started("e2"),
        row(0, A, request(58)),
        row(1, A, request(59)),
        row(2, A, request(57)),
        row(3, B, request(50)),
        row(4, B, request(55, due=T0 + HOUR)),
        row(5, B, Release(parent="i1", id="x")),
        row(6, EntityId("old", "x"), request(1)),
    )
    assert found == {
        str(A): Earlier(execution_id="e2", timestamp=T0 + timedelta(minutes=59)),
        str(B): Earlier(execution_id="e2", timestamp=T0 + timedelta(minutes=50)),
    }


def test_what_earlier_executions_handed_over_is_handed_on() -> None:
    before = Earlier(execution_id="e1", timestamp=T0 + timedelta(minutes=45))
    old = ExecutionStarted(
        timestamp=T0,
        instance=started("e2").instance,
        name="o",
        sent_before={str(A): before, str(B): before},
    )
    assert handed(old, row(0, A, request(59))) == {
        str(A): Earlier(execution_id="e2", timestamp=T0 + timedelta(minutes=59)),
        str(B): before,
    }


def test_where_order_is_not_kept_nothing_is_handed_over() -> None:
    wire = EntityWire(texts=entity_json, window=timedelta(0))
    assert handed(started("e2"), row(0, A, request(59)), wire=wire) == {}
