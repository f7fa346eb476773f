from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from durable.client import OrchestrationRuntimeStatus, asking
from durable.errors import InvalidName, UsageError
from durable.model.status import RuntimeStatus

LATE = datetime.max.replace(tzinfo=timezone(timedelta(hours=-1)))


@pytest.mark.parametrize(
    "instance_id", ["a", "@counter@key", "a/b#c?d\\e\n", "parent:1", "x" * 512]
)
def test_ids_that_others_may_have_made_are_taken_as_they_are(instance_id: str) -> None:
    assert asking.instance(instance_id) == instance_id


@pytest.mark.parametrize(
    ("instance_id", "rule"),
    [
        ("", "must not be empty"),
        (None, "must not be empty"),
        (7, "must be a text, not a int"),
        (b"i", "must be a text, not a bytes"),
        ("x" * 513, "513 characters: too long for storage"),
        ("a\ud800", "half of a surrogate pair"),
    ],
)
def test_ids_that_nobody_can_have_are_refused(instance_id: object, rule: str) -> None:
    with pytest.raises(InvalidName, match=rf"^instance_id .*{rule}"):
        asking.instance(instance_id)


def test_texts() -> None:
    assert asking.required("x", "name") == "x"
    assert [asking.optional(each, "name") for each in ("x", "", None)] == ["x", "", None]
    with pytest.raises(InvalidName, match=r"^name must be a text or None, not a dict\.$"):
        asking.optional({}, "name")


def test_times_become_utc_and_naive_ones_are() -> None:
    noon = datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert asking.moment(None, "since") is None
    assert asking.moment(noon.replace(tzinfo=None), "since") == noon
    east = noon.astimezone(timezone(timedelta(hours=2)))
    assert asking.moment(east, "since") == noon
    with pytest.raises(UsageError, match=r"^since must be a datetime or None, not a str\.$"):
        asking.moment("2026-01-31", "since")
    with pytest.raises(UsageError, match="not a date"):
        asking.moment(noon.date(), "since")
    with pytest.raises(InvalidName, match=r"^since is out of range: 9999-12-31T23:59:59"):
        asking.moment(LATE, "since")


def test_statuses_are_a_list_of_the_enumeration() -> None:
    names = OrchestrationRuntimeStatus
    assert asking.statuses(None) == ()
    assert asking.statuses([]) == ()
    assert asking.statuses({names.Canceled}) == (RuntimeStatus.CANCELED,)
    assert asking.statuses(iter([names.Failed, names.Running])) == (
        RuntimeStatus.FAILED,
        RuntimeStatus.RUNNING,
    )
    for wrong in (names.Failed, "Failed", 3):
        with pytest.raises(UsageError, match=r"^runtime_status must be a list of Orch.*\[Orch"):
            asking.statuses(wrong)
    with pytest.raises(UsageError, match=r"^runtime_status must be .*; a str is in it\.$"):
        asking.statuses([names.Failed, "Failed"])


def test_time_spans_are_finite_and_not_negative() -> None:
    assert (asking.span(0, "timeout"), asking.span(1.5, "timeout")) == (0, 1.5)
    for wrong in (-1, float("nan"), float("inf")):
        with pytest.raises(UsageError, match=r"^timeout is .*; it must be a finite number, 0 or"):
            asking.span(wrong, "timeout")
    for other in ("1", None, True, timedelta(1)):
        with pytest.raises(UsageError, match=r"^timeout must be a number, not a "):
            asking.span(other, "timeout")
