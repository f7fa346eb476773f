from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from durable.authoring.guids import Guids


def test_ids_are_those_of_azure_functions_durable_bit_for_bit() -> None:
    """Recorded by running 1.7 (engine-semantics 7.6)."""
    guids = Guids("abc")
    now = datetime(2024, 1, 1, tzinfo=UTC)
    assert guids.new_uuid(now) == "a5b06ea6-1041-5f2e-b65a-9b6fcffbff95"
    assert guids.new_guid(now) == UUID("2e030efc-be42-5244-9af5-d3c02f22845f")


def test_ids_differ_by_counter_time_and_instance() -> None:
    now = datetime(2024, 1, 1, tzinfo=UTC)
    one = Guids("abc")
    made = {one.new_uuid(now), one.new_uuid(now), Guids("abd").new_uuid(now)}
    made.add(Guids("abc").new_uuid(now.replace(second=1)))
    assert len(made) == 4
