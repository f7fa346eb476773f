"""How far an instance is behind its checkpoints."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from durable.engine.ledger import Ledger
from durable.engine.owing import is_superseded, names_lineage, owed_from, pending_rewind
from durable.model.history import Rewind, Sentinel
from durable.model.status import InstanceRow, RuntimeStatus
from tests.unit.engine.conftest import T0
from tests.unit.engine.histories import (
    ended,
    ledger,
    pending,
    row,
    scheduled,
    sentinel,
    started,
    stretch,
)

BOOK = ledger(stretch(started(), scheduled(0)), stretch())
TWO = sentinel(sequence=2)


@pytest.mark.parametrize(
    ("guard", "execution_id", "named"),
    [
        (sentinel("e2", first="e1"), "e2", True),
        (sentinel("e2", first="e1"), "e1", True),
        (sentinel("e2", first="e1"), "e3", False),
        (sentinel("e2", first=None), None, False),
        (None, "e1", False),
    ],
)
def test_r5_a_lineage_is_named_by_its_current_and_its_first_execution(
    guard: Sentinel | None, execution_id: str | None, named: bool
) -> None:
    assert names_lineage(guard, execution_id) is named


@pytest.mark.parametrize(
    ("guard", "instance", "superseded"),
    [
        (sentinel("e1"), pending("e2"), True),
        (sentinel("e1"), pending("e1"), False),
        (sentinel("e3", first="e2"), pending("e2"), False),
        (sentinel("e1"), row("e2", status=RuntimeStatus.PENDING, sequence=1), False),
        (sentinel("e1"), row("e2", status=RuntimeStatus.RUNNING, sequence=None), False),
        (sentinel("e1"), None, False),
        (None, pending("e2"), False),
    ],
)
def test_r5_a_newer_pending_row_supersedes(
    guard: Sentinel | None, instance: InstanceRow | None, superseded: bool
) -> None:
    assert is_superseded(guard, instance) is superseded


@pytest.mark.parametrize(
    ("instance", "owed"),
    [
        (row("e1", sequence=2), None),
        (row("e1", sequence=3), None),
        (row("e1", sequence=1), 1),
        (row("e1", sequence=None), 0),
        (None, 0),
    ],
)
def test_r3_an_instance_is_quiet_when_its_row_shows_the_sentinels_sequence(
    instance: InstanceRow | None, owed: int | None
) -> None:
    assert owed_from(BOOK, TWO, instance) == owed


def test_r5_any_other_row_that_differs_is_behind() -> None:
    assert owed_from(BOOK, TWO, row("e0", sequence=9)) == 0
    assert owed_from(BOOK, TWO, row("e0", sequence=None, status=RuntimeStatus.COMPLETED)) == 0


def test_r5_nothing_is_owed_once_a_newer_start_waits() -> None:
    assert owed_from(BOOK, TWO, pending("e2")) is None


def test_r5_the_pending_row_of_the_lines_own_start_is_behind() -> None:
    assert owed_from(BOOK, TWO, pending("e1")) == 0
    assert owed_from(BOOK, sentinel("e5", first="e1"), pending("e1")) == 0


def test_r10_a_dotnet_merge_leaves_owed_what_our_checkpoint_caused() -> None:
    merged = replace(TWO, checkpoint_time=T0 + timedelta(seconds=1))
    assert not merged.is_ours
    assert owed_from(BOOK, merged, row("e1", sequence=1)) == 1
    assert owed_from(BOOK, merged, row("e1", sequence=2)) is None


@pytest.mark.parametrize(
    ("book", "guard"),
    [
        (BOOK, None),
        (BOOK, sentinel(sequence=2, purged=True)),
        (Ledger(), TWO),
        (BOOK, sentinel(sequence=None)),
        (BOOK, sentinel(sequence=0)),
        # The original wrote this execution, and sends before it commits.
        (BOOK, replace(TWO, committed_execution_id="e0")),
    ],
)
def test_nothing_is_owed_without_a_checkpoint_of_ours(book: Ledger, guard: Sentinel | None) -> None:
    assert owed_from(book, guard, None) is None


FAILED = ledger(stretch(started(), ended(RuntimeStatus.FAILED)))
REWIND = Rewind(token="t", execution_id="e1", sequence=1, cut=2)
REWOUND = replace(sentinel(), rewind=REWIND)


def test_a_rewind_is_pending_until_it_is_done() -> None:
    assert pending_rewind(FAILED, REWOUND, row("e1")) is REWIND
    done = replace(REWOUND, rewind=replace(REWIND, is_done=True))
    assert pending_rewind(FAILED, done, row("e1")) is None


@pytest.mark.parametrize(
    ("book", "guard", "instance"),
    [
        (FAILED, None, row("e1")),
        (FAILED, sentinel(), row("e1")),
        (FAILED, replace(REWOUND, purged=True), row("e1")),
        # Somebody else rewound it, or it never failed.
        (BOOK, REWOUND, row("e1")),
        # A newer start waits in the row.
        (FAILED, REWOUND, pending("e2")),
    ],
)
def test_a_rewind_that_has_no_object_is_not_pending(
    book: Ledger, guard: Sentinel | None, instance: InstanceRow
) -> None:
    assert pending_rewind(book, guard, instance) is None
