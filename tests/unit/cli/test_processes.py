"""The parent of several processes, with small children."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import pytest

from durable.cli.processes import CANNOT_START, FAILED, Processes
from durable.clock import SystemClock

#: Notes its number and process id, then lives until it is told to end, or its parent is gone.
CHILD = """
import os, pathlib, signal, sys
folder = pathlib.Path({folder!r})
signal.signal(signal.SIGTERM, lambda *_: (print(end="", flush=True), os._exit({code})))
name = sys.argv[-1]
(folder / f"{{name}}-{{os.getpid()}}").touch()
{more}
sys.stdin.read()
"""


def parent(folder: Path, more: str = "", code: str = "0", patience: float = 10) -> Processes:
    script = CHILD.format(folder=str(folder), more=more, code=code)
    return Processes(
        [sys.executable, "-c", script, "--child"], SystemClock(), patience_seconds=patience
    )


async def lives(folder: Path, count: int) -> list[str]:
    """The numbers of the first `count` children that lived."""
    async with asyncio.timeout(10):
        while len(found := list(folder.iterdir())) < count:
            await asyncio.sleep(0.02)
    return sorted(each.name.partition("-")[0] for each in found)


async def test_the_children_end_with_their_parent(tmp_path: Path) -> None:
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(parent(tmp_path).run(2, stop))
        assert await lives(tmp_path, 2) == ["1", "2"]
        stop.set()
    assert running.result() == 0


@pytest.mark.slow
async def test_one_that_dies_is_started_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    die = 'if name == "2" and len(list(folder.glob("2-*"))) == 1: os.kill(os.getpid(), 9)'
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(parent(tmp_path, die).run(2, stop))
        assert await lives(tmp_path, 3) == ["1", "2", "2"]
        stop.set()
    assert running.result() == 0
    assert caplog.messages == ["Process 2 was ended by signal 9; it is started again in 1 s."]


async def test_what_cannot_start_ends_all(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    stop = asyncio.Event()
    wrong = f'if name == "2": sys.exit({CANNOT_START})'
    assert await parent(tmp_path, wrong).run(2, stop) == CANNOT_START
    assert not caplog.messages


async def test_a_child_that_does_not_end_is_killed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stop = asyncio.Event()
    deaf = "signal.signal(signal.SIGTERM, signal.SIG_IGN); (folder / 'deaf').touch()"
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(parent(tmp_path, deaf, patience=0.2).run(1, stop))
        await lives(tmp_path, 2)
        began = time.monotonic()
        stop.set()
    assert time.monotonic() - began < 5
    assert running.result() == FAILED
    assert caplog.messages == ["1 processes did not end; they are killed."]


async def test_a_child_that_ends_badly_is_the_parent_s_failure(tmp_path: Path) -> None:
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(parent(tmp_path, code="7").run(1, stop))
        await lives(tmp_path, 1)
        stop.set()
    assert running.result() == FAILED


async def test_children_can_be_ended_at_once(tmp_path: Path) -> None:
    stop = asyncio.Event()
    processes = parent(tmp_path, "signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(processes.run(1, stop))
        await lives(tmp_path, 1)
        stop.set()
        await asyncio.sleep(0)
        processes.kill()
    assert running.result() == FAILED
