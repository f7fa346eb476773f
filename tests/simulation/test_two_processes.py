"""Two engine processes on one hub, with latency: every race of turns is run, none is lost."""

from __future__ import annotations

import pytest

from durable.hub.taskhub import TaskHub
from tests.simulation import scenarios, sweeps
from tests.simulation.scenarios import Scenario, greeting, start
from tests.simulation.world import World

KINDS = ("hello", "fan_out", "countdown", "parent")


async def _many(hub: TaskHub, world: World) -> None:
    for n in range(200):
        kind = KINDS[n % len(KINDS)]
        value = {"fan_out": 6, "countdown": 2}.get(kind)
        await start(hub, kind, f"{kind}-{n}", value)


def _outputs() -> dict[str, object]:
    by_kind: dict[str, object] = {
        "hello": greeting("Tokyo", "Seattle", "London"),
        "fan_out": sorted(greeting(*map(str, range(6)))),
        "countdown": "over",
        "parent": [*greeting("Tokyo", "Seattle", "London"), "Hello 3!"],
    }
    return {f"{KINDS[n % 4]}-{n}": by_kind[KINDS[n % 4]] for n in range(200)}


MANY = Scenario(name="two-hundred", client=_many, outputs=_outputs())


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", [1, 2])
def test_two_processes_share_two_hundred_instances(seed: int, fast: bool) -> None:
    result = scenarios.run(MANY, processes=2, seed=seed, latency=0.02, batch_size=4, fast=fast)
    assert result.wrong == []
    # Without a fault, every activity ran exactly once (7).
    assert result.world.activities["greet:0"] == 50
    assert sum(result.world.activities.values()) == 50 * (3 + 6 + 2 + 4)


@pytest.mark.slow
@pytest.mark.sweep
@pytest.mark.timeout(120)
@pytest.mark.parametrize("scenario", scenarios.ALL, ids=lambda s: s.name)
def test_two_processes_race_for_one_instance(scenario: Scenario, fast: bool) -> None:
    assert sweeps.races(scenario, seeds=30 if sweeps.WHOLE else 6 if fast else 3, fast=fast) == []
