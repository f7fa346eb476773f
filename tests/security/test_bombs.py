"""What grows when it is unpacked is stopped early, within bounded memory, with a clear error."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from durable.errors import CorruptRecord, HttpCallFailed
from durable.model.http import HttpRequest
from durable.model.status import RuntimeStatus
from durable.runtime.http_client import HttpClient
from durable.wire import spill
from durable.wire.envelopes import encode_pointer
from tests.hub_lab import Lab, in_virtual_time
from tests.unit.runtime.web import serving

Steps = Generator[Any, Any, Any]
MIB = 1024 * 1024
LIMIT = 2 * MIB


def _bomb(mib: int) -> bytes:
    """A gzip member of so many MiB of zeros, made without having them."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    part = packer.compress(b"\0" * MIB) + packer.flush(zlib.Z_FULL_FLUSH)
    return b"\x1f\x8b\x08\0\0\0\0\0\0\x03" + part * mib + packer.flush()


BOMBS: dict[str, Callable[[], bytes]] = {
    "one": lambda: _bomb(1024),
    "members": lambda: gzip.compress(b"\0" * MIB) * 200,
    "tiny members": lambda: gzip.compress(b"") * 100_000,
    "in itself": lambda: gzip.compress(_bomb(1024)) + _bomb(64),
    "no end": lambda: _bomb(1) * 3 + b"\x1f\x8b\x08" + b"\0" * 100,
}


@contextmanager
def _at_most(mib: float) -> Iterator[None]:
    """Within it, no more memory than that is taken at any time."""
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < mib * MIB, f"{peak / MIB:.1f} MiB"


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS.keys())
def test_a_blob_is_unpacked_no_further_than_its_limit(bomb: Callable[[], bytes]) -> None:
    data = bomb()
    with _at_most(5 * LIMIT / MIB), pytest.raises(CorruptRecord, match=r"bytes|members|gzip|cut"):
        spill.decompress(data, max_bytes=LIMIT)


def waiting(context: Any) -> Steps:
    return (yield context.wait_for_external_event("E"))


@in_virtual_time
async def test_a_message_that_is_a_bomb_goes_to_quarantine_and_others_go_on() -> None:
    lab = Lab(waiting)
    lab.settings = replace(lab.settings, max_payload_bytes=LIMIT)
    actor = await lab.actor()
    await lab.start("waiting")
    await actor.deliver()
    name = "i1/message-0123456789abcdef0123456789abcdef-EventRaised.json.gz"
    await lab.hub.payloads.write("i1/message-x.json.gz", "x")  # makes the container
    await lab.account.blobs.put_blob(lab.hub.names.large_messages, name, _bomb(1024))
    await lab.account.queues.put(lab.queue, encode_pointer(name))
    await lab.raise_event("E", 1)
    with _at_most(5 * LIMIT / MIB):
        await actor.drain()
    [kept] = await lab.quarantined()
    assert "bytes" in kept["reason"]
    assert (await lab.row()).status is RuntimeStatus.COMPLETED


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", lambda: _bomb(1024)),
        ("deflate", lambda: zlib.compress(b"\0" * 16 * MIB)),
        ("identity", lambda: b"\0" * 8 * MIB),
    ],
    ids=["gzip", "deflate", "identity"],
)
async def test_an_answer_that_is_a_bomb_is_a_failure(
    encoding: str, body: Callable[[], bytes]
) -> None:
    made = body()

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(body=made, headers={"Content-Encoding": encoding})

    client = HttpClient(max_content_bytes=LIMIT)
    async with serving(answer) as server:
        request = HttpRequest(method="GET", uri=f"{server.base}/x?secret", headers={})
        with _at_most(64), pytest.raises(HttpCallFailed) as failed:
            await client.send(request)
        assert "secret" not in str(failed.value)
    await client.close()


async def test_an_answer_without_end_is_stopped() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * MIB)

    client = HttpClient(max_content_bytes=LIMIT)
    async with serving(answer) as server:
        request = HttpRequest(method="GET", uri=f"{server.base}/x", headers={})
        with pytest.raises(HttpCallFailed, match="more than 2097152 bytes"):
            await client.send(request)
    await client.close()


async def test_headers_without_end_are_stopped() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(headers={f"X-{n}": "x" * 8000 for n in range(500)})

    client = HttpClient(max_content_bytes=LIMIT)
    async with serving(answer) as server:
        for headers in ({}, {"X-A": "b"}):
            request = HttpRequest(method="GET", uri=f"{server.base}/x", headers=headers)
            with _at_most(32):
                try:
                    await client.send(request)
                except HttpCallFailed:
                    continue
    await client.close()
