"""Answers that come after a rewind; `test_judgement` shows what becomes of them."""

from __future__ import annotations

from durable.engine.late_answers import is_of_before_rewind
from tests.unit.engine.histories import (
    done,
    ledger,
    raised,
    scheduled,
    started,
    stretch,
    undone,
    waiting,
)

REWOUND = ledger(stretch(started(), undone(0)), stretch(undone()), stretch(scheduled(0)))


def test_only_answers_are_late() -> None:
    assert not is_of_before_rewind(REWOUND, waiting("a", raised("x")).message)


def test_nothing_is_late_where_nothing_was_rewound() -> None:
    book = ledger(stretch(started(), scheduled(0)))
    assert not is_of_before_rewind(book, waiting("a", done(0)).message)
