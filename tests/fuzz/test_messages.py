"""Damaged messages stop nobody: not a queue, not an instance, not the process."""

from __future__ import annotations

import random
import re
from functools import cache

import pytest
from hypothesis import given, strategies as st

from tests.fuzz.corpus import Sample, damaged_message, recorded
from tests.fuzz.ours import ours
from tests.fuzz.ward import HEALTHY, Damage, examine, examples, readdressed
from tests.simulation.simloop import run_simulation

pytestmark = pytest.mark.slow

RANDOMS = st.randoms(use_true_random=False)


@cache
def pool() -> tuple[tuple[bool, str], ...]:
    """Every message there is: the original's, the specification's, ours."""
    return tuple(message for sample in (*recorded(), ours()) for message in sample.messages)


@pytest.fixture(autouse=True, scope="module")
def filled_pool() -> None:
    """Made before a loop runs: it takes one of its own."""
    pool()


def some_damage(rng: random.Random) -> list[tuple[bool, str]]:
    made = []
    for _ in range(rng.choice((1, 2, 4, 8))):
        to_workers, text = rng.choice(pool())
        others = [other for _, other in rng.choices(pool(), k=3)]
        if rng.random() < 0.05:
            to_workers = not to_workers
        made.append((to_workers, damaged_message(rng, text, others)))
    return made


@examples(60)
@given(RANDOMS, st.booleans())
def test_damaged_messages_of_others(rng: random.Random, fast: bool) -> None:
    sample = ours() if rng.random() < 0.3 else Sample(name="nothing")
    run_simulation(examine(Damage(sample=sample, messages=some_damage(rng)), fast_path=fast))


@examples(40)
@given(RANDOMS, st.booleans())
def test_damaged_messages_for_a_healthy_instance(rng: random.Random, fast: bool) -> None:
    def for_healthy(execution_id: str | None) -> list[str]:
        made = []
        for _ in range(rng.choice((1, 3, 6))):
            _, text = rng.choice(pool())
            named = rng.choice((execution_id, "0" * 32, None))
            whole = readdressed(text, HEALTHY, named)
            made.append(damaged_message(rng, whole, [rng.choice(pool())[1]]))
        return made

    run_simulation(examine(Damage(for_healthy=for_healthy), fast_path=fast))


def test_the_pool_is_worth_its_name() -> None:
    assert len(pool()) > 800
    texts = [text for _, text in pool()]
    kinds = {kind for text in texts for kind in re.findall(r"History\.(\w+)Event\"", text)}
    assert len(kinds) >= 12, kinds
