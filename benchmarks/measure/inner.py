"""What is measured in memory: the engine's own CPU time, and growth."""

from __future__ import annotations

import asyncio
import cProfile
import dataclasses
import sys
from collections.abc import Sequence
from typing import Any

#: Of `benchmarks.cpu`, what is told on the page.
CPU_SCENARIOS = (
    "hello-3, 200 of them",
    "hello-3, one after the other",
    "sequence of 100",
    "sequence of 1,000",
    "fan-out of 1,000",
    "1,000 children",
    "500 events, together",
    "100 events, each alone, after 1,000",
    "1,000 signals to an entity",
    "200 signals, each alone",
)
_ROUNDS = 3
#: Whose time is told by layer and function, and how many of those.
PROFILED, _FUNCTIONS = "hello-3, one after the other", 12


async def cpu(*, quick: bool = False) -> dict[str, Any]:
    """Engine CPU a turn, storage apart, with the fast path; the round with the least."""
    return await asyncio.to_thread(_cpu, 1 if quick else _ROUNDS)


def _cpu(rounds: int) -> dict[str, Any]:
    # Here and not above: it stands on the tests' own tools, which the other figures don't need.
    from benchmarks.cpu import SCENARIOS, measure, shares

    chosen = {each.name: each for each in SCENARIOS}
    missing = [name for name in CPU_SCENARIOS if name not in chosen]
    if missing:
        raise RuntimeError(f"benchmarks.cpu has no scenario {missing[0]!r}.")
    found = {}
    for name in CPU_SCENARIOS:
        figures = [
            dataclasses.asdict(measure(chosen[name], fast_path=True, profile=None))
            for _ in range(rounds)
        ]
        found[name] = min(figures, key=lambda each: float(each["engine"]))
    profile = cProfile.Profile()
    measure(chosen[PROFILED], fast_path=True, profile=profile)
    layers, functions = shares(profile)
    found[PROFILED]["profile"] = {
        "layers": layers,
        "functions": [list(each) for each in functions[:_FUNCTIONS]],
    }
    return found


async def growth(
    options: Sequence[str], *, quick_count: int, quick: bool = False
) -> dict[str, Any]:
    """What `benchmarks.growth` tells, as it tells it."""
    arguments = ["-m", "benchmarks.growth", *options, *([str(quick_count)] if quick else [])]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdout=asyncio.subprocess.PIPE
    )
    told, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"benchmarks.growth ended with code {process.returncode}.")
    return {"told": told.decode().rstrip()}
