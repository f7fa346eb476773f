"""Requests per recorded scenario, beside the original's: the page benchmarks/scenarios.md.

Runs in memory and in virtual time, so it gives the same figures everywhere; that they are those of
the wire is seen with `python -m benchmarks.requests`.
"""

from __future__ import annotations

from pathlib import Path

from tests.golden.request_plays import NOT_COMPARED, plays
from tests.golden.request_runs import Costs, costs, with_own_lease

PAGE = Path(__file__).with_name("scenarios.md")
_HEAD = """\
# Storage requests per scenario

Written by `python -m benchmarks.requests --scenarios`; `tests/golden/test_scenario_requests.py`
asserts that ours are at most the original's, and that this page is up to date.

- **original**: DurableTask.AzureStorage 2.9.1 with one worker, as recorded (the "work" of
  `tests/golden/data/dtfx/*/counts.json`): what its framework's client and its worker asked of
  queues, History, Instances and large-message blobs. Gets that returned nothing, its leases and
  the creation of the hub are apart.
- **ours**: the same app and the same client calls in Functions mode: what the client, the engine
  and the host's queue listener (its gets and deletes) asked. Gets that returned nothing, the
  sweeper and the creation of the hub are apart. On the host's lease, as the original's extension.
- **own lease**: the same as we ship it, with a message lease of our own (`ownLeaseSeconds`): two
  requests more for each message that the host delivers.
- **looks**: what durable's client asks on top when an app raises an event, terminates, suspends or
  resumes: one read of the row each, to refuse what can't arrive. The original's framework does not
  look; its Functions extension looks once or twice.

| scenario | original | ours | ours / original | own lease | looks | |
|---|---:|---:|---:|---:|---:|---|
"""


def page() -> str:
    """The whole page."""
    rows = [costs(scenario) for scenario in plays()]
    table = "".join(map(_row, rows))
    left_out = "".join(f"- `{name}`: {why}\n" for name, why in sorted(NOT_COMPARED.items()))
    return f"{_HEAD}{table}\nNot compared:\n\n{left_out}"


def _row(found: Costs) -> str:
    original, ours = found.original.total(), found.ours.total()
    leased, looks = with_own_lease(found.scenario).total(), found.looks or ""
    return (
        f"| `{found.scenario}` | {original} | {ours} | {ours / original:.2f} | {leased} | {looks} "
        f"| {found.note} |\n"
    )
