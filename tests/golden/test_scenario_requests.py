"""Ours asks storage for no more than the original did, in every recorded scenario.

benchmarks/scenarios.md is the same as a table, written by `python -m benchmarks.requests
--scenarios`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.scenarios import page
from tests.golden.request_plays import NOT_COMPARED, plays
from tests.golden.request_runs import costs, original, recordings, with_own_lease

PAGE = Path(__file__).parents[2] / "benchmarks" / "scenarios.md"


@pytest.mark.parametrize("scenario", sorted(plays()))
def test_a_scenario_costs_at_most_what_it_cost_the_original(scenario: str) -> None:
    found = costs(scenario)
    assert 0 < found.ours.total() <= found.original.total(), found.ours


def test_hello_of_three_steps_takes_at_most_14_requests_as_we_ship_it() -> None:
    assert with_own_lease("01_hello").total() <= 14


def test_every_recording_is_compared_or_it_is_said_why_not() -> None:
    assert plays().keys() | NOT_COMPARED.keys() == recordings()
    assert not plays().keys() & NOT_COMPARED.keys()


def test_the_originals_hello_took_36_requests_and_33_with_sessions() -> None:
    assert original("01_hello").total() == 36
    assert original("21_hello_extended").total() == 33


@pytest.mark.slow
def test_the_page_says_what_a_run_says() -> None:
    assert page() == PAGE.read_text(encoding="utf-8"), (
        "run python -m benchmarks.requests --scenarios"
    )
