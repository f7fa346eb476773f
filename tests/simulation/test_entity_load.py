"""One entity and thousands of signals: each counts once, in order, and they share their turns."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from durable.hub.raising import signal
from durable.hub.taskhub import TaskHub
from tests.simulation import scenarios
from tests.simulation.entity_apps import TALLY
from tests.simulation.entity_scenarios import holds
from tests.simulation.scenarios import Scenario, start
from tests.simulation.world import World

SIGNALS, SENDERS = 5_000, 4
EACH = SIGNALS // (SENDERS + 1)


async def _crowd(hub: TaskHub, world: World) -> None:
    """Four orchestrations at once, and a client."""
    for number in range(SENDERS):
        await start(hub, "crowd", f"s{number}", EACH)
    for number in range(EACH):
        await signal(hub, str(TALLY), "add", json.dumps(["client", number]))


_NEXT = dict.fromkeys(("client", *(f"s{number}" for number in range(SENDERS))), EACH)
CROWD = Scenario(
    name="five-thousand-signals",
    client=_crowd,
    outputs={f"s{number}": "Hello crowd!" for number in range(SENDERS)},
    check=holds((TALLY, {"count": SIGNALS, "out_of_order": 0, "next": _NEXT})),
)


@pytest.mark.slow
@pytest.mark.sweep  # long, and nothing new for the coverage
@pytest.mark.timeout(120)
def test_five_thousand_signals_to_one_entity_count_once_and_in_order() -> None:
    result = scenarios.run(CROWD, batch_size=32)
    assert result.wrong == []
    requests = Counter(call.operation for call in result.world.calls if not call.idle)
    # A message is put once and deleted once. All else is shared: with a batch of the host's, if
    # not with more. The original needs a turn of its own for a batch, too, and more for each.
    assert requests["Put Message"] < 1.01 * SIGNALS
    assert requests["Delete Message"] < 1.01 * SIGNALS
    assert sum(requests.values()) < 2.25 * SIGNALS
