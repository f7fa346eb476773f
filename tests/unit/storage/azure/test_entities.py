"""Rows and the SDK's entities."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from azure.data.tables import EdmType, EntityProperty, TableEntity

from durable.errors import CorruptRecord
from durable.model.times import TickTime, tick_of
from durable.storage.azure.entities import to_entity, to_row, to_time
from durable.storage.values import Int64, Row, Value


def test_int64_and_times_carry_their_edm_type() -> None:
    columns: dict[str, Value] = {
        "Long": Int64(5),
        "Int": 5,
        "Time": TickTime.of(datetime(2024, 1, 1, tzinfo=UTC), 3),
    }
    assert to_entity(Row(partition_key="p", row_key="r"), columns) == {
        "PartitionKey": "p",
        "RowKey": "r",
        "Long": EntityProperty(5, EdmType.INT64),
        "Int": 5,
        "Time": EntityProperty("2024-01-01T00:00:00.0000003Z", EdmType.DATETIME),
    }


def test_a_null_column_is_an_absent_one() -> None:
    row = to_row(TableEntity(PartitionKey="p", RowKey="r", A=None, B=1))
    assert row == Row(partition_key="p", row_key="r", columns={"B": 1})


def test_a_type_that_is_not_known_is_a_corrupt_record() -> None:
    strange = TableEntity(PartitionKey="p", RowKey="r", A=EntityProperty("x", "Edm.Strange"))
    with pytest.raises(CorruptRecord, match=r"Column 'A' of row \('p', 'r'\)"):
        to_row(strange)


@pytest.mark.parametrize(
    ("text", "microsecond", "tick"),
    [
        ("2024-01-01T00:00:00.1234567Z", 123456, 7),
        ("2024-01-01T00:00:00.123456Z", 123456, 0),
        ("2024-01-01T00:00:00Z", 0, 0),
    ],
)
def test_the_seventh_decimal_is_read_from_the_services_text(
    text: str, microsecond: int, tick: int
) -> None:
    class Found(datetime):
        tables_service_value = text

    moment = to_time(Found(2024, 1, 1, 0, 0, 0, microsecond, tzinfo=UTC))
    assert type(moment) is (TickTime if tick else datetime)
    assert (moment.microsecond, tick_of(moment)) == (microsecond, tick)
