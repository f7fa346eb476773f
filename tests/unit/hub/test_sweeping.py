"""Where the sweeper stopped: stored for whichever process sweeps next."""

from __future__ import annotations

import pytest

from durable.hub.sweeping import SweepState, read_sweep_state, write_sweep_state
from tests.hub_lab import Lab, in_virtual_time


@in_virtual_time
async def test_what_was_written_is_read_by_another_process() -> None:
    lab = Lab()
    first, second = await lab.actor(), await lab.actor()
    assert await read_sweep_state(first.hub) == SweepState()
    for state in (SweepState(instances="a", orphans="b"), SweepState(tombstones="c")):
        await write_sweep_state(first.hub, state)
        assert await read_sweep_state(second.hub) == state


@pytest.mark.parametrize(
    ("stored", "read"),
    [
        (b"{", SweepState()),
        (b"\xff", SweepState()),
        (b"[1]", SweepState()),
        (b"[" * 50_000, SweepState()),
        (b'"' + b"x" * 70_000 + b'"', SweepState()),
        (b'{"instances": 5, "orphans": "x", "future": "y"}', SweepState(orphans="x")),
    ],
)
@in_virtual_time
async def test_what_cannot_be_understood_begins_anew(stored: bytes, read: SweepState) -> None:
    lab = Lab()
    await write_sweep_state(lab.hub, SweepState(instances="a"))
    await lab.account.blobs.put_blob(lab.hub.names.keys, "sweeper", stored)
    assert await read_sweep_state(lab.hub) == read
