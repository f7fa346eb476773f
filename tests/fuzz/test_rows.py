"""Damaged rows and blobs stop only their own instance, and are kept for whoever repairs them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given, strategies as st

from durable.storage.values import Row
from tests.fuzz.corpus import Sample, damaged_blob, damaged_rows, recorded
from tests.fuzz.ours import ours
from tests.fuzz.ward import Damage, examine, examples
from tests.simulation.simloop import run_simulation

pytestmark = pytest.mark.slow

RANDOMS = st.randoms(use_true_random=False)


@cache
def samples() -> tuple[Sample, ...]:
    """Ours, and the original's with rows."""
    return (ours(), *(each for each in recorded() if each.history or each.instances))


@pytest.fixture(autouse=True, scope="module")
def warm() -> None:
    """Made before a loop runs: it takes one of its own."""
    samples()


def chosen(rng: random.Random) -> Sample:
    """A few instances, ours as often as the original's; with whom they belong."""
    if rng.random() < 0.4:
        return rng.choice(samples())
    sample = samples()[0]
    few = set(rng.sample(sample.instance_ids, k=3))
    return _only(sample, few)


def _only(sample: Sample, ids: set[str]) -> Sample:
    def of(rows: Sequence[Row]) -> tuple[Row, ...]:
        return tuple(row for row in rows if row.partition_key in ids)

    return replace(
        sample,
        history=of(sample.history),
        instances=of(sample.instances),
        messages=tuple(m for m in sample.messages if any(f'"{each}"' in m[1] for each in ids)),
    )


def damaged_history(rng: random.Random, sample: Sample) -> Sample:
    """With damaged rows of histories, or of the Instances table, or of both."""
    strangers = samples()[0].history[:20]
    which = rng.randrange(4)
    history, instances = sample.history, sample.instances
    if which != 1:
        history = tuple(damaged_rows(rng, history, strangers))
    if which in {1, 2}:
        instances = tuple(damaged_rows(rng, instances, strangers))
    return replace(sample, history=history, instances=instances)


def damaged_blobs(rng: random.Random, sample: Sample) -> Sample:
    others = [data for _, data in samples()[0].blobs]
    made = []
    for name, data in sample.blobs:
        changed = damaged_blob(rng, data, others) if rng.random() < 0.7 else data
        if changed is not None:
            made.append((name, changed))
    return replace(sample, blobs=tuple(made))


def sound_messages(rng: random.Random, sample: Sample) -> list[tuple[bool, str]]:
    """What somebody sends the damaged instances: what they were sent before."""
    if not sample.messages:
        return []
    return [rng.choice(sample.messages) for _ in range(rng.randrange(5))]


@examples(60)
@given(RANDOMS, st.booleans())
def test_damaged_rows(rng: random.Random, fast: bool) -> None:
    sample = damaged_history(rng, chosen(rng))
    messages = sound_messages(rng, sample)
    run_simulation(examine(Damage(sample=sample, messages=messages), fast_path=fast))


@examples(30)
@given(RANDOMS, st.booleans())
def test_damaged_blobs(rng: random.Random, fast: bool) -> None:
    large = _only(samples()[0], {"sick-large", "sick-ever", "sick-waits"})
    with_blobs = [large, *(each for each in samples()[1:] if each.blobs)]
    sample = damaged_blobs(rng, rng.choice(with_blobs))
    messages = sound_messages(rng, sample)
    run_simulation(examine(Damage(sample=sample, messages=messages), fast_path=fast))
