"""Which version is newer, and which of them a process runs."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from durable.model.versions import (
    VersionFailure,
    VersionMatch,
    VersionPolicy,
    compare_versions,
)
from tests.conformance.conformance import covers

VERSIONS = st.one_of(
    st.none(),
    st.lists(st.integers(0, 12), min_size=1, max_size=5).map(lambda n: ".".join(map(str, n))),
    st.text(st.sampled_from("aAbB.-_019 é"), max_size=6),
)


@covers("dtfx-8.6-108")
@pytest.mark.parametrize(
    ("one", "other", "order"),
    [
        # DurableTask.Core's own cases.
        ("1.0.0", "1.0.0", 0),
        ("1.1.0", "1.0.0", 1),
        ("1.0.0", "1.1.0", -1),
        ("1", "1", 0),
        ("2", "1", 1),
        ("1", "2", -1),
        ("", "1", -1),
        ("1", "", 1),
        ("", "", 0),
        # None and blanks are no version.
        (None, "", 0),
        ("  ", None, 0),
        (None, "0", -1),
        # Number by number, leading zeros or not; fewer are older.
        ("1.10", "1.9", 1),
        ("01.2", "1.02", 0),
        ("1.0", "1.0.0", -1),
        ("10", "9", 1),
        ("1.2.3.4.10", "1.2.3.4.9", 1),
        ("9" * 5000, "1" + "0" * 5000, -1),
        # Text otherwise, whatever its case.
        ("v2", "V2", 0),
        ("v10", "v9", -1),
        ("2025-01-01", "2024-12-31", 1),
        ("1.0-beta", "1.0", 1),
        ("1..0", "1.0", -1),
        ("a_", "ab", 1),
    ],
)
def test_versions_are_compared_as_the_original_does(
    one: str | None, other: str | None, order: int
) -> None:
    assert compare_versions(one, other) == order
    assert compare_versions(other, one) == -order


@given(VERSIONS, VERSIONS)
def test_swapped_versions_compare_the_other_way_round(one: str | None, other: str | None) -> None:
    assert compare_versions(one, other) == -compare_versions(other, one)
    assert compare_versions(one, one) == 0


@pytest.mark.parametrize(
    ("match", "own", "run", "left"),
    [
        (VersionMatch.NONE, "1.0", [None, "", "1.0", "9"], []),
        (VersionMatch.STRICT, "1.0", ["1.0"], [None, "", "1", "1.0.0", "2.0"]),
        (VersionMatch.STRICT, "", [None, ""], ["0"]),
        (VersionMatch.CURRENT_OR_OLDER, "1.5", [None, "", "1.5", "1.4.9", "0"], ["1.5.1", "2"]),
        (VersionMatch.CURRENT_OR_OLDER, "", [None, ""], ["0", "a"]),
    ],
)
def test_a_process_runs_the_versions_that_its_strategy_names(
    match: VersionMatch, own: str, run: list[str | None], left: list[str | None]
) -> None:
    rejecting = VersionPolicy(version=own, match=match)
    failing = VersionPolicy(version=own, match=match, failure=VersionFailure.FAIL)
    assert [v for v in [*run, *left] if rejecting.runs(v)] == run
    assert [v for v in [*run, *left] if rejecting.leaves(v)] == left
    assert not any(failing.leaves(version) for version in [*run, *left])


def test_the_defaults_and_texts_are_the_originals() -> None:
    assert VersionPolicy() == VersionPolicy(
        version="", match=VersionMatch.CURRENT_OR_OLDER, failure=VersionFailure.REJECT
    )
    assert [str(each) for each in VersionMatch] == ["None", "Strict", "CurrentOrOlder"]
    assert [str(each) for each in VersionFailure] == ["Reject", "Fail"]


def test_a_start_that_names_no_version_gets_the_process_own() -> None:
    policy = VersionPolicy(version="2.0")
    assert [policy.stamp(version) for version in (None, "", "1.0")] == ["2.0", "", "1.0"]
