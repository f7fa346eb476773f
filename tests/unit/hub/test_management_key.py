"""The management key: configured, or made once for all processes."""

from __future__ import annotations

import pytest

from durable.errors import Conflict, CorruptRecord
from durable.hub.management_key import management_key
from tests.hub_lab import Lab, in_virtual_time, once


@in_virtual_time
async def test_a_configured_key_is_taken_without_a_request() -> None:
    lab = Lab()
    actor = await lab.actor()
    assert await management_key(actor.hub, "configured") == "configured"
    assert actor.calls == []


@pytest.mark.parametrize("configured", [None, ""])
@in_virtual_time
async def test_without_one_a_key_is_made_once_and_kept(configured: str | None) -> None:
    lab = Lab()
    first, second = await lab.actor(), await lab.actor()
    key = await management_key(first.hub, configured)
    assert len(key) == 64
    assert await management_key(second.hub, configured) == key
    assert list(await lab.blobs(lab.hub.names.keys)) == ["management"]


@in_virtual_time
async def test_two_processes_that_make_it_at_once_agree() -> None:
    lab = Lab()
    first, second = await lab.actor(), await lab.actor()
    made: list[str] = []

    async def other() -> None:
        made.append(await management_key(second.hub, None))

    first.before = once(other, "Put Blob")
    assert await management_key(first.hub, None) == made[0]


@in_virtual_time
async def test_a_key_that_can_neither_be_read_nor_made_is_an_error() -> None:
    lab = Lab()
    actor = await lab.actor()
    actor.failing["Put Blob"] = Conflict("there already")
    with pytest.raises(Conflict, match="'lab-keys' can neither be read nor made"):
        await management_key(actor.hub, None)


@pytest.mark.parametrize("stored", [b"", b" \n", b"\xff\xfe", b"a\x00b"])
@in_virtual_time
async def test_a_damaged_key_is_an_error_that_says_what_to_do(stored: bytes) -> None:
    lab = Lab()
    key = await management_key(lab.hub, None)
    await lab.account.blobs.put_blob(lab.hub.names.keys, "management", stored)
    with pytest.raises(CorruptRecord, match="Delete it, and a new key is made") as caught:
        await management_key(lab.hub, None)
    assert key not in str(caught.value)
    assert (await lab.blobs(lab.hub.names.keys))["management"] == stored
