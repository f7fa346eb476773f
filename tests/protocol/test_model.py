"""Random walks through the protocol's model (README.md): no violation, and rules are needed.

Seeds are fixed: a walk that fails is traced with `run.trace(rules, scenario, seed, maxf, procs)`.
"""

from __future__ import annotations

import pytest

from tests.protocol.model import Rules
from tests.protocol.run import violations

pytestmark = [pytest.mark.slow, pytest.mark.sweep]


@pytest.mark.parametrize(
    ("procs", "walks"), [("FF", 1200), ("F", 300), ("FO", 400), ("OO", 600)], ids=str
)
def test_walks_keep_every_invariant(procs: str, walks: int) -> None:
    assert violations(Rules(), walks, seed=1000, procs=procs) == []


#: Rules left out, and where that is found soon: first seed, scenarios (all when None).
_NEEDED: dict[str, tuple[Rules, int, list[str] | None]] = {
    "leased put": (Rules(leased_put=False), 500_000, None),
    "results kept": (Rules(keep_results=False), 500_000, ["wide", "kids"]),
    "sentinel inserted": (Rules(insert=False), 500_000, None),
    "flush before a hand-over": (Rules(flush_first=False), 500_000, ["anycan"]),
    "nothing rests half done": (Rules(half_goes_on=False), 500_500, ["canwork"]),
    "runs by execution": (Rules(runs_by_exec=False), 500_000, None),
    "inbox last": (Rules(row_before_delete=False), 500_000, None),
}


@pytest.mark.parametrize("name", _NEEDED)
def test_a_rule_that_is_left_out_is_missed(name: str) -> None:
    rules, seed, names = _NEEDED[name]
    assert violations(rules, 200, seed=seed, names=names) != []
