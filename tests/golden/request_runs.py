"""Recorded scenarios on ours in Functions mode, and what each side asked of storage.

The original's requests are the work in its counts.json, less the creation of the hub and its
worker's leases. Idle polls are apart, on both sides.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass

from tests.golden.account_dump import DATA, recorded
from tests.golden.hosted_stage import HostedStage, Requests
from tests.golden.request_plays import Play, plays
from tests.simulation.simloop import run_simulation

#: What it takes to make a hub and to keep a worker's leases: of no orchestration.
_SURROUNDINGS = {
    "queue create-queue",
    "table create-table",
    "blob PUT-container",
    "blob PUT-container-lease",
    "blob HEAD-blob",
}
#: Blobs of the app lease, in phases in which the hub is made or a worker starts.
_LEASE_BLOBS = {"blob GET-blob", "blob PUT-blob"}
_BEGINNING = ("scenario ", "worker starts")
_ENDING = "stopping"


@dataclass(frozen=True, kw_only=True)
class Costs:
    """What a scenario cost each side: requests by service and operation, in its own words.

    `looks` are those that durable's client would make before it sends: at the row, to refuse what
    can't arrive. The original's framework makes none, its Functions extension one or two.
    """

    scenario: str
    original: Requests
    ours: Requests
    looks: int
    note: str


def costs(scenario: str) -> Costs:
    """Run a scenario, in virtual time, on the host's lease, as the original's extension does."""
    play = plays()[scenario]
    ours, looks = run_simulation(_ours(scenario, play, ownLeaseSeconds=0))
    return Costs(
        scenario=scenario, original=original(scenario), ours=ours, looks=looks, note=play.note
    )


def with_own_lease(scenario: str) -> Requests:
    """What a scenario asks as we ship it: two requests more for each message delivered."""
    ours, _ = run_simulation(_ours(scenario, plays()[scenario]))
    return ours


def original(scenario: str) -> Requests:
    """What was recorded: work, in every phase but the worker's end."""
    text = (DATA / "dtfx" / scenario / "counts.json").read_text(encoding="utf-8")
    found: Requests = Counter()
    for phase, requests in json.loads(text)["phases"].items():
        if phase == _ENDING:
            continue
        others = _SURROUNDINGS | (_LEASE_BLOBS if phase.startswith(_BEGINNING) else set())
        found.update({what: n for what, n in requests["work"].items() if what not in others})
    return found


def recordings() -> set[str]:
    """The names of the recordings that have counts."""
    return {each.parent.name for each in (DATA / "dtfx").glob("*/counts.json")}


async def _ours(scenario: str, play: Play, **settings: object) -> tuple[Requests, int]:
    hub = recorded(f"dtfx/{scenario}").hub
    async with HostedStage(play.registry, hubName=hub, **settings) as stage:
        await play.client(stage)
        return stage.requests, stage.looks
