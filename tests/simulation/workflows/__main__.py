"""Runs seeds of random workflows: ``python -m tests.simulation.workflows --seeds 1000``.

``--seed 123 --trace`` shows what one seed does, and what happened.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import pathlib
import pprint
import sys
import time

from durable.testing.simulator.trace import lines_of
from tests.simulation.workflows.making import make_case
from tests.simulation.workflows.mutations import MUTATIONS, mutated
from tests.simulation.workflows.report import Figures, each_of, table_of
from tests.simulation.workflows.running import make_setup, run_seed

REPORT = pathlib.Path(".reports/sim.json")
_SHOWN = 5


def main(arguments: list[str]) -> int:
    """The exit code: 1 when anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.workflows")
    parser.add_argument("--seeds", type=int, default=1000, help="so many, one after the other")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first")
    parser.add_argument("--seed", type=int, help="this one alone")
    parser.add_argument("--trace", action="store_true", help="with --seed: what happened")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--mutation", choices=MUTATIONS, help="break the engine so")
    parser.add_argument("--until-found", action="store_true", help="stop at the first that fails")
    given = parser.parse_args(arguments)
    if given.seed is not None:
        return _one(given.seed, given.mutation, trace=given.trace)
    seeds = range(given.first, given.first + given.seeds)
    return _many(seeds, given.jobs, given.mutation, until_found=given.until_found)


def _one(seed: int, mutation: str | None, *, trace: bool) -> int:
    if not trace:
        logging.disable(logging.CRITICAL)
    with mutated(mutation):
        result = run_seed(seed)
    if trace:
        pprint.pprint(make_case(seed), width=160)
        pprint.pprint(make_setup(seed), width=160)
        print("\n".join(lines_of(result.world.entries)))
    print(f"seed {seed}: " + ("\n  ".join(result.wrong) or "nothing wrong"))
    return 1 if result.wrong else 0


def _many(seeds: range, jobs: int, mutation: str | None, *, until_found: bool) -> int:
    began = time.perf_counter()
    total = Figures()
    for figures in each_of(seeds, jobs=jobs, mutation=mutation):
        total += figures
        for seed, wrong in figures.wrong.items():
            _tell(seed, wrong, mutation)
        if total.seeds % 100 == 0:
            seconds = time.perf_counter() - began
            print(f"{total.seeds} seeds, {len(total.wrong)} wrong, {seconds:.0f} s", flush=True)
        if until_found and total.wrong:
            break
    seconds = time.perf_counter() - began
    print("\n".join(table_of(total, seconds)))
    REPORT.parent.mkdir(exist_ok=True)
    report = {"from": seeds.start, "mutation": mutation, "seconds": seconds, **total.as_json()}
    REPORT.write_text(json.dumps(report, indent=1))
    print(f"({REPORT})")
    for seed in total.wrong:
        print(_reproduction(seed, mutation))
    return 1 if total.wrong else 0


def _tell(seed: int, wrong: list[str], mutation: str | None) -> None:
    print(f"seed {seed} is wrong: {_reproduction(seed, mutation)}")
    for each in wrong[:_SHOWN]:
        print(f"  {each[:400]}")


def _reproduction(seed: int, mutation: str | None) -> str:
    broken = f" --mutation {mutation}" if mutation else ""
    return f"python -m tests.simulation.workflows --seed {seed} --trace{broken}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
