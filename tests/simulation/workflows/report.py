"""Many seeds in parallel processes: what they came to, one by one and in all."""

from __future__ import annotations

import dataclasses
import logging
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from durable.testing.simulator.faults import Fault
from tests.simulation.workflows.making import make_case
from tests.simulation.workflows.mutations import mutated
from tests.simulation.workflows.plan import steps_of
from tests.simulation.workflows.running import run_seed

_CHUNK = 10


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What a seed, or many, came to; small enough to be sent between processes.

    Attributes:
        seeds: how many.
        wrong: what was wrong, by seed.
        counts: instances, executions, storage calls, crashes; virtual seconds.
        faults, acts, steps: how often each, by name.
    """

    seeds: int = 0
    wrong: dict[int, list[str]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    acts: Counter[str] = field(default_factory=Counter)
    steps: Counter[str] = field(default_factory=Counter)

    def __add__(self, other: Figures) -> Figures:
        return Figures(
            seeds=self.seeds + other.seeds,
            wrong={**self.wrong, **other.wrong},
            counts=self.counts + other.counts,
            faults=self.faults + other.faults,
            acts=self.acts + other.acts,
            steps=self.steps + other.steps,
        )

    def as_json(self) -> dict[str, Any]:
        # Not asdict: it can't copy a Counter.
        return {each.name: getattr(self, each.name) for each in dataclasses.fields(self)}


def figures_of(seed: int, mutation: str | None = None) -> Figures:
    """Run one seed. What breaks the run itself is wrong, too."""
    logging.disable(logging.CRITICAL)
    case = make_case(seed)
    steps = Counter(type(each).__name__ for each in steps_of(case))
    try:
        with mutated(mutation):
            result = run_seed(seed)
    except Exception as error:
        lines = traceback.format_exception(error)
        return Figures(seeds=1, wrong={seed: [f"{error!r}", *lines[-3:]]}, steps=steps)
    finally:
        logging.disable(logging.NOTSET)
    return Figures(
        seeds=1,
        wrong={seed: result.wrong} if result.wrong else {},
        counts=Counter(
            {
                "instances": result.instances,
                "executions": result.executions,
                "storage calls": len(result.world.calls),
                "crashed processes": len(result.world.crashed),
                "virtual seconds": round(result.virtual_seconds),
            }
        ),
        faults=Counter({each.name: result.world.strikes[each] for each in Fault}),
        acts=result.acts,
        steps=steps,
    )


def each_of(seeds: Iterable[int], *, jobs: int, mutation: str | None = None) -> Iterator[Figures]:
    """The figures of each seed, in order, run in so many processes."""
    if jobs == 1:
        for seed in seeds:
            yield figures_of(seed, mutation)
        return
    wanted = list(seeds)
    with ProcessPoolExecutor(max_workers=jobs) as pool:
        names = [mutation] * len(wanted)
        yield from pool.map(figures_of, wanted, names, chunksize=_CHUNK)


def table_of(total: Figures, seconds: float) -> list[str]:
    """The figures as lines."""
    each = seconds / max(total.seeds, 1)
    lines = [f"{total.seeds} seeds, {len(total.wrong)} wrong, {seconds:.0f} s, {each:.3f} s a seed"]
    lines += [f"  {name:<22}{count:>10}" for name, count in total.counts.items()]
    for title, counts in (
        ("faults", total.faults),
        ("what clients did", total.acts),
        ("steps", total.steps),
    ):
        lines.append(f"{title}:")
        lines += [f"  {name:<22}{count:>10}" for name, count in sorted(counts.items())]
    return lines
