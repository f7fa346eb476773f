from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, strategies as st

from durable.errors import CorruptRecord
from durable.wire.lease_rows import (
    AppLeaseInfo,
    PartitionLease,
    TaskHubInfo,
    app_lease_id,
    decode_app_lease_info,
    decode_lease,
    decode_task_hub_info,
    encode_app_lease_info,
    encode_lease,
    encode_task_hub_info,
)
from tests.unit.wire.conftest import MOMENTS, OPTIONAL

NOW = datetime(2024, 1, 2, 3, 4, 5, 123456, tzinfo=UTC)


@given(
    st.builds(
        PartitionLease,
        queue=st.just("myhub-control-00"),
        current_owner=OPTIONAL,
        next_owner=OPTIONAL,
        owned_since=st.none() | MOMENTS,
        last_renewal=st.none() | MOMENTS,
        expires_at=st.none() | MOMENTS,
        is_draining=st.booleans(),
        etag=OPTIONAL,
    )
)
def test_leases_come_back(lease: PartitionLease) -> None:
    assert decode_lease(lease.queue, encode_lease(lease), lease.etag) == lease


def test_a_fresh_lease_says_only_that_it_is_not_draining() -> None:
    assert encode_lease(PartitionLease(queue="q")) == {"IsDraining": False}
    assert decode_lease("q", {}, None) == PartitionLease(queue="q")


def test_an_owned_lease() -> None:
    lease = PartitionLease(
        queue="q", current_owner="W1", next_owner="W2", owned_since=NOW, expires_at=NOW
    )
    assert encode_lease(lease) == {
        "CurrentOwner": "W1",
        "NextOwner": "W2",
        "OwnedSince": NOW,
        "ExpiresAt": NOW,
        "IsDraining": False,
    }


def test_a_malformed_lease_is_corrupt() -> None:
    with pytest.raises(CorruptRecord, match=r"Partitions row 'q'\.IsDraining"):
        decode_lease("q", {"IsDraining": "no"}, None)


def test_app_lease_ids() -> None:
    assert app_lease_id("MyApp") == "828293a6-0000-0000-0000-000000000000"
    assert app_lease_id("") == "811c9dc5-0000-0000-0000-000000000000"


def test_app_lease_info() -> None:
    assert encode_app_lease_info(AppLeaseInfo()) == "{}"
    assert decode_app_lease_info("{}") == AppLeaseInfo()
    info = AppLeaseInfo(owner_id="a")
    assert encode_app_lease_info(info) == '{"OwnerId":"a","DesiredSwapId":null}'
    assert decode_app_lease_info('{"OwnerId":"a","DesiredSwapId":null}') == info


def test_task_hub_info() -> None:
    info = TaskHubInfo(name="MyHub", created_at=NOW, partition_count=4)
    text = '{"TaskHubName":"MyHub","CreatedAt":"2024-01-02T03:04:05.123456Z","PartitionCount":4}'
    assert encode_task_hub_info(info) == text
    assert decode_task_hub_info(text) == info


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"TaskHubName":"x","CreatedAt":"y"}'])
def test_a_malformed_hub_info_is_corrupt(text: str) -> None:
    with pytest.raises(CorruptRecord, match=r"^taskhub\.json"):
        decode_task_hub_info(text)


@pytest.mark.parametrize("text", ["x", "5", '{"OwnerId":5}'])
def test_a_malformed_lease_info_is_corrupt(text: str) -> None:
    with pytest.raises(CorruptRecord, match=r"^App lease info"):
        decode_app_lease_info(text)
