"""A soak of some seconds, so that the long one (`make soak`) goes on working."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import pytest

from tests.soak.fleet import Leases
from tests.soak.report import write_report
from tests.soak.soak import Plan, run_soak


@pytest.mark.azurite
@pytest.mark.slow
@pytest.mark.sweep  # processes that are killed
@pytest.mark.timeout(180)
async def test_a_short_soak_loses_nothing(tmp_path: Path) -> None:
    seed = int(os.environ.get("DURABLE_SOAK_SEED", random.SystemRandom().randrange(1_000_000)))
    print(f"seed {seed} (again: DURABLE_SOAK_SEED={seed})")
    plan = Plan(
        seconds=12.0,
        kill_every=5.0,
        azurite_restarts=1,
        drain_seconds=100.0,
        per_second=4.0,
        at_once=25,
        leases=Leases(own=10, host=10, worker=10),
        seed=seed,
    )
    result = await run_soak(plan, print)
    write_report(result, tmp_path / "soak.md")
    print(tmp_path.joinpath("soak.md").read_text(encoding="utf-8"))
    assert result.wrong == []
    figures = json.loads((tmp_path / "soak.json").read_text(encoding="utf-8"))
    assert figures["kills"]["all"] == len(result.kills) == 2
    assert len(figures["azuriteStops"]) == 1
    assert figures["canary"]["rows"] > 0
    # It was load, and it was hit.
    assert figures["instances"]["started"] >= 15
    assert figures["activities"]["run"] >= 20
    assert any(kill.unfinished for kill in result.kills)
