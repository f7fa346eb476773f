from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st

from durable.errors import CorruptRecord
from durable.model.history import RecentIdentity, Rewind, Sentinel
from durable.model.times import TickTime
from durable.wire.fields import Column
from durable.wire.sentinel_rows import (
    decode_identities,
    decode_sentinel,
    encode_identities,
    encode_sentinel,
)
from durable.wire.spill import IDENTITIES, blobs_of, oversized, with_blob, with_text
from tests.unit.wire.conftest import INT32, MOMENTS

NOW = datetime(2024, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
THEIRS = Sentinel(execution_id="x", is_checkpoint_complete=True, checkpoint_time=NOW)
OURS = replace(
    THEIRS,
    sequence=3,
    committed_count=12,
    committed_stamp=NOW,
    committed_execution_id="x",
    first_execution_id="f",
)
TEXTS = st.none() | st.text(min_size=1, max_size=5)
IDENTITY_LISTS = st.lists(
    st.builds(
        RecentIdentity,
        identity=st.text(max_size=5),
        consumed_at=st.integers(0, 10**13).map(
            lambda milliseconds: (
                datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
            )
        ),
    ),
    max_size=3,
).map(tuple)
OUR_SENTINELS = st.builds(
    Sentinel,
    execution_id=st.text(max_size=5),
    is_checkpoint_complete=st.booleans(),
    checkpoint_time=MOMENTS,
    sequence=INT32,
    committed_count=INT32,
    committed_stamp=MOMENTS,
    committed_execution_id=TEXTS,
    first_execution_id=TEXTS,
    sent_by=TEXTS,
    purged=st.booleans(),
    identities=IDENTITY_LISTS,
) | st.builds(
    Sentinel,
    execution_id=st.text(max_size=5),
    is_checkpoint_complete=st.booleans(),
    checkpoint_time=MOMENTS,
    sequence=INT32,
    committed_count=INT32,
    committed_stamp=MOMENTS,
    identities_blob=st.text(min_size=1, max_size=5),
)


def merged(old: dict[str, Column], new: dict[str, Column]) -> Sentinel:
    return decode_sentinel(old | new, None, None)


@given(OUR_SENTINELS, OUR_SENTINELS)
def test_a_merge_over_any_sentinel_of_ours_reads_as_what_was_merged(
    old: Sentinel, new: Sentinel
) -> None:
    assert merged(encode_sentinel(old), encode_sentinel(new)) == new


def test_theirs_has_three_columns() -> None:
    assert encode_sentinel(THEIRS) == {
        "ExecutionId": "x",
        "IsCheckpointComplete": True,
        "CheckpointCompletedTimestamp": NOW,
    }
    first = Sentinel(execution_id="x", is_checkpoint_complete=False)
    assert encode_sentinel(first) == {"ExecutionId": "x", "IsCheckpointComplete": False}


def test_ours_says_what_is_empty() -> None:
    assert encode_sentinel(OURS) == {
        "ExecutionId": "x",
        "IsCheckpointComplete": True,
        "CheckpointCompletedTimestamp": NOW,
        "CheckpointSequence": 3,
        "CommittedCount": 12,
        "CommittedStamp": NOW,
        "CommittedExecutionId": "x",
        "FirstExecutionId": "f",
        "SentBy": "",
        "Purged": False,
        "RecentIdentities": "[]",
        "RecentIdentitiesBlobName": "",
    }


def test_a_tombstone() -> None:
    tombstone = Sentinel(execution_id="x", first_execution_id="f", purged=True)
    columns = encode_sentinel(tombstone)
    assert columns["Purged"] is True
    assert "CheckpointSequence" not in columns
    assert decode_sentinel(columns, "e", NOW) == replace(tombstone, etag="e", timestamp=NOW)


def test_a_dotnet_merge_leaves_our_columns_but_they_hold_no_more() -> None:
    assert OURS.is_ours
    later = replace(THEIRS, checkpoint_time=NOW + timedelta(seconds=1))
    sentinel = merged(encode_sentinel(OURS), encode_sentinel(later))
    assert sentinel.sequence == 3
    assert not sentinel.is_ours


def test_identities_are_pairs_of_text_and_milliseconds() -> None:
    identities = (
        RecentIdentity(identity="s:x:1", consumed_at=TickTime.of(NOW, 9)),
        RecentIdentity(identity="é", consumed_at=datetime(1970, 1, 1, tzinfo=UTC)),
    )
    columns = encode_sentinel(replace(OURS, identities=identities))
    assert columns[IDENTITIES] == '[["s:x:1",1704164645678],["é",0]]'
    assert decode_sentinel(columns, None, None).identities == identities
    assert decode_identities(encode_identities(identities)) == identities


def test_identities_that_spilled_are_named_and_not_read() -> None:
    many = tuple(RecentIdentity(identity=f"{it:040}", consumed_at=NOW) for it in range(1000))
    columns = encode_sentinel(replace(OURS, identities=many))
    assert oversized(columns) == (IDENTITIES,)
    text = str(columns[IDENTITIES])
    spilled = with_blob(columns, IDENTITIES, "blob")
    sentinel = decode_sentinel(spilled, None, None)
    assert (sentinel.identities, sentinel.identities_blob) == ((), "blob")
    assert encode_sentinel(sentinel) == spilled
    assert blobs_of(spilled) == {IDENTITIES: "blob"}
    assert decode_sentinel(with_text(spilled, IDENTITIES, text), None, None).identities == many
    assert decode_identities(text) == many


def test_a_sentinel_that_knows_its_blob_writes_only_the_name() -> None:
    loaded = replace(
        OURS, identities=(RecentIdentity(identity="a", consumed_at=NOW),), identities_blob="blob"
    )
    columns = encode_sentinel(loaded)
    assert (columns[IDENTITIES], columns["RecentIdentitiesBlobName"]) == ("", "blob")
    assert encode_sentinel(loaded, identities=encode_identities(loaded.identities)) == columns


def test_a_list_that_was_encoded_before_is_not_encoded_again() -> None:
    sentinel = replace(OURS, identities=(RecentIdentity(identity="a", consumed_at=NOW),))
    text = encode_identities(sentinel.identities)
    assert encode_sentinel(sentinel, identities=text) == encode_sentinel(sentinel)
    assert encode_sentinel(sentinel, identities="[]")[IDENTITIES] == "[]"


@pytest.mark.parametrize(
    "text",
    ["{}", "5", "[5]", '[["a"]]', '[["a",1,2]]', '[["a",true]]', "[[1,1]]", '[["a",1e3]]', "["],
)
def test_other_lists_are_corrupt(text: str) -> None:
    with pytest.raises(CorruptRecord, match="RecentIdentities"):
        decode_identities(text)
    with pytest.raises(CorruptRecord, match="RecentIdentities"):
        decode_sentinel({IDENTITIES: text}, None, None)


def test_times_out_of_range_are_corrupt() -> None:
    with pytest.raises(CorruptRecord, match="a time out of range"):
        decode_identities('[["a",99999999999999999]]')


def test_no_list_is_an_empty_one() -> None:
    assert decode_identities("null") == ()


@pytest.mark.parametrize(
    "columns",
    [{"ExecutionId": 1}, {"IsCheckpointComplete": "true"}, {"CommittedCount": "1"}, {"Purged": 1}],
)
def test_a_malformed_row_is_corrupt(columns: dict[str, Column]) -> None:
    with pytest.raises(CorruptRecord, match="History row sentinel"):
        decode_sentinel(columns, None, None)


REWIND = Rewind(
    token="t", execution_id="x", sequence=4, cut=9, reason="wh\u00e9\n", rows=3, is_done=True
)


@pytest.mark.parametrize("rewind", [REWIND, Rewind(token="", execution_id="x", sequence=0, cut=0)])
@pytest.mark.parametrize("sentinel", [OURS, THEIRS])
def test_a_rewind_comes_back_whoever_wrote_the_sentinel(sentinel: Sentinel, rewind: Rewind) -> None:
    sentinel = replace(sentinel, rewind=rewind)
    columns = encode_sentinel(sentinel)
    assert decode_sentinel(columns, None, None) == sentinel
    assert "Rewind" not in encode_sentinel(replace(sentinel, rewind=None))


def test_the_rewind_of_another_execution_means_nothing() -> None:
    """A merge can't take the column away, so it names its execution."""
    columns = encode_sentinel(replace(OURS, rewind=REWIND)) | {"ExecutionId": "y"}
    assert decode_sentinel(columns, None, None).rewind is None
    assert decode_sentinel(columns | {"Rewind": ""}, None, None).rewind is None


@pytest.mark.parametrize("text", ["[]", "{}", '{"Token":"t"}', "{"])
def test_a_rewind_that_cannot_be_understood(text: str) -> None:
    with pytest.raises(CorruptRecord, match="Rewind"):
        decode_sentinel(encode_sentinel(OURS) | {"Rewind": text}, None, None)
