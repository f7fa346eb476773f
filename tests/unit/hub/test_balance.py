"""What one worker writes, given the rows it read."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest

from durable.hub.balance import Plan, SeenLease, WorkerState, plan_pass
from durable.wire.lease_rows import PartitionLease

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
ME = "me"


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


def row(
    queue: str,
    owner: str | None = None,
    to: str | None = None,
    *,
    age: float = 5.0,
    since: float = 100.0,
    draining: bool = False,
    unchanged: float = 0.0,
    never: bool = False,
) -> SeenLease:
    """`owner`'s row, renewed `age` seconds ago; `to` is the next owner."""
    renewed = NOW - seconds(age)
    lease = PartitionLease(
        queue=queue,
        current_owner=owner,
        next_owner=to,
        owned_since=None if never else NOW - seconds(since),
        last_renewal=None if never else renewed,
        expires_at=None if never else renewed + seconds(30),
        is_draining=draining,
        etag=f"etag of {queue}",
    )
    return SeenLease(lease=lease, unchanged_seconds=unchanged)


def rows(owners: str, **more: float) -> list[SeenLease]:
    """Rows q0, q1...; a letter is a worker (``m``: me), a dot nobody."""
    names = {".": None, "m": ME}
    return [row(f"q{n}", names.get(each, each), **more) for n, each in enumerate(owners)]  # type: ignore[arg-type]


def plan(
    seen: Iterable[SeenLease],
    *,
    stopping: bool = False,
    confirmed: Iterable[str] | None = None,
    drained: Iterable[str] = (),
) -> Plan:
    seen = list(seen)
    if confirmed is None:
        confirmed = [each.lease.queue for each in seen if each.lease.current_owner == ME]
    worker = WorkerState(
        worker_id=ME,
        stopping=stopping,
        confirmed=frozenset(confirmed),
        drained=frozenset(drained),
    )
    return plan_pass(seen, worker, NOW)


def claims(made: Plan) -> list[str]:
    return [lease.queue for lease in made.taken if lease.current_owner == ME]


def marks(made: Plan) -> list[str]:
    return [lease.queue for lease in made.taken if lease.current_owner != ME]


def test_a_lone_worker_claims_all() -> None:
    made = plan([row("q0", never=True), row("q1", never=True)])
    assert claims(made) == ["q0", "q1"]
    assert made.taken[0] == PartitionLease(
        queue="q0",
        current_owner=ME,
        owned_since=NOW,
        last_renewal=NOW,
        expires_at=NOW + seconds(30),
        etag="etag of q0",
    )
    # What it claimed it owns once the claim is answered.
    assert made.served == frozenset()
    assert made.pause_seconds == 2


def test_a_renewal_keeps_all_but_the_times() -> None:
    made = plan([row("q0", ME, age=10)])
    assert made.own == (
        PartitionLease(
            queue="q0",
            current_owner=ME,
            owned_since=NOW - seconds(100),
            last_renewal=NOW,
            expires_at=NOW + seconds(30),
            etag="etag of q0",
        ),
    )
    assert made.served == {"q0"}
    assert made.taken == ()
    assert made.pause_seconds == 10


def test_a_fresh_renewal_is_not_repeated_unless_it_was_not_ours() -> None:
    assert plan([row("q0", ME, age=3)]).own == ()
    assert plan([row("q0", ME, age=3)]).pause_seconds == 7
    assert len(plan([row("q0", ME, age=3)], confirmed=[]).own) == 1
    # Written by a clock that was ahead, or never.
    assert len(plan([row("q0", ME, age=-20)]).own) == 1
    assert len(plan([row("q0", ME, never=True)]).own) == 1


def test_a_worker_that_nobody_took_from_keeps_an_expired_row() -> None:
    made = plan([row("q0", ME, age=90)])
    assert [lease.owned_since for lease in made.own] == [NOW - seconds(100)]
    assert made.taken == ()


def test_a_row_left_draining_by_a_run_before_is_kept() -> None:
    made = plan([row("q0", ME, draining=True)], confirmed=[])
    assert [(each.is_draining, each.next_owner) for each in made.own] == [(False, None)]
    assert made.served == {"q0"}
    made = plan([row("q0", ME, ME)], confirmed=[])
    assert [each.next_owner for each in made.own] == [None]


def test_a_row_that_another_wants_is_drained_then_given_back() -> None:
    first = plan([row("q0", ME, "b")])
    assert first.draining == {"q0"}
    assert first.served == frozenset()
    assert first.pause_seconds == 1
    (marked,) = first.own
    assert (marked.current_owner, marked.next_owner, marked.is_draining) == (ME, "b", True)
    assert marked.last_renewal == NOW
    # Not drained yet: renewed when due, and not more often.
    assert plan([row("q0", ME, "b", draining=True)]).own == ()
    (again,) = plan([row("q0", ME, "b", draining=True, age=9)]).own
    assert (again.last_renewal, again.next_owner, again.is_draining) == (NOW, "b", True)
    last = plan([row("q0", ME, "b", draining=True)], drained=["q0"])
    (given,) = last.own
    assert (given.current_owner, given.next_owner, given.is_draining) == (None, "b", False)
    assert given.last_renewal == NOW - seconds(5)
    assert last.draining == {"q0"}


def test_drained_before_it_is_marked_is_marked_first() -> None:
    (marked,) = plan([row("q0", ME, "b")], drained=["q0"]).own
    assert (marked.current_owner, marked.is_draining) == (ME, True)


def test_a_stopping_worker_gives_all_back_and_takes_nothing() -> None:
    seen = [row("q0", ME), row("q1", ME, draining=True), row("q2"), row("q3", "b", ME)]
    made = plan(seen, stopping=True, drained=["q1"])
    assert [(each.queue, each.current_owner, each.is_draining) for each in made.own] == [
        ("q0", ME, True),
        ("q1", None, False),
    ]
    assert made.taken == ()
    assert made.served == frozenset()
    assert made.draining == {"q0", "q1"}
    assert made.pause_seconds == 1


@pytest.mark.parametrize(
    ("owners", "marked"),
    [
        ("aaaa", ["q0", "q1"]),
        ("aaaaa", ["q0", "q1"]),
        ("aaa", ["q0"]),
        ("a", []),
        ("ab", []),
        ("aab", ["q0"]),
        ("aabb", ["q0"]),
        ("aaabm", ["q0"]),
        ("aammb", []),
        ("aaaabbbb", ["q0", "q4"]),
        ("aaaabb", ["q0", "q1"]),
        ("aaaaaammm", ["q0"]),
        ("aaaaammm", ["q0"]),
        ("aaaammm", []),
    ],
)
def test_what_is_taken_from_those_who_have_more(owners: str, marked: list[str]) -> None:
    made = plan(rows(owners))
    assert marks(made) == marked
    assert claims(made) == []
    assert all(each.next_owner == ME for each in made.taken)
    assert made.pause_seconds == (1 if marked else min(10, made.pause_seconds))


def test_a_mark_changes_nothing_else() -> None:
    (marked,) = plan(rows("aa")).taken
    assert marked == PartitionLease(
        queue="q0",
        current_owner="a",
        next_owner=ME,
        owned_since=NOW - seconds(100),
        last_renewal=NOW - seconds(5),
        expires_at=NOW + seconds(25),
        etag="etag of q0",
    )


def test_what_is_on_its_way_counts_for_the_next_owner_and_is_taken_first() -> None:
    seen = [row("q0", "b"), row("q1", "a", "b"), row("q2", "b"), row("q3", "a")]
    assert marks(plan(seen)) == ["q1"]
    # Mine by and by: enough. And I look whether it is given back.
    made = plan([row("q0", "a", ME), row("q1", "a"), row("q2", "a", ME), row("q3", "a")])
    assert made.taken == ()
    assert made.pause_seconds == 1


def test_what_was_given_back_for_me_is_claimed() -> None:
    seen = [row("q0", None, ME), row("q1", "a")]
    assert claims(plan(seen)) == ["q0"]
    assert [each.next_owner for each in plan(seen).taken] == [None]
    assert claims(plan([row("q0", "a", ME, age=31, unchanged=9), row("q1", "b")])) == ["q0"]


@pytest.mark.parametrize(
    ("owners", "claimed"),
    [
        ("..aa", ["q0", "q1"]),
        (".aab", ["q0"]),
        (".mma", []),  # a has fewer
        (".mmaa", ["q0"]),  # one may have three
        (".mmaaa", ["q0"]),
        (".mmaaabb", ["q0"]),
        (".mmmaabb", []),
        ("...maabb", ["q0", "q1"]),  # the third is somebody else's
    ],
)
def test_of_what_is_free_a_worker_claims_its_share(owners: str, claimed: list[str]) -> None:
    made = plan(rows(owners))
    assert claims(made) == claimed
    if "." in owners and not claimed:
        assert made.pause_seconds <= 2 + 2
    late = plan(rows(owners, unchanged=3))
    assert claims(late) == [f"q{n}" for n, each in enumerate(owners) if each == "."]


def test_an_expired_row_is_free() -> None:
    seen = [row("q0", "dead", age=30, unchanged=25), row("q1", "dead", age=29)]
    assert claims(plan(seen)) == ["q0"]
    # The rest is looked at when it is due.
    assert plan([row("q0", "a", age=29), row("q1", ME)]).pause_seconds == pytest.approx(1.5)


def test_an_owner_whose_clock_is_ahead_dies_all_the_same() -> None:
    assert claims(plan([row("q0", "dead", age=-3600, unchanged=34)])) == []
    assert claims(plan([row("q0", "dead", age=-3600, unchanged=35)])) == ["q0"]


def test_an_expiry_without_a_renewal_counts() -> None:
    lease = PartitionLease(queue="q0", current_owner="a", expires_at=NOW, etag="e")
    assert claims(plan([SeenLease(lease=lease)])) == ["q0"]


@pytest.mark.parametrize(
    ("renewed", "expires"),
    [
        (None, None),
        (NOW, None),
        (None, datetime.max.replace(tzinfo=UTC)),
        (NOW, datetime.max.replace(tzinfo=UTC)),
        (datetime.max.replace(tzinfo=UTC), NOW + seconds(60)),
    ],
)
def test_no_damaged_row_holds_its_queue_for_ever(
    renewed: datetime | None, expires: datetime | None
) -> None:
    lease = PartitionLease(
        queue="q0", current_owner="a", last_renewal=renewed, expires_at=expires, etag="e"
    )
    # An owner that lives would have renewed it: every ten seconds, as the original does.
    assert plan([SeenLease(lease=lease, unchanged_seconds=300)]).taken == ()
    assert claims(plan([SeenLease(lease=lease, unchanged_seconds=306)])) == ["q0"]


def test_what_is_given_back_for_a_worker_that_does_not_come_is_free() -> None:
    assert plan([row("q0", None, "b"), row("q1", ME)]).taken == ()
    waits = plan([row("q0", None, "b", unchanged=2), row("q1", ME)])
    assert waits.taken == ()
    assert waits.pause_seconds == pytest.approx(3.3)
    assert claims(plan([row("q0", None, "b", unchanged=5), row("q1", ME)])) == ["q0"]


def test_the_rows_of_a_stopping_owner_are_marked_up_to_the_share() -> None:
    seen = [row(f"q{n}", "a", draining=True) for n in range(3)] + [row("q3", ME), row("q4", "b")]
    made = plan(seen)
    assert marks(made) == ["q0", "q1"]
    assert claims(made) == []
    assert made.pause_seconds == 1


def test_after_a_change_the_next_look_is_soon() -> None:
    assert plan([row("q0", "a", since=3), row("q1", ME)]).pause_seconds == pytest.approx(2.3)
    assert plan([row("q0", "a", since=9), row("q1", ME)]).pause_seconds == 5
    # Who has less looks earlier.
    late = rows("mmmmmmmma", age=28)
    assert plan(late).pause_seconds > plan(rows("ma", age=28)).pause_seconds
    never = SeenLease(lease=PartitionLease(queue="q0", current_owner="a", etag="e"))
    assert plan([never, row("q1", ME, age=0)]).pause_seconds == 10
    assert plan([]).pause_seconds == 10
