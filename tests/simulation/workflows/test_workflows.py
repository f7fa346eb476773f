"""Random workflows on the simulated hub: all seeds that ever failed, and new ones in each run.

A wrong seed is shown, and what happened in it, by ``python -m tests.simulation.workflows --seed N
--trace``. DURABLE_SIM_FROM and DURABLE_SIM_SEEDS say which seeds to run instead of new ones.
"""

from __future__ import annotations

import os
import pathlib
import random

import pytest

from tests.simulation.workflows.report import figures_of

pytestmark = [pytest.mark.slow, pytest.mark.sweep, pytest.mark.timeout(600)]

_CHUNKS = 8
_SEEDS = int(os.environ.get("DURABLE_SIM_SEEDS", "304"))
#: Beyond those that `make sim` runs.
_NEW = 1_000_000

#: Where each mistake is found, soon. The others of `MUTATIONS` are found, too, but it takes long:
#: they get something stuck (memory_refuses at 6, row_not_repaired at 46), or are rare.
FOUND_FROM = {
    "messages_before_history": 1,
    "inbox_deleted_first": 20,
    "no_etag": 19,
    "events_not_told_apart": 20,
    "locks_not_released": 12,
    "frees_forgotten": 825,
}
_LOOKS = 30


def failed_seeds() -> list[int]:
    """Those of failed_seeds.txt."""
    text = (pathlib.Path(__file__).parent / "failed_seeds.txt").read_text()
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [int(line) for line in lines if line]


def first_new_seed() -> int:
    """Another one in each run."""
    given = os.environ.get("DURABLE_SIM_FROM")
    return int(given) if given else _NEW + random.SystemRandom().randrange(1_000_000_000)


def wrong_in(seeds: list[int]) -> list[str]:
    return [
        f"seed {seed}: {what} (python -m tests.simulation.workflows --seed {seed} --trace)"
        for seed in seeds
        for what in figures_of(seed).wrong.get(seed, [])[:3]
    ]


@pytest.mark.parametrize("chunk", range(4))
def test_seeds_that_once_failed(chunk: int) -> None:
    assert wrong_in(failed_seeds()[chunk::4]) == []


@pytest.mark.parametrize("chunk", range(_CHUNKS))
def test_new_seeds(chunk: int) -> None:
    count = -(-_SEEDS // _CHUNKS)
    first = first_new_seed() + chunk * count
    print(f"seeds from {first}: DURABLE_SIM_FROM={first} DURABLE_SIM_SEEDS={count}")
    assert wrong_in(list(range(first, first + count))) == []


@pytest.mark.parametrize("name", FOUND_FROM)
def test_a_mistake_in_the_engine_is_found(name: str) -> None:
    """Within a few seeds; and the same seed finds nothing without it."""
    first = FOUND_FROM[name]
    found = next(
        (seed for seed in range(first, first + _LOOKS) if figures_of(seed, name).wrong), None
    )
    assert found is not None
    assert figures_of(found).wrong == {}
